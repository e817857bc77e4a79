//! What `explain` says, on both databases, in golden files: everything but times, and but
//! PostgreSQL's own costs and plan, which go by its statistics.

use crate::{
    graphql::{
        Limits,
        testing::{Farm, golden},
    },
    store::testing::{On, on_both},
};

on_both!(what_explain_says,);

/// The text with what differs from run to run replaced.
fn normalised(on: On, text: &str) -> String {
    let parts: Vec<&str> = text.split("\n\n").collect();
    let part = |(at, part): (usize, &&str)| match (on, at) {
        // The database's own plan.
        (On::Postgres, 2) => format!(
            "({} of PostgreSQL's own plan)",
            if part.contains("cost=") { "lines" } else { "none" }
        ),
        _ => part
            .lines()
            .map(|line| timeless(on, line))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    let mut text = parts.iter().enumerate().map(part).collect::<Vec<_>>().join("\n\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn timeless(on: On, line: &str) -> String {
    if on == On::Postgres && line.starts_with("estimated:") {
        return "estimated: by PostgreSQL's own statistics".to_owned();
    }
    match line.rsplit_once(", ") {
        Some((before, time)) if time.ends_with(" ms") => format!("{before}, … ms"),
        _ => line.to_owned(),
    }
}

async fn what_explain_says(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let database = match on {
        On::Sqlite => "sqlite",
        On::Postgres => "postgres",
    };
    for (name, query) in [
        ("indexed", "{ items(where: {price: {gt: 1}}, first: 5) { id } }"),
        (
            "ordered",
            "{ items(orderBy: {name: DESC}, first: 2) { name tags { id } } }",
        ),
        (
            "filtered_and_ordered",
            "{ items(where: {rarity: {eq: RARE}}, orderBy: [{price: DESC}, {name: ASC}], first: 2) { name } }",
        ),
        (
            "best_of_each",
            "{ npcs { name sells(orderBy: {price: DESC}, first: 3) { name } } npc(id: \"n1\") { sellsConnection(first: 1, orderBy: {price: DESC}) { edges { node { id } } nodes { tags { id } } } } }",
        ),
        ("items_of_a_list", "{ items(where: {aliases: {has: \"a\"}}) { id } }"),
        ("by_key", "{ item(id: \"i1\") { name } }"),
        (
            "behind_a_link",
            "{ items(where: {seller: {id: {eq: \"n1\"}}}, orderBy: {soldAt: ASC}) { id } }",
        ),
        ("no_row", "{ __typename }"),
    ] {
        let said = farm.api.explain(query, None).await.expect("an explanation");
        golden(&format!("explain/{name}.{database}.txt"), &normalised(on, &said));
    }
}
