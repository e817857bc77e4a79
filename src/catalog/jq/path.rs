//! Plain paths, walked without jaq and without copying. Knows jq's path semantics; must agree with
//! jaq's.

use std::ops::ControlFlow;

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Term},
    },
    path::{Opt, Part},
};
use jaq_json::Val;

use crate::value::{as_broken, describe};

/// `.a.b[0][]?` and pipes of such.
#[derive(Clone, Debug)]
pub(super) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    kind: StepKind,
    /// `?`: nothing instead of an error.
    optional: bool,
}

#[derive(Clone, Debug)]
enum StepKind {
    Key {
        name: String,
        value: Val,
    },
    Index(isize),
    Each,
    /// Iterating null gives nothing.
    EachOrNull,
}

impl Path {
    /// The path that a term is, if it is one.
    pub(super) fn of(term: &Term<&str>) -> Option<Path> {
        let mut steps = Vec::new();
        collect(term, &mut steps)?;
        Some(Path { steps })
    }

    pub(super) fn as_key(&self) -> Option<&str> {
        match &self.steps[..] {
            [
                Step {
                    kind: StepKind::Key { name, .. },
                    optional: false,
                },
            ] => Some(name),
            _ => None,
        }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it leads to one value, whatever it is given.
    pub(super) fn gives_one(&self) -> bool {
        let one = |step: &Step| !step.optional && matches!(step.kind, StepKind::Key { .. } | StepKind::Index(_));
        self.steps.iter().all(one)
    }

    /// The same path, but that iterating null, or what is missing, gives nothing.
    pub(super) fn over_null(&self) -> Path {
        let mut path = self.clone();
        for step in &mut path.steps {
            if matches!(step.kind, StepKind::Each) {
                step.kind = StepKind::EachOrNull;
            }
        }
        path
    }

    /// Lends every value that the path leads to.
    pub(super) fn run(&self, input: &Val, each: &mut dyn FnMut(&Val) -> ControlFlow<()>) -> Result<(), String> {
        walk(&self.steps, input, each).map(|_| ())
    }
}

fn collect(term: &Term<&str>, steps: &mut Vec<Step>) -> Option<()> {
    match term {
        Term::Id => Some(()),
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            collect(left, steps)?;
            collect(right, steps)
        }
        Term::Path(head, path) if matches!(**head, Term::Id) => {
            for (part, optional) in &path.0 {
                steps.push(Step {
                    kind: step_kind(part)?,
                    optional: matches!(optional, Opt::Optional),
                });
            }
            Some(())
        }
        _ => None,
    }
}

fn step_kind(part: &Part<Term<&str>>) -> Option<StepKind> {
    match part {
        Part::Range(None, None) => Some(StepKind::Each),
        Part::Index(Term::Str(None, parts)) => {
            let name = match &parts[..] {
                [] => "",
                [StrPart::Str(name)] => name,
                _ => return None,
            };
            Some(StepKind::Key {
                name: name.to_owned(),
                value: Val::utf8_str(name.to_owned()),
            })
        }
        Part::Index(Term::Num(digits)) => digits.parse().ok().map(StepKind::Index),
        Part::Index(Term::Neg(inner)) => match &**inner {
            Term::Num(digits) => digits.parse::<isize>().ok().map(|index| StepKind::Index(-index)),
            _ => None,
        },
        _ => None,
    }
}

type Walked = Result<ControlFlow<()>, String>;

fn walk(steps: &[Step], value: &Val, each: &mut dyn FnMut(&Val) -> ControlFlow<()>) -> Walked {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(each(value));
    };
    let refuse = |message: String| {
        // What is broken may be what is looked for.
        if step.optional && as_broken(value).is_none() {
            Ok(ControlFlow::Continue(()))
        } else {
            Err(message)
        }
    };
    match (&step.kind, value) {
        (StepKind::Key { .. } | StepKind::Index(_), Val::Null) => walk(rest, &Val::Null, each),
        (StepKind::Key { value: key, .. }, Val::Obj(object)) => walk(rest, object.get(key).unwrap_or(&Val::Null), each),
        (StepKind::Index(index), Val::Arr(items)) => {
            let at = if *index < 0 {
                items.len().checked_add_signed(*index)
            } else {
                usize::try_from(*index).ok()
            };
            walk(rest, at.and_then(|at| items.get(at)).unwrap_or(&Val::Null), each)
        }
        // jaq's objects may have numbers as keys; those read from JSON never do.
        (StepKind::Index(_), Val::Obj(_)) => walk(rest, &Val::Null, each),
        (StepKind::EachOrNull, Val::Null) => Ok(ControlFlow::Continue(())),
        (StepKind::Each | StepKind::EachOrNull, Val::Arr(items)) => all(items.iter(), rest, each),
        (StepKind::Each | StepKind::EachOrNull, Val::Obj(object)) => all(object.values(), rest, each),
        (StepKind::Key { name, .. }, other) => {
            refuse(format!("expected an object with \"{name}\", found {}", describe(other)))
        }
        (StepKind::Index(_), other) => refuse(format!("expected an array, found {}", describe(other))),
        (StepKind::Each | StepKind::EachOrNull, other) => refuse(format!(
            "expected an array or object to iterate over, found {}",
            describe(other)
        )),
    }
}

fn all<'a>(
    values: impl Iterator<Item = &'a Val>,
    rest: &[Step],
    each: &mut dyn FnMut(&Val) -> ControlFlow<()>,
) -> Walked {
    for value in values {
        if walk(rest, value, each)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
