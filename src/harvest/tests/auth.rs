//! Who asks: headers, and tokens that end and are asked for anew, once for all who need them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::CancellationToken;

use super::{
    memory::Memory,
    upstream::{Answer, Asked, Upstream},
};
use crate::{
    catalog::{self, FetchId},
    config::Environment,
    harvest::{HarvestSettings, Harvester, Silent},
    layout::Layout,
    store::{Reason, RunState, RunSummary},
};

const PASSWORD: &str = "pa55w0rd+it";

struct Bench {
    upstream: Upstream,
    ledger: Arc<Memory>,
    harvester: Harvester,
}

impl Bench {
    async fn start(auth: &str, script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Bench {
        let upstream = Upstream::start(script).await;
        let text = format!(
            "extend schema @source(name: \"up\", url: \"{{$env.UP}}\", concurrency: 8, auth: {auth})\n\
             type Thing @fetch(source: \"up\", GET: \"/t?page={{$page}}\", rows: \".rows[]\", pages: {{last: \".last\"}}) \
             {{ id: ID! name: String }}\n"
        );
        let catalog = Arc::new(catalog::testing::catalog(&text));
        let layout = Layout::of(&catalog);
        let environment = Environment::default()
            .with("UP", &upstream.url)
            .with("USER_NAME", "ann")
            .with("PASSWORD", PASSWORD);
        let settings = HarvestSettings {
            environment,
            ..HarvestSettings::default()
        };
        let ledger = Arc::new(Memory::default());
        let harvester = Harvester::with_ledger(catalog, &layout, ledger.clone(), settings).expect("a harvester");
        Bench {
            upstream,
            ledger,
            harvester,
        }
    }

    async fn run(&self) -> RunSummary {
        let cancel = CancellationToken::new();
        let run = self.harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel);
        run.await.expect("a recorded run").summary
    }

    /// How many logins there were.
    fn logins(&self) -> usize {
        self.upstream
            .paths()
            .iter()
            .filter(|path| !path.starts_with("/t?"))
            .count()
    }
}

/// Pages of a run.
const PAGES: usize = 20;

/// One row of a page.
fn page(asked: &Asked) -> Answer {
    let page = asked.path.rsplit('=').next().unwrap_or_default();
    Answer::json(format!("{{\"rows\":[{{\"id\":{page}}}],\"last\":20}}"))
}

#[tokio::test]
async fn headers_that_are_known_before() {
    for (auth, name, want) in [
        (r#"{bearer: "{$env.PASSWORD}"}"#, "authorization", "bearer pa55w0rd+it"),
        (
            r#"{basic: {user: "{$env.USER_NAME}", password: "{$env.PASSWORD}"}}"#,
            "authorization",
            "basic yw5uonbhntv3mhjkk2l0",
        ),
        (
            r#"{header: {name: "X-Api-Key", value: "k-{$env.PASSWORD}"}}"#,
            "x-api-key",
            "k-pa55w0rd+it",
        ),
    ] {
        let bench = Bench::start(auth, move |asked, _| match asked.header(name) == Some(want) {
            true => page(asked),
            false => Answer::json(asked.head.clone()).called(401),
        })
        .await;
        let summary = bench.run().await;
        assert_eq!(
            (summary.state, summary.new),
            (RunState::Complete, 20),
            "{auth}: {:?}",
            summary.error
        );
        // Asked once, told once: nothing would be different the second time.
        let refused = Bench::start(auth, |asked, _| Answer::json(asked.head.clone()).called(401)).await;
        let error = refused.run().await.error.unwrap_or_default();
        assert!(error.contains("answered 401") && !error.contains("pa55w0rd"), "{error}");
        assert_eq!(refused.upstream.paths().len(), 1, "{auth}");
    }
}

const LOGIN: &str = r#"{login: {POST: "/users/{$env.USER_NAME}/login", body: {password: "{$env.PASSWORD}"},
    token: ".session", header: "X-Session"}}"#;

/// Gives sessions `s-1`, `s-2` …, of which only the newest is good; the status with which the
/// others are refused.
fn sessions(given: Arc<AtomicUsize>, refusal: u16) -> impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static {
    let pages = AtomicUsize::new(0);
    move |asked, _| match asked.path.as_str() {
        "/users/ann/login" if asked.body == format!("{{\"password\":\"{PASSWORD}\"}}") => {
            let number = given.fetch_add(1, Ordering::AcqRel) + 1;
            Answer::json(format!("{{\"session\":\"session-{number}\"}}")).called(201)
        }
        "/users/ann/login" => Answer::status(403),
        _ => {
            let good = format!("session-{}", given.load(Ordering::Acquire));
            match asked.header("x-session") == Some(&good) {
                true => {
                    // It ends behind the first page of the second run, and eight requests find out.
                    if pages.fetch_add(1, Ordering::AcqRel) == PAGES {
                        given.fetch_add(1, Ordering::AcqRel);
                    }
                    page(asked)
                }
                false => Answer::json(asked.head.clone()).called(refusal),
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_once_for_all() {
    for refusal in [401, 403, 412] {
        let bench = Bench::start(LOGIN, sessions(Arc::default(), refusal)).await;
        let summary = bench.run().await;
        assert_eq!(
            (summary.state, summary.new),
            (RunState::Complete, 20),
            "{refusal}: {:?}",
            summary.error
        );
        assert_eq!(bench.logins(), 1, "one is enough for all requests");
        let summary = bench.run().await;
        assert_eq!(
            (summary.state, summary.same),
            (RunState::Complete, 20),
            "{refusal}: {:?}",
            summary.error
        );
        assert_eq!(bench.logins(), 2, "eight at once found out, and one logged in");
    }
}

#[tokio::test]
async fn a_new_session_that_is_refused_too_is_the_end() {
    let bench = Bench::start(LOGIN, |asked, count| match asked.path.starts_with("/t?") {
        true => Answer::json(format!("go away, {}", asked.head)).called(401),
        false => Answer::json(format!("{{\"session\":\"session-of-{count}\"}}")),
    })
    .await;
    let summary = bench.run().await;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("answered 401 and said `go away"), "{error}");
    assert!(!error.contains("session-of"), "what was given is not shown: {error}");
    let asked: Vec<String> = bench.upstream.paths();
    assert_eq!(
        asked,
        ["/users/ann/login", "/t?page=1", "/users/ann/login", "/t?page=1"]
    );
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_by_all() {
    let bench = Bench::start(LOGIN, |asked, _| {
        Answer::json(format!("wrong: {}", asked.body)).called(401)
    })
    .await;
    for _ in 0..2 {
        let error = bench.run().await.error.unwrap_or_default();
        assert!(
            error.starts_with("the login of source up at http://127.0.0.1")
                && error.contains("answered 401 and said `wrong"),
            "{error}"
        );
        assert!(!error.contains(PASSWORD), "{error}");
    }
    assert_eq!(
        bench.upstream.paths(),
        ["/users/ann/login"],
        "an account is not locked by us"
    );
}

#[tokio::test]
async fn an_answer_without_a_token_says_so() {
    for (answer, want) in [
        (Answer::json(r#"{"sessions":"s3cret"}"#), "jq `.session` finds no token"),
        (Answer::json("<html>s3cret"), "the answer is no JSON"),
        (Answer::json(r#"{"session":"a\nb"}"#), "cannot be sent in a header"),
    ] {
        let bench = Bench::start(LOGIN, move |_, _| answer.clone()).await;
        let error = bench.run().await.error.unwrap_or_default();
        assert!(error.contains(want) && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn client_credentials_are_given_where_tokens_are() {
    let asked_there = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked_there);
    let giver = Upstream::start(move |asked, count| {
        log.lock().expect("log").push(asked.clone());
        let lasts = if count == 0 { 0 } else { 3_600 };
        Answer::json(format!(
            "{{\"access_token\":\"token-{count}\",\"token_type\":\"Bearer\",\"expires_in\":{lasts}}}"
        ))
    })
    .await;
    let auth = format!(
        "{{oauth2: {{url: \"{}/token\", id: \"{{$env.USER_NAME}}\", secret: \"{{$env.PASSWORD}}\", scope: \"read all\"}}}}",
        giver.url
    );
    let bench = Bench::start(&auth, |asked, _| match asked.header("authorization") {
        Some("bearer token-0" | "bearer token-1") => page(asked),
        _ => Answer::status(401),
    })
    .await;
    let summary = bench.run().await;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, 20),
        "{:?}",
        summary.error
    );
    let asked = asked_there.lock().expect("log").clone();
    // The first token had ended when it came; it was not refused, but the next request asks anew.
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=read+all");
    // Both are encoded as in a form before: `ann:pa55w0rd%2Bit`.
    assert_eq!(asked[0].header("authorization"), Some("basic yw5uonbhntv3mhjkjtjcaxq="));
    assert_eq!(
        asked[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert!(
        bench
            .upstream
            .asked
            .lock()
            .expect("log")
            .iter()
            .all(|asked| !asked.head.contains("basic"))
    );
}

#[tokio::test]
async fn what_an_upstream_says_of_a_token_is_covered() {
    let bench = Bench::start(LOGIN, |asked, _| match asked.path.starts_with("/t?") {
        true => Answer::json(
            r#"{"rows":[{"id":1,"name":"it is session-0123456789"},{"name":"session-0123456789"}],"last":1}"#,
        ),
        false => Answer::json(r#"{"session":"session-0123456789"}"#),
    })
    .await;
    let summary = bench.run().await;
    assert_eq!((summary.new, summary.refused), (1, 1), "{:?}", summary.error);
    let state = bench.ledger.state();
    let kept = format!("{:?} {:?}", state.rows, state.refused);
    assert!(!kept.contains("0123456789") && kept.contains("it is {token}"), "{kept}");
}
