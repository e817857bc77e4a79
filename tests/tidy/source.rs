//! Rust sources as text, with comments, strings and test code told apart. Knows enough of Rust's lexis for that and no more.

use std::path::{Path, PathBuf};

/// One file of `src/`.
pub struct Source {
    /// Relative to the repository: `src/store/mod.rs`.
    pub path: String,
    pub text: String,
    /// The text without comments, contents of strings and test code; lines keep their numbers.
    pub code: String,
}

impl Source {
    /// The folder or file directly under `src` that it belongs to: `store`.
    pub fn module(&self) -> &str {
        let inner = self.path.trim_start_matches("src/");
        let first = inner.split('/').next().unwrap_or(inner);
        first.trim_end_matches(".rs")
    }

    /// How many modules lie between it and the crate's root: 1 for `src/store/mod.rs` and `src/app.rs`, 2 for `src/store/read.rs`.
    pub fn depth(&self) -> usize {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.trim_end_matches("/mod").split('/').count()
    }

    /// Files that are compiled for tests only go by these names.
    pub fn is_test(&self) -> bool {
        let inner = self.path.trim_end_matches(".rs");
        inner.split('/').any(|part| part == "tests" || part == "testing")
    }

    /// The numbers and texts of the code lines that have this identifier.
    pub fn lines_naming<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = self.code.lines().enumerate();
        lines
            .filter(move |(_, line)| words(line).any(|found| found == word))
            .map(|(at, line)| (at + 1, line))
    }

    /// The top modules that its code names by `crate::`.
    pub fn imports(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            let before = self.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &self.code[at + "crate::".len()..];
            match rest.trim_start().strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.extend(words(rest).next().map(str::to_owned)),
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The first names of the paths in an import group, whose opening brace is already read.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0usize;
    let mut names = Vec::new();
    let mut fresh = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                names.extend(words(&group[at..]).next().map(str::to_owned));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

/// The identifiers and numbers of a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// All Rust files below a folder of the repository, in order of their paths.
pub fn rust_below(folder: &str) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join(folder), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path.to_path_buf());
        }
    });
    paths.sort();
    paths.iter().map(|path| read(&root, path)).collect()
}

fn read(root: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let relative = path.strip_prefix(root).unwrap_or(path);
    let code = without_tests(&code_only(&text));
    Source {
        path: relative.to_string_lossy().into_owned(),
        text,
        code,
    }
}

/// The repository's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Calls `visit` for every file below a folder, leaving out what is built, installed or hidden.
pub fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    const SKIPPED: &[&str] = &["target", "node_modules", "dist", "out", ".git"];
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

/// The text with comments and the contents of strings blanked out.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hidden = hidden_length(rest, code.chars().next_back());
        if hidden == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..hidden].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = &rest[hidden..];
        }
    }
    code
}

/// How many bytes at the beginning of `rest` are a comment, a string or a character.
fn hidden_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |at| at + 2);
    }
    if rest.starts_with('"') {
        return string_length(rest);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(length) = raw_length(rest) {
        return length;
    }
    character_length(rest)
}

/// `"…"`, with escapes.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#` and so on.
fn raw_length(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.chars().take_while(|c| *c == '#').count();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// `'x'` and `'\n'`; nothing for a lifetime.
fn character_length(rest: &str) -> usize {
    let Some(after) = rest.strip_prefix('\'') else { return 0 };
    let mut characters = after.char_indices();
    match characters.next() {
        Some((_, '\\')) => after[2..].find('\'').map_or(0, |at| 1 + 2 + at + 1),
        Some((_, c)) if after[c.len_utf8()..].starts_with('\'') => 1 + c.len_utf8() + 1,
        _ => 0,
    }
}

/// The code with every item under `#[cfg(test)]` blanked out.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = code.to_owned();
    while let Some(start) = kept.find(MARK) {
        let end = start + MARK.len() + item_length(&kept[start + MARK.len()..]);
        let blank: String = kept[start..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        kept.replace_range(start..end, &blank);
    }
    kept
}

/// The length of an item: up to its semicolon, or to the brace that closes its body.
fn item_length(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn the_reader_of_sources_tells_code_from_the_rest() {
    let cases = [
        ("use crate::a; // crate::b", "use crate::a;"),
        ("let x = \"crate::b\\\" //\"; y", "let x = ; y"),
        ("r#\"crate::\"b\"# + 1", "+ 1"),
        (
            "fn f<'a>(c: &'a char) { c == '\"' || c == '\\'' }",
            "fn f<'a>(c: &'a char) { c ==  || c ==  }",
        ),
        ("a /* crate::b */ c", "a  c"),
    ];
    for (text, code) in cases {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&code_only(text)), squeezed(code), "{text}");
    }
    let text = "a();\n#[cfg(test)]\nmod tests {\n fn f() { b() }\n}\n#[cfg(test)]\nmod testing;\nc();";
    assert_eq!(
        without_tests(text).split_whitespace().collect::<Vec<_>>(),
        ["a();", "c();"]
    );
    let source = Source {
        path: "src/store/read/mod.rs".to_owned(),
        text: String::new(),
        code: "use crate::{query::{self, Read}, value::Row}; crate::layout::x(); mycrate::harvest".to_owned(),
    };
    assert_eq!(source.imports(), ["layout", "query", "value"]);
    assert_eq!((source.module(), source.depth(), source.is_test()), ("store", 2, false));
}
