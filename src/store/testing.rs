//! The farm's catalog made by hand, and a store over a temporary file. For tests of the store only.

use std::sync::Arc;

use crate::{
    catalog::{
        Catalog, Entity, EntityId, EnumId, EnumType, EnumValue, Field, FieldId, FieldKind, Leaf, List, Names, Owner,
        Selection, Valid, ValueField, ValueFieldKind, ValueId, ValueType,
    },
    config::DatabaseUrl,
    layout::{Layout, snake_case},
    store::{Access, Store, StoreError},
    value::{Key, Row, Scalar, Value},
};

pub const ITEM: EntityId = EntityId(0);
pub const QUEST: EntityId = EntityId(1);
pub const QUEST_ITEM: EntityId = EntityId(2);
pub const NPC: EntityId = EntityId(3);
pub const TAG: EntityId = EntityId(4);
pub const THING: EntityId = EntityId(5);

pub fn leaf(scalar: Scalar) -> FieldKind {
    FieldKind::Leaf {
        leaf: Leaf::Scalar(scalar),
        list: None,
    }
}

fn field(name: &str, kind: FieldKind, flags: &str) -> Field {
    Field {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        kind,
        required: flags.contains('!'),
        selection: Selection::Names(vec![name.to_owned()]),
        unique: flags.contains('u'),
        indexed: flags.contains('i'),
        served: true,
    }
}

fn entity(name: &str, key: &[u32], fields: Vec<Field>) -> Entity {
    let single = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
    Entity {
        name: name.to_owned(),
        description: None,
        names: Names {
            table: snake_case(name),
            many: format!("{single}s"),
            by: format!("{single}By"),
            single,
        },
        key: key.iter().copied().map(FieldId).collect(),
        positional: false,
        fields,
        owner: None,
        fetch: None,
    }
}

fn reference(target: EntityId, by: u32) -> FieldKind {
    FieldKind::Reference {
        target,
        by: vec![FieldId(by)],
    }
}

fn inverse(source: EntityId, field: u32) -> FieldKind {
    FieldKind::Inverse {
        source,
        field: FieldId(field),
        many: true,
    }
}

/// The farm, and `Thing` with a field of every scalar.
pub fn catalog(fingerprint: &str) -> Catalog {
    let item = entity(
        "Item",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), "!"),
            field("name", leaf(Scalar::String), "!"),
            field("image", leaf(Scalar::Url), ""),
            field("price", leaf(Scalar::Float), "i"),
            field(
                "rarity",
                FieldKind::Leaf {
                    leaf: Leaf::Enum(EnumId(0)),
                    list: None,
                },
                "",
            ),
            field("seller", reference(NPC, 0), ""),
            field(
                "tags",
                FieldKind::Links {
                    target: TAG,
                    by: vec![FieldId(0)],
                },
                "!",
            ),
            field("requiredFor", inverse(QUEST_ITEM, 1), "!"),
        ],
    );
    let quest = entity(
        "Quest",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), "!"),
            field("title", leaf(Scalar::String), "!"),
            field(
                "reward",
                FieldKind::Value {
                    value: ValueId(0),
                    list: None,
                },
                "",
            ),
            field("giver", reference(NPC, 1), ""),
            field("items", FieldKind::Nested { child: QUEST_ITEM }, "!"),
        ],
    );
    let mut quest_item = entity(
        "QuestItem",
        &[0, 1],
        vec![
            field("quest", reference(QUEST, 0), "!"),
            field("item", reference(ITEM, 0), ""),
            field("quantity", leaf(Scalar::Int), "!"),
        ],
    );
    quest_item.owner = Some(Owner {
        entity: QUEST,
        field: FieldId(4),
        parent: FieldId(0),
    });
    let npc = entity(
        "Npc",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), "!"),
            field("slug", leaf(Scalar::String), "!u"),
            field("name", leaf(Scalar::String), "!"),
            field("home", leaf(Scalar::String), ""),
            field("sells", inverse(ITEM, 5), "!"),
            field("gives", inverse(QUEST, 3), "!"),
        ],
    );
    let tag = entity(
        "Tag",
        &[0],
        vec![
            field("id", leaf(Scalar::Id), "!"),
            field("name", leaf(Scalar::String), "!"),
            field("items", inverse(ITEM, 6), "!"),
        ],
    );
    let mut things: Vec<Field> = vec![field("id", leaf(Scalar::BigInt), "!")];
    things.extend(
        Scalar::ALL
            .iter()
            .map(|scalar| field(&format!("f{}", scalar.name()), leaf(*scalar), "")),
    );
    let list = Some(List { item_required: true });
    things.push(field(
        "list",
        FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::BigInt),
            list,
        },
        "",
    ));
    things.push(field(
        "rewards",
        FieldKind::Value {
            value: ValueId(0),
            list,
        },
        "",
    ));
    let value_field = |name: &str, kind| ValueField {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        kind,
        required: false,
        selection: Selection::Names(vec![name.to_owned()]),
    };
    let value_leaf = |scalar| ValueFieldKind::Leaf {
        leaf: Leaf::Scalar(scalar),
        list: None,
    };
    Catalog {
        entities: vec![item, quest, quest_item, npc, tag, entity("Thing", &[0], things)],
        values: vec![ValueType {
            name: "Reward".to_owned(),
            description: None,
            fields: vec![
                value_field("gold", value_leaf(Scalar::Int)),
                value_field("title", value_leaf(Scalar::String)),
            ],
        }],
        enums: vec![EnumType {
            name: "Rarity".to_owned(),
            description: None,
            values: vec![EnumValue {
                name: "COMMON".to_owned(),
                description: None,
                deprecated: None,
                aliases: Vec::new(),
            }],
        }],
        fetches: Vec::new(),
        sources: Vec::new(),
        fingerprint: fingerprint.to_owned(),
    }
}

/// A store over a file that disappears with the test.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

pub async fn open_at(path: &std::path::Path, fingerprint: &str, access: Access) -> Result<Store, StoreError> {
    let catalog = Arc::new(Valid::trusted(catalog(fingerprint)));
    let layout = Arc::new(Layout::of(&catalog));
    Store::open(&DatabaseUrl::Sqlite(path.to_owned()), access, catalog, layout).await
}

pub async fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open_at(&folder.path().join("farm.db"), "one", Access::Write)
        .await
        .expect("a new store");
    Bench { folder, store }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn item(id: &str, name: &str, price: f64, seller: Option<&str>, tags: &[&str]) -> Row {
    let seller = seller.map_or(Value::Null, text);
    let values = vec![
        text(id),
        text(name),
        Value::Null,
        Value::Float(price),
        text("COMMON"),
        seller,
    ];
    Row::new(values, vec![tags.iter().map(|tag| Key::text(*tag)).collect()], vec![])
}

pub fn quest(id: &str, title: &str, items: &[(&str, i64)]) -> Row {
    let line =
        |(item, quantity): &(&str, i64)| Row::new(vec![text(id), text(item), Value::Int(*quantity)], vec![], vec![]);
    let reward = text("{\"gold\":5,\"title\":null}");
    Row::new(
        vec![text(id), text(title), reward, text("ann")],
        vec![],
        vec![items.iter().map(line).collect()],
    )
}

pub fn npc(id: &str, slug: &str) -> Row {
    Row::new(vec![text(id), text(slug), text(id), Value::Null], vec![], vec![])
}

pub fn tag(id: &str) -> Row {
    Row::new(vec![text(id), text(id)], vec![], vec![])
}
