//! Golden cases: `tests/cases/graphql/operations/*.graphql`, each with its plan in words, the SQL
//! of both databases, and its answer, which is the same from both.

use serde_json::Value as Json;

use super::request;
use crate::{
    graphql::{
        Limits,
        describe::{self, describe},
        prepare::Way,
        testing::{Farm, cases, golden},
    },
    store::testing::On,
};

/// As many as there are at least: none is lost by a slip.
const CASES_MIN: usize = 200;

/// What is pinned of an operation but for its answer and SQL.
fn plan(bound: &crate::graphql::prepare::Bound, farm: &Farm) -> String {
    let mut text = describe(&farm.api.0.catalog, &bound.prepared.plan.read);
    for (number, param) in bound.params.iter().enumerate() {
        text.push_str(&format!("${number} = {}\n", describe::value(param)));
    }
    text
}

/// Its plan, its SQL and its answer; or the refusal.
async fn outcome(farm: &Farm, query: &str, variables: &Json) -> [String; 3] {
    let asked = || request(query, variables.clone());
    let answer = farm.api.execute(asked()).await;
    let answer = String::from_utf8(answer.body().to_vec()).expect("UTF-8");
    let Ok(bound) = farm.api.bind(asked().into()).await else {
        return [String::new(), String::new(), answer];
    };
    let sql = match &bound.prepared.way {
        Way::Constant(_) => "none".to_owned(),
        Way::Keyed(_) | Way::Statement(_) => {
            let statement = farm
                .api
                .store()
                .compile(&bound.prepared.plan.read)
                .expect("a statement");
            let explained = farm.api.store().explain(&statement, &bound.params).await;
            explained.expect("the database's plan").sql
        }
    };
    [plan(&bound, farm), sql, answer]
}

/// The first line of a case is its variables: `# {"id": "1"}`.
#[tokio::test(flavor = "multi_thread")]
async fn golden_operations_of_sqlite_and_postgres() {
    let mut paths: Vec<_> = std::fs::read_dir(cases().join("operations"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "graphql"))
        .collect();
    paths.sort();
    assert!(paths.len() >= CASES_MIN, "{} cases", paths.len());
    let sqlite = Farm::stocked_on(On::Sqlite, Limits::default()).await;
    let postgres = Farm::stocked_on(On::Postgres, Limits::default()).await;
    let mut wrong = Vec::new();
    for path in paths {
        let query = std::fs::read_to_string(&path).expect("a readable case");
        let first = query.lines().next().and_then(|line| line.strip_prefix("# "));
        let variables = first.map_or(Json::Null, |json| {
            serde_json::from_str(json).expect("variables as JSON")
        });
        let [plan, one, answer] = outcome(&sqlite, &query, &variables).await;
        let [same_plan, other, same_answer] = outcome(&postgres, &query, &variables).await;
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert_eq!((&plan, &answer), (&same_plan, &same_answer), "{name}");
        let text = match plan.is_empty() {
            true => format!("{answer}\n"),
            false => format!("{plan}\n-- SQLite\n{one}\n\n-- PostgreSQL\n{other}\n\n{answer}\n"),
        };
        let file = format!("operations/{name}.txt");
        if std::panic::catch_unwind(|| golden(&file, &text)).is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these differ: {wrong:?}");
}
