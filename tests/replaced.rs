//! Two processes on one PostgreSQL, one of which puts a newer definition in force: the other goes on where it is compatible, and
//! otherwise writes nothing more, says why, and goes on when its own files change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Place, Program, Reply, Scratch, Upstream, cluster::Database, eventually};

const NOT_COMPATIBLE: &str = "not compatible with";
/// Longer than a process needs to hear that it was replaced, and shorter than its lease.
const THINKS: Duration = Duration::from_secs(20);
const NUMBERS: &str = "{ things { id n } }";

fn definition(fields: &str, more: &str) -> String {
    format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n\
         type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things\", rows: \".[]\", missing: DELETE) {{ id: ID! n: Int {fields} }}\n{more}"
    )
}

fn older() -> String {
    definition("name: String", "")
}

fn nested() -> String {
    let part = "type Part { thing: Thing! name: String! @id }\n";
    definition("name: String parts: [Part!]! @nested(jq: \".parts[]\")", part)
}

/// A process with the older definition that harvests every second, on a database that others may use.
struct Shared {
    upstream: Upstream,
    database: Database,
    scratch: Scratch,
    program: Program,
}

impl Shared {
    async fn new() -> Shared {
        let (upstream, database) = (Upstream::start().await, Database::new());
        let scratch = Scratch::at(Place::Elsewhere(database.url()), &older());
        let program = scratch.serve(&[("UP", &upstream.url())]).await;
        let shared = Shared {
            upstream,
            database,
            scratch,
            program,
        };
        shared.publish(1);
        shared.arrives(&shared.program, 1).await;
        shared
    }

    /// The upstream says this number from now on.
    fn publish(&self, n: i64) {
        self.publish_slowly(n, Duration::ZERO);
    }

    fn publish_slowly(&self, n: i64, delay: Duration) {
        let thing = |id: &str| json!({ "id": id, "n": n, "name": "One", "parts": [{ "name": "p" }, { "name": "q" }] });
        let reply = Reply::json(&json!([thing("a"), thing("b")]));
        self.upstream.set("/things", reply.after(delay));
    }

    async fn arrives(&self, program: &Program, n: i64) {
        let all = |data: &Value| {
            data["things"]
                .as_array()
                .is_some_and(|all| all.len() == 2 && all[1]["n"] == n)
        };
        program.eventually("the harvest arrives", NUMBERS, all).await;
    }

    /// The place of another process, with another definition.
    fn beside(&self, definition: &str) -> Scratch {
        Scratch::at(Place::Elsewhere(self.database.url()), definition)
    }

    async fn told(&self, what: &str) {
        eventually(what, || async { self.program.log().contains(what).then_some(()) }).await;
    }

    /// How far ledger and change log are.
    fn written(&self) -> Vec<String> {
        self.database
            .sql("SELECT (SELECT max(id) FROM hayloft_run),(SELECT seq FROM hayloft_feed_head)")
    }

    /// Waits until the process has told several times that it lives and harvests nothing.
    async fn stands_aside(&self) {
        let id = self.program.id();
        let seen = format!("SELECT seen_at FROM hayloft_process WHERE replaced=1 AND id LIKE '{id}-%'");
        let mut before = Vec::new();
        for _ in 0..3 {
            before = eventually("a sign of life", || async {
                let now = self.database.sql(&seen);
                (!now.is_empty() && now != before).then_some(now)
            })
            .await;
        }
    }

    /// The log counts without gaps.
    fn is_dense(&self) {
        let dense = "SELECT max(seq)-min(seq)+1=count(*) AND max(seq)=(SELECT seq FROM hayloft_feed_head) FROM hayloft_change_log";
        assert_eq!(self.database.sql(dense), ["t"]);
    }

    async fn goes_on_with(&self, definition: &str) {
        self.scratch.write("schema.graphql", definition);
        self.told("live in").await;
        assert_eq!(ready(&self.program).await, (200, json!({ "status": "ok" })));
    }
}

async fn ready(program: &Program) -> (u16, Value) {
    let answer = program.client().get(format!("{}/readyz", program.url)).send().await;
    let answer = answer.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("its body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn who_is_compatible_goes_on() {
    let shared = Shared::new().await;
    let newer = shared.beside(&definition("name: String weight: Float", ""));
    let other = newer.serve(&[("UP", &shared.upstream.url())]).await;
    shared
        .told("newer definition in force, which this one is compatible with")
        .await;
    assert_eq!(other.terminate().await, Some(0));
    shared.publish(2);
    shared.arrives(&shared.program, 2).await;
    assert_eq!(ready(&shared.program).await, (200, json!({ "status": "ok" })));
    shared.is_dense();
    assert!(!shared.program.log().contains("ERROR"), "{}", shared.program.log());
    assert_eq!(shared.program.terminate().await, Some(0));
}

#[tokio::test]
async fn who_would_leave_rows_behind_only_reads() {
    let shared = Shared::new().await;
    let newer = shared.beside(&nested());
    let environment = [("UP", shared.upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    // A run waits for its page: it has nothing to commit that would be refused, and ends all the same.
    shared.publish_slowly(1, THINKS);
    let own = format!("FROM hayloft_run WHERE owner LIKE '{}-%'", shared.program.id());
    let before = shared.database.sql("SELECT max(id) FROM hayloft_run").concat();
    let under_way = format!("SELECT id {own} AND state='running' AND id>{before}");
    let run = eventually("a run under way", || async { shared.database.sql(&under_way).pop() }).await;
    let other = newer.serve(&environment).await;
    shared.told(NOT_COMPATIBLE).await;
    shared.publish(1);
    shared.stands_aside().await;
    let state = format!("SELECT state FROM hayloft_run WHERE id={run}");
    assert_eq!(shared.database.sql(&state), ["interrupted"]);
    let own = format!("SELECT count(*) {own}");
    let begun = shared.database.sql(&own);
    let parts = "{ things { id parts { name } } }";
    other
        .eventually("the parts are filled", parts, |data| {
            data["things"][1]["parts"][1]["name"] == "q"
        })
        .await;
    shared.publish(2);
    shared.arrives(&other, 2).await;
    // What the older definition asks for is there and as it was, and newer data is newer here, too.
    shared.arrives(&shared.program, 2).await;
    let (status, state) = ready(&shared.program).await;
    assert_eq!(status, 200, "{state}");
    assert!(
        state["definition"]
            .as_str()
            .is_some_and(|why| why.contains(NOT_COMPATIBLE)),
        "{state}"
    );
    let told = newer.must(&["status"], &environment).await.out;
    assert!(told.contains("1 process harvests: "), "{told}");
    let aside = format!(
        "1 process with an older definition than the one in force, harvesting nothing: {}-",
        shared.program.id()
    );
    assert!(told.contains(&aside), "{told}");
    shared.stands_aside().await;
    assert_eq!(shared.database.sql(&own), begun, "it began no run");
    assert_eq!(
        shared.program.log().matches(NOT_COMPATIBLE).count(),
        1,
        "{}",
        shared.program.log()
    );

    shared.goes_on_with(&nested()).await;
    assert_eq!(other.terminate().await, Some(0));
    shared.publish(3);
    shared.arrives(&shared.program, 3).await;
    shared.program.query(parts).await;
    shared.is_dense();
    assert_eq!(shared.program.terminate().await, Some(0));
}

#[tokio::test]
async fn who_was_replaced_answers_and_writes_nothing() {
    let shared = Shared::new().await;
    let less = definition("", "");
    let newer = shared.beside(&less);
    let environment = [("UP", shared.upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    newer.must(&["harvest", "--allow-destructive"], &environment).await;
    shared.told(NOT_COMPATIBLE).await;
    let answer = shared.program.post("{ things { id name } }", json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "DEFINITION_REPLACED", "{answer}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|why| why.contains(NOT_COMPATIBLE)),
        "{answer}"
    );
    assert!(!answer.to_string().to_lowercase().contains("select"), "{answer}");
    let (status, state) = ready(&shared.program).await;
    assert_eq!(status, 503, "{state}");
    assert!(
        state["status"].as_str().is_some_and(|why| why.contains(NOT_COMPATIBLE)),
        "{state}"
    );
    let refused = shared.scratch.run(&["status"], &environment).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains(NOT_COMPATIBLE), "{refused:?}");

    shared.stands_aside().await;
    let before = shared.written();
    shared.publish(2);
    shared.stands_aside().await;
    assert_eq!(shared.written(), before);
    assert_eq!(
        shared.database.sql("SELECT id,n FROM thing ORDER BY id"),
        ["a|1", "b|1"]
    );
    assert_eq!(
        shared.program.log().matches(NOT_COMPATIBLE).count(),
        1,
        "{}",
        shared.program.log()
    );
    shared.is_dense();

    shared.goes_on_with(&less).await;
    shared.arrives(&shared.program, 2).await;
    shared.is_dense();
    assert_eq!(shared.program.terminate().await, Some(0));
}
