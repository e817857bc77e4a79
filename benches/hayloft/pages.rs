//! A scan of many pages, of an upstream that takes its time for each and says how many there are.

use std::path::Path;

use crate::{
    Target, figure,
    process::harvest,
    upstream::{Answer, LATENCY, Upstream},
};

const PAGES: usize = 200;
const ROWS: usize = 20;
const CONCURRENCY: usize = 20;

const DEFINITION: &str = r#"extend schema @source(name: "up", url: "{$env.UP}", concurrency: 20)

type Item @fetch(source: "up", GET: "/items?page={$page}", rows: ".items[]", pages: {last: ".last"}) {
  id: ID!
  name: String!
}
"#;

/// From the first request to the end of the command.
pub fn figures(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    let upstream = Upstream::start(answer);
    let harvested = harvest(folder, None, &[("UP", &upstream.url)], &[]);
    let seconds = upstream.seconds(PAGES);
    assert!(harvested.out.contains("4,000"), "{}", harvested.out);
    let ideal = PAGES as f64 * LATENCY.as_secs_f64() / CONCURRENCY as f64;
    println!(
        "({PAGES} pages of {} ms, {CONCURRENCY} at once, all stored: {seconds:.2} s)",
        LATENCY.as_millis()
    );
    figure(
        "scan of known pages ÷ requests × latency ÷ concurrency",
        seconds / ideal,
        "×",
        &Target::AtMost(1.2),
    );
}

fn answer(path: &str) -> Answer {
    let page: usize = path.rsplit('=').next().and_then(|page| page.parse().ok()).unwrap_or(0);
    let items: Vec<String> = (page * ROWS..(page + 1) * ROWS)
        .map(|item| format!("{{\"id\":\"i{item}\",\"name\":\"Item {item}\"}}"))
        .collect();
    Answer::Slow(format!("{{\"last\":{PAGES},\"items\":[{}]}}", items.join(",")))
}
