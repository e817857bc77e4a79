//! What an upstream may answer beside a plain page: other statuses, waits, words of its own, and no
//! TLS to trust.

use std::{path::PathBuf, sync::Arc};

use super::{
    super::limits::ASKED_MAX,
    catalogs::{paging, things},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::Advance,
    store::{RunState, RunSummary},
};

const GOOD: &str = "[{\"id\":1}]";

async fn at(url: &str, path: &str, folder: PathBuf) -> RunSummary {
    let ledger = Arc::new(Memory::default());
    let catalog = things(url, path, ".[]", paging(Advance::Single));
    run(&harvester(catalog, &ledger, folder)).await.summary
}

/// The end of a run, and how often the upstream was asked.
async fn harvested(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (RunSummary, usize) {
    let upstream = Upstream::start(move |_, count| script(count)).await;
    let summary = at(&format!("{}/api/", upstream.url), "/t?a=b", "".into()).await;
    (summary, upstream.paths().len())
}

#[tokio::test]
async fn answers_that_carry_data() {
    let ranged = |range: &str| Answer::json(GOOD).called(206).header("content-range", range);
    for (answer, want) in [
        (Answer::json(GOOD).called(203), RunState::Complete),
        (Answer::json(GOOD).called(206), RunState::Complete),
        (ranged("items 0-0/50"), RunState::Complete),
        (ranged("bytes 0-9/10"), RunState::Complete),
        (ranged("bytes 0-9/20"), RunState::Failed),
        (
            Answer::json(GOOD).header("content-type", "text/html; charset=utf-8"),
            RunState::Complete,
        ),
        (
            Answer::json(GOOD).header("content-type", "nonsense"),
            RunState::Complete,
        ),
        (
            Answer::json("<p>Please log in</p>").header("content-type", "text/html"),
            RunState::Failed,
        ),
    ] {
        let shown = format!("{answer:?}");
        let (summary, asked) = harvested(move |_| answer.clone()).await;
        assert_eq!((summary.state, asked), (want, 1), "{shown}: {:?}", summary.error);
    }
}

#[tokio::test]
async fn answers_that_ask_to_wait() {
    let limited = |status| Answer::status(status).header("x-ratelimit-remaining", "0");
    for answer in [
        Answer::status(202),
        Answer::status(202).header("retry-after", "0"),
        Answer::status(403).header("retry-after", "0.01"),
        limited(403).header("x-ratelimit-reset", "0"),
        limited(403).header("x-ratelimit-reset", "1000000001"),
        Answer::status(429).header("ratelimit-reset", "0"),
        Answer::status(429).header("retry-after", "Mon, 01 Jan 2001 00:00:00 GMT"),
        Answer::status(425),
        Answer::status(520),
    ] {
        let shown = format!("{answer:?}");
        let (summary, asked) = harvested(move |count| match count {
            0 | 1 => answer.clone(),
            _ => Answer::json(GOOD),
        })
        .await;
        assert_eq!(
            (summary.state, asked),
            (RunState::Complete, 3),
            "{shown}: {:?}",
            summary.error
        );
    }
    // Nobody waits for ever, and a refusal without a limit is none that passes.
    let (summary, asked) = harvested(|_| Answer::status(202).header("retry-after", "0")).await;
    assert_eq!((summary.state, asked), (RunState::Failed, ASKED_MAX as usize));
    assert!(summary.error.is_some_and(|error| error.contains("answered 202")));
    let (summary, asked) = harvested(|_| Answer::status(403).header("x-ratelimit-remaining", "7")).await;
    assert_eq!((summary.state, asked), (RunState::Failed, 1));
    let (summary, asked) = harvested(move |_| limited(403).header("x-ratelimit-reset", "3000")).await;
    assert_eq!((summary.state, asked), (RunState::Failed, 1));
    assert!(summary.error.is_some_and(|error| error.contains("asks to wait 3000s")));
}

#[tokio::test]
async fn a_failed_request_is_told_in_the_upstreams_words() {
    let body = format!(
        "{{\"message\":\n\t\"post 14 has\u{7} a fatal error\", \"trace\": \"{}\"}}",
        "x".repeat(999)
    );
    let upstream = Upstream::start(move |_, _| Answer::json(body.clone()).called(400)).await;
    let summary = at(&format!("{}/api/v2/", upstream.url), "/t?a=b", "".into()).await;
    let error = summary.error.unwrap_or_default();
    let want = format!(
        "GET {}/api/v2/t?a=b: answered 400 and said `{{\"message\": \"post 14 has a fatal error\", \"trace\": \"xx",
        upstream.url
    );
    assert!(error.starts_with(&want), "{error}");
    assert!(
        error.len() < want.len() + 300 && error.ends_with("data comes with 200, 203 or 206"),
        "{error}"
    );
    let page = "<html><head><title>404\nNot found</title></head></html>";
    let (summary, _) = harvested(move |_| Answer::json(page).called(404)).await;
    let error = summary.error.unwrap_or_default();
    assert!(
        error.contains("answered 404 and said `404 Not found`; check"),
        "{error}"
    );
}

#[tokio::test]
async fn advice_for_files_is_about_files() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, text, want) in [
        ("cut.json", "[{\"id\":1},", "the file is not whole"),
        ("empty.json", " ", "the file is empty"),
        ("page.json", "<!doctype html>", "give the file that has the data"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("file");
        let summary = at("file:.", name, folder.path().to_owned()).await;
        let error = summary.error.unwrap_or_default();
        assert!(error.starts_with("FILE ") && error.contains(want), "{error}");
        for wrong in ["closed it early", "smaller pages", "credentials"] {
            assert!(!error.contains(wrong), "{error}");
        }
    }
}

/// Answers each connection by what a function makes of it; gives the address.
fn listening(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("https://localhost:{}", listener.local_addr().expect("address").port());
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    url
}

#[tokio::test]
async fn bad_certificates_are_called_so() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .expect("a server");
    let config = Arc::new(config);
    let unknown = listening(move |mut socket| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
        while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
    });
    let plain = listening(|mut socket| {
        use std::io::{Read as _, Write as _};
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = socket.read(&mut [0; 4096]);
    });
    for (url, want) in [
        (unknown, "cannot connect safely: its certificate is of an issuer"),
        (plain, "cannot connect safely: it does not speak TLS"),
    ] {
        let summary = at(&url, "/t", "".into()).await;
        let error = summary.error.unwrap_or_default();
        assert!(error.contains(want), "{error}");
    }
}
