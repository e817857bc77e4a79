//! How an operation is answered, in words: the read, the SQL, the database's own plan, what was
//! estimated beside what came, and which index is not there. Knows the store's contract; for a
//! person, who reads it, and so not for speed.

use std::{sync::Arc, time::Duration};

use apollo_compiler::response::JsonMap;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::store::{Answer, Explanation, StoreError};

use super::{
    ApiError, ApiRequest, Client, Code, DataApi,
    advice::advice,
    counted,
    describe::{self, describe},
    gate::Cost,
    kept::Data,
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
        Ok(self.explained(&bound).await?.0.text())
    }

    /// The same as JSON, of an operation that is answered beside it: in a turn like others, and
    /// nothing that is too much. With it the answer, or why there is none; nothing where no
    /// statement was needed.
    pub(super) async fn explained_in_turn(
        &self,
        bound: &Bound,
        client: Client,
    ) -> Result<(Bytes, Option<Result<Data, ApiError>>), Vec<ApiError>> {
        let cost = self.cost(bound).await.map_err(|error| vec![error])?;
        super::cost::check(&cost, &self.0.limits).map_err(|error| vec![error])?;
        let turn = self.turn(&self.0.turns, Work::Long(client), self.0.limits.queue_wait);
        let turn = turn.await.map_err(|error| vec![error])?;
        let (explained, answer) = self.explained(bound).await?;
        let told = explained.json().to_string().into();
        let failure = explained.run.as_ref().and_then(|run| run.real.as_ref().err());
        let told = match (answer, failure) {
            // It is the answer: to run it once more would take as long again.
            (Some(answer), _) => {
                self.0.store.show(answer.head);
                (told, Some(self.0.keeping.keep(answer.json, &[client]).await))
            }
            (None, Some(error)) => (told, Some(Err(ApiError::from_store(error)))),
            (None, None) => (told, None),
        };
        // A large answer is out of the memory before the turn ends.
        drop(turn);
        Ok(told)
    }

    /// With the answer, where a statement gave one.
    async fn explained(&self, bound: &Bound) -> Result<(Explained, Option<Answer>), Vec<ApiError>> {
        let read = &bound.prepared.plan.read;
        let fail = |error: StoreError| vec![ApiError::from_store(&error)];
        let mut plan = describe(&self.0.catalog, read);
        for (number, param) in bound.params.iter().enumerate() {
            plan.push_str(&format!("${number} = {}\n", describe::value(param)));
        }
        if let Way::Constant(_) = bound.prepared.way {
            return Ok((Explained { plan, run: None }, None));
        }
        // A load by key is shown as the statement that answers it alone.
        let statement = self.0.store.compile(read).map_err(fail)?;
        let explained = self.0.store.explain(&statement, &bound.params).await;
        let Explanation { sql, plan: database } = explained.map_err(fail)?;
        let cost = self.cost(bound).await.map_err(|error| vec![error])?;
        let (real, answer) = match self.0.store.read(&statement, &bound.params).await {
            Ok(Answer { json, head, took }) => {
                let bytes = json.len();
                let counted = counted(bound.prepared.clone(), json).await;
                let (rows, json) = counted.map_err(|error| vec![error])?;
                (Ok(Real { rows, bytes, took }), Some(Answer { json, head, took }))
            }
            Err(error) => (Err(error), None),
        };
        let run = Run {
            sql,
            database,
            cost,
            real,
            lacks: advice(&self.0.catalog, read),
        };
        Ok((Explained { plan, run: Some(run) }, answer))
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
async fn counted(prepared: Arc<Prepared>, json: String) -> Result<(u64, String), ApiError> {
    let count = move || (counted::rows(&prepared.plan.read, &json), json);
    tokio::task::spawn_blocking(count).await.map_err(|cause| {
        tracing::error!(%cause, "counting an answer failed");
        ApiError::new(Code::Internal, "the rows could not be counted; the log has the cause")
    })
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
            assert_eq!(count.await.expect("a count").0, 2);
        });
    }
}
