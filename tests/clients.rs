//! Other people's clients and generators: Apollo Client and urql ask and page, graphql-codegen and gql.tada make types that check.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Db, Farm, Reply, Scratch, Upstream, on_both};

on_both!(
    apollo_and_urql_page_through_all_items,
    apollo_and_urql_page_through_a_thousand_rows_of_a_connection
);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs a program of the folder; it has to succeed.
async fn node(arguments: &[&str]) -> String {
    let folder = clients();
    assert!(
        folder.join("node_modules/gql.tada").exists(),
        "`make test` installs these packages"
    );
    let run = Command::new("node")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = run.await.expect("node");
    let told = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{told}");
    told
}

async fn apollo_and_urql_page_through_all_items(db: Db) {
    let farm = Farm::harvested(db).await;
    node(&["ask.mjs", &farm.program.url]).await;
}

async fn apollo_and_urql_page_through_a_thousand_rows_of_a_connection(db: Db) {
    let upstream = Upstream::start().await;
    // Few prices, so that pages end among equal ones, and more rows without one than a page has.
    let row = |at: usize| {
        let price = (!at.is_multiple_of(7)).then_some(at % 5);
        json!({ "id": at.to_string(), "name": format!("n{}", at * 37 % 500), "price": price })
    };
    upstream.set("/things", Reply::json(&(0..1_000).map(row).collect::<Value>()));
    let definition = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
        type Thing @fetch(source: \"up\", every: \"1h\", GET: \"/things\", rows: \".[]\") { id: ID! name: String! price: Float @index }";
    let scratch = Scratch::on(db, definition);
    let url = upstream.url();
    let harvest = scratch.run(&["harvest"], &[("UP", &url)]).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    let program = scratch.serve(&[("UP", &url)]).await;
    node(&["pages.mjs", &program.url]).await;
}

/// What is printed and told by introspection is the same on both databases.
#[tokio::test]
async fn generated_types_check() {
    let farm = Farm::harvested(Db::Sqlite).await;
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("types").display().to_string();
    node(&["generate.mjs", &farm.program.url, &output]).await;
}
