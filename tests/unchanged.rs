//! Pages that did not change since they were read, while their rows did: what is served is the upstream's again after the next
//! whole run, whatever came in between.

use serde_json::{Value, json};

use crate::harness::{Db, Output, Reply, Scratch, Upstream, on_both};

on_both!(
    a_page_vouches_only_for_what_it_wrote,
    what_is_as_it_was_is_not_read_again,
    a_page_is_read_again_as_it_is_then,
);

const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\", concurrency: 1)\n\
    type Thing @fetch(source: \"up\", GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".pages\", max: 9}, missing: DELETE, maxMissing: 1) {\n\
      id: ID! n: Int tags: [Tag!]! @ref(jq: \".tags[]\") parts: [Part!]! @nested(jq: \".parts[]\") }\n\
    type Tag { id: ID! things: [Thing!]! @inverse(field: \"tags\") }\n\
    type Part { thing: Thing! name: String! @id size: Int }\n";

/// All that is stored: rows, links and children.
const STORED: &str = "SELECT id,CAST(n AS TEXT) FROM thing UNION ALL SELECT owner_id,target_id FROM thing_tags \
                      UNION ALL SELECT thing_id,name||size FROM part ORDER BY 1,2";

/// A row with a tag and a part, all of which say `n`.
fn thing(id: &str, n: u32) -> Value {
    json!({ "id": id, "n": n, "tags": [format!("t{n}")], "parts": [{ "name": "p", "size": n }] })
}

fn stored(things: &[(&str, u32)]) -> Vec<Vec<String>> {
    let lines = |(id, n): &(&str, u32)| {
        [n.to_string(), format!("p{n}"), format!("t{n}")].map(|cell| vec![(*id).to_owned(), cell])
    };
    things.iter().flat_map(lines).collect()
}

struct Bench {
    upstream: Upstream,
    scratch: Scratch,
    tagged: bool,
}

impl Bench {
    /// `tagged`: the upstream has validators; otherwise only equal bytes say that nothing changed.
    async fn new(db: Db, tagged: bool) -> Bench {
        Bench {
            upstream: Upstream::start().await,
            scratch: Scratch::on(db, DEFINITION),
            tagged,
        }
    }

    fn page(&self, number: usize, reply: Reply) {
        let reply = if self.tagged { reply.tagged() } else { reply };
        self.upstream.set(&format!("/things?page={number}"), reply);
    }

    fn publish(&self, pages: &[&[(&str, u32)]]) {
        for (number, rows) in (1..).zip(pages) {
            let rows: Vec<Value> = rows.iter().map(|(id, n)| thing(id, *n)).collect();
            self.page(number, Reply::json(&json!({ "rows": rows, "pages": pages.len() })));
        }
    }

    /// One run, and the pages that it asked for, sorted: which of them is asked first is nobody's promise.
    async fn harvest(&self) -> (Output, String) {
        let before = self.upstream.asked().len();
        let output = self.scratch.run(&["harvest"], &[("UP", &self.upstream.url())]).await;
        let asked = self.upstream.asked().into_iter().skip(before);
        let mut asked: Vec<String> = asked.map(|path| path.replace("/things?page=", "")).collect();
        asked.sort();
        (output, asked.join(" "))
    }

    async fn stored(&self) -> Vec<Vec<String>> {
        self.scratch.rows(STORED).await
    }
}

const CALM: [&[(&str, u32)]; 2] = [&[("a", 1)], &[("b", 2)]];

async fn a_page_vouches_only_for_what_it_wrote(db: Db) {
    for tagged in [true, false] {
        let bench = Bench::new(db, tagged).await;
        bench.publish(&CALM);
        bench.harvest().await;
        assert_eq!(bench.stored().await, stored(&[("a", 1), ("b", 2)]));
        // Another page writes a row of one that is unchanged: it came with a newer value while it slid.
        // Both pages stay as long as each other: a gap would have all of them read in full.
        bench.publish(&[CALM[0], &[("a", 5)]]);
        bench.harvest().await;
        bench.publish(&CALM);
        let (output, asked) = bench.harvest().await;
        assert_eq!((output.code, asked.as_str()), (Some(0), "1 1 2"), "{output:?}");
        assert_eq!(bench.stored().await, stored(&[("a", 1), ("b", 2)]), "tagged: {tagged}");
        // A run that fails writes a row of a page that it does not come to.
        bench.publish(&[&[("a", 1), ("b", 7)], CALM[1]]);
        bench.page(2, Reply::text(404, "text/plain", "gone"));
        let (output, _) = bench.harvest().await;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert_eq!(bench.stored().await, stored(&[("a", 1), ("b", 7)]));
        bench.publish(&CALM);
        let (output, asked) = bench.harvest().await;
        assert_eq!((output.code, asked.as_str()), (Some(0), "1 2 2"), "{output:?}");
        assert_eq!(bench.stored().await, stored(&[("a", 1), ("b", 2)]), "tagged: {tagged}");
    }
}

async fn what_is_as_it_was_is_not_read_again(db: Db) {
    for tagged in [true, false] {
        let bench = Bench::new(db, tagged).await;
        // A row that comes twice, and one that is refused and stays.
        bench.publish(&[&[("a", 1), ("c", 3), ("a", 1)], &[("b", 2)]]);
        bench.harvest().await;
        let rows = json!([thing("b", 2), { "id": "c", "n": "many" }]);
        bench.page(2, Reply::json(&json!({ "rows": rows, "pages": 2 })));
        let want = stored(&[("a", 1), ("b", 2), ("c", 3)]);
        for again in [1, 2] {
            let (output, asked) = bench.harvest().await;
            assert_eq!((output.code, asked.as_str()), (Some(0), "1 2"), "{output:?}");
            assert_eq!(bench.stored().await, want, "{again}, tagged: {tagged}");
            let refused = "SELECT refused_rows,changed_rows FROM hayloft_run ORDER BY id DESC LIMIT 1";
            assert_eq!(
                bench.scratch.rows(refused).await,
                [["1", "0"]],
                "{again}, tagged: {tagged}"
            );
        }
    }
}

/// Between the two answers, the page became another one: the run goes by the second, and deletes nothing.
async fn a_page_is_read_again_as_it_is_then(db: Db) {
    let bench = Bench::new(db, true).await;
    bench.publish(&CALM);
    bench.harvest().await;
    bench
        .scratch
        .rows("UPDATE thing SET _hash=7 WHERE id='b' RETURNING id")
        .await;
    // Only who knows the older form of the page is told that it is unchanged.
    let old = Reply::json(&json!({ "rows": [thing("b", 2)], "pages": 2 })).tagged();
    let new = Reply::json(&json!({ "rows": [thing("c", 3), thing("d", 4)], "pages": 2 }));
    bench.upstream.set("/things?page=2", old.else_for_others(new));
    let (output, asked) = bench.harvest().await;
    assert_eq!((output.code, asked.as_str()), (Some(0), "1 2 2"), "{output:?}");
    assert_eq!(bench.stored().await, stored(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]));
    assert!(
        output.out.contains("shifted") || output.err.contains("shifted"),
        "{output:?}"
    );
}
