//! `hayloft_version`: which commit changed each part of each type last. Knows types and fields by
//! name; knows no rows.
//!
//! A row is written in the transaction that changes its part, so whoever sees the one sees the
//! other. There are as many rows as a definition has fields, however much is stored.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Part},
    change::Seen,
    store::{
        context::Context,
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        system::change_log::Logged,
        tx::Transaction,
    },
};

const KINDS: [Kind; 3] = [Kind::Text, Kind::Text, Kind::Int];

/// A part as the table names it.
pub(crate) fn name(catalog: &Catalog, part: Part) -> (&str, &str) {
    let entity = catalog.entity(part.entity);
    let field = part.field.map_or("", |field| entity.field(field).name.as_str());
    (entity.name.as_str(), field)
}

/// Where all changes are counted whose commits said what they changed. It is as much as the log's
/// head, unless others wrote to the log who know nothing of versions.
const NOTED: (&str, &str) = ("", "noted");

/// Notes that the commit with these numbers of the log changes these parts. Who writes waits
/// already for whoever has the head, so no two meet here.
pub(crate) async fn write(tx: &mut Transaction<'_>, parts: &BTreeSet<Part>, logged: &Logged) -> Result<(), StoreError> {
    let catalog = &tx.context.catalog;
    let mut lines = vec![(NOTED, logged.head - logged.after)];
    lines.extend(parts.iter().map(|part| (name(catalog, *part), logged.head)));
    put(tx, &lines).await
}

/// Notes that everything may be another one from here on.
pub(crate) async fn write_all(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    tx.plain("DELETE FROM hayloft_version").await?;
    let sql = "INSERT INTO hayloft_version(type,field,seq) SELECT '','',seq FROM hayloft_feed_head WHERE one=1 \
               UNION ALL SELECT '','noted',seq FROM hayloft_feed_head WHERE one=1";
    tx.plain(sql).await.map(|_| ())
}

async fn put(tx: &mut Transaction<'_>, lines: &[((&str, &str), i64)]) -> Result<(), StoreError> {
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(lines.len(), KINDS.len()) {
        let mut rows = Rows::new(tx.params(), &KINDS, size);
        for ((entity, field), seq) in lines.iter().skip(from).take(size) {
            rows.text(*entity)?;
            rows.text(*field)?;
            rows.int(*seq)?;
        }
        from += size;
        let sql = format!(
            "INSERT INTO hayloft_version(type,field,seq) {} ON CONFLICT(type,field) DO UPDATE SET \
             seq=excluded.seq+CASE WHEN excluded.type='' THEN hayloft_version.seq ELSE 0 END",
            tx.rows(&KINDS, size)
        );
        tx.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// Where the log stands, and which parts are newer than `since`, in one snapshot.
pub(crate) async fn seen(context: &Context, since: i64) -> Result<Seen, StoreError> {
    let mut params = context.params();
    params.add(since)?;
    let sql = "SELECT head.epoch,head.seq,coalesce((SELECT max(id) FROM hayloft_applied_layout),0),\
               v.type,v.field,v.seq,head.seq-coalesce((SELECT seq FROM hayloft_version WHERE type='' AND field='noted'),0) \
               FROM hayloft_feed_head AS head LEFT JOIN hayloft_version AS v \
               ON v.seq>$1 AND (v.type<>'' OR v.field='') WHERE head.one=1";
    let lines = context.own.take().await?.fetch(params.query(sql)).await?;
    let mut seen = Seen::default();
    for line in &lines {
        seen.epoch = get(line, 0)?;
        seen.head = get(line, 1)?;
        seen.layout = get(line, 2)?;
        seen.missed = get(line, 6)?;
        if let (Some(entity), Some(field), Some(seq)) = (get(line, 3)?, get(line, 4)?, get(line, 5)?) {
            seen.parts.push((entity, field, seq));
        }
    }
    Ok(seen)
}
