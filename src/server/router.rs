//! Routes and what wraps them. Knows every handler; does nothing itself.

use axum::{Router, middleware, routing::get};
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{assets, codings, graphql, headers, health, metrics, origin, saved, shared::Shared, validators};

pub(super) fn router(shared: Shared) -> Router {
    // The page's own files are compressed at build time; answers are worth only the fastest level.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let api = Router::new()
        .route(
            "/graphql",
            get(graphql::get).post(graphql::post).fallback(graphql::other),
        )
        .route("/graphql/ws", get(graphql::get).fallback(graphql::only_get))
        .route("/q/{file}", get(saved::get).fallback(saved::other))
        .route("/metrics", get(metrics::get).fallback(assets::only_read))
        .layer(middleware::from_fn_with_state(shared.clone(), origin::guard))
        .layer(compression)
        .layer(middleware::map_request(codings::older_first))
        .layer(middleware::map_response(validators::coded));
    let page = if shared.context.graphiql {
        Router::new().fallback(assets::serve)
    } else {
        Router::new().fallback(assets::absent)
    };
    page.merge(api)
        .route("/healthz", get(health::healthy).fallback(assets::only_read))
        .route("/readyz", get(health::ready).fallback(assets::only_read))
        .layer(middleware::map_response(headers::secure))
        .layer(middleware::from_fn_with_state(shared.clone(), metrics::count))
        .with_state(shared)
}
