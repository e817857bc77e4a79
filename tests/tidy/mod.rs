//! The rules of the house that no compiler checks. Knows the repository as text; runs nothing of it.
//!
//! Each failure says why its rule exists and what to do. A number here may be lowered at any time; raising one is a decision, and
//! the commit says why.

mod comments;
mod dependencies;
mod docs;
mod graph;
pub mod source;
mod tables;

use std::{collections::BTreeSet, fmt::Write, path::Path, sync::LazyLock};

use source::{Source, code_only, root, rust_below, walk};

/// What each module may import, in the order in which the data passes through them. `ANY` may import everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("config", &[]),
    ("definition", &["value"]),
    ("catalog", &["definition", "value"]),
    ("layout", &["catalog", "value"]),
    ("query", &["catalog", "value"]),
    ("change", &["catalog", "value"]),
    (
        "store",
        &["change", "query", "layout", "catalog", "definition", "config", "value"],
    ),
    ("harvest", BELOW_HARVEST),
    ("graphql", BELOW_HARVEST),
    ("server", &["graphql", "store", "config"]),
    ("demo", ANY),
    ("app", ANY),
    ("telemetry", ANY),
    ("command", ANY),
    ("lib", ANY),
    ("main", ANY),
];

const BELOW_HARVEST: &[&str] = &[
    "store",
    "change",
    "query",
    "layout",
    "catalog",
    "definition",
    "config",
    "value",
];
const ANY: &[&str] = &["*"];

/// Modules that compute and do nothing else.
const PURE: &[&str] = &["src/value", "src/definition", "src/catalog", "src/layout", "src/query"];

/// Names of crates, where they may be written, and why not elsewhere.
const HOMES: &[(&str, &[&str], &str)] = &[
    (
        "sea_orm",
        &["src/store"],
        "only store speaks SQL, so that a second database is one dialect more",
    ),
    (
        "sea_query",
        &["src/store"],
        "only store speaks SQL, so that a second database is one dialect more",
    ),
    (
        "sqlx",
        &["src/store"],
        "only store speaks SQL, so that a second database is one dialect more",
    ),
    (
        "rusqlite",
        &[
            "src/store/db/sqlite/functions",
            "src/store/db/sqlite/reader",
            "src/store/read/each",
            "src/store/read/on_file",
        ],
        "its doors are SQL functions of our own, and reads that go to a file and back once, which sqlx has no interface for; all else goes through SeaORM's pools",
    ),
    (
        "reqwest",
        &["src/harvest/fetch"],
        "one place calls out, so that limits, politeness and secrets have one home",
    ),
    (
        "axum",
        &["src/server", "src/demo"],
        "only server knows HTTP's server side (and demo, which plays an upstream)",
    ),
    (
        "tokio_tungstenite",
        &["src/server"],
        "only server knows HTTP's server side",
    ),
    ("hyper", &["src/server"], "only server knows HTTP's server side"),
    (
        "async_graphql",
        &["src/graphql", "src/server"],
        "the stages before the API know no GraphQL library",
    ),
    (
        "apollo_compiler",
        &["src/definition", "src/catalog", "src/graphql"],
        "only what reads or serves SDL knows GraphQL's syntax",
    ),
    (
        "chrono_tz",
        &["src/value"],
        "both databases have the zones of the program, so one place knows them",
    ),
    (
        "clap",
        &["src/command", "src/config", "src/main.rs"],
        "only the command line knows flags",
    ),
];

/// Lines of a file: beyond this it has more than one subject.
const LINES_MAX: usize = 500;

/// Files above it, each with the lines that it may have. None is the aim.
const LONG_FILES: &[(&str, usize)] = &[];

/// Lines of `main.rs`: it dispatches.
const MAIN_LINES_MAX: usize = 40;

/// Calls of `unwrap` and `expect` outside of tests.
const UNWRAPS_MAX: usize = 0;

/// Fails with all findings of a rule, the reason for it, and what to do.
fn assert_none(findings: &[String], why: &str, what_to_do: &str) {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "  {finding}");
    }
    assert!(findings.is_empty(), "\n{text}why: {why}.\nwhat to do: {what_to_do}.\n");
}

/// All of `src`, read once for all rules.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| rust_below("src"));
    assert!(SOURCES.len() > 10, "src/ was not found");
    &SOURCES
}

/// All other Rust files that people write.
fn others() -> &'static [Source] {
    static OTHERS: LazyLock<Vec<Source>> =
        LazyLock::new(|| ["migration/src", "tests"].into_iter().flat_map(rust_below).collect());
    &OTHERS
}

/// The sources that are part of the program.
fn production() -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(|source| !source.is_test())
}

fn is_below(path: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| {
        let rest = path.strip_prefix(home);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
    })
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut findings = Vec::new();
    for source in production() {
        let module = source.module();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
            findings.push(format!(
                "{}: the module {module} is not in the import table",
                source.path
            ));
            continue;
        };
        for import in source.imports() {
            let is_module = IMPORTS.iter().any(|(name, _)| *name == import);
            if is_module && import != module && *allowed != ANY && !allowed.contains(&import.as_str()) {
                findings.push(format!("{}: {module} imports {import}", source.path));
            }
        }
    }
    assert_none(
        &findings,
        "the data passes from folder to folder in one direction; a module that knows what comes after it cannot be understood or tested alone",
        "move the shared type down, or hand the value in from above; a new module gets a row in IMPORTS and in docs/ARCHITECTURE.md",
    );
}

#[test]
fn other_modules_are_named_by_crate() {
    let mut findings = Vec::new();
    for source in production() {
        let escape = "super::".repeat(source.depth());
        for (at, line) in source.code.lines().enumerate() {
            if line.contains(&escape) {
                findings.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "`super::` that leaves its folder hides an import from the table above",
        "write crate::…",
    );
}

#[test]
fn crates_are_named_only_where_they_are_at_home() {
    let mut findings = Vec::new();
    for source in production() {
        for (word, homes, why) in HOMES {
            if is_below(&source.path, homes) {
                continue;
            }
            for (line, text) in source.lines_naming(word) {
                findings.push(format!("{}:{line}: {} ({why})", source.path, text.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "each outside library has one home, so it can be understood, limited and replaced there",
        "go through the home's own API; if it lacks something, add it there",
    );
}

#[test]
fn pure_modules_know_no_runtime() {
    const RUNTIME: &[&str] = &[
        "tokio",
        "futures_util",
        "sea_orm",
        "sqlx",
        "axum",
        "async_graphql",
        "reqwest",
        "async",
    ];
    let mut findings = Vec::new();
    for source in production().filter(|source| is_below(&source.path, PURE)) {
        for word in RUNTIME {
            for (line, text) in source.lines_naming(word) {
                findings.push(format!("{}:{line}: {}", source.path, text.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "value, definition, catalog, layout and query take data and give data; that is why they are easy to test",
        "leave the waiting to store, harvest, graphql or server",
    );
}

#[test]
fn only_config_reads_the_environment() {
    let mut findings = Vec::new();
    for source in production().filter(|source| !is_below(&source.path, &["src/config"])) {
        for call in ["env::var", "env::vars", "env::var_os"] {
            for (at, line) in source.code.lines().enumerate() {
                if line.contains(&format!("{call}(")) {
                    findings.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
                }
            }
        }
    }
    assert_none(
        &findings,
        "a setting that is read anywhere cannot be listed, documented or tested",
        "add it to config and hand it in",
    );
}

#[test]
fn every_file_says_what_it_knows() {
    let findings: Vec<String> = sources()
        .iter()
        .chain(others())
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    assert_none(
        &findings,
        "the first line tells a reader whether to read on, and a writer whether the code belongs here",
        "begin the file with `//! ` and a line on what it knows and what it refuses to know",
    );
}

#[test]
fn files_have_one_subject() {
    let mut findings = Vec::new();
    for source in sources().iter().chain(others()) {
        let lines = source.text.lines().count();
        let exception = LONG_FILES.iter().find(|(path, _)| *path == source.path);
        let max = exception.map_or(LINES_MAX, |(_, lines)| *lines);
        if lines > max {
            findings.push(format!("{}: {lines} lines of {max}", source.path));
        }
        if exception.is_some() && lines <= LINES_MAX {
            findings.push(format!("{}: no longer needs its row in LONG_FILES", source.path));
        }
        if source.path == "src/main.rs" && lines > MAIN_LINES_MAX {
            findings.push(format!(
                "src/main.rs: {lines} lines of {MAIN_LINES_MAX}: it only dispatches"
            ));
        }
    }
    assert_none(
        &findings,
        "a long file has more than one subject, and nobody reads it whole",
        "split it by subject into a folder",
    );
}

#[test]
fn nothing_panics_on_purpose() {
    let mut unwraps = Vec::new();
    let mut findings = Vec::new();
    for source in production() {
        for (at, line) in source.code.lines().enumerate() {
            let place = format!("{}:{}: {}", source.path, at + 1, line.trim());
            if unwraps_at_run_time(line) {
                unwraps.push(place);
            } else if ["panic!", "todo!", "unimplemented!", "dbg!"]
                .iter()
                .any(|call| line.contains(call))
            {
                findings.push(place);
            }
        }
    }
    let why = "input, network, disk and database do what they like; one panic takes down what serves everybody else";
    assert_none(
        &findings,
        why,
        "return an error that says what happened, where, and what to do",
    );
    let over = if unwraps.len() > UNWRAPS_MAX {
        unwraps
    } else {
        Vec::new()
    };
    assert_none(&over, why, "return an error, or use a form that cannot fail");
}

/// `.unwrap()`, and `.expect(…)` of a text, whose contents are blanked by now: a lexer may have an `expect` of its own. In a
/// constant it is the compiler that would stop.
fn unwraps_at_run_time(line: &str) -> bool {
    let mut expects = line.split(".expect(").skip(1).map(str::trim_start);
    let is_constant = ["const ", "static ", "pub const "]
        .iter()
        .any(|word| line.trim_start().starts_with(word));
    !is_constant && (line.contains(".unwrap()") || expects.any(|rest| rest.is_empty() || rest.starts_with(')')))
}

#[test]
fn test_modules_have_names_that_tell() {
    let mut findings = Vec::new();
    for source in sources() {
        let code = code_only(&source.text);
        for (at, _) in code.match_indices("#[cfg(test)]") {
            let item = code[at..].lines().take(3).collect::<Vec<_>>().join(" ");
            let declares = item.split(';').next().unwrap_or_default();
            let Some((_, name)) = declares.rsplit_once("mod ") else {
                continue;
            };
            if !name.contains('{') && name != "tests" && name != "testing" {
                findings.push(format!("{}: mod {name}", source.path));
            }
        }
    }
    assert_none(
        &findings,
        "these checks tell test code by the names tests and testing",
        "name the module tests, or testing when it helps other tests",
    );
}

#[test]
fn every_test_file_is_part_of_the_one_binary() {
    let main = std::fs::read_to_string(root().join("tests/main.rs")).expect("tests/main.rs");
    let declared: BTreeSet<&str> = source::words(&main).collect();
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(root().join("tests")).expect("tests/").flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && stem != "main" && !declared.contains(stem.as_ref()) {
            findings.push(format!("tests/{stem}.rs"));
        }
    }
    assert_none(
        &findings,
        "cargo builds only tests/main.rs; a file that it does not name is never run",
        "add `mod …;` to tests/main.rs",
    );
}

#[test]
fn what_make_quick_leaves_out_is_there() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("Makefile");
    let (_, list) = makefile.split_once("LONG_TESTS := ").expect("LONG_TESTS");
    let list = list.split("\n\n").next().unwrap_or_default().replace("\\\n", " ");
    let names: Vec<&str> = list.split_whitespace().collect();
    assert!(names.len() > 10, "{names:?}");
    let is_there = |name: &&&str| {
        let path = format!("src/{}", name.replace("::", "/"));
        let is_path = |source: &Source| source.path.starts_with(&path);
        let is_word = |source: &Source| {
            source.text.contains(&format!("fn {name}")) || source.text.contains(&format!("mod {name}"))
        };
        sources().iter().any(|source| is_path(source) || is_word(source))
    };
    let gone = names.iter().filter(|name| !is_there(name));
    assert_none(
        &gone.map(|name| (*name).to_owned()).collect::<Vec<_>>(),
        "a name in the Makefile that no test has any more leaves a long test to `make quick`",
        "give LONG_TESTS the test's new name",
    );
}

#[test]
fn nothing_is_left_for_later_or_for_one_machine() {
    // Written in two halves, or this file would find itself.
    let marks = [["FIX", "ME"], ["TO", "DO:"], ["XX", "X:"], ["HA", "CK:"]].map(|halves| halves.concat());
    let places = [["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"], ["/wo", "rk/"]].map(|halves| halves.concat());
    let mut findings = Vec::new();
    for_each_text(&mut |path, text| {
        for (at, line) in text.lines().enumerate() {
            let here = || {
                format!(
                    "{path}:{}: {}",
                    at + 1,
                    line.trim().chars().take(120).collect::<String>()
                )
            };
            if marks.iter().any(|mark| line.contains(mark)) || places.iter().any(|place| is_place(line, place)) {
                findings.push(here());
            }
        }
    });
    assert_none(
        &findings,
        "a note to oneself is read by everybody else, and a path of one machine is wrong on every other",
        "do it, or open an issue; name paths relative to the repository",
    );
}

/// Whether the line has this as the beginning of an absolute path; `https://example.org/home/` is none.
fn is_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '}' | '*' | '-' | '_'))
    })
}

/// Calls `visit` for every text of the repository that people write.
fn for_each_text(visit: &mut dyn FnMut(&str, &str)) {
    const WRITTEN: &[&str] = &[
        "rs", "toml", "md", "graphql", "ts", "tsx", "mjs", "css", "html", "sh", "json", "js", "txt",
    ];
    let root = root();
    walk(&root, &mut |path: &Path| {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !WRITTEN.contains(&extension.as_ref()) && name != "Makefile" && name != "run" {
            return;
        }
        let relative = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
        if let Ok(text) = std::fs::read_to_string(path) {
            visit(&relative, &text);
        }
    });
}
