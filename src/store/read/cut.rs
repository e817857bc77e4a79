//! Texts that are longer than what is searched of them, counted on demand. Only reads; knows which
//! fields are searched.

use std::time::{Duration, Instant};

use crate::{
    catalog::{EntityId, FieldId},
    layout::{ROW_COLUMN, WORDS_COLUMN},
    store::{context::Context, ddl::search, error::StoreError},
    value::words::cut_mark,
};

use super::dangling::count;

/// A field and how many of its texts are too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub entity: EntityId,
    pub field: FieldId,
    /// `None`: they could not be counted in time.
    pub rows: Option<u64>,
}

/// Fields with such texts. Their rows are found by the index, which has a mark for them.
pub(crate) async fn all(context: &Context, time: Duration) -> Result<Vec<Cut>, StoreError> {
    let until = Instant::now() + time;
    let mut found = Vec::new();
    for entity in context.catalog.entity_ids() {
        let table = &context.layout.entity(entity).table;
        for (number, at) in table.searched().iter().enumerate() {
            let Some(column) = table.columns.get(*at) else {
                continue;
            };
            let sql = statement(context, &table.name, &cut_mark(number));
            let rows = match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => count(context, sql, left).await?,
                _ => None,
            };
            if rows != Some(0) {
                let field = column.field;
                found.push(Cut { entity, field, rows });
            }
        }
    }
    Ok(found)
}

fn statement(context: &Context, table: &str, mark: &str) -> String {
    let dialect = context.dialect;
    let [words, row, of] = [WORDS_COLUMN, ROW_COLUMN, table].map(|name| dialect.quote(name));
    let index = dialect.quote(&search::table_name(table));
    let searches = dialect.searches();
    let mark = dialect.literal(&searches.word(mark));
    let found = searches.found(&words, &row, &index, &mark);
    format!("SELECT CAST(count(*) AS BIGINT) FROM {of} WHERE {found}")
}
