//! Cases of a definition: answers, and what is expected of them. Knows the files of a folder and
//! what came of each; what a case says is in `text`, how it is run in `run`.

mod difference;
mod rows;
mod run;
mod text;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinSet;

use super::{Failure, Loaded};
use crate::config::FilterSetting;
use run::{Found, Unrun, World};
use text::Case;

/// The end of a case's name: other Markdown beside it is no case.
const ENDING: &str = ".case.md";
/// Cases of one folder, its sub-folders included.
const CASES_MAX: usize = 10_000;
/// Bytes of a case; larger answers are a cassette.
const CASE_MAX: u64 = 16 << 20;
/// Sub-folders in each other.
const DEPTH: usize = 16;

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Tested {
    pub path: PathBuf,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Same,
    /// Each with its line, and what differs.
    Differs(Vec<(usize, String)>),
    /// It was written anew.
    Updated,
    /// It cannot be run, for this reason.
    Broken(String),
}

/// Where the cases of a definition lie when nothing else is said: beside it.
pub(crate) fn folder_of(definition: &Path) -> PathBuf {
    match definition.is_dir() {
        true => definition.join("cases"),
        false => definition.with_file_name("cases"),
    }
}

/// Runs the cases of a folder, or one case; `update` writes what is found into them.
pub(crate) async fn test(
    place: &Path,
    loaded: Option<Loaded>,
    filters: FilterSetting,
    update: bool,
) -> Result<Vec<Tested>, Failure> {
    let paths = cases(place)?;
    let scratch =
        tempfile::tempdir().map_err(|error| Failure::setup(format!("error: no folder for databases: {error}")))?;
    let loaded = loaded.map(Arc::new);
    let template = match &loaded {
        // Its tables are made once.
        Some(loaded) => {
            let path = scratch.path().join("template.db");
            run::open(loaded, &path).await?.close().await;
            Some(path)
        }
        None => None,
    };
    let world = Arc::new(World {
        loaded,
        filters,
        template,
    });
    let at_once = std::thread::available_parallelism().map_or(1, usize::from) * 2;
    let (mut tasks, mut tested) = (JoinSet::new(), Vec::with_capacity(paths.len()));
    for path in paths {
        if tasks.len() >= at_once {
            tested.extend(tasks.join_next().await.and_then(Result::ok));
        }
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let outcome = one(&world, &path, update).await;
            Tested { path, outcome }
        });
    }
    tested.extend(tasks.join_all().await);
    tested.sort_by(|one: &Tested, other| one.path.cmp(&other.path));
    Ok(tested)
}

/// Runs one case.
async fn one(world: &World, path: &Path, update: bool) -> Outcome {
    let (text, case) = match read(path) {
        Ok(read) => read,
        Err(broken) => return Outcome::Broken(broken),
    };
    let found = match run::run(world, &case, path).await {
        Ok(found) => found,
        Err(Unrun::Misread(misread)) => return Outcome::Broken(misread.shown(path)),
        Err(Unrun::Failed(failed)) => return Outcome::Broken(format!("{}: {failed}", path.display())),
    };
    let differs = differences(&case, &found);
    match (differs.is_empty(), update) {
        (true, _) => Outcome::Same,
        (false, false) => Outcome::Differs(differs),
        (false, true) => match std::fs::write(path, updated(&text, &case, &found)) {
            Ok(()) => Outcome::Updated,
            Err(error) => Outcome::Broken(format!("error: cannot write {}: {error}", path.display())),
        },
    }
}

fn read(path: &Path) -> Result<(String, Case), String> {
    let cannot = |error: io::Error| format!("error: cannot read {}: {error}", path.display());
    if path.metadata().map_err(cannot)?.len() > CASE_MAX {
        return Err(format!(
            "error: {} is larger than {CASE_MAX} bytes; put its answers into a cassette: `## Cassette FOLDER`",
            path.display()
        ));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let case = Case::read(&text).map_err(|misread| misread.shown(path))?;
    Ok((text, case))
}

fn differences(case: &Case, found: &Found) -> Vec<(usize, String)> {
    let checks = case.steps.iter().enumerate();
    let differs = checks.filter_map(|(number, step)| {
        let found = found.get(&number)?;
        match step.expected() {
            Some(block) => Some((step.line, difference::of(&block.text, found)?)),
            None => Some((
                step.line,
                "    nothing is expected yet; `--update` writes it\n".to_owned(),
            )),
        }
    });
    differs.collect()
}

/// The text of a case with what was found in the place of what was expected, where that differs.
fn updated(text: &str, case: &Case, found: &Found) -> String {
    let mut out = text.to_owned();
    // From the end on, so that places before it stay.
    for (number, step) in case.steps.iter().enumerate().rev() {
        let Some(found) = found.get(&number) else { continue };
        let info = match step.what {
            text::What::Runs | text::What::Refused(_) => "text",
            text::What::Rows(_) => "json lines",
            _ => "json",
        };
        match step.expected() {
            Some(block) if difference::of(&block.text, found).is_none() => {}
            Some(block) => out.replace_range(block.span.clone(), &fenced(info, found)),
            None => {
                let at = step.end.min(out.len());
                let gap = if out.get(..at).is_some_and(|before| before.ends_with('\n')) {
                    "\n"
                } else {
                    "\n\n"
                };
                out.insert_str(at, &format!("{gap}{}\n", fenced(info, found)));
            }
        }
    }
    out
}

/// A block, with a fence that its text does not have.
fn fenced(info: &str, text: &str) -> String {
    let longest = text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{info}\n{text}{fence}")
}

/// The cases of a folder and its sub-folders, by name; or the one that was given.
fn cases(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    walk(place, DEPTH, &mut found).map_err(|error| {
        Failure::setup(format!(
            "error: cannot read the cases in {}: {error}; give their folder: `hayloft test FOLDER`",
            place.display()
        ))
    })?;
    match found.len() {
        0 => Err(Failure::setup(format!(
            "error: the folder {} holds no case: no file in it has a name that ends in {ENDING}",
            place.display()
        ))),
        CASES_MAX.. => Err(Failure::setup(format!(
            "error: the folder {} holds more than {CASES_MAX} cases; give them one folder after the other",
            place.display()
        ))),
        _ => {
            found.sort();
            Ok(found)
        }
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, found)?;
        } else if kind.is_file() && name.to_string_lossy().ends_with(ENDING) && found.len() < CASES_MAX {
            found.push(entry.path());
        }
    }
    Ok(())
}
