//! Answers that are kept, and their names: never older than they may be, never of other bytes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::{Value as Json, json};

use super::{
    ask, json_of,
    live::all_turns,
    random::{Asking, Stock},
    request,
};
use crate::{
    catalog::Catalog,
    change::Commit,
    config::Environment,
    graphql::{
        Answered, Client, DataApi, Limits, Tag,
        prepare::Bound,
        testing::{Farm, item},
    },
    store::testing::{Clock, On, on_both},
};

/// Random operations, and the commits between which they are asked.
const OPERATIONS: usize = 40;
const ROUNDS: usize = 60;

on_both!(
    what_is_kept_is_what_would_be_read,
    nobody_reads_what_is_older_than_the_last_commit,
    what_another_process_commits_is_heard_of,
);

fn limits() -> Limits {
    Limits {
        answer_cache: 1 << 20,
        ..Limits::default()
    }
}

/// What a client sees: the bytes, and the name of the answer.
async fn answer(api: &DataApi, query: &str, has: &[Tag]) -> Result<(Bytes, Option<Tag>), Tag> {
    match api.answer(Arc::new(request(query, json!({}))), has).await {
        Answered::Same(tag) => Err(tag),
        Answered::New(answer, tag) => {
            assert!(answer.errors().is_empty(), "{query}: {:?}", answer.errors());
            Ok((answer.body(), tag))
        }
    }
}

/// Random operations, and pages from a cursor on.
async fn operations(plain: &DataApi, catalog: &Catalog, random: &mut StdRng) -> Vec<String> {
    let mut queries: Vec<String> = (0..OPERATIONS)
        .map(|_| {
            Asking {
                catalog,
                random: &mut *random,
            }
            .operation()
        })
        .collect();
    for order in [
        "",
        "orderBy: {price: DESC}",
        "orderBy: {seller: {name: ASC}}",
        "orderBy: {name: DESC}",
    ] {
        let begin = format!("{{ itemsConnection(first: 1, {order}) {{ pageInfo {{ endCursor }} }} }}");
        let page = json_of(&plain.execute(request(&begin, json!({}))).await);
        let cursor = page["data"]["itemsConnection"]["pageInfo"]["endCursor"].as_str();
        let cursor = cursor.expect("a cursor");
        for page in ["first: 2, after", "last: 1, after", "last: 2, before"] {
            queries.push(format!(
                "{{ itemsConnection({page}: \"{cursor}\", {order}) {{ edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
            ));
        }
    }
    queries
}

/// Whether a query has this word.
fn names(query: &str, word: &str) -> bool {
    let mut words = query.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|found| found == word)
}

/// What is known of an operation from what came of it so far.
struct Asked {
    query: String,
    bound: Bound,
    /// The newest bytes and their name.
    newest: Option<(Bytes, Tag)>,
    /// The bytes of each name.
    named: HashMap<u128, Bytes>,
}

impl Asked {
    async fn of(api: &DataApi, query: String) -> Asked {
        let bound = api.plan(Arc::new(request(&query, json!({})))).await;
        Asked {
            bound: bound.unwrap_or_else(|errors| panic!("{query}: {errors:?}")),
            query,
            newest: None,
            named: HashMap::new(),
        }
    }

    /// After commits of which it is known whether it may have read what they changed: what comes of
    /// the cache is what comes of the database; two answers of one name are of the same bytes; who
    /// listens is woken where something is new; and where nothing is, everything stays.
    async fn ask(&mut self, api: &DataApi, plain: &DataApi, commits: &[Commit], may_differ: bool) {
        let query = &self.query;
        let (now, _) = answer(plain, query, &[]).await.expect("an answer");
        let wakes = commits
            .iter()
            .any(|commit| commit.changed.meets(&self.bound.prepared.parts));
        if let Some((bytes, _)) = &self.newest {
            assert!(wakes || *bytes == now, "who listens is left asleep: {query}");
        }
        assert!(may_differ || !wakes, "who listens is woken for nothing: {query}");
        let has: Vec<Tag> = self.newest.iter().map(|(_, tag)| *tag).collect();
        match answer(api, query, &has).await {
            Ok((bytes, tag)) => {
                assert!(may_differ || has.is_empty(), "it is the same still: {query}");
                assert_eq!(bytes, now, "an old one: {query}");
                let tag = tag.expect("a name");
                let known = self.named.entry(tag.0).or_insert_with(|| bytes.clone());
                assert_eq!(*known, bytes, "two answers of one name: {query}");
                self.newest = Some((bytes, tag));
            }
            Err(tag) => assert_eq!(self.named[&tag.0], now, "it is not the same: {query}"),
        }
        // What is kept of it now, or is from here on.
        let misses = api.cache_figures().misses;
        let (bytes, tag) = answer(api, query, &[]).await.expect("an answer");
        assert_eq!(bytes, now, "an old one: {query}");
        assert_eq!(tag, self.newest.as_ref().map(|(_, tag)| *tag), "{query}");
        assert!(
            may_differ || api.cache_figures().misses == misses,
            "it was kept: {query}"
        );
    }
}

/// Random operations between random commits, every other of which changes one column only.
async fn what_is_kept_is_what_would_be_read(on: On) {
    let farm = Farm::stocked_on(on, limits()).await;
    let catalog = farm.api.0.catalog.clone();
    let plain = DataApi::new(catalog.clone(), farm.api.store().clone(), Limits::default()).expect("a schema");
    let seed = Environment::of_process()
        .get("HAYLOFT_SEED")
        .map(|seed| seed.parse().expect("a number"));
    let random = &mut StdRng::seed_from_u64(seed.unwrap_or(7));
    let mut asked = Vec::new();
    for query in operations(&plain, &catalog, random).await {
        let mut one = Asked::of(&farm.api, query).await;
        one.ask(&farm.api, &plain, &[], true).await;
        asked.push(one);
    }
    let fields = catalog.entities.iter().flat_map(|entity| &entity.fields);
    let searched = fields.filter(|field| field.searched).map(|field| field.name.as_str());
    let searched: Vec<&str> = searched.collect();
    let (mut stock, mut told, mut kept) = (Stock::default(), farm.api.store().bus().listen(), 0);
    for round in 0..ROUNDS {
        let ticked = match round % 2 {
            0 => {
                stock.change(&farm, random).await;
                None
            }
            _ => stock.tick(&farm, random).await,
        };
        let commits: Vec<Commit> = std::iter::from_fn(|| told.try_recv().ok()).collect();
        for one in &mut asked {
            let searches = |column| names(&one.query, "search") && searched.contains(&column);
            let may_differ = ticked.is_none_or(|column| names(&one.query, column) || searches(column));
            kept += usize::from(!may_differ);
            one.ask(&farm.api, &plain, &commits, may_differ).await;
        }
    }
    let figures = farm.api.cache_figures();
    assert!(figures.hits > 1_000 && kept > 300, "{figures:?}, {kept} kept");
}

/// Readers and a writer at once: whoever asks after a commit was told reads it, or a later one.
async fn nobody_reads_what_is_older_than_the_last_commit(on: On) {
    const COMMITS: i64 = 60;
    let farm = Arc::new(Farm::stocked_on(on, limits()).await);
    farm.load("Item", vec![item("i1", "Axe", Some(0.0), &[])]).await;
    let told = Arc::new(AtomicI64::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let reader = |number: usize| {
        let (farm, told, asked) = (farm.clone(), told.clone(), asked.clone());
        let query = ["{ items(first: 1) { price } }", "{ item(id: \"i1\") { price } }"][number % 2];
        tokio::spawn(async move {
            let mut last = 0;
            while last < COMMITS {
                let before = told.load(Ordering::SeqCst);
                let request = request(query, json!({})).by(Client(number as u128), Default::default());
                let answer = json_of(&farm.api.execute(request).await);
                let data = &answer["data"];
                let found = data["item"].get("price").or_else(|| data["items"][0].get("price"));
                let price = found.and_then(Json::as_i64).unwrap_or_else(|| panic!("{answer}"));
                assert!(price >= before, "{price} after {before}");
                assert!(price >= last, "{price} after {last}");
                last = price;
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        })
    };
    let readers: Vec<_> = (0..24).map(reader).collect();
    for price in 1..=COMMITS {
        let since = asked.load(Ordering::SeqCst);
        farm.load("Item", vec![item("i1", "Axe", Some(price as f64), &[])])
            .await;
        told.store(price, Ordering::SeqCst);
        // Some read each of them, most of them from what is kept.
        let all_read = || readers.iter().all(|reader| !reader.is_finished());
        while price < COMMITS && all_read() && asked.load(Ordering::SeqCst) < since + 50 {
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        reader.await.expect("no older answer");
    }
    let figures = farm.api.cache_figures();
    assert!(figures.hits > figures.misses, "{figures:?}");
}

/// What others commit is known after a look, and nobody goes for long without one.
async fn what_another_process_commits_is_heard_of(on: On) {
    let farm = Farm::stocked_on(on, limits()).await;
    let other = farm.api.store().as_process("other", &Clock::default());
    let api = DataApi::new(farm.api.0.catalog.clone(), other.clone(), limits()).expect("a schema");
    let query = "{ item(id: \"i2\") { price } quests { title } }";
    let first = answer(&api, query, &[]).await.expect("an answer");
    farm.load("Item", vec![item("i2", "Bow", Some(21.0), &["t2"])]).await;
    other.look().await.expect("a look");
    let second = answer(&api, query, &[first.1.expect("a name")])
        .await
        .expect("another one");
    assert_ne!(first, second);
    // Both processes know it by one name.
    let here = answer(&farm.api, query, &[]).await.expect("an answer");
    assert_eq!(here, second);
    let again = answer(&api, query, &[here.1.expect("a name")]).await;
    assert_eq!(again.expect_err("the same"), here.1.expect("a name"));
    // What it does not read is no news to it.
    farm.load("Item", vec![item("i2", "Longbow", Some(21.0), &["t2"])])
        .await;
    other.look().await.expect("a look");
    assert_eq!(
        answer(&api, query, &[here.1.expect("a name")])
            .await
            .expect_err("the same"),
        here.1.expect("a name")
    );
}

#[tokio::test]
async fn what_is_known_asks_no_database() {
    let farm = Farm::stocked(limits()).await;
    for query in [
        "{ items { name } }",
        "{ item(id: \"i1\") { name } }",
        "{ __schema { types { name } } }",
    ] {
        let first = answer(&farm.api, query, &[]).await.expect("an answer");
        let before = farm.api.store().statements();
        for _ in 0..10 {
            assert_eq!(answer(&farm.api, query, &[]).await.expect("an answer"), first);
            let tag = first.1.expect("a name");
            assert_eq!(
                answer(&farm.api, query, &[Tag(1), tag]).await.expect_err("the same"),
                tag
            );
        }
        assert_eq!(farm.api.store().statements(), before, "{query}");
    }
    // What is said of harvests is of the moment; what failed has no name.
    let fresh = answer(&farm.api, "{ freshness { name rows } items { name } }", &[])
        .await
        .expect("an answer");
    assert_eq!(fresh.1, None);
    let failed = farm.api.answer(Arc::new(request("{ nothing }", json!({}))), &[]).await;
    assert!(matches!(failed, Answered::New(_, None)));
}

#[tokio::test]
async fn equal_operations_under_way_run_once() {
    const MANY: u128 = 20;
    let patient = Limits {
        queue_wait: Duration::from_secs(60),
        ..limits()
    };
    let farm = Farm::stocked(patient).await;
    let query = "{ items { name price } }";
    let want = ask(
        &farm,
        "{ items { price name } items2: items { name price } }",
        json!({}),
    )
    .await;
    let mut want = json!({ "data": { "items": want["data"]["items2"] } });
    // Its plan is known, and its estimate.
    ask(&farm, query, json!({})).await;
    farm.load("Item", vec![item("i1", "Axe", Some(11.0), &["t1", "t2"])])
        .await;
    ask(&farm, "{ items { price name } }", json!({})).await;
    let before = farm.api.store().statements();
    let held = all_turns(&farm).await;
    let asking = |client: u128| {
        let request = request(query, json!({})).by(Client(100 + client), Default::default());
        let api = farm.api.clone();
        Box::pin(async move { json_of(&api.execute(request).await) })
    };
    let mut waiting: Vec<_> = (0..MANY).map(asking).collect();
    // One of them leaves before its turn.
    let mut leaves = Box::pin(asking(MANY));
    assert!((&mut leaves).now_or_never().is_none());
    for asked in &mut waiting {
        assert!(asked.now_or_never().is_none());
    }
    assert_eq!(farm.api.0.answers.under_way(), 1);
    drop(leaves);
    drop(held);
    let answers = tokio::time::timeout(Duration::from_secs(60), join_all(waiting))
        .await
        .expect("in time");
    want["data"]["items"][0]["price"] = json!(11);
    for answer in answers {
        assert_eq!(answer, want);
    }
    assert_eq!(farm.api.store().statements() - before, 1);
    assert_eq!(farm.api.0.answers.under_way(), 0);
}
