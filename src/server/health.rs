//! Liveness and readiness. Knows whether the process and its database answer.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{assets, shared::Shared};

/// A database that takes longer than this to tell the time will not answer queries either.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/healthz`: the process runs.
pub(super) async fn healthy() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "ui": assets::kind() }))
}

/// `/readyz`: the database answers, and no shutdown is under way. Tells of a changed definition that is not in force.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let unready = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": reason })));
    if shared.shutdown.is_cancelled() {
        return unready("stopping");
    }
    let api = &shared.context.api;
    match tokio::time::timeout(PATIENCE, api.newest().store().now()).await {
        // What is served is whole and right, so a definition that was refused makes nobody unready.
        Ok(Ok(_)) => match api.refusal() {
            None => (StatusCode::OK, Json(json!({ "status": "ok" }))),
            Some(why) => (StatusCode::OK, Json(json!({ "status": "ok", "definition": *why }))),
        },
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            unready("the database does not answer")
        }
        Err(_) => unready("the database does not answer in time"),
    }
}
