//! Golden cases of definitions that change: each `.graphql` file holds the stored definition and, after a line `# then`,
//! the new one; the `.txt` beside it says the steps between them. Knows layouts; no database.
//!
//! `HAYLOFT_BLESS=1` writes the `.txt` files anew.

use std::{collections::BTreeSet, fmt::Write, fs};

use hayloft::{
    catalog,
    definition::{SourceFile, render},
    layout::{
        Layout,
        steps::{Condition, Step, Steps, stale},
    },
};

const SOURCE: &str = "extend schema @source(name: \"s\", url: \"https://api.example.org\")\n";

fn layout(name: &str, text: &str) -> Layout {
    let files = [SourceFile {
        path: name.into(),
        text: format!("{SOURCE}{text}"),
    }];
    let catalog = catalog::load(&files).unwrap_or_else(|faults| panic!("{}", render(&files, &faults, false)));
    Layout::of(&catalog)
}

/// As it comes back from the database, where renames are not kept.
fn stored(layout: &Layout) -> Layout {
    let text = serde_json::to_string(layout).expect("JSON");
    serde_json::from_str(&text).expect("a layout")
}

fn line(step: &Step) -> String {
    let mut out = format!("{} {}: {}", step.sign(), step.subject(), step.words());
    if let Some(touch) = &step.touch {
        let when = match &touch.when {
            Condition::All => "all".to_owned(),
            Condition::Null(columns) => format!("{} null", columns.join(", ")),
            Condition::NotNull(columns) => format!("{} not null", columns.join(", ")),
            Condition::OneOf { column, values } => format!("{column} one of {}", values.join(", ")),
            Condition::Repeated(columns) => format!("{} repeated", columns.join(", ")),
        };
        let _ = write!(out, "\n    loses {:?} of {} where {when}", touch.loss, touch.table);
    }
    if let Some(refill) = &step.refill {
        let _ = write!(
            out,
            "\n    {} fills {} of {}",
            match refill.fetches.is_empty() {
                true => "nothing".to_owned(),
                false => refill.fetches.join(", "),
            },
            refill.field,
            refill.table
        );
    }
    out
}

fn outcome(stem: &str, text: &str) -> String {
    let (before, after) = text
        .split_once("# then\n")
        .unwrap_or_else(|| panic!("{stem}: no `# then`"));
    let (old, new) = (stored(&layout(stem, before)), layout(stem, after));
    let steps = Steps::between(&old, &new);
    let mut out: String = steps.steps.iter().map(|step| line(step) + "\n").collect();
    for kept in steps.kept.iter().filter(|kept| kept.emptied) {
        let _ = writeln!(out, "{} is emptied", new.entity(kept.entity).name);
    }
    for entity in stale(&new, steps.steps.iter().filter(|step| step.refill.is_some())) {
        let _ = writeln!(out, "{} is stale", new.entity(entity).name);
    }
    assert!(
        Steps::between(&stored(&new), &new).is_empty(),
        "{stem}: steps from a layout to itself"
    );
    if out.is_empty() { "nothing\n".to_owned() } else { out }
}

#[test]
fn golden_cases() {
    let folder = super::definition::root().join("tests/cases/steps");
    let entries = fs::read_dir(&folder).expect("the folder of cases");
    let stems: BTreeSet<String> = entries
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            path.extension()
                .is_some_and(|extension| extension == "graphql")
                .then_some(stem)
        })
        .collect();
    assert!(stems.len() >= 12, "{} cases", stems.len());
    let bless = std::env::var_os("HAYLOFT_BLESS").is_some();
    let mut wrong = Vec::new();
    for stem in &stems {
        let text = fs::read_to_string(folder.join(format!("{stem}.graphql"))).expect("a case");
        let got = outcome(stem, &text);
        let golden = folder.join(format!("{stem}.txt"));
        if bless {
            fs::write(&golden, &got).expect("write a golden file");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(got.as_str()) {
            wrong.push(format!("--- {stem} ---\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nHAYLOFT_BLESS=1 accepts these", wrong.join("\n"));
}
