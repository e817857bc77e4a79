//! Whether a database is where it was: one that was restored, copied or promoted begins a new epoch of the change log.
//! Knows what each database tells of its place; no rows, no runs.

use super::{Inner, bind::get, load::Writing, types::StoreError};

/// What a place is made of: the columns of `hayloft_place`, and what a difference in each of them means.
const PARTS: [(&str, &str); 4] = [
    ("cluster", "another server"),
    ("timeline", "another history of the server"),
    ("base", "another database"),
    ("feed", "tables that were made anew"),
];

type Place = [String; PARTS.len()];

/// Compares the place with the one that the database remembers; begins a new epoch when they differ.
///
/// What clients have read in the older epoch may never have happened here: they are told to read everything again.
pub(super) async fn check(inner: &Inner) -> Result<(), StoreError> {
    let Some(questions) = inner.dialect.place() else {
        return Ok(());
    };
    let mut here = Place::default();
    for (part, question) in here.iter_mut().zip(questions) {
        *part = ask(inner, question).await?;
    }
    let mut work = Writing::begin(inner).await?;
    let mut params = work.params();
    here.iter().try_for_each(|part| params.add(part.clone()))?;
    let now = inner.now(0);
    let sql = format!(
        "INSERT INTO hayloft_place(one,cluster,timeline,base,feed,at) VALUES (1,$1,$2,$3,$4,{now}) ON CONFLICT DO NOTHING"
    );
    work.run(params, sql).await?;
    let sql = format!(
        "SELECT cluster,timeline,base,feed FROM hayloft_place WHERE one=1{}",
        inner.dialect.for_update()
    );
    let lines = work.all(work.params(), sql).await?;
    let mut before = Place::default();
    if let Some(line) = lines.first() {
        for (at, part) in before.iter_mut().enumerate() {
            *part = get(line, at)?;
        }
    }
    let moved = differences(&before, &here);
    if !moved.is_empty() {
        let mut params = work.params();
        here.iter().try_for_each(|part| params.add(part.clone()))?;
        let sql = format!("UPDATE hayloft_place SET cluster=$1,timeline=$2,base=$3,feed=$4,at={now} WHERE one=1");
        work.run(params, sql).await?;
        begin_epoch(&mut work).await?;
    }
    work.commit().await?;
    if !moved.is_empty() {
        tracing::warn!(
            "this database was restored, copied or promoted ({}): its change log begins a new epoch, and clients read everything again",
            moved.join(", ")
        );
    }
    Ok(())
}

/// What has changed, in words. What one of both does not tell is no difference.
fn differences(before: &Place, here: &Place) -> Vec<&'static str> {
    let pairs = before.iter().zip(here).zip(PARTS);
    let differ = pairs.filter(|((before, here), _)| !before.is_empty() && !here.is_empty() && before != here);
    differ.map(|(_, (_, means))| means).collect()
}

/// A database that does not tell (a distributed engine, a role without the right) leaves that part empty.
async fn ask(inner: &Inner, question: &'static str) -> Result<String, StoreError> {
    let mut reader = inner.own.take().await?;
    match reader.run(inner.params().query(question)).await? {
        Ok(lines) => lines.first().map_or(Ok(String::new()), |line| get(line, 0)),
        Err(error) => {
            tracing::debug!(%error, question, "the database does not tell a part of its place");
            Ok(String::new())
        }
    }
}

/// Makes the numbers of the change log so far incomparable with those to come.
async fn begin_epoch(work: &mut Writing<'_>) -> Result<(), StoreError> {
    let epoch = work.inner.dialect.epoch();
    let sql = format!("UPDATE hayloft_feed_head SET epoch={epoch} WHERE one=1");
    work.run(work.params(), sql).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_differ_by_what_both_tell() {
        let place = |parts: [&str; 4]| parts.map(str::to_owned);
        let home = place(["7", "00000001", "5", "16400"]);
        for (here, want) in [
            (home.clone(), vec![]),
            (
                place(["7", "00000002", "5", "16400"]),
                vec!["another history of the server"],
            ),
            (
                place(["7", "00000001", "6", "16401"]),
                vec!["another database", "tables that were made anew"],
            ),
            (place(["", "", "5", "16400"]), vec![]),
        ] {
            assert_eq!(differences(&home, &here), want, "{here:?}");
        }
    }
}
