//! Natives that stand before or in the place of jaq's where one step makes much of little: they ask
//! for the memory first. Knows values and their sizes.

use jaq_core::{
    RunPtr,
    native::{Filter, bome, v},
};
use jaq_json::{Num, Val};

use super::{
    budget, compare, memory,
    native::{Answer, Data, failure},
};

/// Passes a text, an array or an object on, if there are so many bytes for each of its bytes, items
/// or members.
pub(super) const ROOM: &str = "hayloft_room";
/// Passes a value on, if it may be written as JSON so many times.
pub(super) const ROOM_JSON: &str = "hayloft_room_json";
/// Passes a value on, if it may be put into a text so many times: what is one goes in as it is.
pub(super) const ROOM_TEXT: &str = "hayloft_room_text";
/// Stands for `/`: of a text it makes a value for each part.
pub(super) const DIVIDED: &str = "hayloft_divided";

/// A part of a text, and its place in an array that grows.
const PART: usize = 96;

pub(super) fn natives() -> [Filter<RunPtr<Data>>; 5] {
    [
        (ROOM, v(1), |mut cv| {
            let each = count(&cv.0.pop_var());
            let bytes = parts(&cv.1).saturating_mul(each);
            bome(passed(cv.1, bytes))
        }),
        (ROOM_JSON, v(1), |mut cv| {
            let times = count(&cv.0.pop_var()).max(1);
            let bytes = memory::json_bytes(&cv.1, memory::room() / times);
            bome(passed(cv.1, bytes.saturating_mul(times)))
        }),
        (ROOM_TEXT, v(1), |mut cv| {
            let times = count(&cv.0.pop_var()).max(1);
            let bytes = match &cv.1 {
                Val::TStr(text) => text.len(),
                value => memory::json_bytes(value, memory::room() / times),
            };
            bome(passed(cv.1, bytes.saturating_mul(times)))
        }),
        (DIVIDED, v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            bome(divided(left, right))
        }),
        ("indices", v(1), |mut cv| {
            let part = cv.0.pop_var();
            bome(indices(&cv.1, &part))
        }),
    ]
}

fn passed(value: Val, bytes: usize) -> Answer {
    memory::wants(bytes).map_err(failure)?;
    Ok(value)
}

fn count(number: &Val) -> usize {
    match number {
        Val::Num(Num::Int(count)) => usize::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}

fn parts(value: &Val) -> usize {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => bytes.len(),
        Val::Arr(items) => items.len(),
        Val::Obj(members) => members.len(),
        _ => 0,
    }
}

fn divided(left: Val, right: Val) -> Answer {
    if let (Val::TStr(text), Val::TStr(separator)) = (&left, &right) {
        let found = match (std::str::from_utf8(text), std::str::from_utf8(separator)) {
            (Ok(text), Ok(separator)) => text.matches(separator).count(),
            _ => text.len(),
        };
        memory::wants((found + 1).saturating_mul(PART)).map_err(failure)?;
    }
    left / right
}

/// The places of a part: letters of a text, items of an array.
fn indices(whole: &Val, part: &Val) -> Answer {
    let mut places = Vec::new();
    let mut look = |place: usize, is_there: bool| {
        budget::tick().map_err(failure)?;
        places.extend(is_there.then(|| Val::from(place)));
        Ok::<_, jaq_core::Error<Val>>(())
    };
    match (whole, part) {
        (Val::TStr(_), Val::TStr(part)) if part.is_empty() => {}
        (Val::TStr(text), Val::TStr(part)) => {
            let text = std::str::from_utf8(text).map_err(|_| failure("the text is no UTF-8"))?;
            for (place, (byte, _)) in text.char_indices().enumerate() {
                look(
                    place,
                    text.as_bytes().get(byte..).is_some_and(|rest| rest.starts_with(part)),
                )?;
            }
        }
        (Val::Arr(_), Val::Arr(part)) if part.is_empty() => {}
        (Val::Arr(items), Val::Arr(part)) => {
            for (place, window) in items.windows(part.len()).enumerate() {
                let mut pairs = window.iter().zip(part.iter());
                let is_there = pairs.try_fold(true, |is, (item, part)| Ok(is && compare::same(item, part)?));
                look(place, is_there.map_err(failure)?)?;
            }
        }
        (Val::Arr(items), part) => {
            for (place, item) in items.iter().enumerate() {
                look(place, compare::same(item, part).map_err(failure)?)?;
            }
        }
        (whole, part) => return Err(jaq_core::Error::index(whole.clone(), part.clone())),
    }
    Ok(places.into_iter().collect())
}
