//! Counts what steps touch. Only reads; knows the stored tables.

use crate::{
    layout::{
        ROW_COLUMN,
        steps::{Condition, Step, Steps, Touch},
    },
    store::{db::dialect::Dialect, error::StoreError, types::PlannedStep},
};

/// Something that answers `SELECT`s: a transaction, or a reader.
pub(crate) trait Asks {
    /// The number in the first column of the first row.
    fn number(&mut self, sql: String) -> impl Future<Output = Result<i64, StoreError>> + Send;
}

/// Puts numbers to steps.
pub(crate) async fn count(
    asks: &mut impl Asks,
    dialect: &dyn Dialect,
    steps: &Steps,
) -> Result<Vec<PlannedStep>, StoreError> {
    let mut out = Vec::with_capacity(steps.steps.len());
    for step in &steps.steps {
        out.push(one(asks, dialect, step).await?);
    }
    Ok(out)
}

async fn one(asks: &mut impl Asks, dialect: &dyn Dialect, step: &Step) -> Result<PlannedStep, StoreError> {
    let touched = match &step.touch {
        Some(touch) => {
            let sql = format!(
                "SELECT CAST(count(*) AS BIGINT) FROM {} WHERE {}",
                dialect.quote(&touch.table),
                condition(dialect, touch)
            );
            asks.number(sql).await?
        }
        None => 0,
    };
    let filled = match &step.refill {
        Some(refill) if !step.refills_touched_only() => {
            let table = dialect.quote(&refill.table);
            asks.number(format!(
                "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM {table} LIMIT 1) AS one"
            ))
            .await?
        }
        Some(_) => touched,
        None => 0,
    };
    Ok(PlannedStep {
        step: step.clone(),
        rows: touched.unsigned_abs(),
        refills: filled > 0,
        holds_up: false,
    })
}

/// Which rows a step touches, as a condition on their table.
pub(crate) fn condition(dialect: &dyn Dialect, touch: &Touch) -> String {
    let all = |columns: &[String], test: &str, word: &str| {
        let tests: Vec<String> = columns
            .iter()
            .map(|column| format!("{} {test}", dialect.quote(column)))
            .collect();
        tests.join(word)
    };
    match &touch.when {
        Condition::All => "1=1".to_owned(),
        Condition::Null(columns) => all(columns, "IS NULL", " OR "),
        Condition::NotNull(columns) => all(columns, "IS NOT NULL", " OR "),
        Condition::OneOf { column, values } => {
            let values: Vec<String> = values.iter().map(|value| dialect.literal(value)).collect();
            format!("{} IN ({})", dialect.quote(column), values.join(","))
        }
        Condition::Repeated(columns) => {
            let names: Vec<String> = columns.iter().map(|column| dialect.quote(column)).collect();
            let row = dialect.quote(ROW_COLUMN);
            format!(
                "{row} IN (SELECT {row} FROM (SELECT {row},row_number() OVER (PARTITION BY {} ORDER BY {row}) AS nth \
                 FROM {} WHERE {}) AS repeated WHERE nth>1)",
                names.join(","),
                dialect.quote(&touch.table),
                all(columns, "IS NOT NULL", " AND ")
            )
        }
    }
}
