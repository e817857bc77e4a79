//! How many rows each type has. Only counts.

use crate::{
    catalog::EntityId,
    store::{context::Context, db::pool::get, error::StoreError, in_force},
};

pub(crate) async fn row_counts(context: &Context) -> Result<Vec<(EntityId, u64)>, StoreError> {
    let mut out = Vec::new();
    for entity in context.catalog.entity_ids() {
        let table = context.dialect.quote(&context.layout.entity(entity).table.name);
        let count = format!("SELECT CAST(count(*) AS BIGINT) FROM {table}");
        let rows = in_force::read(context, context.own.take().await?, context.params().query(count)).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        out.push((entity, count.unsigned_abs()));
    }
    Ok(out)
}
