//! Positions in a catalog, in place of names. Knows no catalog.

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

position!(
    /// A position in [`super::Catalog::entities`].
    EntityId
);
position!(
    /// A position in [`super::Entity::fields`] (or [`super::ValueType::fields`]).
    FieldId
);
position!(
    /// A position in [`super::Catalog::values`].
    ValueId
);
position!(
    /// A position in [`super::Catalog::enums`].
    EnumId
);
position!(
    /// A position in [`super::Catalog::sources`].
    SourceId
);
position!(
    /// A position in [`super::Catalog::fetches`].
    FetchId
);

/// A part of what is stored of a type that changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Part {
    pub entity: EntityId,
    /// A field's values or links; none: which rows there are, and in what order.
    pub field: Option<FieldId>,
}

impl Part {
    pub(crate) fn rows(entity: EntityId) -> Part {
        Part { entity, field: None }
    }

    pub(crate) fn field(entity: EntityId, field: FieldId) -> Part {
        Part {
            entity,
            field: Some(field),
        }
    }
}
