//! What rows are for their parents, asked for by one statement for rollups that are alike. Writes
//! its SQL; runs none.

use crate::{
    catalog::{Function, Rolled},
    layout::ColumnKind,
    store::{db::params::Kind, error::StoreError, read::compiler::Compiler},
};

use super::computed::{Computed, sum_of};

/// What rows are for their parents: before and after the list of the rows' numbers. Gives the
/// parent's row, how many rows it has among them, and what follows.
pub(crate) struct Tallies {
    pub head: String,
    pub tail: String,
    /// What the further columns are, each with the place of its rollup.
    pub of: Vec<(usize, Tallied)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Tallied {
    /// How many rows count.
    Count,
    /// What the values add up to, as text.
    Sum,
    /// The least or greatest of them.
    Extreme(ColumnKind),
}

/// What rows `c` are for their parents `p`, for rollups that are alike; least and greatest values
/// where they are asked for.
pub(crate) fn tallies<'a>(
    alike: &[Computed<'a>],
    compiler: &mut Compiler<'a>,
    extremes: bool,
) -> Result<Tallies, StoreError> {
    let Some(first) = alike.first() else {
        return Err(StoreError::Internal("no rollup is asked for".to_owned()));
    };
    let counted = first.rows_counted(compiler);
    let mut what = vec![format!("CAST({counted} AS BIGINT)")];
    let mut of = Vec::new();
    for (at, computed) in alike.iter().enumerate() {
        let (function, field) = match computed.rollup.what {
            Rolled::Count | Rolled::Exists => continue,
            Rolled::Values(_) | Rolled::Fine(_) => {
                what.push(format!("CAST(count({}) AS BIGINT)", computed.counted(compiler, "c")?));
                of.push((at, Tallied::Count));
                continue;
            }
            Rolled::Exact(field) => {
                let column = compiler.column(computed.child(), field, "c")?;
                let sum = compiler.dialect.exact_sum(&column.sql);
                what.push(format!("CAST({sum} AS TEXT)"));
                of.push((at, Tallied::Sum));
                continue;
            }
            Rolled::Of(function, field) => (function, field),
        };
        let column = compiler.column(computed.child(), field, "c")?;
        if computed.adds_up().is_some() && sum_of(column.kind).is_some() {
            let sum = compiler.function(Function::Sum, &column).sql;
            what.push(format!("CAST({sum} AS TEXT)"));
            of.push((at, Tallied::Sum));
        } else if extremes && computed.is_extreme() {
            let value = compiler.function(function, &column);
            // A number of any length is read as text, as it is bound.
            what.push(match Kind::of(value.kind) {
                Kind::Decimal => format!("CAST({} AS TEXT)", value.sql),
                _ => value.sql,
            });
            of.push((at, Tallied::Extreme(value.kind)));
        }
    }
    let (head, tail) = first.of_parents(compiler, &what.join(","))?;
    Ok(Tallies { head, tail, of })
}
