//! Where a filter looks at its budget: wherever it can yield often, or make more of what it has.
//! Knows jq's syntax tree and which of jaq's natives make much of little at once; runs nothing.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Term},
    },
    ops::Math,
    path::{Part, Path},
};

use super::{
    bounds::{DIVIDED, ROOM, ROOM_JSON, ROOM_TEXT},
    budget::TICK,
    compare::{self, LIGHT},
};

/// Natives that are one step however much they make, and the bytes that they take for a byte of a
/// text, or for an item.
const AT_ONCE: &[(&str, &str)] = &[
    ("encode_base64", "2"),
    ("encode_uri", "3"),
    ("escape_html", "6"),
    ("escape_sh", "4"),
    ("explode", "32"),
    ("group_by", "128"),
    ("key_values", "112"),
    ("keys_unsorted", "32"),
    ("sort", "32"),
    ("sort_by", "128"),
];
/// Those that compare what they are given many times, and what their arguments give.
const COMPARES: &[&str] = &["sort", "sort_by", "group_by", "min_by_or_empty", "max_by_or_empty"];
/// Those that look for what their argument gives.
const LOOKS_UP: &[&str] = &["has"];
/// The one whose output grows with all that a value has in it.
const WRITES: &str = "tojson";

/// A filter of a definition, with ticks.
pub(super) fn ticking<'s>(term: &Term<&'s str>) -> Term<&'s str> {
    Ticks { calls: true }.term(term)
}

/// A definition of jaq's library, with ticks. Whoever calls it ticks by himself.
pub(super) fn library(mut definition: Def<&'static str>) -> Def<&'static str> {
    definition.body = Ticks { calls: false }.term(&definition.body);
    definition
}

struct Ticks {
    /// Each call is one, too.
    calls: bool,
}

impl Ticks {
    fn term<'s>(&self, term: &Term<&'s str>) -> Term<&'s str> {
        match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) => term.clone(),
            Term::Recurse => then_tick(term.clone()),
            Term::Str(format, parts) => Term::Str(*format, self.parts(parts)),
            Term::Arr(inner) => Term::Arr(inner.as_deref().map(|inner| self.boxed(inner))),
            Term::Obj(entries) => Term::Obj(
                entries
                    .iter()
                    .map(|(key, value)| match value {
                        Some(value) => (self.looked_up(key), Some(self.term(value))),
                        None => (self.term(key), None),
                    })
                    .collect(),
            ),
            Term::Neg(inner) => Term::Neg(self.boxed(inner)),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right),
            Term::Label(name, inner) => Term::Label(name, self.boxed(inner)),
            Term::Fold(word, source, pattern, arguments) => {
                Term::Fold(word, self.boxed(source), pattern.clone(), self.all(arguments))
            }
            Term::TryCatch(inner, catch) => {
                Term::TryCatch(self.boxed(inner), catch.as_deref().map(|catch| self.boxed(catch)))
            }
            Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
                branches
                    .iter()
                    .map(|(condition, then)| (self.term(condition), self.term(then)))
                    .collect(),
                otherwise.as_deref().map(|otherwise| self.boxed(otherwise)),
            ),
            Term::Def(definitions, inner) => {
                let definitions = definitions.iter().map(|definition| Def {
                    name: definition.name,
                    args: definition.args.clone(),
                    body: self.term(&definition.body),
                });
                Term::Def(definitions.collect(), self.boxed(inner))
            }
            Term::Call(name, arguments) => self.call(name, arguments),
            Term::Path(head, path) => self.along(self.term(head), path),
        }
    }

    fn boxed<'s>(&self, term: &Term<&'s str>) -> Box<Term<&'s str>> {
        Box::new(self.term(term))
    }

    fn all<'s>(&self, terms: &[Term<&'s str>]) -> Vec<Term<&'s str>> {
        terms.iter().map(|term| self.term(term)).collect()
    }

    /// What is put into a text is written at once, all parts of it one after the other.
    fn parts<'s>(&self, parts: &[StrPart<&'s str, Term<&'s str>>]) -> Vec<StrPart<&'s str, Term<&'s str>>> {
        let put = parts.iter().filter(|part| matches!(part, StrPart::Term(_))).count();
        let part = |part: &StrPart<&'s str, Term<&'s str>>| match part {
            StrPart::Term(term) => StrPart::Term(pipe(self.term(term), Term::Call(ROOM_TEXT, vec![number(put)]))),
            other => other.clone(),
        };
        parts.iter().map(part).collect()
    }

    fn operation<'s>(
        &self,
        left: &Term<&'s str>,
        operator: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
    ) -> Term<&'s str> {
        let (left, right) = (self.boxed(left), self.boxed(right));
        match operator {
            BinaryOp::Math(Math::Div) => Term::Call(DIVIDED, vec![*left, *right]),
            // Beside what is written in the filter, there is nothing to compare for long.
            BinaryOp::Cmp(operator) if self.calls && !is_written(&left) && !is_written(&right) => {
                Term::Call(compare::name_of(*operator), vec![*left, *right])
            }
            BinaryOp::Math(Math::Sub) if self.calls => {
                let (left, right) = (Box::new(lightly(*left)), Box::new(lightly(*right)));
                Term::BinOp(left, operator.clone(), right)
            }
            BinaryOp::Math(Math::Add) => then_tick(Term::BinOp(left, operator.clone(), right)),
            // Several of these, one in the other, yield often.
            BinaryOp::Comma if self.calls => then_tick(Term::BinOp(left, BinaryOp::Comma, right)),
            _ => Term::BinOp(left, operator.clone(), right),
        }
    }

    fn call<'s>(&self, name: &'s str, arguments: &[Term<&'s str>]) -> Term<&'s str> {
        let (compares, looks_up) = (COMPARES.contains(&name), LOOKS_UP.contains(&name));
        let argument = |argument: &Term<&'s str>| match compares || looks_up {
            true => lightly(self.term(argument)),
            false => self.term(argument),
        };
        let called = Term::Call(name, arguments.iter().map(argument).collect());
        let called = match compares {
            true => pipe(Term::Call(LIGHT, Vec::new()), called),
            false => called,
        };
        let called = match AT_ONCE.iter().find(|(known, _)| *known == name) {
            Some((_, bytes)) => pipe(Term::Call(ROOM, vec![Term::Num(*bytes)]), called),
            None if name == WRITES => pipe(Term::Call(ROOM_JSON, vec![number(1)]), called),
            None => called,
        };
        match self.calls {
            true => then_tick(called),
            false => called,
        }
    }

    /// What a member is looked for by.
    fn looked_up<'s>(&self, key: &Term<&'s str>) -> Term<&'s str> {
        match is_written(key) {
            true => self.term(key),
            false => lightly(self.term(key)),
        }
    }

    fn along<'s>(&self, head: Term<&'s str>, path: &Path<Term<&'s str>>) -> Term<&'s str> {
        let iterates = path.0.iter().any(|(part, _)| matches!(part, Part::Range(None, None)));
        let parts = path.0.iter().map(|(part, optional)| {
            let part = match part {
                Part::Index(index) => Part::Index(self.looked_up(index)),
                Part::Range(from, to) => Part::Range(
                    from.as_ref().map(|from| self.term(from)),
                    to.as_ref().map(|to| self.term(to)),
                ),
            };
            (part, *optional)
        });
        let walked = Term::Path(Box::new(head), Path(parts.collect()));
        if iterates { then_tick(walked) } else { walked }
    }
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

fn lightly(term: Term<&str>) -> Term<&str> {
    pipe(term, Term::Call(LIGHT, Vec::new()))
}

/// Whether a term's value stands in the filter, so that it is small.
fn is_written(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) | Term::Str(..) | Term::Arr(None) => true,
        Term::Neg(inner) => is_written(inner),
        Term::Obj(entries) => entries.is_empty(),
        Term::Call(name, arguments) => arguments.is_empty() && matches!(*name, "null" | "true" | "false" | "empty"),
        _ => false,
    }
}

fn then_tick(term: Term<&str>) -> Term<&str> {
    pipe(term, Term::Call(TICK, Vec::new()))
}

/// At least so many; a filter's text bounds how many there can be.
fn number<'s>(count: usize) -> Term<&'s str> {
    const NUMBERS: [(usize, &str); 8] = [
        (1, "1"),
        (2, "2"),
        (3, "3"),
        (4, "4"),
        (8, "8"),
        (16, "16"),
        (64, "64"),
        (usize::MAX, "256"),
    ];
    let number = NUMBERS.iter().find(|(number, _)| *number >= count);
    Term::Num(number.map_or("256", |(_, text)| *text))
}
