//! Other people's clients and generators: Apollo Client and urql ask, graphql-codegen and gql.tada make types that check.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::harness::{Db, Farm, on_both};

on_both!(apollo_and_urql_page_through_all_items);

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

/// What is printed and told by introspection is the same on both databases.
#[tokio::test]
async fn generated_types_check() {
    let farm = Farm::harvested(Db::Sqlite).await;
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("types").display().to_string();
    node(&["generate.mjs", &farm.program.url, &output]).await;
}
