//! How one row leads to others: the tables and conditions behind a relation. Knows no output and no
//! filter.

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    layout::{Column, JoinTable, POSITION_COLUMN},
    store::error::StoreError,
};

use super::{
    compiler::{ColumnAt, Compiler},
    joins::Joins,
};

/// Which rows a connection has.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'s> {
    /// All of a type.
    All,
    /// Those behind a field of the row under an alias.
    Behind {
        owner: EntityId,
        field: FieldId,
        alias: &'s str,
    },
}

/// The rows on the other side of a relation, seen from the row `alias` of the owner.
pub(crate) struct Step {
    pub entity: EntityId,
    /// The alias of the other side's table.
    pub alias: String,
    /// The `FROM` of a correlated subquery.
    pub from: String,
    pub conditions: Vec<String>,
    /// The default order of links and nested rows.
    pub position: Option<String>,
    /// Tables and conditions by which each row comes once, where it would come as often as it names
    /// the other side.
    pub once: Option<(String, Vec<String>)>,
}

impl<'a> Compiler<'a> {
    /// Follows a relation of `entity` from the row under `alias`.
    pub(crate) fn step(&mut self, entity: EntityId, field: FieldId, alias: &str) -> Result<Step, StoreError> {
        if let Some(step) = self.walked(entity, field, alias)? {
            return Ok(step);
        }
        match &self.entity(entity).field(field).kind {
            FieldKind::Reference { target, by } => {
                let own = self.columns(entity, &[field], alias);
                Ok(self.direct(*target, by, &own))
            }
            FieldKind::Inverse {
                source, field: back, ..
            } => self.inverse(entity, *source, *back, alias),
            FieldKind::Links { target, by } => {
                let join = self.join(entity, field)?;
                let own = self.columns(entity, &self.entity(entity).key, alias);
                Ok(self.through(join, &join.owner, &own, &join.targets, (*target, by)))
            }
            FieldKind::Nested { child } => {
                let own = self.columns(entity, &self.entity(entity).key, alias);
                let Some(owner) = self.entity(*child).owner else {
                    return Err(self.no_relation(entity, field));
                };
                let mut step = self.direct(*child, &[owner.parent], &own);
                step.position = Some(self.name(&step.alias, POSITION_COLUMN));
                Ok(step)
            }
            FieldKind::Leaf { .. } | FieldKind::Value { .. } | FieldKind::Closure { .. } => {
                Err(self.no_relation(entity, field))
            }
        }
    }

    fn no_relation(&self, entity: EntityId, field: FieldId) -> StoreError {
        let entity = self.entity(entity);
        StoreError::Internal(format!(
            "{}.{} leads to no other rows",
            entity.name,
            entity.field(field).name
        ))
    }

    fn join(&self, entity: EntityId, field: FieldId) -> Result<&'a JoinTable, StoreError> {
        let found = self.laid(entity).join_of(field);
        found.ok_or_else(|| self.no_relation(entity, field))
    }

    /// Rows of `target` whose columns of `by` equal `values`.
    fn direct(&mut self, target: EntityId, by: &[FieldId], values: &[ColumnAt]) -> Step {
        let alias = self.alias();
        let theirs = self.columns(target, by, &alias);
        Step {
            entity: target,
            from: format!("{} AS {alias}", self.dialect.quote(&self.tables(target).table.name)),
            conditions: equal(&theirs, values),
            alias,
            position: None,
            once: None,
        }
    }

    /// The rows of `source` whose field leads to the row under `alias`.
    pub(crate) fn inverse(
        &mut self,
        entity: EntityId,
        source: EntityId,
        back: FieldId,
        alias: &str,
    ) -> Result<Step, StoreError> {
        match &self.entity(source).field(back).kind {
            FieldKind::Reference { by, .. } => {
                let own = self.columns(entity, by, alias);
                Ok(self.direct(source, &[back], &own))
            }
            FieldKind::Links { by, .. } => {
                let join = self.laid(source).join_of(back);
                let join = join.ok_or_else(|| self.no_relation(source, back))?;
                let own = self.columns(entity, by, alias);
                let key = &self.entity(source).key;
                let mut step = self.through(join, &join.targets, &own, &join.owner, (source, key));
                // The position orders a list of the source, not ours, and a source may name us more
                // than once.
                step.position = None;
                step.once = Some(self.named_once(join, &own, (source, key), &step.alias));
                Ok(step)
            }
            _ => Err(self.no_relation(source, back)),
        }
    }

    /// Other rows beside the row under `alias` that leads to them, in one `FROM` with it: their
    /// alias, their tables and the conditions. A row is there as often as its list has it, and once
    /// where it is its own list that leads here. A closure is none of them: its walk begins at one
    /// row, and no table can look at others beside it.
    pub(crate) fn rows_led_to(
        &mut self,
        (entity, field): (EntityId, FieldId),
        alias: &str,
    ) -> Result<(String, String, Vec<String>), StoreError> {
        if self.entity(entity).field(field).kind.is_closure() {
            return Err(self.no_relation(entity, field));
        }
        let step = self.step(entity, field, alias)?;
        let FieldKind::Inverse {
            source, field: back, ..
        } = self.entity(entity).field(field).kind
        else {
            return Ok((step.alias, step.from, step.conditions));
        };
        let (FieldKind::Links { by, .. }, Some(join)) =
            (&self.entity(source).field(back).kind, self.laid(source).join_of(back))
        else {
            return Ok((step.alias, step.from, step.conditions));
        };
        // No table can look at others beside it: all pairs, each once.
        let (link, there) = (self.alias(), self.alias());
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| self.dialect.quote(&column.name)).collect()
        };
        let pairs: Vec<String> = names(&join.owner).into_iter().chain(names(&join.targets)).collect();
        let columns = |columns: &[Column]| -> Vec<ColumnAt> {
            columns.iter().map(|column| self.link_column(&link, column)).collect()
        };
        let key = self.columns(source, &self.entity(source).key, &there);
        let mut conditions = equal(&columns(&join.targets), &self.columns(entity, by, alias));
        conditions.extend(equal(&key, &columns(&join.owner)));
        let from = format!(
            "(SELECT DISTINCT {} FROM {}) AS {link},{} AS {there}",
            pairs.join(","),
            self.dialect.quote(&join.name),
            self.dialect.quote(&self.tables(source).table.name)
        );
        Ok((there, from, conditions))
    }

    /// The owners, under `alias`, whose links in a join table lead to `own`.
    fn named_once(
        &mut self,
        join: &JoinTable,
        own: &[ColumnAt],
        (source, key): (EntityId, &[FieldId]),
        alias: &str,
    ) -> (String, Vec<String>) {
        let (inner, link) = (self.alias(), self.alias());
        let owners: Vec<String> = join
            .owner
            .iter()
            .map(|column| self.name(&inner, &column.name))
            .collect();
        let owner: Vec<ColumnAt> = join
            .owner
            .iter()
            .map(|column| self.link_column(&link, column))
            .collect();
        let targets: Vec<ColumnAt> = join
            .targets
            .iter()
            .map(|column| self.link_column(&inner, column))
            .collect();
        let from = format!(
            "(SELECT DISTINCT {} FROM {} AS {inner} WHERE {}) AS {link} {} {} AS {alias} ON TRUE",
            owners.join(","),
            self.dialect.quote(&join.name),
            equal(&targets, own).join(" AND "),
            self.dialect.chain(),
            self.dialect.quote(&self.tables(source).table.name)
        );
        (from, equal(&self.columns(source, key, alias), &owner))
    }

    pub(crate) fn link_column(&self, alias: &str, column: &Column) -> ColumnAt {
        ColumnAt {
            sql: self.name(alias, &column.name),
            kind: column.kind,
            nullable: false,
        }
    }

    /// Rows of `far` through a join table that is entered by `near` columns.
    fn through(
        &mut self,
        join: &JoinTable,
        near: &[Column],
        own: &[ColumnAt],
        far: &[Column],
        (target, by): (EntityId, &[FieldId]),
    ) -> Step {
        let (link, alias) = (self.alias(), self.alias());
        let columns = |columns: &[Column]| -> Vec<ColumnAt> {
            columns.iter().map(|column| self.link_column(&link, column)).collect()
        };
        let mut conditions = equal(&columns(near), own);
        conditions.extend(equal(&self.columns(target, by, &alias), &columns(far)));
        Step {
            entity: target,
            from: format!(
                "{} AS {link} {} {} AS {alias} ON TRUE",
                self.dialect.quote(&join.name),
                self.dialect.chain(),
                self.dialect.quote(&self.tables(target).table.name)
            ),
            conditions,
            position: Some(self.name(&link, POSITION_COLUMN)),
            alias,
            once: None,
        }
    }
}

impl Compiler<'_> {
    /// The type and the alias of the row behind a field of the row under `alias`, joined to it.
    /// None where a join could give that row more than once, or there are too many.
    pub(crate) fn joined(
        &mut self,
        joins: &mut Joins,
        entity: EntityId,
        field: FieldId,
        alias: &str,
    ) -> Result<Option<(EntityId, String)>, StoreError> {
        if let Some(known) = joins.known(alias, field) {
            return Ok(Some(known));
        }
        if joins.is_full() || !self.leads_to_one(entity, field) {
            return Ok(None);
        }
        let step = self.step(entity, field, alias)?;
        let join = format!(" LEFT JOIN {} ON {}", step.from, step.conditions.join(" AND "));
        let row = (step.entity, step.alias);
        joins.add(alias, field, row.clone(), &join);
        Ok(Some(row))
    }

    /// Whether an index keeps the values unique by which a field leads to its row.
    pub(crate) fn leads_to_one(&self, entity: EntityId, field: FieldId) -> bool {
        let (target, by) = match &self.entity(entity).field(field).kind {
            FieldKind::Reference { target, by } => (*target, by.as_slice()),
            FieldKind::Inverse {
                source,
                field: back,
                many: false,
            } if matches!(self.entity(*source).field(*back).kind, FieldKind::Reference { .. }) => {
                (*source, std::slice::from_ref(back))
            }
            _ => return false,
        };
        let target = self.entity(target);
        // The place in a list may be a part of the key that no field has.
        let is_key = target.key == by && !target.positional;
        is_key || matches!(by, [one] if target.field(*one).unique)
    }
}

pub(crate) fn equal(left: &[ColumnAt], right: &[ColumnAt]) -> Vec<String> {
    left.iter()
        .zip(right)
        .map(|(left, right)| format!("{}={}", left.sql, right.sql))
        .collect()
}
