//! Typed scalars and what a row is made of. Knows JSON values and text forms; knows no database,
//! schema or protocol.

mod broken;
mod bucket;
mod decimal;
mod float;
mod fold;
mod input;
mod json;
mod language;
mod row;
mod scalar;
mod time;
mod total;
mod upstream;
mod wire;
pub(crate) mod words;
mod zone;

pub(crate) use broken::{as_broken, as_written, broken, broken_name, first_broken};
pub(crate) use bucket::{Spans, Unit};
pub(crate) use decimal::{Decimal, compare_decimal_text};
pub(crate) use float::float_text;
pub(crate) use fold::{all_replaced, folded, replaced, version_for};
pub(crate) use json::{JsonPath, JsonStep, json_has, json_items, json_key, json_text};
pub use language::Language;
pub(crate) use language::Languages;
pub(crate) use row::{Absent, Apart, Children, Kept, Key, Part, Row, SHARED_BIT, Value};
pub(crate) use scalar::MICROS_PER_SECOND;
pub use scalar::Scalar;
pub(crate) use time::{duration_micros, interval_micros};
pub(crate) use total::{BEYOND, FLOAT_PLACES, MEAN_PLACES, SMALLEST, Total};
pub(crate) use upstream::{Misfit, describe, whole_number};
pub(crate) use wire::duration_text;
pub(crate) use zone::Zone;
