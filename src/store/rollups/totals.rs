//! Sums and means of groups, made of what is kept beside them: how many values there are, and their
//! exact sum. Reads no row of those that they are computed of.

use crate::{
    catalog::{FieldId, Function, Leaf, Rolled},
    layout::{ColumnKind, ROW_COLUMN},
    store::{db::pool::get, error::StoreError, tx::Transaction},
    value::{Scalar, Total, Value},
};

use super::{
    columns::{change, place_of},
    computed::Computed,
    lists::for_rows,
};

/// Brings a sum or mean of some groups to what is kept beside it. Gives the rows that have another
/// value now, and those of which what is kept does not tell it.
pub(super) async fn of_kept(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    rows: &[i64],
) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let (Some(kept), Rolled::Of(function, of)) = (computed.kept(), computed.rollup.what) else {
        return Err(StoreError::Internal("nothing is kept beside a rollup".to_owned()));
    };
    let scalar = scalar_of(tx, computed, of)?;
    let column = |field: FieldId| place_of(tx, computed.parent, field);
    let (table, values) = column(kept.values)?;
    let (_, sum) = column(kept.sum)?;
    let fine = match kept.fine {
        Some(fine) => column(fine)?.1,
        None => "0".to_owned(),
    };
    let row = tx.quote(ROW_COLUMN);
    let statement = |list: &str| {
        format!(
            "SELECT {row},CAST({values} AS BIGINT),CAST({fine} AS BIGINT),CAST({sum} AS TEXT) FROM {table} WHERE {row} IN ({list})"
        )
    };
    let (mut known, mut unknown) = (Vec::with_capacity(rows.len()), Vec::new());
    for line in for_rows(tx, &[], rows, statement).await? {
        let (row, count, fine): (i64, i64, i64) = (get(&line, 0)?, get(&line, 1)?, get(&line, 2)?);
        let sum: Option<String> = get(&line, 3)?;
        match fine {
            0 => known.push((row, made(function, scalar, sum.as_deref(), count)?)),
            _ => unknown.push(row),
        }
    }
    let gives = function.of(Leaf::Scalar(scalar)).unwrap_or(scalar);
    let changed = change(tx, computed, (&known, gives), |_, new| new.to_owned()).await?;
    Ok((changed, unknown))
}

/// The type of what a sum or mean is of.
fn scalar_of(tx: &Transaction<'_>, computed: &Computed<'_>, of: FieldId) -> Result<Scalar, StoreError> {
    let columns = &tx.tables(computed.child()).table.columns;
    match columns
        .iter()
        .find(|column| column.field == of)
        .map(|column| column.kind)
    {
        Some(ColumnKind::Scalar(scalar)) => Ok(scalar),
        _ => Err(StoreError::Internal("a sum of no column".to_owned())),
    }
}

/// What many values that add up to a sum give: null of none, and where its type cannot hold it.
fn made(function: Function, scalar: Scalar, sum: Option<&str>, count: i64) -> Result<Value, StoreError> {
    let count = u64::try_from(count).unwrap_or(0);
    if count == 0 {
        return Ok(Value::Null);
    }
    // Nothing was added to the sum of those that are zero.
    let total = Total::of(sum.unwrap_or("0"), count);
    let total = total.ok_or_else(|| StoreError::Internal("a sum is no number".to_owned()))?;
    let value = match (function, scalar) {
        (Function::Avg, Scalar::Int | Scalar::Float) => total.mean_float().map(Value::Float),
        (Function::Avg, Scalar::Duration) => total.mean_whole().map(Value::Int),
        (Function::Avg, _) => total.mean().map(Value::Text),
        (_, Scalar::Float) => total.sum_float().map(Value::Float),
        _ => total.sum_whole().map(Value::Int),
    };
    Ok(value.unwrap_or(Value::Null))
}
