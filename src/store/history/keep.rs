//! Brings the versions of rows to what the rows are: of those that a transaction has written, or of
//! all. Knows the order of the steps; the SQL is beside it.

use crate::{
    catalog::EntityId,
    store::{
        db::{failpoint, params::Kind, rows::Rows},
        error::StoreError,
        system::histories::{self, Begin},
        tx::Transaction,
    },
};

use super::{
    sql::{Sql, Which},
    written::{Written, innermost_first},
};

/// Room for what stands beside the numbers of rows in a statement, by which it is cut.
const WIDTH: usize = 8;

/// Keeps the past of rows that a transaction has written: the last of what it does to them. From
/// here on all other writers that change rows wait for its end.
pub(crate) async fn keep(tx: &mut Transaction<'_>, written: Written) -> Result<(), StoreError> {
    let context = tx.context;
    let types = written.types(&context.catalog);
    if types.is_empty() {
        return Ok(());
    }
    let moment = histories::moment(tx).await?;
    for entity in types {
        let sql = Sql::of(context.dialect, &context.layout, entity);
        let stored: Vec<i64> = written.stored.get(&entity).into_iter().flatten().copied().collect();
        let spans = written.spans(entity);
        for join in &sql.tables.joins {
            listed(tx, &moment, &stored, |which| sql.end_links(join, which)).await?;
            listed(tx, &moment, &stored, |which| sql.begin_links(join, which)).await?;
            for span in &spans {
                spanned(tx, &moment, *span, sql.begin_links(join, Which::Span)).await?;
            }
        }
        listed(tx, &moment, &stored, |which| sql.end(which)).await?;
        failpoint::point("history::ended");
        for span in &spans {
            let begin = sql.begin(Which::Span, Begin::New.number());
            spanned(tx, &moment, *span, begin).await?;
        }
        let changed = Begin::Changed.number();
        listed(tx, &moment, &stored, |which| sql.begin(which, changed)).await?;
    }
    failpoint::point("history::kept");
    Ok(())
}

/// The same of all rows of these types, where somebody else than a load may have changed them. The
/// versions of a type that has none yet begin as those of known rows.
pub(crate) async fn keep_all(
    tx: &mut Transaction<'_>,
    types: Vec<EntityId>,
    moment: &str,
    is_new: impl Fn(EntityId) -> bool + Send,
) -> Result<(), StoreError> {
    let context = tx.context;
    for entity in innermost_first(&context.catalog, types) {
        let sql = Sql::of(context.dialect, &context.layout, entity);
        for join in &sql.tables.joins {
            run(tx, moment, sql.end_links(join, Which::All)).await?;
            run(tx, moment, sql.begin_links(join, Which::All)).await?;
        }
        run(tx, moment, sql.end(Which::All)).await?;
        let begin = if is_new(entity) {
            Begin::Known
        } else {
            Begin::Definition
        };
        run(tx, moment, sql.begin(Which::All, begin.number())).await?;
    }
    Ok(())
}

async fn run(tx: &mut Transaction<'_>, moment: &str, sql: String) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.text(moment)?;
    tx.run(params, sql).await.map(|_| ())
}

async fn spanned(
    tx: &mut Transaction<'_>,
    moment: &str,
    (first, last): (i64, i64),
    sql: String,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.text(moment)?;
    params.add(first)?;
    params.add(last)?;
    tx.run(params, sql).await.map(|_| ())
}

/// Runs a statement for rows, some hundred at a time.
async fn listed(
    tx: &mut Transaction<'_>,
    moment: &str,
    rows: &[i64],
    statement: impl Fn(Which<'_>) -> String + Send,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    let mut rest = rows;
    for size in dialect.row_sizes(rows.len(), WIDTH) {
        let (chunk, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let mut params = tx.params();
        params.text(moment)?;
        let mut wanted = Rows::new(params, &[Kind::Int], chunk.len());
        chunk.iter().try_for_each(|row| wanted.int(*row))?;
        let sql = statement(Which::Listed(&dialect.numbers(2, chunk.len())));
        tx.run(wanted.bind()?, sql).await?;
    }
    Ok(())
}
