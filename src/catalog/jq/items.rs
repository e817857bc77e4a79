//! `rows` that lead to one list and look at each of its items by itself, so that a page need not be
//! in memory. Knows the terms of such filters; runs nothing.

use jaq_core::{
    load::lex::StrPart,
    load::parse::{BinaryOp, Term},
    path::{Opt, Part, Path},
};

use super::path;

/// A filter taken apart: `.a.b[] | rest`; what [`Items`](super::Items) is made of.
pub(super) struct Split<'s> {
    pub keys: Vec<String>,
    pub each: Option<Term<&'s str>>,
    pub one_each: bool,
}

/// Takes a filter apart, if it begins with a plain path to a list.
pub(super) fn split<'s>(term: &Term<&'s str>) -> Option<Split<'s>> {
    let mut stages = Vec::new();
    flatten(term, &mut stages);
    let mut keys = Vec::new();
    let mut stages = stages.into_iter();
    while let Some(stage) = stages.next() {
        let parts = match stage {
            Term::Id => continue,
            Term::Path(head, path) if matches!(**head, Term::Id) => &path.0,
            _ => return None,
        };
        for (at, (part, optional)) in parts.iter().enumerate() {
            if matches!(part, Part::Range(None, None)) {
                let after: Vec<_> = parts.iter().skip(at + 1).cloned().collect();
                let after = (!after.is_empty()).then(|| Term::Path(Box::new(Term::Id), Path(after)));
                let each = after.into_iter().chain(stages.cloned()).reduce(pipe);
                return Some(Split {
                    keys,
                    one_each: each.as_ref().is_none_or(gives_one),
                    each,
                });
            }
            match optional {
                Opt::Optional => return None,
                Opt::Essential => keys.push(key(part)?),
            }
        }
    }
    None
}

fn flatten<'t, 's>(term: &'t Term<&'s str>, stages: &mut Vec<&'t Term<&'s str>>) {
    match term {
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            flatten(left, stages);
            flatten(right, stages);
        }
        stage => stages.push(stage),
    }
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

fn key(part: &Part<Term<&str>>) -> Option<String> {
    match part {
        Part::Index(Term::Str(None, parts)) => match &parts[..] {
            [] => Some(String::new()),
            [StrPart::Str(name)] => Some((*name).to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a filter is a path that leads to exactly one value.
fn gives_one(term: &Term<&str>) -> bool {
    path::Path::of(term).is_some_and(|path| path.gives_one())
}
