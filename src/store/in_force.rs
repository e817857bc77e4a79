//! Whether the definition of a handle is in force: another process may have applied a layout that
//! it is not compatible with. Knows the record of layouts, and what a difference means for who
//! writes and who reads; no rows.
//!
//! What writes for a definition asks for the newest record first, in the same transaction. The
//! question touches the table of row numbers, which whoever applies a layout takes for himself: so
//! a layout waits for all that is under way, and who comes while it is applied waits before his
//! question sees anything, and finds it. The lock is one of the table and not of a row, because
//! that writes nothing, and because the one who waits for all others gets his turn however many of
//! them come.

use crate::layout::steps::Steps;

use super::{
    context::Context,
    db::{
        params::Command,
        pool::{ResultRow, get},
        readers::Taken,
    },
    error::{StoreError, failed},
    system::layouts::{self, NEWEST, NEWEST_HELD, NEWEST_LAYOUT},
    tx::Transaction,
    types::DefinitionStatus,
};

/// Begins what only a definition in force may do, and which stays in force until the end.
pub(crate) async fn begin(context: &Context) -> Result<Transaction<'_>, StoreError> {
    let mut tx = Transaction::begin(context).await?;
    hold(&mut tx).await?;
    Ok(tx)
}

/// The same for statements that find all rows by their keys.
pub(crate) async fn begin_load(context: &Context) -> Result<Transaction<'_>, StoreError> {
    let mut tx = Transaction::within(context, context.dialect.begin_load()).await?;
    hold(&mut tx).await?;
    Ok(tx)
}

/// Refuses to write for a definition that is not in force; otherwise it stays in force until the
/// transaction ends.
pub(super) async fn hold(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let context = tx.context;
    let newest = match context.dialect.exclusive() {
        // Only this process writes, and one transaction at a time.
        true => context.seen.own(),
        false => layouts::number(&tx.all(tx.params(), NEWEST_HELD.to_owned()).await?)?,
    };
    let status = match context.seen.of(newest) {
        Some(status) => status,
        // The layout itself is read only when its number is a new one: it may be large.
        None => judge(context, &tx.all(tx.params(), NEWEST_LAYOUT.to_owned()).await?)?,
    };
    status.writes()
}

/// The status of the definition at this moment.
pub(super) async fn look(context: &Context) -> Result<DefinitionStatus, StoreError> {
    let newest = context.own.take().await?.fetch(context.params().query(NEWEST)).await?;
    by_number(context, layouts::number(&newest)?).await
}

/// The status when the newest record has this number.
pub(super) async fn by_number(context: &Context, newest: i64) -> Result<DefinitionStatus, StoreError> {
    if let Some(status) = context.seen.of(newest) {
        return Ok(status);
    }
    let layout = context.params().query(NEWEST_LAYOUT);
    judge(context, &context.own.take().await?.fetch(layout).await?)
}

/// Compares the newest record with the handle's own layout.
fn judge(context: &Context, rows: &[ResultRow]) -> Result<DefinitionStatus, StoreError> {
    let Some(row) = rows.first() else {
        // No layout was ever applied, so none can be newer.
        return Ok(DefinitionStatus::InForce);
    };
    let record = get(row, 0)?;
    let newest = layouts::parse(get(row, 1)?)?;
    let status = DefinitionStatus::after(&Steps::between(&context.layout, &newest), context.dialect.keeps_items());
    if context.dialect.exclusive() {
        // So that the next transaction need not compare it again: nobody else makes records here.
        context.seen.applying(record);
    }
    context.seen.note(record, status);
    Ok(status)
}

/// Whether rows may be read for the definition of this handle, as far as is known.
pub(crate) fn may_read(context: &Context) -> Result<(), StoreError> {
    context.seen.status().reads()
}

/// Runs a statement about the rows of the definition. What fails because the tables are others now
/// is named as that.
pub(super) async fn read(context: &Context, reader: Taken, command: Command) -> Result<Vec<ResultRow>, StoreError> {
    Ok(read_all(context, reader, command).await?.0)
}

/// The same with the lists that were laid beside the rows.
pub(super) async fn read_all(
    context: &Context,
    mut reader: Taken,
    command: Command,
) -> Result<(Vec<ResultRow>, Vec<String>), StoreError> {
    // First: where names mean something else by now, the answer would be wrong, and no error.
    may_read(context)?;
    match reader.run(command).await? {
        Ok(rows) => Ok((rows, reader.lists())),
        Err(error) => Err(cause(context, reader, error).await),
    }
}

/// Why a statement about the rows of the definition failed.
pub(super) async fn cause(context: &Context, reader: Taken, error: sqlx::Error) -> StoreError {
    // A look costs a statement, and most errors have nothing to do with the layout.
    if !is_of_tables(&error) {
        return reader.error(error);
    }
    // The look needs a reader, which may be this one.
    drop(reader);
    match look(context).await {
        Ok(DefinitionStatus::Replaced) => StoreError::Replaced,
        Ok(DefinitionStatus::InForce | DefinitionStatus::ReadsOnly) => failed(error),
        Err(error) => error,
    }
}

/// PostgreSQL's class of errors about names and types, and SQLite's words for the former: our
/// statements are right by the layout that they were made for.
fn is_of_tables(error: &sqlx::Error) -> bool {
    let Some(cause) = error.as_database_error() else {
        return false;
    };
    let is_class = |code: &str| code.len() == 5 && code.starts_with("42");
    let gone = ["no such column", "no such table"];
    cause.code().as_deref().is_some_and(is_class) || gone.iter().any(|words| cause.message().starts_with(words))
}
