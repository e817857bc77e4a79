//! Filters that jaq runs, with own natives in place of those that reach outside or need not end.
//! Knows jaq's compiler.

use std::{fmt, ops::ControlFlow};

use jaq_core::{
    Compiler, Ctx, Native, RunPtr, Vars,
    load::{
        Arena, File, Loader,
        parse::{Def, Term},
    },
    native::{self, bome, v},
    unwrap_valr,
};
use jaq_json::{Num, Val};

use super::{
    bounds,
    budget::{self, TICK},
    check::TIMES,
    compare,
    error::JqFault,
    matching, memory,
    native::{Answer, Data, beginning, failure},
    ticks,
};

/// Outputs of `range`: more than any run may yield, so that only a mistake meets it.
const RANGE_MAX: usize = 1_000_000;
/// Bytes of a text made by `text * number`: what a repeated separator or padding needs, not what a
/// broken record asks for.
const REPEAT_MAX: usize = 65_536;
/// Bits of a product: squared again and again, a number would outgrow every memory.
const PRODUCT_BITS_MAX: u64 = 32_768;
/// Bytes of JSON inside a text: its values take many times as many.
const JSON_BYTES_MAX: usize = 1 << 20;
/// Bytes of a number in it: reading one takes a time that grows with the square.
const NUMBER_BYTES_MAX: usize = 10_000;
/// Nesting of JSON inside a text: parsing it is recursive.
const JSON_DEPTH_MAX: usize = 128;

/// The name under which the checked filter is compiled.
const MAIN: &str = "hayloft_main";

/// Natives that no filter may meet, or for which an own one stands.
const LEFT_OUT: &[&str] = &[
    "env",
    "now",
    "halt",
    "debug_empty",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "range",
    "fromjson",
    "contains",
    "indices",
    "matches",
    "split_matches",
    "split_",
];
/// Definitions that call a native that is left out.
const LEFT_OUT_DEFINITIONS: &[&str] = &["debug", "stderr", "halt", "halt_error"];

/// What becomes of the outputs of a filter while it is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outputs {
    /// They are collected for it.
    Kept,
    HandedOn,
}

pub(super) struct Engine {
    filter: jaq_core::Filter<Data>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Engine")
    }
}

impl Engine {
    /// Compiles a checked term; what jaq still refuses is a label or pattern used wrongly.
    pub(super) fn compile(term: &Term<&str>, variables: &[&str]) -> Result<Engine, JqFault> {
        let dollars: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
        let main = Def {
            name: MAIN,
            args: dollars.iter().map(String::as_str).collect(),
            body: term.clone(),
        };
        let call = if dollars.is_empty() {
            MAIN.to_owned()
        } else {
            format!("{MAIN}({})", dollars.join("; "))
        };
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let definitions = definitions
            .filter(|definition| !LEFT_OUT_DEFINITIONS.contains(&definition.name))
            .map(ticks::library)
            .map(shortened);
        let refused = |what: &str| JqFault {
            message: format!("this filter cannot be compiled: {what}"),
            at: None,
        };
        let arena = Arena::default();
        let modules = Loader::new(definitions.chain([main]))
            .load(
                &arena,
                File {
                    code: call.as_str(),
                    path: (),
                },
            )
            .map_err(|_| refused("it cannot be read"))?;
        let filter = Compiler::default()
            .with_funs(natives())
            .with_global_vars(dollars.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| {
                let first = errors.iter().flat_map(|(_, errors)| errors).next();
                let what = first.map(|(name, kind)| format!("no {} `{name}`", kind.as_str()));
                refused(what.as_deref().unwrap_or("a name is unknown"))
            })?;
        Ok(Engine { filter })
    }

    pub(super) fn run(
        &self,
        input: &Val,
        variables: &[Val],
        outputs: Outputs,
        each: &mut dyn FnMut(&Val) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let ctx = Ctx::<Data>::new(&self.filter.lut, Vars::new(variables.iter().cloned()));
        let mut bytes = 0;
        for output in self.filter.id.run((ctx, input.clone())).map(unwrap_valr) {
            let output = output.map_err(|error| beginning(&error))?;
            // What is little here may be much once it is written out.
            bytes += memory::json_bytes(&output, memory::most());
            memory::look().and_then(|()| memory::all(bytes))?;
            if each(&output).is_break() {
                break;
            }
            if outputs == Outputs::HandedOn {
                drop(output);
                bytes = 0;
                memory::hand_on();
            }
        }
        Ok(())
    }
}

/// The library's definitions live for ever, a filter's text does not.
fn shortened<'s>(definition: Def<&'static str>) -> Def<&'s str> {
    definition
}

fn natives() -> impl Iterator<Item = native::Fun<Data>> {
    let theirs = jaq_core::funs::<Data>()
        .chain(jaq_std::funs::<Data>())
        .chain(jaq_json::funs::<Data>());
    let theirs = theirs.filter(|(name, ..)| !LEFT_OUT.contains(name));
    theirs
        .chain(own().into_iter().map(|fun| native::run::<Data>(fun)))
        .chain(matching::natives().into_iter().map(|fun| native::run::<Data>(fun)))
        .chain(bounds::natives().into_iter().map(|fun| native::run::<Data>(fun)))
        .chain(compare::natives().into_iter().map(|fun| native::run::<Data>(fun)))
        .chain([(TICK, v(0), tick())])
}

/// The identity, as a value, a path and an update, until the time is over.
fn tick() -> Native<Data> {
    Native::new(|cv| Box::new(std::iter::once(ticked().map(|()| cv.1))))
        .with_paths(|cv| Box::new(std::iter::once(ticked().map(|()| cv.1))))
        .with_update(|cv, update| match ticked() {
            Ok(()) => update(cv.1),
            Err(error) => Box::new(std::iter::once(Err(error))),
        })
}

fn ticked<'a>() -> Result<(), jaq_core::Exn<'a, Val>> {
    budget::tick().map_err(|message| jaq_core::Exn::from(failure(message)))
}

fn own() -> [native::Filter<RunPtr<Data>>; 3] {
    [
        (TIMES, v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            bome(times(left, right))
        }),
        ("range", v(3), |mut cv| {
            let by = cv.0.pop_var();
            let to = cv.0.pop_var();
            let from = cv.0.pop_var();
            Box::new(range(from, to, by).map(|step| step.map_err(jaq_core::Exn::from)))
        }),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
    ]
}

/// `*`, without jaq's repetition of texts beyond a bound.
fn times(left: Val, right: Val) -> Answer {
    let repeated = match (&left, &right) {
        (Val::TStr(text) | Val::BStr(text), Val::Num(number))
        | (Val::Num(number), Val::TStr(text) | Val::BStr(text)) => Some(text.len() as f64 * number_of(number)),
        _ => None,
    };
    if repeated.is_some_and(|bytes| bytes > REPEAT_MAX as f64) {
        return Err(failure(&format!("a text is repeated to at most {REPEAT_MAX} bytes")));
    }
    if let (Val::Num(left), Val::Num(right)) = (&left, &right)
        && bits_of(left) + bits_of(right) > PRODUCT_BITS_MAX
    {
        return Err(failure(&format!("a product has at most {PRODUCT_BITS_MAX} bits")));
    }
    if let (Val::Obj(_), Val::Obj(_)) = (&left, &right) {
        memory::wants(memory::json_bytes(&right, memory::room())).map_err(failure)?;
    }
    left * right
}

/// How large a whole number is; the others have a fixed size.
fn bits_of(number: &Num) -> u64 {
    match number {
        Num::BigInt(int) => int.bits(),
        _ => 64,
    }
}

fn number_of(number: &Num) -> f64 {
    match number {
        Num::Int(int) => *int as f64,
        Num::Float(float) => *float,
        // Rare and long: their text says enough about their size.
        other => other.to_string().parse().unwrap_or(f64::INFINITY),
    }
}

/// `range(from; to; by)`, which ends: a step of zero is refused, and so are too many outputs.
fn range(from: Val, to: Val, by: Val) -> impl Iterator<Item = Answer> {
    let zero = Val::from(0usize);
    let mut next = Some(Ok(from));
    let mut count = 0;
    std::iter::from_fn(move || {
        let current = match next.take()? {
            Ok(current) => current,
            Err(error) => return Some(Err(error)),
        };
        let inside = if by > zero { current < to } else { current > to };
        if !inside && by != zero {
            return None;
        }
        count += 1;
        if let Err(message) = budget::tick() {
            return Some(Err(failure(message)));
        }
        if by == zero || count > RANGE_MAX {
            return Some(Err(failure(&format!(
                "range needs a step and yields at most {RANGE_MAX} numbers"
            ))));
        }
        next = Some(current.clone() + by.clone());
        Some(Ok(current))
    })
}

/// Reads JSON inside a text; deep nesting is refused before the recursive parser sees it.
fn from_json(value: &Val) -> Answer {
    let Val::TStr(bytes) = value else {
        return Err(failure("fromjson needs a text"));
    };
    if bytes.len() > JSON_BYTES_MAX {
        return Err(failure(&format!("JSON in a text has at most {JSON_BYTES_MAX} bytes")));
    }
    if longest_number(bytes) > NUMBER_BYTES_MAX {
        return Err(failure(&format!("a number has at most {NUMBER_BYTES_MAX} digits")));
    }
    if json_depth(bytes) > JSON_DEPTH_MAX {
        return Err(failure(&format!("JSON in a text may be nested {JSON_DEPTH_MAX} deep")));
    }
    jaq_json::read::parse_single(bytes).map_err(|error| failure(&format!("the text is not JSON: {error}")))
}

/// The longest run of what numbers are written with, texts included: no text of sense has so many
/// digits either.
fn longest_number(json: &[u8]) -> usize {
    let runs = json.split(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    runs.map(<[u8]>::len).max().unwrap_or(0)
}

/// The deepest nesting of brackets outside of texts, without parsing.
fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The compiled filters are shared by threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Engine>();
    shared::<Native<Data>>();
};
