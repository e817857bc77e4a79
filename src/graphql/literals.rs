//! The texts and numbers that stand in a document, as if they were variables: documents that differ
//! in these alone are of one kind, and may share a plan. Knows places and values; knows no type,
//! and not which of them a plan goes by.

use std::{ops::Range, sync::Arc};

use apollo_compiler::{
    ExecutableDocument, Node,
    ast::Value as Literal,
    executable::{Selection, SelectionSet},
    parser::SourceFile,
};

use super::fingerprint::fingerprint;

/// All literals of a document's arguments, in the order of its text.
#[derive(Debug, Default)]
pub(super) struct Literals {
    all: Vec<One>,
    source: Option<Arc<SourceFile>>,
    /// Of the text with a mark in the place of each.
    print: u128,
}

#[derive(Debug)]
struct One {
    node: Node<Literal>,
    begin: u32,
    end: u32,
}

impl One {
    /// Where it stands in the document's text.
    fn place(&self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }
}

impl Literals {
    /// Those of a document that has the text of one source.
    pub(super) fn of(document: &ExecutableDocument) -> Literals {
        let mut found = Vec::new();
        for operation in document.operations.iter() {
            of_set(&operation.selection_set, &mut found);
        }
        for fragment in document.fragments.values() {
            of_set(&fragment.selection_set, &mut found);
        }
        found.sort_by_key(|one| one.begin);
        let whole = document.operations.iter().find_map(|operation| {
            let place = operation.location()?;
            Some(document.sources.get(&place.file_id())?.clone())
        });
        let text = whole.as_ref().map_or("", |whole| whole.source_text());
        found.shrink_to_fit();
        Literals {
            print: fingerprint(marked(text, &found).as_bytes()),
            all: found,
            source: whole,
        }
    }

    fn text(&self, one: &One) -> &str {
        let source = self.source.as_ref().map_or("", |source| source.source_text());
        source.get(one.place()).unwrap_or_default()
    }

    pub(super) fn are_none(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What the document is known by, whatever its literals are.
    pub(super) fn print(&self) -> u128 {
        self.print
    }

    /// What it is known by with the literals of these numbers.
    pub(super) fn print_with(&self, exact: &[usize]) -> u128 {
        let mut bytes = self.print.to_le_bytes().to_vec();
        for one in exact.iter().filter_map(|number| self.all.get(*number)) {
            // Length first, so that no text can imitate another's end.
            let text = self.text(one);
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        fingerprint(&bytes)
    }

    /// The number of a literal of this document.
    pub(super) fn number(&self, node: &Node<Literal>) -> Option<usize> {
        let begin = u32::try_from(node.location()?.offset()).ok()?;
        self.all.binary_search_by_key(&begin, |one| one.begin).ok()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Literal> {
        self.all.get(number).map(|one| &*one.node)
    }
}

/// A text with a mark of its kind in the place of each literal. No document has such a mark: it is
/// no character that one may have outside of strings and comments.
fn marked(text: &str, literals: &[One]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for one in literals {
        let place = one.place();
        out.push_str(text.get(at..place.start).unwrap_or_default());
        out.push_str(match &*one.node {
            Literal::Int(_) => "\u{1}",
            Literal::Float(_) => "\u{2}",
            _ => "\u{3}",
        });
        at = place.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Recursion is bounded by `Limits::nesting`, which the lexer has checked.
fn of_set(set: &SelectionSet, found: &mut Vec<One>) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => {
                field
                    .arguments
                    .iter()
                    .for_each(|argument| of_value(&argument.value, found));
                of_set(&field.selection_set, found);
            }
            Selection::InlineFragment(inline) => of_set(&inline.selection_set, found),
            // Each fragment is looked through once, where it is defined.
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn of_value(node: &Node<Literal>, found: &mut Vec<One>) {
    match &**node {
        Literal::List(items) => items.iter().for_each(|item| of_value(item, found)),
        Literal::Object(members) => members.iter().for_each(|(_, member)| of_value(member, found)),
        Literal::String(_) | Literal::Int(_) | Literal::Float(_) => {
            let one = node.location().and_then(|place| {
                Some(One {
                    node: node.clone(),
                    begin: u32::try_from(place.offset()).ok()?,
                    end: u32::try_from(place.end_offset()).ok()?,
                })
            });
            found.extend(one);
        }
        Literal::Null | Literal::Enum(_) | Literal::Variable(_) | Literal::Boolean(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::{Limits, Served, gate, testing};

    fn literals(query: &str) -> Literals {
        let served = Served::of(&testing::catalog()).expect("the farm's schema");
        let admitted = gate::admit(&served, &Limits::default(), query).expect("a good query");
        Literals::of(&admitted.document)
    }

    #[test]
    fn documents_of_one_kind_have_one_print() {
        let one = literals("{ items(where: {name: {in: [\"a\", \"b\"]}, price: {gt: 1.5}}, first: 2) { id } }");
        assert_eq!(one.len(), 4);
        let same =
            literals("{ items(where: {name: {in: [\"\\\"\\u00fc\", \"\"]}, price: {gt: 22.25}}, first: 7) { id } }");
        assert_eq!(one.print(), same.print());
        assert_eq!(one.print_with(&[]), same.print_with(&[]));
        // By the number of a literal, its text counts.
        for number in 0..4 {
            assert_ne!(one.print_with(&[number]), same.print_with(&[number]));
        }
        for other in [
            "{ items(where: {name: {in: [\"a\"]}, price: {gt: 1.5}}, first: 2) { id } }",
            "{ items(where: {name: {in: [\"a\", \"b\"]}, price: {gt: 1}}, first: 2) { id } }",
            "{ items(where: {name: {in: [\"a\", \"b\"]}, price: {lt: 1.5}}, first: 2) { id } }",
            "{ a: items(where: {name: {in: [\"a\", \"b\"]}, price: {gt: 1.5}}, first: 2) { id } }",
        ] {
            assert_ne!(one.print(), literals(other).print(), "{other}");
        }
        let described = literals("\"\u{fc}\" query { item(id: \"\u{fc}1\") { id } }");
        assert_eq!(
            described.print(),
            literals("    query { item(id: \"x\") { id } }").print()
        );
        assert!(literals("{ __typename }").are_none());
    }
}
