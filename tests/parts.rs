//! Rows that come several ways: whole ones from their type's own fetch, parts of them from the answers about other rows. Absent
//! is not null: what a record does not have stays, and what its owner has comes back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::harness::{Db, Hold, Output, Reply, Scratch, Upstream, eventually, on_both};

on_both!(
    a_part_leaves_what_it_does_not_have,
    what_a_part_wiped_comes_back_whoever_was_first,
    what_only_the_others_bring_stays,
    a_part_is_no_new_row_without_what_is_required,
    an_unchanged_answer_vouches_only_for_what_it_wrote,
);

struct Bench {
    upstream: Upstream,
    scratch: Scratch,
}

impl Bench {
    /// With one request at a time.
    async fn new(db: Db, definition: &str) -> Bench {
        Bench::with(db, ", concurrency: 1", definition).await
    }

    async fn with(db: Db, how: &str, definition: &str) -> Bench {
        let source = format!("extend schema @source(name: \"up\", url: \"{{$env.UP}}\"{how})\n");
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

/// The two runs that write people are under way at once. What a run says is by the order of their commits.
#[derive(Clone, Copy, Debug)]
enum Order {
    OwnerFirst,
    PartFirst,
    /// The part is written after the owner's page was found to be as it was, and before the end of its run.
    PartBetween,
}

/// An upstream with people, of whom the answer about a film has a part.
struct People {
    bench: Bench,
    harvests: AtomicUsize,
}

/// A reply is sent once this is set.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn before(&self, reply: Reply) -> Reply {
        let open = Arc::clone(&self.0);
        reply.when(move || open.load(Ordering::SeqCst))
    }

    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl People {
    async fn new(db: Db) -> People {
        let bench = Bench::with(db, "", PEOPLE).await;
        bench.says("/films", &json!([{ "id": 10 }]));
        People {
            bench,
            harvests: AtomicUsize::new(0),
        }
    }

    /// One run of everything, in which the two who bring people come in this order.
    async fn harvest(&self, order: Order, people: &Value, of_film: &Value) -> (Output, Vec<String>) {
        let (owner, part) = (Gate::default(), Gate::default());
        let upstream = &self.bench.upstream;
        upstream.set("/people", owner.before(Reply::json(people).tagged()));
        upstream.set("/films/10/people", part.before(Reply::json(of_film).tagged()));
        self.harvests.fetch_add(1, Ordering::SeqCst);
        let before = upstream.asked().len();
        let conduct = async {
            // From here on there is a database, and the owner's run has begun.
            eventually("the owner's request", || async {
                let asked = upstream.asked();
                asked.iter().skip(before).any(|path| path == "/people").then_some(())
            })
            .await;
            self.conduct(order, &owner, &part).await;
        };
        tokio::join!(self.bench.harvest(), conduct).0
    }

    async fn conduct(&self, order: Order, owner: &Gate, part: &Gate) {
        let database = self.bench.scratch.database();
        match order {
            Order::OwnerFirst => {
                owner.open();
                self.ended("Person").await;
                part.open();
            }
            Order::PartFirst => {
                part.open();
                self.ended("Film.people").await;
                owner.open();
            }
            Order::PartBetween => {
                let run = "SELECT id FROM hayloft_run WHERE \"fetch\"='Person' AND state='running' FOR UPDATE";
                let hold = Hold::of(&database, run).await;
                owner.open();
                hold.is_waited_for().await;
                part.open();
                self.ended("Film.people").await;
                hold.let_go().await;
            }
        }
    }

    /// Waits until this harvest has a complete run of a fetch.
    async fn ended(&self, fetch: &str) {
        let sql = format!("SELECT id FROM hayloft_run WHERE \"fetch\"='{fetch}' AND state='complete'");
        eventually(fetch, || async {
            let complete = self.bench.scratch.rows(&sql).await.len();
            (complete >= self.harvests.load(Ordering::SeqCst)).then_some(())
        })
        .await;
    }

    async fn stored(&self) -> String {
        self.bench.scratch.rows(STORED).await.concat().join("|")
    }
}

const WHOLE: &str = "1 Ann long|1#a|1#b|1/1x";

fn ann() -> Value {
    json!([{ "id": 1, "name": "Ann", "bio": "long", "tags": ["a", "b"], "notes": [{ "number": 1, "text": "x" }] }])
}

async fn a_part_leaves_what_it_does_not_have(db: Db) {
    let people = People::new(db).await;
    for (part, want) in [
        (json!({ "id": 1, "name": "Ann" }), WHOLE),
        (json!({ "id": 1, "bio": null }), "1 Ann -|1#a|1#b|1/1x"),
        // What was wiped comes back, though nothing changed where it comes from.
        (json!({ "id": 1 }), WHOLE),
        (
            json!({ "id": 1, "name": "Anna", "tags": ["c"], "notes": [{ "number": 1, "text": "y" }, { "number": 2 }] }),
            "1 Anna long|1#c|1/1y|1/2-",
        ),
        (json!({ "id": 1, "notes": [{ "number": 1 }] }), WHOLE),
        (json!({ "id": 1, "tags": null, "notes": [] }), "1 Ann long"),
        (json!({ "id": 1, "tags": ["b", "a"] }), WHOLE),
    ] {
        let (output, _) = people.harvest(Order::OwnerFirst, &ann(), &json!([part])).await;
        assert_eq!(output.code, Some(0), "{part}: {output:?}");
        assert_eq!(people.stored().await, want, "{part}");
    }
    // What agrees with the owner changes nothing, and is not read twice.
    let agrees = json!([{ "id": 1, "name": "Ann", "notes": [{ "number": 1 }] }]);
    people.harvest(Order::OwnerFirst, &ann(), &agrees).await;
    let before = people.bench.changes().await;
    let (_, asked) = people.harvest(Order::OwnerFirst, &ann(), &agrees).await;
    assert_eq!(asked, ["/films", "/films/10/people", "/people"]);
    assert_eq!(people.bench.changes().await, before);
    assert_eq!(people.stored().await, WHOLE);
    // The owner's record is all that is known of such a row: what it does not have any more is null.
    let (now, part) = (json!([{ "id": 1, "name": "Ann" }]), json!([{ "id": 1 }]));
    people.harvest(Order::OwnerFirst, &now, &part).await;
    assert_eq!(people.stored().await, "1 Ann -");
}

/// The owner's page is as it was all the time.
async fn what_a_part_wiped_comes_back_whoever_was_first(db: Db) {
    let orders = [Order::OwnerFirst, Order::PartFirst, Order::PartBetween];
    // In a file nobody writes between two transactions of a process but by chance: the unit tests of the store do.
    let orders = orders
        .into_iter()
        .filter(|order| db == Db::Postgres || !matches!(order, Order::PartBetween));
    let people = People::new(db).await;
    for order in orders {
        let calm = json!([{ "id": 1, "name": "Ann" }]);
        for _ in 0..2 {
            people.harvest(Order::OwnerFirst, &ann(), &calm).await;
        }
        assert_eq!(people.stored().await, WHOLE, "{order:?}");
        let wipes = json!([{ "id": 1, "tags": null, "notes": [] }]);
        let (output, _) = people.harvest(order, &ann(), &wipes).await;
        assert_eq!(output.code, Some(0), "{order:?}: {output:?}");
        // Who comes last is right until the next run.
        let wiped = match order {
            Order::PartFirst => WHOLE,
            Order::OwnerFirst | Order::PartBetween => "1 Ann long",
        };
        assert_eq!(people.stored().await, wiped, "{order:?}");
        let other = json!([{ "id": 1, "tags": ["b", "a"] }]);
        people.harvest(Order::OwnerFirst, &ann(), &other).await;
        assert_eq!(people.stored().await, WHOLE, "{order:?}");
    }
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
    let people = People::new(db).await;
    let parts = json!([{ "id": 9, "bio": "short" }, { "id": 8, "name": "Bob" }]);
    people.harvest(Order::OwnerFirst, &json!([]), &parts).await;
    assert_eq!(people.stored().await, "8 Bob -");
    let scratch = &people.bench.scratch;
    let reason = "SELECT row_key,reason FROM hayloft_quarantine";
    assert_eq!(
        scratch.rows(reason).await,
        [[
            "9",
            "name: required, but this record of a part of Person does not have it, and no Person with this key is stored yet"
        ]]
    );
    // The link waits for its row, and the record is looked at again when that is there.
    let owned = json!([{ "id": 9, "name": "Cid", "tags": ["t"] }]);
    people.harvest(Order::OwnerFirst, &owned, &parts).await;
    assert_eq!(people.stored().await, "8 Bob -|9 Cid short|9#t");
    let links = "SELECT target_id FROM film_people ORDER BY _position";
    assert_eq!(scratch.rows(links).await, [["9"], ["8"]]);
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
