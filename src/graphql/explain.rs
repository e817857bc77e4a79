//! How an operation is answered, in words: the read, the SQL, the database's own plan, what was
//! estimated beside what came, and which index is not there. Knows the store's contract; for a
//! person, who reads it, and so not for speed.

use apollo_compiler::response::JsonMap;
use serde_json::Value as Json;

use crate::{
    query::{Connection, ConnectionValue, EdgeValue, Output, OutputValue, Read, RootValue},
    store::{Answer, Explanation, StoreError},
};

use super::{
    ApiError, ApiRequest, DataApi,
    advice::advice,
    describe::{self, describe},
    gate::Cost,
    prepare::Way,
};

impl DataApi {
    /// How an operation is answered: its parameters, the read, the SQL and the database's own plan,
    /// what it was estimated to give and what it gave, and the indexes that would lead to it.
    pub(crate) async fn explain(&self, query: &str, variables: Option<JsonMap>) -> Result<String, Vec<ApiError>> {
        let request = ApiRequest {
            query: query.to_owned(),
            variables,
            streams: true,
            ..ApiRequest::default()
        };
        let bound = self.bind(request.into()).await?;
        let read = &bound.prepared.plan.read;
        let fail = |error: StoreError| vec![ApiError::from_store(&error)];
        let mut text = describe(&self.0.catalog, read);
        for (number, param) in bound.params.iter().enumerate() {
            text.push_str(&format!("${number} = {}\n", describe::value(param)));
        }
        if let Way::Constant(_) = bound.prepared.way {
            text.push_str("\nNo row is needed: the answer is known from the schema.\n");
            return Ok(text);
        }
        // A load by key is shown as the statement that answers it alone.
        let statement = self.0.store.compile(read).map_err(fail)?;
        let Explanation { sql, plan } = self.0.store.explain(&statement, &bound.params).await.map_err(fail)?;
        text.push_str(&format!("\n{sql}\n\n{}\n", plan.join("\n")));
        let cost = self.cost(&bound).await.map_err(|error| vec![error])?;
        let answer = self.0.store.read(&statement, &bound.params).await;
        text.push_str(&format!("\n{}\n", compared(read, &cost, answer)));
        let lacks = advice(&self.0.catalog, read);
        if !lacks.is_empty() {
            text.push_str(
                "\nNo index leads to these rows in this order. Where there are many, write into the definition:\n",
            );
            lacks.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        Ok(text)
    }
}

/// What was estimated beside what came.
fn compared(read: &Read, cost: &Cost, answer: Result<Answer, StoreError>) -> String {
    let line = |word: &str, rows: u64, bytes: &str, millis: f64| {
        format!("{word:<10} {rows} rows in lists, {bytes}, {millis:.1} ms")
    };
    let millis = |time: std::time::Duration| time.as_micros() as f64 / 1_000.0;
    // Those of lists are counted only where it is known how many rows their filters leave.
    let bytes = match cost.bytes {
        0 => "bytes unknown".to_owned(),
        bytes => format!("{bytes} bytes or more"),
    };
    let estimated = line("estimated:", cost.rows, &bytes, millis(cost.time));
    let real = match answer {
        Ok(answer) => {
            let data = serde_json::from_str(&answer.json).unwrap_or_default();
            let bytes = format!("{} bytes", answer.json.len());
            line("real:", rows(read, &data), &bytes, millis(answer.took))
        }
        Err(error) => format!("real:      {error}"),
    };
    format!("{estimated}\n{real}")
}

/// Rows in all lists of an answer, as the estimate counts them.
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
            OutputValue::Text(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => 0,
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
