//! Which file of `src` imports which: no circles, and what each room of `store` may know. Reads `use` and paths; follows a name to
//! the file that defines it, through whatever hands it on.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assert_none, production,
    source::{Source, words},
};

/// What each room of `store` may import, in levels: a room knows those above it here, and none beside it.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("types", &["error"]),
    ("db", &["error", "types"]),
    ("ddl", &["db"]),
    ("state", &["error", "types"]),
    ("identity", &["db", "error"]),
    ("context", &["identity", "state", "db", "types", "error"]),
    ("tx", &["context", "db", "error"]),
    ("bulk", &["tx", "db", "error"]),
    ("words", &["tx", "db", "error"]),
    ("system", &["bulk", "tx", "context", "state", "db", "types", "error"]),
    ("in_force", &["system", "tx", "context", "db", "types", "error"]),
    ("commit", &["system", "tx", "context", "state", "db", "types", "error"]),
    ("history", &["system", "tx", "db", "types", "error"]),
    (
        "read",
        &["in_force", "system", "context", "ddl", "db", "types", "error"],
    ),
    ("rollups", &["read", "system", "bulk", "tx", "context", "db", "error"]),
    (
        "migrate",
        &[
            "rollups", "history", "system", "words", "tx", "context", "ddl", "db", "types", "error",
        ],
    ),
    (
        "figures",
        &["in_force", "system", "tx", "context", "state", "db", "types", "error"],
    ),
    (
        "load",
        &[
            "rollups", "history", "migrate", "commit", "in_force", "system", "bulk", "words", "tx", "context", "state",
            "ddl", "db", "types", "error",
        ],
    ),
    (
        "cluster",
        &[
            "commit", "in_force", "system", "tx", "context", "identity", "db", "types", "error",
        ],
    ),
    (
        "runs",
        &[
            "load", "figures", "commit", "in_force", "system", "tx", "context", "state", "db", "types", "error",
        ],
    ),
    (
        "field_fetch",
        &[
            "load", "commit", "in_force", "system", "bulk", "tx", "context", "state", "db", "types", "error",
        ],
    ),
    ("sqlite_backup", &["db", "error"]),
    (
        "open",
        &[
            "cluster", "load", "migrate", "system", "context", "identity", "db", "types", "error",
        ],
    ),
    (
        "mod",
        &[
            "open",
            "sqlite_backup",
            "read",
            "migrate",
            "system",
            "context",
            "state",
            "db",
            "types",
            "error",
        ],
    ),
    ("facade", &["*"]),
];

/// Circles that still stand: the first of their files, and how many they are. None is the aim.
const CIRCLES: &[(&str, usize)] = &[];

/// A module by its path, `[]` for the crate.
type Module = Vec<String>;

/// What a file says of names.
#[derive(Default)]
struct File {
    path: String,
    /// Names that it takes in, with where they come from.
    uses: Vec<(Vec<String>, String)>,
    /// Modules all of whose names it takes in.
    globs: Vec<Vec<String>>,
    /// Names that it defines.
    items: BTreeSet<String>,
    /// Paths in its code.
    paths: Vec<Vec<String>>,
}

/// All files of the program by their modules.
struct Graph(BTreeMap<Module, File>);

impl Graph {
    fn of<'s>(sources: impl Iterator<Item = &'s Source>) -> Graph {
        let files = sources.filter(|source| source.path != "src/main.rs");
        Graph(files.map(|source| (module_of(&source.path), read(source))).collect())
    }

    /// The files that each file imports, both by their paths.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut all = BTreeMap::new();
        for (module, file) in &self.0 {
            let taken = file.uses.iter().map(|(path, _)| path).chain(&file.paths);
            let found = taken.filter_map(|path| self.home(module, path, 0));
            let globs = file.globs.iter().filter_map(|path| self.module(module, path));
            let homes = found.chain(globs).filter_map(|home| self.0.get(&home));
            let others = homes.map(|home| home.path.as_str()).filter(|path| *path != file.path);
            all.insert(file.path.as_str(), others.collect());
        }
        all
    }

    /// The module that defines what a path names; none for a module itself, and for what is not ours.
    fn home(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        const DEPTH_MAX: usize = 20;
        if depth > DEPTH_MAX {
            return None;
        }
        if let Some(path) = absolute(from, path) {
            return self.follow(&path, depth);
        }
        let file = self.0.get(from)?;
        let (first, rest) = path.split_first()?;
        let handed = file.uses.iter().find(|(of, name)| name == first && of != path);
        if self.0.contains_key(&[from.as_slice(), &path[..1]].concat()) && !(rest.is_empty() && handed.is_some()) {
            return self.follow(&[from.as_slice(), path].concat(), depth);
        }
        if let Some((of, _)) = handed {
            return self.home(from, &[of.as_slice(), rest].concat(), depth + 1);
        }
        if file.items.contains(first) {
            return Some(from.clone());
        }
        let mut globs = file.globs.iter().filter_map(|glob| self.module(from, glob));
        globs.find_map(|glob| self.defined(&glob, path, depth))
    }

    /// The same of a path that begins at the crate.
    fn follow(&self, path: &[String], depth: usize) -> Option<Module> {
        let longest = (0..=path.len()).rev().find(|at| self.0.contains_key(&path[..*at]))?;
        let (module, rest) = path.split_at(longest);
        let module = module.to_vec();
        // What is defined by a macro is at home where it is named.
        let found = self.defined(&module, rest, depth);
        found.or_else(|| (!rest.is_empty()).then_some(module))
    }

    /// The same of a name in a module, where the module has it.
    fn defined(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (first, file) = (path.first()?, self.0.get(module)?);
        if file.items.contains(first) {
            return Some(module.clone());
        }
        let knows = file.uses.iter().any(|(_, name)| name == first) || !file.globs.is_empty();
        knows.then(|| self.home(module, path, depth + 1)).flatten()
    }

    /// The module that a path names.
    fn module(&self, from: &Module, path: &[String]) -> Option<Module> {
        let path = absolute(from, path).unwrap_or_else(|| [from.as_slice(), path].concat());
        self.0.contains_key(&path).then_some(path)
    }
}

fn module_of(path: &str) -> Module {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    let parts = inner.split('/').filter(|part| *part != "lib");
    parts.map(str::to_owned).collect()
}

/// A path from the crate on, if it says where it begins.
fn absolute(from: &Module, path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let base = match path.first().map(String::as_str)? {
        "crate" => return Some(path[1..].to_vec()),
        "self" => return Some([from.as_slice(), &path[1..]].concat()),
        "super" => from.get(..from.len().checked_sub(ups)?)?,
        _ => return None,
    };
    Some([base, &path[ups..]].concat())
}

fn read(source: &Source) -> File {
    let mut file = File {
        path: source.path.clone(),
        ..File::default()
    };
    let mut code = source.code.clone();
    let mut from = 0;
    while let Some((start, end)) = next_use(&code, from) {
        take_in(&[], &code[start + "use ".len()..end], &mut file);
        code.replace_range(start..end, &" ".repeat(end - start));
        from = end;
    }
    file.items = code.lines().filter_map(item).collect();
    file.paths = paths(&code);
    file
}

/// Where the next `use …;` begins and ends.
fn next_use(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut starts = code[from..].match_indices("use ").map(|(at, _)| from + at);
    let is_word = |at: &usize| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let start = starts.find(is_word)?;
    Some((start, start + code[start..].find(';')?))
}

/// Notes what a tree of imports takes in.
fn take_in(before: &[String], tree: &str, file: &mut File) {
    for part in branches(tree) {
        let (head, inner) = match part.split_once('{') {
            Some((head, inner)) => (head, inner.rsplit_once('}').map(|(inner, _)| inner)),
            None => (part, None),
        };
        let (head, alias) = head.split_once(" as ").unwrap_or((head, ""));
        let mut path: Vec<String> = before.to_vec();
        path.extend(words(head).map(str::to_owned));
        if let Some(inner) = inner {
            take_in(&path, inner, file);
        } else if head.trim().ends_with('*') {
            file.globs.push(path);
        } else {
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let alias = Some(alias.trim()).filter(|alias| !alias.is_empty());
            let name = alias.map(str::to_owned).or_else(|| path.last().cloned());
            file.uses.extend(name.map(|name| (path, name)));
        }
    }
}

/// What stands between the commas of a group, groups within it whole.
fn branches(tree: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[from..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The name of an item that a line at the edge of a file begins.
fn item(line: &str) -> Option<String> {
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    let line = line.replace("pub(crate)", "pub").replace("pub(super)", "pub");
    let mut parts = words(&line).skip_while(|word| matches!(*word, "pub" | "async" | "unsafe"));
    let mut kind = parts.next()?;
    let mut name = parts.next()?;
    while matches!(name, "fn" | "async" | "unsafe") {
        kind = "fn";
        name = parts.next()?;
    }
    let is_item = matches!(
        kind,
        "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "macro_rules"
    );
    is_item.then(|| name.to_owned())
}

/// The paths of two or more names.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_name) {
        let path = &rest[start..];
        let end = path.find(|c| !is_name(c) && c != ':').unwrap_or(path.len());
        let names: Vec<String> = path[..end].split("::").map(str::to_owned).collect();
        let is_path = names.len() > 1 && names.iter().all(|name| !name.contains(':'));
        let is_field = rest[..start].ends_with('.') && !rest[..start].ends_with("..");
        if is_path && !is_field {
            found.push(names.into_iter().filter(|name| !name.is_empty()).collect());
        }
        rest = &path[end..];
    }
    found
}

/// Files that lead to each other, each circle once.
fn circles<'g>(imports: &BTreeMap<&'g str, BTreeSet<&'g str>>) -> Vec<Vec<&'g str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = imports.keys().map(|file| (*file, behind(imports, file))).collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, to) in &reached {
        if !to.contains(file) || seen.contains(file) {
            continue;
        }
        let is_back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
        let circle: Vec<&str> = to.iter().filter(is_back).copied().collect();
        seen.extend(circle.iter().copied());
        found.push(circle);
    }
    found
}

/// All files that a file leads to, in one step or more.
fn behind<'g>(imports: &BTreeMap<&'g str, BTreeSet<&'g str>>, file: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&str> = imports.get(file).into_iter().flatten().copied().collect();
    while let Some(next) = left.pop() {
        if reached.insert(next) {
            left.extend(imports.get(next).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn files_import_each_other_in_one_direction() {
    let graph = Graph::of(production());
    let imports = graph.imports();
    let found = circles(&imports);
    let mut findings = Vec::new();
    for circle in &found {
        let first = circle.first().copied().unwrap_or_default();
        if CIRCLES.contains(&(first, circle.len())) {
            continue;
        }
        findings.push(format!("{} files in a circle:", circle.len()));
        for file in circle {
            let to = imports.get(file).into_iter().flatten().filter(|to| circle.contains(to));
            findings.push(format!("  {file} -> {}", to.copied().collect::<Vec<_>>().join(" ")));
        }
    }
    for (first, count) in CIRCLES {
        if !found
            .iter()
            .any(|circle| circle.first() == Some(first) && circle.len() == *count)
        {
            findings.push(format!(
                "{first}: its circle of {count} files is another one now, or gone: correct CIRCLES"
            ));
        }
    }
    assert_none(
        &findings,
        "files in a circle can only be understood, tested and moved together",
        "move what both need into a file of its own, or hand it in; lower the row in CIRCLES when a circle became smaller",
    );
}

#[test]
fn rooms_of_the_store_know_those_above_them() {
    let graph = Graph::of(production());
    let mut findings = Vec::new();
    for (file, to) in graph.imports() {
        let Some(room) = room_of(file) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            findings.push(format!("{file}: the room {room} is not in the table"));
            continue;
        };
        for other in to {
            let known = room_of(other).is_none_or(|other| other == room || allowed.contains(&other));
            if !known && *allowed != ["*"] {
                findings.push(format!("{file} imports {other}"));
            }
        }
    }
    assert_none(
        &findings,
        "the rooms of the store are its levels: whoever reads one need not know those that come after it",
        "move what is shared to a level above both; a new room gets a row in ROOMS and in docs/ARCHITECTURE.md",
    );
}

/// The folder or file directly under `src/store`.
fn room_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/store/")?;
    inner.split('/').next().map(|first| first.trim_end_matches(".rs"))
}

#[test]
fn names_are_followed_to_their_files() {
    let file = |path: &str, code: &str| Source {
        path: path.to_owned(),
        text: String::new(),
        code: code.to_owned(),
    };
    let sources = [
        file("src/lib.rs", "pub mod a;\npub mod b;"),
        file(
            "src/a/mod.rs",
            "mod one;\nmod two;\npub use one::One as First;\npub use two::*;",
        ),
        file(
            "src/a/one.rs",
            "use crate::b::{self, other::Other};\npub struct One;\nfn f() { b::run(); }",
        ),
        file(
            "src/a/two.rs",
            "pub(crate) async fn twice() {}\nfn g(x: super::First) {}",
        ),
        file("src/b/mod.rs", "mod other;\npub fn run() {}\npub use crate::a::twice;"),
        file(
            "src/b/other.rs",
            "pub const fn x() {}\npub enum Other {}\nuse crate::a::First;\nuse sqlx::Row as _;",
        ),
    ];
    let graph = Graph::of(sources.iter());
    let imports = graph.imports();
    let to = |path: &str| imports.get(path).expect("the file").iter().copied().collect::<Vec<_>>();
    assert_eq!(to("src/a/mod.rs"), ["src/a/one.rs", "src/a/two.rs"]);
    assert_eq!(to("src/a/one.rs"), ["src/b/mod.rs", "src/b/other.rs"]);
    assert_eq!(to("src/a/two.rs"), ["src/a/one.rs"]);
    assert_eq!(to("src/b/mod.rs"), ["src/a/two.rs"]);
    assert_eq!(to("src/b/other.rs"), ["src/a/one.rs"]);
    let want = ["src/a/one.rs", "src/a/two.rs", "src/b/mod.rs", "src/b/other.rs"];
    assert_eq!(circles(&imports), [want]);
}
