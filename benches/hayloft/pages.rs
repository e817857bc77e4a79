//! A scan of many pages, of an upstream that takes its time for each and says how many there are; and one of a single page
//! that no memory should hold.

use std::path::Path;

use crate::{
    Target, figure,
    process::harvest,
    upstream::{Answer, LATENCY, Upstream},
};

const PAGES: usize = 200;
const ROWS: usize = 20;
const CONCURRENCY: usize = 20;
const RUNS: usize = 5;

const DEFINITION: &str = r#"extend schema @source(name: "up", url: "{$env.UP}", concurrency: 20)

type Item @fetch(source: "up", GET: "/items?page={$page}", rows: ".items[]", pages: {last: ".last"}) {
  id: ID!
  name: String!
}
"#;

/// Records of the large page, and letters of each.
const LARGE_ROWS: usize = 20_000;
const LETTERS: usize = 10_000;

const LARGE: &str = r#"extend schema @source(name: "up", url: "{$env.UP}")

type Item @fetch(source: "up", GET: "/items", rows: ".items[]", pages: {total: ".total"}) {
  id: ID!
  name: String!
}
"#;

pub fn figures(folder: &Path) {
    many(&folder.join("many"));
    large(&folder.join("large"));
}

fn large(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), LARGE).expect("write");
    let upstream = Upstream::start(|_| {
        let name = "x".repeat(LETTERS);
        let items: Vec<String> = (0..LARGE_ROWS)
            .map(|item| format!("{{\"id\":{item},\"name\":\"{name}\"}}"))
            .collect();
        Answer::Slow(format!("{{\"items\":[{}],\"total\":{LARGE_ROWS}}}", items.join(",")))
    });
    let harvested = harvest(folder, None, &[("UP", &upstream.url)], &[]);
    assert!(harvested.out.contains("20,000"), "{}", harvested.out);
    println!(
        "(one page of {} MB: {:.1} s)",
        LARGE_ROWS * LETTERS / 1_000_000,
        harvested.seconds
    );
    figure(
        "its peak resident memory",
        harvested.peak_mb,
        "MB",
        &Target::AtMost(128.0),
    );
}

/// From the first request to the end of the command; the middle one of several, each of which is
/// short.
fn many(folder: &Path) {
    let mut runs: Vec<f64> = (0..RUNS).map(|run| once(&folder.join(run.to_string()))).collect();
    runs.sort_by(f64::total_cmp);
    let seconds = runs[RUNS / 2];
    let ideal = PAGES as f64 * LATENCY.as_secs_f64() / CONCURRENCY as f64;
    println!(
        "({PAGES} pages of {} ms, {CONCURRENCY} at once, all stored: {seconds:.3} s; the others {:.3} to {:.3})",
        LATENCY.as_millis(),
        runs[0],
        runs[RUNS - 1],
    );
    figure(
        "scan of known pages ÷ requests × latency ÷ concurrency",
        seconds / ideal,
        "×",
        &Target::AtMost(1.2),
    );
}

fn once(folder: &Path) -> f64 {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    let upstream = Upstream::start(answer);
    let harvested = harvest(folder, None, &[("UP", &upstream.url)], &[]);
    let seconds = upstream.seconds(PAGES);
    assert!(harvested.out.contains("4,000"), "{}", harvested.out);
    seconds
}

fn answer(path: &str) -> Answer {
    let page: usize = path.rsplit('=').next().and_then(|page| page.parse().ok()).unwrap_or(0);
    let items: Vec<String> = (page * ROWS..(page + 1) * ROWS)
        .map(|item| format!("{{\"id\":\"i{item}\",\"name\":\"Item {item}\"}}"))
        .collect();
    Answer::Slow(format!("{{\"last\":{PAGES},\"items\":[{}]}}", items.join(",")))
}
