//! `/metrics`: counts and sizes in the text format that Prometheus reads. Knows how it is written;
//! what is counted is told by who counts it.

use std::fmt::{Display, Write};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::shared::Shared;
use crate::graphql::{CacheFigures, PlanFigures};

/// The format of the text, as those who read it ask for it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// It is of the moment, and for who asked.
const FRESH: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
const OFF: &str = "metrics are told on a loopback address where no proxy is trusted and no `*` lets all hosts or \
                   origins in; elsewhere --metrics tells them\n";

/// Counts an answer by its status.
pub(super) async fn count(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    shared.statuses.count(response.status());
    response
}

pub(super) async fn get(State(shared): State<Shared>) -> Response {
    if !shared.context.metrics {
        return (StatusCode::NOT_FOUND, FRESH, OFF).into_response();
    }
    let api = shared.context.api.newest();
    let mut text = Text::default();
    text.answers(&api.cache_figures());
    text.plans(&api.plan_figures());
    let requests = shared.statuses.counted();
    let requests = requests.map(|(status, count)| (format!("{{status=\"{status}\"}}"), count));
    text.family(
        "hayloft_http_requests_total",
        COUNTER,
        "Requests, by the status of their answers.",
        requests,
    );
    (FRESH, [(header::CONTENT_TYPE, TEXT)], text.0).into_response()
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

#[derive(Default)]
struct Text(String);

impl Text {
    fn answers(&mut self, figures: &CacheFigures) {
        let CacheFigures {
            hits,
            misses,
            evictions,
            shared,
            entries,
            bytes,
        } = *figures;
        for (name, help, count) in [
            ("hits", "Answers that came from memory.", hits),
            (
                "misses",
                "Answers that were looked for in memory and were not there.",
                misses,
            ),
            ("evictions", "Answers that were kept and gave way to others.", evictions),
            (
                "shared",
                "Answers that came from the run of another request for the same.",
                shared,
            ),
        ] {
            self.one(&format!("hayloft_answer_cache_{name}_total"), COUNTER, help, count);
        }
        self.one(
            "hayloft_answer_cache_entries",
            GAUGE,
            "Answers that are kept.",
            entries as u64,
        );
        self.one(
            "hayloft_answer_cache_bytes",
            GAUGE,
            "Bytes that they take.",
            bytes as u64,
        );
    }

    fn plans(&mut self, figures: &PlanFigures) {
        let PlanFigures { hits, misses, entries } = *figures;
        let help = "Operations whose plan was known, since the definition came into force.";
        self.one("hayloft_plan_cache_hits_total", COUNTER, help, hits);
        let help = "Operations that had to be read or planned, since the definition came into force.";
        self.one("hayloft_plan_cache_misses_total", COUNTER, help, misses);
        self.one(
            "hayloft_plan_cache_entries",
            GAUGE,
            "Plans that are kept.",
            entries as u64,
        );
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help, [("", value)].into_iter());
    }

    /// Samples of one name, each behind its labels.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl Iterator<Item = (impl Display, u64)>) {
        // Writing into a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}
