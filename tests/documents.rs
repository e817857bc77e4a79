//! Documents asked for by name or hash, from outside: saved queries, trusted documents, and what clients leave (APQ).

use reqwest::header::{ACCEPT, ALLOW};
use serde_json::{Value, json};

use crate::harness::{Program, Reply, Scratch, Socket, Upstream};

const ITEM: &str = "query Item($id: ID!) { note(id: $id) { id text } }";
const SOME: &str = "query Some($ids: [ID!], $first: Int) { notes(where: {id: {in: $ids}}, first: $first) { id } }";
/// SHA-256 of [`ITEM`], made by another program.
const ITEM_HASH: &str = "7101ec35fbf0f006a112b1e5f0aadf2a1d418069b78227f611d0fab681c3cf08";

/// A program with three rows, and a folder `queries` beside its definition.
async fn serve(upstream: &Upstream, settings: &[(&str, &str)], documents: &[(&str, &str)]) -> (Scratch, Program) {
    let rows = json!([{ "id": "1", "text": "one" }, { "id": "2", "text": "two" }, { "id": "3", "text": "three" }]);
    upstream.set("/notes", Reply::json(&rows));
    let definition = format!(
        "extend schema @source(name: \"up\", url: \"{}\")\n\
         type Note @fetch(source: \"up\", GET: \"/notes\", rows: \".[]\", every: \"1d\") {{ id: ID!, text: String }}",
        upstream.url()
    );
    let scratch = Scratch::new(&definition);
    std::fs::create_dir(scratch.path("queries")).expect("a folder");
    for (name, text) in documents {
        scratch.write(&format!("queries/{name}"), text);
    }
    let folder = scratch.path("queries").display().to_string();
    let all = [settings, &[("HAYLOFT_DOCUMENTS", folder.as_str())]].concat();
    scratch.must(&["harvest"], &[]).await;
    let program = scratch.serve(&all).await;
    (scratch, program)
}

/// Status and body of a GET.
async fn get(program: &Program, path: &str) -> (u16, Value) {
    let response = program.client().get(format!("{}{path}", program.url)).send().await;
    let response = response.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn post(program: &Program, request: &Value) -> (u16, Value) {
    let sent = program.client().post(format!("{}/graphql", program.url));
    let sent = sent.header(ACCEPT, "application/graphql-response+json");
    let sent = sent
        .header("content-type", "application/json")
        .body(request.to_string());
    let response = sent.send().await.expect("an answer");
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON"),
    )
}

fn message(answer: &Value) -> &str {
    answer["errors"][0]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn saved_queries_have_addresses() {
    let upstream = Upstream::start().await;
    let two = "query A { __typename } query B { notes { id } }";
    let documents = [
        ("item.graphql", ITEM),
        ("some.graphql", SOME),
        ("two.graphql", two),
        ("live.graphql", "subscription { notes { id } }"),
    ];
    let (_scratch, program) = serve(&upstream, &[], &documents).await;
    let one = json!({ "data": { "note": { "id": "1", "text": "one" } } });
    for (path, want) in [
        ("/q/item.json?id=1", one.clone()),
        ("/q/item.json?id=4", json!({ "data": { "note": null } })),
        (
            "/q/some.json?ids=1&ids=3",
            json!({ "data": { "notes": [{ "id": "1" }, { "id": "3" }] } }),
        ),
        (
            "/q/some.json?ids=%5B%221%22%5D&first=1",
            json!({ "data": { "notes": [{ "id": "1" }] } }),
        ),
    ] {
        assert_eq!(get(&program, path).await, (200, want), "{path}");
    }
    for (path, status, part) in [
        ("/q/item", 404, "/q/<name>.json"),
        ("/q/itme.json?id=1", 404, "did you mean `item`?"),
        ("/q/item.json", 400, "$id: a value of type ID! must be given"),
        ("/q/item.json?di=1", 400, "has no variable `di`; did you mean `id`?"),
        ("/q/item.json?id=1&id=2", 400, "several times"),
        ("/q/some.json?first=few", 400, "`few` is no JSON"),
        ("/q/some.json?first=1.5", 400, "first"),
        ("/q/two.json", 400, "has 2 operations"),
        ("/q/live.json", 400, "a subscription needs"),
    ] {
        let (got, answer) = get(&program, path).await;
        assert_eq!(got, status, "{path} {answer}");
        assert!(message(&answer).contains(part), "{path} {answer}");
        let is_unknown = answer["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_FOUND";
        assert_eq!(is_unknown, status == 404, "{path} {answer}");
    }
    let post = program.client().post(format!("{}/q/item.json?id=1", program.url));
    let response = post.send().await.expect("an answer");
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers().get(ALLOW).expect("Allow"), "GET, HEAD");
    let told: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    assert_eq!(told["errors"][0]["extensions"]["code"], "METHOD_NOT_ALLOWED", "{told}");
    let head = program.client().head(format!("{}/q/item.json?id=1", program.url));
    let response = head.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.expect("no body").is_empty());
}

#[tokio::test]
async fn parameters_are_whole_texts_and_names_are_not_told() {
    let upstream = Upstream::start().await;
    let settings = [("HAYLOFT_NO_INTROSPECTION", "true")];
    let (_scratch, program) = serve(&upstream, &settings, &[("item.graphql", ITEM)]).await;
    let (status, answer) = get(&program, "/q/item.json?id=%ff").await;
    assert_eq!((status, message(&answer).contains("no UTF-8")), (400, true), "{answer}");
    let (status, answer) = get(&program, "/q/item.json?ID=7").await;
    assert_eq!(status, 400);
    assert!(message(&answer).ends_with("has no variable `ID`"), "{answer}");
}

#[tokio::test]
async fn documents_are_asked_for_by_name_and_hash() {
    let upstream = Upstream::start().await;
    let (_scratch, program) = serve(&upstream, &[], &[("item.graphql", ITEM)]).await;
    let want = (200, json!({ "data": { "note": { "id": "2", "text": "two" } } }));
    for id in ["item".to_owned(), format!("sha256:{ITEM_HASH}")] {
        let request = json!({ "documentId": id, "variables": { "id": "2" }, "operationName": "" });
        assert_eq!(post(&program, &request).await, want, "{id}");
        let path = format!("/graphql?documentId={id}&variables=%7B%22id%22:%222%22%7D&operationName=Item");
        assert_eq!(get(&program, &path).await, want, "{id}");
        let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
        socket
            .send(json!({ "type": "subscribe", "id": "1", "payload": request }))
            .await;
        assert_eq!(socket.next().await["payload"], want.1, "{id}");
    }
    let both = json!({ "documentId": "item", "query": ITEM });
    let (status, answer) = post(&program, &both).await;
    assert!(status == 400 && message(&answer).contains("not both"), "{answer}");
    let (status, answer) = post(&program, &json!({ "documentId": "itm" })).await;
    assert_eq!(
        (status, answer["errors"][0]["extensions"]["code"].as_str()),
        (400, Some("DOCUMENT_NOT_FOUND"))
    );
}

/// As Apollo's link for persisted queries does it: the hash alone, and with its text when that is not known.
#[tokio::test]
async fn what_clients_leave_is_answered_by_its_hash() {
    let upstream = Upstream::start().await;
    let (_scratch, program) = serve(&upstream, &[("HAYLOFT_LIMITS", "persisted_bytes=300")], &[]).await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": ITEM_HASH } });
    let by_hash = json!({ "extensions": extensions, "variables": { "id": "3" } });
    let left = json!({ "query": ITEM, "extensions": extensions, "variables": { "id": "3" } });
    let want = (200, json!({ "data": { "note": { "id": "3", "text": "three" } } }));
    let (_, answer) = post(&program, &by_hash).await;
    assert_eq!(message(&answer), "PersistedQueryNotFound");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(post(&program, &left).await, want);
    assert_eq!(post(&program, &by_hash).await, want);
    let encoded = extensions
        .to_string()
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('"', "%22");
    let path = format!("/graphql?extensions={encoded}&variables=%7B%22id%22:%223%22%7D");
    assert_eq!(get(&program, &path).await, want);
    let lie = json!({ "query": SOME, "extensions": extensions });
    assert!(message(&post(&program, &lie).await.1).contains("is not the SHA-256"));
    // Another text takes the place of the first.
    let other = "{ notes { id } } # a comment that makes this one longer than what there is room for beside";
    let hash = "9e6bef64c5ecc39354c657e9dd04219f2a46a1ec1e293661dc738a00fc9f7704";
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    assert_eq!(
        post(&program, &json!({ "query": other, "extensions": extensions }))
            .await
            .0,
        200
    );
    assert_eq!(message(&post(&program, &by_hash).await.1), "PersistedQueryNotFound");
    assert_eq!(post(&program, &json!({ "extensions": extensions })).await.0, 200);
}

#[tokio::test]
async fn where_only_trusted_documents_are_answered_nothing_else_is() {
    let upstream = Upstream::start().await;
    let settings = [("HAYLOFT_TRUSTED_ONLY", "true")];
    let (_scratch, program) = serve(&upstream, &settings, &[("item.graphql", ITEM)]).await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": ITEM_HASH } });
    let variables = json!({ "id": "1" });
    for request in [
        json!({ "documentId": "item", "variables": variables }),
        json!({ "query": ITEM, "variables": variables }),
        json!({ "extensions": extensions, "variables": variables }),
    ] {
        assert_eq!(post(&program, &request).await.0, 200, "{request}");
    }
    assert_eq!(get(&program, "/q/item.json?id=1").await.0, 200);
    for query in ["{ __typename }", "{ __schema { description } }", &format!("{ITEM} ")] {
        let (status, answer) = post(&program, &json!({ "query": query, "variables": variables })).await;
        assert_eq!(
            (status, answer["errors"][0]["extensions"]["code"].as_str()),
            (400, Some("DOCUMENT_NOT_TRUSTED"))
        );
        let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
        socket.subscribe("1", query).await;
        let refused = socket.next().await;
        assert_eq!(
            refused["payload"][0]["extensions"]["code"], "DOCUMENT_NOT_TRUSTED",
            "{refused}"
        );
    }
    // A page that could ask nothing is not served.
    assert_eq!(get(&program, "/").await.0, 404);
}

/// The description of an operation is its query's title, and nothing else of it changes.
#[tokio::test]
async fn descriptions_of_operations_are_titles() {
    let upstream = Upstream::start().await;
    let titled = format!("\"One note\" {ITEM}");
    let documents = [("item.graphql", titled.as_str()), ("some.graphql", SOME)];
    let (scratch, program) = serve(&upstream, &[], &documents).await;
    let one = json!({ "data": { "note": { "id": "1", "text": "one" } } });
    assert_eq!(get(&program, "/q/item.json?id=1").await, (200, one));
    let folder = scratch.path("queries").display().to_string();
    let checked = scratch.must(&["check", "--documents", &folder], &[]).await;
    assert!(
        checked.out.contains("2 files of saved queries\n  item: One note\n"),
        "{checked:?}"
    );
    assert!(!checked.out.contains("some:"), "{checked:?}");
}

/// Statuses of the newest draft are a setting.
#[tokio::test]
async fn statuses_follow_the_draft_where_it_is_set() {
    let upstream = Upstream::start().await;
    let invalid = json!({ "query": "{ nots { id } }" });
    for (settings, want) in [(&[][..], 400), (&[("HAYLOFT_HTTP_DRAFT", "true")], 422)] {
        let (_scratch, program) = serve(&upstream, settings, &[]).await;
        assert_eq!(post(&program, &invalid).await.0, want);
    }
}

#[tokio::test]
async fn faulty_documents_are_told_at_the_start_and_refused_later() {
    let upstream = Upstream::start().await;
    let (scratch, program) = serve(&upstream, &[], &[("item.graphql", ITEM)]).await;
    let folder = scratch.path("queries").display().to_string();
    // What fits is taken in while it serves, what does not leaves all as it was.
    scratch.write("queries/some.graphql", SOME);
    let taken_in = async || (get(&program, "/q/some.json?ids=1").await.0 == 200).then_some(());
    crate::harness::eventually("the new query", taken_in).await;
    scratch.write("queries/item.graphql", "{ nots { id } }");
    let told = async || {
        program
            .log()
            .contains("the changed saved queries are refused")
            .then_some(())
    };
    crate::harness::eventually("the refusal", told).await;
    assert!(program.log().contains("item.graphql:1:3"), "{}", program.log());
    assert_eq!(get(&program, "/q/item.json?id=1").await.0, 200);
    let ready = get(&program, "/readyz").await;
    let why = ready.1["documents"].as_str().unwrap_or_default();
    assert!(ready.0 == 200 && why.contains("are refused"), "{ready:?}");
    scratch.write("queries/item.graphql", ITEM);
    let taken_in = async || {
        get(&program, "/readyz")
            .await
            .1
            .get("documents")
            .is_none()
            .then_some(())
    };
    crate::harness::eventually("the query as it was", taken_in).await;
    scratch.write("queries/item.graphql", "{ nots { id } }");
    program.terminate().await;
    scratch.write("queries/some.graphql", "{ notes(frist: 1) { id } ");
    scratch.write("queries/never.graphql", "{ notes(first: -1) { id } }");
    for command in [
        &["serve", "--documents", &folder][..],
        &["check", "--documents", &folder],
    ] {
        let ended = scratch.end(command, &[]).await;
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        for place in [
            "item.graphql:1:3",
            "some.graphql:1:",
            "never.graphql:1:3: notes.first: -1 is negative",
        ] {
            assert!(told.contains(place), "{place}: {told}");
        }
    }
    scratch.write("queries/a b.graphql", ITEM);
    let ended = scratch.end(&["check", "--documents", &folder], &[]).await;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("cannot be asked for by its name"), "{told}");
    let ended = scratch.end(&["serve", "--trusted-only"], &[]).await;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("--documents"), "{told}");
}
