//! Rollups that are computed anew of all rows that they are of. Knows which parents; not why.

use crate::{
    layout::ROW_COLUMN,
    store::{db::pool::get, error::StoreError, read::operands::operands, tx::Transaction},
};

use super::{
    columns::place,
    computed::{Computed, compiler},
    groups,
    lists::for_rows,
};

/// Of which rows a rollup is computed.
#[derive(Clone, Copy)]
pub(super) enum Which<'r> {
    These(&'r [i64]),
    /// Nobody wants to know which of them changed.
    All,
    AllTold,
}

/// Computes a rollup of some rows; gives those that have another value now.
pub(super) async fn compute(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    rows: Which<'_>,
) -> Result<Vec<i64>, StoreError> {
    let context = tx.context;
    let mut compiler = compiler(context);
    let at_once = match groups::goes_through_all(&compiler, computed, !matches!(rows, Which::These(_))) {
        true => computed.in_all_groups(&mut compiler)?,
        false => None,
    };
    let value = match &at_once {
        Some(_) => String::new(),
        None => computed.value(&mut compiler)?,
    };
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let differs = format!("t.{column} IS DISTINCT FROM n.v");
    let statement = |list: Option<&str>, end: &str| {
        let which = list.map_or(String::new(), |list| format!(" WHERE p.{row} IN ({list})"));
        let new = match &at_once {
            Some(of) => groups::values(context, computed, of, list),
            None => format!("SELECT p.{row},{value} FROM {table} AS p{which}"),
        };
        format!(
            "WITH _new(r,v) AS MATERIALIZED ({new}) \
             UPDATE {table} AS t SET {column}=n.v FROM _new AS n WHERE t.{row}=n.r AND {differs}{end}"
        )
    };
    let told = format!(" RETURNING {row}");
    let all = || operands(&compiler.binds, &[], context.dialect);
    let changed = match rows {
        Which::All => {
            let params = all()?;
            tx.run(params, statement(None, "")).await?;
            return Ok(Vec::new());
        }
        Which::AllTold => {
            let params = all()?;
            tx.all(params, statement(None, &told)).await?
        }
        Which::These(rows) => {
            let of_these = |list: &str| statement(Some(list), &told);
            for_rows(tx, &compiler.binds, rows, of_these).await?
        }
    };
    changed.iter().map(|line| get(line, 0)).collect()
}
