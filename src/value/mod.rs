//! Typed scalars and what a row is made of. Knows JSON values and text forms; knows no database, schema or protocol.

mod broken;
mod decimal;
mod float;
mod input;
mod row;
mod scalar;
mod time;
mod upstream;
mod wire;

pub use broken::{as_broken, as_written, broken, broken_name, first_broken};
pub use decimal::{Decimal, compare_decimal_text};
pub use float::float_text;
pub use input::InputError;
pub use row::{Absent, Apart, Children, Kept, Key, Part, Row, SHARED_BIT, Value};
pub use scalar::{MICROS_PER_SECOND, Scalar};
pub use time::duration_micros;
pub use upstream::{Misfit, describe, whole_number};
pub use wire::duration_text;
