//! Catalogs for the tests of this folder: types from text, fetches with addresses and pages as the
//! tests need them.

use std::time::Duration;

use crate::catalog::{
    Advance, Catalog, CatchUp, EntityId, Fetch, FetchId, Format, Method, Missing, Paging, Schedule, Source, SourceId,
    jq::Filter,
    template::{Encoding, Template},
    testing::draft,
};

pub(super) fn jq(text: &str) -> Filter {
    Filter::compile_rows(text, &[]).expect("jq")
}

/// `type Thing { id: ID!  name: String }` from one source.
pub(super) fn things(url: &str, path: &str, rows: &str, paging: Paging) -> Catalog {
    things_of("id: ID! name: String", url, path, rows, paging)
}

/// The same with these fields. The address and the pages are what tests of them need, also where no
/// definition may say so.
pub(super) fn things_of(fields: &str, url: &str, path: &str, rows: &str, paging: Paging) -> Catalog {
    let mut catalog = draft(&format!("type Thing @f {{ {fields} }}"));
    catalog.sources = vec![source(url)];
    catalog.fetches = vec![fetch(path, rows, paging)];
    for entity in &mut catalog.entities {
        entity.fetch = None;
    }
    catalog
}

pub(super) fn source(url: &str) -> Source {
    Source {
        name: "up".to_owned(),
        url: Template::parse(url, &["env"], Encoding::Raw).expect("url"),
        headers: Vec::new(),
        auth: None,
        rate: None,
        concurrency: 4,
    }
}

pub(super) fn fetch(path: &str, rows: &str, paging: Paging) -> Fetch {
    let file = path.contains("json") && !path.starts_with('/');
    let records = Filter::compile_records(rows, &[]).expect("jq");
    Fetch {
        entity: EntityId(0),
        field_fetch: None,
        source: SourceId(0),
        method: if file { Method::File } else { Method::Get },
        path: Template::parse(path, &["page", "offset", "cursor", "env"], Encoding::Percent).expect("path"),
        body: None,
        format: if path.contains("ndjson") {
            Format::NdJson
        } else {
            Format::Json
        },
        table: crate::catalog::Table::default(),
        css: None,
        charset: None,
        rows: records.rows,
        keep: records.keep,
        hides: records.hides,
        paging,
        schedule: Some(Schedule::Every(Duration::from_secs(60))),
        catch_up: CatchUp::default(),
        repeats: crate::catalog::Repeats::Last,
        missing: Missing::Delete,
        missing_max: 0.1,
    }
}

pub(super) fn paging(advance: Advance) -> Paging {
    Paging {
        advance,
        max: 50,
        ..Paging::default()
    }
}

/// A quest with everything: enum, value, list, references, links and two kinds of nested rows.
pub(super) fn quests() -> Catalog {
    let mut catalog = draft(
        r#"type Quest @f {
          id: ID! title: String! @select(jq: ".fullTitle") rarity: Rarity reward: Reward words: [String!]
          giver: Other @ref(jq: ".npc.slug") tags: [Other!]! @ref(jq: ".tag_ids[]")
          items: [QuestItem!]! @nested(jq: ".items[]") notes: [Note!]! @nested
        }
        type QuestItem { quest: Quest! item: Other @id @ref(jq: ".item") quantity: Int! }
        type Note { quest: Quest! text: String! }
        type Other @f { id: ID! }
        type Reward { gold: BigInt! title: String }
        enum Rarity { COMMON @alias(options: ["c"]) RARE @alias(options: ["2"]) }"#,
    );
    // A definition may promise this only of a target that is there by construction.
    let fields = catalog.entities.iter_mut().flat_map(|entity| &mut entity.fields);
    for field in fields.filter(|field| field.name == "item") {
        field.required = true;
    }
    catalog
}

/// The fetch's own id, for the entity that it fills.
pub(super) fn scheduled(mut catalog: Catalog, schedule: Option<Schedule>) -> Catalog {
    for fetch in &mut catalog.fetches {
        fetch.schedule.clone_from(&schedule);
    }
    for entity in &mut catalog.entities {
        entity.fetch = Some(FetchId(0));
    }
    catalog
}
