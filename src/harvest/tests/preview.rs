//! A preview goes the way of a run, as far as it has to, and no database is there.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::upstream::{Answer, Upstream};
use crate::{
    catalog::{FetchId, testing::catalog},
    config::Environment,
    harvest::{
        HarvestSettings,
        preview::{Became, Preview, preview},
    },
    layout::Layout,
};

const KEY: &str = "k3y-0f-it";

async fn looked(upstream: &Upstream, types: &str, fetch: &str, limit: u64) -> Vec<Preview> {
    let source = format!(
        "extend schema @source(name: \"up\", url: \"{}\", headers: [{{name: \"Authorization\", value: \"{{$env.KEY}}\"}}])\n",
        upstream.url
    );
    let catalog = Arc::new(catalog(&(source + types)));
    let layout = Layout::of(&catalog);
    let settings = HarvestSettings {
        environment: Environment::default().with("KEY", KEY),
        ..HarvestSettings::default()
    };
    let stop = CancellationToken::new();
    let mut fetches = catalog.fetch_ids();
    let fetch: FetchId = fetches.find(|id| catalog.fetch_name(*id) == fetch).expect("a fetch");
    let looked = preview(&catalog, &layout, &settings, fetch, limit, &stop).await;
    looked.expect("a preview")
}

/// Three pages of four records: of the second record the price is no number, the third is off.
async fn things() -> Upstream {
    Upstream::start(|asked, _| {
        let page: u64 = asked
            .path
            .rsplit('=')
            .next()
            .and_then(|page| page.parse().ok())
            .unwrap_or(1);
        let record = |at: u64| {
            let (id, price) = ((page - 1) * 4 + at, if at == 2 { "\"cheap\"" } else { "1.5" });
            format!(
                "{{\"id\":{id},\"price\":{price},\"on\":{},\"key\":\"{KEY}\",\"parts\":[{{\"n\":1}}]}}",
                at != 3
            )
        };
        let rows: Vec<String> = (1..=4).map(record).collect();
        Answer::json(format!("{{\"rows\":[{}],\"last\":3}}", rows.join(","))).header("x-page", page.to_string())
    })
    .await
}

const THINGS: &str = "type Thing @fetch(source: \"up\", GET: \"/t?page={$page}\", rows: \".rows[]\", keep: \".on\", \
                      pages: {last: \".last\"}) { id: ID! price: Float parts: [Part!]! @nested(jq: \".parts[]\") }\n\
                      type Part { thing: Thing! n: Int! @id }";

#[tokio::test]
async fn records_are_shown_with_what_becomes_of_them() {
    let upstream = things().await;
    let looked = looked(&upstream, THINGS, "Thing", 4).await;
    let [preview] = &looked[..] else { panic!("{looked:?}") };
    let shown: Vec<String> = preview
        .records
        .iter()
        .map(|record| match &record.became {
            Became::Row(row) => row.to_string(),
            Became::LeftOut => "left out".to_owned(),
            Became::Refused => record.refused.join(", "),
            other => format!("{other:?}"),
        })
        .collect();
    let row = |id: u32| format!("{{\"id\":\"{id}\",\"price\":1.5,\"parts\":[{{\"n\":1}}]}}");
    assert_eq!(shown[0], row(1));
    assert!(shown[1].starts_with("price: expected a Float"), "{shown:?}");
    assert_eq!(shown[2..], ["left out".to_owned(), row(4)]);
    // Four records are one page, and no other is asked for.
    assert_eq!(upstream.paths(), ["/t?page=1"]);
    assert!(preview.cut && preview.error.is_none(), "{preview:?}");
    let [page] = &preview.requests[..] else {
        panic!("{preview:?}")
    };
    assert!(page.place.ends_with("/t?page=1"), "{page:?}");
    assert_eq!(page.status, Some(200));
    assert!(
        page.headers.contains(&("x-page".to_owned(), "1".to_owned())),
        "{page:?}"
    );
    assert!(page.begin.starts_with("{\"rows\":[{\"id\":1"), "{page:?}");
    let all = preview.json().to_string();
    assert!(!all.contains(KEY) && all.contains("{$env.KEY}"), "{all}");
}

#[tokio::test]
async fn it_goes_on_for_as_many_as_are_wanted_and_ends_where_there_are_no_more() {
    let upstream = things().await;
    let some = looked(&upstream, THINGS, "Thing", 6).await;
    assert_eq!((some[0].records.len(), some[0].cut), (6, true));
    assert_eq!(upstream.paths(), ["/t?page=1", "/t?page=2"]);
    let all = looked(&upstream, THINGS, "Thing", 100).await;
    assert_eq!(
        (all[0].records.len(), all[0].cut, all[0].requests.len()),
        (12, false, 3)
    );
}

#[tokio::test]
async fn rows_in_parts_are_shown_as_far_as_these_came() {
    let upstream =
        Upstream::start(|_, _| Answer::json("[{\"id\":1,\"a\":1},{\"id\":2,\"a\":2},{\"id\":1,\"b\":3}]")).await;
    let types =
        "type Thing @fetch(source: \"up\", GET: \"/t\", rows: \".[]\", repeats: MERGE) { id: ID! a: Int b: Int }";
    let looked = looked(&upstream, types, "Thing", 3).await;
    let rows: Vec<String> = looked[0]
        .records
        .iter()
        .filter_map(|record| match &record.became {
            Became::Row(row) => Some(row.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        rows,
        ["{\"id\":\"1\",\"a\":1,\"b\":3}", "{\"id\":\"2\",\"a\":2,\"b\":null}"]
    );
}

#[tokio::test]
async fn what_fails_is_told_with_what_was_seen() {
    let upstream = Upstream::start(|asked, _| match asked.path.ends_with('1') {
        true => Answer::json("{\"rows\":[{\"id\":1}],\"last\":2}"),
        false => Answer::json("no such page").called(400),
    })
    .await;
    let types = "type Thing @fetch(source: \"up\", GET: \"/t?page={$page}\", rows: \".rows[]\", pages: {last: \".last\"}) { id: ID! }";
    let looked = looked(&upstream, types, "Thing", 5).await;
    assert_eq!(looked[0].records.len(), 1);
    let error = looked[0].error.as_deref().expect("an error");
    assert!(error.contains("answered 400 and said `no such page`"), "{error}");
}

#[tokio::test]
async fn a_field_is_asked_for_by_the_rows_of_its_type() {
    let upstream = Upstream::start(|asked, _| match asked.path.as_str() {
        "/t" => Answer::json("[{\"id\":1},{\"id\":2},{\"id\":3}]"),
        "/t/1/tags" => Answer::json("[\"a\",\"b\"]"),
        _ => Answer::status(404),
    })
    .await;
    let types = "type Thing @fetch(source: \"up\", GET: \"/t\", rows: \".[]\") \
                 { id: ID! tags: [Tag!]! @fetch(source: \"up\", GET: \"/t/{$this.id}/tags\", rows: \".[]\") }\n\
                 type Tag { id: ID! }";
    let looked = looked(&upstream, types, "Thing.tags", 2).await;
    let names: Vec<&str> = looked.iter().map(|preview| preview.fetch.as_str()).collect();
    assert_eq!(names, ["Thing", "Thing.tags"]);
    let links: Vec<String> = looked[1]
        .records
        .iter()
        .map(|record| format!("{:?}", record.became))
        .collect();
    assert_eq!(links, ["Link(\"a\")", "Link(\"b\")"]);
    assert!(
        looked[1]
            .told
            .iter()
            .any(|told| told.contains("2: ") && told.contains("404")),
        "{looked:?}"
    );
}
