//! Whether a filter only moves values from place to place, and looks into none of them, so that a
//! broken one comes out as it went in. Knows jq's syntax tree; runs nothing.
//!
//! What is broken is some value, and neither null nor false: so whether it is there may be asked,
//! but not what it is.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Term},
    },
    path::{Opt, Part, Path},
};

/// Calls that move what they are given, as far as their arguments do.
const MOVING: &[&str] = &[
    "empty",
    "false",
    "first",
    "infinite",
    "last",
    "limit",
    "map",
    "map_values",
    "not",
    "null",
    "reverse",
    "select",
    "skip",
    "sort_by",
    "to_entries",
    "true",
    "values",
    "with_entries",
];

/// Recursion ends with the term's depth, which the check of a filter bounds.
pub(super) fn only_moves(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) => true,
        Term::Str(format, parts) => format.is_none() && !parts.iter().any(|part| matches!(part, StrPart::Term(_))),
        Term::Arr(inner) => inner.as_deref().is_none_or(only_moves),
        Term::Obj(entries) => entries.iter().all(|(key, value)| {
            // A name is a text of its own.
            matches!(key, Term::Str(..) | Term::Var(_)) && only_moves(key) && value.as_ref().is_none_or(only_moves)
        }),
        Term::Label(_, inner) => only_moves(inner),
        Term::BinOp(left, operator, right) => moves(operator, left, right) && only_moves(left) && only_moves(right),
        Term::IfThenElse(branches, otherwise) => {
            branches
                .iter()
                .all(|(condition, then)| only_moves(condition) && only_moves(then))
                && otherwise.as_deref().is_none_or(only_moves)
        }
        Term::Call(name, arguments) => MOVING.contains(name) && arguments.iter().all(only_moves),
        // What is optional gives nothing where something is broken.
        Term::Path(head, Path(parts)) => only_moves(head) && parts.iter().all(is_step),
        Term::TryCatch(..) | Term::Fold(..) | Term::Def(..) | Term::Neg(_) => false,
    }
}

fn moves(operator: &BinaryOp<&str>, left: &Term<&str>, right: &Term<&str>) -> bool {
    match operator {
        BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And => true,
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt => true,
        // Objects are put together; nothing else goes with them.
        BinaryOp::Math(_) => matches!(left, Term::Obj(_)) || matches!(right, Term::Obj(_)),
        BinaryOp::Cmp(_) | BinaryOp::UpdateMath(_) => false,
    }
}

/// A key, or all values: broken ones have none. Single characters of a text may be had by number.
fn is_step((part, optional): &(Part<Term<&str>>, Opt)) -> bool {
    let plain = match part {
        Part::Index(at) => matches!(at, Term::Str(..)) && only_moves(at),
        Part::Range(from, to) => from.is_none() && to.is_none(),
    };
    plain && matches!(optional, Opt::Essential)
}

#[cfg(test)]
mod tests {
    use super::super::Filter;

    #[test]
    fn what_only_moves() {
        let moves = |text: &str| Filter::compile(text, &[]).expect(text).only_moves();
        for text in [
            ".a[0].b?",
            ".a | {id, name: .b, \"n\": 1}",
            "map(. + {kind: \"x\"})[]",
            ".items as $all | $all[] | .rank = .position",
            "to_entries[] | .value + {key: .key}",
            ".a // .b, (if .c then .d else . end), first(.e[])",
            "sort_by(.id) | reverse[] | select(.ok and (.gone | not))",
            "..",
        ] {
            assert!(moves(text), "{text}");
        }
        for text in [
            "{id, name: (.a | tostring)}",
            "{id, name: \"\\(.a)\"}",
            ".[] | .id = .a + .b",
            ".a == 1",
            "select(.a > 1)",
            ".a | length",
            "{a: -.a}",
            ".a | @text",
            "[.a[]?] | .",
            "{a: .a[0:2]}",
            "{(.a): 1}",
            "[.[] | .n * 2]",
            ".n += 1",
            ".a | type",
            "try .a catch 1",
            "map(strings)",
        ] {
            assert!(!moves(text), "{text}");
        }
    }
}
