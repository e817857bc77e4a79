//! Aggregates over the numbers of a column that SQLite has not, or not exactly. Knows SQLite's
//! function interface (through rusqlite); adds nothing up itself.

use rusqlite::{
    Connection, Error,
    functions::{Aggregate, Context, FunctionFlags},
    types::ValueRef,
};

use crate::value::{Total, duration_text, float_text};

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

    /// As JSON; `null` of nothing, and of what its type cannot hold.
    fn json(self, total: &Total) -> Option<String> {
        let quoted = |text: String| ["\"", &text, "\""].concat();
        match self {
            Totals::SumDecimal => total.sum().map(quoted),
            Totals::AvgDecimal => total.mean().map(quoted),
            Totals::SumFloat => float_text(total.sum_float()?),
            Totals::AvgFloat => float_text(total.mean_float()?),
            Totals::SumDuration => Some(quoted(duration_text(total.sum_whole()?))),
            Totals::AvgDuration => Some(quoted(duration_text(total.mean_whole()?))),
        }
    }
}

pub(super) fn install(connection: &Connection, flags: FunctionFlags) -> Result<(), Error> {
    for totals in Totals::ALL {
        connection.create_aggregate_function(totals.name(), 1, flags, totals)?;
    }
    Ok(())
}

impl Aggregate<Total, String> for Totals {
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

    fn finalize(&self, _context: &mut Context<'_>, total: Option<Total>) -> Result<String, Error> {
        let json = total.and_then(|total| self.json(&total));
        Ok(json.unwrap_or_else(|| "null".to_owned()))
    }
}
