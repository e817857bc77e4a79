//! Rows that come several ways: whole ones from their type's own fetch, parts of them from the answers about other rows. Absent
//! is not null: what a record does not have stays, and what its owner has comes back.

use serde_json::{Value, json};

use crate::harness::{Db, Output, Reply, Scratch, Upstream, on_both};

on_both!(
    a_part_leaves_what_it_does_not_have,
    what_only_the_others_bring_stays,
    a_part_is_no_new_row_without_what_is_required,
    an_unchanged_answer_vouches_only_for_what_it_wrote,
);

struct Bench {
    upstream: Upstream,
    scratch: Scratch,
}

impl Bench {
    async fn new(db: Db, definition: &str) -> Bench {
        let source = "extend schema @source(name: \"up\", url: \"{$env.UP}\", concurrency: 1)\n";
        Bench {
            upstream: Upstream::start().await,
            scratch: Scratch::on(db, &format!("{source}{definition}")),
        }
    }

    /// What the upstream says of a path from now on, with a validator.
    fn says(&self, path: &str, value: &Value) {
        self.upstream.set(path, Reply::json(value).tagged());
    }

    /// One run of everything, and the paths that it asked for.
    async fn harvest(&self) -> (Output, Vec<String>) {
        let before = self.upstream.asked().len();
        let output = self.scratch.run(&["harvest"], &[("UP", &self.upstream.url())]).await;
        let mut asked: Vec<String> = self.upstream.asked().into_iter().skip(before).collect();
        asked.sort();
        (output, asked)
    }

    async fn changes(&self) -> Vec<Vec<String>> {
        self.scratch.rows("SELECT max(seq) FROM hayloft_change_log").await
    }
}

const PEOPLE: &str = "type Person @fetch(source: \"up\", GET: \"/people\", rows: \".[]\") {\n\
      id: ID! name: String! bio: String tags: [Tag!]! @ref(jq: \".tags[]\") notes: [Note!]! @nested(jq: \".notes[]\") }\n\
    type Tag { id: ID! people: [Person!]! @inverse(field: \"tags\") }\n\
    type Note { person: Person! number: Int! @id text: String }\n\
    type Film @fetch(source: \"up\", GET: \"/films\", rows: \".[]\") {\n\
      id: ID! people: [Person!]! @fetch(source: \"up\", GET: \"/films/{$this.id}/people\", rows: \".[]\", when: ALWAYS) }\n";

/// All that is stored of people, as one text.
const STORED: &str = "SELECT id||' '||name||' '||coalesce(bio,'-') FROM person UNION ALL SELECT owner_id||'#'||target_id FROM person_tags \
                      UNION ALL SELECT person_id||'/'||number||coalesce(text,'-') FROM note ORDER BY 1";

async fn a_part_leaves_what_it_does_not_have(db: Db) {
    let bench = Bench::new(db, PEOPLE).await;
    let ann =
        json!({ "id": 1, "name": "Ann", "bio": "long", "tags": ["a", "b"], "notes": [{ "number": 1, "text": "x" }] });
    let whole = "1 Ann long|1#a|1#b|1/1x";
    bench.says("/films", &json!([{ "id": 10 }]));
    bench.says("/people", &json!([ann]));
    for (part, want) in [
        (json!({ "id": 1, "name": "Ann" }), whole),
        (json!({ "id": 1, "bio": null }), "1 Ann -|1#a|1#b|1/1x"),
        // What was wiped comes back, though nothing changed where it comes from.
        (json!({ "id": 1 }), whole),
        (
            json!({ "id": 1, "name": "Anna", "tags": ["c"], "notes": [{ "number": 1, "text": "y" }, { "number": 2 }] }),
            "1 Anna long|1#c|1/1y|1/2-",
        ),
        (json!({ "id": 1, "notes": [{ "number": 1 }] }), whole),
        (json!({ "id": 1, "tags": null, "notes": [] }), "1 Ann long"),
        (json!({ "id": 1, "tags": ["b", "a"] }), "1 Ann long|1#a|1#b|1/1x"),
    ] {
        bench.says("/films/10/people", &json!([part]));
        let (output, _) = bench.harvest().await;
        assert_eq!(output.code, Some(0), "{part}: {output:?}");
        assert_eq!(bench.scratch.rows(STORED).await.concat().join("|"), want, "{part}");
    }
    // What agrees with the owner changes nothing, and is not read twice.
    bench.says(
        "/films/10/people",
        &json!([{ "id": 1, "name": "Ann", "notes": [{ "number": 1 }] }]),
    );
    bench.harvest().await;
    let before = bench.changes().await;
    let (_, asked) = bench.harvest().await;
    assert_eq!(asked, ["/films", "/films/10/people", "/people"]);
    assert_eq!(bench.changes().await, before);
    assert_eq!(bench.scratch.rows(STORED).await.concat().join("|"), whole);
    // The owner's record is all that is known of such a row: what it does not have any more is null.
    bench.says("/people", &json!([{ "id": 1, "name": "Ann" }]));
    bench.says("/films/10/people", &json!([{ "id": 1 }]));
    bench.harvest().await;
    assert_eq!(bench.scratch.rows(STORED).await.concat().join("|"), "1 Ann -");
}

/// A list of short records, and a request about each row for the whole one.
async fn what_only_the_others_bring_stays(db: Db) {
    let bench = Bench::new(
        db,
        "type Item @fetch(source: \"up\", GET: \"/items\", rows: \".[]\") { id: ID! name: String! text: String size: Int\n\
         detail: Item @fetch(source: \"up\", GET: \"/items/{$this.id}\", rows: \".\", every: \"1h\") }\n",
    )
    .await;
    const STORED: &str = "SELECT id,name,text,size FROM item ORDER BY id";
    let item = |id: u32, name: &str, size: u32| json!({ "id": id, "name": name, "size": size });
    let detail = |id: u32, name: &str| json!({ "id": id, "name": name, "text": format!("about {name}") });
    bench.says("/items", &json!([item(1, "a", 1), item(2, "b", 2)]));
    bench.says("/items/1", &detail(1, "a"));
    bench.says("/items/2", &detail(2, "b"));
    let stored = [["1", "a", "about a", "1"], ["2", "b", "about b", "2"]];
    for _ in 0..3 {
        let (output, _) = bench.harvest().await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(bench.scratch.rows(STORED).await, stored);
    }
    let before = bench.changes().await;
    let (_, asked) = bench.harvest().await;
    assert_eq!((asked, bench.changes().await), (vec!["/items".to_owned()], before));
    // A change in the list leaves what the list does not have. The answer about the row is read in full: it is not what it wrote.
    bench.says("/items", &json!([item(1, "a", 9), item(2, "b", 2)]));
    let (output, asked) = bench.harvest().await;
    assert_eq!(
        (output.code, asked),
        (Some(0), vec!["/items".to_owned(), "/items/1".to_owned()])
    );
    let stored = [["1", "a", "about a", "9"], ["2", "b", "about b", "2"]];
    assert_eq!(bench.scratch.rows(STORED).await, stored);
}

async fn a_part_is_no_new_row_without_what_is_required(db: Db) {
    let bench = Bench::new(db, PEOPLE).await;
    bench.says("/films", &json!([{ "id": 10 }]));
    bench.says("/people", &json!([]));
    bench.says(
        "/films/10/people",
        &json!([{ "id": 9, "bio": "short" }, { "id": 8, "name": "Bob" }]),
    );
    bench.harvest().await;
    assert_eq!(bench.scratch.rows(STORED).await.concat(), ["8 Bob -"]);
    let reason = "SELECT row_key,reason FROM hayloft_quarantine";
    let refused = bench.scratch.rows(reason).await;
    assert_eq!(
        refused,
        [[
            "9",
            "name: required, but this record of a part of Person does not have it, and no Person with this key is stored yet"
        ]]
    );
    // The link waits for its row, and the record is looked at again when that is there.
    bench.says("/people", &json!([{ "id": 9, "name": "Cid", "tags": ["t"] }]));
    bench.harvest().await;
    assert_eq!(
        bench.scratch.rows(STORED).await.concat(),
        ["8 Bob -", "9 Cid short", "9#t"]
    );
    let links = bench
        .scratch
        .rows("SELECT target_id FROM film_people ORDER BY _position")
        .await;
    assert_eq!(links, [["9"], ["8"]]);
}

/// A recipe that two answers list, and of which one of them is out of date for a while.
async fn an_unchanged_answer_vouches_only_for_what_it_wrote(db: Db) {
    for tagged in [true, false] {
        let bench = Bench::new(
            db,
            "type Item @fetch(source: \"up\", GET: \"/items\", rows: \".[]\") { id: ID!\n\
             recipes: [Recipe!]! @fetch(source: \"up\", GET: \"/items/{$this.id}/recipes\", rows: \".[]\", when: ALWAYS) }\n\
             type Recipe { id: ID! name: String of: [Item!]! @inverse(field: \"recipes\") }\n",
        )
        .await;
        let says = |path: &str, value: &Value| match tagged {
            true => bench.says(path, value),
            false => bench.upstream.set(path, Reply::json(value)),
        };
        let recipe = |name: &str| json!([{ "id": 1, "name": name }]);
        const STORED: &str = "SELECT id,name FROM recipe";
        says("/items", &json!([{ "id": 1 }, { "id": 2 }]));
        says("/items/1/recipes", &recipe("good"));
        says("/items/2/recipes", &recipe("good"));
        bench.harvest().await;
        // Nothing changed, and nothing is read twice.
        let (_, asked) = bench.harvest().await;
        assert_eq!(asked, ["/items", "/items/1/recipes", "/items/2/recipes"]);
        bench
            .upstream
            .set("/items/1/recipes", Reply::text(404, "text/plain", "gone"));
        says("/items/2/recipes", &recipe("bad"));
        bench.harvest().await;
        assert_eq!(bench.scratch.rows(STORED).await, [["1", "bad"]]);
        says("/items/1/recipes", &recipe("good"));
        says("/items/2/recipes", &json!([]));
        let (output, asked) = bench.harvest().await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(bench.scratch.rows(STORED).await, [["1", "good"]], "tagged: {tagged}");
        assert_eq!(asked, ["/items", "/items/1/recipes", "/items/2/recipes"]);
        let (_, asked) = bench.harvest().await;
        assert_eq!(asked, ["/items", "/items/1/recipes", "/items/2/recipes"]);
    }
}
