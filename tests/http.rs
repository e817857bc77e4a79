//! GraphQL over HTTP from outside: statuses, media types, refusals, the page's files, many requests at once.

use std::{path::Path, process::Stdio};

use futures_util::future::join_all;
use reqwest::{
    Method, Response,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Db, Farm, Program, Scratch, on_both};

on_both!(
    statuses_and_media_types,
    gets,
    answers_are_packed_in_what_a_client_takes,
    refusals_say_why,
    hostile_documents_are_refused_and_the_server_goes_on,
    hostile_variables_are_refused_and_the_server_goes_on,
    the_page_and_its_headers,
    many_lookups_at_once_get_their_own_answers,
    the_public_audit_finds_nothing
);

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
/// The largest body of a request, as the server has it.
const BODY_MAX: usize = 1024 * 1024;

async fn post(program: &Program, accept: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = program.client().post(format!("{}/graphql", program.url));
    let request = request.header(ACCEPT, accept).header(CONTENT_TYPE, content_type);
    request.body(body).send().await.expect("an answer")
}

async fn get(program: &Program, path: &str, headers: &[(reqwest::header::HeaderName, &str)]) -> Response {
    let mut request = program.client().get(format!("{}{path}", program.url));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.send().await.expect("an answer")
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> String {
    let value = response
        .headers()
        .get(&name)
        .unwrap_or_else(|| panic!("no {name}: {response:?}"));
    value.to_str().expect("text").to_owned()
}

async fn json_of(response: Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

async fn still_answers(program: &Program) {
    assert_eq!(program.query("{ __typename }").await, json!({ "__typename": "Query" }));
}

async fn statuses_and_media_types(db: Db) {
    let farm = Farm::harvested(db).await;
    let good = json!({ "query": "query A { items(first: 1) { id } } query B { tags { id } }", "operationName": "A" });
    let invalid = json!({ "query": "{ items { nope } }" });
    let batch = json!([{ "query": "{ __typename }" }, { "query": "{ __typename }" }]);
    let text = Value::to_string;
    let cases = [
        (JSON, JSON, text(&good), 200),
        (GRAPHQL, JSON, text(&good), 200),
        ("*/*", "application/json; charset=utf-8", text(&good), 200),
        (JSON, JSON, text(&invalid), 200),
        (GRAPHQL, JSON, text(&invalid), 400),
        (GRAPHQL, JSON, "{".to_owned(), 400),
        (GRAPHQL, JSON, "{}".to_owned(), 400),
        // JSON may begin with the mark of UTF-8.
        (GRAPHQL, JSON, format!("\u{feff}{good}"), 200),
        (GRAPHQL, JSON, text(&batch), 400),
        ("text/html", JSON, text(&good), 406),
        // What a page of another origin may send without asking: forms and plain text.
        (JSON, "text/plain", text(&good), 415),
        (
            JSON,
            "application/x-www-form-urlencoded",
            "query={__typename}".to_owned(),
            415,
        ),
        (JSON, "multipart/form-data; boundary=x", "--x--".to_owned(), 415),
        (JSON, "application/graphql", "{ __typename }".to_owned(), 415),
        (
            GRAPHQL,
            JSON,
            format!("{{\"query\":\"{{ __typename }}{}\"}}", " ".repeat(BODY_MAX)),
            413,
        ),
    ];
    for (accept, content_type, body, want) in cases {
        let start: String = body.chars().take(80).collect();
        let response = post(&farm.program, accept, content_type, body).await;
        assert_eq!(response.status(), want, "{accept} {content_type} {start}");
        let media = if accept == GRAPHQL { GRAPHQL } else { JSON };
        assert_eq!(
            header(&response, CONTENT_TYPE),
            format!("{media}; charset=utf-8"),
            "{start}"
        );
        let answer = json_of(response).await;
        let is_good = start.contains("first: 1") && want == 200;
        assert_eq!(answer.get("data").is_some(), is_good, "{start} {answer}");
        assert_eq!(answer.get("errors").is_some(), !is_good, "{start} {answer}");
    }
    still_answers(&farm.program).await;
}

async fn refusals_say_why(db: Db) {
    let farm = Farm::harvested(db).await;
    let say = async |method: Method, path: &str, headers: &[(reqwest::header::HeaderName, &str)], body: &str| {
        let request = farm
            .program
            .client()
            .request(method, format!("{}{path}", farm.program.url));
        let request = headers
            .iter()
            .fold(request.body(body.to_owned()), |request, (name, value)| {
                request.header(name, *value)
            });
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a text"))
    };
    let json = (CONTENT_TYPE, JSON);
    let packed = (CONTENT_ENCODING, "gzip");
    let latin = (CONTENT_TYPE, "application/json; charset=iso-8859-1");
    let wanted = "expected an object, such as";
    for (method, path, headers, body, status, part) in [
        (Method::POST, "/graphql", &[json.clone()][..], "null", 400, wanted),
        (
            Method::POST,
            "/graphql",
            std::slice::from_ref(&json),
            "\"x\"",
            400,
            wanted,
        ),
        (
            Method::POST,
            "/graphql",
            std::slice::from_ref(&json),
            "[{\"query\":\"{__typename}\"}]",
            400,
            "batches are not supported; send one request",
        ),
        (Method::POST, "/graphql", &[latin], "{}", 415, "charset=iso-8859-1"),
        (
            Method::POST,
            "/graphql",
            &[json.clone(), packed],
            "x",
            415,
            "packed bodies are not read",
        ),
        (
            Method::POST,
            "/graphql/",
            std::slice::from_ref(&json),
            "{}",
            405,
            "/graphql",
        ),
        (Method::POST, "/", std::slice::from_ref(&json), "{}", 405, "/graphql"),
        (Method::POST, "/healthz", &[], "", 405, "use GET"),
        (Method::POST, "/graphql/ws", &[], "", 405, "use GET"),
        (Method::GET, "/api/nope", &[], "", 404, "not found"),
        (Method::GET, "/graphql?query=%ff", &[], "", 400, "no UTF-8"),
        (Method::GET, "/q/x.json?a=%ff", &[], "", 404, "no saved query"),
    ] {
        let (found, text) = say(method.clone(), path, headers, body).await;
        assert_eq!(found, status, "{method} {path} {text}");
        assert!(text.contains(part), "{method} {path} {text}");
        assert!(!text.contains("struct"), "{text}");
    }
}

async fn gets(db: Db) {
    let farm = Farm::harvested(db).await;
    let query = "/graphql?query=query+One($id:ID!)%7Bitem(id:$id)%7Bid%7D%7D+query+Two%7B__typename%7D";
    let good = format!("{query}&operationName=One&variables=%7B%22id%22:%227%22%7D");
    let response = get(&farm.program, &good, &[(ACCEPT, GRAPHQL)]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response).await, json!({ "data": { "item": { "id": "7" } } }));
    let cases = [
        (Method::GET, query.to_owned(), 400),
        (Method::GET, "/graphql".to_owned(), 400),
        (Method::GET, format!("{good}%7B"), 400),
        (
            Method::GET,
            "/graphql?query=subscription%7Bitems%7Bid%7D%7D".to_owned(),
            405,
        ),
        (Method::PUT, "/graphql".to_owned(), 405),
        (Method::DELETE, "/graphql".to_owned(), 405),
    ];
    for (method, path, want) in cases {
        let request = farm
            .program
            .client()
            .request(method.clone(), format!("{}{path}", farm.program.url));
        let response = request.header(ACCEPT, GRAPHQL).send().await.expect("an answer");
        assert_eq!(response.status(), want, "{method} {path}");
        assert_eq!(response.headers().contains_key(ALLOW), want == 405, "{method} {path}");
        let answer = json_of(response).await;
        assert!(answer["errors"][0]["message"].is_string(), "{method} {path} {answer}");
    }
}

async fn answers_are_packed_in_what_a_client_takes(db: Db) {
    let farm = Farm::harvested(db).await;
    let address = format!("{}/graphql?query=%7Bitems%7Bid+name%7D%7D", farm.program.url);
    let takes = |gzip, brotli, zstd| {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        let client = client.gzip(gzip).brotli(brotli).zstd(zstd);
        client.build().expect("an HTTP client")
    };
    let ask = async |client: reqwest::Client| {
        let response = client.get(&address).send().await.expect("an answer");
        let tag = header(&response, ETAG);
        (tag, response.text().await.expect("a text"))
    };
    let (tag, plain) = ask(takes(false, false, false)).await;
    assert!(plain.len() > 100 && !tag.contains('-'), "{tag} {plain}");
    // The newest one is for who takes no other.
    for (coding, client) in [
        ("br", takes(true, true, true)),
        ("gzip", takes(true, false, true)),
        ("gzip", takes(true, false, false)),
        ("br", takes(false, true, false)),
        ("zstd", takes(false, false, true)),
    ] {
        let (packed, text) = ask(client).await;
        // The tag says in what it was sent: the client unpacks it and takes the header out.
        let tag = tag.trim_end_matches('"');
        assert_eq!((packed, text), (format!("{tag}-{coding}\""), plain.clone()));
    }
}

/// Fragments that double with every line: `levels` lines stand for `2^levels` fields.
fn fragment_bomb(levels: usize) -> String {
    let mut text = "{ items { ...F0 } }".to_owned();
    for level in 0..levels {
        let next = level + 1;
        text.push_str(&format!(
            " fragment F{level} on Item {{ a: __typename ...F{next} ...F{next} }}"
        ));
    }
    text + &format!(" fragment F{levels} on Item {{ id }}")
}

fn hostile_documents() -> Vec<(&'static str, String)> {
    let deep = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let wide = |count: usize| (0..count).map(|at| format!(" a{at}: __typename")).collect::<String>();
    let types = deep(" type { fields {", " } }", 30).replacen("fields { }", "fields { name }", 1);
    vec![
        (
            "nested lists",
            format!("{{ items(where: {{id: {{in: {}}}}}) {{ id }} }}", deep("[", "]", 1_500)),
        ),
        ("unclosed lists", format!("{{ items(where: {}", "[".repeat(100_000))),
        (
            "nested objects",
            format!("{{ items(where: {}) {{ id }} }}", deep("{not: ", "}", 1_500)),
        ),
        ("nested selections", deep("{ items ", "}", 5_000)),
        (
            "nested types of variables",
            format!("query($x: {}) {{ __typename }}", deep("[", "]", 5_000)),
        ),
        ("a fragment bomb", fragment_bomb(40)),
        (
            "circular fragments",
            "{ items { ...A } } fragment A on Item { ...B } fragment B on Item { ...A }".to_owned(),
        ),
        ("aliases", format!("{{ {} }}", wide(5_000))),
        ("root fields", format!("{{ {} }}", "__typename ".repeat(1_000))),
        (
            "directives",
            format!("{{ items {{ id {} }} }}", "@skip(if: false) ".repeat(1_000)),
        ),
        (
            "unknown directives",
            format!("{{ items {{ id {} }} }}", "@a ".repeat(1_000)),
        ),
        (
            "circular introspection",
            format!("{{ __schema {{ types {{ fields {{ {types} }} }} }} }}"),
        ),
        ("a long name", format!("{{ {} }}", "a".repeat(100_000))),
        ("a long comment", format!("# {}\n{{ __typename }}", "a".repeat(100_000))),
        ("an unclosed text", "{ items(where: {name: {eq: \"abc".to_owned()),
        ("control characters", "\u{0}\u{1}{ __typename }".to_owned()),
        ("operations", "query { __typename } ".repeat(500)),
        ("a mutation", "mutation { __typename }".to_owned()),
        (
            "a huge number",
            "{ items(first: 99999999999999999999) { id } }".to_owned(),
        ),
        ("a negative number", "{ items(first: -1) { id } }".to_owned()),
        ("a null operand", "{ items(where: {id: {eq: null}}) { id } }".to_owned()),
    ]
}

async fn hostile_documents_are_refused_and_the_server_goes_on(db: Db) {
    let farm = Farm::harvested(db).await;
    for (name, query) in hostile_documents() {
        let body = json!({ "query": query }).to_string();
        let response = post(&farm.program, GRAPHQL, JSON, body).await;
        assert_eq!(response.status(), 400, "{name}");
        let answer = json_of(response).await;
        assert!(
            answer["errors"][0]["extensions"]["code"].is_string(),
            "{name}: {answer}"
        );
        assert!(answer.get("data").is_none(), "{name}: {answer}");
        let told = answer.to_string();
        assert!(told.len() < 64 * 1024, "{name}: {} bytes of errors", told.len());
        assert!(!told.contains("SELECT") && !told.contains("/src/"), "{name}: {told}");
        still_answers(&farm.program).await;
    }
}

async fn hostile_variables_are_refused_and_the_server_goes_on(db: Db) {
    let farm = Farm::harvested(db).await;
    let query = "query($w: ItemWhere) { items(where: $w) { id } }";
    let with = |variables: &str| format!("{{\"query\":{},\"variables\":{{\"w\":{variables}}}}}", json!(query));
    let many: Vec<Value> = (0..20_000).map(|at| json!(at.to_string())).collect();
    let cases = [
        (
            "nested objects",
            with(&("{\"not\":".repeat(10_000) + "{}" + &"}".repeat(10_000))),
        ),
        (
            "nested filters",
            with(&("{\"not\":".repeat(100) + "{}" + &"}".repeat(100))),
        ),
        ("unclosed lists", with(&"[".repeat(100_000))),
        ("many operands", with(&json!({ "id": { "in": many } }).to_string())),
        ("a null operand", with(r#"{"name":{"eq":null}}"#)),
        ("an unknown field", with(r#"{"nope":{"eq":1}}"#)),
        ("another type", with(r#"{"price":{"gt":"1; DROP TABLE item"}}"#)),
        ("not a number", with(r#"{"price":{"gt":1e999}}"#)),
    ];
    for (name, body) in cases {
        let response = post(&farm.program, GRAPHQL, JSON, body).await;
        assert_eq!(response.status(), 400, "{name}");
        let answer = json_of(response).await;
        assert!(answer["errors"][0]["message"].is_string(), "{name}: {answer}");
        still_answers(&farm.program).await;
    }
    // What looks like SQL is a value like any other.
    let harmless = with(r#"{"name":{"eq":"'; DROP TABLE item; --"}}"#);
    let answer = json_of(post(&farm.program, GRAPHQL, JSON, harmless).await).await;
    assert_eq!(answer, json!({ "data": { "items": [] } }));
}

async fn the_page_and_its_headers(db: Db) {
    let farm = Farm::harvested(db).await;
    let program = &farm.program;
    let html = [(ACCEPT, "text/html,*/*;q=0.8")];
    let page = get(program, "/", &html).await;
    assert_eq!(page.status(), 200);
    let policy = header(&page, CONTENT_SECURITY_POLICY);
    for part in ["default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("http:") && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(header(&page, X_CONTENT_TYPE_OPTIONS), "nosniff");
    let etag = header(&page, ETAG);
    let again = get(program, "/", &[(IF_NONE_MATCH, &etag)]).await;
    assert_eq!(again.status(), 304);
    assert_eq!(again.text().await.expect("a body"), "");

    let text = page.text().await.expect("the page");
    let asset = text
        .split('"')
        .find(|part| part.contains("assets/") && part.ends_with(".js"))
        .expect("`make test` builds the page, whose script is below assets/");
    let path = format!("/{}", asset.trim_start_matches(['.', '/']));
    let script = get(program, &path, &[(reqwest::header::ACCEPT_ENCODING, "br")]).await;
    assert_eq!(script.status(), 200, "{path}");
    assert!(header(&script, CACHE_CONTROL).contains("immutable"));
    assert_eq!(header(&script, CONTENT_ENCODING), "br");

    for path in [
        "/assets/missing.js",
        "/missing.png",
        "/graphql/missing",
        "/../Cargo.toml",
        "/index.html.br",
    ] {
        assert_eq!(get(program, path, &html).await.status(), 404, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        let response = get(program, path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(json_of(response).await["status"], "ok", "{path}");
    }
}

async fn many_lookups_at_once_get_their_own_answers(db: Db) {
    let farm = Farm::harvested(db).await;
    let wanted: Vec<(String, Value)> = {
        let world = farm.upstream.world();
        let item = |id: u32| {
            // Ten of the identifiers belong to no item.
            let item = world.items.get(&id);
            item.map_or(
                Value::Null,
                |item| json!({ "id": id.to_string(), "name": item["fullName"] }),
            )
        };
        // Lookups with one plan are joined, also those of one operation; there are two plans here.
        let of = |at: u32| {
            let (id, other) = (at * 37 % 330 + 1, at * 53 % 330 + 1);
            let npc = &world.npcs[&(at % 48 + 1)];
            match at % 3 {
                0 => {
                    let slug = npc["slug"].as_str().expect("a slug");
                    let query = format!("{{ npcBy(key: {{slug: \"{slug}\"}}) {{ name }} }}");
                    (query, json!({ "npcBy": { "name": npc["name"] } }))
                }
                1 => {
                    let query = format!("{{ item(id: \"{id}\") {{ id name }} }}");
                    (query, json!({ "item": item(id) }))
                }
                _ => {
                    let query =
                        format!("{{ a: item(id: \"{id}\") {{ id name }} b: item(id: \"{other}\") {{ id name }} }}");
                    (query, json!({ "a": item(id), "b": item(other) }))
                }
            }
        };
        (0..400).map(of).collect()
    };
    let program = &farm.program;
    let lookups = wanted.iter().map(|(query, want)| async move {
        assert_eq!(program.query(query).await, *want, "{query}");
    });
    join_all(lookups).await;
}

async fn the_public_audit_finds_nothing(db: Db) {
    let farm = Farm::harvested(db).await;
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("node_modules/graphql-http").exists(),
        "`make test` installs the page's packages"
    );
    let audit = Command::new("node")
        .args(["e2e/audit.mjs", &farm.program.url])
        .current_dir(web)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("node");
    let told = [audit.stdout, audit.stderr].concat();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&told));
}

/// Asked as a browser asks before it lets a page send something.
#[tokio::test]
async fn origins_that_the_environment_names_may_ask() {
    let definition = "extend schema @source(name: \"up\", url: \"http://127.0.0.1:1\")\n\
        type Thing @fetch(source: \"up\", GET: \"/\", every: \"1d\") { id: ID! }";
    let scratch = Scratch::new(definition);
    let origins = ("HAYLOFT_ALLOW_ORIGIN", "https://app.example,http://my.page:8080");
    let program = scratch.serve(&[origins]).await;
    for (origin, status) in [
        ("https://app.example", 204),
        ("http://my.page:8080", 204),
        ("http://localhost:5173", 204),
        ("http://my.page", 403),
        ("https://evil.example", 403),
    ] {
        let request = program
            .client()
            .request(Method::OPTIONS, format!("{}/graphql", program.url));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{origin}");
        let told = response.headers().get("access-control-allow-origin");
        assert_eq!(told.is_some_and(|told| told == origin), status == 204, "{origin}");
    }
}
