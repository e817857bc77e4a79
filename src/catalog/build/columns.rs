//! Tables and columns that would get the same name, or one that is too long. Knows how `layout`
//! names them.

use std::collections::HashMap;

use super::Builder;
use crate::{
    catalog::{
        Catalog, Entity, EntityId, Field, FieldId, FieldKind,
        names::{column_name, snake_case, table_name},
    },
    definition::{Fault, Span},
};

/// Bytes of a name: PostgreSQL cuts longer ones.
const NAME_MAX: usize = 63;

impl Builder<'_> {
    /// The catalog must be free of other faults: keys that contain themselves would never end here.
    pub(super) fn check_columns(&mut self, catalog: &Catalog) {
        let mut tables: HashMap<String, String> = HashMap::new();
        for entity in &catalog.entities {
            tables.insert(entity.names.table.clone(), format!("`{}`", entity.name));
        }
        for id in catalog.entity_ids() {
            let entity = catalog.entity(id);
            let declared = self.plan.entity(id).definition;
            self.check_length(&entity.names.table, declared.name.span.clone());
            let mut columns: HashMap<String, &str> = HashMap::new();
            for field_id in entity.field_ids() {
                let field = entity.field(field_id);
                let name = declared
                    .fields
                    .get(field_id.index())
                    .map_or(&declared.name, |field| &field.name);
                for column in columns_of(catalog, field).iter().map(|plain| column_name(plain)) {
                    self.check_length(&column, name.span.clone());
                    match columns.insert(column.clone(), &field.name) {
                        Some(other) => {
                            let message = format!("`{}` and `{other}` need the same column `{column}`", field.name);
                            self.fault(
                                Fault::at(name.span.clone(), message)
                                    .hint("rename one of them, and name the record's key with @select"),
                            );
                            break;
                        }
                        None => continue,
                    }
                }
                if let FieldKind::Links { target, by } = &field.kind {
                    let table = table_name(&format!("{}_{}", snake_case(&entity.name), snake_case(&field.name)));
                    self.check_join(catalog, entity, *target, by, &table, name.span.clone());
                    let what = format!("`{}.{}`", entity.name, field.name);
                    if let Some(other) = tables.insert(table.clone(), what.clone()) {
                        let message = format!("{what} and {other} need the same table `{table}`");
                        self.fault(Fault::at(name.span.clone(), message).hint("rename one of them"));
                    }
                }
            }
        }
    }

    fn check_join(
        &mut self,
        catalog: &Catalog,
        owner: &Entity,
        target: EntityId,
        by: &[FieldId],
        table: &str,
        at: Span,
    ) {
        let owner_id = catalog.entity_named(&owner.name);
        let owners = owner_id
            .map(|id| leaf_columns(catalog, id, &owner.key, "owner"))
            .unwrap_or_default();
        let targets = leaf_columns(catalog, target, by, "target");
        for name in owners.iter().chain(&targets).map(String::as_str).chain([table]) {
            self.check_length(name, at.clone());
        }
    }

    fn check_length(&mut self, name: &str, at: Span) {
        if name.len() > NAME_MAX {
            let message = format!("the name `{name}` in the database would be longer than {NAME_MAX} bytes");
            self.fault(Fault::at(at, message).hint("choose a shorter one"));
        }
    }
}

fn columns_of(catalog: &Catalog, field: &Field) -> Vec<String> {
    let name = snake_case(&field.name);
    match &field.kind {
        FieldKind::Leaf { .. } | FieldKind::Value { .. } => vec![name],
        FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &name),
        FieldKind::Links { .. } | FieldKind::Inverse { .. } | FieldKind::Nested { .. } | FieldKind::Closure { .. } => {
            Vec::new()
        }
    }
}

fn leaf_columns(catalog: &Catalog, target: EntityId, by: &[FieldId], prefix: &str) -> Vec<String> {
    let entity = catalog.entity(target);
    let columns = by.iter().flat_map(|id| {
        let field = entity.field(*id);
        let name = format!("{prefix}_{}", snake_case(&field.name));
        match &field.kind {
            FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &name),
            _ => vec![name],
        }
    });
    columns.collect()
}
