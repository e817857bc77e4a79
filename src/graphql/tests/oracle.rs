//! The oracle: random operations over random catalogs and rows, each asked with its scalars as
//! literals and as variables, are answered as a naive evaluator works them out.
//!
//! `HAYLOFT_ORACLE` says how many operations there are on each database, `HAYLOFT_SEED` which.

mod ask;
mod computed;
mod naive;
mod searched;
mod text;
mod walks;
mod world;

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value as Json, json};

use self::{
    ask::{Ask, Maker, Root, Rows},
    naive::{Naive, agree},
    text::Text,
    world::World,
};
use super::{json_of, request};
use crate::{
    config::Environment,
    graphql::{Answered, Limits, testing::Farm},
    store::testing::{On, on_both},
};

on_both!(
    operations_are_answered_as_a_naive_evaluator_says,
    walks_beside_commits_are_as_a_naive_evaluator_says,
    kept_answers_are_as_a_naive_evaluator_says,
);

/// Operations on each database where nobody asks for more, and those of one catalog.
const OPERATIONS: usize = 1_000;
const OF_ONE_CATALOG: usize = 50;
/// Walks through all rows of a type, page by page, of one catalog.
const WALKS: usize = 4;
/// Catalogs whose answers are kept, operations of each, and commits after each of which all of
/// these are asked.
const KEPT_WORLDS: usize = 3;
const KEPT_OPERATIONS: usize = 12;
const KEPT_COMMITS: usize = 6;
/// Operations that are told of, of those whose answers are wrong.
const WRONG_MAX: usize = 6;

pub(super) fn number(name: &str, default: usize) -> usize {
    let environment = Environment::of_process();
    environment
        .get(name)
        .map_or(default, |text| text.parse().expect("a number"))
}

async fn operations_are_answered_as_a_naive_evaluator_says(on: On) {
    let seed = number("HAYLOFT_SEED", 10) as u64;
    let random = &mut StdRng::seed_from_u64(seed);
    let wanted = number("HAYLOFT_ORACLE", OPERATIONS);
    let (mut asked, mut wrong) = (0, Vec::new());
    while asked < wanted && wrong.len() < WRONG_MAX {
        let world = World::random(random);
        let farm = stocked(on, &world).await;
        for _ in 0..OF_ONE_CATALOG {
            wrong.extend(operation(&farm, &world, random).await);
            asked += 1;
        }
        for _ in 0..WALKS {
            wrong.extend(walk(&farm, &world, random).await);
        }
    }
    wrong.truncate(WRONG_MAX);
    assert!(
        wrong.is_empty(),
        "after {asked} operations, seed {seed}:\n\n{}",
        wrong.join("\n\n")
    );
    println!("shown: {asked} operations agree with the naive evaluator, seed {seed}");
}

/// Each order of the types of a catalog, while rows come and go between the pages.
async fn walks_beside_commits_are_as_a_naive_evaluator_says(on: On) {
    let seed = number("HAYLOFT_SEED", 10) as u64;
    let random = &mut StdRng::seed_from_u64(seed);
    let mut walks = 0;
    for _ in 0..number("HAYLOFT_ORACLE", OPERATIONS).div_ceil(OPERATIONS) {
        let world = World::random(random);
        let farm = stocked(on, &world).await;
        match walks::beside_commits(&farm, &world, random).await {
            Ok(count) => walks += count,
            Err(wrong) => panic!("after {walks} walks, seed {seed}:\n\n{wrong}"),
        }
    }
    println!("shown: {walks} walks beside commits agree with the naive evaluator, seed {seed}");
}

/// Operations that are asked again after each commit, of which some change what they read: what is
/// kept is never older, whatever the catalog.
async fn kept_answers_are_as_a_naive_evaluator_says(on: On) {
    let seed = number("HAYLOFT_SEED", 10) as u64;
    let random = &mut StdRng::seed_from_u64(seed);
    let (mut asked, mut hits) = (0, 0);
    for _ in 0..number("HAYLOFT_ORACLE", OPERATIONS).div_ceil(OPERATIONS) * KEPT_WORLDS {
        let mut world = World::random(random);
        let limits = Limits {
            answer_cache: 1 << 22,
            ..limits()
        };
        let farm = stocked_by(on, &world, limits).await;
        let operations: Vec<_> = (0..KEPT_OPERATIONS).map(|_| made(&farm, &world, random)).collect();
        for _ in 0..KEPT_COMMITS {
            let loaded: Vec<usize> = world.loaded_types().map(|(at, _)| at).collect();
            let at = loaded[random.random_range(0..loaded.len())];
            world.change(at, random);
            farm.replace(&world.types[at].name, world.load(&farm.api.0.catalog, at))
                .await;
            for (roots, query, variables) in &operations {
                let want = wanted(&world, roots);
                for _ in 0..2 {
                    let asked = Arc::new(request(query, variables.clone()));
                    let Answered::New(got, _) = farm.api.answer(asked, &[]).await else {
                        panic!("nobody has it");
                    };
                    let got = json_of(&got);
                    let (definition, rows) = (world.definition(), &world.rows);
                    assert!(
                        agree(&want, &got),
                        "seed {seed}:\n{definition}\n{query}\n{variables}\nwant {want}\ngot  {got}\n{rows:?}"
                    );
                }
                asked += 2;
            }
        }
        hits += farm.api.cache_figures().hits;
    }
    assert!(hits > asked / 3, "{hits} of {asked} were kept");
    println!("shown: {asked} answers, {hits} of them kept, agree with the naive evaluator, seed {seed}");
}

/// A database with all rows of a world.
async fn stocked(on: On, world: &World) -> Farm {
    stocked_by(on, world, limits()).await
}

async fn stocked_by(on: On, world: &World, limits: Limits) -> Farm {
    let farm = Farm::defined_on(on, &world.definition(), limits).await;
    for (at, of) in world.loaded_types() {
        farm.load(&of.name, world.load(&farm.api.0.catalog, at)).await;
    }
    farm
}

/// Operations may be as large as they become.
fn limits() -> Limits {
    Limits {
        query_bytes: 1 << 20,
        tokens: 100_000,
        depth: 60,
        aliases: 100_000,
        directives: 100_000,
        fields: 100_000,
        ..Limits::default()
    }
}

/// The names of the root fields of a type.
fn names(farm: &Farm, world: &World, of: usize) -> [String; 4] {
    let catalog = &farm.api.0.catalog;
    let id = catalog.entity_named(&world.types[of].name).expect("a type");
    let names = &catalog.entity(id).names;
    [&names.single, &names.many, &names.connection, &names.grouped].map(Clone::clone)
}

/// The roots of an operation, with their names.
type Roots = Vec<(Root, [String; 4])>;

fn roots(farm: &Farm, world: &World, random: &mut StdRng) -> Roots {
    let count = random.random_range(1..3);
    let root = |_| {
        let random = &mut *random;
        let root = Maker { world, random }.root();
        let of = root.of();
        (root, names(farm, world, of))
    };
    (0..count).map(root).collect()
}

/// An operation with its text, and its scalars as variables or not.
fn made(farm: &Farm, world: &World, random: &mut StdRng) -> (Roots, String, Json) {
    let roots = roots(farm, world, random);
    let mut text = Text::new(world, random.random_bool(0.5));
    let query = text.operation(&roots);
    (roots, query, Json::Object(text.variables))
}

fn wanted(world: &World, roots: &Roots) -> Json {
    let members = roots.iter().enumerate();
    let members = members.map(|(at, (root, _))| (format!("r{at}"), Naive(world).root(root)));
    json!({ "data": Json::Object(members.collect()) })
}

/// What is wrong with the answers to an operation.
async fn operation(farm: &Farm, world: &World, random: &mut StdRng) -> Option<String> {
    let roots = roots(farm, world, random);
    let want = wanted(world, &roots);
    for as_variables in [false, true] {
        let mut text = Text::new(world, as_variables);
        let query = text.operation(&roots);
        let variables = Json::Object(text.variables);
        let got = json_of(&farm.api.execute(request(&query, variables.clone())).await);
        if !agree(&want, &got) {
            let (definition, rows) = (world.definition(), &world.rows);
            return Some(format!(
                "{definition}\n{query}\n{variables}\nwant {want}\ngot  {got}\n{rows:?}"
            ));
        }
    }
    None
}

/// All rows of a type in some order, page by page, from either end: each once, nulls included.
async fn walk(farm: &Farm, world: &World, random: &mut StdRng) -> Option<String> {
    let of = random.random_range(0..world.types.len());
    let [_, _, connection, _] = names(farm, world, of);
    let leaf = world.types[of].leaves[0].name.clone();
    let order = Maker { world, random }.orders(of);
    let rows = Rows {
        order,
        ..Rows::default()
    };
    let text = Text::new(world, false);
    let order: Vec<String> = rows.order.iter().map(|order| text.order(of, order)).collect();
    let order = format!("orderBy: [{}]", order.join(", "));
    let asks = vec![Ask::Leaf("n".to_owned()), Ask::Leaf(leaf.clone())];
    let want = Naive(world).root(&Root::Many(of, rows, asks));
    let size = random.random_range(1..4);
    for (end, place, cursor, more) in [
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ] {
        let query = format!(
            "query($at: String) {{ all: {connection}({order}, {end}: {size}, {place}: $at) {{ nodes {{ k0: n k1: {leaf} }} pageInfo {{ {cursor} {more} }} }} }}"
        );
        let (mut found, mut at) = (Vec::new(), Json::Null);
        loop {
            let got = json_of(&farm.api.execute(request(&query, json!({ "at": at }))).await);
            let page = &got["data"]["all"];
            let Some(nodes) = page["nodes"].as_array().cloned() else {
                return Some(format!("{}\n{query}\n{got}", world.definition()));
            };
            found = match end {
                "first" => [found, nodes].concat(),
                _ => [nodes, found].concat(),
            };
            at = page["pageInfo"][cursor].clone();
            if page["pageInfo"][more] != json!(true) {
                break;
            }
        }
        let found = Json::Array(found);
        if !agree(&want, &found) {
            let definition = world.definition();
            return Some(format!("{definition}\n{query}\nwant {want}\ngot  {found}"));
        }
    }
    None
}
