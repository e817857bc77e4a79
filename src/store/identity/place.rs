//! Whether a database is where it was: one that was restored, copied or promoted begins a new epoch
//! of the change log. Knows what PostgreSQL tells of its place; `guard` asks it of each connection.
//! No rows. (A file of SQLite has one process, and
//! `hayloft restore` begins the epoch.)

use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

use crate::store::db::{dialect::Dialect as _, postgres::dialect::Postgres};

/// What is known of the database; `None` before its tables were made, and for who only reads.
#[derive(Clone)]
pub(crate) struct Known {
    pub place: Place,
    pub epoch: String,
    /// The least number that the change log must have.
    pub head: i64,
    /// The newest layout at the time when this process applied its own.
    pub layout: String,
}

/// What a place is made of: the columns of `hayloft_place`, and what a difference in each of them
/// means.
pub(crate) const PARTS: [(&str, &str); 4] = [
    ("cluster", "another server"),
    ("timeline", "another history of the server"),
    ("base", "another database"),
    ("feed", "tables that were made anew"),
];

/// Commits are gone and nothing else tells it: a server whose files were put back.
const WENT_BACK: &str = "the change log went back";

pub(crate) type Place = [String; PARTS.len()];

/// What a connection leads to, in one answer.
pub(crate) struct Seen {
    pub place: Place,
    pub epoch: String,
    pub head: i64,
    /// It is a standby as yet: where it will stand in the end is not known.
    pub standby: bool,
    /// The newest layout that was applied.
    pub layout: String,
}

/// Asks a connection where it leads.
pub(crate) async fn look(connection: &mut PgConnection, question: &str) -> Result<Seen, sqlx::Error> {
    let question = sqlx::raw_sql(sqlx::AssertSqlSafe(question.to_owned()));
    read(&question.fetch_one(connection).await?)
}

fn read(row: &PgRow) -> Result<Seen, sqlx::Error> {
    let mut place = Place::default();
    for (at, part) in place.iter_mut().enumerate() {
        *part = row.try_get(at)?;
    }
    Ok(Seen {
        place,
        epoch: row.try_get(PARTS.len())?,
        head: row.try_get(PARTS.len() + 1)?,
        standby: row.try_get(PARTS.len() + 2)?,
        layout: row.try_get(PARTS.len() + 3)?,
    })
}

/// Compares what a connection leads to with what the database remembers of itself, and with what
/// this process knows of it. One process begins the epoch, those that come at the same time wait
/// for the row and find it begun.
///
/// Runs that were under way in the older epoch are interrupted in the same transaction: whoever
/// works at them remembers rows and pages that may be lost. They are claimed again, and go on from
/// what is stored here.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    question: &str,
    known: Option<&Known>,
) -> Result<Seen, sqlx::Error> {
    // Readers' sessions begin transactions that only read.
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    let mut tx = connection.begin_with(begin).await?;
    let here = look(&mut tx, question).await?;
    let now = Postgres::OVER_TCP.now(0);
    let sql = format!(
        "INSERT INTO hayloft_place(one,cluster,timeline,base,feed,at) VALUES (1,$1,$2,$3,$4,{now}) ON CONFLICT DO NOTHING"
    );
    run(&mut tx, sql, &here.place).await?;
    let sql = "SELECT cluster,timeline,base,feed FROM hayloft_place WHERE one=1 FOR UPDATE";
    let row = sqlx::query(sql).fetch_one(&mut *tx).await?;
    let mut before = Place::default();
    for (at, part) in before.iter_mut().enumerate() {
        *part = row.try_get(at)?;
    }
    // Whoever had the row before has begun an epoch perhaps.
    let here = look(&mut tx, question).await?;
    let mut moved = differences(&before, &here.place);
    if known.is_some_and(|known| known.epoch == here.epoch && here.head < known.head) {
        moved.push(WENT_BACK);
    }
    if !moved.is_empty() {
        let sql = format!("UPDATE hayloft_place SET cluster=$1,timeline=$2,base=$3,feed=$4,at={now} WHERE one=1");
        run(&mut tx, sql, &here.place).await?;
        // In the order of all other transactions: the head comes last.
        let runs = "UPDATE hayloft_run SET state='interrupted' WHERE state='running'".to_owned();
        run(&mut tx, runs, &[]).await?;
        let epoch = format!(
            "UPDATE hayloft_feed_head SET epoch={} WHERE one=1",
            Postgres::OVER_TCP.epoch()
        );
        run(&mut tx, epoch, &[]).await?;
    }
    let here = look(&mut tx, question).await?;
    tx.commit().await?;
    if !moved.is_empty() {
        tracing::warn!(
            "this database was restored, copied or promoted ({}): its change log begins a new epoch, and clients read everything again",
            moved.join(", ")
        );
    }
    Ok(here)
}

async fn run(connection: &mut PgConnection, sql: String, texts: &[String]) -> Result<(), sqlx::Error> {
    let statement = sqlx::query(sqlx::AssertSqlSafe(sql));
    let statement = texts.iter().fold(statement, |statement, text| statement.bind(text));
    statement.execute(connection).await.map(|_| ())
}

/// What has changed, in words. What one of both does not tell is no difference.
pub(crate) fn differences(before: &Place, here: &Place) -> Vec<&'static str> {
    let pairs = before.iter().zip(here).zip(PARTS);
    let differ = pairs.filter(|((before, here), _)| !before.is_empty() && !here.is_empty() && before != here);
    differ.map(|(_, (_, means))| means).collect()
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
