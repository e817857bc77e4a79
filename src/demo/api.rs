//! The world over HTTP: paged JSON in the styles that real APIs have, with ETags. Knows axum; knows
//! no harvest.

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::shared::Shared;

/// Rows per page of the paged collections.
const PAGE: usize = 50;

pub(super) fn router(world: Shared) -> Router {
    Router::new()
        .route("/items", get(items))
        .route("/quests", get(quests))
        .route("/npcs", get(npcs))
        .route("/tags", get(tags))
        .route("/images/{file}", get(image))
        .with_state(world)
}

#[derive(Deserialize)]
struct ByPage {
    page: Option<usize>,
}

/// Numbered pages that say how many there are.
async fn items(State(shared): State<Shared>, Query(query): Query<ByPage>, headers: HeaderMap) -> Response {
    let page = query.page.unwrap_or(1).max(1);
    let body = {
        let world = shared.world();
        let items: Vec<&Value> = world.items.values().skip((page - 1) * PAGE).take(PAGE).collect();
        json!({ "items": items, "page": page, "pages": world.items.len().div_ceil(PAGE).max(1) })
    };
    tagged(&body, &headers)
}

#[derive(Deserialize)]
struct ByOffset {
    offset: Option<usize>,
}

/// An offset, and the total.
async fn quests(State(shared): State<Shared>, Query(query): Query<ByOffset>, headers: HeaderMap) -> Response {
    let offset = query.offset.unwrap_or(0);
    let body = {
        let world = shared.world();
        let quests: Vec<&Value> = world.quests.values().skip(offset).take(PAGE).collect();
        json!({ "quests": quests, "total": world.quests.len() })
    };
    tagged(&body, &headers)
}

#[derive(Deserialize)]
struct ByCursor {
    cursor: Option<String>,
}

/// A cursor that is null at the end.
async fn npcs(State(shared): State<Shared>, Query(query): Query<ByCursor>, headers: HeaderMap) -> Response {
    let after: u32 = query
        .cursor
        .and_then(|cursor| cursor.strip_prefix("after-")?.parse().ok())
        .unwrap_or(0);
    let body = {
        let world = shared.world();
        let npcs: Vec<(&u32, &Value)> = world.npcs.range(after + 1..).take(PAGE / 2).collect();
        let last = npcs
            .last()
            .map(|(id, _)| **id)
            .filter(|id| world.npcs.range(id + 1..).next().is_some());
        let npcs: Vec<&Value> = npcs.into_iter().map(|(_, npc)| npc).collect();
        json!({ "npcs": npcs, "next": last.map(|id| format!("after-{id}")) })
    };
    tagged(&body, &headers)
}

/// All in one array.
async fn tags(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = json!(shared.world().tags.values().collect::<Vec<_>>());
    tagged(&body, &headers)
}

/// A picture for an item: a coloured tile whose hue is its number.
async fn image(Path(file): Path<String>) -> Response {
    let Some(id) = file.strip_suffix(".svg").and_then(|id| id.parse::<u32>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let hue = id.wrapping_mul(47) % 360;
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64'><rect width='64' height='64' rx='10' \
         fill='hsl({hue} 55% 45%)'/><text x='32' y='40' font-size='22' text-anchor='middle' fill='#fff'>{id}</text></svg>"
    );
    ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response()
}

/// The body as JSON with an ETag; 304 when the caller has it already.
fn tagged(body: &Value, headers: &HeaderMap) -> Response {
    let text = body.to_string();
    let etag = format!("\"{:016x}\"", xxh3_64(text.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, etag),
    ];
    (headers, text).into_response()
}
