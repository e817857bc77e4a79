//! How databases go about a read: what is joined, what is chosen before it is made, and which
//! index leads to it.

use super::{
    changes::{lines, open},
    reads::{answer, f, leaf, many, select},
    *,
};
use crate::query::{Direction, Form, Nulls, Operand, Order, OutputValue, Root, RootValue, Select};

on_both!(
    links_of_an_order_are_joined,
    links_by_several_fields_and_backward_ones_are_joined,
    rows_that_are_skipped_are_not_made,
    an_index_of_several_fields_leads_to_the_first_rows_of_each,
    indexes_of_several_fields_come_and_go,
);

pub(super) const NPC: EntityId = EntityId(0);
pub(super) const QUEST: EntityId = EntityId(1);
pub(super) const LINE: EntityId = EntityId(2);

const QUESTS: &str = "type Npc @f { id: ID! name: String gives: [Quest!]! @inverse(field: \"npc\") }
    type Quest @f INDEX { id: ID! reward: Int npc: Npc lines: [Line!]! @inverse(field: \"quest\") }
    type Line @f { id: ID! quest: Quest price: Int @index tags: [Tag!]! @ref }
    type Tag @f { id: ID! lines: [Line!]! @inverse(field: \"tags\") }";

pub(super) fn quests(index: &str) -> String {
    QUESTS.replace("INDEX", index)
}

pub(super) fn order(path: &[u32], field: u32, direction: Direction) -> Order {
    Order {
        path: path.iter().copied().map(FieldId).collect(),
        field: f(field),
        form: Form::Value,
        direction,
        nulls: Nulls::Last,
    }
}

pub(super) fn count(number: i64) -> Option<Operand> {
    Some(Operand::Value(Value::Int(number)))
}

pub(super) fn key(name: &str, number: i64) -> String {
    format!("{name}{number:05}")
}

/// Ten characters, of whom one has no name, and thousands of quests and lines of these; some name
/// nobody, some nobody who is there.
pub(super) async fn fill(store: &Store, quests: i64) {
    let row = |values: Vec<Value>, tags: Option<Vec<Key>>| Row::new(values, tags.into_iter().collect(), vec![]);
    let npc = |at: i64| {
        let name = if at == 3 {
            Value::Null
        } else {
            text(&key("name", 9 - at))
        };
        row(vec![text(&key("n", at)), name], None)
    };
    harvest(store, "Npc", NPC, 0, (0..10).map(npc).collect()).await;
    let quest = |at: i64| {
        let npc = match at % 23 {
            0 => Value::Null,
            rest => text(&key("n", rest % 12)),
        };
        row(vec![text(&key("q", at)), Value::Int(at * 7_919 % 501), npc], None)
    };
    harvest(store, "Quest", QUEST, 0, (0..quests).map(quest).collect()).await;
    let line = |at: i64| {
        let quest = text(&key("q", at * 31 % quests));
        let tags = vec![Key::text(key("t", at % 40))];
        let price = if at % 11 == 0 { Value::Null } else { Value::Int(at % 5) };
        row(vec![text(&key("l", at)), quest, price], Some(tags))
    };
    harvest(store, "Line", LINE, 0, (0..3 * quests).map(line).collect()).await;
    let tag = |at: i64| row(vec![text(&key("t", at))], None);
    harvest(store, "Tag", EntityId(3), 0, (0..40).map(tag).collect()).await;
    store.finish_indexes().await.expect("they are built");
}

pub(super) async fn filled(on: On, index: &str) -> (Place, Store) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, &quests(index)).await.expect("a store");
    fill(&store, 2_000).await;
    match on {
        On::Sqlite => run(&store, "ANALYZE").await,
        On::Postgres => run(&store, "VACUUM ANALYZE").await,
    };
    (place, store)
}

pub(super) async fn way(store: &Store, value: RootValue) -> String {
    let key = "r".to_owned();
    let read = Read {
        roots: vec![Root { key, value }],
    };
    let statement = store.compile(&read).expect("compiles");
    store.explain(&statement, &[]).await.expect("a plan").plan.join("\n")
}

/// The text of a statement.
pub(super) fn compiled(store: &Store, value: RootValue) -> String {
    let key = "r".to_owned();
    let roots = vec![Root { key, value }];
    store.compile(&Read { roots }).expect("compiles").sql.to_string()
}

/// The ids of a list, in its order.
pub(super) async fn ids(store: &Store, select: Select) -> Vec<String> {
    let json = answer(store, vec![("r", RootValue::Many(select))], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let all = json["r"].as_array().expect("a list").iter();
    all.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

async fn links_of_an_order_are_joined(on: On) {
    let (_place, store) = filled(on, "").await;
    let by_name = |first: Option<i64>| Select {
        order: vec![
            order(&[1, 2], 1, Direction::Descending),
            order(&[1], 1, Direction::Ascending),
        ],
        first: first.and_then(count),
        ..select(LINE, vec![leaf("id", 0)])
    };
    let mut nulls_first = by_name(Some(5));
    nulls_first.order[0].nulls = Nulls::First;
    let plan = way(&store, RootValue::Many(nulls_first)).await;
    let (joins, looks) = match on {
        On::Sqlite => (plan.matches("LEFT-JOIN").count(), plan.contains("CORRELATED")),
        On::Postgres => (
            plan.matches(" Left Join").count() + plan.matches(" Right Join").count(),
            plan.contains("SubPlan"),
        ),
    };
    assert!(joins == 2 && !looks, "{on:?}\n{plan}");
    // As SQL says it without a join.
    let want = "SELECT l.id FROM line l ORDER BY (SELECT (SELECT n.name FROM npc n WHERE n.id=q.npc_id) FROM quest q \
                WHERE q.id=l.quest_id) DESC NULLS LAST,(SELECT q.reward FROM quest q WHERE q.id=l.quest_id) NULLS LAST,l.id";
    assert_eq!(ids(&store, by_name(None)).await, lines(&store, want).await, "{on:?}");
    let skipped = Select {
        offset: count(4_000),
        ..by_name(Some(50))
    };
    let want = lines(&store, &format!("{want} LIMIT 50 OFFSET 4000")).await;
    assert_eq!(ids(&store, skipped).await, want, "{on:?}");
}

async fn links_by_several_fields_and_backward_ones_are_joined(on: On) {
    let place = Place::new(on);
    let definition = "type Item @f { id: ID! stock: Stock home: Home @inverse(field: \"item\") }
        type Stock @f { shop: ID! @id shelf: Int! @id amount: Int }
        type Home @f { id: ID! item: Item @unique name: String }";
    let store = open(&place.url, Access::Write, definition).await.expect("a store");
    let stock = |shop: &str, shelf: i64, amount: i64| {
        Row::new(vec![text(shop), Value::Int(shelf), Value::Int(amount)], vec![], vec![])
    };
    harvest(
        &store,
        "Stock",
        EntityId(1),
        0,
        vec![stock("a", 1, 3), stock("a", 2, 1), stock("b", 1, 2)],
    )
    .await;
    let item =
        |id: &str, shop: &str, shelf: i64| Row::new(vec![text(id), text(shop), Value::Int(shelf)], vec![], vec![]);
    let all = vec![
        item("i1", "a", 1),
        item("i2", "a", 2),
        item("i3", "b", 1),
        item("i4", "b", 2),
    ];
    harvest(&store, "Item", EntityId(0), 0, all).await;
    let home = |id: &str, item: &str, name: &str| Row::new(vec![text(id), text(item), text(name)], vec![], vec![]);
    harvest(
        &store,
        "Home",
        EntityId(2),
        0,
        vec![home("h1", "i4", "x"), home("h2", "i2", "y")],
    )
    .await;
    let cases: [(&[u32], u32, &[&str]); 2] = [
        (&[1], 2, &["i2", "i3", "i1", "i4"]),
        (&[2], 2, &["i4", "i2", "i1", "i3"]),
    ];
    for (path, field, want) in cases {
        let by = Select {
            order: vec![order(path, field, Direction::Ascending)],
            ..select(EntityId(0), vec![leaf("id", 0)])
        };
        let plan = way(&store, RootValue::Many(by.clone())).await;
        assert!(
            !plan.contains("SubPlan") && !plan.contains("CORRELATED"),
            "{on:?} {path:?}\n{plan}"
        );
        assert_eq!(ids(&store, by).await, want, "{on:?} {path:?}");
    }
}

async fn rows_that_are_skipped_are_not_made(on: On) {
    let (_place, store) = filled(on, "").await;
    for by in [vec![], vec![order(&[], 1, Direction::Descending)]] {
        let inside = many("lines", 3, select(LINE, vec![leaf("id", 0)]));
        let late = Select {
            order: by.clone(),
            first: count(3),
            offset: count(1_500),
            ..select(QUEST, vec![leaf("id", 0), inside])
        };
        let plan = way(&store, RootValue::Many(late.clone())).await;
        // What is chosen is looked up by its number, with its lines.
        let by_number = match on {
            On::Sqlite => "SEARCH t3 USING INTEGER PRIMARY KEY",
            On::Postgres => "Index Scan using \"quest$row\" on quest t3",
        };
        let found = plan.find(by_number).unwrap_or_else(|| panic!("{on:?} {by:?}\n{plan}"));
        let lines = plan.rfind("line$").expect("an index of lines");
        let place = |at: usize| plan[..at].lines().last().map_or(0, str::len);
        assert!(found < lines && place(found) < place(lines), "{on:?} {by:?}\n{plan}");
        let json = answer(&store, vec![("r", RootValue::Many(late.clone()))], &[]).await;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let all = Select {
            first: None,
            offset: None,
            ..late
        };
        let whole = answer(&store, vec![("r", RootValue::Many(all))], &[]).await;
        let whole: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
        assert_eq!(
            json["r"].as_array().expect("a list"),
            &whole["r"].as_array().expect("a list")[1_500..1_503]
        );
    }
}

/// What tells that rows are sorted by the database.
pub(super) fn sorts(plan: &str) -> bool {
    plan.contains("Sort") || plan.contains("TEMP B-TREE")
}

/// Names of all indexes that only make answers quicker.
async fn plain(store: &Store) -> Vec<String> {
    let sql = store.context.dialect.indexes();
    let mut names = lines(store, sql).await;
    names.retain(|name| ["$index", "$targets", "$fields"].iter().any(|end| name.ends_with(end)));
    names.sort();
    names
}

/// That of links names its owners where that of older versions did not.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_older_databases_get_their_further_columns() {
    let (place, store) = filled(On::Postgres, "").await;
    let all = plain(&store).await;
    let links = "line_tags$target_id$owner_id$targets";
    assert!(all.iter().any(|name| name == links), "{all:?}");
    store.close().await;
    // As earlier versions called it, and as the oldest did.
    for (older, renamed) in [
        ("line_tags$target_id$targets", false),
        ("line_tags_target_id_targets", true),
    ] {
        place.sql(&format!("DROP INDEX \"{links}\""));
        place.sql(&format!("CREATE INDEX \"{older}\" ON line_tags(target_id)"));
        let definition = match renamed {
            false => quests(""),
            true => quests("").replace("price: Int @index", "cost: Int @index @was(name: \"price\")"),
        };
        let store = open(&place.url, Access::Write, &definition).await.expect("it opens");
        let names = store.context.dialect.indexes();
        let before = lines(&store, names).await;
        assert!(
            before.iter().any(|name| name == older),
            "it does until then: {before:?}"
        );
        assert_eq!(
            store.waiting_indexes().await.expect("a list"),
            Vec::<String>::new(),
            "nobody waits for it"
        );
        for _ in 0..2 {
            store.finish_indexes().await.expect("they are built");
            let now = lines(&store, names).await;
            assert!(!now.iter().any(|name| name == older), "{now:?}");
            assert_eq!(now.iter().filter(|name| *name == links).count(), 1, "{now:?}");
        }
        store.close().await;
    }
}

pub(super) fn best(first: i64, direction: Direction) -> RootValue {
    let three = Select {
        order: vec![order(&[], 1, direction)],
        first: count(first),
        ..select(QUEST, vec![leaf("id", 0)])
    };
    RootValue::Many(select(NPC, vec![leaf("id", 0), many("gives", 2, three)]))
}

async fn an_index_of_several_fields_leads_to_the_first_rows_of_each(on: On) {
    let (_place, store) = filled(on, "@index(fields: [\"npc\", \"reward DESC\"])").await;
    let plan = way(&store, best(3, Direction::Descending)).await;
    // The characters themselves are few, and may be sorted.
    let of_each = plan.find("SubPlan").map_or(plan.as_str(), |at| &plan[at..]);
    let found = of_each.contains("quest$npc_id$reward-$id$fields");
    assert!(found && !sorts(of_each), "{on:?}\n{plan}");
    let json = answer(&store, vec![("r", best(3, Direction::Descending))], &[]).await;
    let (_other, without) = filled(on, "").await;
    assert_eq!(
        answer(&without, vec![("r", best(3, Direction::Descending))], &[]).await,
        json
    );
}

async fn indexes_of_several_fields_come_and_go(on: On) {
    let (place, store) = filled(on, "").await;
    let without = plain(&store).await;
    store.close().await;
    let cases: [(&str, &[&str]); 5] = [
        (
            "@index(fields: [\"npc\", \"reward DESC\"])",
            &["quest$npc_id$reward-$id$fields"],
        ),
        (
            "@index(fields: [\"npc\", \"reward\"])",
            &["quest$npc_id$reward$id$fields"],
        ),
        (
            "@index(fields: [\"reward\", \"npc DESC\"]) @index(fields: [\"npc\", \"reward\"])",
            &["quest$npc_id$reward$id$fields", "quest$reward$npc_id-$id$fields"],
        ),
        (
            "@index(fields: [\"reward\", \"npc DESC\"])",
            &["quest$reward$npc_id-$id$fields"],
        ),
        ("", &[]),
    ];
    for (index, names) in cases {
        // To an earlier one it goes back where that is allowed.
        let opened = open(&place.url, Access::Destructive, &quests(index)).await;
        let store = opened.expect("it opens");
        let large = on == On::Postgres && !names.is_empty() && index.contains("reward DESC");
        if large {
            // The table is one that is built of afterwards.
            assert_eq!(
                store.waiting_indexes().await.expect("a list"),
                ["Quest(npc, reward DESC)"]
            );
        }
        store.finish_indexes().await.expect("they are built");
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted.extend(without.iter().cloned());
        wanted.sort();
        assert_eq!(plain(&store).await, wanted, "{on:?} {index}");
        store.close().await;
    }
}

/// To-one fields are nested loops on SQLite either way: joined, none is begun for each row.
#[tokio::test(flavor = "multi_thread")]
async fn to_one_fields_are_joined_where_all_rows_are_wanted() {
    let (_place, store) = filled(On::Sqlite, "").await;
    let one = |key: &str, field: u32, output: Vec<Output>| Output {
        key: key.to_owned(),
        value: OutputValue::One {
            field: f(field),
            output,
        },
    };
    let npc = || one("npc", 2, vec![leaf("name", 1)]);
    let quest = || one("quest", 1, vec![leaf("id", 0), npc()]);
    let all = select(LINE, vec![leaf("id", 0), quest()]);
    let plan = way(&store, RootValue::Many(all.clone())).await;
    assert!(
        plan.matches("LEFT-JOIN").count() == 2 && !plan.contains("CORRELATED"),
        "{plan}"
    );
    let first = Select {
        first: count(5),
        order: vec![order(&[], 2, Direction::Descending)],
        ..all
    };
    let plan = way(&store, RootValue::Many(first)).await;
    assert!(
        plan.contains("CORRELATED"),
        "rows that are not wanted are joined with none\n{plan}"
    );
}

/// The owners of a link are in its index.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_found_backwards_by_their_index_alone() {
    let (_place, store) = filled(On::Postgres, "").await;
    let tags = select(EntityId(3), vec![many("lines", 1, select(LINE, vec![leaf("id", 0)]))]);
    let plan = way(&store, RootValue::Many(tags)).await;
    assert!(
        plan.contains("Index Only Scan using \"line_tags$target_id$owner_id$targets\""),
        "{plan}"
    );
}
