//! Many runs of a statement in one go: each is as it would be alone.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    reads::{f, leaf, select},
    *,
};
use crate::{
    layout::ColumnKind,
    query::{Compare, Filter, Operand, Root, RootValue, Select, TextTest},
    store::{
        db::params::Kind,
        read::{
            pace::Pace,
            statement::{Bind, BindForm, Many},
        },
    },
    value::Scalar,
};

on_both!(
    runs_are_answered_as_if_each_were_alone,
    values_of_all_kinds_go_together,
    bounds_and_time_are_those_of_each,
    what_fails_otherwise_says_why,
    runs_that_nobody_waits_for_leave_the_readers,
    a_run_that_nobody_waits_for_ends_and_the_next_one_begins,
);

/// Counts to its parameter.
const COUNT: &str = "WITH RECURSIVE n(x) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT x+1 FROM n WHERE x<CAST($1 AS BIGINT)) \
                     SELECT CAST(-1 AS BIGINT),CAST(count(*) AS TEXT) FROM n";
const ENDLESS: i64 = i64::MAX;

/// Runs with these values, and what came of them.
struct Asked {
    values: VecDeque<Vec<Value>>,
    came: Arc<Mutex<Vec<Result<Answer, StoreError>>>>,
    /// The one for which nobody waits, by what is left behind it.
    unheard: Option<usize>,
    left: Arc<AtomicUsize>,
}

impl Runs for Asked {
    fn next(&mut self) -> Option<Arc<[Value]>> {
        let values = self.values.pop_front().map(Arc::from);
        self.left.store(self.values.len(), Ordering::Relaxed);
        values
    }

    fn done(&mut self, answer: Result<Answer, StoreError>) {
        self.came.lock().expect("no panic").push(answer);
    }

    fn heard(&self) -> Heard {
        let (left, unheard) = (self.left.clone(), self.unheard);
        Arc::new(move || unheard.is_none_or(|unheard| left.load(Ordering::Relaxed) != unheard))
    }
}

async fn each(store: &Store, statement: &Statement, values: Vec<Vec<Value>>) -> Vec<Result<Answer, StoreError>> {
    each_but(store, statement, values, None).await
}

async fn each_but(
    store: &Store,
    statement: &Statement,
    values: Vec<Vec<Value>>,
    unheard: Option<usize>,
) -> Vec<Result<Answer, StoreError>> {
    let came = Arc::<Mutex<Vec<_>>>::default();
    let asked = Asked {
        values: values.into(),
        came: came.clone(),
        unheard,
        left: Arc::default(),
    };
    store.read_each(statement, asked).await.expect("they end in time");
    std::mem::take(&mut *came.lock().expect("no panic"))
}

/// A store whose reads have so much time.
async fn within(place: &Place, limit: Duration) -> Store {
    let catalog = Arc::new(Valid::trusted(catalog("one")));
    let layout = Arc::new(Layout::of(&catalog));
    let store = Store::open_within(&place.url, Access::Write, catalog, layout, Some(limit));
    store.await.expect("a store")
}

fn counting() -> Statement {
    let bind = Bind {
        operand: Operand::Param(0),
        form: BindForm::Count,
    };
    Statement {
        binds: Arc::new([bind]),
        ..statement(COUNT)
    }
}

/// Whatever its runs take, from now on as many go in one statement as may.
fn go_together(statement: &Statement) {
    if let Some(many) = &statement.many {
        many.pace.always();
    }
}

/// Statements of the readers so far.
fn statements(store: &Store) -> u64 {
    store.context.readers.statements.load(Ordering::Relaxed)
}

/// Runs them as each would alone, and together: they are answered alike, where it can be by fewer
/// statements.
async fn answered_alike(on: On, store: &Store, statement: &Statement, values: Vec<Vec<Value>>) {
    go_together(statement);
    let before = statements(store);
    let came = each(store, statement, values.clone()).await;
    let asked = statements(store) - before;
    let count = values.len() as u64;
    match on {
        // They go over a lent connection.
        On::Sqlite => assert_eq!(asked, 0),
        On::Postgres => assert!(asked < count, "{asked} statements for {count} runs"),
    }
    assert_eq!(came.len(), values.len());
    for (values, came) in values.iter().zip(came) {
        let alone = store.read(statement, values).await.expect("an answer");
        let came = came.expect("an answer");
        assert_eq!((came.json, came.head), (alone.json, alone.head), "{values:?}");
    }
}

fn items(store: &Store, filter: Filter, first: Option<Operand>) -> Statement {
    let select = Select {
        filter: Some(filter),
        first,
        ..select(ITEM, vec![leaf("id", 0), leaf("price", 3)])
    };
    let root = Root {
        key: "r".to_owned(),
        value: RootValue::Many(select),
    };
    store.compile(&Read { roots: vec![root] }).expect("compiles")
}

fn texts(test: TextTest, param: usize) -> Filter {
    Filter::Text {
        field: f(1),
        test,
        operand: Operand::Param(param),
    }
}

async fn runs_are_answered_as_if_each_were_alone(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let least = Filter::Compare {
        field: f(3),
        compare: Compare::Gte,
        operand: Operand::Param(2),
    };
    for test in [
        TextTest::Contains,
        TextTest::StartsWith,
        TextTest::Like,
        TextTest::ILike,
    ] {
        let filter = Filter::And(vec![texts(test, 0), least.clone()]);
        let statement = items(&bench.store, filter, Some(Operand::Param(1)));
        let run = |part: &str, first: i64, price: f64| vec![text(part), Value::Int(first), Value::Float(price)];
        let values = vec![
            run("S", 10, 0.0),
            run("S", 1, 0.0),
            run("%w%", 10, 0.0),
            run("sw%", 10, 7.25),
            run("sW\"", 10, 0.0),
            run("S", 10, 9.25),
            run("", 2, 3.0),
        ];
        answered_alike(on, &bench.store, &statement, values).await;
    }
}

/// Each is found by its own value, of whatever type.
async fn values_of_all_kinds_go_together(on: On) {
    let bench = bench_on(on).await;
    let sample = |scalar: Scalar, n: i64| match scalar {
        Scalar::Int | Scalar::BigInt | Scalar::Duration => Value::Int(n),
        Scalar::Float => Value::Float(n as f64 + 0.1),
        Scalar::Boolean => Value::Bool(n == 1),
        Scalar::Decimal => text(["-12.5", "100", "7"][n as usize]),
        Scalar::Json => text(&n.to_string()),
        _ => text(&format!("a$1'\\{n}")),
    };
    let row = |n: i64| {
        let fields = Scalar::ALL.iter().map(|scalar| sample(*scalar, n));
        let list = text(&format!("[\"{n}\",\"8\"]"));
        let values = [Value::Int(n)].into_iter().chain(fields).chain([list, Value::Null]);
        Row::new(values.collect(), vec![], vec![])
    };
    harvest(&bench.store, "Thing", THING, 0, (0..3).map(row).collect()).await;
    let has = Filter::Has {
        field: f(15),
        all: true,
        operands: vec![Operand::Param(0)],
    };
    let equals = (1..).zip(Scalar::ALL).filter(|(_, scalar)| *scalar != Scalar::Json);
    let equals = equals.map(|(at, scalar)| {
        let filter = Filter::Compare {
            field: f(at),
            compare: Compare::Eq,
            operand: Operand::Param(0),
        };
        (scalar, filter)
    });
    for (scalar, filter) in equals.chain([(Scalar::BigInt, has)]) {
        let select = Select {
            filter: Some(filter),
            ..select(THING, vec![leaf("id", 0)])
        };
        let root = Root {
            key: "r".to_owned(),
            value: RootValue::Many(select),
        };
        let statement = bench.store.compile(&Read { roots: vec![root] }).expect("compiles");
        let values = [0, 2, 1, 2].map(|n| vec![sample(scalar, n)]);
        let found = bench.store.read(&statement, &values[1]).await.expect("an answer");
        assert!(found.json.contains("\"2\""), "{scalar}: {}", found.json);
        answered_alike(on, &bench.store, &statement, values.into()).await;
    }
}

/// It is left soon, and the reader serves on.
#[tokio::test]
async fn what_is_slow_together_goes_alone() {
    let bench = bench_on(On::Postgres).await;
    let slow = Many {
        sql: "SELECT n-1,CAST(-1 AS BIGINT),CAST(c AS TEXT) FROM unnest($1::bigint[]) WITH ORDINALITY AS u(c,n),pg_sleep(3600)".into(),
        kinds: Arc::new([Kind::Int]),
        pace: Pace::default(),
    };
    let bind = Bind {
        operand: Operand::Param(0),
        form: BindForm::Column(ColumnKind::Scalar(Scalar::BigInt)),
    };
    let statement = Statement {
        binds: Arc::new([bind]),
        many: Some(Arc::new(slow)),
        ..statement(COUNT)
    };
    go_together(&statement);
    let values: Vec<Vec<Value>> = (1..=20).map(|n| vec![Value::Int(n)]).collect();
    let before = statements(&bench.store);
    let came = each(&bench.store, &statement, values).await;
    let heads = came.into_iter().map(|came| came.expect("a number").head);
    assert!(heads.eq(1..=20));
    assert_eq!(statements(&bench.store) - before, 21);
    go_together(&statement);
    assert_eq!(statement.many.as_ref().map(|many| many.pace.count()), Some(1));
}

async fn bounds_and_time_are_those_of_each(on: On) {
    let place = Place::new(on);
    let store = within(&place, Duration::from_secs(3_600)).await;
    farm(&store).await;
    store.bound_answers(Bounds { rows: 2, bytes: 1_000 });
    let statement = items(&store, texts(TextTest::Contains, 0), None);
    go_together(&statement);
    // Together the last ones are more than one may have.
    let asked = ["ie", "", "S", "none", "S", "S", "S", "S"].map(|part| vec![text(part)]);
    let came = each(&store, &statement, asked.into()).await;
    let [one, all, two, none, rest @ ..] = <[_; 8]>::try_from(came).expect("eight");
    assert_eq!(one.expect("an answer").json, r#"{"r":[{"id":"i2","price":3}]}"#);
    assert!(
        matches!(all, Err(StoreError::Beyond(Beyond::Rows { most: 2, .. }))),
        "{all:?}"
    );
    assert_eq!(two.expect("an answer").json.matches("id").count(), 2);
    assert_eq!(none.expect("an answer").json, r#"{"r":[]}"#);
    for more in rest {
        assert_eq!(more.expect("an answer").json.matches("id").count(), 2);
    }
    store.close().await;
    let store = within(&place, Duration::from_secs(1)).await;
    // The last one takes so many steps that somebody looks at the time. Where the machine has
    // something else to do, a second may be over before them.
    let heads = loop {
        let values = [10, ENDLESS, 100_000].map(|count| vec![Value::Int(count)]);
        let came = each(&store, &counting(), values.into()).await;
        let [first, endless, last] = <[_; 3]>::try_from(came).expect("three");
        assert!(matches!(endless, Err(StoreError::Timeout(_))), "{endless:?}");
        match [first, last] {
            [Ok(first), Ok(last)] => break (first.head, last.head),
            others => assert!(
                others
                    .iter()
                    .flat_map(|one| one.as_ref().err())
                    .all(|error| matches!(error, StoreError::Timeout(_)))
            ),
        }
    };
    assert_eq!(heads, (10, 100_000));
}

async fn what_fails_otherwise_says_why(on: On) {
    let bench = bench_on(on).await;
    let wrong = statement("SELECT CAST(-1 AS BIGINT),CAST(nothing AS TEXT) FROM tag");
    let alone = bench
        .store
        .read(&wrong, &[])
        .await
        .expect_err("no such column")
        .to_string();
    let came = each(&bench.store, &wrong, vec![vec![], vec![]]).await;
    assert_eq!(came.len(), 2);
    for error in came {
        assert_eq!(error.expect_err("no such column").to_string(), alone);
    }
    // Of the values of one run alone.
    let came = each(
        &bench.store,
        &counting(),
        vec![vec![Value::Int(3)], vec![], vec![Value::Int(4)]],
    )
    .await;
    let heads: Vec<Option<i64>> = came.iter().map(|came| Some(came.as_ref().ok()?.head)).collect();
    assert_eq!(heads, [Some(3), None, Some(4)]);
}

async fn runs_that_nobody_waits_for_leave_the_readers(on: On) {
    let bench = bench_on(on).await;
    for _ in 0..8 {
        let endless = vec![vec![Value::Int(1)], vec![Value::Int(ENDLESS)], vec![Value::Int(2)]];
        let statement = counting();
        let abandoned = each(&bench.store, &statement, endless);
        let abandoned = tokio::time::timeout(Duration::from_millis(20), abandoned);
        assert!(abandoned.await.is_err(), "it was under way");
    }
    for count in 1..=8 {
        let read = bench.store.read(&counting(), &[Value::Int(count)]).await;
        assert_eq!(read.expect("an answer").head, count);
    }
}

/// Its time would be over in an hour.
async fn a_run_that_nobody_waits_for_ends_and_the_next_one_begins(on: On) {
    let place = Place::new(on);
    let store = within(&place, Duration::from_secs(3_600)).await;
    let values = [1, ENDLESS, 2].map(|count| vec![Value::Int(count)]);
    let statement = counting();
    let came = each_but(&store, &statement, values.into(), Some(1));
    let came = tokio::time::timeout(Duration::from_secs(60), came).await;
    let heads = came
        .expect("it ends")
        .into_iter()
        .filter_map(|came| Some(came.ok()?.head));
    assert_eq!(heads.collect::<Vec<_>>(), [1, 2]);
    for count in 1..=8 {
        let read = store.read(&counting(), &[Value::Int(count)]).await;
        assert_eq!(read.expect("an answer").head, count);
    }
}

/// Who waits for it is told by the one that asked.
#[tokio::test]
async fn a_run_that_hears_nothing_is_given_up() {
    let place = Place::new(On::Sqlite);
    let store = within(&place, Duration::from_millis(50)).await;
    // A single step of SQLite's that takes seconds.
    let deaf = statement(
        "SELECT CAST(-1 AS BIGINT),CAST(instr(a,b) AS TEXT) FROM (SELECT replace(hex(zeroblob(400000)),'0','a') AS a,\
         replace(hex(zeroblob(200000)),'0','a')||'b' AS b)",
    );
    let asked = Asked {
        values: vec![vec![]].into(),
        came: Arc::default(),
        unheard: None,
        left: Arc::default(),
    };
    let ended = store.read_each(&deaf, asked).await;
    assert!(matches!(ended, Err(StoreError::Timeout(_))), "{ended:?}");
}
