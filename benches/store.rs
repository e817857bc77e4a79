//! The store against the same work written by hand with rusqlite. Prints CPU-bound times and their ratios; asserts nothing.
//!
//! Workload: 100,000 items, 100,000 quests, 500,000 links in a file; `cargo bench --bench store`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hayloft::{
    catalog::{Catalog, Entity, EntityId, Field, FieldId, FieldKind, Leaf, Missing, Names, Owner, Selection, Valid},
    config::DatabaseUrl,
    layout::Layout,
    query::{Operand, Output, OutputValue, Read, Root, RootValue, Select},
    store::{Access, Finish, Group, Reason, StartRun, Store},
    value::{Row, Scalar, Value},
};

const ITEM: EntityId = EntityId(0);
const QUEST: EntityId = EntityId(1);
const LINE: EntityId = EntityId(2);
const COUNT: usize = 100_000;
const ROUNDS: u32 = 30;

fn field(name: &str, kind: FieldKind) -> Field {
    Field {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        kind,
        required: true,
        selection: Selection::Names(Vec::new()),
        unique: false,
        indexed: false,
        served: true,
    }
}

fn leaf(scalar: Scalar) -> FieldKind {
    FieldKind::Leaf {
        leaf: Leaf::Scalar(scalar),
        list: None,
    }
}

fn entity(name: &str, key: &[u32], fields: Vec<Field>) -> Entity {
    let names = Names {
        table: name.to_owned(),
        single: name.to_owned(),
        many: name.to_owned(),
        by: name.to_owned(),
    };
    Entity {
        name: name.to_owned(),
        description: None,
        names,
        key: key.iter().copied().map(FieldId).collect(),
        positional: false,
        fields,
        owner: None,
        fetch: None,
    }
}

fn catalog() -> Catalog {
    let texts = ["id", "name", "kind", "image", "note"];
    let mut item: Vec<Field> = texts.iter().map(|name| field(name, leaf(Scalar::String))).collect();
    item.extend(["price", "weight"].iter().map(|name| field(name, leaf(Scalar::Float))));
    item.push(field("stock", leaf(Scalar::Int)));
    item.push(field(
        "lines",
        FieldKind::Inverse {
            source: LINE,
            field: FieldId(1),
            many: true,
        },
    ));
    let quest = vec![
        field("id", leaf(Scalar::Id)),
        field("title", leaf(Scalar::String)),
        field("items", FieldKind::Nested { child: LINE }),
    ];
    let line = vec![
        field(
            "quest",
            FieldKind::Reference {
                target: QUEST,
                by: vec![FieldId(0)],
            },
        ),
        field(
            "item",
            FieldKind::Reference {
                target: ITEM,
                by: vec![FieldId(0)],
            },
        ),
        field("quantity", leaf(Scalar::Int)),
    ];
    let mut line = entity("line", &[0, 1], line);
    line.owner = Some(Owner {
        entity: QUEST,
        field: FieldId(2),
        parent: FieldId(0),
    });
    Catalog {
        entities: vec![entity("item", &[0], item), entity("quest", &[0], quest), line],
        fingerprint: "bench".to_owned(),
        ..Catalog::default()
    }
}

fn text(text: String) -> Value {
    Value::Text(text)
}

fn item(n: usize) -> Row {
    let values = vec![
        text(format!("i{n:06}")),
        text(format!("Item number {n}")),
        text("tool".to_owned()),
        text(format!("https://example.org/{n}.png")),
        text("Something a player can own.".to_owned()),
        Value::Float(n as f64 / 8.0),
        Value::Float(0.5),
        Value::Int(n as i64 % 100),
    ];
    Row::new(values, vec![], vec![])
}

fn quest(n: usize) -> Row {
    let id = format!("q{n:06}");
    let line = |k: usize| {
        let item = format!("i{:06}", (n * 7 + k * 20_011) % COUNT);
        Row::new(vec![text(id.clone()), text(item), Value::Int(k as i64)], vec![], vec![])
    };
    let lines = (0..5).map(line).collect();
    Row::new(vec![text(id.clone()), text(format!("Quest {n}"))], vec![], vec![lines])
}

async fn harvest(store: &Store, entity: EntityId, minute: i64, rows: Vec<Row>) -> Duration {
    let slot = chrono::DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    let start = StartRun {
        fetch: format!("f{}", entity.0),
        entity,
        slot,
        reason: Reason::Hand,
    };
    let run = store.start_run(&start).await.expect("a run").expect("a slot");
    let groups: Vec<Vec<Row>> = rows.chunks(5_000).map(<[Row]>::to_vec).collect();
    let began = Instant::now();
    for rows in groups {
        store
            .commit_group(
                &run,
                Group {
                    rows,
                    ..Group::default()
                },
            )
            .await
            .expect("a commit");
    }
    let finish = Finish::Complete {
        missing: Missing::Delete,
        missing_max: 1.0,
    };
    store.finish_run(&run, finish).await.expect("an end");
    began.elapsed()
}

fn leaves(fields: &[(&str, u32)]) -> Vec<Output> {
    let output = |(key, at): &(&str, u32)| Output {
        key: (*key).to_owned(),
        value: OutputValue::Leaf(FieldId(*at)),
    };
    fields.iter().map(output).collect()
}

fn select(entity: EntityId, first: Option<i64>, output: Vec<Output>) -> Select {
    let first = first.map(|first| Operand::Value(Value::Int(first)));
    Select {
        entity,
        filter: None,
        order: vec![],
        first,
        offset: None,
        output,
    }
}

const COLUMNS: [(&str, u32); 8] = [
    ("id", 0),
    ("name", 1),
    ("kind", 2),
    ("image", 3),
    ("note", 4),
    ("price", 5),
    ("weight", 6),
    ("stock", 7),
];

fn nested() -> Select {
    let quest = OutputValue::One {
        field: FieldId(0),
        output: leaves(&[("title", 1)]),
    };
    let mut line = leaves(&[("quantity", 2)]);
    line.push(Output {
        key: "quest".to_owned(),
        value: quest,
    });
    let mut output = leaves(&[("name", 1), ("image", 3), ("price", 5)]);
    let lines = OutputValue::Many {
        field: FieldId(8),
        select: select(LINE, None, line),
    };
    output.push(Output {
        key: "lines".to_owned(),
        value: lines,
    });
    select(ITEM, Some(100), output)
}

async fn timed(store: &Store, select: Select) -> (Duration, usize) {
    let read = Read {
        roots: vec![Root {
            key: "r".to_owned(),
            value: RootValue::Many(select),
        }],
    };
    let statement = store.compile(&read).expect("compiles");
    let mut size = store.read(&statement, &[]).await.expect("answers").json.len();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        size = store.read(&statement, &[]).await.expect("answers").json.len();
    }
    (began.elapsed() / ROUNDS, size)
}

fn by_hand<F: FnMut() -> usize>(mut work: F) -> (Duration, usize) {
    let mut size = work();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        size = work();
    }
    (began.elapsed() / ROUNDS, size)
}

fn hand_flat(connection: &rusqlite::Connection) -> usize {
    let sql = "SELECT id,name,kind,image,note,price,weight,stock FROM item ORDER BY id LIMIT 5000";
    let mut statement = connection.prepare_cached(sql).expect("prepares");
    let mut rows = statement.query([]).expect("runs");
    let mut out = Vec::with_capacity(1 << 20);
    while let Some(row) = rows.next().expect("a row") {
        out.extend_from_slice(b"{");
        for (at, (name, _)) in COLUMNS.iter().enumerate() {
            out.extend_from_slice(format!("\"{name}\":").as_bytes());
            match row.get_ref(at).expect("a value") {
                rusqlite::types::ValueRef::Text(text) => {
                    serde_json::to_writer(&mut out, std::str::from_utf8(text).expect("UTF-8")).expect("writes");
                }
                rusqlite::types::ValueRef::Real(real) => serde_json::to_writer(&mut out, &real).expect("writes"),
                rusqlite::types::ValueRef::Integer(int) => serde_json::to_writer(&mut out, &int).expect("writes"),
                _ => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        out.push(b'}');
    }
    out.len()
}

fn hand_nested(connection: &rusqlite::Connection) -> usize {
    let mut items = connection
        .prepare_cached("SELECT id,name,image,price FROM item ORDER BY id LIMIT 100")
        .expect("x");
    let sql =
        "SELECT l.quantity,q.title FROM line l JOIN quest q ON q.id=l.quest_id WHERE l.item_id=? ORDER BY l.quest_id";
    let mut lines = connection.prepare_cached(sql).expect("prepares");
    let mut rows = items.query([]).expect("runs");
    let mut out: Vec<u8> = Vec::with_capacity(1 << 16);
    while let Some(row) = rows.next().expect("a row") {
        let id: String = row.get(0).expect("an id");
        for at in 1..3 {
            serde_json::to_writer(&mut out, &row.get::<_, String>(at).expect("a text")).expect("writes");
        }
        serde_json::to_writer(&mut out, &row.get::<_, f64>(3).expect("a price")).expect("writes");
        let mut inner = lines.query([&id]).expect("runs");
        while let Some(line) = inner.next().expect("a row") {
            serde_json::to_writer(&mut out, &line.get::<_, i64>(0).expect("a number")).expect("writes");
            serde_json::to_writer(&mut out, &line.get::<_, String>(1).expect("a title")).expect("writes");
            out.extend_from_slice(b"{\"quantity\":,\"quest\":{\"title\":}},");
        }
        out.extend_from_slice(b"{\"name\":,\"image\":,\"price\":,\"lines\":[]},");
    }
    out.len()
}

fn report(what: &str, ours: (Duration, usize), hand: (Duration, usize)) {
    let ratio = ours.0.as_secs_f64() / hand.0.as_secs_f64();
    println!(
        "{what}: {:?} ({} bytes), by hand {:?} ({} bytes), ratio {ratio:.2}",
        ours.0, ours.1, hand.0, hand.1
    );
}

fn rate(what: &str, rows: usize, time: Duration) {
    println!("{what}: {:.0} rows/s", rows as f64 / time.as_secs_f64());
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.db");
    let catalog = Arc::new(Valid::trusted(catalog()));
    let layout = Arc::new(Layout::of(&catalog));
    let url = DatabaseUrl::Sqlite(path.clone());
    let store = Store::open(&url, Access::Write, catalog, layout)
        .await
        .expect("a store");
    let items: Vec<Row> = (0..COUNT).map(item).collect();
    rate(
        "new items of 8 columns",
        COUNT,
        harvest(&store, ITEM, 0, items.clone()).await,
    );
    rate("unchanged items", COUNT, harvest(&store, ITEM, 1, items).await);
    let quests: Vec<Row> = (0..COUNT).map(quest).collect();
    rate(
        "new quests with 5 lines each",
        COUNT,
        harvest(&store, QUEST, 0, quests).await,
    );
    let hand = rusqlite::Connection::open(&path).expect("opens");
    report(
        "nested, 100 items",
        timed(&store, nested()).await,
        by_hand(|| hand_nested(&hand)),
    );
    let flat = select(ITEM, Some(5_000), leaves(&COLUMNS));
    report(
        "flat, 5,000 rows of 8 columns",
        timed(&store, flat).await,
        by_hand(|| hand_flat(&hand)),
    );
    drop(hand);
    store.close().await;
}
