//! Signs of more by themselves, and what runs make of them.

use super::{
    super::signs::{Extent, Signs},
    safety::Farm,
    upstream::{Answer, Upstream},
};
use crate::store::{Reason, RunState};

const ONE: Extent<'_> = Extent {
    pages: 1,
    rows: Some(2),
    here: 2,
    links: false,
    counted: false,
    path: "/t",
};

fn doubt(page: &str, seen: &Extent<'_>) -> Option<String> {
    let page = jaq_json::read::parse_single(page.as_bytes()).expect("JSON");
    Signs::read(&page, 2, None).doubt(seen)
}

#[test]
fn signs_and_what_to_write() {
    let cases = [
        (
            r#"{"rows":[],"next":"https://h/t?page=2"}"#,
            "`pages: {next: \".next\"}`",
        ),
        (r#"{"nextLink":"/t?skip=2"}"#, "`pages: {next: \".nextLink\"}`"),
        (
            r#"{"@odata.nextLink":"http://h/T?$skip=2"}"#,
            r#"`pages: {next: ".[\"@odata.nextLink\"]"}`"#,
        ),
        (
            r#"{"_links":{"next":{"href":"/t?page=2"}}}"#,
            "`pages: {next: \"._links.next.href\"}`",
        ),
        (
            r#"{"links":{"next":"/t?page=2","prev":null}}"#,
            "`pages: {next: \".links.next\"}`",
        ),
        (
            r#"{"next_cursor":"abc"}"#,
            "`{$cursor}` in the path and `pages: {next: \".next_cursor\"}`",
        ),
        (
            r#"{"response_metadata":{"next_cursor":"abc="}}"#,
            "`pages: {next: \".response_metadata.next_cursor\"}`",
        ),
        (
            r#"{"data":{"nextToken":"x","rows":[]}}"#,
            "`pages: {next: \".data.nextToken\"}`",
        ),
        (
            r#"{"paging":{"next":{"after":"x"}}}"#,
            "`pages: {next: \".paging.next.after\"}`",
        ),
        (
            r#"{"offset":"itr1/rec2"}"#,
            "`{$cursor}` in the path and `pages: {next: \".offset\"}`",
        ),
        (r#"{"LastEvaluatedKey":{"id":"1"}}"#, "says so in `.LastEvaluatedKey`"),
        (r#"{"next_page":2}"#, "`pages: {next: \".next_page\"}`"),
        (r#"{"has_more":true}"#, "says so in `.has_more`; page with `{$page}`"),
        (
            r#"{"pageInfo":{"hasNextPage":true}}"#,
            "says so in `.pageInfo.hasNextPage`",
        ),
        (r#"{"hasMore":true,"rows":[]}"#, "says so in `.hasMore`"),
        (r#"{"last":false,"content":[]}"#, "says so in `.last`"),
        (r#"{"continue":{"apcontinue":"B"}}"#, "says so in `.continue`"),
        (
            r#"{"pages":3}"#,
            "there are 3 pages (`.pages`), and 1 were read; write `{$page}`",
        ),
        (
            r#"{"meta":{"total_pages":"3"}}"#,
            "`pages: {last: \".meta.total_pages\"}`",
        ),
        (
            r#"[{"page":1,"pages":3,"total":"6"},[{"id":1},{"id":2}]]"#,
            "`pages: {last: \".[0].pages\"}`",
        ),
        (
            r#"{"total":3}"#,
            "there are 3 rows (`.total`), and 2 were read; page with",
        ),
        (r#"{"total_count":3}"#, "`pages: {total: \".total_count\"}`"),
        (
            r#"{"hits":{"total":{"value":3,"relation":"eq"}}}"#,
            "`pages: {total: \".hits.total.value\"}`",
        ),
        (r#"{"limit":2}"#, "2 rows came, as many as `.limit` allows; page with"),
        (r#"{"meta":{"per_page":2}}"#, "as many as `.meta.per_page` allows"),
    ];
    for (page, want) in cases {
        let doubt = doubt(page, &ONE).unwrap_or_default();
        assert!(
            doubt.starts_with("there may be more: ") && doubt.contains(want),
            "{page}: {doubt}"
        );
    }
    let asked = Extent {
        path: "/t?per_page=2&a=b",
        ..ONE
    };
    assert!(doubt("[]", &asked).is_some_and(|doubt| doubt.contains("the path asks for (`per_page=2`)")));
}

#[test]
fn what_is_no_sign() {
    for page in [
        r#"{"rows":[],"next":null}"#,
        r#"{"next":""}"#,
        r#"{"next":false,"nextPage":0,"next_cursor":"0"}"#,
        r#"{"links":{"next":null,"self":"/t"},"_links":{"self":{"href":"/t"}}}"#,
        r#"{"_links":{"next":{}}}"#,
        r#"{"has_more":false,"truncated":false,"last":true}"#,
        r#"{"last":"2026-11-21"}"#,
        r#"{"pages":1,"total":2,"limit":50}"#,
        r#"{"pages":1.5,"total":512.25}"#,
        r#"{"total":2,"limit":2}"#,
        r#"{"size":2,"count":2,"page":1}"#,
        r#"{"rows":[{"next":"/t?page=2","has_more":true}]}"#,
        r#"{"article":{"next":"/a/2","total":9},"comments":[]}"#,
        r#"{"meta":{"deeper":{"has_more":true}}}"#,
        r#"{"continue":{},"offset":4,"LastEvaluatedKey":null}"#,
        r#"{"offset":"4","links":{"next":{"meta":{}}}}"#,
        r#"[{"next":"/t?page=2"},{"id":2}]"#,
        r#"{"next":{"href":"/t?page=2","id":1},"page":{"has_more":true,"id":2}}"#,
        "[]",
        "7",
    ] {
        assert_eq!(doubt(page, &ONE), None, "{page}");
    }
    // A page that is itself the record may lead wherever it likes; so may the one record inside it.
    let alone = |page: &str, record: &str| {
        let [page, record] = [page, record].map(|text| jaq_json::read::parse_single(text.as_bytes()).expect("JSON"));
        Signs::read(&page, 1, Some(&record))
    };
    assert!(alone(r#"{"id":1,"next":"/t/2"}"#, r#"{"id":1,"next":"/t/2"}"#).is_none());
    assert!(alone(r#"{"data":{"id":1,"pages":300}}"#, r#"{"id":1,"pages":300}"#).is_none());
    assert!(!alone(r#"{"data":{"id":1},"next":"/t/2"}"#, r#"{"id":1}"#).is_none());
}

#[test]
fn what_a_run_has_seen_settles_it() {
    let page = |text: &str, seen: Extent<'_>| doubt(text, &seen);
    // All pages, all rows.
    assert_eq!(
        page(
            r#"{"pages":3,"total":6}"#,
            Extent {
                pages: 3,
                rows: Some(6),
                ..ONE
            }
        ),
        None
    );
    // Where filters hide the number of rows, no number of rows is a sign.
    assert_eq!(page(r#"{"total":6,"limit":2}"#, Extent { rows: None, ..ONE }), None);
    // An empty page ends what is counted, but not what still says that there is more.
    let empty = Extent {
        here: 0,
        counted: true,
        ..ONE
    };
    assert_eq!(page(r#"{"next":"/t?page=9"}"#, empty), None);
    assert!(page(r#"{"has_more":true}"#, empty).is_some());
    // Links that are followed are none; a full page is one only where it is the only one.
    let mut header = Signs::default();
    header.header = true;
    assert_eq!(header.doubt(&Extent { links: true, ..ONE }), None);
    assert!(
        header
            .doubt(&ONE)
            .is_some_and(|doubt| doubt.ends_with("`pages: {link: true}`"))
    );
    assert_eq!(page(r#"{"limit":2}"#, Extent { pages: 2, ..ONE }), None);
    assert_eq!(page(r#"{"limit":2}"#, Extent { counted: true, ..ONE }), None);
}

#[tokio::test]
async fn a_run_that_does_not_follow_a_sign_is_in_doubt() {
    const SINGLE: &str = "GET: \"/t\", missing: DELETE";
    const PAGES: &str = "GET: \"/t?page={$page}\", pages: {last: \".last\"}, missing: DELETE";
    // Of the second run: what stands beside two of three rows, a `Link` header, the fetch, and what
    // is told.
    let cases = [
        (
            ",\"next\":\"/t?page=2\"",
            false,
            SINGLE,
            "`pages: {next: \".next\"}`; nothing is deleted",
        ),
        ("", true, SINGLE, "`pages: {link: true}`; nothing is deleted"),
        (
            ",\"last\":1,\"total\":30",
            false,
            PAGES,
            "there are 30 rows (`.total`), and 2 were read",
        ),
        (",\"last\":1,\"hasMore\":true", false, PAGES, "says so in `.hasMore`"),
        (",\"next\":null,\"total\":2", false, SINGLE, ""),
        // Who says himself how many there are is believed.
        (
            ",\"next\":\"/t?page=2\",\"total\":30",
            true,
            "GET: \"/t\", pages: {total: \".rows | length\"}, missing: DELETE",
            "",
        ),
    ];
    for (more, link, fetch, want) in cases {
        let upstream = Upstream::start(move |_, count| match count {
            0 => Answer::json("{\"rows\":[{\"id\":1},{\"id\":2},{\"id\":3}],\"last\":1}"),
            _ => {
                let answer = Answer::json(format!("{{\"rows\":[{{\"id\":1}},{{\"id\":2}}]{more}}}"));
                if link {
                    answer.header("link", "</t?page=2>; rel=\"next\"")
                } else {
                    answer
                }
            }
        })
        .await;
        let farm = Farm::new(&upstream.url, fetch).await;
        let (first, _) = farm.run(Reason::Hand).await;
        assert_eq!((first.new, first.told.doubt), (3, None), "{more}");
        // The second of these finds the page unchanged, and says the same.
        for again in [false, true] {
            let (summary, messages) = farm.run(Reason::Hand).await;
            assert_eq!(summary.state, RunState::Complete, "{more}: {:?}", summary.error);
            let doubt = summary.told.doubt.unwrap_or_default();
            assert!(
                doubt.contains(want) && doubt.is_empty() == want.is_empty(),
                "{more}: {doubt}"
            );
            assert_eq!(messages.len(), usize::from(!want.is_empty()), "{messages:?}");
            let left = if want.is_empty() { 2 } else { 3 };
            assert_eq!(farm.rows().await, left, "{more} {again}");
        }
    }
}
