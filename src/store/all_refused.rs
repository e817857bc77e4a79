//! Whether all records that a run got were refused, so that it has brought nothing. Knows its counts and its quarantine; decides
//! nothing.

use super::{
    bind::get,
    load::Writing,
    types::{AllRefused, Run, StoreError},
};

/// Looks within the transaction that ends the run. An answer about a row may say that there is nothing: then it has no row and
/// nothing refused. One of which only links came is not looked at: whoever got it knows.
pub(super) async fn find(work: &mut Writing<'_>, run: &Run) -> Result<Option<AllRefused>, StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    let sql = "SELECT refused_rows FROM hayloft_run AS r WHERE id=$1 AND refused_rows>0 \
               AND new_rows+changed_rows+same_rows=0 AND NOT EXISTS \
               (SELECT 1 FROM hayloft_fan_out AS f WHERE f.\"fetch\"=r.\"fetch\" AND f.run=r.id AND f.state='done' \
               AND NOT EXISTS (SELECT 1 FROM hayloft_quarantine AS q WHERE q.\"fetch\"=f.\"fetch\" AND q.parent=f.parent))";
    let lines = work.all(params, sql.to_owned()).await?;
    let Some(line) = lines.first() else { return Ok(None) };
    let count = get::<i64>(line, 0)?.unsigned_abs();
    let mut params = work.params();
    params.add(run.id)?;
    let sql = "SELECT row_key,reason FROM hayloft_quarantine WHERE run=$1 ORDER BY id LIMIT 1";
    let lines = work.all(params, sql.to_owned()).await?;
    let first = match lines.first() {
        Some(line) => {
            let key: Option<String> = get(line, 0)?;
            let key = key.map_or(String::new(), |key| format!("{key}: "));
            format!("{key}{}", get::<String>(line, 1)?)
        }
        None => String::new(),
    };
    Ok(Some(AllRefused { count, first }))
}
