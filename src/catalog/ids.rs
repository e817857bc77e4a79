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
