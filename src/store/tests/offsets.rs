//! Rows that are skipped, beside conditions on rows behind links: a row is one row, however many
//! match behind it.

use crate::query::{Filter, Operand, OutputValue, Quantifier, RootValue, Select};

use super::{
    reads::{answer, f, leaf, select},
    *,
};

on_both!(rows_are_skipped_once);

async fn rows_are_skipped_once(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    // The first item stands in two lines, and has three tags, of which two are there.
    let behind = |field: u32| Filter::Many {
        field: f(field),
        quantifier: Quantifier::Some,
        filter: Box::new(Filter::And(Vec::new())),
    };
    for (filter, want) in [
        (behind(7), r#"[{"id":"i2"}]"#),
        (behind(6), r#"[{"id":"i3"}]"#),
        (Filter::And(vec![behind(7), behind(6)]), "[]"),
        (Filter::Not(Box::new(behind(7))), "[]"),
    ] {
        let items = Select {
            filter: Some(filter.clone()),
            offset: Some(Operand::Value(Value::Int(1))),
            ..select(ITEM, vec![leaf("id", 0)])
        };
        let got = answer(&bench.store, vec![("r", RootValue::Many(items.clone()))], &[]).await;
        assert_eq!(got, format!("{{\"r\":{want}}}"), "{filter:?}");
        // The same below a parent: Ann sells the first item only.
        let sells = Output {
            key: "sells".to_owned(),
            value: OutputValue::Many {
                field: f(4),
                select: items,
            },
        };
        let npcs = RootValue::Many(select(NPC, vec![sells]));
        let got = answer(&bench.store, vec![("r", npcs)], &[]).await;
        assert_eq!(got, r#"{"r":[{"sells":[]},{"sells":[]}]}"#, "{filter:?}");
    }
}
