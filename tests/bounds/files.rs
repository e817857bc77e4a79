//! Files beside the database: their rights, and the lock that a second process meets. And what a terminal is shown of others' data.

use std::{os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use super::{bystander, serve};
use crate::harness::{Reply, Scratch, Upstream};

fn rights(path: &Path) -> u32 {
    let known = std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    known.permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_their_users_alone() {
    let (scratch, program) = serve(&[]).await;
    for name in [
        "schema.db",
        "schema.db-lock",
        "schema.db-control",
        "schema.db-wal",
        "schema.db-shm",
    ] {
        assert_eq!(format!("{:o}", rights(&scratch.path(name))), "600", "{name}");
    }
    scratch.must(&["backup", "copy.db"], &[]).await;
    assert_eq!(format!("{:o}", rights(&scratch.path("copy.db"))), "600", "a backup");
    assert_eq!(program.terminate().await, Some(0));
    scratch.must(&["restore", "copy.db", "--replace"], &[]).await;
    assert_eq!(
        format!("{:o}", rights(&scratch.path("schema.db"))),
        "600",
        "a restored database"
    );
}

/// The lock's file is one that a person may take for a leftover.
#[tokio::test]
async fn a_deleted_lock_lets_nobody_in() {
    let (scratch, program) = serve(&[]).await;
    std::fs::remove_file(scratch.path("schema.db-lock")).expect("the lock's file");
    let second = scratch.run(&["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.err.contains("another hayloft process"), "{second:?}");
    bystander(&program).await;
    program.kill().await;
    let next = scratch.serve(&[]).await;
    bystander(&next).await;
}

#[tokio::test]
async fn a_terminal_is_not_told_what_to_do_by_an_upstream() {
    let upstream = Upstream::start().await;
    let evil = "\u{1b}[2J\u{9b}31m\u{7}\u{202e}";
    upstream.set(
        "/notes",
        Reply::json(&json!([{ "id": evil, "n": evil }, { "id": "b", "n": 1 }])),
    );
    let definition = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
        type Note @fetch(source: \"up\", GET: \"/notes\", rows: \".[]\") { id: ID! n: Int! }\n";
    let scratch = Scratch::new(definition);
    let url = upstream.url();
    for arguments in [
        &["harvest"][..],
        &["status"],
        &["status", "--refused"],
        &["status", "--refused", "--json"],
    ] {
        let output = scratch.run(arguments, &[("UP", &url)]).await;
        for text in [&output.out, &output.err] {
            let wrong = text.chars().find(|found| moves(*found));
            assert_eq!(wrong, None, "{arguments:?}: {text:?}");
        }
        if arguments.contains(&"--refused") {
            assert!(output.out.contains("\\u001b[2J"), "{output:?}");
        }
    }
    // A failure that repeats what was sent.
    upstream.set("/notes", Reply::text(400, "text/plain", format!("no: {evil}")));
    let failed = scratch.run(&["harvest"], &[("UP", &url)]).await;
    for told in [&failed.out, &failed.err] {
        assert!(told.contains("answered 400"), "{told:?}");
        assert_eq!(told.chars().find(|found| moves(*found)), None, "{told:?}");
    }
    assert!(failed.out.contains("\\u202e"), "{failed:?}");
}

/// Whether a terminal does something at this character, other than show it.
fn moves(character: char) -> bool {
    character.is_control() && character != '\n' || character == '\u{202e}'
}
