//! Rollups in words, by which they are told from other ones. Knows names.

use super::{
    ids::{EntityId, FieldId},
    model::{Catalog, Entity, FieldKind},
    rollup::{Groups, Rollup},
};

impl Catalog {
    /// What a rollup is computed by, as one text: another text, other values.
    pub fn rollup_words(&self, parent: EntityId, rollup: &Rollup) -> String {
        let target = self.entity(rollup.target);
        let own = self.entity(parent);
        let kind = match (rollup.of, &own.groups) {
            (Some(of), _) => &own.field(of).kind,
            (None, Some(groups)) => return format!("{} of {}", rollup.text, self.groups_words(groups)),
            (None, None) => return rollup.text.clone(),
        };
        let way = match kind {
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

    /// Which groups rows stand for, as one text: `Sale by shop, address.city`.
    pub fn groups_words(&self, groups: &Groups) -> String {
        let by: Vec<&str> = groups.by.iter().map(|by| by.of.as_str()).collect();
        format!("{} by {}", self.entity(groups.of).name, by.join(", "))
    }

    /// What the column of a field is computed by, as one text; none where records bring it. The key
    /// of a group says what its other columns do.
    pub fn computed_words(&self, id: EntityId, field: FieldId) -> Option<String> {
        let entity = self.entity(id);
        if let Some(rollup) = &entity.field(field).rollup {
            return Some(self.rollup_words(id, rollup));
        }
        let groups = entity.groups.as_ref()?;
        let by = groups.by.iter().find(|by| by.own == field);
        Some(match by {
            Some(by) => format!("{} of {}", by.of, self.groups_words(groups)),
            None => "group".to_owned(),
        })
    }

    /// The values that tell groups apart: the fields that keep them, and those, or parts of those,
    /// of the rows.
    pub(crate) fn grouped_by(&self, groups: &Groups) -> Vec<(FieldId, FieldId)> {
        let source: &Entity = self.entity(groups.of);
        let by = groups.by.iter();
        let found = by.filter_map(|by| {
            let of = source.field_named(&by.of).or_else(|| source.part_named(&by.of))?;
            Some((by.own, of))
        });
        found.collect()
    }
}
