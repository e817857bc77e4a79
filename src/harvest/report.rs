//! What the log says of a run that ended: one line for a person. Knows counts and words; knows no
//! stages.

use std::time::Duration;

use super::progress::RunReport;
use crate::store::{RunState, RunSummary};

/// Logs the end of a run; `again` is how long until a failed one is tried again, where something
/// will.
pub(super) fn log_end(report: &RunReport, again: Option<Duration>) {
    let summary = &report.summary;
    let (fetch, run) = (&summary.fetch, summary.id);
    let text = sentence(report, again);
    match summary.state {
        RunState::Failed => tracing::warn!(fetch, run, "{text}"),
        _ if summary.told.doubt.is_some() => tracing::warn!(fetch, run, "{text}"),
        // A file that is watched by the second would fill the log with what did not happen.
        RunState::Complete if is_quiet(summary) => tracing::debug!(fetch, run, "{text}"),
        _ => tracing::info!(fetch, run, "{text}"),
    }
    if summary.held > 0 {
        tracing::warn!(fetch, run, "{}", held(summary));
    }
    tracing::debug!(
        fetch,
        run,
        state = ?summary.state,
        pages = summary.pages,
        bytes = summary.bytes,
        new = summary.new,
        changed = summary.changed,
        same = summary.same,
        gone = summary.gone,
        refused = summary.refused,
        held = summary.held,
        seconds = report.elapsed.as_secs_f64(),
        "the counts of a run"
    );
}

/// Whether a run found all as it was, without reading any of it.
fn is_quiet(summary: &RunSummary) -> bool {
    let counts = [
        summary.bytes,
        summary.new,
        summary.changed,
        summary.gone,
        summary.refused,
        summary.held,
    ];
    counts == [0; 6]
}

/// `Item: 35 changed, 285 same, 7 pages in 0.4 s`.
fn sentence(report: &RunReport, again: Option<Duration>) -> String {
    let summary = &report.summary;
    let counts = counted(summary);
    let pages = if summary.pages == 1 { "page" } else { "pages" };
    let failed = report
        .failed_requests()
        .map_or(String::new(), |failed| format!("; {failed}"));
    let done = format!(
        "{counts}, {} {pages} in {}{failed}",
        summary.pages,
        seconds(report.elapsed)
    );
    match (summary.state, again) {
        (RunState::Failed, again) => {
            let error = summary.error.as_deref().unwrap_or("it failed; the log has the cause");
            let again = again.map_or(String::new(), |wait| format!("; tried again in {}", seconds(wait)));
            format!("{}: {error}; {}{again}", summary.fetch, did(summary))
        }
        (RunState::Interrupted | RunState::Running | RunState::Queued, _) => {
            format!("{}: interrupted after {done}", summary.fetch)
        }
        (RunState::Complete, _) => match &summary.told.doubt {
            Some(doubt) => format!("{}: {done}; in doubt: {doubt}", summary.fetch),
            None => format!("{}: {done}", summary.fetch),
        },
    }
}

/// The counts that are not zero: `35 changed, 285 same`.
pub(crate) fn counted(summary: &RunSummary) -> String {
    let named = [
        (summary.new, "new"),
        (summary.changed, "changed"),
        (summary.same, "same"),
        (summary.gone, "gone"),
        (summary.refused, "refused"),
        (summary.left_out, "left out by keep"),
        (summary.repeated, "repeated"),
    ];
    let told: Vec<String> = named
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    match told.is_empty() {
        true => "no rows".to_owned(),
        false => told.join(", "),
    }
}

/// What became of a run that did not end well: `60 rows of 6 pages are stored; rows that it did not
/// see stay as they were`.
pub(crate) fn did(summary: &RunSummary) -> String {
    let rows = summary.new + summary.changed + summary.same;
    // A field's fetch has one answer for each row, which may have several pages.
    let page = if summary.fetch.contains('.') { "answer" } else { "page" };
    let count = |number: u64, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    match rows {
        0 => "it stored nothing; all rows stay as they were".to_owned(),
        _ => {
            let are = if rows == 1 { "is" } else { "are" };
            format!(
                "{} of {} {are} stored; rows that it did not see stay as they were",
                count(rows, "row"),
                count(summary.pages, page)
            )
        }
    }
}

fn held(summary: &RunSummary) -> String {
    format!(
        "{0}: {1} stored rows were not in the source, more than `maxMissing` allows, so none is deleted; `hayloft approve {0}` \
         deletes them, `hayloft reject {0}` keeps them",
        summary.fetch, summary.held
    )
}

fn seconds(time: Duration) -> String {
    match time.as_millis() {
        0..100 => format!("{} ms", time.as_millis()),
        100..10_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} s", time.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Reason, StartRun};

    #[test]
    fn sentences() {
        let start = StartRun {
            fetch: "Item".to_owned(),
            entity: crate::catalog::EntityId(0),
            slot: chrono::DateTime::UNIX_EPOCH,
            reason: Reason::Hand,
            resume: None,
        };
        let run = |state, changed, same, error: Option<&str>| RunReport {
            summary: RunSummary {
                state,
                changed,
                same,
                pages: 7,
                error: error.map(str::to_owned),
                ..super::super::tests::memory::summary(1, &start)
            },
            elapsed: Duration::from_millis(400),
            requests: None,
        };
        let failed = || run(RunState::Failed, 20, 40, Some("/items answered 500"));
        let did = "60 rows of 7 pages are stored; rows that it did not see stay as they were";
        let with = format!("Item: /items answered 500; {did}; tried again in 5.0 s");
        let without = format!("Item: /items answered 500; {did}");
        let early = run(RunState::Failed, 0, 0, Some("/items answered 500"));
        let early_want = "Item: /items answered 500; it stored nothing; all rows stay as they were";
        let again = Some(Duration::from_secs(5));
        let cases = [
            (
                run(RunState::Complete, 35, 285, None),
                None,
                "Item: 35 changed, 285 same, 7 pages in 0.4 s",
            ),
            (
                run(RunState::Complete, 0, 0, None),
                None,
                "Item: no rows, 7 pages in 0.4 s",
            ),
            (failed(), again, with.as_str()),
            (failed(), None, without.as_str()),
            (early, None, early_want),
            (
                run(RunState::Interrupted, 1, 0, None),
                None,
                "Item: interrupted after 1 changed, 7 pages in 0.4 s",
            ),
        ];
        let quiet = |bytes, changed, same| {
            let mut summary = run(RunState::Complete, changed, same, None).summary;
            summary.bytes = bytes;
            is_quiet(&summary)
        };
        assert!(quiet(0, 0, 285) && !quiet(9, 0, 285) && !quiet(0, 1, 284));
        for (report, again, want) in cases {
            assert_eq!(sentence(&report, again), want);
        }
    }
}
