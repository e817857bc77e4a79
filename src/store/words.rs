//! The words of rows whose types are searched: written with the rows, and once more where only a
//! part of a row was. Knows which columns they are of; finds no words itself.

use crate::{
    layout::{Column, ColumnKind, ROW_COLUMN, Table, WORDS_COLUMN},
    store::{
        db::{
            dialect::Numbered,
            params::Kind,
            pool::{ResultRow, get},
            rows::Rows,
        },
        error::StoreError,
        tx::{Transaction, read_value},
    },
    value::{
        Scalar, Value,
        words::{RowWords, TEXT_MAX},
    },
};

/// Texts whose words are found at a time: tens of MB at most, but for long lists.
const TEXTS: usize = 128;

/// The words of a row, given the values of all of its columns.
pub(super) fn of_values(table: &Table, values: &[Value]) -> String {
    let searched = table.searched().iter();
    of_texts(searched.map(|at| (table.columns.get(*at), values.get(*at))))
}

fn of_texts<'v>(texts: impl Iterator<Item = (Option<&'v Column>, Option<&'v Value>)>) -> String {
    let mut words = RowWords::default();
    for (column, value) in texts {
        let language = column.and_then(|column| column.language);
        match (column.map(|column| column.kind), value) {
            (Some(ColumnKind::Document), Some(Value::Text(list))) => {
                let items: Vec<Option<String>> = serde_json::from_str(list).unwrap_or_default();
                words.field(items.iter().flatten().map(String::as_str), language);
            }
            (_, Some(Value::Text(text))) => words.field(std::iter::once(text.as_str()), language),
            _ => words.field(std::iter::empty(), language),
        }
    }
    words.finish()
}

/// Finds the words of these rows anew, as they are stored.
pub(super) async fn renew(tx: &mut Transaction<'_>, table: &Table, rows: &[i64]) -> Result<(), StoreError> {
    for some in rows.chunks(together(table)) {
        let mut from = 0;
        for size in tx.context.dialect.row_sizes(some.len(), 1) {
            let mut wanted = Rows::new(tx.params(), &[Kind::Int], size);
            some.iter().skip(from).take(size).try_for_each(|row| wanted.int(*row))?;
            from += size;
            let condition = format!("{} IN ({})", tx.quote(ROW_COLUMN), tx.rows(&[Kind::Int], size));
            let found = tx.all(wanted.bind()?, select(tx, table, &condition)).await?;
            write(tx, table, &read(table, &found)?).await?;
        }
    }
    Ok(())
}

/// Finds the words of all rows of a table, some at a time.
pub(super) async fn fill(tx: &mut Transaction<'_>, table: &Table) -> Result<(), StoreError> {
    let (mut last, limit) = (i64::MIN, together(table));
    loop {
        let row = tx.quote(ROW_COLUMN);
        let condition = format!("{row}>{last} ORDER BY {row} LIMIT {limit}");
        let rows = tx.all(tx.params(), select(tx, table, &condition)).await?;
        let found = read(table, &rows)?;
        let Some((end, _)) = found.last() else {
            return Ok(());
        };
        last = *end;
        write(tx, table, &found).await?;
    }
}

/// How many rows are read at a time.
fn together(table: &Table) -> usize {
    (TEXTS / table.searched().len().max(1)).max(1)
}

/// Reads texts only as far as they are searched, and a letter more, which says that there is more:
/// counted in letters, of which none is less than a byte.
fn select(tx: &Transaction<'_>, table: &Table, condition: &str) -> String {
    let columns = table.searched().iter().filter_map(|at| table.columns.get(*at));
    let texts = columns.map(|column| match (column.kind, tx.quote(&column.name)) {
        (ColumnKind::Document, name) => name,
        (_, name) => format!("substr({name},1,{})", TEXT_MAX + 1),
    });
    let texts: Vec<String> = std::iter::once(tx.quote(ROW_COLUMN)).chain(texts).collect();
    format!(
        "SELECT {} FROM {} WHERE {condition}",
        texts.join(","),
        tx.quote(&table.name)
    )
}

/// The numbers and words of rows.
fn read(table: &Table, rows: &[ResultRow]) -> Result<Vec<(i64, String)>, StoreError> {
    let searched = table.searched();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let values = (1..=searched.len()).map(|at| read_value(row, at, Scalar::String));
        let values: Vec<Value> = values.collect::<Result<_, _>>()?;
        let columns = searched.iter().map(|at| table.columns.get(*at));
        found.push((get(row, 0)?, of_texts(columns.zip(values.iter().map(Some)))));
    }
    Ok(found)
}

async fn write(tx: &mut Transaction<'_>, table: &Table, found: &[(i64, String)]) -> Result<(), StoreError> {
    const KINDS: [Kind; 2] = [Kind::Int, Kind::Text];
    let dialect = tx.context.dialect;
    let (name, row, words) = (tx.quote(&table.name), tx.quote(ROW_COLUMN), tx.quote(WORDS_COLUMN));
    let mut from = 0;
    for size in dialect.row_sizes(found.len(), KINDS.len()) {
        let mut rows = Rows::new(tx.params(), &KINDS, size);
        for (row, words) in found.iter().skip(from).take(size) {
            rows.int(*row)?;
            rows.text(words.as_str())?;
        }
        from += size;
        let new = dialect.rows(&KINDS, 1, size, Numbered::No);
        let sql = format!(
            "WITH _new(r,w) AS ({new}) UPDATE {name} SET {words}=_new.w FROM _new WHERE {name}.{row}=_new.r \
             AND {name}.{words} IS DISTINCT FROM _new.w"
        );
        tx.run(rows.bind()?, sql).await?;
    }
    Ok(())
}
