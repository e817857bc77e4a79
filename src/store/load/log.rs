//! What a transaction changed, as entries of the change log. Knows that log; no rows of a definition, no readers.

use crate::{
    store::{
        bind::{Kind, get},
        crash,
        rows::Rows,
        types::{Run, StoreError},
    },
    value::Value,
};

use super::work::Work;

/// The columns of the log; in those after the first two, the entries of one type and kind of change have the same.
const COLUMNS: [&str; 6] = ["seq", "row_key", "type", "op", "run", "at"];
const KINDS: [Kind; 2] = [Kind::Int, Kind::Text];

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
    crash::point("commit::head");
    let logged = Logged {
        after: head - count as i64,
        head,
    };
    let mut seq = logged.after;
    for ((entity, op), keys) in changes {
        let shared = [
            (Value::Text(work.inner.catalog.entity(entity).name.clone()), Kind::Text),
            (Value::Text(op.name().to_owned()), Kind::Text),
            (Value::Int(run.id), Kind::Int),
            (Value::Text(at.clone()), Kind::Text),
        ];
        let mut from = 0;
        for size in work.inner.dialect.row_sizes(keys.len(), KINDS.len()) {
            let mut rows = Rows::to_add(work.params(), &KINDS, size, shared.to_vec());
            for key in keys.iter().skip(from).take(size) {
                seq += 1;
                rows.int(seq)?;
                rows.text(key.as_str())?;
            }
            from += size;
            let sql = work
                .inner
                .dialect
                .add_rows("hayloft_change_log", &COLUMNS, &KINDS, size);
            work.run(rows.bind()?, sql).await?;
        }
    }
    Ok(Some(logged))
}
