//! What `hayloft_fan_out` remembers of answers: how to know them again, and the rows that they
//! brought. Knows columns; reads none of what they say.

use crate::store::{
    db::{params::Kind, pool::get, rows::Rows},
    error::StoreError,
    tx::Transaction,
    types::Run,
};

/// The columns of `hayloft_fan_out` that an answer gives values to.
const NOTED: &str = "\"fetch\",parent,run,state,hash,signature,request,etag,last_modified,body_hash,brought,print,tries,error,\
                     doubt,copies,leads";
/// Their kinds.
pub(crate) const NOTED_KINDS: [Kind; 17] = [
    Kind::Text,
    Kind::Int,
    Kind::Int,
    Kind::Text,
    Kind::Int,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Int,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Int,
];

/// What stays of what is remembered of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    /// A good answer takes the place of the one before.
    Nothing,
    /// The answer is as it was, and so is what is to be told of it.
    Told,
    /// That it was answered, but not how to know the answer again.
    Answer,
    /// A failure keeps what the last good answer left.
    All,
}

/// The rows are there: planned, claimed and locked. So this only ever updates, and an insert is how
/// many rows fit into one statement.
pub(crate) fn note(tx: &Transaction<'_>, size: usize, kept: Kept, again_in: Option<i64>) -> String {
    const READ: &str = "hash=excluded.hash,signature=excluded.signature,request=excluded.request,etag=excluded.etag,\
                        last_modified=excluded.last_modified,body_hash=excluded.body_hash,brought=excluded.brought,\
                        print=excluded.print,";
    let sets = match kept {
        Kept::Nothing => format!("{READ}doubt=excluded.doubt,copies=excluded.copies,leads=excluded.leads,"),
        Kept::Told => READ.to_owned(),
        Kept::Answer => "request=NULL,etag=NULL,last_modified=NULL,body_hash=NULL,brought=NULL,print=NULL,".to_owned(),
        Kept::All => String::new(),
    };
    let next = again_in.map_or("NULL".to_owned(), |seconds| tx.context.now(seconds));
    format!(
        "INSERT INTO hayloft_fan_out({NOTED}) {} ON CONFLICT(\"fetch\",parent) DO UPDATE SET {sets}state=excluded.state,\
         tries=excluded.tries,error=excluded.error,next_at={next},at={},owner=NULL,until=NULL,working=NULL,ended_processes=0,aside_until=NULL",
        tx.rows(&NOTED_KINDS, size),
        tx.context.now(0)
    )
}

/// The rows that answers brought, as they are kept, with their print: of those about some rows that
/// are known.
pub(crate) async fn remembered(
    tx: &mut Transaction<'_>,
    run: &Run,
    parents: &[i64],
) -> Result<Vec<(i64, String, i64)>, StoreError> {
    let dialect = tx.context.dialect;
    let mut found = Vec::with_capacity(parents.len());
    let mut from = 0;
    for size in dialect.row_sizes(parents.len(), 1) {
        let mut wanted = Rows::new(tx.params(), &[Kind::Int], size);
        parents
            .iter()
            .skip(from)
            .take(size)
            .try_for_each(|row| wanted.int(*row))?;
        from += size;
        let mut params = wanted.bind()?;
        params.text(&run.fetch)?;
        let sql = format!(
            "SELECT parent,brought,print FROM hayloft_fan_out WHERE parent IN ({}) AND \"fetch\"={} \
             AND brought IS NOT NULL AND print IS NOT NULL",
            tx.rows(&[Kind::Int], size),
            dialect.bulk_param(2)
        );
        for row in tx.all(params, sql).await? {
            found.push((get(&row, 0)?, get(&row, 1)?, get(&row, 2)?));
        }
    }
    Ok(found)
}

/// Forgets how to know those answers again that had records which were refused.
pub(crate) async fn forget_refused(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fan_out SET hash=NULL,request=NULL,etag=NULL,last_modified=NULL,body_hash=NULL \
               WHERE \"fetch\"=$1 AND state='done' AND parent IN \
               (SELECT parent FROM hayloft_quarantine WHERE \"fetch\"=$1)";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}
