//! Steps of the definition after which stored rows have other values, though no run brought them:
//! what was computed by another test is computed anew, and who followed the changes begins anew.

use super::{
    changes::{lines, open, plan, read},
    rollups::row,
    *,
};

on_both!(
    what_was_counted_by_another_folding_is_counted_anew,
    rows_that_are_computed_anew_end_the_epoch,
);

const SALE: EntityId = EntityId(1);

async fn epoch(store: &Store) -> Vec<String> {
    lines(store, "SELECT epoch FROM hayloft_feed_head").await
}

async fn sell(store: &Store, run: u32, notes: &[(&str, &str)]) {
    let sale = |(id, note): &(&str, &str)| {
        let cells = [("id", text(id)), ("shop_id", text("s")), ("note", text(note))];
        row(store, SALE, &cells, vec![], vec![])
    };
    harvest(store, "Sale", SALE, run, notes.iter().map(sale).collect()).await;
}

async fn what_was_counted_by_another_folding_is_counted_anew(on: On) {
    const TEXT: &str = r#"
        type Shop @f { id: ID! sales: [Sale!]! @inverse(field: "shop")
            n: Int! @rollup(of: "sales", fn: COUNT, where: {note: {ilike: "ä%"}})
            m: Int! @rollup(of: "sales", fn: COUNT, where: {note: {ilike: "a%"}}) }
        type Sale @f { id: ID! shop: Shop note: String }
    "#;
    let place = Place::new(on);
    // As a program from before has it, to whom the sale of `Äpfel` was none.
    let mut layout = Layout::of(&read(TEXT));
    for column in layout.entities.iter_mut().flat_map(|entity| &mut entity.table.columns) {
        let words = column.rollup.take();
        column.rollup = words.map(|words| words.split(", folded").next().unwrap_or_default().to_owned());
    }
    let old = Store::open(&place.url, Access::Write, read(TEXT), Arc::new(layout)).await;
    let old = old.expect("a store");
    let shop = row(&old, EntityId(0), &[("id", text("s"))], vec![], vec![]);
    harvest(&old, "Shop", EntityId(0), 0, vec![shop]).await;
    sell(&old, 1, &[("1", "Äpfel")]).await;
    old.close().await;
    place.sql("UPDATE shop SET n=0");
    let steps = plan(&place.url, TEXT).await;
    assert_eq!(steps, ["~ Shop.n: computed in another way: anew of what is stored"]);
    let new = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let count = "SELECT CAST(n AS TEXT) FROM shop";
    assert_eq!(lines(&new, count).await, ["1"]);
    sell(&new, 2, &[("1", "Birnen")]).await;
    assert_eq!(lines(&new, count).await, ["0"]);
    assert_eq!(plan(&place.url, TEXT).await, [""; 0]);
}

async fn rows_that_are_computed_anew_end_the_epoch(on: On) {
    const TEXT: &str = r#"
        type Shop @f { id: ID! sales: [Sale!]! @inverse(field: "shop")
            n: Int! @rollup(of: "sales", fn: COUNT, where: {note: {eq: "a"}}) ALSO }
        type Sale @f { id: ID! shop: Shop note: String INDEX town: String size: Int }
        type Group @rollup(of: "Sale", by: ["BY"]) { id: ID! BY: String m: Int! @rollup(fn: COUNT) }
        TYPE
    "#;
    let definition = |said: &[(&str, &str)]| {
        let defaults = [("ALSO", ""), ("INDEX", ""), ("BY", "note"), ("TYPE", "")];
        let all = said.iter().chain(&defaults);
        all.fold(TEXT.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let also = ("ALSO", r#"any: Boolean! @rollup(of: "sales", fn: EXISTS)"#);
    let total = (
        "TYPE",
        r#"type Total @rollup(of: "Sale") { id: ID! k: Int! @rollup(fn: COUNT) }"#,
    );
    for (said, ends) in [
        (&[("eq: \"a\"", "eq: \"b\"")][..], true),
        (&[also], true),
        (&[("by: [\"BY\"]", "by: [\"note: town\"]")], true),
        (&[total], false),
        (&[("INDEX", "@index")], false),
        // 7 becomes "7".
        (&[("size: Int", "size: String")], true),
    ] {
        let place = Place::new(on);
        let old = open(&place.url, Access::Write, &definition(&[]))
            .await
            .expect("a store");
        sell(&old, 0, &[("1", "a"), ("2", "b")]).await;
        let before = epoch(&old).await;
        old.close().await;
        let new = open(&place.url, Access::Write, &definition(said))
            .await
            .expect("a store");
        assert_eq!(epoch(&new).await != before, ends, "{said:?}");
        new.close().await;
    }
}
