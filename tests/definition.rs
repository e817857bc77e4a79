//! Golden cases of the definition language: each `.graphql` file beside the `.txt` that reading it gives.
//!
//! `HAYLOFT_BLESS=1` writes the `.txt` files anew.

pub mod language;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use hayloft::{
    catalog::{self, Catalog, Entity, FieldKind, Leaf, List, Selection, ValueFieldKind},
    definition::{self, SourceFile, render},
};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a person sees, or a compact form of the catalog.
fn outcome(files: &[SourceFile]) -> String {
    match catalog::load(files) {
        Ok(catalog) => dump(&catalog),
        Err(faults) => render(files, &faults, false),
    }
}

/// The files of a case: one, or those of a folder in the order of their names.
fn files(case: &Path) -> Vec<SourceFile> {
    let root = case.parent().expect("the folder of cases");
    let mut paths = vec![case.to_owned()];
    if case.is_dir() {
        let entries = fs::read_dir(case).expect("a folder");
        paths = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
    }
    let file = |path: &PathBuf| SourceFile {
        path: path.strip_prefix(root).expect("a path below").to_owned(),
        text: read(path),
    };
    paths.iter().map(file).collect()
}

#[test]
fn golden_cases() {
    let folder = root().join("tests/cases/definition");
    let mut cases: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("graphql") => assert!(cases.insert(stem, path).is_none(), "a file and a folder of one name"),
            None if path.is_dir() => assert!(cases.insert(stem, path).is_none(), "a file and a folder of one name"),
            Some("txt") => assert!(texts.insert(stem)),
            _ => panic!("{}: a file that belongs to no case", path.display()),
        };
    }
    assert!(cases.len() >= 53, "{} cases", cases.len());
    let bless = std::env::var_os("HAYLOFT_BLESS").is_some();
    let mut wrong = Vec::new();
    for (stem, case) in &cases {
        let got = outcome(&files(case));
        let golden = folder.join(format!("{stem}.txt"));
        if bless {
            fs::write(&golden, &got).expect("write a golden file");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(got.as_str()) {
            wrong.push(format!("--- {stem} ---\n{got}"));
        }
    }
    let left: Vec<_> = texts.iter().filter(|text| !cases.contains_key(*text)).collect();
    assert!(left.is_empty(), "left over: {left:?}");
    assert!(wrong.is_empty(), "{}\nHAYLOFT_BLESS=1 accepts these", wrong.join("\n"));
}

#[test]
fn ten_faults_are_ten() {
    let path = root().join("tests/cases/definition/9000_ten_faults.graphql");
    let files = [SourceFile {
        path: "ten.graphql".into(),
        text: read(&path),
    }];
    let faults = catalog::load(&files).expect_err("it has faults");
    assert_eq!(faults.len(), 10, "{}", render(&files, &faults, false));
    let starts: Vec<_> = faults
        .iter()
        .map(|fault| fault.span.clone().expect("a place").start)
        .collect();
    assert!(starts.is_sorted(), "in file order");
}

#[test]
fn the_shipped_definition_has_no_faults() {
    let files = [SourceFile {
        path: "schema.graphql".into(),
        text: read(&root().join("schema.graphql")),
    }];
    if let Err(faults) = catalog::load(&files) {
        panic!("{}", render(&files, &faults, false));
    }
}

/// Every cut of a definition is read without a panic: a person saves in the middle of a word.
#[test]
fn no_prefix_panics() {
    let text = read(&root().join("schema.graphql"));
    for end in (0..text.len()).step_by(3).filter(|end| text.is_char_boundary(*end)) {
        let files = [SourceFile {
            path: "cut.graphql".into(),
            text: text[..end].to_owned(),
        }];
        if let Err(faults) = catalog::load(&files) {
            assert!(!render(&files, &faults, true).is_empty());
        }
    }
}

#[test]
fn every_reserved_word_is_refused_by_name() {
    for word in definition::reserved::words() {
        let field = |directive: &str| {
            format!(
                "extend schema @source(name: \"s\", url: \"http://h\")\ntype A @fetch(source: \"s\", GET: \"/\") {{ id: ID! b: String {directive} }}"
            )
        };
        let fetch = |arguments: &str| {
            format!(
                "extend schema @source(name: \"s\", url: \"http://h\")\ntype A @fetch(source: \"s\", GET: \"/\" {arguments}) {{ id: ID! }}"
            )
        };
        let parts: Vec<&str> = word.split('.').collect();
        let text = match parts[..] {
            ["@source", argument] => {
                format!("extend schema @source(name: \"s\", url: \"http://h\", {argument}: \"x\")")
            }
            ["@fetch", argument] => fetch(&format!("{argument}: \"x\"")),
            ["@fetch", argument, value] => fetch(&format!("{argument}: {value}")),
            [directive, argument] => field(&format!("{directive}({argument}: \"x\")")),
            [place] if place.ends_with(" on OBJECT") => {
                field("").replace("type A", &format!("type A {}", place.replace(" on OBJECT", "")))
            }
            ["exec:"] => "extend schema @source(name: \"s\", url: \"exec:ls\")".to_owned(),
            [variable] if variable.starts_with('$') => fetch("").replace("\"/\"", &format!("\"/{{{variable}}}\"")),
            [directive] => field(directive),
            _ => panic!("{word}"),
        };
        let files = [SourceFile {
            path: "reserved.graphql".into(),
            text,
        }];
        let faults = catalog::load(&files).expect_err(word);
        let named = faults
            .iter()
            .any(|fault| fault.message.contains("not supported in this version") && fault.hint.is_some());
        assert!(named, "{word}: {}", render(&files, &faults, false));
    }
}

fn dump(catalog: &Catalog) -> String {
    let mut out = String::new();
    for source in &catalog.sources {
        let headers: Vec<String> = source
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.text()))
            .collect();
        line(
            &mut out,
            format!(
                "source {} {} {:?} {} {headers:?}",
                source.name,
                source.url.text(),
                source.rate,
                source.concurrency
            ),
        );
        if let Some(auth) = &source.auth {
            let templates = auth.templates().into_iter();
            let all: Vec<String> = templates
                .map(|(name, template)| format!("{name}: {}", template.text()))
                .collect();
            line(&mut out, format!("  auth {}", all.join(", ")));
        }
    }
    for declared in &catalog.enums {
        let values: Vec<String> = declared
            .values
            .iter()
            .map(|value| format!("{}{:?}", value.name, value.aliases))
            .collect();
        line(&mut out, format!("enum {} {}", declared.name, values.join(" ")));
    }
    for value in &catalog.values {
        line(&mut out, format!("value {}", value.name));
        for field in &value.fields {
            let kind = match &field.kind {
                ValueFieldKind::Leaf { leaf, list } => leaf_name(catalog, *leaf, *list),
                ValueFieldKind::Value { value, list } => listed(&catalog.value(*value).name, *list),
            };
            line(
                &mut out,
                format!(
                    "  {}: {kind}{} {}",
                    field.name,
                    mark(field.required),
                    selection(&field.selection)
                ),
            );
        }
    }
    catalog
        .entities
        .iter()
        .for_each(|entity| dump_entity(&mut out, catalog, entity));
    for id in catalog.fetch_ids() {
        let fetch = catalog.fetch(id);
        let paging = &fetch.paging;
        let filter = |filter: &Option<catalog::jq::Filter>| {
            filter
                .as_ref()
                .map_or("-".to_owned(), |filter| filter.text().to_owned())
        };
        let advance = match &paging.advance {
            catalog::Advance::Cursor(next) => format!("Cursor {}", next.text()),
            catalog::Advance::NextUrl(next) => format!("NextUrl {}", next.text()),
            other => format!("{other:?}"),
        };
        line(
            &mut out,
            format!(
                "fetch {} {:?} {} {:?} rows {}",
                catalog.fetch_name(id),
                fetch.method,
                fetch.path.text(),
                fetch.format,
                fetch.rows.text()
            ),
        );
        line(
            &mut out,
            format!(
                "  {advance} last {} total {} size {:?} max {}",
                filter(&paging.last),
                filter(&paging.total),
                paging.size,
                paging.max
            ),
        );
        if let Some(body) = &fetch.body {
            line(
                &mut out,
                format!("  body {} graphql {}", body.text(), body.is_graphql()),
            );
        }
        if !fetch.keep.is_empty() || !paging.end.is_empty() {
            let keep: Vec<&str> = fetch.keep.iter().map(catalog::jq::Filter::text).collect();
            line(&mut out, format!("  keep {keep:?} end {:?}", paging.end));
        }
        if fetch.table != catalog::Table::default() || fetch.charset.is_some() {
            line(&mut out, format!("  {:?} charset {:?}", fetch.table, fetch.charset));
        }
        if let Some(css) = &fetch.css {
            line(&mut out, format!("  {css:?}"));
        }
        if fetch.repeats != catalog::Repeats::Last {
            line(&mut out, format!("  repeats {:?}", fetch.repeats));
        }
        if let Some(each) = &fetch.field_fetch {
            let this: Vec<&str> = each
                .this
                .iter()
                .map(|field| catalog.entity(each.parent).field(*field).name.as_str())
                .collect();
            let after: Vec<String> = each.after.iter().map(|id| catalog.fetch_name(*id)).collect();
            line(
                &mut out,
                format!("  each {:?} this {this:?} after {after:?}", each.when),
            );
        }
        line(
            &mut out,
            format!("  {:?} {:?} {}", fetch.schedule, fetch.missing, fetch.missing_max),
        );
        if fetch.catch_up != catalog::CatchUp::default() {
            line(&mut out, format!("  catch up {:?}", fetch.catch_up));
        }
    }
    out
}

fn dump_entity(out: &mut String, catalog: &Catalog, entity: &Entity) {
    let key: Vec<&str> = entity.key.iter().map(|id| entity.field(*id).name.as_str()).collect();
    let names = &entity.names;
    let positional = if entity.positional { " positional" } else { "" };
    let was = entity
        .was
        .as_ref()
        .map_or_else(String::new, |was| format!(" was {was}"));
    let history = if entity.history { " history" } else { "" };
    line(
        out,
        format!(
            "entity {} ({}, {}, {}, {}) key {key:?}{positional}{was}{history}",
            entity.name, names.table, names.single, names.many, names.by
        ),
    );
    if let Some(groups) = &entity.groups {
        let every = groups
            .every
            .as_ref()
            .map_or(String::new(), |every| format!(" {every:?}"));
        line(out, format!("  groups {}{every}", catalog.groups_words(groups)));
    }
    for field in &entity.fields {
        let fields = |target: &Entity, ids: &[catalog::FieldId]| {
            ids.iter()
                .map(|id| target.field(*id).name.clone())
                .collect::<Vec<_>>()
                .join(",")
        };
        let kind = match &field.kind {
            FieldKind::Leaf { leaf, list } => leaf_name(catalog, *leaf, *list),
            FieldKind::Value { value, list } => listed(&catalog.value(*value).name, *list),
            FieldKind::Reference { target, by } => format!(
                "-> {} by {}",
                catalog.entity(*target).name,
                fields(catalog.entity(*target), by)
            ),
            FieldKind::Links { target, by } => format!(
                "->> {} by {}",
                catalog.entity(*target).name,
                fields(catalog.entity(*target), by)
            ),
            FieldKind::Closure { entity, of, max_depth } => {
                let target = catalog.entity(*entity);
                let most = max_depth
                    .map(|most| format!(", {most} steps at most"))
                    .unwrap_or_default();
                format!("closure of {}.{}{most}", target.name, target.field(*of).name)
            }
            FieldKind::Inverse { source, field, many } => {
                let source = catalog.entity(*source);
                format!(
                    "{} {}.{}",
                    if *many { "<<-" } else { "<-" },
                    source.name,
                    source.field(*field).name
                )
            }
            FieldKind::Nested { child } => format!("[] {}", catalog.entity(*child).name),
        };
        let mut flags = String::new();
        for (flag, set) in [
            (" unique", field.unique),
            (" indexed", field.indexed),
            (" searched", field.searched),
            (" hidden", !field.served),
        ] {
            flags.push_str(if set { flag } else { "" });
        }
        if let Some(language) = field.language {
            let _ = write!(flags, " in {}", language.name());
        }
        if let Some(was) = &field.was {
            let _ = write!(flags, " was {was}");
        }
        if let Some(rollup) = &field.rollup {
            let id = catalog.entity_named(&entity.name).expect("a type");
            let _ = write!(flags, " rollup {}", catalog.rollup_words(id, rollup));
        }
        if let Some(reason) = &field.deprecated {
            let _ = write!(flags, " deprecated {reason:?}");
        }
        line(
            out,
            format!(
                "  {}: {kind}{}{flags} {}",
                field.name,
                mark(field.required),
                selection(&field.selection)
            ),
        );
    }
}

fn line(out: &mut String, text: String) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn mark(required: bool) -> &'static str {
    if required { "!" } else { "" }
}

fn leaf_name(catalog: &Catalog, leaf: Leaf, list: Option<List>) -> String {
    match leaf {
        Leaf::Scalar(scalar) => listed(scalar.name(), list),
        Leaf::Enum(id) => listed(&catalog.enumeration(id).name, list),
    }
}

fn listed(name: &str, list: Option<List>) -> String {
    match list {
        Some(list) => format!("[{name}{}]", mark(list.item_required)),
        None => name.to_owned(),
    }
}

fn selection(selection: &Selection) -> String {
    match selection {
        Selection::Names(names) => names.join("|"),
        Selection::Jq(filter) => format!("jq {}", filter.text()),
    }
}
