//! The world as an upstream serves it: pages, links, validators, and what goes wrong. Knows HTTP;
//! asks no store.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    super::upstream::{Answer, Asked},
    broken::{Broken, written},
    world::{Keys, World},
};

/// Records of a full page.
const PAGE: usize = 2;
/// A day in autumn.
const BEGIN: u64 = 1_795_000_000;

/// How an address tells that nothing changed.
#[derive(Clone, Copy, Debug)]
enum Validators {
    None,
    /// Of all bytes.
    Tag,
    /// Of the records, and whether there are more: cursors and totals may change under it.
    LooseTag,
    /// In whole seconds.
    Modified,
    Both,
}

/// What goes wrong, and at which request of a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// From then on each try of that address fails.
    Status(u16),
    Cut,
    Page,
    /// The page has no records for once.
    Empty,
    /// A record has a value that is none.
    BadRecord,
    /// A record comes again with the next one's page.
    Twice,
    /// The world changes meanwhile.
    Change,
    /// Whoever asks is stopped.
    Stop,
}

/// All that the upstream knows.
pub(super) struct State {
    pub world: World,
    broken: Broken,
    random: StdRng,
    /// Seconds since [`BEGIN`].
    clock: u64,
    /// When the world changed last.
    changed: u64,
    /// Cursors of an earlier one are known no more.
    cursors: u32,
    validators: BTreeMap<String, Validators>,
    asked: usize,
    trouble: Option<(usize, Trouble)>,
    struck: Option<String>,
    pub stop: CancellationToken,
    /// What was there all the time since the last [`State::begin`].
    pub always: Keys,
    pub trace: Vec<String>,
}

/// An answer before it is validated.
struct Page {
    records: Vec<Json>,
    /// What stands beside the records; null for a plain array.
    around: Json,
    list: &'static str,
    /// What the records are.
    kind: &'static str,
    link: Option<String>,
}

impl State {
    pub(super) fn new(mut random: StdRng) -> State {
        let world = World::new(&mut random);
        State {
            world,
            broken: Broken::default(),
            random,
            clock: 0,
            changed: 0,
            cursors: 0,
            validators: BTreeMap::new(),
            asked: 0,
            trouble: None,
            struck: None,
            stop: CancellationToken::new(),
            always: Keys::new(),
            trace: Vec::new(),
        }
    }

    pub(super) fn change(&mut self) {
        let what = self.world.change(&mut self.random);
        self.changed = self.clock;
        self.clock += self.random.random_range(0..3);
        self.keep_up();
        self.trace.push(format!("    {what}"));
    }

    /// The same while somebody reads. Nobody can tell that pages shift in a list that says neither
    /// how long it is nor gives a row twice, so tags come and go between two runs only.
    fn change_in_a_run(&mut self) {
        let before = self.world.clone();
        self.change();
        self.world.tags_of(before);
        self.keep_up();
    }

    /// A record breaks, and stays so.
    pub(super) fn break_one(&mut self) {
        let list = ["items", "makers", "tags", "labels", "reviews"][self.random.random_range(0..5)];
        let records = match list {
            "reviews" => self.world.reviews(),
            list => self.world.records(list),
        };
        let what = self.broken.add(&mut self.random, list, &records);
        self.touch(&what);
    }

    pub(super) fn mend(&mut self) {
        self.broken.mend();
        self.touch("what was broken is mended");
    }

    fn touch(&mut self, what: &str) {
        self.changed = self.clock;
        self.clock += self.random.random_range(0..3);
        self.trace.push(format!("    {what}"));
    }

    /// The world is again what it was.
    pub(super) fn revert(&mut self, world: World) {
        self.world.revert(world);
        self.changed = self.clock;
        self.clock += self.random.random_range(0..3);
        self.keep_up();
        self.trace.push("    all is as it was earlier".to_owned());
    }

    pub(super) fn forget_cursors(&mut self) {
        self.cursors += 1;
        self.trace.push("    cursors expire".to_owned());
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.clock += seconds;
    }

    fn keep_up(&mut self) {
        let keys = self.world.keys();
        self.always.retain(|key| keys.contains(key));
    }

    /// Before a run.
    pub(super) fn begin(&mut self, trouble: Option<(usize, Trouble)>) {
        self.asked = 0;
        self.trouble = trouble;
        self.struck = None;
        self.stop = CancellationToken::new();
        self.always = self.world.keys();
    }

    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        let trouble = self
            .trouble
            .filter(|(at, _)| *at == self.asked)
            .map(|(_, trouble)| trouble);
        self.asked += 1;
        self.clock += u64::from(self.random.random_bool(0.2));
        if let Some(Trouble::Status(_)) = trouble {
            self.struck = Some(asked.path.clone());
        }
        if let Some((_, Trouble::Status(status))) = self.trouble
            && self.struck.as_ref() == Some(&asked.path)
        {
            self.trace.push(format!("      {} -> {status}", asked.path));
            return Answer::status(status);
        }
        match trouble {
            Some(Trouble::Change) => self.change_in_a_run(),
            Some(Trouble::Stop) => self.stop.cancel(),
            Some(Trouble::Page) => return Answer::bytes(b"<!doctype html><p>Log in".to_vec()),
            _ => {}
        }
        let Some(mut page) = self.page(&asked.path) else {
            self.trace.push(format!("      {} -> 404", asked.path));
            return Answer::status(404);
        };
        match trouble {
            // Only where the upstream declares how many there are can anybody tell.
            Some(Trouble::Empty) if page.list == "items" => page.records.clear(),
            Some(Trouble::BadRecord) => spoil(&mut page.records),
            Some(Trouble::Twice) => page.records.extend(page.records.last().cloned()),
            _ => {}
        }
        self.broken.mark(page.kind, &mut page.records);
        // What is not the world's own has no date.
        let dated = !matches!(trouble, Some(Trouble::Empty | Trouble::BadRecord | Trouble::Twice));
        let answer = self.validated(asked, page, dated);
        match trouble {
            Some(Trouble::Cut) => answer.cut(1),
            _ => answer,
        }
    }

    fn page(&self, path: &str) -> Option<Page> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let number = |name: &str| query.strip_prefix(name).and_then(|text| text.parse::<usize>().ok());
        match path.split('/').collect::<Vec<_>>()[..] {
            ["", "items"] => {
                let all = self.world.records("items");
                let page = number("page=")?;
                Some(Page {
                    around: json!({ "pages": all.len().div_ceil(PAGE).max(1), "total": all.len() }),
                    records: all.into_iter().skip((page.max(1) - 1) * PAGE).take(PAGE).collect(),
                    list: "items",
                    kind: "items",
                    link: None,
                })
            }
            ["", "makers"] => {
                let cursor = query.strip_prefix("cursor=")?;
                let from = match cursor.split_once('-') {
                    Some((cursors, from)) if cursors == self.cursors.to_string() => from.parse().ok()?,
                    None if cursor.is_empty() => 0,
                    _ => return None,
                };
                let all = self.world.records("makers");
                let next = (all.len() > from + PAGE).then(|| format!("{}-{}", self.cursors, from + PAGE));
                Some(Page {
                    records: all.into_iter().skip(from).take(PAGE).collect(),
                    around: json!({ "next": next }),
                    list: "rows",
                    kind: "makers",
                    link: None,
                })
            }
            ["", "tags"] => {
                let from = number("at=").unwrap_or(0);
                let all = self.world.records("tags");
                let more = all.len() > from + PAGE;
                Some(Page {
                    records: all.into_iter().skip(from).take(PAGE).collect(),
                    around: Json::Null,
                    list: "",
                    kind: "tags",
                    link: more.then(|| format!("</tags?at={}>; rel=\"next\"", from + PAGE)),
                })
            }
            ["", "labels"] => Some(Page {
                records: self.world.records("labels"),
                around: Json::Null,
                list: "",
                kind: "labels",
                link: None,
            }),
            ["", "items", item, list] => Some(Page {
                records: self.world.records_of(item, list)?,
                around: Json::Null,
                list: "",
                kind: if list == "reviews" { "reviews" } else { "" },
                link: None,
            }),
            _ => None,
        }
    }

    fn validated(&mut self, asked: &Asked, page: Page, dated: bool) -> Answer {
        let random = &mut self.random;
        let validators = *self.validators.entry(asked.path.clone()).or_insert_with(|| {
            let kinds = [
                Validators::None,
                Validators::Tag,
                Validators::LooseTag,
                Validators::Modified,
                Validators::Both,
            ];
            kinds[random.random_range(0..kinds.len())]
        });
        let lines: Vec<String> = page.records.iter().map(|record| format!("{record}\n")).collect();
        let records = Json::Array(page.records);
        let hash = |json: &Json| format!("\"{:x}\"", xxh3_64(json.to_string().as_bytes()));
        // A tag that hides that there are more pages is a lie that nobody can see through.
        let more = (!page.around["next"].is_null(), &page.around["pages"]);
        let loose = format!("w/{}", hash(&json!([records, more.0, more.1])));
        let body = match page.around {
            Json::Object(mut around) => {
                around.insert(page.list.to_owned(), records);
                Json::Object(around)
            }
            _ => records,
        };
        let tag = match validators {
            Validators::Tag | Validators::Both => Some(hash(&body)),
            Validators::LooseTag => Some(loose),
            _ => None,
        };
        let date = |seconds: u64| httpdate::fmt_http_date(at(seconds));
        let modified = dated && matches!(validators, Validators::Modified | Validators::Both);
        let modified = modified.then(|| date(self.changed));
        let header = |name: &str| {
            let mut lines = asked.head.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        // As RFC 9110 has it: a tag goes before a date.
        let same = match (header("if-none-match"), header("if-modified-since")) {
            (Some(known), _) if tag.is_some() => tag.as_ref() == Some(&known),
            (_, Some(known)) => modified
                .as_ref()
                .is_some_and(|modified| modified.to_lowercase() == known),
            _ => false,
        };
        self.trace.push(format!(
            "      {} -> {} {validators:?}",
            asked.path,
            if same { "304".to_owned() } else { body.to_string() }
        ));
        let mut answer = match same {
            true => Answer::status(304),
            false if page.kind == "labels" => Answer::bytes(written(&lines.concat())),
            false => Answer::bytes(written(&body.to_string())),
        };
        answer = answer.header("Date", date(self.clock));
        for (name, value) in [("ETag", tag), ("Last-Modified", modified), ("Link", page.link)] {
            if let Some(value) = value {
                answer = answer.header(name, value);
            }
        }
        answer
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BEGIN + seconds)
}

/// Makes a value of the last record one that cannot be stored: a part's weight, or else its name.
fn spoil(records: &mut [Json]) {
    let Some(record) = records.last_mut() else { return };
    if let Some(part) = record["parts"].as_array_mut().and_then(|parts| parts.last_mut()) {
        part["weight"] = json!("heavy");
    } else if record.get("name").is_some() {
        record["name"] = Json::Null;
    }
}
