//! Whether a filter can give several outputs, seen from its text. Knows jq's syntax tree; runs
//! nothing.
//!
//! A list is taken from such a filter item by item, and from any other whole. That must not hang on
//! how many items a record has, so it is decided here, before there is one.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Term},
    },
    path::{Part, Path},
};

/// Calls that can give several outputs, whatever they are given.
const MANY: &[&str] = &[
    "capture", "limit", "match", "paths", "range", "recurse", "scan", "skip", "splits",
];

/// Calls that give one output at most, though what they are given may give several.
const ONE: &[&str] = &[
    "add",
    "all",
    "any",
    "del",
    "delpaths",
    "first",
    "group_by",
    "isempty",
    "last",
    "map",
    "map_values",
    "max_by",
    "min_by",
    "pick",
    "sort_by",
    "unique_by",
    "with_entries",
];

/// Whether a checked filter can give more than one output.
pub(super) fn can_give_several(term: &Term<&str>) -> bool {
    Scope::default().several(term)
}

/// Own definitions, innermost last: name, number of arguments, whether the body gives several when
/// its arguments do not.
#[derive(Default)]
struct Scope<'s> {
    defined: Vec<(&'s str, usize, bool)>,
}

impl<'s> Scope<'s> {
    fn several(&mut self, term: &Term<&'s str>) -> bool {
        match term {
            // What is collected in an array is one output.
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(_) => false,
            Term::Recurse | Term::Fold(..) => true,
            Term::Str(_, parts) => parts
                .iter()
                .any(|part| matches!(part, StrPart::Term(term) if self.several(term))),
            Term::Obj(entries) => entries
                .iter()
                .any(|(key, value)| self.several(key) || value.as_ref().is_some_and(|value| self.several(value))),
            Term::Neg(inner) | Term::Label(_, inner) => self.several(inner),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right),
            Term::TryCatch(inner, catch) => {
                self.several(inner) || catch.as_ref().is_some_and(|catch| self.several(catch))
            }
            Term::IfThenElse(branches, otherwise) => {
                branches
                    .iter()
                    .any(|(condition, then)| self.several(condition) || self.several(then))
                    || otherwise.as_ref().is_some_and(|otherwise| self.several(otherwise))
            }
            Term::Def(definitions, inner) => self.definitions(definitions, inner),
            Term::Call(name, arguments) => self.call(name, arguments),
            Term::Path(head, Path(parts)) => {
                self.several(head)
                    || parts.iter().any(|(part, _)| match part {
                        Part::Range(None, None) => true,
                        Part::Index(at) => self.several(at),
                        Part::Range(from, to) => [from, to].into_iter().flatten().any(|bound| self.several(bound)),
                    })
            }
        }
    }

    fn operation(&mut self, left: &Term<&'s str>, operator: &BinaryOp<&'s str>, right: &Term<&'s str>) -> bool {
        match operator {
            BinaryOp::Comma => true,
            // The places that are changed may be many; what is given is the whole, once.
            BinaryOp::Update => false,
            BinaryOp::Assign | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => self.several(right),
            _ => self.several(left) || self.several(right),
        }
    }

    fn definitions(&mut self, definitions: &[Def<&'s str>], inner: &Term<&'s str>) -> bool {
        let scope = self.defined.len();
        for Def { name, args, body } in definitions {
            let own = self.defined.len();
            let arguments = args.iter().map(|name| (name.trim_start_matches('$'), 0, false));
            self.defined.extend(arguments);
            let several = self.several(body);
            self.defined.truncate(own);
            self.defined.push((*name, args.len(), several));
        }
        let several = self.several(inner);
        self.defined.truncate(scope);
        several
    }

    fn call(&mut self, name: &str, arguments: &[Term<&'s str>]) -> bool {
        let mut own = self.defined.iter().rev();
        let own = own.find(|(own, count, _)| *own == name && *count == arguments.len());
        match own.map(|(_, _, several)| *several) {
            Some(several) => several || arguments.iter().any(|argument| self.several(argument)),
            None if MANY.contains(&name) => true,
            None if ONE.contains(&name) => false,
            // Only where to look may be said several times.
            None if name == "nth" => arguments.first().is_some_and(|argument| self.several(argument)),
            None => arguments.iter().any(|argument| self.several(argument)),
        }
    }
}
