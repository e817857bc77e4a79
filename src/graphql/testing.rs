//! The farm's catalog by hand, and golden files, for the tests of this folder.

use std::path::Path;

use crate::{
    catalog::{
        Catalog, Entity, EntityId, EnumId, EnumType, EnumValue, Field, FieldId, FieldKind, Leaf, List, Names, Owner,
        Selection, Valid, ValueField, ValueFieldKind, ValueId, ValueType,
    },
    value::Scalar,
};

const ITEM: EntityId = EntityId(0);
const QUEST: EntityId = EntityId(1);
const QUEST_ITEM: EntityId = EntityId(2);
const NPC: EntityId = EntityId(3);
const TAG: EntityId = EntityId(4);

/// The repository's definition, with a list of leaves, a deprecated field and every kind of scalar added.
pub(super) fn farm() -> Valid<Catalog> {
    Valid::for_test(Catalog {
        entities: vec![item(), quest(), quest_item(), npc(), tag()],
        values: vec![ValueType {
            name: "Reward".to_owned(),
            description: Some("What a quest pays.".to_owned()),
            fields: vec![value("gold", Scalar::Int, true), value("title", Scalar::String, false)],
        }],
        enums: vec![EnumType {
            name: "Rarity".to_owned(),
            description: None,
            values: ["COMMON", "RARE", "EPIC"].map(enum_value).into(),
        }],
        fingerprint: "farm".to_owned(),
        ..Catalog::default()
    })
}

fn item() -> Entity {
    let mut price = leaf("price", Scalar::Float, false);
    price.description = Some("What the market asks for it now, \"in gold\".".to_owned());
    let mut old_name = leaf("title", Scalar::String, false);
    old_name.deprecated = Some("Use `name`.".to_owned());
    let mut aliases = leaf("aliases", Scalar::String, true);
    aliases.kind = FieldKind::Leaf {
        leaf: Leaf::Scalar(Scalar::String),
        list: Some(List { item_required: true }),
    };
    let mut rarity = leaf("rarity", Scalar::String, false);
    rarity.kind = FieldKind::Leaf {
        leaf: Leaf::Enum(EnumId(0)),
        list: None,
    };
    let fields = vec![
        leaf("id", Scalar::Id, true),
        leaf("name", Scalar::String, true),
        leaf("image", Scalar::Url, false),
        price,
        rarity,
        reference("seller", NPC, 0),
        field(
            "tags",
            FieldKind::Links {
                target: TAG,
                by: vec![FieldId(0)],
            },
        ),
        inverse("requiredFor", QUEST_ITEM, 1),
        old_name,
        aliases,
        leaf("worth", Scalar::Decimal, false),
        leaf("soldAt", Scalar::DateTime, false),
        leaf("extra", Scalar::Json, false),
        leaf("isRare", Scalar::Boolean, false),
    ];
    entity("Item", "Something a player can own.", fields)
}

fn quest() -> Entity {
    let reward = FieldKind::Value {
        value: ValueId(0),
        list: None,
    };
    let fields = vec![
        leaf("id", Scalar::Id, true),
        leaf("title", Scalar::String, true),
        field("reward", reward),
        reference("giver", NPC, 1),
        field("items", FieldKind::Nested { child: QUEST_ITEM }),
    ];
    entity("Quest", "A task; quests come and go.", fields)
}

fn quest_item() -> Entity {
    let mut owner = reference("quest", QUEST, 0);
    owner.required = true;
    let fields = vec![owner, reference("item", ITEM, 0), leaf("quantity", Scalar::Int, true)];
    let mut entity = entity("QuestItem", "One line of a quest's list of needs.", fields);
    entity.key = vec![FieldId(0), FieldId(1)];
    entity.owner = Some(Owner {
        entity: QUEST,
        field: FieldId(4),
        parent: FieldId(0),
    });
    entity
}

fn npc() -> Entity {
    let mut slug = leaf("slug", Scalar::String, true);
    slug.unique = true;
    let fields = vec![
        leaf("id", Scalar::Id, true),
        slug,
        leaf("name", Scalar::String, true),
        leaf("home", Scalar::String, false),
        inverse("sells", ITEM, 5),
        inverse("gives", QUEST, 3),
    ];
    entity("Npc", "A character.", fields)
}

fn tag() -> Entity {
    let fields = vec![
        leaf("id", Scalar::Id, true),
        leaf("name", Scalar::String, true),
        inverse("items", ITEM, 6),
    ];
    entity("Tag", "A word about items.", fields)
}

fn entity(name: &str, description: &str, fields: Vec<Field>) -> Entity {
    let mut single = name.to_owned();
    single[..1].make_ascii_lowercase();
    Entity {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        names: Names {
            table: crate::layout::snake_case(name),
            many: format!("{single}s"),
            by: format!("{single}By"),
            single,
        },
        key: vec![FieldId(0)],
        positional: false,
        fields,
        owner: None,
        fetch: None,
    }
}

fn field(name: &str, kind: FieldKind) -> Field {
    Field {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        required: false,
        kind,
        selection: Selection::Names(vec![name.to_owned()]),
        unique: false,
        indexed: false,
        served: true,
    }
}

fn leaf(name: &str, scalar: Scalar, required: bool) -> Field {
    let leaf = Leaf::Scalar(scalar);
    Field {
        required,
        ..field(name, FieldKind::Leaf { leaf, list: None })
    }
}

fn reference(name: &str, target: EntityId, by: u32) -> Field {
    let by = vec![FieldId(by)];
    field(name, FieldKind::Reference { target, by })
}

fn inverse(name: &str, source: EntityId, of: u32) -> Field {
    let kind = FieldKind::Inverse {
        source,
        field: FieldId(of),
        many: true,
    };
    field(name, kind)
}

fn value(name: &str, scalar: Scalar, required: bool) -> ValueField {
    ValueField {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        kind: ValueFieldKind::Leaf {
            leaf: Leaf::Scalar(scalar),
            list: None,
        },
        required,
        selection: Selection::Names(vec![name.to_owned()]),
    }
}

fn enum_value(name: &str) -> EnumValue {
    EnumValue {
        name: name.to_owned(),
        description: None,
        deprecated: None,
        aliases: Vec::new(),
    }
}

/// A data API over the farm, for operations that need no row.
pub(crate) fn api() -> crate::graphql::DataApi {
    let store = crate::store::Store {
        bus: crate::change::Bus::default(),
    };
    let catalog = std::sync::Arc::new(farm());
    crate::graphql::DataApi::new(catalog, store, crate::graphql::Limits::default()).expect("the farm's schema")
}

/// Where the golden files are.
pub(super) fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/graphql")
}

/// Compares with a golden file; built with `UPDATE_GOLDEN=1`, writes it.
pub(super) fn golden(name: &str, got: &str) {
    let path = cases().join(name);
    if option_env!("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).expect("the golden file is writable");
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(want, got, "{name} differs; build with UPDATE_GOLDEN=1 to accept");
}
