//! What a transaction changed, as entries of the change log. Knows that log; no rows of a definition, no readers.

use crate::store::{
    db::{failpoint, params::Kind, pool::get, rows::Rows},
    error::StoreError,
    types::Run,
};

use super::batch::{Op, Work};

/// The columns of the log. The changes of one kind to one type stand together: a row each would be a quarter of what a load costs.
const COLUMNS: [&str; 7] = ["seq", "first_seq", "type", "op", "row_keys", "run", "at"];
const KINDS: [Kind; 7] = [
    Kind::Int,
    Kind::Int,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Text,
];
/// Changes of one pack: some ten kilobytes, so that a reader who wants one of them does not read much more.
const PACK: usize = 1_000;

/// The numbers that entries got: after the first, up to the second.
pub struct Logged {
    pub after: i64,
    pub head: i64,
}

/// Writes the changes noted so far; `None` when there are none. Who writes then waits for this transaction to end.
pub async fn write(work: &mut Work<'_>, run: &Run) -> Result<Option<Logged>, StoreError> {
    let changes = std::mem::take(&mut work.changes);
    let count: usize = changes.values().map(Vec::len).sum();
    if count == 0 {
        return Ok(None);
    }
    let mut params = work.params();
    params.add(count as i64)?;
    let now = work.inner.now(0);
    let sql = format!("UPDATE hayloft_feed_head SET seq=seq+$1 WHERE one=1 RETURNING seq,{now}");
    let lines = work.all(params, sql).await?;
    let (head, at) = match lines.first() {
        Some(line) => (get(line, 0)?, get::<String>(line, 1)?),
        None => {
            return Err(StoreError::Refused(
                "the change log has no head; open the database anew".to_owned(),
            ));
        }
    };
    failpoint::point("commit::head");
    let logged = Logged {
        after: head - count as i64,
        head,
    };
    let mut packs: Vec<Pack> = Vec::new();
    let mut seq = logged.after;
    for ((_, entity, op), keys) in changes {
        for keys in keys.chunks(PACK) {
            packs.push(Pack {
                first: seq + 1,
                last: seq + keys.len() as i64,
                of: &work.inner.catalog.entity(entity).name,
                op,
                keys: format!("[{}]", keys.join(",")),
            });
            seq += keys.len() as i64;
        }
    }
    insert(work, run, &at, &packs).await?;
    Ok(Some(logged))
}

/// Changes whose numbers follow each other.
struct Pack<'a> {
    first: i64,
    last: i64,
    of: &'a str,
    op: Op,
    keys: String,
}

async fn insert(work: &mut Work<'_>, run: &Run, at: &str, packs: &[Pack<'_>]) -> Result<(), StoreError> {
    let mut from = 0;
    for size in work.inner.dialect.row_sizes(packs.len(), KINDS.len()) {
        let mut rows = Rows::to_add(work.inner.dialect, &KINDS, size);
        for pack in packs.iter().skip(from).take(size) {
            rows.int(pack.last)?;
            rows.int(pack.first)?;
            rows.text(pack.of)?;
            rows.text(pack.op.name())?;
            rows.text(pack.keys.as_str())?;
            rows.int(run.id)?;
            rows.text(at)?;
        }
        from += size;
        let sql = work
            .inner
            .dialect
            .add_rows("hayloft_change_pack", &COLUMNS, &KINDS, size);
        work.run(rows.bind()?, sql).await?;
    }
    Ok(())
}
