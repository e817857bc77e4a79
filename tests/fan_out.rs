//! A `@fetch` on a field by real processes: lists that follow their upstream, kills in the middle, several processes at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{Db, Reply, Scratch, Socket, Upstream, eventually, on_both};

on_both!(
    lists_follow_their_upstream,
    killed_in_the_middle_it_goes_on_with_what_is_left,
    requests_for_rows_that_have_gone_are_forgotten,
    failures_are_told
);

/// What the upstream says: each item's name and the keys of its recipes.
type Shop = Arc<Mutex<BTreeMap<u32, (String, Vec<u32>)>>>;

/// `arguments` are those of the field's @fetch beside the request.
fn definition(items: &str, arguments: &str) -> String {
    format!(
        "extend schema @source(name: \"shop\", url: \"{{$env.SHOP}}\", concurrency: 8)\n\
         type Item @fetch(source: \"shop\", GET: \"/items\", rows: \".[]\", missing: DELETE, maxMissing: 1 {items}) {{\n\
         id: ID! name: String\n\
         recipes: [Recipe!]! @fetch(source: \"shop\", GET: \"/items/{{$this.id}}/recipes\", rows: \".[]\" {arguments}) }}\n\
         type Recipe {{ id: ID! name: String items: [Item!]! @inverse(field: \"recipes\") }}"
    )
}

async fn shop(count: u32, delay: Duration) -> (Shop, Upstream) {
    let items = (1..=count).map(|id| (id, (format!("item {id}"), vec![id, id + 1])));
    let shop: Shop = Arc::new(Mutex::new(items.collect()));
    let upstream = serve(&shop, delay).await;
    (shop, upstream)
}

async fn serve(shop: &Shop, delay: Duration) -> Upstream {
    let upstream = Upstream::start().await;
    let told = Arc::clone(shop);
    upstream.handle(move |path| answer(&told.lock().expect("the shop"), path).map(|reply| reply.after(delay)));
    upstream
}

fn answer(shop: &BTreeMap<u32, (String, Vec<u32>)>, path: &str) -> Option<Reply> {
    if path == "/items" {
        let items = shop.iter().map(|(id, (name, _))| json!({ "id": id, "name": name }));
        return Some(Reply::json(&items.collect()));
    }
    let id: u32 = path.strip_prefix("/items/")?.strip_suffix("/recipes")?.parse().ok()?;
    let recipes = shop.get(&id)?.1.iter();
    let recipes = recipes.map(|id| json!({ "id": id, "name": format!("recipe {id}") }));
    Some(Reply::json(&recipes.collect()))
}

/// Who was asked about since then, from the paths.
fn asked(upstream: &Upstream, since: usize) -> Vec<String> {
    let about = |path: &String| Some(path.strip_prefix("/items/")?.strip_suffix("/recipes")?.to_owned());
    upstream.asked().iter().skip(since).filter_map(about).collect()
}

fn lists(shop: &Shop) -> Value {
    let shop = shop.lock().expect("the shop");
    let mut ids: Vec<String> = shop.keys().map(u32::to_string).collect();
    ids.sort();
    let item = |id: &String| {
        let recipes = &shop[&id.parse::<u32>().expect("a number")].1;
        let recipes: Vec<Value> = recipes.iter().map(|id| json!({ "id": id.to_string() })).collect();
        json!({ "id": id, "recipes": recipes })
    };
    json!({ "items": ids.iter().map(item).collect::<Vec<_>>() })
}

const LISTS: &str = "{ items(orderBy: [{id: ASC}]) { id recipes { id } } }";

async fn lists_follow_their_upstream(db: Db) {
    let (shop, upstream) = shop(3, Duration::ZERO).await;
    let scratch = Scratch::on(db, &definition(", every: \"1s\"", ", every: \"1s\", when: ALWAYS"));
    let program = scratch.serve(&[("SHOP", &upstream.url())]).await;
    program
        .eventually("all lists", LISTS, |data| *data == lists(&shop))
        .await;
    let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
    socket.subscribe("1", &format!("subscription {LISTS}")).await;
    assert_eq!(socket.next().await["payload"]["data"], lists(&shop));
    // Only the order differs: no row changes, and the listener hears of it all the same.
    shop.lock()
        .expect("the shop")
        .entry(2)
        .and_modify(|item| item.1.reverse());
    assert_eq!(socket.next().await["payload"]["data"], lists(&shop));
    shop.lock().expect("the shop").remove(&3);
    program
        .eventually("the item is gone", LISTS, |data| *data == lists(&shop))
        .await;
    let kept = "SELECT (SELECT count(*) FROM item_recipes WHERE owner_id='3'),(SELECT count(*) FROM recipe)";
    assert_eq!(
        scratch.rows(kept).await,
        [["0", "4"]],
        "its links went with it; recipes stay"
    );
    let inverse = program.query("{ recipe(id: \"3\") { items { id } } }").await;
    assert_eq!(inverse["recipe"]["items"], json!([{ "id": "2" }]));
    assert_eq!(program.terminate().await, Some(0));
}

/// Points of a commit at which a process ends, and what may be asked about again: what it had not committed.
async fn killed_in_the_middle_it_goes_on_with_what_is_left(db: Db) {
    const ITEMS: u32 = 150;
    for (number, (point, passes)) in (0..).zip([
        ("fan_out::planned", 0),
        ("fan_out::claimed", 2),
        ("parents::rows", 2),
        ("parents::links", 2),
        ("parents::noted", 2),
        ("commit::before", 2),
        ("commit::after", 2),
    ]) {
        let (shop, upstream) = shop(ITEMS, Duration::from_millis(20)).await;
        // Also where all are asked each time, a run that was cut short is brought to its end first.
        let when = if number % 2 == 0 { ", when: ALWAYS" } else { "" };
        let scratch = Scratch::on(db, &definition("", when));
        let url = upstream.url();
        let harvest = scratch.run(&["harvest", "Item"], &[("SHOP", &url)]).await;
        assert_eq!(harvest.code, Some(0), "{harvest:?}");
        let kill = format!("{point}={passes}*off->return");
        let environment = [("SHOP", url.as_str()), ("FAILPOINTS", kill.as_str())];
        scratch.end(&["harvest", "Item.recipes"], &environment).await;
        let done = "SELECT item.id FROM hayloft_fan_out JOIN item ON item._row=parent WHERE state='done'";
        let done: BTreeSet<String> = scratch.rows(done).await.into_iter().flatten().collect();
        assert!(
            (point.starts_with("fan_out") || !done.is_empty()) && done.len() < ITEMS as usize,
            "{point}: {} are done",
            done.len()
        );
        scratch.bury_the_dead().await;
        let since = upstream.asked().len();
        let harvest = scratch.run(&["harvest", "Item.recipes"], &environment[..1]).await;
        assert_eq!(harvest.code, Some(0), "{point}: {harvest:?}");
        let again = asked(&upstream, since);
        assert_eq!(
            again.len(),
            ITEMS as usize - done.len(),
            "{point}: each that was left, once"
        );
        assert!(again.iter().all(|id| !done.contains(id)), "{point}");
        check(&scratch, &shop).await;
    }
}

/// Rows may be deleted by what knows nothing of their requests: steps of a changed definition, or a run that ends at the
/// moment when another one plans.
async fn requests_for_rows_that_have_gone_are_forgotten(db: Db) {
    let (shop, upstream) = shop(5, Duration::ZERO).await;
    let scratch = Scratch::on(db, &definition("", ""));
    let url = upstream.url();
    for fetch in ["Item", "Item.recipes"] {
        let harvest = scratch.run(&["harvest", fetch], &[("SHOP", &url)]).await;
        assert_eq!(harvest.code, Some(0), "{harvest:?}");
    }
    let orphan =
        "UPDATE hayloft_fan_out SET parent=1000000,state='due' WHERE parent=(SELECT min(parent) FROM hayloft_fan_out)";
    scratch.rows(orphan).await;
    let harvest = scratch.run(&["harvest", "Item.recipes"], &[("SHOP", &url)]).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    let left = scratch.rows("SELECT count(*),max(state) FROM hayloft_fan_out").await;
    assert_eq!(left, [["5", "done"]]);
    check(&scratch, &shop).await;
}

/// All links and rows are there, and the log counts without gaps.
async fn check(scratch: &Scratch, shop: &Shop) {
    let links = scratch
        .rows("SELECT owner_id,target_id FROM item_recipes ORDER BY owner_id,_position")
        .await;
    let mut want: Vec<Vec<String>> = Vec::new();
    for (id, (_, recipes)) in shop.lock().expect("the shop").iter() {
        want.extend(recipes.iter().map(|recipe| vec![id.to_string(), recipe.to_string()]));
    }
    want.sort_by(|left, right| left[0].cmp(&right[0]));
    assert_eq!(links, want);
    let log = "SELECT max(seq)-min(seq)+1-count(*),max(seq)-(SELECT seq FROM hayloft_feed_head),\
               count(*)-count(DISTINCT seq) FROM hayloft_change_log";
    assert_eq!(scratch.rows(log).await, [["0", "0", "0"]]);
}

async fn failures_are_told(db: Db) {
    let (shop, upstream) = shop(3, Duration::ZERO).await;
    upstream.set("/items/2/recipes", Reply::text(404, "text/plain", "no"));
    let scratch = Scratch::on(db, &definition("", ""));
    let url = upstream.url();
    let harvest = scratch.run(&["harvest"], &[("SHOP", &url)]).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    assert!(harvest.out.contains("1 of 3 requests failed"), "{}", harvest.out);
    let status = scratch.run(&["status"], &[]).await;
    assert!(
        status.out.contains("Item.recipes: 1 of 3 requests failed"),
        "{}",
        status.out
    );
    assert!(
        status.out.contains("2: GET ") && status.out.contains("answered 404"),
        "{}",
        status.out
    );
    // The next run asks about that one alone.
    upstream.set(
        "/items/2/recipes",
        answer(&shop.lock().expect("the shop"), "/items/2/recipes").expect("a reply"),
    );
    let since = upstream.asked().len();
    let harvest = scratch.run(&["harvest", "Item.recipes"], &[("SHOP", &url)]).await;
    assert_eq!((harvest.code, asked(&upstream, since)), (Some(0), vec!["2".to_owned()]));
    let status = scratch.run(&["status"], &[]).await;
    assert!(!status.out.contains("failed"), "{}", status.out);
}

/// Requests that two processes make at the same pace: who has a source to itself may be done before the other looks.
const TOGETHER: usize = 24;

/// Requests that one may be ahead of the other.
const AHEAD: usize = 8;

/// This upstream's first answers wait until the other one was asked about as many.
fn waits_for(upstream: &Upstream, other: &Upstream, shop: &Shop) {
    let (own, other, shop) = (upstream.clone(), other.clone(), Arc::clone(shop));
    upstream.handle(move |path| {
        let reply = answer(&shop.lock().expect("the shop"), path)?;
        if path == "/items" {
            return Some(reply);
        }
        let (own, other) = (own.clone(), other.clone());
        let behind = move || asked(&own, 0).len().saturating_sub(AHEAD).min(TOGETHER);
        Some(reply.when(move || asked(&other, 0).len() >= behind()))
    });
}

/// Each process has an upstream of its own, which so knows what that process asked.
#[tokio::test]
async fn processes_share_the_requests_of_a_run() {
    const ITEMS: u32 = 600;
    let (shop, first) = shop(ITEMS, Duration::ZERO).await;
    let items = std::mem::take(&mut *shop.lock().expect("the shop"));
    let second = Upstream::start().await;
    waits_for(&first, &second, &shop);
    waits_for(&second, &first, &shop);
    let scratch = Scratch::on(Db::Postgres, &definition(", every: \"1s\"", ""));
    let one = scratch.serve(&[("SHOP", &first.url())]).await;
    let other = scratch.serve(&[("SHOP", &second.url())]).await;
    eventually("both are there", || async {
        (scratch.rows("SELECT count(*) FROM hayloft_process").await == [["2"]]).then_some(())
    })
    .await;
    *shop.lock().expect("the shop") = items;
    let done = "SELECT count(*) FROM hayloft_fan_out WHERE state='done'";
    eventually("all are asked about", || async {
        (scratch.rows(done).await == [[ITEMS.to_string()]]).then_some(())
    })
    .await;
    check(&scratch, &shop).await;
    let parts = [asked(&first, 0), asked(&second, 0)];
    let all: BTreeSet<&String> = parts.iter().flatten().collect();
    assert_eq!(
        (all.len(), parts[0].len() + parts[1].len()),
        (ITEMS as usize, ITEMS as usize),
        "each once"
    );
    assert!(
        parts.iter().all(|part| part.len() >= TOGETHER),
        "{} and {}",
        parts[0].len(),
        parts[1].len()
    );
    assert_eq!((one.terminate().await, other.terminate().await), (Some(0), Some(0)));
}
