//! Which reads a server plans once, and that it does.

use super::{
    changes::open,
    plans::{LINE, count, filled, order},
    reads::{answer, f, leaf, many, select},
    *,
};
use crate::{
    query::{Compare, Direction, Filter, Form, Nulls, Operand, Order, Root, RootValue, Select},
    store::db::postgres::connect::Plans,
};

on_both!(no_index_leads_to_an_order_without_case);

fn by_price(first: Option<i64>) -> Select {
    Select {
        order: vec![order(&[], 2, Direction::Ascending)],
        first: first.and_then(count),
        ..select(LINE, vec![leaf("id", 0), leaf("price", 2)])
    }
}

fn priced(compare: Compare, price: i64, first: i64) -> Select {
    let filter = Filter::Compare {
        field: f(2),
        compare,
        operand: Operand::Value(Value::Int(price)),
    };
    Select {
        filter: Some(filter),
        ..by_price(Some(first))
    }
}

fn compile(store: &Store, select: Select) -> Statement {
    let root = Root {
        key: "r".to_owned(),
        value: RootValue::Many(select),
    };
    store.compile(&Read { roots: vec![root] }).expect("compiles")
}

#[tokio::test]
async fn what_an_index_leads_to_is_planned_once() {
    let (_place, store) = filled(On::Postgres, "").await;
    let with = |output, first| Select {
        output: vec![leaf("id", 0), output],
        ..by_price(Some(first))
    };
    let few = select(EntityId(3), vec![leaf("id", 0)]);
    let sorted = Select {
        order: vec![order(&[], 0, Direction::Descending)],
        ..few.clone()
    };
    let by = |path: &[u32], field| Select {
        order: vec![order(path, field, Direction::Ascending)],
        ..by_price(Some(5))
    };
    let from_end = Select {
        order: vec![order(&[], 2, Direction::Descending)],
        ..by_price(Some(5))
    };
    let skipped = Select {
        offset: count(3),
        ..by_price(Some(5))
    };
    let by_id = |form| Select {
        order: vec![Order {
            form,
            ..order(&[], 0, Direction::Ascending)
        }],
        ..by_price(Some(5))
    };
    let by_key = |first| Select {
        order: vec![],
        ..by_price(first)
    };
    for (number, (select, want)) in [
        (by_price(Some(5)), Plans::Led),
        (priced(Compare::Gt, 2, 5), Plans::Led),
        (priced(Compare::Lte, 2, 1_000), Plans::Led),
        (by_key(Some(5)), Plans::Led),
        (with(many("tags", 3, few), 5), Plans::Led),
        // Of equal ones there may be few or nearly all.
        (priced(Compare::Eq, 2, 5), Plans::Custom),
        (by_price(Some(1_001)), Plans::Custom),
        (by_price(None), Plans::Custom),
        (by_key(None), Plans::Custom),
        (with(many("tags", 3, sorted), 5), Plans::Custom),
        (by(&[1], 1), Plans::Custom),
        (from_end, Plans::Custom),
        (skipped, Plans::Custom),
        (by_id(Form::Value), Plans::Led),
        // An index has texts as they are.
        (by_id(Form::WithoutCase), Plans::Custom),
        (
            Select {
                filter: priced(Compare::Gt, 2, 5).filter,
                ..by_key(Some(5))
            },
            Plans::Custom,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(compile(&store, select).plans(&[]), want, "{number}");
    }
}

/// On sessions that plan otherwise for others, and whatever those were asked before.
#[tokio::test]
async fn a_session_plans_as_each_statement_wants() {
    let (_place, store) = filled(On::Postgres, "").await;
    let made = async |of: &str, led: bool| {
        let counted = Statement {
            led: led.then(Arc::default),
            ..statement(&format!(
                "SELECT CAST(-1 AS BIGINT),CAST(coalesce(sum({of}),0) AS TEXT) FROM pg_prepared_statements WHERE statement LIKE '%\"li'||'ne\"%'"
            ))
        };
        store.read(&counted, &[]).await.expect("a number").head
    };
    let led = compile(&store, priced(Compare::Gte, 2, 7));
    let unled = Statement {
        led: None,
        ..led.clone()
    };
    let want = store.read(&unled, &[]).await.expect("an answer").json;
    assert_eq!(want.matches("id").count(), 7);
    for _ in 0..3 {
        assert_eq!(store.read(&led, &[]).await.expect("an answer").json, want);
    }
    // The same session, which had planned it once for its values.
    assert_eq!(
        (made("generic_plans", true).await, made("custom_plans", true).await),
        (3, 1)
    );
    assert_eq!(
        (made("generic_plans", false).await, made("custom_plans", false).await),
        (0, 0)
    );
    // All sessions become those of led reads, and are asked for others again.
    let at_once = || futures_util::future::join_all((0..store.readers()).map(|_| store.read(&led, &[])));
    for answer in at_once().await {
        assert_eq!(answer.expect("an answer").json, want);
    }
    assert_eq!(store.read(&unled, &[]).await.expect("an answer").json, want);
    assert!(made("custom_plans", false).await >= 1);
    let plan = store.explain(&unled, &[]).await.expect("a plan").plan.join("\n");
    let all = answer(&store, vec![("r", RootValue::Many(by_price(None)))], &[]).await;
    assert!(all.len() > want.len() && !plan.is_empty());
    let setting =
        statement("SELECT CAST(-1 AS BIGINT),CASE current_setting('enable_sort') WHEN 'on' THEN '1' ELSE '0' END");
    assert_eq!(store.read(&setting, &[]).await.expect("a number").head, 1);
}

/// Of a field's own index, and of that of a link, where the rows behind would lead: an index has
/// `B` before `a`.
async fn no_index_leads_to_an_order_without_case(on: On) {
    const TEXT: &str = "type Npc @f { id: ID! name: String @index sells: [Item!]! @inverse(field: \"npc\") }
        type Item @f { id: ID! npc: Npc }";
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let names = [
        None,
        Some("b"),
        Some("A"),
        Some("a"),
        Some("B"),
        Some("Äz"),
        Some("ay"),
        Some("äA"),
    ];
    let npc = |at: usize| {
        let name = names[at % names.len()].map_or(Value::Null, |name| text(&format!("{name}{}", at / names.len())));
        Row::new(vec![text(&format!("n{at:03}")), name], vec![], vec![])
    };
    let npcs = 10 * names.len();
    harvest(&store, "Npc", EntityId(0), 0, (0..npcs).map(npc).collect()).await;
    let item = |at: usize| {
        Row::new(
            vec![text(&format!("i{at:05}")), text(&format!("n{:03}", at % (npcs + 1)))],
            vec![],
            vec![],
        )
    };
    harvest(&store, "Item", EntityId(1), 0, (0..4_000).map(item).collect()).await;
    store.finish_indexes().await.expect("they are built");
    match on {
        On::Sqlite => run(&store, "ANALYZE").await,
        On::Postgres => run(&store, "VACUUM ANALYZE").await,
    };
    let name = |at: usize| names[at % names.len()].map(|name| format!("{name}{}", at / names.len()).to_lowercase());
    for (direction, nulls) in [
        (Direction::Ascending, Nulls::Last),
        (Direction::Ascending, Nulls::First),
        (Direction::Descending, Nulls::Last),
        (Direction::Descending, Nulls::First),
    ] {
        let sorted = |rows: usize, npc: &dyn Fn(usize) -> Option<String>| {
            let mut all: Vec<usize> = (0..rows).collect();
            all.sort_by(|one, other| {
                let by = match (npc(*one), npc(*other)) {
                    (Some(one), Some(other)) if direction == Direction::Ascending => one.cmp(&other),
                    (Some(one), Some(other)) => other.cmp(&one),
                    (one, other) if nulls == Nulls::First => one.is_some().cmp(&other.is_some()),
                    (one, other) => other.is_some().cmp(&one.is_some()),
                };
                by.then(one.cmp(other))
            });
            all.truncate(12);
            all
        };
        let ask = async |of: EntityId, path: &[u32]| {
            let by = Order {
                form: Form::WithoutCase,
                nulls,
                ..order(path, 1, direction)
            };
            let wanted = Select {
                order: vec![by],
                first: count(12),
                ..select(of, vec![leaf("id", 0)])
            };
            answer(&store, vec![("r", RootValue::Many(wanted))], &[]).await
        };
        let told = |prefix: &str, width: usize, rows: Vec<usize>| {
            let rows = rows
                .into_iter()
                .map(|at| format!("{{\"id\":\"{prefix}{at:0width$}\"}}"));
            format!("[{}]", rows.collect::<Vec<_>>().join(","))
        };
        let own = ask(EntityId(0), &[]).await;
        assert!(
            own.contains(&told("n", 3, sorted(npcs, &name))),
            "{direction:?} {nulls:?} {own}"
        );
        let behind = |at: usize| Some(at % (npcs + 1)).filter(|npc| *npc < npcs).and_then(name);
        let linked = ask(EntityId(1), &[1]).await;
        assert!(
            linked.contains(&told("i", 5, sorted(4_000, &behind))),
            "{direction:?} {nulls:?} {linked}"
        );
    }
}
