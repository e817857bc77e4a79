//! What was recorded is harvested again without an upstream, and holds no secret.

use std::{path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    memory::Memory,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{FetchId, testing::catalog},
    config::Environment,
    harvest::{
        HarvestSettings, Harvester, Silent,
        cassette::{Player, Recorder, Tape},
        replayed,
    },
    layout::Layout,
    store::{Reason, RunState, RunSummary},
};

const KEY: &str = "k3y-0f-it";
const TOKEN: &str = "t0kenOfIt";

const TYPES: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\", headers: [{name: \"Authorization\", value: \"Bearer {$env.TOKEN}\"}])\n\
                     type Thing @fetch(source: \"up\", GET: \"/t?key={$env.KEY}\", rows: \".rows[]\", pages: {next: \".next\"}) \
                     { id: ID! name: String }";

async fn harvested(types: &str, environment: Environment, tape: Tape) -> (RunSummary, Arc<Memory>) {
    let catalog = Arc::new(catalog(types));
    let layout = Layout::of(&catalog);
    let environment = match &tape.replay {
        Some(player) => replayed(&catalog, environment, player),
        None => environment,
    };
    let settings = HarvestSettings {
        environment,
        tape,
        ..HarvestSettings::default()
    };
    let ledger = Arc::new(Memory::default());
    let harvester = Harvester::with_ledger(catalog, &layout, ledger.clone(), settings).expect("a harvester");
    let report = harvester
        .run(FetchId(0), Reason::Hand, &Silent, &CancellationToken::new())
        .await;
    (report.expect("a run").summary, ledger)
}

/// Two pages that repeat what they were asked with; the first one only at the second try, and with
/// an absolute address of the second.
async fn recorded(folder: &Path) -> Arc<Memory> {
    let upstream = Upstream::start(|asked, count| {
        let host = asked
            .head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap_or_default()
            .to_owned();
        match count {
            0 => Answer::status(503),
            1 => Answer::json(format!(
                "{{\"rows\":[{{\"id\":1,\"name\":\"for {TOKEN}\"}}],\"next\":\"http://{host}/t?key={KEY}&p=2\"}}"
            ))
            .header("set-cookie", "session=5e55ion"),
            _ => Answer::json("{\"rows\":[{\"id\":2,\"name\":\"two\"}]}"),
        }
    })
    .await;
    let environment = Environment::default()
        .with("UP", &upstream.url)
        .with("TOKEN", TOKEN)
        .with("KEY", KEY);
    let tape = Tape {
        keep: Some(Arc::new(Recorder::new(folder).expect("a cassette"))),
        replay: None,
    };
    let (summary, ledger) = harvested(TYPES, environment, tape).await;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, 2),
        "{:?}",
        summary.error
    );
    ledger
}

fn replay(folder: &Path) -> Tape {
    Tape {
        replay: Some(Arc::new(Player::read(folder).expect("a cassette"))),
        keep: None,
    }
}

#[tokio::test]
async fn a_cassette_is_harvested_like_its_upstream_and_holds_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let live = recorded(folder.path()).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("the cassette") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("its text");
        for secret in [KEY, TOKEN, "5e55ion"] {
            assert!(!text.contains(secret), "{}: {text}", path.display());
        }
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    names.sort();
    let begins = |at: usize, begin: &str| names.get(at).is_some_and(|name| name.starts_with(begin));
    assert!(
        names.len() == 3 && begins(0, "up-GET-t-key-env.KEY-") && begins(2, "up-GET-t-key-env.KEY-p-2-"),
        "{names:?}"
    );
    // Neither the upstream nor what it was asked with is there any more.
    let (summary, again) = harvested(TYPES, Environment::default(), replay(folder.path())).await;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, 2),
        "{:?}",
        summary.error
    );
    assert_eq!(again.state().rows, live.state().rows);
}

#[tokio::test]
async fn what_was_not_recorded_is_refused_with_what_is_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    recorded(folder.path()).await;
    for entry in std::fs::read_dir(folder.path()).expect("the cassette") {
        let path = entry.expect("a file").path();
        if path.to_string_lossy().contains("p-2-") {
            std::fs::remove_file(path).expect("it is gone");
        }
    }
    let (summary, _) = harvested(TYPES, Environment::default(), replay(folder.path())).await;
    assert_eq!(summary.state, RunState::Failed);
    let error = summary.error.expect("an error");
    assert!(
        error.contains("p=2: is not in the cassette; the nearest there is GET /t?key={$env.KEY}"),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_is_replayed_and_holds_no_token() {
    let oauth = r#"{oauth2: {url: "{$env.TOKENS}/oauth/token", id: "me", secret: "{$env.KEY}"}}"#;
    let login =
        r#"{login: {POST: "/oauth/token", body: {password: "{$env.KEY}"}, token: ".a.access_token", header: "X-S"}}"#;
    for (auth, answer) in [
        (
            oauth,
            format!("{{\"access_token\":\"{TOKEN}\",\"refresh_token\":\"5e55ion\",\"expires_in\":60}}"),
        ),
        (
            login,
            format!("{{\"a\":{{\"access_token\":\"{TOKEN}\",\"more\":[{{\"refresh_token\":\"5e55ion\"}}]}}}}"),
        ),
    ] {
        let types = format!(
            "extend schema @source(name: \"up\", url: \"{{$env.UP}}\", auth: {auth})\n\
             type Thing @fetch(source: \"up\", POST: \"/t\", body: {{k: \"{{$env.KEY}}\"}}, rows: \".rows[]\") \
             {{ id: ID! nextToken: String }}"
        );
        let upstream = Upstream::start(move |asked, _| match asked.path.as_str() {
            "/oauth/token" => Answer::json(answer.clone()),
            _ => Answer::json(format!(
                "{{\"rows\":[{{\"id\":1,\"nextToken\":\"p2\"}}],\"token\":\"for {TOKEN}\"}}"
            )),
        })
        .await;
        let environment = Environment::default()
            .with("UP", &upstream.url)
            .with("TOKENS", &upstream.url)
            // Sent in more than one form.
            .with("KEY", "k3y/0f+it \"");
        let folder = tempfile::tempdir().expect("a folder");
        let tape = Tape {
            keep: Some(Arc::new(Recorder::new(folder.path()).expect("a cassette"))),
            replay: None,
        };
        let (summary, live) = harvested(&types, environment, tape).await;
        assert_eq!(summary.state, RunState::Complete, "{auth}: {:?}", summary.error);
        for entry in std::fs::read_dir(folder.path()).expect("the cassette") {
            let text = std::fs::read_to_string(entry.expect("a file").path()).expect("its text");
            for secret in ["k3y", TOKEN, "5e55ion"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        drop(upstream);
        let (summary, again) = harvested(&types, Environment::default(), replay(folder.path())).await;
        assert_eq!(summary.state, RunState::Complete, "{auth}: {:?}", summary.error);
        assert_eq!(again.state().rows, live.state().rows);
    }
}
