//! The rejected records, all of them, as far as they are kept. Only reads; knows the quarantine's columns.

use chrono::{DateTime, Utc};

use crate::store::{
    Inner, Store,
    db::{
        params::Params,
        pool::{Line, get},
    },
    error::StoreError,
    runs::finish::instant,
};

/// Which rejected records are asked for.
#[derive(Clone, Debug, Default)]
pub struct RejectedFilter {
    pub fetch: Option<String>,
    /// A part of the reason, in any case.
    pub reason: Option<String>,
    /// The key as it is shown.
    pub key: Option<String>,
    pub runs: RejectedRuns,
}

/// Of which runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RejectedRuns {
    /// The one of each fetch that began last; of a field's fetch, the last answers.
    #[default]
    Last,
    One(i64),
    /// All whose records are kept.
    All,
}

/// A record in the quarantine.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Its number; later ones are higher.
    pub id: i64,
    pub run: i64,
    pub fetch: String,
    pub key: Option<String>,
    pub reason: String,
    pub record: String,
    /// What it was asked for by, once its page has ended.
    pub request: Option<String>,
    pub at: DateTime<Utc>,
}

impl Store {
    /// The rejected records of a filter in their order, at most `limit` of those after the number `after`.
    pub async fn rejected(&self, filter: &RejectedFilter, after: i64, limit: u32) -> Result<Vec<Rejected>, StoreError> {
        list(&self.inner, filter, after, limit).await
    }
}

async fn list(inner: &Inner, filter: &RejectedFilter, after: i64, limit: u32) -> Result<Vec<Rejected>, StoreError> {
    let mut asked = Asked {
        params: inner.params(),
        count: 2,
        conditions: String::new(),
    };
    asked.params.add(after)?;
    asked.params.add(i64::from(limit))?;
    asked.text("q.\"fetch\"=$", filter.fetch.as_deref())?;
    asked.text("q.row_key=$", filter.key.as_deref())?;
    let part = filter
        .reason
        .as_deref()
        .map(|part| format!("%{}%", escaped(&part.to_lowercase())));
    asked.text("lower(q.reason) LIKE $", part.as_deref())?;
    if part.is_some() {
        asked.conditions.push_str(" ESCAPE '\\'");
    }
    match filter.runs {
        RejectedRuns::All => {}
        RejectedRuns::One(run) => {
            asked.count += 1;
            asked.params.add(run)?;
            asked.conditions.push_str(&format!(" AND q.run=${}", asked.count));
        }
        RejectedRuns::Last => asked.conditions.push_str(
            " AND (q.\"fetch\" LIKE '%.%' OR q.run=(SELECT id FROM hayloft_run AS newest \
             WHERE newest.\"fetch\"=q.\"fetch\" AND newest.state<>'queued' ORDER BY turn DESC,id DESC LIMIT 1))",
        ),
    }
    let sql = format!(
        "SELECT q.id,q.run,q.\"fetch\",q.row_key,q.reason,q.record,q.request,q.at FROM hayloft_quarantine AS q \
         WHERE q.id>$1{} ORDER BY q.id LIMIT $2",
        asked.conditions
    );
    let lines = inner.own.take().await?.fetch(asked.params.query(sql)).await?;
    lines.iter().map(rejected).collect()
}

/// Parameters with the conditions that use them.
struct Asked {
    params: Params,
    count: usize,
    conditions: String,
}

impl Asked {
    /// A condition that ends where the number of its parameter follows; none for what was not asked for.
    fn text(&mut self, condition: &str, value: Option<&str>) -> Result<(), StoreError> {
        if let Some(value) = value {
            self.count += 1;
            self.params.add(value.to_owned())?;
            self.conditions.push_str(&format!(" AND {condition}{}", self.count));
        }
        Ok(())
    }
}

/// The signs that mean something in a pattern of `LIKE`.
fn escaped(part: &str) -> String {
    part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn rejected(line: &Line) -> Result<Rejected, StoreError> {
    Ok(Rejected {
        id: get(line, 0)?,
        run: get(line, 1)?,
        fetch: get(line, 2)?,
        key: get(line, 3)?,
        reason: get(line, 4)?,
        record: get(line, 5)?,
        request: get(line, 6)?,
        at: instant(&get::<String>(line, 7)?)?,
    })
}
