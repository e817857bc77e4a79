//! Doors for bytes that nobody chose: the gate, the planner, cursors, and conditions down to SQL.
//! Each takes any bytes and may refuse them; it must neither panic nor let them into the SQL. Built
//! for tests and for `make fuzz` alone; keeps nothing.

use std::sync::LazyLock;

use apollo_compiler::response::JsonMap;
use chrono::DateTime;
use serde_json::json;

use super::{
    ApiError, Limits, Served,
    coerce::coerce,
    digits::{self, read_json},
    gate,
    plan::{self, Plan},
};
use crate::{
    catalog::{self, Catalog, Valid},
    definition::SourceFile,
    layout::Layout,
    query::Read,
    store,
    value::Value,
};

/// What is asked of: the farm of the golden cases.
struct Farm {
    catalog: Valid<Catalog>,
    layout: Layout,
    served: Served,
    limits: Limits,
}

static FARM: LazyLock<Option<Farm>> = LazyLock::new(|| {
    let text = include_str!("../../tests/cases/graphql/definition.graphql").to_owned();
    let path = "farm.graphql".into();
    let catalog = catalog::load(&[SourceFile { path, text }]).ok()?;
    Some(Farm {
        layout: Layout::of(&catalog),
        served: Served::of(&catalog).ok()?,
        catalog,
        limits: Limits::default(),
    })
});

fn farm() -> &'static Farm {
    let farm = FARM.as_ref();
    assert!(farm.is_some(), "the farm is right");
    farm.unwrap_or_else(|| std::process::abort())
}

/// A text that may be read or not: what is refused is told why.
pub fn gate(bytes: &[u8]) {
    let (farm, text) = (farm(), String::from_utf8_lossy(bytes));
    if let Err(errors) = gate::admit(&farm.served, &farm.limits, &text) {
        told(&errors);
    }
}

/// A whole operation, planned and bound, and its SQL on both databases.
pub fn planner(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((plan, _)) = planned(&text, &JsonMap::new()) {
        statements(&plan.read);
    }
}

/// A text in the place of a cursor: it is one of this connection and order, or refused. What the
/// statement is does not depend on it.
pub fn cursor(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let order = [
        "",
        "orderBy: {price: DESC}",
        "orderBy: [{seller: {name: ASC}}, {rarity: DESC}]",
    ];
    for order in order {
        let query = format!(
            "query ($at: String) {{ itemsConnection(first: 2, after: $at, {order}) {{ edges {{ cursor }} }} }}"
        );
        let variables = read_json(json!({ "at": text }).to_string().as_bytes()).unwrap_or_default();
        if let Ok((plan, _)) = planned(&query, &variables) {
            statements(&plan.read);
        }
    }
}

/// A condition as bytes have it; and bytes as the value of one, which is bound and changes nothing.
pub fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((plan, _)) = planned(&format!("{{ items(where: {{{text}}}) {{ id }} }}"), &JsonMap::new()) {
        statements(&plan.read);
    }
    for condition in [
        "name: {eq: VALUE}",
        "name: {like: VALUE}",
        "extra: {path: [VALUE, 0], eq: VALUE}",
        "extra: {hasKey: VALUE, ilike: VALUE}",
        "or: [{aliases: {has: VALUE}}, {seller: {home: {contains: VALUE}}}]",
    ] {
        let sql = |value: &str| {
            let value = json!(value).to_string();
            let query = format!(
                "{{ items(where: {{{}}}) {{ id }} }}",
                condition.replace("VALUE", &value)
            );
            planned(&query, &JsonMap::new()).map(|(plan, _)| statements(&plan.read))
        };
        if let (Ok(plain), Ok(hostile)) = (sql("a"), sql(&text)) {
            assert_eq!(plain, hostile, "a value is in the SQL: {text:?}");
        }
    }
}

/// The plan of an operation without a name, and the values of its parameters.
fn planned(text: &str, variables: &JsonMap) -> Result<(Plan, Vec<Value>), ()> {
    let farm = farm();
    let tell = |errors: Vec<ApiError>| told(&errors);
    let admitted = gate::admit(&farm.served, &farm.limits, text).map_err(tell)?;
    let document = &admitted.document;
    let operation = document.operations.get(None).map_err(drop)?;
    let one = |error: ApiError| told(&[error]);
    let schema = &farm.served.schema;
    let variables = digits::settled(schema, operation, variables);
    let variables = coerce(schema, operation, &variables, &document.sources).map_err(one)?;
    admitted.check_nulls(operation, &variables).map_err(one)?;
    let (served, limits) = (&farm.served, &farm.limits);
    let literals = Some(&admitted.literals);
    let plan = plan::plan(&farm.catalog, served, limits, document, operation, &variables, literals).map_err(one)?;
    let now = DateTime::UNIX_EPOCH;
    let params = plan.params.iter();
    let params = params.map(|param| param.bind(&variables, &admitted.literals, &farm.catalog, now));
    let params = params.collect::<Result<Vec<_>, _>>().map_err(one)?;
    Ok((plan, params))
}

/// The SQL of both databases: one statement, without a text of the operation where none belongs.
fn statements(read: &Read) -> Option<[String; 2]> {
    let farm = farm();
    let both = store::compiled(&farm.catalog, &farm.layout, read).ok()?;
    for sql in &both {
        assert!(
            sql.starts_with("SELECT ") && quotes_close(sql),
            "no whole statement: {sql}"
        );
    }
    Some(both)
}

/// Whether each text and each name ends, and nothing outside of them ends the statement.
fn quotes_close(sql: &str) -> bool {
    let (mut within, mut before) = (None, ' ');
    for letter in sql.chars() {
        match (within, before, letter) {
            (Some(mark), _, letter) if mark == letter => within = None,
            (None, _, '\'' | '"') => within = Some(letter),
            (None, _, ';') | (None, '-', '-') | (None, '/', '*') => return false,
            _ => {}
        }
        before = letter;
    }
    within.is_none()
}

/// A refusal says something, and no SQL.
fn told(errors: &[ApiError]) {
    assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()));
    assert!(errors.iter().all(|error| !error.message.contains("SELECT json")));
}
