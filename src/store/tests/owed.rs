//! What a changed definition owes: to which fetches, who pays it, and when it is paid.

use super::{
    changes::{lines, open, read},
    *,
};

on_both!(
    rows_that_only_a_field_brings_are_owed_to_it,
    a_type_that_comes_back_has_no_past,
    what_an_older_definition_harvested_is_owed_to_the_newer,
    a_process_leaves_what_another_one_reads_otherwise,
    what_is_read_in_another_way_is_owed,
    going_back_is_told_and_done_when_it_is_allowed,
    a_slot_in_the_future_stops_nothing,
);

const SONGS: &str = "type Band @f { id: ID! songs: [Song!]! @fetch(source: \"s\", GET: \"/b/{$this.id}\", when: NEW) }\n\
                     type Song { id: ID! name: String }";
const ITEM: &str = "type Item @f { id: ID! name: String }";
const TITLED: &str = "type Item @f { id: ID! name: String title: String }";

async fn plan(url: &DatabaseUrl, text: &str) -> LayoutPlan {
    let catalog = read(text);
    let layout = Arc::new(Layout::of(&catalog));
    Store::plan(url, catalog, layout, None).await.expect("a plan")
}

fn named(id: &str, name: &str) -> Row {
    Row::new(vec![text(id), text(name)], vec![], vec![])
}

/// A database that this definition has filled with rows of its first type.
async fn filled(on: On, text: &str) -> (Place, Store) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, text).await.expect("a store");
    harvest(
        &store,
        "Item",
        EntityId(0),
        0,
        vec![named("i1", "One"), named("i2", "One")],
    )
    .await;
    (place, store)
}

async fn reopen(place: &Place, store: Store, access: Access, text: &str) -> Store {
    store.close().await;
    open(&place.url, access, text).await.expect("it opens")
}

/// What a store knows of a fetch.
async fn known(store: &Store, fetch: &str) -> FetchStatus {
    let mut all = store.fetch_status().await.expect("a status").into_iter();
    all.find(|status| status.fetch == fetch).expect("a fetch")
}

async fn rows_that_only_a_field_brings_are_owed_to_it(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, SONGS).await.expect("a store");
    let band = Row::new(vec![text("b1")], vec![vec![Key::text("s1")]], vec![]);
    harvest(&store, "Band", EntityId(0), 0, vec![band]).await;
    let songs = vec![named("s1", "One"), named("s2", "One")];
    harvest(&store, "Band.songs", EntityId(1), 0, songs).await;
    let asked =
        "INSERT INTO hayloft_fan_out(\"fetch\",parent,state,run,hash,signature) VALUES ('Band.songs',1,'done',1,1,'x')";
    run(&store, asked).await;
    store.close().await;
    let titled = SONGS.replace("name: String", "name: String title: String");
    let planned = plan(&place.url, &titled).await;
    let refill = planned.steps[0].step.refill.clone().expect("a refill");
    assert!(planned.steps[0].refills);
    assert_eq!(refill.fetches, ["Band.songs"]);
    let store = open(&place.url, Access::Write, &titled).await.expect("it opens");
    let owed = "SELECT \"fetch\"||' '||fields FROM hayloft_refill";
    assert_eq!(lines(&store, owed).await, ["Band.songs [\"Song.title\"]"]);
    // So that also `when: NEW` asks again.
    assert_eq!(
        number(&store, "SELECT CAST(count(*) AS BIGINT) FROM hayloft_fan_out").await,
        0
    );
    assert_eq!(
        number(&store, "SELECT CAST(count(*) AS BIGINT) FROM song WHERE _hash<>0").await,
        0
    );
    let run = start(&store, "Band.songs", EntityId(1), 1).await;
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 0.0,
        told: Told::default(),
    };
    store.finish_run(&run, keep).await.expect("an end");
    assert!(lines(&store, owed).await.is_empty());
    // A row that is taken away for its repeated value is asked for again.
    let unique = titled.replace("name: String", "name: String @unique");
    let store = reopen(&place, store, Access::Destructive, &unique).await;
    assert_eq!(lines(&store, "SELECT id FROM song").await, ["s1"]);
    assert_eq!(lines(&store, owed).await, ["Band.songs [\"Song.name\"]"]);
}

async fn a_type_that_comes_back_has_no_past(on: On) {
    let tagged = format!("{ITEM}\ntype Tag @f {{ id: ID! }}");
    let (place, store) = filled(on, &tagged).await;
    harvest(&store, "Item.parts", EntityId(0), 0, vec![]).await;
    let store = reopen(&place, store, Access::Destructive, "type Tag @f { id: ID! }").await;
    let past = "SELECT CAST((SELECT count(*) FROM hayloft_run)+(SELECT count(*) FROM hayloft_fetch) AS BIGINT)";
    assert_eq!(number(&store, past).await, 0);
    // An earlier version left the runs behind, with turns that its new counter was long to come to.
    let left = "INSERT INTO hayloft_run(\"fetch\",slot,reason,state,definition,started_at,heartbeat_at,lease_until,turn) \
                VALUES ('Item','2099-01-01T00:00:00.000000Z','schedule','complete','','x','x','x',900)";
    run(&store, left).await;
    let store = reopen(&place, store, Access::Write, &tagged).await;
    let status = known(&store, "Item").await;
    assert!(
        status.last.is_none() && status.newest_slot.is_none(),
        "it is due at once: {status:?}"
    );
    harvest(&store, "Item", EntityId(0), 0, vec![named("i1", "One")]).await;
    assert_eq!(known(&store, "Item").await.last_complete.expect("a run").new, 1);
}

async fn what_an_older_definition_harvested_is_owed_to_the_newer(on: On) {
    let (place, store) = filled(on, ITEM).await;
    let store = reopen(&place, store, Access::Write, TITLED).await;
    assert!(known(&store, "Item").await.refill.is_some());
    let titled = |id: &str| Row::new(vec![text(id), text("One"), text("Sir")], vec![], vec![]);
    harvest(&store, "Item", EntityId(0), 1, vec![titled("i1"), titled("i2")]).await;
    let paid = known(&store, "Item").await;
    assert_eq!((paid.refill, paid.signature), (None, SignatureState::Same));
    // Nobody has the newer definition, so the older one goes on, and brings a row without a title.
    let store = reopen(&place, store, Access::Write, ITEM).await;
    assert_eq!(known(&store, "Item").await.signature, SignatureState::Changed);
    harvest(
        &store,
        "Item",
        EntityId(0),
        2,
        vec![named("i1", "Two"), named("i9", "Nine")],
    )
    .await;
    assert_eq!(known(&store, "Item").await.signature, SignatureState::Same);
    store.close().await;
    assert_eq!(plan(&place.url, TITLED).await.rereads, ["Item"]);
    let store = open(&place.url, Access::Write, TITLED).await.expect("it opens");
    assert_eq!(known(&store, "Item").await.signature, SignatureState::Changed);
    let (outcome, _) = harvest(&store, "Item", EntityId(0), 3, vec![titled("i1"), titled("i9")]).await;
    assert_eq!((outcome.changed, outcome.same), (2, 0));
    assert_eq!(known(&store, "Item").await.signature, SignatureState::Same);
}

async fn a_process_leaves_what_another_one_reads_otherwise(on: On) {
    let same = "type Tag @f { id: ID! }";
    let (_place, older) = filled(on, &format!("{ITEM}\n{same}")).await;
    let catalog = read(&format!("{TITLED}\n{same}"));
    let layout = Arc::new(Layout::of(&catalog));
    let newer = older.redefined(catalog, layout);
    newer.come_into_force(&|| {}).await.expect("it goes over");
    let clock = Clock::default();
    let now = Utc::now().timestamp_millis() + 1_000;
    clock.0.store(now, std::sync::atomic::Ordering::Relaxed);
    let (old, new) = (older.as_process("old", &clock), newer.as_process("new", &clock));
    old.attend(false, false).await.expect("a place");
    // The newer one is not there yet: what is due is done.
    assert_eq!(known(&old, "Item").await.signature, SignatureState::Same);
    new.attend(false, false).await.expect("a place");
    assert_eq!(known(&old, "Item").await.signature, SignatureState::Others);
    assert_eq!(
        known(&old, "Tag").await.signature,
        SignatureState::Same,
        "they agree on that one"
    );
    assert_eq!(known(&new, "Item").await.signature, SignatureState::Changed);
    // A run of the older one, as of a person, pays nothing.
    harvest(&old, "Item", EntityId(0), 1, vec![named("i1", "One")]).await;
    let owed = known(&new, "Item").await;
    assert!(
        owed.refill.is_some() && owed.signature == SignatureState::Changed,
        "{owed:?}"
    );
    harvest(&new, "Item", EntityId(0), 2, vec![]).await;
    let paid = known(&new, "Item").await;
    assert!(
        paid.refill.is_none() && paid.signature == SignatureState::Same,
        "{paid:?}"
    );
    // It ends without a word: the older one goes on alone.
    clock.0.fetch_add(20_000, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(known(&old, "Item").await.signature, SignatureState::Changed);
}

async fn what_is_read_in_another_way_is_owed(on: On) {
    let (place, mut store) = filled(on, ITEM).await;
    let cases = [
        ("name: String", "name: String @select(jq: \".label\")", true),
        ("GET: \"/a\"", "GET: \"/b\"", true),
        ("GET: \"/a\"", "GET: \"/a\", rows: \".items[]\"", true),
        ("name: String", "name: String!", true),
        ("type Item", "\"Something.\"\ntype Item", false),
        ("type Item", "type Other @f { id: ID! }\ntype Item", false),
        ("GET: \"/a\"", "GET: \"/a\", every: \"1h\"", false),
    ];
    for (from, to, owed) in cases {
        let other = ITEM
            .replace("@f ", "@fetch(source: \"s\", GET: \"/a\") ")
            .replace(from, to);
        store.close().await;
        let planned = plan(&place.url, &other).await;
        let told = planned.rereads.contains(&"Item".to_owned());
        assert_eq!(told, owed, "{to}");
        store = open(&place.url, Access::Destructive, &other).await.expect("it opens");
        let want = if owed {
            SignatureState::Changed
        } else {
            SignatureState::Same
        };
        assert_eq!(known(&store, "Item").await.signature, want, "{to}");
        // Back, and what is owed is paid.
        store = reopen(&place, store, Access::Destructive, ITEM).await;
        assert_eq!(known(&store, "Item").await.signature, SignatureState::Same, "{to}");
    }
}

async fn going_back_is_told_and_done_when_it_is_allowed(on: On) {
    let (place, store) = filled(on, ITEM).await;
    let store = reopen(&place, store, Access::Write, TITLED).await;
    let titled = Row::new(vec![text("i1"), text("One"), text("Sir")], vec![], vec![]);
    harvest(&store, "Item", EntityId(0), 1, vec![titled]).await;
    let store = reopen(&place, store, Access::Write, ITEM).await;
    assert_eq!(
        lines(&store, "SELECT title FROM item WHERE id='i1'").await,
        ["Sir"],
        "it stays"
    );
    store.close().await;
    let planned = plan(&place.url, ITEM).await;
    assert!(planned.former && !planned.is_lossy());
    let words: Vec<String> = planned.steps.iter().map(PlannedStep::words).collect();
    assert_eq!(words, ["- Item.title: field removed; the value of 1 row is removed"]);
    let store = open(&place.url, Access::Destructive, ITEM).await.expect("it opens");
    store.close().await;
    let planned = plan(&place.url, ITEM).await;
    assert!(!planned.former && planned.steps.is_empty());
    assert_eq!(plan(&place.url, TITLED).await.steps.len(), 1);
}

async fn a_slot_in_the_future_stops_nothing(on: On) {
    let (_place, store) = filled(on, ITEM).await;
    let before = known(&store, "Item").await.newest_slot;
    run(&store, "UPDATE hayloft_run SET slot='2099-01-01T00:00:00.000000Z'").await;
    assert_eq!(known(&store, "Item").await.newest_slot, None);
    assert_eq!(before, Some(slot(0)));
}
