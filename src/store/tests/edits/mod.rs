//! Random definitions through random sequences of edits, with data inside: after each, the tables
//! are those that a new database would have, and what the steps promised to keep is there.
//! `HAYLOFT_EDITS` sets the number of sequences, `HAYLOFT_SEED` begins elsewhere.

mod facts;
mod model;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRng, TestRunner},
};

use crate::{
    layout::{
        ColumnKind, EntityTables, Meaning,
        steps::{Change, Loss, Origin, Reshape, Steps},
    },
    store::tests::{
        changes::{lines, open, read},
        lists::wrong_items,
        search::wrong_words,
    },
    value::{Scalar, Value},
};

use model::{EDITS, Edit, Model};

use super::*;

/// Sequences in an ordinary run of the tests: some seconds.
const SQLITE_CASES: u32 = 8;
const POSTGRES_CASES: u32 = 2;
/// On PostgreSQL each statement is a round trip, each layout a new database: fewer in a soak, too.
const POSTGRES_PART: u32 = 5;
/// Rounds of sequences until all kinds of steps were come to; on PostgreSQL a round takes long.
const ROUNDS_MAX: u32 = 40;
const POSTGRES_ROUNDS: u32 = 4;
/// Edits of one sequence.
const EDITS_MAX: usize = 20;
/// Rows of each type, at most.
const ROWS_MAX: u64 = 6;

type Checked = Result<(), TestCaseError>;

/// How often each kind of step was taken.
type Met = BTreeMap<&'static str, u64>;

/// The kinds that there are, by their codes: a test that never comes to one says nothing of it.
const KINDS: &[&str] = &[
    "NEW_TYPE",
    "RENAMED_TYPE",
    "REMOVED_TYPE",
    "NEW_KEY",
    "NEW_FIELD",
    "RENAMED_FIELD",
    "REMOVED_FIELD",
    "CAST",
    "EMPTIED",
    "NARROWED",
    "WIDENED",
    "REQUIRED",
    "NULLABLE",
    "NEW_LINKS",
    "RENAMED_LINKS",
    "REMOVED_LINKS",
    "EMPTIED_LINKS",
    "NEW_INDEX",
    "REMOVED_INDEX",
    "UNIQUE",
    "NOT_UNIQUE",
    "SEARCHED",
    "NOT_SEARCHED",
    "SEARCHED_IN",
];

#[allow(clippy::disallowed_methods)] // The tests' own scale is no setting of the program.
pub(super) fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

fn runner(cases: u32, seed: u64, round: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&round.to_le_bytes());
    TestRunner::new_with_rng(
        config,
        TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &bytes),
    )
}

fn run(on: On, usual: u32, part: u32) {
    let threads = tokio::runtime::Runtime::new().expect("threads");
    let asked = setting("HAYLOFT_EDITS").map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let cases = asked.map_or(usual, |count| count.div_ceil(part));
    let seed = setting("HAYLOFT_SEED").unwrap_or(1);
    let edits = vec((0..EDITS, any::<u16>(), any::<u16>()), 1..=EDITS_MAX);
    let met = RefCell::new(Met::new());
    let most = if on == On::Sqlite { ROUNDS_MAX } else { POSTGRES_ROUNDS };
    let mut rounds = 0;
    while rounds == 0 || rounds < most && !never(&met.borrow()).is_empty() {
        let result = runner(cases, seed, rounds).run(&edits, |edits| threads.block_on(sequence(on, &edits, &met)));
        if let Err(error) = result {
            panic!("HAYLOFT_SEED={seed}: {error}");
        }
        rounds += 1;
    }
    let met = met.into_inner();
    let missing = never(&met);
    assert!(
        on == On::Postgres || missing.is_empty(),
        "HAYLOFT_SEED={seed} never comes to {missing:?}"
    );
    println!("shown: {on:?}: {rounds} times {cases} sequences of edits: {met:?}");
    let unknown: Vec<_> = met.keys().filter(|kind| !KINDS.contains(kind)).collect();
    assert!(unknown.is_empty(), "these are to be asked for, too: {unknown:?}");
}

/// Kinds of steps that were not come to.
fn never(met: &Met) -> Vec<&'static str> {
    KINDS.iter().filter(|kind| !met.contains_key(*kind)).copied().collect()
}

#[test]
fn edited_definitions_on_sqlite() {
    run(On::Sqlite, SQLITE_CASES, 1);
}

#[test]
fn edited_definitions_on_postgres() {
    run(On::Postgres, POSTGRES_CASES, POSTGRES_PART);
}

async fn sequence(on: On, edits: &[Edit], met: &RefCell<Met>) -> Checked {
    let place = Place::new(on);
    let mut model = Model::new();
    let mut store = open(&place.url, Access::Write, &model.text()).await.expect("a store");
    fill(&store, 0).await;
    let mut served = model.text();
    for (step, edit) in (1..).zip(edits) {
        let last = model.clone();
        model.edit(*edit);
        let text = model.text();
        if text == last.text() {
            continue;
        }
        let before = Snapshot::of(&store).await;
        let old = serde_json::to_string(&*store.context.layout).expect("JSON");
        store.close().await;
        let left = std::mem::replace(&mut served, text.clone());
        let catalog = read(&text);
        let layout = Arc::new(Layout::of(&catalog));
        let plan = Store::plan(&place.url, catalog, layout.clone(), None)
            .await
            .expect("a plan");
        if plan.former {
            // Back to a definition that was left by additions: the tables stay as they are, until
            // someone allows more.
            store = open(&place.url, Access::Write, &text).await.expect("it is compatible");
            same_schema(on, &store, &left).await?;
            store.close().await;
        }
        for step in &plan.steps {
            *met.borrow_mut().entry(step.step.code()).or_default() += 1;
        }
        let opened = open(&place.url, Access::Destructive, &text).await;
        store = opened.map_err(|error| TestCaseError::fail(format!("{error:?}\n{text}")))?;
        let old: Layout = serde_json::from_str(&old).expect("a layout");
        same_schema(on, &store, &text).await?;
        no_wrong_items(&store).await?;
        let after = Snapshot::of(&store).await;
        let steps = Steps::between(&old, &layout);
        kept(&old, &layout, &steps, &plan, &before, &after).map_err(|error| {
            TestCaseError::fail(format!(
                "{error}\n{:?}\n{text}",
                plan.steps.iter().map(PlannedStep::words).collect::<Vec<_>>()
            ))
        })?;
        owed(&store, &plan).await?;
        fill(&store, step).await;
        no_wrong_items(&store).await?;
    }
    store.close().await;
    Ok(())
}

/// What is kept of lists and of words is what the rows hold.
async fn no_wrong_items(store: &Store) -> Checked {
    let wrong = [wrong_items(store).await, wrong_words(store).await].concat();
    prop_assert!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

/// A new database with the same definition has the same tables.
async fn same_schema(on: On, store: &Store, text: &str) -> Checked {
    let place = Place::new(on);
    let new = open(&place.url, Access::Write, text).await.expect("a new store");
    let (got, want) = (facts::schema(store).await, facts::schema(&new).await);
    new.close().await;
    let extra: Vec<_> = got.difference(&want).collect();
    let missing: Vec<_> = want.difference(&got).collect();
    prop_assert!(
        extra.is_empty() && missing.is_empty(),
        "extra {extra:#?}\nmissing {missing:#?}\n{text}"
    );
    prop_assert!(!want.is_empty());
    Ok(())
}

/// Every row and link, by table.
struct Snapshot {
    rows: BTreeMap<String, BTreeMap<i64, Vec<String>>>,
    links: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Snapshot {
    async fn of(store: &Store) -> Snapshot {
        let mut all = Snapshot {
            rows: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        for tables in &store.context.layout.entities {
            let name = &tables.table.name;
            all.rows
                .insert(name.clone(), facts::rows(store, name, &tables.table.columns).await);
            for join in &tables.joins {
                let links = facts::links(store, &join.name, &join.owner, &join.targets).await;
                all.links.insert(join.name.clone(), links);
            }
        }
        all
    }
}

/// What the steps promised to keep is there, and nothing else.
fn kept(
    old: &Layout,
    new: &Layout,
    steps: &Steps,
    plan: &LayoutPlan,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<(), String> {
    for created in &steps.created {
        let rows = &after.rows[&new.entity(*created).table.name];
        expect(rows.is_empty(), || format!("a new type has rows: {rows:?}"))?;
    }
    for reshape in &steps.kept {
        let (old, new) = (&old.entities[reshape.stored], new.entity(reshape.entity));
        let (was, is) = (&before.rows[&old.table.name], &after.rows[&new.table.name]);
        let told = || {
            let touches = plan
                .steps
                .iter()
                .filter_map(|step| Some((step.step.touch.as_ref()?, step.rows)));
            let own = touches.filter(|(touch, _)| touch.table == old.table.name && touch.loss == Loss::Row);
            own.map(|(_, rows)| rows).collect::<Vec<u64>>()
        };
        let removed = was.keys().filter(|row| !is.contains_key(row)).count() as u64;
        expect(is.keys().all(|row| was.contains_key(row)), || {
            format!("{} has rows from nowhere", new.name)
        })?;
        if !new.positioned {
            let (most, least) = (told().iter().sum::<u64>(), told().into_iter().max().unwrap_or(0));
            expect((least..=most).contains(&removed), || {
                format!("{}: {removed} rows are gone, {least} to {most} were told", new.name)
            })?;
        }
        for (row, cells) in is {
            values(reshape, old, new, plan, &was[row], cells)?;
        }
        links(reshape, old, new, before, after)?;
    }
    Ok(())
}

fn expect(holds: bool, text: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text()) }
}

fn values(
    reshape: &Reshape,
    old: &EntityTables,
    new: &EntityTables,
    plan: &LayoutPlan,
    was: &[String],
    is: &[String],
) -> Result<(), String> {
    for ((cell, origin), column) in is.iter().zip(&reshape.origins).zip(&new.table.columns) {
        let Origin::Stored(from) = origin else {
            expect(cell == "~", || {
                format!("{}.{} is {cell}, not null", new.name, column.name)
            })?;
            continue;
        };
        let gone = |value: &String| {
            plan.steps.iter().any(|step| {
                step.step.entity == new.name
                    && matches!(&step.step.change, Change::Narrowed { gone } if gone.contains(value))
            })
        };
        let number = |text: &str| text.parse::<f64>().ok();
        let stored = &was[*from];
        let cast = old.table.columns[*from].kind != column.kind;
        let same = stored == cell || cast && number(stored).is_some() && number(stored) == number(cell);
        expect(same || gone(stored) && cell == "~", || {
            format!("{}.{}: {stored} became {cell}", new.name, column.name)
        })?;
    }
    Ok(())
}

/// The links of the rows that stayed, each of them.
fn links(
    reshape: &Reshape,
    old: &EntityTables,
    new: &EntityTables,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<(), String> {
    let key = |cells: &Vec<String>| {
        let parts = new.table.key.iter().map(|at| cells[*at].clone());
        parts.collect::<Vec<_>>().join("|")
    };
    let owners: BTreeSet<String> = after.rows[&new.table.name].values().map(key).collect();
    for (join, from) in new.joins.iter().zip(&reshape.joins) {
        let is = &after.links[&join.name];
        let want: BTreeSet<(String, String)> = match from {
            Some(from) => {
                let was = &before.links[&old.joins[*from].name];
                was.iter()
                    .filter(|(owner, _)| owners.contains(owner))
                    .cloned()
                    .collect()
            }
            None => BTreeSet::new(),
        };
        expect(*is == want, || format!("{}: {is:?}, not {want:?}", join.name))?;
    }
    Ok(())
}

/// Who is to be harvested is noted, and its rows do not count as unchanged.
async fn owed(store: &Store, plan: &LayoutPlan) -> Checked {
    let noted = lines(store, "SELECT \"fetch\" FROM hayloft_refill").await;
    for step in plan.steps.iter().filter(|step| step.refills) {
        for fetch in step.step.refill.iter().flat_map(|refill| &refill.fetches) {
            prop_assert!(noted.contains(fetch), "{fetch} is not noted: {}", step.words());
            if step.step.refill.as_ref().is_some_and(|refill| refill.apart) {
                continue;
            }
            // What requests of its own bring stands in no row of the type.
            let Some(entity) = store.context.catalog.entity_named(fetch) else {
                continue;
            };
            let table = store
                .context
                .dialect
                .quote(&store.context.layout.entity(entity).table.name);
            let fresh = number(
                store,
                &format!("SELECT CAST(count(*) AS BIGINT) FROM {table} WHERE _hash<>0"),
            )
            .await;
            prop_assert_eq!(fresh, 0, "{} counts as unchanged: {}", fetch, step.words());
        }
    }
    Ok(())
}

/// Harvests some rows of every type.
async fn fill(store: &Store, round: u64) {
    let catalog = store.context.catalog.clone();
    for id in catalog.entity_ids().filter(|id| catalog.entity(*id).owner.is_none()) {
        let mut dice = Dice(round * 1_000 + u64::from(id.0) + 1);
        let count = dice.below(ROWS_MAX + 1);
        let all = (0..count).map(|nth| row(store, id, nth, None, &mut dice)).collect();
        let name = catalog.entity(id).name.clone();
        let run = start(store, &name, id, u32::try_from(round).expect("a round")).await;
        store.commit_group(&run, rows(all)).await.expect("a commit");
        let keep = Finish::Complete {
            missing: Missing::Keep,
            missing_max: 1.0,
            told: Told::default(),
        };
        store.finish_run(&run, keep).await.expect("an end");
    }
    link(store).await;
}

/// What requests of their own would bring: each of these links leads to the first row of its
/// target.
async fn link(store: &Store) {
    let quote = |name: &str| store.context.dialect.quote(name);
    let catalog = store.context.catalog.clone();
    for id in catalog.entity_ids() {
        let tables = store.context.layout.entity(id);
        for column in tables.fetched() {
            let target = catalog.entity(id).field(column.field).kind.target();
            let target = &store.context.layout.entity(target.expect("a link")).table;
            let key = &target.columns[target.key[0]];
            let sql = format!(
                "UPDATE {} SET {}=(SELECT k.{} FROM {} AS k ORDER BY k._row LIMIT 1)",
                quote(&tables.table.name),
                quote(&column.name),
                quote(&key.name),
                quote(&target.name)
            );
            super::run(store, &sql).await;
        }
    }
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
}

fn row(store: &Store, id: EntityId, nth: u64, owner: Option<&[Value]>, dice: &mut Dice) -> Row {
    let tables = store.context.layout.entity(id);
    let entity = store.context.catalog.entity(id);
    let mut owned = owner.unwrap_or_default().iter();
    let columns = tables.table.columns.iter().enumerate();
    let values: Vec<Value> = columns
        .map(|(at, column)| {
            let is_key = tables.table.key.contains(&at);
            if entity.owner.is_some_and(|owner| owner.parent == column.field) {
                return owned.next().cloned().expect("a part of the owner's key");
            }
            if column.nullable && dice.below(3) == 0 {
                return Value::Null;
            }
            let number = if is_key { nth } else { dice.below(4) };
            match &column.meaning {
                Meaning::Choice(values) => {
                    let at = number as usize % values.len();
                    text(values.iter().nth(at).expect("a value"))
                }
                _ => value(column.kind, number),
            }
        })
        .collect();
    let key: Vec<Value> = tables.table.key.iter().map(|at| values[*at].clone()).collect();
    let links = tables.joins.iter().map(|join| {
        let keys =
            (0..dice.below(3)).map(|nth| Key(join.targets.iter().map(|column| value(column.kind, nth)).collect()));
        keys.collect()
    });
    let links = links.collect();
    let children = tables.nested.iter().map(|nested| {
        let count = dice.below(3);
        (0..count)
            .map(|nth| row(store, nested.child, nth, Some(&key), dice))
            .collect()
    });
    let children = children.collect();
    Row::new(values, links, children)
}

fn value(kind: ColumnKind, number: u64) -> Value {
    let int = number as i64;
    let scalar = match kind {
        ColumnKind::Scalar(scalar) => scalar,
        ColumnKind::Enum => Scalar::String,
        ColumnKind::Document => return text(&format!("[{number}]")),
    };
    match scalar {
        Scalar::Int | Scalar::BigInt | Scalar::Duration => Value::Int(int),
        Scalar::Float => Value::Float(number as f64 + 0.5),
        Scalar::Boolean => Value::Bool(int % 2 == 0),
        Scalar::Decimal => text(&format!("{number}.5")),
        Scalar::Date => text(&format!("2026-01-0{}", number + 1)),
        Scalar::DateTime => text(&format!("2026-01-0{}T00:00:00.000000Z", number + 1)),
        Scalar::Time => text("03:20:00.000000"),
        Scalar::Uuid => text(&format!("00000000-0000-0000-0000-00000000000{number}")),
        Scalar::Url => text(&format!("http://h/{number}")),
        Scalar::Json => text(&number.to_string()),
        Scalar::Id | Scalar::String => text(&format!("v{number}")),
    }
}
