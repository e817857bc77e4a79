//! Exchanges that are kept in a folder, and given again without a network. Knows files and which
//! answer is next; knows no HTTP client and no definition.

mod exchange;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use exchange::{EXTENSION, Exchange, Misread, Question};

/// Files of one cassette: more is a mistake, such as a folder of something else.
const FILES_MAX: usize = 100_000;
/// One answer of a cassette, which is in memory as a whole.
pub(crate) const ANSWER_MAX: u64 = 64 << 20;

/// The header under which it is noted where a request went to.
pub(crate) const ORIGIN: &str = "origin";

/// Stands for the address of a server that gives tokens, which is elsewhere than the source.
pub(crate) const TOKEN: &str = "{token}";

/// What happens to the exchanges of a harvest beside their being used.
#[derive(Clone, Default)]
pub(crate) struct Tape {
    /// Answers come from here alone.
    pub replay: Option<Arc<Player>>,
    /// Each exchange is kept here.
    pub keep: Option<Arc<dyn Keep>>,
}

/// Keeps exchanges.
pub(crate) trait Keep: Send + Sync {
    /// Whether bodies are wanted: these are in memory then, each as a whole.
    fn bodies(&self) -> bool;

    /// Takes an exchange; an error is public.
    fn keep(&self, exchange: Exchange) -> Result<(), String>;
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (replay, keep) = (self.replay.is_some(), self.keep.is_some());
        write!(out, "Tape {{ replay: {replay}, keep: {keep} }}")
    }
}

/// Why a cassette cannot be used. The text is for whoever gave its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CassetteError {
    #[error("cannot read the cassette {}: {error}; give a folder that `hayloft harvest --record` has filled", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("cannot write the cassette {}: {error}; may this process write there, and is there room?", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{}:{}: {}", path.display(), misread.line, misread.message)]
    Misread { path: PathBuf, misread: Misread },
    #[error("the folder {} holds no answer: no file in it has a name that ends in .{EXTENSION}", .0.display())]
    Empty(PathBuf),
    #[error("the folder {} holds more than {FILES_MAX} files; give the cassette a folder of its own", .0.display())]
    TooMany(PathBuf),
    #[error("{} is larger than {ANSWER_MAX} bytes, which is more than a cassette's answer may have", .0.display())]
    TooLarge(PathBuf),
}

/// Writes exchanges into a folder, a file each.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    /// How often each was asked for.
    asked: Mutex<HashMap<Question, usize>>,
}

impl Recorder {
    /// Makes the folder, if it is not there. What lies in it stays, but for answers to what is
    /// asked for again.
    pub(crate) fn new(folder: &Path) -> Result<Recorder, CassetteError> {
        std::fs::create_dir_all(folder).map_err(|error| CassetteError::Write {
            path: folder.to_owned(),
            error,
        })?;
        Ok(Recorder {
            folder: folder.to_owned(),
            asked: Mutex::default(),
        })
    }

    /// The number of this answer among those to its question; of the first one, those that an
    /// earlier recording left are taken away.
    fn turn(&self, question: &Question) -> io::Result<usize> {
        let mut asked = lock(&self.asked);
        let count = asked.entry(question.clone()).or_default();
        let turn = *count;
        *count += 1;
        if turn == 0 {
            let stale = (1..).map(|again| self.folder.join(question.file_name(again)));
            for path in stale.take_while(|path| path.exists()) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(turn)
    }
}

impl Keep for Recorder {
    fn bodies(&self) -> bool {
        true
    }

    fn keep(&self, exchange: Exchange) -> Result<(), String> {
        let written = self.turn(&exchange.question).and_then(|turn| {
            let path = self.folder.join(exchange.question.file_name(turn));
            std::fs::write(path, exchange.write())
        });
        written.map_err(|error| {
            tracing::error!(%error, "an answer cannot be kept");
            "it cannot be written into the cassette; may this process write there, and is there room? The log has the cause"
                .to_owned()
        })
    }
}

/// Gives answers that were kept.
#[derive(Debug, Default)]
pub(crate) struct Player {
    /// By what is asked as it is compared.
    answers: HashMap<Question, Mutex<Answers>>,
    /// An answer for which no body is said answers to any.
    any_body: bool,
}

/// The answers to one question, in their order; the last one is given again and again.
#[derive(Debug, Default)]
struct Answers {
    all: Vec<Exchange>,
    next: usize,
}

impl Player {
    /// Reads a folder: not its sub-folders.
    pub(crate) fn read(folder: &Path) -> Result<Player, CassetteError> {
        let exchanges = read(folder)?;
        match exchanges.is_empty() {
            true => Err(CassetteError::Empty(folder.to_owned())),
            false => Ok(Player {
                any_body: false,
                ..Player::of(exchanges)
            }),
        }
    }

    /// One of these answers, those to one question in their order; who writes them need not write
    /// what is sent for them.
    pub(crate) fn of(exchanges: Vec<Exchange>) -> Player {
        let mut player = Player {
            any_body: true,
            ..Player::default()
        };
        for exchange in exchanges {
            let answers = player.answers.entry(exchange.question.compared()).or_default();
            lock(answers).all.push(exchange);
        }
        player
    }

    /// The next answer to a question; else the question nearest to it, if there is any.
    pub(super) fn answer(&self, question: &Question) -> Result<Exchange, Option<String>> {
        let compared = question.compared();
        let mut known = self.answers.get(&compared);
        if self.any_body && known.is_none() {
            known = self.answers.get(&Question {
                body: String::new(),
                ..compared
            });
        }
        let found = known.and_then(|answers| {
            let mut answers = lock(answers);
            let at = answers.next.min(answers.all.len().saturating_sub(1));
            answers.next = at + 1;
            answers.all.get(at).cloned()
        });
        found.ok_or_else(|| self.nearest(question))
    }

    fn nearest(&self, question: &Question) -> Option<String> {
        let like = |other: &Question| {
            let same = u8::from(other.source == question.source) + u8::from(other.method == question.method);
            f64::from(same) + strsim::normalized_levenshtein(&other.path, &question.path)
        };
        // In one order on every machine, where several are as near.
        let kept = self.answers.values().filter_map(|answers| {
            let question = lock(answers).all.first()?.question.clone();
            Some((question.shown(), like(&question)))
        });
        let all: BTreeMap<String, f64> = kept.collect();
        all.into_iter()
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(shown, _)| shown)
    }

    /// Where the requests of a source went to.
    pub(crate) fn origin(&self, source: &str) -> Option<String> {
        let own = |question: &Question| question.source == source && question.path != TOKEN;
        let of_source = self.answers.iter().filter(|(question, _)| own(question));
        let mut origins = of_source.filter_map(|(_, answers)| {
            let answers = lock(answers);
            let asked = &answers.all.first()?.asked;
            asked
                .iter()
                .find(|(name, _)| name == ORIGIN)
                .map(|(_, origin)| origin.clone())
        });
        origins.next()
    }
}

/// The exchanges of a folder, in the order of their names: of one question, that of its answers.
pub(crate) fn read(folder: &Path) -> Result<Vec<Exchange>, CassetteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| CassetteError::Read { path, error }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            return Err(CassetteError::TooMany(folder.to_owned()));
        }
    }
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        if path.metadata().map_err(failed(&path))?.len() > ANSWER_MAX + (1 << 20) {
            return Err(CassetteError::TooLarge(path));
        }
        let bytes = std::fs::read(&path).map_err(failed(&path))?;
        match Exchange::read(&bytes) {
            Ok(exchange) => found.push((place(&path), exchange)),
            Err(misread) => return Err(CassetteError::Misread { path, misread }),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found.into_iter().map(|(_, exchange)| exchange).collect())
}

/// The name without what counts the answers to one question, and that count: the tenth comes behind
/// the second.
fn place(path: &Path) -> (String, u64) {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match name.rsplit_once('-').map(|(begin, end)| (begin, end.parse())) {
        // A hash has eight signs; a count has fewer.
        Some((begin, Ok(count))) if name.len() - begin.len() < 9 => (begin.to_owned(), count),
        _ => (name, 0),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn exchange(path: &str, body: &str) -> Exchange {
        Exchange {
            question: Question {
                source: "farm".to_owned(),
                method: "GET".to_owned(),
                path: path.to_owned(),
                body: String::new(),
            },
            status: 200,
            body: body.to_owned().into(),
            ..Exchange::default()
        }
    }

    #[test]
    fn answers_come_in_the_order_in_which_they_were_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::new(&folder.path().join("new/cassette")).expect("a cassette");
        let folder = folder.path().join("new/cassette");
        for count in 0..12 {
            recorder
                .keep(exchange("/items", &count.to_string()))
                .expect("it is kept");
        }
        recorder.keep(exchange("/quests", "none")).expect("it is kept");
        let player = Player::read(&folder).expect("a cassette");
        let question = exchange("/items", "").question;
        let given: Vec<Bytes> = (0..13)
            .map(|_| player.answer(&question).expect("an answer").body)
            .collect();
        let last = given.last().cloned().expect("several");
        assert_eq!(
            given[..12],
            (0..12).map(|count| Bytes::from(count.to_string())).collect::<Vec<_>>()
        );
        assert_eq!(last, "11");
        // Another recording has fewer of them.
        let recorder = Recorder::new(&folder).expect("a cassette");
        recorder.keep(exchange("/items", "new")).expect("it is kept");
        assert_eq!(read(&folder).expect("a cassette").len(), 2);
    }

    #[test]
    fn what_was_not_kept_is_told_with_what_is_nearest() {
        let player = Player::of(vec![exchange("/items?page=1", ""), exchange("/quests", "")]);
        let nearest = |path: &str| player.answer(&exchange(path, "").question).expect_err(path);
        assert_eq!(nearest("/items?page=2").as_deref(), Some("GET /items?page=1"));
        assert_eq!(nearest("/quest").as_deref(), Some("GET /quests"));
        assert_eq!(Player::default().answer(&exchange("/", "").question), Err(None));
    }

    #[test]
    fn what_is_no_cassette_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = |path: &Path| Player::read(path).expect_err("no cassette").to_string();
        assert!(error(folder.path()).contains("holds no answer"));
        assert!(error(&folder.path().join("absent")).contains("cannot read the cassette"));
        std::fs::write(folder.path().join("a.http"), "> GET /\n").expect("a file");
        assert!(error(folder.path()).contains("a.http:1: expected `> source NAME`"));
    }
}
