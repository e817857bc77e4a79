//! What was made to cost or to break something is refused cheaply, and never reaches the database.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::ask;
use crate::graphql::{Limits, gate, testing::Farm};

/// Of a processor, for one document. The time of the thread, so that what else the machine does
/// takes nothing of it.
const MOST: Duration = Duration::from_millis(50);

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[tokio::test]
async fn hostile_documents_cost_little_and_no_statement() {
    let farm = Farm::stocked(Limits::default()).await;
    let statements = farm.api.store().statements();
    for (name, query, code) in gate::testing::documents() {
        let before = spent();
        let answer = ask(&farm, &query, json!({})).await;
        let cost = spent() - before;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"],
            code.as_str(),
            "{name}: {answer}"
        );
        assert!(cost < MOST, "{name}: {cost:?}");
    }
    assert_eq!(farm.api.store().statements(), statements);
}
