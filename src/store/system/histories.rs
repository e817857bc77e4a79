//! `hayloft_history`: since when the past of each type's rows is kept; and the moments of commits
//! that keep some. Knows types by name; no rows.

use chrono::TimeDelta;

use crate::store::{db::pool::get, error::StoreError, tx::Transaction};

use super::clock::{instant, slot_text};

/// The table, for reads that ask for a moment.
pub(crate) const TABLE: &str = "hayloft_history";

/// How a version began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// The row was there when its past began to be kept.
    Known,
    /// The row is new.
    New,
    /// The row has other values.
    Changed,
    /// A definition changed what is stored.
    Definition,
}

impl Begin {
    pub(crate) const ALL: [Begin; 4] = [Begin::Known, Begin::New, Begin::Changed, Begin::Definition];

    /// As the column has it.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Begin::Known => "KNOWN",
            Begin::New => "NEW",
            Begin::Changed => "CHANGED",
            Begin::Definition => "DEFINITION",
        }
    }
}

/// The moment of this commit: later than that of every other one, also where a clock went back.
/// Who has it holds the head of the change log until the commit, so moments are in the order of
/// commits.
pub(crate) async fn moment(tx: &mut Transaction<'_>) -> Result<String, StoreError> {
    let now = tx.context.now(0);
    let sql = format!("UPDATE hayloft_feed_head SET seq=seq WHERE one=1 RETURNING {now},history_at");
    let rows = tx.all(tx.params(), sql).await?;
    let Some(row) = rows.first() else {
        let text = "the change log has no head; open the database anew";
        return Err(StoreError::Internal(text.to_owned()));
    };
    let now = instant(&get::<String>(row, 0)?)?;
    let last: Option<String> = get(row, 1)?;
    let last = last.as_deref().map(instant).transpose()?;
    let next = last.and_then(|last| last.checked_add_signed(TimeDelta::microseconds(1)));
    let at = slot_text(next.map_or(now, |next| next.max(now)));
    let mut params = tx.params();
    params.add(at.clone())?;
    let sql = "UPDATE hayloft_feed_head SET history_at=$1 WHERE one=1".to_owned();
    tx.run(params, sql).await?;
    Ok(at)
}

/// Notes that the past of a type is kept from a moment on.
pub(crate) async fn begin(tx: &mut Transaction<'_>, name: &str, moment: &str) -> Result<(), StoreError> {
    end(tx, name).await?;
    let mut params = tx.params();
    params.add(name.to_owned())?;
    params.add(moment.to_owned())?;
    let sql = format!("INSERT INTO {TABLE}({},began) VALUES ($1,$2)", tx.quote("type"));
    tx.run(params, sql).await.map(|_| ())
}

/// Forgets it.
pub(crate) async fn end(tx: &mut Transaction<'_>, name: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(name.to_owned())?;
    let sql = format!("DELETE FROM {TABLE} WHERE {}=$1", tx.quote("type"));
    tx.run(params, sql).await.map(|_| ())
}

/// All of it, by the names of types.
pub(crate) async fn all(tx: &mut Transaction<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let sql = format!("SELECT {},began FROM {TABLE}", tx.quote("type"));
    let rows = tx.all(tx.params(), sql).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}
