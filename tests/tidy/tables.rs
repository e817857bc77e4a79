//! Names of tables in SQL: where the system tables are asked, and what tables within a statement may be called. Knows names;
//! reads no SQL.

use super::{
    assert_none, production,
    source::{root, words},
};

/// The room that has a file for each.
const HOME: &str = "src/store/system/";

/// Files elsewhere that name a system table in their SQL. None is the aim, but for those that must: `identity` asks bare connections,
/// `names` renames in all of them, `sqlite_backup` opens files without a store.
const ELSEWHERE: &[&str] = &[
    "src/catalog/names.rs",
    "src/store/db/postgres/dialect.rs",
    "src/store/identity/guard.rs",
    "src/store/identity/place.rs",
    "src/store/migrate/names.rs",
    "src/store/sqlite_backup.rs",
];

/// The tables that the migrations make.
fn tables() -> Vec<String> {
    let mut all = Vec::new();
    super::walk(&root().join("migration/src"), &mut |path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        all.extend(
            words(&text)
                .filter(|word| word.starts_with("hayloft_"))
                .map(str::to_owned),
        );
    });
    all.sort();
    all.dedup();
    assert!(all.len() > 10, "the system tables were not found");
    all
}

#[test]
fn system_tables_are_asked_in_their_files() {
    let tables = tables();
    let names_one = |line: &str| words(line).any(|word| tables.iter().any(|table| table == word));
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut findings = Vec::new();
    for source in production().filter(|source| source.path.starts_with("src/") && !source.path.starts_with(HOME)) {
        let asks = source.text.lines().filter(is_code).any(names_one);
        match (asks, ELSEWHERE.contains(&source.path.as_str())) {
            (true, false) => findings.push(format!("{}: asks a system table", source.path)),
            (false, true) => findings.push(format!("{}: no longer needs its row in ELSEWHERE", source.path)),
            _ => {}
        }
    }
    assert_none(
        &findings,
        "a table is described once: whoever changes it reads one file",
        "add a function to the table's file in src/store/system, and call that",
    );
}

#[test]
fn tables_of_statements_are_told_from_those_of_definitions() {
    let names = |line: &str| {
        let after = line.split("WITH ").skip(1);
        let name = after.map(|rest| rest.strip_prefix("RECURSIVE ").unwrap_or(rest));
        name.into_iter()
            .any(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    let mut findings = Vec::new();
    for source in production().filter(|source| source.module() == "store") {
        for (at, line) in source.text.lines().enumerate() {
            if !line.trim_start().starts_with("//") && names(line) {
                findings.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "a type may have any name, and a common table expression hides the table of that name",
        "begin its name with an underscore, as no table of a definition does",
    );
}
