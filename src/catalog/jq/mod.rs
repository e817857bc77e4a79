//! Checked jq filters. Knows jaq and its limits; knows no record's meaning.
//!
//! A filter is parsed, checked against an own list of names, and then either walked directly (plain
//! paths such as
//! `.a.b[]`, the hot path of a harvest) or given to jaq.

mod bounds;
mod budget;
mod check;
mod compare;
mod engine;
mod error;
mod items;
mod matching;
mod memory;
mod moves;
mod names;
mod native;
mod path;
mod reads;
mod records;
mod several;
mod ticks;

use std::{fmt, ops::ControlFlow, sync::Arc};

use jaq_json::Val;

pub(crate) use budget::Budget;
pub use error::{JqError, JqFault};
pub(crate) use memory::{FILTER_MEMORY, count as count_memory, json_bytes as weight};

use crate::value::as_written;
use check::Checked;
use engine::{Engine, Outputs};
use jaq_core::load::parse::Term;
use memory::Meter;
use path::Path;
use records::Condition;

/// Outputs of one run: a selection that yields more is a mistake.
const OUTPUTS_MAX: usize = 10_000;
/// Records that `rows` may make of one page, or of one item of a list; those that are there already
/// are bounded by its bytes.
const ROWS_MAX: usize = 100_000;
/// Characters of a jaq message that an error repeats: it may contain the whole input.
const MESSAGE_CHARS: usize = 200;

/// Bytes of its input that an error shows.
const GIVEN_BYTES: usize = 160;

/// The names that a filter may call, for the reference page.
pub fn allowed() -> impl Iterator<Item = &'static str> {
    names::ALLOWED.iter().map(|(name, _)| *name)
}

/// A compiled filter; cloning is cheap, running needs no lock.
#[derive(Clone, Debug)]
pub struct Filter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    text: String,
    program: Program,
    /// Names of the variables that the text uses, without `$`.
    used: Vec<String>,
    /// Names in `$env.NAME`.
    env: Vec<String>,
    /// Names in `$this.name`.
    this: Vec<String>,
    /// The keys of the input at which it begins, when they are known.
    keys: Option<Vec<Val>>,
    limit: usize,
    /// Whether it can give more than one output.
    several: bool,
    /// Where it stands in the definition: `schema.graphql:12:20`.
    place: Option<String>,
    /// Whether what is broken comes out as it went in.
    moves: bool,
    /// Of `rows` that look at one list item by item.
    items: Option<Items>,
}

/// `rows` that lead to one list: `.a.b[] | rest`.
#[derive(Debug)]
pub struct Items {
    /// The keys that lead to the list, from the outermost.
    pub keys: Vec<String>,
    /// From an item to its records; without it, each item is one.
    pub each: Option<Filter>,
    /// Each item gives one record.
    pub one_each: bool,
}

/// `rows`, taken apart.
#[derive(Clone, Debug)]
pub struct Records {
    /// From a page to all of its records.
    pub rows: Filter,
    /// What a record must satisfy to be stored.
    pub keep: Vec<Filter>,
    /// `rows` may still yield fewer records than the page has.
    pub hides: bool,
}

#[derive(Debug)]
enum Program {
    Path(Path),
    Jaq(Box<Engine>),
}

impl Filter {
    /// Compiles and checks a filter that may use these variables (`$page` as `"page"`).
    ///
    /// Refused: syntax errors, unknown names, filters that reach outside (`env`, `input`, `halt`,
    /// …), recursive definitions and generators that need not end.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Filter, JqFault> {
        Filter::with_limit(text, variables, OUTPUTS_MAX)
    }

    /// The same for `rows`, whose outputs may be as many as a page may hold, and which may be taken
    /// apart.
    pub fn compile_rows(text: &str, variables: &[&str]) -> Result<Filter, JqFault> {
        let checked = check::check(text, variables)?;
        Filter::of_rows(text, &checked.term, &checked, variables)
    }

    fn of_rows(text: &str, term: &Term<&str>, checked: &Checked<'_>, variables: &[&str]) -> Result<Filter, JqFault> {
        let of = |term: &Term<&str>| Filter::of_term(text, term, checked, variables, ROWS_MAX);
        let mut filter = of(term)?;
        let items = match items::split(term) {
            Some(split) => Some(Items {
                each: split.each.as_ref().map(of).transpose()?,
                keys: split.keys,
                one_each: split.one_each,
            }),
            None => None,
        };
        if let Some(inner) = Arc::get_mut(&mut filter.inner) {
            inner.items = items;
            // A path lends what is there.
            if matches!(inner.program, Program::Path(_)) {
                inner.limit = usize::MAX;
            }
        }
        Ok(filter)
    }

    /// Compiles `rows`, and takes the selections at its end apart: they choose among the records of
    /// a page, which are counted before.
    pub fn compile_records(text: &str, variables: &[&str]) -> Result<Records, JqFault> {
        let checked = check::check(text, variables)?;
        let (stages, conditions) = records::split(&checked.term);
        let keep = conditions.into_iter().map(|condition| match condition {
            Condition::Term(term) => Filter::of_term(text, term, &checked, variables, OUTPUTS_MAX),
            Condition::Text(text) => Filter::compile(text, variables),
        });
        Ok(Records {
            keep: keep.collect::<Result<_, _>>()?,
            hides: records::hide(&stages),
            rows: Filter::of_rows(text, &records::join(&stages), &checked, variables)?,
        })
    }

    fn with_limit(text: &str, variables: &[&str], limit: usize) -> Result<Filter, JqFault> {
        let checked = check::check(text, variables)?;
        Filter::of_term(text, &checked.term, &checked, variables, limit)
    }

    /// A checked filter, or a part of it.
    fn of_term(
        text: &str,
        term: &Term<&str>,
        checked: &Checked<'_>,
        variables: &[&str],
        limit: usize,
    ) -> Result<Filter, JqFault> {
        let several = several::can_give_several(term);
        let program = match Path::of(term) {
            Some(path) => Program::Path(path),
            None => Program::Jaq(Box::new(Engine::compile(&ticks::ticking(term), variables)?)),
        };
        let keys = reads::keys(term);
        // A path stops at what is broken.
        let moves = matches!(program, Program::Path(_)) || moves::only_moves(term);
        let inner = Inner {
            text: text.to_owned(),
            program,
            used: checked.used.clone(),
            env: checked.env.clone(),
            this: checked.this.clone(),
            keys,
            limit,
            several,
            place: None,
            moves,
            items: None,
        };
        Ok(Filter { inner: Arc::new(inner) })
    }

    /// Of `rows`: the list that it leads to and what it makes of each item, if that is all that it
    /// does.
    pub fn items(&self) -> Option<&Items> {
        self.inner.items.as_ref()
    }

    /// Whether it may look at what stands under these keys, or at what that is a part of.
    pub fn looks_at(&self, keys: &[String]) -> bool {
        // What could be read once can be read again.
        check::check(&self.inner.text, &[]).map_or(true, |checked| reads::looks_at(&checked.term, keys))
    }

    /// The same with its place in the definition, for errors.
    pub(super) fn at(mut self, place: &str) -> Filter {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.place = Some(place.to_owned());
            if let Some(items) = &mut inner.items {
                items.each = items.each.take().map(|each| each.at(place));
            }
        }
        self
    }

    /// The filter as it was written.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// Whether the text uses `$variable`.
    pub fn uses(&self, variable: &str) -> bool {
        self.inner.used.iter().any(|used| used == variable)
    }

    /// Whether it can give more than one output, whatever it is given: it iterates, or calls what
    /// does.
    pub fn gives_several(&self) -> bool {
        self.inner.several
    }

    /// The names in `$env.NAME`, in order of appearance.
    pub fn env_names(&self) -> &[String] {
        &self.inner.env
    }

    /// The names in `$this.name`, in order of appearance.
    pub fn this_names(&self) -> &[String] {
        &self.inner.this
    }

    /// The keys of its input at which the filter's paths begin; `None` when it looks at the input
    /// as a whole.
    pub fn keys(&self) -> Option<&[Val]> {
        self.inner.keys.as_deref()
    }

    /// For the items of a list: a plain path such as `.tags[]` gives none where there are no tags,
    /// instead of an error.
    pub fn of_items(&self) -> Filter {
        let Program::Path(path) = &self.inner.program else {
            return self.clone();
        };
        let inner = Inner {
            text: self.inner.text.clone(),
            program: Program::Path(path.over_null()),
            used: self.inner.used.clone(),
            env: self.inner.env.clone(),
            this: self.inner.this.clone(),
            keys: self.inner.keys.clone(),
            limit: self.inner.limit,
            several: self.inner.several,
            place: self.inner.place.clone(),
            moves: self.inner.moves,
            items: None,
        };
        Filter { inner: Arc::new(inner) }
    }

    /// It gives its input.
    pub fn is_identity(&self) -> bool {
        matches!(&self.inner.program, Program::Path(path) if path.is_identity())
    }

    /// It only walks to values, and makes none of them another.
    pub fn is_path(&self) -> bool {
        matches!(self.inner.program, Program::Path(_))
    }

    /// It moves values, and looks into none of them: a broken one comes out as it went in.
    pub fn only_moves(&self) -> bool {
        self.inner.moves
    }

    /// The key, when the filter is just `.key`.
    pub fn as_key(&self) -> Option<&str> {
        match &self.inner.program {
            Program::Path(path) => path.as_key(),
            Program::Jaq(_) => None,
        }
    }

    /// All outputs for one input; `variables` in the order given to [`Filter::compile`]. Capped in
    /// number.
    pub fn run(&self, input: &Val, variables: &[Val]) -> Result<Vec<Val>, JqError> {
        let mut outputs = Vec::new();
        self.run_for(input, variables, Outputs::Kept, &mut |output| {
            outputs.push(output.clone());
            ControlFlow::Continue(())
        })?;
        Ok(outputs)
    }

    /// Whether one of the outputs is true: neither null nor false.
    pub fn holds(&self, input: &Val, variables: &[Val]) -> Result<bool, JqError> {
        let mut holds = false;
        self.run_each(input, variables, &mut |output| {
            holds = !matches!(output, Val::Null | Val::Bool(false));
            if holds {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(holds)
    }

    /// Gives each output to `each` until it breaks. A plain path lends the values of the input and
    /// copies nothing.
    pub fn run_each(
        &self,
        input: &Val,
        variables: &[Val],
        each: &mut dyn FnMut(&Val) -> ControlFlow<()>,
    ) -> Result<(), JqError> {
        self.run_for(input, variables, Outputs::HandedOn, each)
    }

    fn run_for(
        &self,
        input: &Val,
        variables: &[Val],
        outputs: Outputs,
        each: &mut dyn FnMut(&Val) -> ControlFlow<()>,
    ) -> Result<(), JqError> {
        let mut count = 0;
        let mut over = false;
        let mut counted = |output: &Val| {
            count += 1;
            over = count > self.inner.limit;
            if over { ControlFlow::Break(()) } else { each(output) }
        };
        let ran = match &self.inner.program {
            Program::Path(path) => path.run(input, &mut counted),
            Program::Jaq(engine) => {
                let meter = Meter::begin();
                let ran = engine.run(input, variables, outputs, &mut counted);
                if meter.is_over() {
                    return Err(self.too_much(input));
                }
                ran
            }
        };
        ran.map_err(|message| self.error(&message, input))?;
        if over {
            let message = format!("more than {} outputs for one input", self.inner.limit);
            return Err(self.error(&message, input));
        }
        Ok(())
    }

    fn too_much(&self, input: &Val) -> JqError {
        let most = memory::most() >> 20;
        let message =
            format!("it takes more than {most} MB of memory; make it simpler, or give it more with --filter-memory");
        JqError {
            too_much: true,
            ..self.error(&message, input)
        }
    }

    /// What went wrong, what it was given, and where it stands: a filter that is wrong for one
    /// record is mended by who sees all three.
    fn error(&self, message: &str, input: &Val) -> JqError {
        let shown = match message.char_indices().nth(MESSAGE_CHARS) {
            Some((at, _)) => format!("{}…", &message[..at]),
            None => message.to_owned(),
        };
        let at = self
            .inner
            .place
            .as_ref()
            .map_or(String::new(), |place| format!(" ({place})"));
        JqError {
            message: format!("jq `{}`: {shown}; it was given {}{at}", self.inner.text, given(input)),
            too_much: false,
        }
    }
}

/// The beginning of what a filter was given: it is written no further than it is shown.
fn given(input: &Val) -> String {
    struct Beginning(String);
    impl fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = GIVEN_BYTES - self.0.len();
            if text.len() <= room {
                self.0.push_str(text);
                return Ok(());
            }
            self.0
                .push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
            Err(fmt::Error)
        }
    }
    let mut beginning = Beginning(String::new());
    match fmt::write(&mut beginning, format_args!("{}", as_written(input))) {
        Ok(()) => beginning.0,
        Err(fmt::Error) => beginning.0 + "…",
    }
}

#[cfg(test)]
mod tests;
