//! From which end the database goes about a read, and that the answer is the same from either.

use super::{
    changes::{lines, open},
    plans::{LINE, NPC, QUEST, best, compiled, count, fill, filled, ids, key, order, quests, sorts, way},
    reads::{f, leaf, many, select, value},
    *,
};
use crate::{
    catalog::TextTest,
    query::{Compare, Direction, Filter, Nulls, Operand, Order, Quantifier, RootValue, Select},
};

on_both!(
    an_index_leads_in_either_direction,
    the_best_of_each_come_by_an_index_where_none_is_null,
    rows_behind_an_order_lead_to_the_first,
    an_order_by_rows_that_are_not_there_loses_none,
    rows_behind_links_lead_back,
    skipped_rows_are_not_made,
);

const WAYS: [(Direction, Nulls); 4] = [
    (Direction::Ascending, Nulls::Last),
    (Direction::Descending, Nulls::Last),
    (Direction::Ascending, Nulls::First),
    (Direction::Descending, Nulls::First),
];

fn words(direction: Direction, nulls: Nulls) -> String {
    let direction = match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let nulls = match nulls {
        Nulls::First => "FIRST",
        Nulls::Last => "LAST",
    };
    format!("{direction} NULLS {nulls}")
}

/// Every eleventh line has no price: pages before them, across and behind.
async fn an_index_leads_in_either_direction(on: On) {
    let (_place, store) = filled(on, "").await;
    for (direction, nulls) in WAYS {
        let page = |first: i64, offset: Option<i64>| Select {
            order: vec![Order {
                nulls,
                ..order(&[], 2, direction)
            }],
            first: count(first),
            offset: offset.and_then(count),
            ..select(LINE, vec![leaf("id", 0)])
        };
        let plan = way(&store, RootValue::Many(page(5, None))).await;
        assert!(
            plan.contains("line$price$index"),
            "{on:?} {direction:?} {nulls:?}\n{plan}"
        );
        let want = format!("SELECT id FROM line ORDER BY price {},id", words(direction, nulls));
        for (first, offset) in [(5, 0), (700, 0), (10, 540), (10, 5_450), (20, 5_990), (6_000, 1)] {
            let want = lines(&store, &format!("{want} LIMIT {first} OFFSET {offset}")).await;
            let offset = (offset > 0).then_some(offset);
            let found = ids(&store, page(first, offset)).await;
            assert_eq!(found, want, "{on:?} {direction:?} {nulls:?} {first} {offset:?}");
        }
    }
}

async fn the_best_of_each_come_by_an_index_where_none_is_null(on: On) {
    let place = Place::new(on);
    let definition = quests("@index(fields: [\"npc\", \"reward DESC\"])").replace("reward: Int ", "reward: Int! ");
    let store = open(&place.url, Access::Write, &definition).await.expect("a store");
    fill(&store, 2_000).await;
    match on {
        On::Sqlite => run(&store, "ANALYZE").await,
        On::Postgres => run(&store, "VACUUM ANALYZE").await,
    };
    for direction in [Direction::Descending, Direction::Ascending] {
        let plan = way(&store, best(3, direction)).await;
        let of_each = plan.find("SubPlan").map_or(plan.as_str(), |at| &plan[at..]);
        assert!(of_each.contains("quest$npc_id$reward-$id$fields"), "{on:?}\n{plan}");
        // The other way its ties are sorted, few at a time.
        let sorted = sorts(of_each) && !of_each.contains("Presorted Key") && !of_each.contains("LAST TERM");
        assert!(!sorted, "{on:?} {direction:?}\n{plan}");
    }
}

async fn rows_behind_an_order_lead_to_the_first(on: On) {
    let (_place, store) = filled(on, "").await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let page = |first: i64, offset: Option<i64>| Select {
            order: vec![order(&[1, 2], 1, direction), order(&[], 2, Direction::Descending)],
            first: count(first),
            offset: offset.and_then(count),
            ..select(LINE, vec![leaf("id", 0)])
        };
        let plan = way(&store, RootValue::Many(page(5, None))).await;
        let led = match on {
            // The names are sorted, then quests and lines are found by their links.
            On::Sqlite => plan.contains("USING COVERING INDEX line$quest_id$id$index (quest_id=?)"),
            On::Postgres => plan.contains("Incremental Sort") && plan.contains("line$quest_id$id$index"),
        };
        assert!(led, "{on:?}\n{plan}");
        let want = format!(
            "SELECT l.id FROM line l LEFT JOIN quest q ON q.id=l.quest_id LEFT JOIN npc n ON n.id=q.npc_id \
             ORDER BY n.name {},l.price DESC NULLS LAST,l.id",
            words(direction, Nulls::Last)
        );
        for (first, offset) in [(0, 0), (5, 0), (300, 200), (50, 4_500), (40, 5_970), (6_000, 0)] {
            let want = lines(&store, &format!("{want} LIMIT {first} OFFSET {offset}")).await;
            let offset = (offset > 0).then_some(offset);
            assert_eq!(
                ids(&store, page(first, offset)).await,
                want,
                "{on:?} {first} {offset:?}"
            );
        }
    }
    // Those that are ordered are fewer than those that the order goes by.
    let few = Select {
        order: vec![order(&[2], 1, Direction::Ascending)],
        first: count(20),
        ..select(QUEST, vec![leaf("id", 0)])
    };
    run(&store, "DELETE FROM quest WHERE id>'q00015'").await;
    let want = "SELECT q.id FROM quest q LEFT JOIN npc n ON n.id=q.npc_id ORDER BY n.name NULLS LAST,q.id LIMIT 20";
    assert_eq!(ids(&store, few).await, lines(&store, want).await, "{on:?}");
}

async fn an_order_by_rows_that_are_not_there_loses_none(on: On) {
    let by = |entity: EntityId, path: &[u32], offset: i64| Select {
        order: vec![order(path, 1, Direction::Ascending)],
        first: count(3),
        offset: count(offset),
        ..select(entity, vec![leaf("id", 0)])
    };
    // Never harvested, one link away and two.
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, &quests("")).await.expect("a store");
    let row = |id: &str, link: &str| Row::new(vec![text(id), text(link), Value::Null], vec![vec![]], vec![]);
    let all = vec![row("l1", "q1"), row("l2", "q2"), row("l3", "q1"), row("l4", "q2")];
    harvest(&store, "Line", LINE, 0, all).await;
    for path in [&[1][..], &[1, 2]] {
        assert_eq!(
            ids(&store, by(LINE, path, 0)).await,
            ["l1", "l2", "l3"],
            "{on:?} {path:?}"
        );
        assert_eq!(ids(&store, by(LINE, path, 2)).await, ["l3", "l4"], "{on:?} {path:?}");
    }
    // Emptied.
    let (_place, store) = filled(on, "").await;
    for table in ["npc", "quest"] {
        run(&store, &format!("DELETE FROM {table}")).await;
        for offset in [0, 5] {
            let want = |near: &str| format!("SELECT id FROM {near} ORDER BY id LIMIT 3 OFFSET {offset}");
            let quests = lines(&store, &want("quest")).await;
            assert_eq!(ids(&store, by(QUEST, &[2], offset)).await, quests, "{on:?} {table}");
            let two = lines(&store, &want("line")).await;
            assert_eq!(two.len(), 3);
            assert_eq!(ids(&store, by(LINE, &[1, 2], offset)).await, two, "{on:?} {table}");
        }
    }
}

fn some(field: u32, filter: Filter) -> Filter {
    Filter::Many {
        field: f(field),
        quantifier: Quantifier::Some,
        filter: Box::new(filter),
    }
}

fn one(field: u32, filter: Filter) -> Filter {
    Filter::One {
        field: f(field),
        filter: Box::new(filter),
    }
}

fn is(field: u32, text: &str) -> Filter {
    Filter::Compare {
        field: f(field),
        compare: Compare::Eq,
        operand: value(text),
    }
}

/// Whether a statement finds that many rows lead; none where it does not ask. The operands are
/// those of the condition.
async fn many_lead(store: &Store, entity: EntityId, filter: Filter, operands: &[&str]) -> Option<bool> {
    let page = Select {
        filter: Some(filter),
        first: count(7),
        ..select(entity, vec![leaf("id", 0)])
    };
    let statement = compiled(store, RootValue::Many(page));
    let (_, behind) = statement.split_once("_many(m) AS MATERIALIZED (")?;
    let (many, _) = behind.split_once(") SELECT r FROM ").expect("two ways");
    let mut many = many.to_owned();
    for (at, operand) in (1..).zip(operands) {
        many = many.replace(&format!("?{at}"), operand);
    }
    let chosen = lines(store, &format!("SELECT CAST(({many}) AS TEXT)")).await;
    Some(chosen == ["1"])
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_at_each_place_of_the_way() {
    let (_place, store) = filled(On::Sqlite, "").await;
    let priced = |more: Vec<Filter>| {
        let price = Filter::Compare {
            field: f(2),
            compare: Compare::Eq,
            operand: Operand::Value(Value::Int(1)),
        };
        some(2, some(3, Filter::And([vec![price], more].concat())))
    };
    let quest = || one(1, is(0, "q00031"));
    assert_eq!(many_lead(&store, LINE, quest(), &["'q00031'"]).await, Some(false));
    let line = some(2, some(3, is(0, "l00040")));
    assert_eq!(many_lead(&store, NPC, line, &["'l00040'"]).await, Some(false));
    // Those that lead meet what an index has, and then nothing or nobody.
    let without_id = vec![Filter::IsNull { field: f(0) }];
    assert_eq!(
        many_lead(&store, NPC, priced(without_id.clone()), &["1"]).await,
        Some(true)
    );
    run(&store, "UPDATE line SET quest_id='nobody'").await;
    assert_eq!(many_lead(&store, NPC, priced(vec![]), &["1"]).await, Some(true));
    // One quest has all lines: it is few, they are many.
    run(&store, "UPDATE line SET quest_id='q00031'").await;
    assert_eq!(many_lead(&store, LINE, quest(), &["'q00031'"]).await, Some(true));
    // One character has all quests between, of which none has a line.
    run(&store, "UPDATE quest SET npc_id='n00001' WHERE id<>'q00031'").await;
    let npc = one(1, one(2, is(0, "n00001")));
    assert_eq!(many_lead(&store, LINE, npc, &["'n00001'"]).await, Some(true));
    // Without an index, what is dear is not looked for among many.
    let cheap = Filter::Not(Box::new(is(0, "q00031")));
    assert!(many_lead(&store, LINE, one(1, cheap), &["'q00031'"]).await.is_some());
    let test = Filter::Text {
        field: f(0),
        test: TextTest::Contains,
        operand: value("q"),
    };
    assert_eq!(many_lead(&store, LINE, one(1, test.clone()), &[]).await, None);
    let among = Filter::Not(Box::new(one(2, is(0, "n00001"))));
    assert_eq!(many_lead(&store, LINE, one(1, among), &[]).await, None);
    let both = Filter::And(vec![is(0, "q00031"), test]);
    assert!(
        many_lead(&store, LINE, one(1, both), &["'q00031'", "'q'"])
            .await
            .is_some()
    );
}

async fn rows_behind_links_lead_back(on: On) {
    let (_place, store) = filled(on, "").await;
    let behind_quest = |text: &str| one(1, one(2, is(1, text)));
    let cases = [
        (
            LINE,
            behind_quest(&key("name", 7)),
            "SELECT id FROM line WHERE quest_id IN (SELECT id FROM quest WHERE npc_id='n00002')",
        ),
        (LINE, behind_quest("nobody"), "SELECT id FROM line WHERE FALSE"),
        (
            LINE,
            one(1, is(0, "q00031")),
            "SELECT id FROM line WHERE quest_id='q00031'",
        ),
        // Many: they are looked at one by one.
        (
            LINE,
            one(1, Filter::Not(Box::new(is(0, "q00031")))),
            "SELECT id FROM line WHERE quest_id IN (SELECT id FROM quest) AND quest_id<>'q00031'",
        ),
        (
            NPC,
            some(2, some(3, is(0, "l00040"))),
            "SELECT npc_id FROM quest q JOIN line l ON l.quest_id=q.id WHERE l.id='l00040'",
        ),
        // By links in a list.
        (
            QUEST,
            some(3, some(3, is(0, "t00007"))),
            "SELECT DISTINCT quest_id FROM line l JOIN line_tags t ON t.owner_id=l.id WHERE t.target_id='t00007'",
        ),
    ];
    for (entity, filter, want) in cases {
        let base = Select {
            filter: Some(filter.clone()),
            ..select(entity, vec![leaf("id", 0)])
        };
        let want = lines(&store, &format!("SELECT * FROM ({want}) AS a ORDER BY 1")).await;
        assert_eq!(ids(&store, base.clone()).await, want, "{on:?} {filter:?}");
        let page = Select {
            first: count(7),
            offset: count(2),
            ..base
        };
        let want: Vec<String> = want.into_iter().skip(2).take(7).collect();
        assert_eq!(ids(&store, page).await, want, "{on:?} {filter:?}");
    }
    let page = Select {
        filter: Some(behind_quest(&key("name", 7))),
        first: count(7),
        ..select(LINE, vec![leaf("id", 0)])
    };
    let plan = way(&store, RootValue::Many(page)).await;
    // From a character to the quests, and on to the lines.
    let quest = plan.find("quest$npc_id$id$index").unwrap_or(usize::MAX);
    let line = plan.rfind("line$quest_id$id$index").unwrap_or_default();
    // PostgreSQL's planner turns it round by itself, where it finds that sooner.
    assert!(quest < line || on == On::Postgres, "{plan}");
}

/// What is made of a row is made behind the limit.
async fn skipped_rows_are_not_made(on: On) {
    let (_place, store) = filled(on, "").await;
    let page = Select {
        first: count(3),
        offset: count(1_990),
        ..select(QUEST, vec![leaf("id", 0), leaf("reward", 1)])
    };
    let statement = compiled(&store, RootValue::Many(page.clone()));
    let made = match on {
        On::Sqlite => true,
        On::Postgres => statement.contains("FROM (SELECT t1.* FROM"),
    };
    assert!(made, "{on:?} {statement}");
    let want = lines(&store, "SELECT id FROM quest ORDER BY id LIMIT 3 OFFSET 1990").await;
    assert_eq!(ids(&store, page.clone()).await, want, "{on:?}");
    let npcs = select(
        NPC,
        vec![
            leaf("id", 0),
            many(
                "gives",
                2,
                Select {
                    first: count(2),
                    offset: count(1),
                    ..page
                },
            ),
        ],
    );
    let want = "SELECT n.id FROM npc n ORDER BY n.id";
    assert_eq!(ids(&store, npcs).await, lines(&store, want).await, "{on:?}");
}
