//! Names and chains as PostgreSQL takes them. Knows the dialect; no server.

use super::*;
use crate::store::db::dialect::CHAIN_MAX;

#[test]
fn long_names_stay_apart() {
    let long = "ä".repeat(40);
    let (one, other) = (format!("{long}1"), format!("{long}2"));
    assert_eq!(Postgres::OVER_TCP.name("short"), "short");
    assert!(Postgres::OVER_TCP.name(&one).len() <= NAME_MAX);
    assert_ne!(Postgres::OVER_TCP.name(&one), Postgres::OVER_TCP.name(&other));
}

#[test]
fn long_chains_are_put_together_in_parts() {
    let parts: Vec<String> = (0..120).map(|at| format!("'{at}'")).collect();
    let text = Postgres::OVER_TCP.concat(&parts);
    let deepest = text.split(['(', ')']).map(|part| part.matches("||").count()).max();
    assert_eq!(deepest, Some(CHAIN_MAX - 1));
    assert_eq!(text.matches("||").count(), 119);
}
