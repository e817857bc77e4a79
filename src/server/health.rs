//! Liveness and readiness. Knows whether the process and its database answer.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{assets, shared::Shared};
use crate::store::{DefinitionStatus, StoreError};

/// A database that takes longer than this to tell the time will not answer queries either.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/healthz`: the process runs.
pub(super) async fn healthy(State(shared): State<Shared>) -> Json<Value> {
    let page = if shared.context.graphiql { assets::kind() } else { "off" };
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "ui": page }))
}

/// `/readyz`: the database answers for this definition, and no shutdown is under way. Tells of a
/// changed definition or changed documents that are not served, and of harvests that cannot write:
/// what is stored is served on, and a server less would not help.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let unready = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": reason })));
    let api = &shared.context.api;
    let serves = |why: Option<&str>| {
        let mut told = json!({ "status": "ok" });
        let said = [
            ("definition", why.map(str::to_owned)),
            ("documents", api.refused_documents().map(|why| why.to_string())),
            ("harvest", api.newest().store().cannot_write()),
        ];
        for (name, said) in said {
            if let (Some(said), Some(told)) = (said, told.as_object_mut()) {
                told.insert(name.to_owned(), said.into());
            }
        }
        (StatusCode::OK, Json(told))
    };
    if shared.shutdown.is_cancelled() {
        return unready("stopping");
    }
    match tokio::time::timeout(PATIENCE, api.newest().store().definition_status()).await {
        // What is served is whole and right, so a definition that was refused makes nobody unready.
        Ok(Ok(DefinitionStatus::InForce)) => serves(api.refusal().as_deref().map(String::as_str)),
        // The same of one that another process has put in force, as long as all that is asked for
        // is there.
        Ok(Ok(DefinitionStatus::ReadsOnly)) => serves(Some(&StoreError::Replaced.to_string())),
        Ok(Ok(DefinitionStatus::Replaced)) => unready(&StoreError::Replaced.to_string()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            unready("the database does not answer")
        }
        Err(_) => unready("the database does not answer in time"),
    }
}
