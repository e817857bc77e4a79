//! Rollups in words, by which they are told from other ones. Knows names.

use super::{
    ids::EntityId,
    model::{Catalog, FieldKind},
    rollup::Rollup,
};

impl Catalog {
    /// What a rollup is computed by, as one text: another text, other values.
    pub fn rollup_words(&self, parent: EntityId, rollup: &Rollup) -> String {
        let target = self.entity(rollup.target);
        let way = match &self.entity(parent).field(rollup.of).kind {
            FieldKind::Inverse { field, .. } => format!("by {}", target.field(*field).name),
            FieldKind::Nested { .. } => "nested".to_owned(),
            FieldKind::Links { by, .. } => {
                let names: Vec<&str> = by.iter().map(|field| target.field(*field).name.as_str()).collect();
                format!("links by {}", names.join(", "))
            }
            _ => String::new(),
        };
        format!("{} of {} {way}", rollup.text, target.name)
    }
}
