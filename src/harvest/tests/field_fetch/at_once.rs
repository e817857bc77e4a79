//! `concurrency` means it: as many requests are under way at once as it says, however many are due.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Barrier, time::timeout};

use super::{Bench, RECIPES, state};
use crate::{harvest::tests::upstream::Answer, store::RunState};

/// The most that a source may allow.
const CONCURRENCY: usize = 64;
/// No test waits so long for requests that do not come.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn requests_of_rows() {
    let bench = Bench::of(&format!("{RECIPES})"), CONCURRENCY).await;
    let names: Vec<String> = (0..4 * CONCURRENCY).map(|number| format!("i{number}")).collect();
    let items: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    bench.items(&items);
    // Each is answered only when so many are under way.
    let barrier = Arc::new(Barrier::new(CONCURRENCY));
    for name in &names {
        let answer = Answer::json(format!("[{{\"id\":\"r-{name}\"}}]")).together(&barrier);
        bench.answers(&format!("/items/{name}/recipes"), answer);
    }
    let (report, asked) = timeout(PATIENCE, bench.round())
        .await
        .expect("so many requests at once");
    let all = names.len() as u64;
    assert_eq!(
        (state(&report), asked.len()),
        ((RunState::Complete, all, all, 0, 0), names.len())
    );
    assert_eq!(bench.rows("Recipe").await, all);
}
