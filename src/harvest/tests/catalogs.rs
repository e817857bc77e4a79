//! Catalogs made by hand.

use std::time::Duration;

use crate::{
    catalog::{
        Advance, Catalog, CatchUp, Entity, EntityId, EnumId, EnumType, EnumValue, Fetch, FetchId, Field, FieldId,
        FieldKind, Format, Leaf, List, Method, Missing, Names, Owner, Paging, Schedule, Selection, Source, SourceId,
        ValueField, ValueFieldKind, ValueId, ValueType,
        jq::Filter,
        template::{Encoding, Template},
    },
    value::Scalar,
};

pub(super) fn jq(text: &str) -> Filter {
    Filter::compile_rows(text, &[]).expect("jq")
}

pub(super) fn keys(names: &[&str]) -> Selection {
    Selection::Names(names.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) fn field(name: &str, kind: FieldKind, required: bool) -> Field {
    Field {
        name: name.to_owned(),
        was: None,
        description: None,
        deprecated: None,
        kind,
        required,
        selection: keys(&[name]),
        unique: false,
        indexed: false,
        served: true,
        fetch: None,
    }
}

pub(super) fn select(mut field: Field, text: &str) -> Field {
    field.selection = Selection::Jq(jq(text));
    field
}

pub(super) fn leaf(scalar: Scalar) -> FieldKind {
    FieldKind::Leaf {
        leaf: Leaf::Scalar(scalar),
        list: None,
    }
}

pub(super) fn list(scalar: Scalar, item_required: bool) -> FieldKind {
    FieldKind::Leaf {
        leaf: Leaf::Scalar(scalar),
        list: Some(List { item_required }),
    }
}

pub(super) fn entity(name: &str, key: &[u32], fields: Vec<Field>) -> Entity {
    Entity {
        name: name.to_owned(),
        was: None,
        description: None,
        names: Names {
            table: name.to_lowercase(),
            single: name.to_lowercase(),
            many: format!("{}s", name.to_lowercase()),
            by: format!("{}By", name.to_lowercase()),
        },
        key: key.iter().map(|field| FieldId(*field)).collect(),
        positional: false,
        fields,
        owner: None,
        fetch: None,
    }
}

/// `type Thing { id: ID!  name: String }` from one source.
pub(super) fn things(url: &str, path: &str, rows: &str, paging: Paging) -> Catalog {
    let thing = entity(
        "Thing",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), true),
            field("name", leaf(Scalar::String), false),
        ],
    );
    Catalog {
        sources: vec![source(url)],
        entities: vec![thing],
        fetches: vec![fetch(path, rows, paging)],
        ..Catalog::default()
    }
}

pub(super) fn source(url: &str) -> Source {
    Source {
        name: "up".to_owned(),
        url: Template::parse(url, &["env"], Encoding::Raw).expect("url"),
        headers: Vec::new(),
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
        format: if path.contains("ndjson") {
            Format::NdJson
        } else {
            Format::Json
        },
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
    let reference = |target: u32, by: u32| FieldKind::Reference {
        target: EntityId(target),
        by: vec![FieldId(by)],
    };
    let quest = entity(
        "Quest",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), true),
            select(field("title", leaf(Scalar::String), true), ".fullTitle"),
            field(
                "rarity",
                FieldKind::Leaf {
                    leaf: Leaf::Enum(EnumId(0)),
                    list: None,
                },
                false,
            ),
            field(
                "reward",
                FieldKind::Value {
                    value: ValueId(0),
                    list: None,
                },
                false,
            ),
            field("words", list(Scalar::String, true), false),
            select(field("giver", reference(3, 0), false), ".npc.slug"),
            select(
                field(
                    "tags",
                    FieldKind::Links {
                        target: EntityId(3),
                        by: vec![FieldId(0)],
                    },
                    true,
                ),
                ".tag_ids[]",
            ),
            select(
                field("items", FieldKind::Nested { child: EntityId(1) }, true),
                ".items[]",
            ),
            field("notes", FieldKind::Nested { child: EntityId(2) }, true),
        ],
    );
    let owned = |mut child: Entity, at: u32, positional: bool| {
        child.positional = positional;
        child.owner = Some(Owner {
            entity: EntityId(0),
            field: FieldId(at),
            parent: FieldId(0),
        });
        child
    };
    let item = entity(
        "QuestItem",
        &[0, 1],
        vec![
            field("quest", reference(0, 0), true),
            select(field("item", reference(3, 0), true), ".item"),
            field("quantity", leaf(Scalar::Int), true),
        ],
    );
    let note = entity(
        "Note",
        &[0],
        vec![
            field("quest", reference(0, 0), true),
            field("text", leaf(Scalar::String), true),
        ],
    );
    let other = entity("Other", &[0], vec![field("id", leaf(Scalar::Id), true)]);
    Catalog {
        entities: vec![quest, owned(item, 7, false), owned(note, 8, true), other],
        enums: vec![rarity()],
        values: vec![reward()],
        ..Catalog::default()
    }
}

fn rarity() -> EnumType {
    let value = |name: &str, alias: &str| EnumValue {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        aliases: vec![alias.to_owned()],
    };
    EnumType {
        name: "Rarity".to_owned(),
        description: None,
        values: vec![value("COMMON", "c"), value("RARE", "2")],
    }
}

fn reward() -> ValueType {
    let part = |name: &str, scalar, required| ValueField {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        kind: ValueFieldKind::Leaf {
            leaf: Leaf::Scalar(scalar),
            list: None,
        },
        required,
        selection: keys(&[name]),
    };
    ValueType {
        name: "Reward".to_owned(),
        description: None,
        fields: vec![part("gold", Scalar::BigInt, true), part("title", Scalar::String, false)],
    }
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
