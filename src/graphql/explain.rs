//! How an operation is answered, in words: the read, the SQL, the database's own plan, what was
//! estimated beside what came, and which index is not there. Knows the store's contract; for a
//! person, who reads it, and so not for speed.

use std::{sync::Arc, time::Duration};

use apollo_compiler::response::JsonMap;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::{
    query::{Connection, ConnectionValue, EdgeValue, Output, OutputValue, Read, RootValue},
    store::{Explanation, StoreError},
};

use super::{
    ApiError, ApiRequest, Client, Code, DataApi,
    advice::advice,
    describe::{self, describe},
    gate::Cost,
    prepare::{Bound, Prepared, Way},
    turns::Work,
};

/// How an operation is answered.
struct Explained {
    /// The read in words, and the values of its parameters.
    plan: String,
    /// None where no row is needed.
    run: Option<Run>,
}

struct Run {
    sql: String,
    /// The database's own plan.
    database: Vec<String>,
    cost: Cost,
    real: Result<Real, StoreError>,
    /// Indexes that are not there.
    lacks: Vec<String>,
}

/// What came.
struct Real {
    rows: u64,
    bytes: usize,
    took: Duration,
}

impl DataApi {
    /// How an operation is answered: its parameters, the read, the SQL and the database's own plan,
    /// what it was estimated to give and what it gave, and the indexes that would lead to it.
    pub(crate) async fn explain(
        &self,
        query: &str,
        operation: Option<String>,
        variables: Option<JsonMap>,
    ) -> Result<String, Vec<ApiError>> {
        let request = ApiRequest {
            query: query.to_owned(),
            operation_name: operation,
            variables,
            streams: true,
            ..ApiRequest::default()
        };
        let bound = self.bind(request.into()).await?;
        Ok(self.explained(&bound).await?.text())
    }

    /// The same as JSON, of an operation that is answered beside it: in a turn like others, and
    /// nothing that is too much. With it, why the run for it failed, if it did.
    pub(super) async fn explained_in_turn(
        &self,
        bound: &Bound,
        client: Client,
    ) -> Result<(Bytes, Option<ApiError>), Vec<ApiError>> {
        let cost = self.cost(bound).await.map_err(|error| vec![error])?;
        super::cost::check(&cost, &self.0.limits).map_err(|error| vec![error])?;
        let turn = self.turn(&self.0.turns, Work::Long(client), self.0.limits.queue_wait);
        let turn = turn.await.map_err(|error| vec![error])?;
        let explained = self.explained(bound).await?;
        drop(turn);
        let failure = explained.run.as_ref().and_then(|run| run.real.as_ref().err());
        let failure = failure.map(ApiError::from_store);
        Ok((explained.json().to_string().into(), failure))
    }

    async fn explained(&self, bound: &Bound) -> Result<Explained, Vec<ApiError>> {
        let read = &bound.prepared.plan.read;
        let fail = |error: StoreError| vec![ApiError::from_store(&error)];
        let mut plan = describe(&self.0.catalog, read);
        for (number, param) in bound.params.iter().enumerate() {
            plan.push_str(&format!("${number} = {}\n", describe::value(param)));
        }
        if let Way::Constant(_) = bound.prepared.way {
            return Ok(Explained { plan, run: None });
        }
        // A load by key is shown as the statement that answers it alone.
        let statement = self.0.store.compile(read).map_err(fail)?;
        let explained = self.0.store.explain(&statement, &bound.params).await;
        let Explanation { sql, plan: database } = explained.map_err(fail)?;
        let cost = self.cost(bound).await.map_err(|error| vec![error])?;
        let answer = self.0.store.read(&statement, &bound.params).await;
        let real = match answer {
            Ok(answer) => Ok(Real {
                bytes: answer.json.len(),
                took: answer.took,
                rows: counted(bound.prepared.clone(), answer.json)
                    .await
                    .map_err(|error| vec![error])?,
            }),
            Err(error) => Err(error),
        };
        let run = Run {
            sql,
            database,
            cost,
            real,
            lacks: advice(&self.0.catalog, read),
        };
        Ok(Explained { plan, run: Some(run) })
    }
}

impl Explained {
    fn text(&self) -> String {
        let mut text = self.plan.clone();
        let Some(run) = &self.run else {
            text.push_str("\nNo row is needed: the answer is known from the schema.\n");
            return text;
        };
        text.push_str(&format!("\n{}\n\n{}\n", run.sql, run.database.join("\n")));
        text.push_str(&format!("\n{}\n", run.compared()));
        if !run.lacks.is_empty() {
            text.push_str(
                "\nNo index leads to these rows in this order. Where there are many, write into the definition:\n",
            );
            run.lacks.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        text
    }

    fn json(&self) -> Json {
        let plan: Vec<&str> = self.plan.lines().collect();
        let Some(run) = &self.run else {
            return json!({ "plan": plan });
        };
        let real = match &run.real {
            Ok(real) => json!({ "rows": real.rows, "bytes": real.bytes, "milliseconds": millis(real.took) }),
            Err(error) => json!({ "error": ApiError::from_store(error).message }),
        };
        json!({
            "plan": plan,
            "sql": run.sql,
            "database": run.database,
            "estimated": {
                "rows": run.cost.rows,
                "bytes": (run.cost.bytes > 0).then_some(run.cost.bytes),
                "milliseconds": millis(run.cost.time),
            },
            "real": real,
            "indexes": run.lacks,
        })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

impl Run {
    /// What was estimated beside what came.
    fn compared(&self) -> String {
        let line = |word: &str, rows: u64, bytes: &str, millis: f64| {
            format!("{word:<10} {rows} rows in lists, {bytes}, {millis:.1} ms")
        };
        // Those of lists are counted only where it is known how many rows their filters leave.
        let bytes = match self.cost.bytes {
            0 => "bytes unknown".to_owned(),
            bytes => format!("{bytes} bytes or more"),
        };
        let estimated = line("estimated:", self.cost.rows, &bytes, millis(self.cost.time));
        let real = match &self.real {
            Ok(real) => line("real:", real.rows, &format!("{} bytes", real.bytes), millis(real.took)),
            Err(error) => format!("real:      {error}"),
        };
        format!("{estimated}\n{real}")
    }
}

/// Rows in all lists of an answer. A large one takes a while to be read, and others do not wait for
/// it.
async fn counted(prepared: Arc<Prepared>, json: String) -> Result<u64, ApiError> {
    let count = move || rows(&prepared.plan.read, &serde_json::from_str(&json).unwrap_or_default());
    tokio::task::spawn_blocking(count).await.map_err(|cause| {
        tracing::error!(%cause, "counting an answer failed");
        ApiError::new(Code::Internal, "the rows could not be counted; the log has the cause")
    })
}

/// The same, as the estimate counts them.
fn rows(read: &Read, data: &Json) -> u64 {
    let roots = read.roots.iter().map(|root| {
        let value = &data[root.key.as_str()];
        match &root.value {
            RootValue::Json(_) => 0,
            RootValue::One(select) => below(&select.output, value),
            RootValue::Many(select) => listed(&select.output, value),
            RootValue::Connection(connection) => of_pages(connection, value),
            RootValue::Grouped(_) | RootValue::Freshness(_) => items(value).len() as u64,
        }
    });
    roots.sum()
}

fn items(list: &Json) -> &[Json] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The rows of a list, and of those below them.
fn listed(outputs: &[Output], list: &Json) -> u64 {
    items(list).iter().map(|row| 1 + below(outputs, row)).sum()
}

/// The rows of the lists below a row.
fn below(outputs: &[Output], row: &Json) -> u64 {
    let lists = outputs.iter().map(|output| {
        let value = &row[output.key.as_str()];
        match &output.value {
            OutputValue::One { output, .. } => below(output, value),
            OutputValue::Many { select, .. } => listed(&select.output, value),
            OutputValue::Connection { connection, .. } => of_pages(connection, value),
            OutputValue::Text(_) | OutputValue::NodeId(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => 0,
        }
    });
    lists.sum()
}

/// The rows of a page, once, however often they stand there; and of the lists below them.
fn of_pages(connection: &Connection, page: &Json) -> u64 {
    let (mut own, mut inner) = (0, 0);
    for member in &connection.output {
        let rows = items(&page[member.key.as_str()]);
        match &member.value {
            ConnectionValue::Nodes(outputs) => {
                own = own.max(rows.len() as u64);
                inner += rows.iter().map(|row| below(outputs, row)).sum::<u64>();
            }
            ConnectionValue::Edges(edges) => {
                own = own.max(rows.len() as u64);
                let nodes = edges.iter().filter_map(|edge| match &edge.value {
                    EdgeValue::Node(outputs) => Some((edge.key.as_str(), outputs)),
                    EdgeValue::Text(_) | EdgeValue::Cursor => None,
                });
                for (key, outputs) in nodes {
                    inner += rows.iter().map(|edge| below(outputs, &edge[key])).sum::<u64>();
                }
            }
            ConnectionValue::Text(_)
            | ConnectionValue::PageInfo(_)
            | ConnectionValue::TotalCount
            | ConnectionValue::Aggregate(_) => {}
        }
    }
    own + inner
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::runtime::Builder;

    use super::*;
    use crate::graphql::{Limits, testing::Farm};

    /// Where all threads that may block are busy, the count waits, and whoever polls it does not.
    #[test]
    fn answers_are_counted_beside_the_others() {
        let prepared = Builder::new_current_thread().enable_all().build();
        let prepared = prepared.expect("a runtime").block_on(async {
            let farm = Farm::stocked(Limits::default()).await;
            let query = "{ items { id } }".to_owned();
            let request = ApiRequest {
                query,
                ..ApiRequest::default()
            };
            farm.api.plan(Arc::new(request)).await.expect("a plan").prepared
        });
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv().is_err());
            let mut count = Box::pin(counted(prepared, r#"{"items":[{"id":"1"},{"id":"2"}]}"#.into()));
            assert!((&mut count).now_or_never().is_none(), "it was counted at once");
            drop(go);
            assert!(busy.await.expect("no panic"));
            assert_eq!(count.await.expect("a count"), 2);
        });
    }
}
