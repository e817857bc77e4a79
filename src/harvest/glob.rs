//! Files that a pattern names, in the order of their names. Knows folders; knows no requests.

use std::{fs, io, path::Path};

/// Files of one pattern.
const FILES_MAX: usize = 100_000;

/// A file of a pattern, and the one behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub name: String,
    pub next: Option<String>,
}

/// The first file of a pattern, or the one with this name, which may have gone.
pub(super) fn turn(folder: &Path, pattern: &str, name: Option<&str>) -> io::Result<Option<Turn>> {
    let files = matching(folder, pattern)?;
    let at = match name {
        None => 0,
        Some(name) => files.partition_point(|file| file.as_str() < name),
    };
    let (found, next) = (files.get(at).cloned(), files.get(at + 1).cloned());
    Ok(match (name, found) {
        // Whoever reads it says that it is gone.
        (Some(name), found) if found.as_deref() != Some(name) => Some(Turn {
            name: name.to_owned(),
            next: found,
        }),
        (_, found) => found.map(|name| Turn { name, next }),
    })
}

/// The files below a folder that a pattern names, by their names. `*` is any text within a name,
/// `?` any character; neither begins a hidden name.
fn matching(folder: &Path, pattern: &str) -> io::Result<Vec<String>> {
    let mut found = vec![String::new()];
    let parts: Vec<&str> = pattern
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        let mut next = Vec::new();
        for before in &found {
            below(folder, before, part, last, &mut next)?;
            if next.len() > FILES_MAX {
                return Err(io::Error::from(io::ErrorKind::ArgumentListTooLong));
            }
        }
        found = next;
    }
    found.sort_unstable();
    Ok(found)
}

/// The names in one folder that a part of a pattern names.
fn below(folder: &Path, before: &str, part: &str, last: bool, found: &mut Vec<String>) -> io::Result<()> {
    let here = folder.join(before);
    let join = |name: &str| {
        if before.is_empty() {
            name.to_owned()
        } else {
            format!("{before}/{name}")
        }
    };
    let fits = |path: &Path| if last { path.is_file() } else { path.is_dir() };
    if !part.contains(['*', '?']) {
        if fits(&here.join(part)) {
            found.push(join(part));
        }
        return Ok(());
    }
    for entry in fs::read_dir(&here)? {
        let entry = entry?;
        // A name that is no text cannot be asked for.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_match(part, &name) && fits(&entry.path()) {
            found.push(join(&name));
        }
    }
    Ok(())
}

fn is_match(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    // Where the last `*` stands, and what it takes so far.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(sign) if *sign == '?' || *sign == name[in_name] => (at, in_name) = (at + 1, in_name + 1),
            _ => match &mut star {
                Some((star, taken)) => {
                    *taken += 1;
                    (at, in_name) = (*star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", false),
            ("*.json", "a.json.gz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("2026-??.csv", "2026-01.csv", true),
            ("2026-??.csv", "2026-1.csv", false),
            ("*", "ä", true),
        ] {
            assert_eq!(is_match(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn one_after_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "b/2.json",
            "a/1.json",
            "a/3.json",
            "a/x.txt",
            "a/d.json/inner",
            "a.json",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "[]").expect("a file");
        }
        let turn = |pattern: &str, name: Option<&str>| turn(folder.path(), pattern, name).expect("a folder");
        let some = |name: &str, next: Option<&str>| {
            Some(Turn {
                name: name.to_owned(),
                next: next.map(str::to_owned),
            })
        };
        assert_eq!(turn("*/*.json", None), some("a/1.json", Some("a/3.json")));
        assert_eq!(turn("*/*.json", Some("a/3.json")), some("a/3.json", Some("b/2.json")));
        assert_eq!(turn("*/*.json", Some("b/2.json")), some("b/2.json", None));
        assert_eq!(turn("*/*.json", Some("a/2.json")), some("a/2.json", Some("a/3.json")));
        assert_eq!(turn("c*", None), None);
    }
}
