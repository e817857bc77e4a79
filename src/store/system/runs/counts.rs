//! The counts of `hayloft_run`, and what a group notes beside them. Knows columns; not what is
//! counted.

use crate::store::{
    db::params::Params,
    error::StoreError,
    tx::Transaction,
    types::{Checkpoint, Run},
};

use super::LEASE_SECONDS;

/// By how much the counts of a run grow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) pages: u64,
    pub(crate) bytes: u64,
    pub(crate) new: u64,
    pub(crate) changed: u64,
    pub(crate) same: u64,
    pub(crate) refused: u64,
    pub(crate) left_out: u64,
    pub(crate) repeated: u64,
}

impl Counts {
    const SET: &str = "pages=pages+$2,bytes=bytes+$3,new_rows=new_rows+$4,changed_rows=changed_rows+$5,\
                       same_rows=same_rows+$6,refused_rows=refused_rows+$7,left_out_rows=left_out_rows+$8,\
                       repeated_rows=repeated_rows+$9";

    fn bind(self, params: &mut Params) -> Result<(), StoreError> {
        let all = [
            self.pages,
            self.bytes,
            self.new,
            self.changed,
            self.same,
            self.refused,
            self.left_out,
            self.repeated,
        ];
        all.into_iter().try_for_each(|count| params.add(count.cast_signed()))
    }
}

/// Adds to the counts of a run. Its lease is left alone: that is for the process that holds it.
pub(crate) async fn count(tx: &mut Transaction<'_>, run: &Run, counts: Counts) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    counts.bind(&mut params)?;
    tx.run(params, format!("UPDATE hayloft_run SET {} WHERE id=$1", Counts::SET))
        .await
        .map(|_| ())
}

/// The same for a group of the run that holds it: its lease is renewed, and where it can go on is
/// noted, with the part of what it has seen.
pub(crate) async fn note_group(
    tx: &mut Transaction<'_>,
    run: &Run,
    counts: Counts,
    checkpoint: Option<(&Checkpoint, i64)>,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    counts.bind(&mut params)?;
    let (now, lease) = (tx.context.now(0), tx.context.now(LEASE_SECONDS));
    let mut sql = format!(
        "UPDATE hayloft_run SET {},heartbeat_at={now},lease_until={lease}",
        Counts::SET
    );
    if let Some((Checkpoint { next, pages, rows }, part)) = checkpoint {
        params.add(next.clone())?;
        params.add(pages.cast_signed())?;
        params.add(rows.cast_signed())?;
        params.add(part)?;
        sql.push_str(",checkpoint=$10,checkpoint_pages=$11,checkpoint_rows=$12,checkpoint_part=$13");
    }
    sql.push_str(" WHERE id=$1");
    tx.run(params, sql).await.map(|_| ())
}

/// Corrects the counts of a run by what became of rows that were tried again: new, changed and
/// equal ones.
pub(crate) async fn correct(tx: &mut Transaction<'_>, run: &Run, by: [i64; 3]) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    by.into_iter().try_for_each(|count| params.add(count))?;
    let sql =
        "UPDATE hayloft_run SET new_rows=new_rows+$2,changed_rows=changed_rows+$3,same_rows=same_rows+$4 WHERE id=$1";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}

/// The same for its refused records.
pub(crate) async fn correct_refused(tx: &mut Transaction<'_>, run: &Run, by: i64) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(by)?;
    let sql = "UPDATE hayloft_run SET refused_rows=refused_rows+$2 WHERE id=$1".to_owned();
    tx.run(params, sql).await.map(|_| ())
}
