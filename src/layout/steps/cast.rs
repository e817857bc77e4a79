//! Which stored values can become values of another type without loss, and why. Knows kinds; no
//! columns.

use crate::{
    layout::{ColumnKind, Meaning},
    value::Scalar,
};

/// The casts that cannot fail and lose nothing: different values stay different, so that keys and
/// links stay what they are.
///
/// What is not here is harvested again: texts may not parse (`String` to anything), numbers may not
/// fit (`Float` to `Decimal` would make 0.1 what a float makes of it), and the text of an instant,
/// a duration or a float as an upstream writes it is not the one that we would make.
const CASTS: &[(ColumnKind, ColumnKind)] = {
    use ColumnKind::{Enum, Scalar as Of};
    use Scalar::{BigInt, Date, Decimal, Float, Id, Int, String, Url, Uuid};
    &[
        // The same text, with fewer promises about it.
        (Of(Id), Of(String)),
        (Of(String), Of(Id)),
        (Of(Url), Of(String)),
        (Of(Url), Of(Id)),
        (Of(Uuid), Of(String)),
        (Of(Uuid), Of(Id)),
        (Of(Date), Of(String)),
        (Enum, Of(String)),
        (Enum, Of(Id)),
        // 32 bits fit into 64, and into the 53 of a float.
        (Of(Int), Of(BigInt)),
        (Of(Int), Of(Float)),
        // Decimal digits are a canonical text of a whole number, and that of a Decimal, too.
        (Of(Int), Of(Decimal)),
        (Of(BigInt), Of(Decimal)),
        (Of(Int), Of(String)),
        (Of(Int), Of(Id)),
        (Of(BigInt), Of(String)),
        (Of(BigInt), Of(Id)),
        (Of(Decimal), Of(String)),
    ]
};

/// Whether stored values of one kind can be kept as another.
pub(super) fn casts(from: ColumnKind, to: ColumnKind) -> bool {
    from == to || CASTS.contains(&(from, to))
}

/// How the meanings of two columns of castable kinds lie to each other.
#[derive(Debug, PartialEq)]
pub(super) enum Fit {
    Same,
    /// Enum values that are no more.
    Narrowed(Vec<String>),
    /// Members of a document that are new and may be null.
    Widened(Vec<String>),
    Other,
}

/// `former`: the name that a linked type had before, if it has one.
pub(super) fn fit(old: &Meaning, new: &Meaning, former: impl Fn(&str) -> Option<String>) -> Fit {
    match (old, new) {
        (Meaning::Choice(old), Meaning::Choice(new)) => {
            let gone: Vec<String> = old.difference(new).cloned().collect();
            if gone.is_empty() {
                Fit::Same
            } else {
                Fit::Narrowed(gone)
            }
        }
        (Meaning::Link(old), Meaning::Link(new)) => match old == new || former(new).as_ref() == Some(old) {
            true => Fit::Same,
            false => Fit::Other,
        },
        (Meaning::Document { of: was, members: old }, Meaning::Document { of: is, members: new }) => {
            let is_choice = |member: &&String| !member.contains(": ");
            if was != is || old.difference(new).any(|gone| is_choice(&gone)) {
                return Fit::Other;
            }
            let added: Vec<&String> = new.difference(old).filter(|member| !is_choice(member)).collect();
            let name = |member: &str| member.split(": ").next().unwrap_or_default().to_owned();
            let known: Vec<String> = old.iter().map(|member| name(member)).collect();
            if added
                .iter()
                .any(|member| member.ends_with('!') || known.contains(&name(member)))
            {
                return Fit::Other;
            }
            match added.is_empty() {
                true => Fit::Same,
                false => Fit::Widened(added.iter().map(|member| name(member)).collect()),
            }
        }
        // One of them says nothing: a link may hold what was a plain value before.
        _ => Fit::Same,
    }
}

/// A column's type as a person reads it.
pub(super) fn name(kind: ColumnKind, meaning: &Meaning) -> String {
    match meaning {
        Meaning::Document { of, .. } | Meaning::Link(of) => of.clone(),
        Meaning::Plain | Meaning::Choice(_) => self::kind(kind).to_owned(),
    }
}

pub(super) fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Scalar(scalar) => scalar.name(),
        ColumnKind::Enum => "an enum",
        ColumnKind::Document => "a list or value",
    }
}
