//! A field fetch by real processes: lists and single links that follow their upstream, kills in the middle, several
//! processes at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{Db, PAGE_BY_PAGE, Reply, Scratch, Socket, Upstream, eventually, on_both};

on_both!(
    lists_follow_their_upstream,
    single_links_follow_their_upstream,
    a_field_comes_to_have_requests_of_its_own,
    killed_in_the_middle_it_goes_on_with_what_is_left,
    requests_for_rows_that_have_gone_are_forgotten,
    failures_are_told
);

/// What the upstream says: each item's name and the keys of its recipes.
type Shop = Arc<Mutex<BTreeMap<u32, (String, Vec<u32>)>>>;

/// A field of an item: all its recipes, or the first of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Recipes,
    Dish,
}
use Field::{Dish, Recipes};

impl Field {
    fn name(self) -> &'static str {
        match self {
            Recipes => "recipes",
            Dish => "dish",
        }
    }

    /// `arguments` are those of the field's @fetch beside the request.
    fn declared(self, arguments: &str) -> String {
        let (ty, rows) = match self {
            Recipes => ("[Recipe!]!", ".[]"),
            Dish => ("Recipe", "."),
        };
        let name = self.name();
        format!(
            "{name}: {ty} @fetch(source: \"shop\", GET: \"/items/{{$this.id}}/{name}\", rows: \"{rows}\" {arguments})"
        )
    }
}

/// `items` are further arguments of the items' own @fetch.
fn definition(field: Field, items: &str, arguments: &str) -> String {
    defined(
        items,
        &field.declared(arguments),
        &format!("items: [Item!]! @inverse(field: \"{}\")", field.name()),
    )
}

/// With these further fields of the items and the recipes.
fn defined(items: &str, field: &str, inverse: &str) -> String {
    format!(
        "extend schema @source(name: \"shop\", url: \"{{$env.SHOP}}\", concurrency: 8)\n\
         type Item @fetch(source: \"shop\", GET: \"/items\", rows: \".[]\", missing: DELETE, maxMissing: 1 {items}) {{\n\
         id: ID! name: String\n{field} }}\n\
         type Recipe {{ id: ID! name: String {inverse} }}"
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
    let (id, field) = path.strip_prefix("/items/")?.split_once('/')?;
    let recipes = shop.get(&id.parse().ok()?)?.1.iter();
    let mut recipes = recipes.map(|id| json!({ "id": id, "name": format!("recipe {id}") }));
    Some(match field == Dish.name() {
        true => Reply::json(&recipes.next().unwrap_or(Value::Null)),
        false => Reply::json(&recipes.collect()),
    })
}

/// Who was asked about since then, from the paths.
fn asked(upstream: &Upstream, since: usize) -> Vec<String> {
    let about = |path: &String| Some(path.strip_prefix("/items/")?.split_once('/')?.0.to_owned());
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
    let scratch = Scratch::on(
        db,
        &definition(Recipes, ", every: \"1s\"", ", every: \"1s\", when: ALWAYS"),
    );
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

/// Each item with the name of its first recipe, as the shop has it.
fn dishes(shop: &Shop) -> Value {
    let shop = shop.lock().expect("the shop");
    let dish = |(_, recipes): &(String, Vec<u32>)| {
        recipes
            .first()
            .map_or(Value::Null, |id| json!({ "name": format!("recipe {id}") }))
    };
    let item =
        |(id, item): (&u32, &(String, Vec<u32>))| json!({ "id": id.to_string(), "name": item.0, "dish": dish(item) });
    json!({ "items": shop.iter().map(item).collect::<Vec<_>>() })
}

const DISHES: &str = "{ items(orderBy: [{id: ASC}]) { id name dish { name } } }";

async fn single_links_follow_their_upstream(db: Db) {
    let (shop, upstream) = shop(4, Duration::ZERO).await;
    let scratch = Scratch::on(
        db,
        &definition(Dish, ", every: \"1s\"", ", every: \"1s\", when: ALWAYS"),
    );
    let program = scratch.serve(&[("SHOP", &upstream.url())]).await;
    program
        .eventually("all links", DISHES, |data| *data == dishes(&shop))
        .await;
    let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
    socket.subscribe("1", &format!("subscription {DISHES}")).await;
    assert_eq!(socket.next().await["payload"]["data"], dishes(&shop));
    let edit = |id: u32, change: fn(&mut (String, Vec<u32>))| {
        let mut shop = shop.lock().expect("the shop");
        shop.entry(id).and_modify(change);
    };
    // Only the link differs: no row changes, and the listener hears of it all the same.
    edit(2, |item| item.1.reverse());
    assert_eq!(socket.next().await["payload"]["data"], dishes(&shop));
    edit(2, |item| item.1.clear());
    assert_eq!(socket.next().await["payload"]["data"], dishes(&shop));
    // The record changes without its link.
    edit(3, |item| item.0 = "another name".to_owned());
    assert_eq!(socket.next().await["payload"]["data"], dishes(&shop));
    let asked = "{ of: recipe(id: \"3\") { items { id } } \
                 where: items(where: {dish: {name: {eq: \"recipe 4\"}}}) { id } \
                 none: items(where: {not: {dish: {}}}) { id } \
                 order: items(orderBy: [{dish: {name: DESC_NULLS_LAST}}]) { id } }";
    let answer = program.query(asked).await;
    assert_eq!(answer["of"]["items"], json!([{ "id": "3" }]));
    assert_eq!(answer["where"], json!([{ "id": "4" }]));
    assert_eq!(answer["none"], json!([{ "id": "2" }]));
    assert_eq!(
        answer["order"],
        json!([{ "id": "4" }, { "id": "3" }, { "id": "1" }, { "id": "2" }])
    );
    // A list where one row is meant is no answer, and the link stays.
    upstream.set("/items/4/dish", Reply::json(&json!([{ "id": 9 }])));
    eventually("it is told", || async {
        let status = scratch.run(&["status"], &[]).await.out;
        status.contains("Item.dish: 1 of 4 requests failed").then_some(())
    })
    .await;
    assert_eq!(program.query(DISHES).await, dishes(&shop));
    assert_eq!(program.terminate().await, Some(0));
}

/// What a definition of one kind has stored, one of another fills anew, and nothing else is written.
async fn a_field_comes_to_have_requests_of_its_own(db: Db) {
    let (_shop, upstream) = shop(3, Duration::ZERO).await;
    let records = (1..=3).map(|id| json!({ "id": id, "dish_id": id * 10 }));
    upstream.set("/items", Reply::json(&records.collect()));
    let url = upstream.url();
    let environment = [("SHOP", url.as_str())];
    let scratch = Scratch::on(db, &defined("", "", ""));
    scratch.must(&["harvest"], &environment).await;
    let fetched = definition(Dish, "", "");
    let linked = defined("", "dish: Recipe", "items: [Item!]! @inverse(field: \"dish\")");
    let listed = definition(Recipes, "", "")
        .replace("recipes:", "dish:")
        .replace("\"recipes\"", "\"dish\"");
    let (own, answered) = (
        [["1", "10"], ["2", "20"], ["3", "30"]],
        [["1", "1"], ["2", "2"], ["3", "3"]],
    );
    let dishes = "SELECT id,dish_id FROM item ORDER BY id";
    for (definition, step, stored) in [
        (
            &fetched,
            "+ Item.dish: new field, then filled by a harvest of Item.dish",
            Some(answered),
        ),
        (
            &linked,
            "~ Item.dish: Recipe @fetch becomes Recipe: harvested again",
            Some(own),
        ),
        (
            &fetched,
            "~ Item.dish: Recipe becomes Recipe @fetch: harvested again",
            Some(answered),
        ),
        (&listed, "- Item.dish: field removed", None),
        (&fetched, "- Item.dish: links removed", Some(answered)),
    ] {
        scratch.write("schema.graphql", definition);
        let planned = scratch.run(&["plan"], &[]).await;
        assert!(planned.out.contains(step), "{step}: {planned:?}");
        let is_lossy = !step.starts_with('+');
        assert_eq!(planned.out.contains("LOSSY"), is_lossy, "{planned:?}");
        let refused = scratch.run(&["harvest"], &environment).await;
        assert_eq!(refused.code, Some(if is_lossy { 2 } else { 0 }), "{step}: {refused:?}");
        if is_lossy {
            scratch.must(&["harvest", "--allow-destructive"], &environment).await;
        }
        if let Some(stored) = stored {
            assert_eq!(scratch.rows(dishes).await, stored, "{step}");
        }
        let planned = scratch.must(&["plan"], &[]).await;
        assert!(planned.out.contains("nothing"), "{step}: {planned:?}");
    }
    // By another name it is the same field, and nobody is asked again.
    let renamed = fetched
        .replace("dish: Recipe", "meal: Recipe @was(name: \"dish\")")
        .replace("\"dish\")", "\"meal\")")
        .replace("@was(name: \"meal\")", "@was(name: \"dish\")");
    scratch.write("schema.graphql", &renamed);
    let since = upstream.asked().len();
    scratch.must(&["harvest"], &environment).await;
    assert_eq!(asked(&upstream, since), Vec::<String>::new());
    let meals = scratch.rows("SELECT id,meal_id FROM item ORDER BY id").await;
    assert_eq!(meals, answered);
    // When it was new, each item was noted as its link came, and was not written: its record was the same.
    let first = "SELECT op,count(*) FROM hayloft_change_log WHERE type='Item' AND run<=\
                 (SELECT min(id) FROM hayloft_run WHERE \"fetch\"='Item.meal') GROUP BY op ORDER BY op";
    assert_eq!(scratch.rows(first).await, [["changed", "3"], ["new", "3"]]);
}

/// Points of a commit at which a process ends, and what may be asked about again: what it had not committed.
async fn killed_in_the_middle_it_goes_on_with_what_is_left(db: Db) {
    const ITEMS: u32 = 150;
    for (number, (field, point, passes)) in (0..).zip([
        (Recipes, "field_fetch::planned", 0),
        (Recipes, "field_fetch::claimed", 2),
        (Recipes, "parents::rows", 2),
        (Recipes, "parents::links", 2),
        (Recipes, "parents::noted", 2),
        (Recipes, "commit::before", 2),
        (Recipes, "commit::after", 2),
        (Dish, "parents::rows", 2),
        (Dish, "parents::links", 2),
        (Dish, "commit::before", 2),
    ]) {
        let (shop, upstream) = shop(ITEMS, Duration::from_millis(20)).await;
        // Also where all are asked each time, a run that was cut short is brought to its end first.
        let when = if number % 2 == 0 { ", when: ALWAYS" } else { "" };
        let scratch = Scratch::on(db, &definition(field, "", when));
        let fetch = format!("Item.{}", field.name());
        let url = upstream.url();
        let harvest = scratch.run(&["harvest", "Item"], &[("SHOP", &url)]).await;
        assert_eq!(harvest.code, Some(0), "{harvest:?}");
        let kill = format!("{PAGE_BY_PAGE};{point}={passes}*off->return");
        let environment = [("SHOP", url.as_str()), ("FAILPOINTS", kill.as_str())];
        scratch.end(&["harvest", &fetch], &environment).await;
        scratch.bury_the_dead().await;
        let done = "SELECT item.id FROM hayloft_fan_out JOIN item ON item._row=parent WHERE state='done'";
        let done: BTreeSet<String> = scratch.rows(done).await.into_iter().flatten().collect();
        assert!(
            (point.starts_with("field_fetch") || !done.is_empty()) && done.len() < ITEMS as usize,
            "{point}: {} are done",
            done.len()
        );
        // What the process sent before its end is no request of the next one, however late it is read.
        upstream.settled().await;
        let since = upstream.asked().len();
        let harvest = scratch.run(&["harvest", &fetch], &environment[..1]).await;
        assert_eq!(harvest.code, Some(0), "{point}: {harvest:?}");
        let again = asked(&upstream, since);
        assert_eq!(
            again.len(),
            ITEMS as usize - done.len(),
            "{point}: each that was left, once"
        );
        assert!(again.iter().all(|id| !done.contains(id)), "{point}");
        check(field, &scratch, &shop).await;
    }
}

/// Rows may be deleted by what knows nothing of their requests: steps of a changed definition, or a run that ends at the
/// moment when another one plans.
async fn requests_for_rows_that_have_gone_are_forgotten(db: Db) {
    let (shop, upstream) = shop(5, Duration::ZERO).await;
    let scratch = Scratch::on(db, &definition(Recipes, "", ""));
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
    check(Recipes, &scratch, &shop).await;
}

/// All links and rows are there, and the log counts without gaps.
async fn check(field: Field, scratch: &Scratch, shop: &Shop) {
    let links = match field {
        Recipes => "SELECT owner_id,target_id FROM item_recipes ORDER BY owner_id,_position",
        Dish => "SELECT id,dish_id FROM item WHERE dish_id IS NOT NULL ORDER BY id",
    };
    let links = scratch.rows(links).await;
    let most = if field == Dish { 1 } else { usize::MAX };
    let mut want: Vec<Vec<String>> = Vec::new();
    for (id, (_, recipes)) in shop.lock().expect("the shop").iter() {
        let recipes = recipes.iter().take(most);
        want.extend(recipes.map(|recipe| vec![id.to_string(), recipe.to_string()]));
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
    let scratch = Scratch::on(db, &definition(Recipes, "", ""));
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

#[tokio::test]
async fn processes_share_the_requests_of_a_run() {
    share(Recipes).await;
}

#[tokio::test]
async fn processes_share_the_requests_for_single_links() {
    share(Dish).await;
}

/// Each process has an upstream of its own, which so knows what that process asked.
async fn share(field: Field) {
    const ITEMS: u32 = 600;
    let (shop, first) = shop(ITEMS, Duration::ZERO).await;
    let items = std::mem::take(&mut *shop.lock().expect("the shop"));
    let second = Upstream::start().await;
    waits_for(&first, &second, &shop);
    waits_for(&second, &first, &shop);
    let scratch = Scratch::on(Db::Postgres, &definition(field, ", every: \"1s\"", ""));
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
    check(field, &scratch, &shop).await;
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
