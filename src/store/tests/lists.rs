//! Lists with an index: answers are those of a database without one, whatever is asked and however
//! the rows came about; and the items that SQLite keeps of them are those of the rows, always.

use crate::{
    query::{Direction, Filter, Form, Nulls, Operand, Order, OutputValue, Quantifier, RootValue, Select},
    store::{
        ddl::items,
        read::{
            compiler::Compiler,
            items::{Items, Search},
        },
    },
    value::{Key, Scalar, Value},
};

use super::{
    changes::{lines, open},
    reads::{answer, f, leaf, select},
    *,
};

on_both!(
    answers_are_those_without_an_index,
    an_index_comes_and_goes_with_rows_present,
    a_first_load_builds_it_last,
    it_is_used_where_it_helps,
    thousands_of_operands,
);

/// A list of every scalar that has an index, beside a key, a number, links and nested rows.
const WORLD: &str = "enum Kind { A B C }
    type Thing @f { id: ID! rank: Int s: [String] INDEX n: [ID] INDEX i: [Int] INDEX f: [Float] INDEX o: [Boolean] INDEX \
      b: [BigInt!] INDEX d: [Decimal] INDEX t: [DateTime] INDEX y: [Date] INDEX c: [Time] INDEX l: [Duration] INDEX u: [UUID] INDEX \
      w: [URL] INDEX k: [Kind!] INDEX others: [Thing!]! @ref(jq: \".others[]\") parts: [Part!]! @nested(jq: \".parts[]\") }
    type Part { id: ID! thing: Thing! tags: [String!] INDEX }";

const THING: EntityId = EntityId(0);
/// The fields of `Thing` from its third on, and what their items are.
const LISTS: [Scalar; 14] = [
    Scalar::String,
    Scalar::Id,
    Scalar::Int,
    Scalar::Float,
    Scalar::Boolean,
    Scalar::BigInt,
    Scalar::Decimal,
    Scalar::DateTime,
    Scalar::Date,
    Scalar::Time,
    Scalar::Duration,
    Scalar::Uuid,
    Scalar::Url,
    Scalar::String,
];
const KINDS: usize = 13;
const OTHERS: u32 = 16;
const PARTS: u32 = 17;
/// Rows of the world: more than what counts as many for a first load.
const ROWS: u64 = 150;
/// What is asked after each round of changes.
const READS: usize = if cfg!(debug_assertions) { 40 } else { 600 };
const ROUNDS: u32 = 4;

fn world(index: bool) -> String {
    WORLD.replace("INDEX", if index { "@index" } else { "" })
}

/// Small numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// A few values of a scalar, some of them such as SQL, JSON or an array's text could take for
/// something else.
fn values(at: usize) -> Vec<Value> {
    let ints = |all: &[i64]| all.iter().map(|value| Value::Int(*value)).collect();
    let texts = |all: &[&str]| all.iter().map(|value| text(value)).collect();
    match LISTS[at] {
        _ if at == KINDS => texts(&["A", "B", "C"]),
        Scalar::Int => ints(&[0, 1, -1, 10, i64::from(i32::MAX)]),
        Scalar::BigInt => ints(&[0, 1, -7, i64::MAX, i64::MIN]),
        Scalar::Duration => ints(&[0, 1, -90_000_000, 86_400_000_000]),
        Scalar::Float => [0.0, 1.0, -1.5, 0.1, 1e300, 5e-324, 1e21].map(Value::Float).to_vec(),
        Scalar::Boolean => vec![Value::Bool(true), Value::Bool(false)],
        Scalar::Decimal => texts(&["0", "1", "1.5", "-0.001", "123456789012345678901234567890.5"]),
        Scalar::DateTime => texts(&["2026-11-21T03:20:00.000000Z", "2026-11-21T03:20:00.120000Z"]),
        Scalar::Date => texts(&["2026-11-21", "1999-01-01"]),
        Scalar::Time => texts(&["10:00:00.000000", "10:00:00.500000"]),
        Scalar::Uuid => texts(&[
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "00000000-0000-0000-0000-000000000000",
        ]),
        Scalar::Url => texts(&["https://a.example/?a=1,2", "https://b.example/"]),
        Scalar::Id => texts(&["1", "01", "a", "A", "null"]),
        _ => texts(&[
            "",
            "a",
            "A",
            "a ",
            "a,b",
            "[\"a\"]",
            "null",
            "{}",
            "\\",
            "\"",
            "é",
            "e\u{301}",
            "\u{1f600}",
            "1",
            "1.0",
            "true",
            &"long ".repeat(900),
        ]),
    }
}

/// A list as it is stored: its items in wire form, with repeats and nulls where these may be.
fn list(at: usize, dice: &mut Dice) -> Value {
    let count = match dice.below(6) {
        0 => return Value::Null,
        1 => 0,
        _ => 1 + dice.below(5),
    };
    let all = values(at);
    let nulls = LISTS[at] != Scalar::BigInt && at != KINDS;
    let item = |dice: &mut Dice| match nulls && dice.below(8) == 0 {
        true => "null".to_owned(),
        false => LISTS[at].to_wire_text(dice.of(&all)),
    };
    let items: Vec<String> = (0..count).map(|_| item(dice)).collect();
    text(&format!("[{}]", items.join(",")))
}

fn thing(id: u64, dice: &mut Dice) -> Row {
    let key = text(&format!("k{id:03}"));
    let mut values = vec![key.clone(), Value::Int(dice.below(5) as i64)];
    values.extend((0..LISTS.len()).map(|at| list(at, dice)));
    let others = (0..dice.below(4))
        .map(|_| Key::text(format!("k{:03}", dice.below(ROWS))))
        .collect();
    let part = |at: u64, dice: &mut Dice| {
        let id = text(&format!("p{id}-{at}"));
        let tags = Some(list(0, dice)).filter(|tags| !tags.to_string().contains("null"));
        Row::new(vec![id, key.clone(), tags.unwrap_or(Value::Null)], vec![], vec![])
    };
    let parts = (0..dice.below(3)).map(|at| part(at, dice)).collect();
    Row::new(values, vec![others], vec![parts])
}

/// A condition on a thing, nested so deep at most.
fn condition(depth: u32, dice: &mut Dice) -> Filter {
    let boxed = |depth, dice: &mut Dice| Box::new(condition(depth, dice));
    let several = |dice: &mut Dice| (0..1 + dice.below(3)).map(|_| condition(depth - 1, dice)).collect();
    match dice.below(if depth == 0 { 5 } else { 11 }) {
        5 => Filter::And(several(dice)),
        6 => Filter::Or(several(dice)),
        7 => Filter::Not(boxed(depth - 1, dice)),
        8 => Filter::Many {
            field: f(OTHERS),
            quantifier: *dice.of(&[Quantifier::Some, Quantifier::Every, Quantifier::None]),
            filter: boxed(depth - 1, dice),
        },
        9 => Filter::Many {
            field: f(PARTS),
            quantifier: *dice.of(&[Quantifier::Some, Quantifier::Every, Quantifier::None]),
            filter: Box::new(has(0, 2, dice)),
        },
        10 => Filter::Compare {
            field: f(1),
            compare: crate::query::Compare::Gte,
            operand: Operand::Value(Value::Int(dice.below(5) as i64)),
        },
        _ => {
            let at = dice.below(LISTS.len() as u64) as usize;
            has(at, at as u32 + 2, dice)
        }
    }
}

/// A search of a field for items of a kind; more operands than PostgreSQL's index is asked for,
/// sometimes, and none.
fn has(at: usize, field: u32, dice: &mut Dice) -> Filter {
    let mut all = values(at);
    if at == 0 {
        all.extend(["missing", "B", " "].map(text));
    }
    let count = match dice.below(20) {
        0 => 0,
        1 => 60,
        _ => 1 + dice.below(4),
    };
    Filter::Has {
        field: f(field),
        all: dice.below(2) == 0,
        operands: (0..count).map(|_| Operand::Value(dice.of(&all).clone())).collect(),
    }
}

fn read(dice: &mut Dice) -> Select {
    let mut number = |end: u64| (dice.below(2) == 0).then(|| Operand::Value(Value::Int(dice.below(end) as i64)));
    let (first, offset) = (number(30), number(4));
    let order = Order {
        path: vec![],
        field: f(1),
        form: Form::Value,
        direction: *dice.of(&[Direction::Ascending, Direction::Descending]),
        nulls: Nulls::Last,
    };
    let others = Output {
        key: "others".to_owned(),
        value: OutputValue::Many {
            field: f(OTHERS),
            select: Select {
                filter: Some(condition(1, dice)),
                first: (dice.below(2) == 0).then_some(Operand::Value(Value::Int(2))),
                ..select(THING, vec![leaf("id", 0)])
            },
        },
    };
    Select {
        filter: Some(condition(2, dice)),
        order: if dice.below(3) == 0 { vec![order] } else { vec![] },
        first,
        offset,
        ..select(THING, vec![leaf("id", 0), others])
    }
}

async fn ask(store: &Store, select: Select) -> String {
    answer(store, vec![("r", RootValue::Many(select))], &[]).await
}

/// Items that are kept and of no row, or of a row and not kept.
pub(super) async fn wrong_items(store: &Store) -> Vec<String> {
    let dialect = store.context.dialect;
    let mut wrong = Vec::new();
    for tables in store.context.layout.entities.iter().filter(|_| dialect.keeps_items()) {
        for list in tables.table.lists() {
            let column = &tables.table.columns[list.column].name;
            let kept = dialect.quote(&items::table_name(&tables.table.name, column));
            let (table, column) = (dialect.quote(&tables.table.name), dialect.quote(column));
            let own =
                format!("SELECT t._row,e.value FROM {table} AS t,json_each(t.{column}) AS e WHERE e.value IS NOT NULL");
            for (from, without) in [
                (&own, &format!("SELECT _row,value FROM {kept}")),
                (&format!("SELECT _row,value FROM {kept}"), &own),
            ] {
                let sql = format!("SELECT '{kept} '||_row||' '||value FROM ({from} EXCEPT {without})");
                wrong.extend(lines(store, &sql).await);
            }
        }
    }
    wrong
}

/// Two databases that differ in nothing but their indexes.
async fn both(on: On) -> [(Place, Store); 2] {
    let [with, without] = [Place::new(on), Place::new(on)];
    let indexed = open(&with.url, Access::Write, &world(true)).await.expect("a store");
    let plain = open(&without.url, Access::Write, &world(false)).await.expect("a store");
    [(with, indexed), (without, plain)]
}

async fn answers_are_those_without_an_index(on: On) {
    let pair = both(on).await;
    let mut dice = Dice(4);
    let mut found = 0;
    for round in 0..ROUNDS {
        // All are new at first; then some change, some are gone, and some come.
        let row = |id: u64, dice: &mut Dice| match round > 0 && !id.is_multiple_of(3) {
            true => thing(id, &mut Dice(id)),
            false => thing(id, dice),
        };
        let mut all: Vec<Row> = (0..ROWS).map(|id| row(id, &mut dice)).collect();
        all.retain(|_| round == 0 || dice.below(8) > 0);
        for (_, store) in &pair {
            harvest(store, "Thing", THING, round, all.clone()).await;
            assert_eq!(wrong_items(store).await, Vec::<String>::new());
        }
        for nth in 0..READS {
            let select = read(&mut dice);
            let [with, without] = [&pair[0].1, &pair[1].1].map(|store| ask(store, select.clone()));
            let (with, without) = (with.await, without.await);
            assert_eq!(with, without, "round {round}, read {nth}: {select:?}");
            found += usize::from(without != "{\"r\":[]}");
        }
    }
    assert!(found > READS, "most of what is asked finds nothing: {found}");
}

async fn an_index_comes_and_goes_with_rows_present(on: On) {
    let [(place, store), (_other_place, plain)] = both(on).await;
    let mut dice = Dice(7);
    let all: Vec<Row> = (0..ROWS).map(|id| thing(id, &mut dice)).collect();
    for store in [&store, &plain] {
        harvest(store, "Thing", THING, 0, all.clone()).await;
    }
    let reads: Vec<Select> = (0..20).map(|_| read(&mut dice)).collect();
    let mut want = Vec::new();
    for select in &reads {
        want.push(ask(&plain, select.clone()).await);
    }
    let renamed = world(true).replace("type Thing @f {", "type Other @f @was(name: \"Thing\") {");
    let renamed = renamed
        .replace("Thing!", "Other!")
        .replace(" s: [String]", " other: [String] @was(name: \"s\")");
    let mut store = store;
    for (minute, text) in (1..).zip([world(false), world(true), renamed]) {
        store.close().await;
        store = open(&place.url, Access::Destructive, &text).await.expect("it follows");
        assert_eq!(wrong_items(&store).await, Vec::<String>::new());
        assert_eq!(store.waiting_indexes().await.expect("a list"), Vec::<String>::new());
        for (select, want) in reads.iter().zip(&want) {
            assert_eq!(&ask(&store, select.clone()).await, want, "{select:?}");
        }
        // Rows are kept with their items from then on.
        let name = store.context.catalog.entity(THING).name.clone();
        let other: Vec<Row> = (0..ROWS).map(|id| thing(id, &mut Dice(id + 1))).collect();
        for (more, rows) in [other, all.clone()].into_iter().enumerate() {
            harvest(&store, &name, THING, 2 * minute + more as u32, rows).await;
            assert_eq!(wrong_items(&store).await, Vec::<String>::new());
        }
    }
    let kept = lines(&store, store.context.dialect.table_names()).await;
    let kept = kept.iter().filter(|name| name.ends_with("$items")).count();
    assert_eq!(
        kept,
        if store.context.dialect.keeps_items() {
            LISTS.len() + 1
        } else {
            0
        }
    );
}

async fn a_first_load_builds_it_last(on: On) {
    let [(_place, store), _] = both(on).await;
    let run = start(&store, "Thing", THING, 0).await;
    let mut dice = Dice(9);
    let mut all: Vec<Row> = (0..ROWS).map(|id| thing(id, &mut dice)).collect();
    let last = all.split_off(130);
    store.commit_group(&run, rows(all)).await.expect("a commit");
    let waiting = store.waiting_indexes().await.expect("a list");
    assert!(
        ["Thing.s", "Thing.k", "Part.tags"]
            .iter()
            .all(|field| waiting.iter().any(|one| one == field)),
        "{waiting:?}"
    );
    store.commit_group(&run, rows(last)).await.expect("a commit");
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(store.waiting_indexes().await.expect("a list"), Vec::<String>::new());
    assert_eq!(wrong_items(&store).await, Vec::<String>::new());
}

/// How the database goes about a search, first in order.
async fn way(store: &Store, operand: &str, first: Option<i64>) -> String {
    let search = Filter::Has {
        field: f(1),
        all: false,
        operands: vec![Operand::Value(text(operand))],
    };
    let select = Select {
        filter: Some(search),
        first: first.map(|first| Operand::Value(Value::Int(first))),
        ..select(EntityId(0), vec![leaf("id", 0)])
    };
    let root = crate::query::Root {
        key: "r".to_owned(),
        value: RootValue::Many(select),
    };
    let statement = store.compile(&Read { roots: vec![root] }).expect("compiles");
    store.explain(&statement, &[]).await.expect("a plan").plan.join("\n")
}

async fn it_is_used_where_it_helps(on: On) {
    let place = Place::new(on);
    let tagged = |index: &str| format!("type Tagged @f {{ id: ID! tags: [String!] {index} }}");
    let store = open(&place.url, Access::Write, &tagged("")).await.expect("a store");
    let tags = |at: i64| format!("[\"t{}\",\"{}\"]", at % 997, if at % 2 == 0 { "even" } else { "odd" });
    let row = |at: i64| Row::new(vec![text(&format!("k{at:05}")), text(&tags(at))], vec![], vec![]);
    harvest(&store, "Tagged", EntityId(0), 0, (0..5_000).map(row).collect()).await;
    store.close().await;
    let store = open(&place.url, Access::Write, &tagged("@index"))
        .await
        .expect("the index");
    store.finish_indexes().await.expect("it is built");
    let index = match on {
        On::Sqlite => "tagged$tags$items$value$_row$index",
        On::Postgres => "Bitmap Index Scan on \"tagged$tags$items\"",
    };
    for first in [None, Some(20)] {
        let plan = way(&store, "t5", first).await;
        assert!(plan.contains(index), "{plan}");
    }
    // SQLite has both ways in one statement.
    if on == On::Postgres {
        let plan = way(&store, "even", Some(20)).await;
        assert!(!plan.contains(index), "{plan}");
    }
}

/// Eight rows, far from each other, are looked at before any are counted: two that have an operand
/// say that many do, however few the count would find. Which way is gone never shows in an answer,
/// so the condition is asked by itself.
#[tokio::test]
async fn two_of_eight_far_rows_tell_of_many() {
    const ALL: u64 = 400;
    /// So many more rows are wanted than there are, so that no count comes to many.
    const WANTED: &str = "100000";
    let place = Place::new(On::Sqlite);
    let world = "type Tagged @f { id: ID! tags: [String!] @index }";
    let store = open(&place.url, Access::Write, world).await.expect("a store");
    let looked_at: Vec<u64> = (1..=8).map(|nth| 1 + nth * 2_654_435_761 % ALL).collect();
    let tags = |number: u64| {
        let of = [
            ("even", number.is_multiple_of(2)),
            ("first", number <= 40),
            ("one", number == looked_at[0]),
            ("two", [looked_at[0], looked_at[5]].contains(&number)),
            ("beside", !looked_at.contains(&number)),
        ];
        let of = of.iter().filter(|(_, has)| *has);
        let of: Vec<String> = of.map(|(tag, _)| format!("\"{tag}\"")).collect();
        text(&format!("[{}]", of.join(",")))
    };
    let row = |number| Row::new(vec![text(&format!("k{number:03}")), tags(number)], vec![], vec![]);
    harvest(&store, "Tagged", EntityId(0), 0, (1..=ALL).map(row).collect()).await;
    let numbered = format!("SELECT count(*) FROM tagged WHERE id='k'||substr('00'||_row,-3) AND _row<={ALL}");
    assert_eq!(
        number(&store, &numbered).await,
        ALL as i64,
        "rows are numbered as they came"
    );
    for (tag, many) in [
        ("even", 1),
        ("first", 0),
        ("one", 0),
        ("two", 1),
        ("beside", 0),
        ("none", 0),
    ] {
        let mut compiler = Compiler::new(store.compiler());
        let search = Search {
            list: String::new(),
            all: false,
            params: vec![format!("'{tag}'")],
        };
        let items = Items::of(&mut compiler, EntityId(0), FieldId(1), &search).expect("a table of items");
        let asked = format!("SELECT {}", items.many(&[WANTED.to_owned()]));
        assert_eq!(number(&store, &asked).await, many, "{tag}");
    }
}

/// Too many for the index, which others beside them are still found by.
async fn thousands_of_operands(on: On) {
    let pair = both(on).await;
    let mut dice = Dice(2);
    let all: Vec<Row> = (0..ROWS).map(|id| thing(id, &mut dice)).collect();
    let many: Vec<Operand> = (0..5_000).map(|at| Operand::Value(text(&format!("x{at}")))).collect();
    let some = |more: &str, all| Filter::Has {
        field: f(2),
        all,
        operands: many.iter().cloned().chain([Operand::Value(text(more))]).collect(),
    };
    for (_, store) in &pair {
        harvest(store, "Thing", THING, 0, all.clone()).await;
    }
    for filter in [
        some("a", false),
        some("a", true),
        Filter::And(vec![some("a", false), has(0, 2, &mut dice)]),
    ] {
        let select = Select {
            filter: Some(filter),
            ..select(THING, vec![leaf("id", 0)])
        };
        let [with, without] = [&pair[0].1, &pair[1].1].map(|store| ask(store, select.clone()));
        assert_eq!(with.await, without.await);
    }
}
