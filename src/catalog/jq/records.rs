//! Filters from a page to its records: what they select at their end, and whether they hide how
//! many there were. Knows jq's syntax tree; runs nothing.

use jaq_core::{
    load::parse::{BinaryOp, Def, Term},
    path::Part,
};

/// The types that a filter without arguments lets through, as the condition that it stands for.
const TYPES: &[(&str, &str)] = &[
    ("values", ". != null"),
    ("nulls", ". == null"),
    ("booleans", "type == \"boolean\""),
    ("numbers", "type == \"number\""),
    ("strings", "type == \"string\""),
    ("arrays", "type == \"array\""),
    ("objects", "type == \"object\""),
    ("iterables", "type == \"array\" or type == \"object\""),
    ("scalars", "type != \"array\" and type != \"object\""),
];

/// Calls that may yield fewer values than they are given.
const DROPPING: &[(&str, usize)] = &[
    ("select", 1),
    ("empty", 0),
    ("limit", 2),
    ("skip", 2),
    ("first", 1),
    ("last", 1),
    ("nth", 2),
    ("min", 0),
    ("max", 0),
    ("min_by", 1),
    ("max_by", 1),
];

/// Calls that make one array of another, with fewer items.
const THINNING: &[&str] = &["unique", "unique_by", "group_by"];

/// Calls that ask something of their argument's outputs, and yield one value however many these
/// are.
const ASKING: &[&str] = &[
    "any", "all", "isempty", "has", "in", "inside", "contains", "index", "sort_by",
];

/// A condition that a record must satisfy.
pub(super) enum Condition<'t, 's> {
    /// The argument of a `select`.
    Term(&'t Term<&'s str>),
    Text(&'static str),
}

/// The filter in stages, without the selections at its end; these are given apart, in their order.
pub(super) fn split<'t, 's>(term: &'t Term<&'s str>) -> (Vec<&'t Term<&'s str>>, Vec<Condition<'t, 's>>) {
    let mut stages = stages(term);
    let mut conditions = Vec::new();
    while let Some(condition) = stages.last().and_then(|last| condition(last)) {
        conditions.insert(0, condition);
        stages.pop();
    }
    (stages, conditions)
}

fn condition<'t, 's>(term: &'t Term<&'s str>) -> Option<Condition<'t, 's>> {
    let Term::Call(name, arguments) = term else { return None };
    match &arguments[..] {
        [test] if *name == "select" => Some(Condition::Term(test)),
        [] => TYPES
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| Condition::Text(text)),
        _ => None,
    }
}

/// The stages of `a | b | c`, one after the other.
fn stages<'t, 's>(term: &'t Term<&'s str>) -> Vec<&'t Term<&'s str>> {
    match term {
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            let mut all = stages(left);
            all.extend(stages(right));
            all
        }
        other => vec![other],
    }
}

/// The stages as one filter again.
pub(super) fn join<'s>(stages: &[&Term<&'s str>]) -> Term<&'s str> {
    let terms = stages.iter().map(|stage| (*stage).clone());
    terms
        .reduce(|left, right| Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right)))
        .unwrap_or_default()
}

/// Whether stages may yield fewer records than their input has: how many there were is then not
/// known.
pub(super) fn hide(stages: &[&Term<&str>]) -> bool {
    along(stages, false)
}

/// `later` says that a following stage takes the parts of what is yielded: what an array lacks is
/// then a record less.
fn along(stages: &[&Term<&str>], mut later: bool) -> bool {
    stages.iter().rev().any(|stage| {
        let found = hides(stage, later);
        later |= iterates(stage);
        found
    })
}

fn hides(term: &Term<&str>, later: bool) -> bool {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Str(..) | Term::Var(_) => false,
        // A way out of a loop leaves the rest of it out.
        Term::Break(_) | Term::Fold(..) => true,
        Term::Arr(inner) => later && inner.as_deref().is_some_and(|inner| hides(inner, later)),
        // A member without a value is an object less.
        Term::Obj(entries) => entries
            .iter()
            .any(|(_, value)| value.as_ref().is_some_and(|value| hides(value, later))),
        Term::Neg(inner) | Term::Label(_, inner) | Term::TryCatch(inner, _) => hides(inner, later),
        // What stands in for nothing is often nothing.
        Term::BinOp(left, BinaryOp::Alt, _) => hides(left, later),
        Term::BinOp(left, BinaryOp::Pipe(Some(_)), right) => hides(left, true) || hides(right, later),
        Term::BinOp(_, BinaryOp::Pipe(None), _) => along(&stages(term), later),
        Term::BinOp(left, _, right) => hides(left, later) || hides(right, later),
        Term::IfThenElse(branches, otherwise) => {
            let then = branches.iter().any(|(_, then)| hides(then, later));
            then || otherwise.as_deref().is_some_and(|otherwise| hides(otherwise, later))
        }
        Term::Def(definitions, inner) => {
            definitions.iter().any(|Def { body, .. }| hides(body, true)) || hides(inner, later)
        }
        Term::Call(name, arguments) => called(name, arguments, later),
        Term::Path(head, path) => {
            let each = path.0.iter().any(|(part, _)| matches!(part, Part::Range(None, None)));
            hides(head, later || each)
        }
    }
}

fn called(name: &str, arguments: &[Term<&str>], later: bool) -> bool {
    let drops = DROPPING.contains(&(name, arguments.len()));
    let of_type = arguments.is_empty() && TYPES.iter().any(|(known, _)| *known == name);
    let thins = later && THINNING.contains(&name);
    let within = later && !ASKING.contains(&name) && arguments.iter().any(|argument| hides(argument, true));
    drops || of_type || thins || within
}

/// Whether a term yields the parts of its input, one by one.
fn iterates(term: &Term<&str>) -> bool {
    match term {
        Term::Recurse => true,
        Term::Path(head, path) => {
            iterates(head) || path.0.iter().any(|(part, _)| matches!(part, Part::Range(None, None)))
        }
        Term::BinOp(left, _, right) => iterates(left) || iterates(right),
        Term::TryCatch(inner, _) | Term::Label(_, inner) => iterates(inner),
        // What own definitions do is not looked at: they may iterate.
        Term::Def(..) => true,
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().any(|(_, then)| iterates(then))
                || otherwise.as_deref().is_some_and(|otherwise| iterates(otherwise))
        }
        _ => false,
    }
}
