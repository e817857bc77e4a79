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

/// A table on the way, and how it is led to from the one before, or from the rows.
struct Hop {
    /// The columns there, and what they equal here.
    near: Vec<ColumnAt>,
    far: Vec<ColumnAt>,
    /// The table under its alias.
    table: String,
    alias: String,
}

/// The way back to the rows.
struct Back {
    hops: Vec<Hop>,
    /// The rows that lead, and their condition.
    leads: EntityId,
    condition: String,
    /// What of the condition an index meets, where one does and another part is looked at.
    indexed: Option<String>,
    by_index: bool,
    /// The table of the rows, where many of them may have the same link.
    rows: Option<String>,
}

/// One link: the tables on that side, the last of them with the rows there.
struct Link {
    hops: Vec<Hop>,
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
        let Some(nearest) = back.hops.first() else {
            return Ok(None);
        };
        let many = self.many_lead(select.entity, &back);
        let among = format!(
            "{} IN (SELECT {} FROM {} WHERE {})",
            list(&nearest.near, true),
            list(&nearest.far, false),
            self.from(&back.hops),
            back.condition
        );
        let each = self.filter(select.entity, &one_by_one, lead)?;
        self.either(select, &many, [(one_by_one, each), (found, among)], others)
            .map(Some)
    }

    /// The tables on the way, from the rows that lead.
    fn from(&self, hops: &[Hop]) -> String {
        let mut from = String::new();
        for (at, hop) in hops.iter().enumerate().rev() {
            from = match hops.get(at + 1) {
                Some(before) => format!(
                    "{from} {} {} ON {}",
                    self.dialect.chain(),
                    hop.table,
                    before.condition()
                ),
                None => hop.table.clone(),
            };
        }
        from
    }

    /// Whether there are many rows at any place of the way: those that lead, those of each table
    /// between, and those that are led to. None of them is looked at behind the bound.
    fn many_lead(&self, entity: EntityId, back: &Back) -> String {
        let few = items::few(self, &self.tables(entity).table.name.clone());
        let first = match (&back.indexed, back.hops.last()) {
            _ if !back.by_index => Some(format!("{}>{LOOKED_THROUGH}", self.highest_row(back.leads))),
            (Some(indexed), Some(hop)) => Some(format!(
                "(SELECT 1 FROM {} WHERE {indexed} LIMIT 1 OFFSET {few}) IS NOT NULL",
                hop.table
            )),
            _ => None,
        };
        let counted = self.counted(&few, back);
        match first {
            Some(first) => format!("CASE WHEN {first} THEN 1 ELSE {counted} END"),
            None => counted,
        }
    }

    /// Each table of the way is gone to from so many rows before it as are few, and one more.
    fn counted(&self, few: &str, back: &Back) -> String {
        let end = "LIMIT (SELECT n FROM _few)+1";
        let chain = self.dialect.chain();
        let mut places: Vec<String> = Vec::new();
        for (at, hop) in back.hops.iter().enumerate().rev() {
            let columns = list(&hop.far, false);
            places.push(match back.hops.get(at + 1) {
                Some(before) => format!(
                    "SELECT {columns} FROM _led{} AS {} {chain} {} ON {} {end}",
                    places.len(),
                    before.alias,
                    hop.table,
                    before.condition()
                ),
                None => format!("SELECT {columns} FROM {} WHERE {} {end}", hop.table, back.condition),
            });
        }
        if let (Some(rows), Some(hop)) = (&back.rows, back.hops.first()) {
            places.push(format!(
                "SELECT 1 FROM _led{} AS {} {chain} {rows} ON {} {end}",
                places.len(),
                hop.alias,
                hop.condition()
            ));
        }
        let mut tables = format!("_few(n) AS MATERIALIZED (SELECT {few})");
        let mut cases = String::new();
        for (at, place) in (1..).zip(&places) {
            tables = format!("{tables},_led{at} AS MATERIALIZED ({place})");
            cases = format!("{cases} WHEN (SELECT count(*) FROM _led{at})>(SELECT n FROM _few) THEN 1");
        }
        format!("(WITH {tables} SELECT CASE{cases} ELSE 0 END)")
    }

    /// The way back to the rows under an alias; none where an index is missing on it.
    fn back(&mut self, entity: EntityId, alias: &str, lead: &Filter) -> Result<Option<Back>, StoreError> {
        let Some((field, mut inside)) = behind(lead) else {
            return Ok(None);
        };
        let Some(mut link) = self.link(entity, alias, field)? else {
            return Ok(None);
        };
        for _ in 1..LINKS_MAX {
            let Some((field, further)) = behind(inside) else {
                break;
            };
            let Some(next) = self.link(link.entity, &link.alias.clone(), field)? else {
                return Ok(None);
            };
            link.hops.extend(next.hops);
            (link.entity, link.alias, inside) = (next.entity, next.alias, further);
        }
        // Any row will do.
        if matches!(inside, Filter::And(all) if all.is_empty()) {
            return Ok(None);
        }
        // What is made of a column is in no table that is counted.
        if !link.hops.iter().all(Hop::is_plain) {
            return Ok(None);
        }
        let indexed = self.led_by_index(link.entity, inside);
        if indexed.is_none() && !is_cheap(inside) {
            return Ok(None);
        }
        let mut all = Vec::new();
        conjuncts(Some(inside), &mut all);
        let is_part = indexed.filter(|_| all.len() > 1);
        let is_reference = matches!(self.entity(entity).field(field).kind, FieldKind::Reference { .. });
        Ok(Some(Back {
            hops: link.hops,
            leads: link.entity,
            condition: self.filter(link.entity, &link.alias, inside)?,
            indexed: is_part
                .map(|filter| self.filter(link.entity, &link.alias, filter))
                .transpose()?,
            by_index: indexed.is_some(),
            rows: is_reference.then(|| self.table(entity, alias)),
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
        let hop = Hop {
            near: self.columns(entity, &near, alias),
            far: self.columns(target, &by, &there),
            table: self.table(target, &there),
            alias: there.clone(),
        };
        Ok(Some(Link {
            hops: vec![hop],
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
        let Some(join) = self.laid(entity).join_of(field) else {
            return Ok(None);
        };
        let (link, there) = (self.alias(), self.alias());
        let of_link =
            |columns: &[_]| -> Vec<ColumnAt> { columns.iter().map(|column| self.link_column(&link, column)).collect() };
        let to_link = Hop {
            near: self.columns(entity, &self.entity(entity).key, alias),
            far: of_link(&join.owner),
            table: format!("{} AS {link}", self.dialect.quote(&join.name)),
            alias: link.clone(),
        };
        let to_rows = Hop {
            near: of_link(&join.targets),
            far: self.columns(target, by, &there),
            table: self.table(target, &there),
            alias: there.clone(),
        };
        Ok(Some(Link {
            hops: vec![to_link, to_rows],
            entity: target,
            alias: there,
        }))
    }

    /// One of the conditions that must all hold that is met by an index with one look.
    fn led_by_index<'f>(&self, entity: EntityId, filter: &'f Filter) -> Option<&'f Filter> {
        let mut all = Vec::new();
        conjuncts(Some(filter), &mut all);
        all.into_iter().find(|filter| match filter {
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

impl Hop {
    fn is_plain(&self) -> bool {
        self.far
            .iter()
            .all(|column| column.sql.starts_with(&format!("{}.", self.alias)))
    }

    fn condition(&self) -> String {
        equal(&self.near, &self.far).join(" AND ")
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

/// Whether a condition compares values of a row and no more: so many rows may be gone through.
fn is_cheap(filter: &Filter) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().all(is_cheap),
        Filter::Not(filter) => is_cheap(filter),
        Filter::Compare { .. } | Filter::In { .. } | Filter::IsNull { .. } | Filter::Key { .. } => true,
        Filter::Text { .. }
        | Filter::Json { .. }
        | Filter::Search { .. }
        | Filter::Has { .. }
        | Filter::One { .. }
        | Filter::Many { .. }
        | Filter::Items { .. } => false,
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
