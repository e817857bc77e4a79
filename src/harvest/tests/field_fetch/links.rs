//! Links that rows have themselves, and what is remembered of an answer that may have pages and has
//! one.

use super::*;

fn page(ids: &[&str], next: &str) -> Answer {
    let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    Answer::json(format!(r#"{{"r":[{}],"next":{next}}}"#, rows.join(",")))
}

fn field(path: &str) -> String {
    format!(
        r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "{path}", rows: ".r[]", pages: {{next: ".next"}}, when: ALWAYS)"#
    )
}

#[tokio::test]
async fn links_are_followed_on_the_host_of_their_source() {
    let bench = Bench::with(&field("{$this.name}")).await;
    let whole = format!("{}/r/a%252fb{{?page,size}}", bench.upstream.url);
    bench.items(&[
        ("1", &whole),
        ("2", "/r/2?x=1{&page}"),
        ("3", "http://elsewhere.example/r"),
        ("4", "/r/{id}"),
        ("5", "r/5"),
    ]);
    bench.answers("/r/a%252fb", page(&["a"], "\"/r/more\""));
    bench.answers("/r/more", page(&["b"], "null"));
    bench.answers("/r/2?x=1", page(&["c"], "null"));
    let (_, asked) = bench.round().await;
    assert_eq!(asked, ["/r/2?x=1", "/r/a%252fb", "/r/more"]);
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (2, 3), "{counts:?}");
    let told = counts.errors.join("\n");
    for part in [
        "the link leads to http://elsewhere.example, not to http://127.0.0.1:",
        "\"/r/{id}\" is a template that needs a value for {id}",
        "\"r/5\" is no link: it begins with http://, https:// or /",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let links = bench.links().await;
    assert!(links.contains("{id:1,recipe:[{id:a},{id:b}]}"), "{links}");
}

#[tokio::test]
async fn an_answer_of_one_page_is_known_by_its_validator() {
    let bench = Bench::with(&field("/r/{$this.id}")).await;
    let validators = || -> Vec<String> {
        let asked = bench.upstream.asked.lock().expect("log");
        let sent = asked.iter().filter_map(|asked| asked.header("if-none-match"));
        sent.map(str::to_owned).collect()
    };
    bench.items(&[("1", "one")]);
    bench.answers("/r/1", page(&["a"], "null").header("etag", "\"v1\""));
    bench.round().await;
    assert_eq!(validators(), Vec::<String>::new());
    bench.answers("/r/1", Answer::status(304));
    for _ in 0..2 {
        let (_, asked) = bench.round().await;
        assert_eq!(asked, ["/r/1"]);
        assert_eq!(validators(), ["\"v1\""]);
        assert_eq!((bench.counts().await.done, bench.counts().await.failed), (1, 0));
        assert_eq!(bench.links().await, "{items:[{id:1,recipe:[{id:a}]}]}");
    }
    // It comes to have a second page, which no validator of the first one speaks of.
    bench.answers("/r/1", page(&["a"], "\"/r/2\"").header("etag", "\"v2\""));
    bench.answers("/r/2", page(&["b"], "null").header("etag", "\"v3\""));
    for known in [&["\"v1\""][..], &[]] {
        let (_, asked) = bench.round().await;
        assert_eq!(asked, ["/r/1", "/r/2"]);
        assert_eq!(validators(), known);
        assert_eq!(bench.links().await, "{items:[{id:1,recipe:[{id:a},{id:b}]}]}");
    }
}
