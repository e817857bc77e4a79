//! The reference page: complete, and every definition on it is one that can be loaded.

use std::collections::BTreeSet;

use hayloft::{
    catalog::{self, jq},
    definition::{self, SourceFile, render},
    value::Scalar,
};

const OPERATORS: &[&str] = &[
    "eq",
    "ne",
    "in",
    "notIn",
    "gt",
    "gte",
    "lt",
    "lte",
    "since",
    "until",
    "isNull",
    "contains",
    "startsWith",
    "endsWith",
    "like",
    "ilike",
    "has",
    "hasSome",
    "hasEvery",
    "and",
    "or",
    "not",
    "some",
    "every",
    "none",
];
const PLACEHOLDERS: &[&str] = &["{$page}", "{$offset}", "{$cursor}", "{$this.id}", "{$env.NAME}"];

fn page() -> String {
    super::read(&super::root().join("docs/language.md"))
}

/// Sections with their headings, `### ` and its backquotes taken off.
fn sections(page: &str) -> Vec<(String, String)> {
    let parts = page.split("\n### ").skip(1);
    parts
        .map(|part| {
            let (heading, body) = part.split_once('\n').unwrap_or((part, ""));
            let body = body.split("\n## ").next().unwrap_or(body);
            (heading.trim_matches('`').to_owned(), body.to_owned())
        })
        .collect()
}

/// The fenced blocks of a text: what stands after the fence, and the code.
pub fn blocks(text: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = text.split("```").collect();
    assert!(parts.len() % 2 == 1, "a fence is open");
    let inside = parts.iter().skip(1).step_by(2);
    inside
        .map(|block| {
            let (mark, code) = block.split_once('\n').unwrap_or((block, ""));
            (mark.to_owned(), code.to_owned())
        })
        .collect()
}

#[test]
fn everything_has_its_section_with_an_example() {
    let page = page();
    let sections = sections(&page);
    let mut wanted: BTreeSet<String> = OPERATORS
        .iter()
        .chain(PLACEHOLDERS)
        .map(|name| (*name).to_owned())
        .collect();
    wanted.extend(Scalar::ALL.map(|scalar| scalar.name().to_owned()));
    for entry in definition::entries() {
        let heading = format!("@{}", entry.directive);
        let body = sections
            .iter()
            .find(|(name, _)| *name == heading)
            .map_or("", |(_, body)| body);
        for argument in entry.arguments {
            assert!(
                body.contains(&format!("\n| `{argument}` |")),
                "{heading} has no row for `{argument}`"
            );
        }
        wanted.insert(heading);
    }
    let found: BTreeSet<String> = sections.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(found.len(), sections.len(), "a section stands twice");
    assert_eq!(
        wanted.difference(&found).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "sections that are missing"
    );
    assert_eq!(
        found.difference(&wanted).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "sections about nothing"
    );
    for (name, body) in &sections {
        let examples = blocks(body);
        let own = name.trim_matches(['{', '}']).replace(".NAME", ".");
        assert!(
            examples.iter().any(|(_, code)| code.contains(&own)),
            "`{name}` has no example that uses it"
        );
    }
}

#[test]
fn every_definition_on_the_page_loads() {
    let blocks = blocks(&page());
    let definitions = blocks.iter().filter(|(mark, _)| mark == "graphql");
    let mut count = 0;
    for (_, code) in definitions {
        let files = [SourceFile {
            path: "docs/language.md".into(),
            text: code.clone(),
        }];
        if let Err(faults) = catalog::load(&files) {
            panic!("{}", render(&files, &faults, false));
        }
        count += 1;
    }
    assert!(count >= 30, "{count} definitions");
    let known = ["graphql", "graphql query", "graphql query Article"];
    assert!(blocks.iter().all(|(mark, _)| known.contains(&mark.as_str())));
}

#[test]
fn the_page_lists_the_filters_that_may_be_called() {
    let page = page();
    for name in jq::allowed() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
