//! Rows that are found by what lies behind their links: the rows there are looked for first, and
//! lead back. Knows when that pays, where the database does not find the way by itself; no other
//! condition.
//!
//! `items(where: {requiredFor: {some: {quest: {npc: {name: {eq: "Ann"}}}}}})` goes from Ann to her
//! quests, their lines and the items, unless these are many: then the first items that meet the
//! condition are found sooner one by one.

use crate::{
    catalog::{Compare, EntityId, FieldId, FieldKind},
    query::{Filter, Quantifier, Select},
    store::error::StoreError,
};

use super::{
    compiler::{ColumnAt, Compiler},
    items,
    relation::equal,
    two_ways::conjuncts,
};

/// Rows that may be looked at to find those that lead, where no index does: about a millisecond.
const LOOKED_THROUGH: u32 = 20_000;
/// Links on the way; each is a table of a join.
const LINKS_MAX: usize = 6;

/// The way back to the rows.
struct Back {
    /// Columns of the rows, and what they must be among.
    near: Vec<ColumnAt>,
    far: Vec<ColumnAt>,
    /// The tables on the way and the conditions between each of them and the one before.
    tables: Vec<(String, Vec<String>)>,
    /// The rows that lead, and their condition.
    leads: EntityId,
    condition: String,
    by_index: bool,
}

/// One link: the columns on this side and on that, the tables on that side, and the alias of the
/// rows there.
struct Link {
    near: Vec<ColumnAt>,
    far: Vec<ColumnAt>,
    tables: Vec<(String, Vec<String>)>,
    entity: EntityId,
    alias: String,
}

impl Compiler<'_> {
    /// A list of rows of a select whose filter goes by what lies behind a link; none where the
    /// database turns such a condition round by itself, or nothing would be gained.
    pub(crate) fn led_by_links(&mut self, select: &Select) -> Result<Option<String>, StoreError> {
        let mut conditions = Vec::new();
        conjuncts(select.filter.as_ref(), &mut conditions);
        let at = conditions.iter().position(|filter| behind(filter).is_some());
        let Some(at) = at.filter(|_| !self.dialect.turns_conditions()) else {
            return Ok(None);
        };
        let lead = conditions.remove(at);
        // Few rows are left to be looked at one by one.
        if conditions.iter().any(|other| is_narrow(other)) {
            return Ok(None);
        }
        let outer = (self.bounded, self.skips_rows);
        (self.bounded, self.skips_rows) = (self.bounded || select.first.is_some(), select.offset.is_some());
        let sql = self.there_and_back(select, lead, &conditions);
        (self.bounded, self.skips_rows) = outer;
        sql
    }

    fn there_and_back(
        &mut self,
        select: &Select,
        lead: &Filter,
        others: &[&Filter],
    ) -> Result<Option<String>, StoreError> {
        let aliases = self.aliases;
        let (one_by_one, found) = (self.alias(), self.alias());
        let Some(back) = self.back(select.entity, &found, lead)? else {
            self.aliases = aliases;
            return Ok(None);
        };
        let mut tables = back.tables.iter().rev();
        let Some((first, _)) = tables.next() else {
            return Ok(None);
        };
        let mut from = first.clone();
        for ((_, conditions), (table, _)) in back.tables.iter().rev().zip(tables) {
            from = format!(
                "{from} {} {table} ON {}",
                self.dialect.chain(),
                conditions.join(" AND ")
            );
        }
        let from = format!("FROM {from} WHERE {}", back.condition);
        let few = items::few(self, &self.tables(select.entity).table.name.clone());
        let counted = format!("(SELECT 1 {from} LIMIT 1 OFFSET {few}) IS NOT NULL");
        let many = match back.by_index {
            true => counted,
            false => format!(
                "CASE WHEN {}>{LOOKED_THROUGH} THEN 1 ELSE {counted} END",
                self.highest_row(back.leads)
            ),
        };
        let among = format!(
            "{} IN (SELECT {} {from})",
            list(&back.near, true),
            list(&back.far, false)
        );
        let each = self.filter(select.entity, &one_by_one, lead)?;
        self.either(select, &many, [(one_by_one, each), (found, among)], others)
            .map(Some)
    }

    /// The way back to the rows under an alias; none where an index is missing on it.
    fn back(&mut self, entity: EntityId, alias: &str, lead: &Filter) -> Result<Option<Back>, StoreError> {
        let Some((field, mut inside)) = behind(lead) else {
            return Ok(None);
        };
        let Some(mut link) = self.link(entity, alias, field)? else {
            return Ok(None);
        };
        let (near, far) = (link.near, link.far);
        let mut tables = link.tables;
        for _ in 1..LINKS_MAX {
            let Some((field, further)) = behind(inside) else {
                break;
            };
            let Some(next) = self.link(link.entity, &link.alias.clone(), field)? else {
                return Ok(None);
            };
            let mut there = next.tables.into_iter();
            if let Some((table, mut conditions)) = there.next() {
                conditions.extend(equal(&next.near, &next.far));
                tables.push((table, conditions));
            }
            tables.extend(there);
            (link.entity, link.alias, inside) = (next.entity, next.alias, further);
        }
        // Any row will do.
        if matches!(inside, Filter::And(all) if all.is_empty()) {
            return Ok(None);
        }
        Ok(Some(Back {
            near,
            far,
            tables,
            leads: link.entity,
            condition: self.filter(link.entity, &link.alias, inside)?,
            by_index: self.is_led_by_index(link.entity, inside),
        }))
    }

    fn link(&mut self, entity: EntityId, alias: &str, field: FieldId) -> Result<Option<Link>, StoreError> {
        let own = self.entity(entity);
        let (near, target, by) = match &own.field(field).kind {
            FieldKind::Reference { target, by } if self.is_found_by(entity, field) => {
                (vec![field], *target, by.clone())
            }
            FieldKind::Inverse {
                source, field: back, ..
            } => match &self.entity(*source).field(*back).kind {
                FieldKind::Reference { by, .. } => (by.clone(), *source, vec![*back]),
                _ => return Ok(None),
            },
            FieldKind::Nested { child } => match self.entity(*child).owner {
                Some(owner) => (own.key.clone(), *child, vec![owner.parent]),
                None => return Ok(None),
            },
            FieldKind::Links { target, by } => return self.linked(entity, alias, field, (*target, by)),
            _ => return Ok(None),
        };
        let there = self.alias();
        Ok(Some(Link {
            near: self.columns(entity, &near, alias),
            far: self.columns(target, &by, &there),
            tables: vec![(self.table(target, &there), Vec::new())],
            entity: target,
            alias: there,
        }))
    }

    fn linked(
        &mut self,
        entity: EntityId,
        alias: &str,
        field: FieldId,
        (target, by): (EntityId, &[FieldId]),
    ) -> Result<Option<Link>, StoreError> {
        let Some(join) = self.layout.entity(entity).join_of(field) else {
            return Ok(None);
        };
        let (link, there) = (self.alias(), self.alias());
        let owner: Vec<ColumnAt> = join
            .owner
            .iter()
            .map(|column| self.link_column(&link, column))
            .collect();
        let targets: Vec<ColumnAt> = join
            .targets
            .iter()
            .map(|column| self.link_column(&link, column))
            .collect();
        let table = format!("{} AS {link}", self.dialect.quote(&join.name));
        let conditions = equal(&targets, &self.columns(target, by, &there));
        Ok(Some(Link {
            near: self.columns(entity, &self.entity(entity).key, alias),
            far: owner,
            tables: vec![(table, Vec::new()), (self.table(target, &there), conditions)],
            entity: target,
            alias: there,
        }))
    }

    /// Whether one of the conditions that must all hold is met by an index with one look.
    fn is_led_by_index(&self, entity: EntityId, filter: &Filter) -> bool {
        let mut all = Vec::new();
        conjuncts(Some(filter), &mut all);
        all.into_iter().any(|filter| match filter {
            Filter::Key { .. } => true,
            Filter::Compare {
                field,
                compare: Compare::Eq,
                ..
            }
            | Filter::In { field, .. } => self.is_found_by(entity, *field),
            _ => false,
        })
    }
}

/// The link and the condition on the row, or on some row, behind it.
fn behind(filter: &Filter) -> Option<(FieldId, &Filter)> {
    match filter {
        Filter::One { field, filter }
        | Filter::Many {
            field,
            quantifier: Quantifier::Some,
            filter,
        } => Some((*field, filter)),
        Filter::And(filters) => match filters.as_slice() {
            [one] => behind(one),
            _ => None,
        },
        _ => None,
    }
}

/// Whether few rows may meet a condition.
fn is_narrow(filter: &Filter) -> bool {
    match filter {
        Filter::Key { .. } | Filter::In { .. } | Filter::Has { .. } | Filter::Search { .. } => true,
        Filter::Compare { compare, .. } => *compare == Compare::Eq,
        _ => false,
    }
}

/// Columns as one value, or as those of a `SELECT`.
fn list(columns: &[ColumnAt], as_value: bool) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
    match (names.as_slice(), as_value) {
        ([one], _) => (*one).to_owned(),
        (many, true) => format!("({})", many.join(",")),
        (many, false) => many.join(","),
    }
}
