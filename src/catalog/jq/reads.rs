//! Which keys of its input a filter begins at, by which it is known whether a record has what a
//! field is made of. Knows jq's syntax tree; runs nothing.

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

/// Paths of keys from the input on, as far as they are plain.
type Paths<'s> = BTreeSet<Vec<&'s str>>;

/// The keys, each once; `None`: the filter looks at the input as a whole, or at keys that are not
/// known beforehand.
pub(super) fn keys(term: &Term<&str>) -> Option<Vec<Val>> {
    let mut paths = Paths::new();
    collect(term, &mut paths)?;
    let keys: BTreeSet<&str> = paths.iter().filter_map(|path| path.first().copied()).collect();
    Some(keys.into_iter().map(|key| Val::utf8_str(key.to_owned())).collect())
}

/// Whether it may look at what stands under these keys, at a part of it, or at all of which it is a
/// part.
pub(super) fn looks_at(term: &Term<&str>, keys: &[String]) -> bool {
    let mut paths = Paths::new();
    let meets = |path: &Vec<&str>| path.iter().zip(keys).all(|(one, other)| one == other);
    collect(term, &mut paths).is_none() || paths.iter().any(meets)
}

/// Recursion ends with the term's depth, which the check of a filter bounds.
fn collect<'s>(term: &Term<&'s str>, keys: &mut Paths<'s>) -> Option<()> {
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
                keys.insert(vec![key_of(key)?]);
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
                let further = parts.clone().map_while(|part| match part {
                    Part::Index(at) => key_of(at),
                    Part::Range(..) => None,
                });
                keys.insert([key_of(first)?].into_iter().chain(further).collect());
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

fn all<'t, 's: 't>(mut terms: impl Iterator<Item = &'t Term<&'s str>>, keys: &mut Paths<'s>) -> Option<()> {
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
