//! Which keys of its input a filter begins at, by which it is known whether a record has what a field is made of. Knows jq's
//! syntax tree; runs nothing.

use std::collections::BTreeSet;

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Term},
    },
    path::Part,
};
use jaq_json::Val;

use super::check::TIMES;

/// Calls that look at nothing.
const CONSTANTS: &[&str] = &["null", "true", "false", "empty", "nan", "infinite"];

/// The keys, each once; `None`: the filter looks at the input as a whole, or at keys that are not known beforehand.
pub(super) fn keys(term: &Term<&str>) -> Option<Vec<Val>> {
    let mut keys = BTreeSet::new();
    collect(term, &mut keys)?;
    Some(keys.into_iter().map(|key| Val::utf8_str(key.to_owned())).collect())
}

/// Recursion ends with the term's depth, which the check of a filter bounds.
fn collect<'s>(term: &Term<&'s str>, keys: &mut BTreeSet<&'s str>) -> Option<()> {
    match term {
        Term::Num(_) | Term::Break(_) | Term::Var(_) => Some(()),
        Term::Str(Some(_), parts) if parts.is_empty() => None,
        Term::Str(_, parts) => all(
            parts.iter().filter_map(|part| match part {
                StrPart::Term(term) => Some(term),
                _ => None,
            }),
            keys,
        ),
        Term::Arr(inner) => all(inner.iter().map(|inner| &**inner), keys),
        Term::Neg(inner) | Term::Label(_, inner) | Term::TryCatch(inner, _) => collect(inner, keys),
        Term::Obj(entries) => entries.iter().try_for_each(|(key, value)| match value {
            Some(value) => collect(key, keys).and_then(|()| collect(value, keys)),
            None => {
                keys.insert(key_of(key)?);
                Some(())
            }
        }),
        // What follows a pipe looks at what went before it.
        Term::BinOp(left, BinaryOp::Pipe(None), right) if matches!(**left, Term::Id) => collect(right, keys),
        Term::BinOp(left, BinaryOp::Pipe(None), _) => collect(left, keys),
        Term::BinOp(_, BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt, _) => None,
        Term::BinOp(left, _, right) => all([&**left, &**right].into_iter(), keys),
        // Without `else` the input itself comes out.
        Term::IfThenElse(branches, Some(otherwise)) => {
            let branches = branches.iter().flat_map(|(condition, then)| [condition, then]);
            all(branches.chain([&**otherwise]), keys)
        }
        Term::Call(name, arguments) if *name == TIMES || (arguments.is_empty() && CONSTANTS.contains(name)) => {
            all(arguments.iter(), keys)
        }
        Term::Path(head, path) => {
            let mut parts = path.0.iter().map(|(part, _)| part);
            if matches!(**head, Term::Id) {
                let Some(Part::Index(first)) = parts.next() else {
                    return None;
                };
                keys.insert(key_of(first)?);
            } else {
                collect(head, keys)?;
            }
            // Whatever stands in brackets looks at the input, too.
            parts.try_for_each(|part| match part {
                Part::Index(at) => collect(at, keys),
                Part::Range(from, to) => from.iter().chain(to).try_for_each(|at| collect(at, keys)),
            })
        }
        Term::Id | Term::Recurse | Term::Fold(..) | Term::Def(..) | Term::Call(..) | Term::IfThenElse(_, None) => None,
    }
}

fn all<'t, 's: 't>(mut terms: impl Iterator<Item = &'t Term<&'s str>>, keys: &mut BTreeSet<&'s str>) -> Option<()> {
    terms.try_for_each(|term| collect(term, keys))
}

/// The key that a term without anything to compute is.
fn key_of<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match &parts[..] {
            [] => Some(""),
            [StrPart::Str(name)] => Some(name),
            _ => None,
        },
        _ => None,
    }
}
