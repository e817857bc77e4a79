//! Which records are kept, and a field's value taken out of one. Knows plain keys and jq; knows no
//! types.

use bytes::Bytes;
use jaq_json::Val;

use crate::{
    catalog::{Selection, jq::Filter},
    value::{broken_name, describe, first_broken},
};

/// A compiled selection. Plain keys, the common case, are looked up without jq and without a copy.
#[derive(Debug)]
pub(super) enum Take {
    Keys(Vec<Val>),
    Jq(Filter),
}

/// What a selection found.
pub(super) enum Found<'r> {
    /// The value under a key; null when the record has none of the keys.
    One(&'r Val),
    /// What a filter gave that gives one output at most.
    Output(Vec<Val>),
    /// The outputs of a filter that can give several, however many these are.
    Outputs(Vec<Val>),
}

pub(super) const NULL: &Val = &Val::Null;

impl Take {
    pub(super) fn new(selection: &Selection) -> Take {
        let key = |name: &str| Val::utf8_str(Bytes::copy_from_slice(name.as_bytes()));
        match selection {
            Selection::Names(names) => Take::Keys(names.iter().map(|name| key(name)).collect()),
            Selection::Jq(filter) => match filter.as_key() {
                Some(name) => Take::Keys(vec![key(name)]),
                None => Take::Jq(filter.clone()),
            },
        }
    }

    /// For a list: iterating an array that the record lacks gives no items.
    pub(super) fn of_items(selection: &Selection) -> Take {
        match Take::new(selection) {
            Take::Jq(filter) => Take::Jq(filter.of_items()),
            keys => keys,
        }
    }

    /// The value or values in a record; the error is the beginning of a reason.
    pub(super) fn find<'r>(&self, record: &'r Val) -> Result<Found<'r>, String> {
        match self {
            Take::Keys(keys) => match record {
                Val::Obj(fields) => match keys.iter().find_map(|key| fields.get(key)) {
                    Some(value) => Ok(Found::One(value)),
                    None => whole(broken_name(fields)).map(|()| Found::One(NULL)),
                },
                other => Err(format!("expected an object to take it from, found {}", describe(other))),
            },
            Take::Jq(filter) => Take::outputs(filter, record),
        }
    }

    /// What its filter gives.
    pub(super) fn outputs(filter: &Filter, record: &Val) -> Result<Found<'static>, String> {
        // What a filter makes of a broken value may look like any other.
        if !filter.is_path() {
            whole(broken_for(filter, record))?;
        }
        let outputs = filter.run(record, &[]).map_err(|error| error.message)?;
        if filter.is_path() && outputs.iter().all(|output| matches!(output, Val::Null)) {
            whole(broken_for(filter, record))?;
        }
        Ok(match filter.gives_several() {
            true => Found::Outputs(outputs),
            false => Found::Output(outputs),
        })
    }

    /// The same in a record that is a part of a row; `None` when it does not say anything of the
    /// field: it has none of the keys at which the selection begins, or one of them is missing and
    /// nothing comes out. `strict`: an error is one all the same.
    pub(super) fn find_in_part<'r>(&self, record: &'r Val, strict: bool) -> Result<Option<Found<'r>>, String> {
        let Val::Obj(fields) = record else {
            return self.find(record).map(Some);
        };
        whole(match self {
            Take::Keys(_) => broken_name(fields),
            Take::Jq(filter) => broken_for(filter, record),
        })?;
        let has = |key: &Val| fields.contains_key(key);
        let (some, all) = match self {
            // Each is another name for the same.
            Take::Keys(keys) => (keys.iter().any(has), true),
            Take::Jq(filter) => match filter.keys() {
                Some(keys) => (keys.is_empty() || keys.iter().any(has), keys.iter().all(has)),
                None => (true, false),
            },
        };
        if !some {
            return Ok(None);
        }
        match self.find(record) {
            found if all => found.map(Some),
            Err(reason) if strict => Err(reason),
            found => Ok(found.ok().filter(|found| !found.is_nothing())),
        }
    }

    /// What an error says was looked at: `looked for fullName`.
    pub(super) fn sought(&self) -> String {
        match self {
            Take::Keys(keys) => {
                let names: Vec<String> = keys.iter().map(|key| key.to_string().replace('"', "`")).collect();
                format!("looked for {}", names.join(", then "))
            }
            Take::Jq(filter) => format!("jq `{}` gave none", filter.text()),
        }
    }
}

impl Found<'_> {
    fn is_nothing(&self) -> bool {
        match self {
            Found::One(value) => matches!(value, Val::Null),
            Found::Output(outputs) | Found::Outputs(outputs) => matches!(&outputs[..], [] | [Val::Null]),
        }
    }

    /// The one value of a field that is no list.
    pub(super) fn one(&self) -> Result<&Val, String> {
        match self {
            Found::One(value) => Ok(value),
            Found::Output(outputs) | Found::Outputs(outputs) => match &outputs[..] {
                [] => Ok(NULL),
                [one] => Ok(one),
                [_, second, ..] => Err(format!(
                    "expected one value, found {}, the second of them {}",
                    outputs.len(),
                    describe(second)
                )),
            },
        }
    }

    /// The items of a list; `None` when there is no list (null). Each output of a filter that can
    /// give several is an item, whatever it is; any other filter gives the list, or one value in
    /// the place of a list of one.
    pub(super) fn items(&self) -> Option<&[Val]> {
        match self {
            Found::One(value) => items_of(value),
            Found::Output(outputs) => match &outputs[..] {
                [one] => items_of(one),
                items => Some(items),
            },
            Found::Outputs(items) => Some(items),
        }
    }
}

/// Whether a record satisfies all conditions of `keep`; the error is a reason to refuse it.
pub(super) fn keeps(keep: &[Filter], record: &Val, variables: &[Val]) -> Result<bool, String> {
    for condition in keep {
        whole(broken_for(condition, record)).map_err(|reason| format!("keep: {reason}"))?;
        let holds = condition.holds(record, variables);
        if !holds.map_err(|error| format!("keep: {}", error.message))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is broken among that which a filter makes something of, so that its outputs may look like
/// data and be none.
pub(super) fn spoiled<'r>(filter: &Filter, input: &'r Val) -> Option<&'r str> {
    match filter.only_moves() {
        true => None,
        false => broken_for(filter, input),
    }
}

/// What is broken among that which a filter reads of a record.
pub(super) fn broken_for<'r>(filter: &Filter, record: &'r Val) -> Option<&'r str> {
    match (filter.keys(), record) {
        (Some(keys), Val::Obj(fields)) => {
            let mut lacks = false;
            let within = |key: &Val| match fields.get(key) {
                Some(value) => first_broken(value),
                None => {
                    lacks = true;
                    None
                }
            };
            let found = keys.iter().find_map(within);
            // One that is broken may be the one that it lacks.
            found.or_else(|| broken_name(fields).filter(|_| lacks))
        }
        _ => first_broken(record),
    }
}

/// The beginning of a reason, where something is broken.
fn whole(broken: Option<&str>) -> Result<(), String> {
    broken.map_or(Ok(()), |words| Err(format!("found {words}")))
}

/// The items of what stands in the place of a list: of a single value, that one. Upstreams that
/// make JSON of XML write lists of one so.
fn items_of(value: &Val) -> Option<&[Val]> {
    match value {
        Val::Null => None,
        Val::Arr(items) => Some(items),
        other => Some(std::slice::from_ref(other)),
    }
}
