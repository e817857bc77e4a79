//! The rules of the documentation: short where it is a map, in one rhythm where it is a list, and true where it names something.
//! Knows Markdown as far as links, headings and code go; knows nothing of what a page says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    assert_none,
    source::{code_only, root, words},
};

/// Words of ARCHITECTURE.md, counted as `wc -w` does.
const MAP_WORDS_MAX: usize = 2_000;

/// Its headings over the files that the data passes, in order.
const WALKS: [&str; 2] = ["### One page body to its row", "### One GraphQL request to its SQL"];

/// Headings of a page about a decision.
const RHYTHM: [&str; 4] = ["## Context", "## Decision", "## What it costs", "## What was tried"];

/// Folders by which a path of the repository is known.
const FOLDERS: [&str; 8] = [
    "src",
    "tests",
    "docs",
    "benches",
    "web",
    "migration",
    "examples",
    "scripts",
];

/// A page, by its path in the repository.
struct Page {
    path: String,
    text: String,
}

/// Every Markdown file of the repository.
fn pages() -> Vec<Page> {
    let root = root();
    let mut pages = Vec::new();
    super::walk(&root, &mut |path: &Path| {
        if path.extension().is_some_and(|extension| extension == "md") {
            let relative = path.strip_prefix(&root).unwrap_or(path);
            pages.push(Page {
                path: relative.to_string_lossy().into_owned(),
                text: read(path),
            });
        }
    });
    assert!(pages.len() > 10, "the documentation was not found");
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text without what stands between fences.
fn prose(text: &str) -> String {
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// What stands between backquotes.
fn code(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

/// The targets of links and pictures, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let outside: Vec<&str> = prose.split('`').step_by(2).collect();
    // Code inside a link's text must not part it from its target.
    let joined = outside.join("x");
    let targets = joined.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', ' ', '\n']).next())
        .map(str::to_owned)
        .collect()
}

/// The anchors of a page's headings, as code hosts make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = BTreeSet::new();
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    for heading in headings {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = found.entry(anchor.clone()).or_default();
        all.insert(match *before {
            0 => anchor,
            count => format!("{anchor}-{count}"),
        });
        *before += 1;
    }
    all
}

#[test]
fn architecture_is_a_map() {
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let count = text.split_whitespace().count();
    let long = format!("docs/ARCHITECTURE.md: {count} words of {MAP_WORDS_MAX}");
    let findings: Vec<String> = (count > MAP_WORDS_MAX).then_some(long).into_iter().collect();
    assert_none(
        &findings,
        "a newcomer reads the map once, before the code",
        "move reasons to a page in docs/decisions, figures to docs/scale.md",
    );
}

#[test]
fn a_walk_through_the_code_comes_to_each_file_once() {
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for heading in WALKS {
        let part = text.split_once(heading).map_or("", |(_, rest)| rest);
        let part = part.split("\n#").next().unwrap_or(part);
        let steps = part
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let files: Vec<&str> = steps.filter_map(|step| code(step).next()).collect();
        if files.len() < 10 {
            findings.push(format!("{heading}: {} files", files.len()));
        }
        let again = files.into_iter().filter(|file| !seen.insert((*file).to_owned()));
        findings.extend(again.map(|file| format!("{heading}: {file} came before")));
    }
    assert_none(
        &findings,
        "data that comes to a file twice has parts that belong to two places",
        "name each file where it does its main work; if that cannot be said, split it",
    );
}

#[test]
fn decisions_have_one_rhythm() {
    let pages = pages();
    let list = pages.iter().find(|page| page.path == "docs/decisions/README.md");
    let listed = links(&list.expect("a list of the decisions").text);
    let mut findings = Vec::new();
    let mut numbers = BTreeSet::new();
    for page in &pages {
        let Some(name) = page.path.strip_prefix("docs/decisions/") else {
            continue;
        };
        let Some((number, _)) = name.split_once('-') else {
            continue;
        };
        let number: usize = number.parse().unwrap_or_default();
        let say = |what: &str| format!("{}: {what}", page.path);
        if !numbers.insert(number) {
            findings.push(say("another page has its number"));
        }
        if !page.text.starts_with(&format!("# {number}: ")) {
            findings.push(say("it does not begin with its number and title"));
        }
        let headings: Vec<&str> = page.text.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != RHYTHM {
            findings.push(say(&format!("its headings are {headings:?}")));
        }
        let sections = page.text.split("\n## ").skip(1);
        let empty = sections.filter(|section| section.lines().skip(1).all(|line| line.trim().is_empty()));
        findings.extend(empty.map(|section| say(&format!("nothing under {}", section.trim()))));
        if listed.iter().filter(|link| *link == name).count() != 1 {
            findings.push(say("it does not stand once in the list"));
        }
    }
    let gaps = (1..=numbers.len()).filter(|number| !numbers.contains(number));
    findings.extend(gaps.map(|number| format!("docs/decisions: there is no page {number}")));
    assert_none(
        &findings,
        "who looks for a reason reads many of these pages, and each should be found and read in the same way",
        &format!("give the page the next number, a line in docs/decisions/README.md, and {RHYTHM:?}"),
    );
}

#[test]
fn links_lead_somewhere() {
    let mut findings = Vec::new();
    for page in pages() {
        for link in links(&page.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let own = root().join(&page.path);
            let target = match (file, own.parent()) {
                ("", _) | (_, None) => own,
                (file, Some(folder)) => folder.join(file),
            };
            let has_anchor = || target.is_file() && anchors(&read(&target)).contains(anchor);
            if !target.exists() {
                findings.push(format!("{}: {link}", page.path));
            } else if !anchor.is_empty() && !has_anchor() {
                findings.push(format!(
                    "{}: {link}: no heading of that page has this anchor",
                    page.path
                ));
            }
        }
    }
    assert_none(
        &findings,
        "a link that leads nowhere ends the search of who followed it",
        "follow what was moved or renamed",
    );
}

/// What changed once, and is told as it was then.
fn is_history(page: &Page) -> bool {
    page.path == "CHANGELOG.md"
}

#[test]
fn files_and_modules_that_pages_name_exist() {
    let mut findings = Vec::new();
    for page in pages().iter().filter(|page| !is_history(page)) {
        for name in code(&prose(&page.text)) {
            let is_path = name
                .split_once('/')
                .is_some_and(|(folder, _)| FOLDERS.contains(&folder));
            let is_plain = !name.contains(['*', '…', '{', ' ', '<']) && !name.contains("NN") && !name.contains("NAME");
            let is_there = if is_path && is_plain {
                root().join(name).exists()
            } else {
                names_an_item(name)
            };
            if !is_there {
                findings.push(format!("{}: `{name}`", page.path));
            }
        }
    }
    assert_none(
        &findings,
        "a page that names what is gone leads its reader into nothing, and is not believed afterwards",
        "name what is there now",
    );
}

/// Whether there is what a path of modules names, such as `store::load::print` or `change::Bus`. What is no such path is no claim.
fn names_an_item(path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let is_name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let [first, rest @ ..] = parts.as_slice() else {
        return true;
    };
    let Some((mut folder, mut file)) = module(&root().join("src"), first) else {
        return true;
    };
    if rest.is_empty() || !parts.iter().all(is_name) {
        return true;
    }
    for part in rest {
        match module(&folder, part) {
            Some((inner, text)) => (folder, file) = (inner, text),
            // An item of the module that was reached, or one of its files' own; what follows is a part of it.
            None => return words(&file).any(|word| word == *part),
        }
    }
    true
}

/// The folder of a module's own modules, and its code.
fn module(folder: &Path, name: &str) -> Option<(PathBuf, String)> {
    let inner = folder.join(name);
    let files = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
    let file = files.iter().find(|file| file.is_file())?;
    Some((inner, code_only(&read(file))))
}

/// The words of the glossary, each with its sentence.
fn glossary(text: &str) -> Vec<(String, String)> {
    let entries = text.split("\n- **").skip(1);
    entries
        .map(|entry| {
            let (word, sentence) = entry.split_once("**: ").unwrap_or((entry, ""));
            (word.to_owned(), sentence.trim_end().to_owned())
        })
        .collect()
}

#[test]
fn words_of_the_glossary_are_used() {
    let entries = glossary(&read(&root().join("docs/glossary.md")));
    assert!(entries.len() > 20, "the glossary was not found");
    let sources = super::sources().iter().map(|source| source.text.as_str());
    let pages = pages();
    let others = pages.iter();
    let others = others.filter(|page| page.path != "docs/glossary.md" && !is_history(page));
    let texts: Vec<&str> = sources.chain(others.map(|page| page.text.as_str())).collect();
    let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    let mut findings = Vec::new();
    for (word, sentence) in &entries {
        let plain = word.trim_matches('`');
        let is_used = match word == plain {
            true => lower.iter().any(|text| has(text, plain)),
            false => texts.iter().any(|text| has(text, plain)),
        };
        if !is_used {
            findings.push(format!("{word}: neither the source nor another page has it"));
        }
        let prose: String = sentence.split('`').step_by(2).collect();
        if !sentence.ends_with('.') || prose.contains(". ") || prose.contains(".\n") {
            findings.push(format!("{word}: it is explained by one sentence"));
        }
    }
    let keys = entries.iter().map(|(word, _)| {
        let word = word.trim_matches('`').to_lowercase();
        word.replace(['_', '-'], " ")
    });
    let keys: Vec<String> = keys.collect();
    let unsorted = keys.windows(2).filter(|pair| pair[0] >= pair[1]);
    findings.extend(unsorted.map(|pair| format!("{}: it belongs before {}", pair[1], pair[0])));
    assert_none(
        &findings,
        "a glossary is looked into, not read: a word that nobody uses hides those that are",
        "take the word out, or rename it as the source has",
    );
}

/// Whether a text has these words, alone or as a plural.
fn has(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = text[..at].chars().next_back();
        let after = &text[at + words.len()..];
        let after = after.strip_prefix('s').unwrap_or(after).chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn the_reader_of_pages_tells_links_from_code() {
    let text = "# A `b`: c\n[one](a.md#b) and `[no](no.md)` ![two](p.png \"t\")\n```\n[no](no.md)\n# no\n```\n[`x`](c.md)\n## C, d\n## C, d";
    assert_eq!(links(text), ["a.md#b", "p.png", "c.md"]);
    let found = anchors(text);
    assert_eq!(found.iter().collect::<Vec<_>>(), ["a-b-c", "c-d", "c-d-1"]);
    assert!(names_an_item("change::Bus") && names_an_item("fail::point") && names_an_item("change"));
    assert!(!names_an_item("change::Car") && !names_an_item("store::load::nosuch"));
    assert!(has("two plans", "plan") && !has("planned", "plan") && !has("replan", "plan"));
}
