//! Aggregates over the numbers of a column that SQLite has not, or not exactly. Knows SQLite's
//! function interface (through rusqlite); adds nothing up itself.

use rusqlite::{
    Connection, Error,
    functions::{Aggregate, Context, FunctionFlags},
    types::{Value, ValueRef},
};

use crate::value::{Total, float_text};

/// What is made of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Totals {
    SumDecimal,
    AvgDecimal,
    SumFloat,
    AvgFloat,
    SumDuration,
    AvgDuration,
}

impl Totals {
    const ALL: [Totals; 6] = [
        Totals::SumDecimal,
        Totals::AvgDecimal,
        Totals::SumFloat,
        Totals::AvgFloat,
        Totals::SumDuration,
        Totals::AvgDuration,
    ];

    /// The name of its function of SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Totals::SumDecimal => "hayloft_sum_decimal",
            Totals::AvgDecimal => "hayloft_avg_decimal",
            Totals::SumFloat => "hayloft_sum_float",
            Totals::AvgFloat => "hayloft_avg_float",
            Totals::SumDuration => "hayloft_sum_duration",
            Totals::AvgDuration => "hayloft_avg_duration",
        }
    }

    /// Null of nothing, and of what its type cannot hold.
    fn value(self, total: &Total) -> Value {
        let (text, real, whole) = match self {
            Totals::SumDecimal => (total.sum(), None, None),
            Totals::AvgDecimal => (total.mean(), None, None),
            Totals::SumFloat => (None, total.sum_float(), None),
            Totals::AvgFloat => (None, total.mean_float(), None),
            Totals::SumDuration => (None, None, total.sum_whole()),
            Totals::AvgDuration => (None, None, total.mean_whole()),
        };
        let text = text.map(Value::Text).or(real.map(Value::Real));
        text.or(whole.map(Value::Integer)).unwrap_or(Value::Null)
    }
}

pub(super) fn install(connection: &Connection, flags: FunctionFlags) -> Result<(), Error> {
    for totals in Totals::ALL {
        connection.create_aggregate_function(totals.name(), 1, flags, totals)?;
    }
    Ok(())
}

impl Aggregate<Total, Value> for Totals {
    fn init(&self, _context: &mut Context<'_>) -> Result<Total, Error> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> Result<(), Error> {
        let text;
        let added = match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(number) => {
                total.add_whole(number);
                return Ok(());
            }
            ValueRef::Real(number) => {
                text = float_text(number);
                text.as_deref().is_some_and(|text| total.add(text))
            }
            other => total.add(other.as_str()?),
        };
        match added {
            true => Ok(()),
            false => Err(Error::UserFunctionError("no number".into())),
        }
    }

    fn finalize(&self, _context: &mut Context<'_>, total: Option<Total>) -> Result<Value, Error> {
        Ok(total.map_or(Value::Null, |total| self.value(&total)))
    }
}
