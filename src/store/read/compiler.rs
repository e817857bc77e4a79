//! What the parts of the compiler share: the model, and the binds so far. Knows the columns of a
//! type; no way through its rows.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use crate::{
    catalog::{Catalog, Entity, EntityId, Field, FieldId, FieldKind, Leaf, PartOf},
    layout::{ColumnKind, EntityTables, Layout, POSITION_COLUMN, ROW_COLUMN},
    query::{Direction, Nulls, Operand, Order, Output, OutputValue, Select},
    store::{
        db::{dialect::Dialect, made::Bounds},
        error::StoreError,
    },
    value::Scalar,
};

use super::{
    joins::Joins,
    shown::Wanted,
    statement::{Bind, BindForm},
};

/// Bytes of one statement's text; a legitimate one has a few thousand.
const SQL_MAX: usize = 1_000_000;

/// The table of operands. No table of a definition begins with an underscore.
pub(crate) const OPERANDS: &str = "_operands";

/// Where the operands of a statement are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operands {
    /// Among its parameters.
    Numbered,
    /// Those that may differ in the columns of a table, so that it is answered for each of its
    /// rows.
    Columns,
}

/// One column of a table under an alias.
#[derive(Clone)]
pub(crate) struct ColumnAt {
    pub sql: String,
    pub kind: ColumnKind,
    pub nullable: bool,
}

/// What the parts of the compiler share: the model, and the binds so far.
pub(crate) struct Compiler<'a> {
    pub catalog: &'a Catalog,
    pub layout: &'a Layout,
    pub dialect: &'a dyn Dialect,
    pub bounds: Bounds,
    pub(crate) operands: Operands,
    pub(crate) binds: Vec<Bind>,
    /// What becomes of texts that are searched, after the statement.
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) aliases: usize,
    /// The select whose filter is being compiled has an offset.
    pub(crate) skips_rows: bool,
    /// The select that is being compiled, or one around it, wants only so many rows.
    pub(crate) bounded: bool,
    /// The lists whose items are looked at, each with the expression of the item at hand.
    pub(crate) items: Vec<(FieldId, String)>,
    /// The types whose tables the statement reads.
    pub(crate) types: RefCell<BTreeSet<EntityId>>,
    /// Those whose rows are taken as they were at a moment, while such a root is compiled.
    pub(crate) past: Option<RefCell<BTreeSet<EntityId>>>,
}

/// What statements are compiled by.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    pub catalog: &'a Catalog,
    pub layout: &'a Layout,
    pub dialect: &'a dyn Dialect,
    /// What an answer may have.
    pub bounds: Bounds,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(base: Base<'a>) -> Self {
        Compiler {
            operands: Operands::Numbered,
            catalog: base.catalog,
            layout: base.layout,
            dialect: base.dialect,
            bounds: base.bounds,
            binds: Vec::new(),
            wanted: Vec::new(),
            aliases: 0,
            skips_rows: false,
            bounded: false,
            items: Vec::new(),
            types: RefCell::default(),
            past: None,
        }
    }

    pub(crate) fn checked(&self, sql: String) -> Result<Arc<str>, StoreError> {
        if self.binds.len() > self.dialect.max_params() {
            let text = format!(
                "{} operands, at most {} fit",
                self.binds.len(),
                self.dialect.max_params()
            );
            return Err(StoreError::TooLarge(text));
        }
        if sql.len() > SQL_MAX {
            return Err(StoreError::TooLarge(format!(
                "a statement of {} bytes, at most {SQL_MAX} fit",
                sql.len()
            )));
        }
        Ok(sql.into())
    }

    pub(crate) fn entity(&self, id: EntityId) -> &'a Entity {
        self.catalog.entity(id)
    }

    pub(crate) fn tables(&self, id: EntityId) -> &'a EntityTables {
        self.types.borrow_mut().insert(id);
        self.laid(id)
    }

    pub(crate) fn types(&self) -> Arc<[EntityId]> {
        self.types.borrow().iter().copied().collect()
    }

    /// A table alias that no other part of the statement uses.
    pub(crate) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    /// The placeholder of an operand; equal ones share one.
    pub(crate) fn bind(&mut self, operand: &Operand, form: BindForm) -> String {
        let bind = Bind {
            operand: operand.clone(),
            form,
        };
        let (kind, is_column) = (bind.kind(), self.operands == Operands::Columns && bind.may_differ());
        let at = match self.binds.iter().position(|known| *known == bind) {
            Some(at) => at,
            None => {
                self.binds.push(bind);
                self.binds.len() - 1
            }
        };
        if is_column {
            return format!("{OPERANDS}.p{at}");
        }
        let is_counted = |known: &&Bind| self.operands == Operands::Numbered || !known.may_differ();
        let number = self.binds.iter().take(at + 1).filter(is_counted).count();
        self.dialect.param(number, kind)
    }

    /// `alias."name"`.
    pub(crate) fn name(&self, alias: &str, name: &str) -> String {
        format!("{alias}.{}", self.dialect.quote(name))
    }

    /// The columns of fields of an entity's table, in order; of a part of what a field holds, its
    /// expression.
    pub(crate) fn columns(&self, entity: EntityId, fields: &[FieldId], alias: &str) -> Vec<ColumnAt> {
        fields
            .iter()
            .flat_map(|field| self.columns_of(entity, *field, alias))
            .collect()
    }

    fn columns_of(&self, entity: EntityId, field: FieldId, alias: &str) -> Vec<ColumnAt> {
        let own = self.entity(entity);
        let base = own.base(field);
        let columns = self.tables(entity).table.columns.iter();
        let columns = columns.filter(|column| column.field == base).map(|column| ColumnAt {
            sql: self.name(alias, &column.name),
            kind: column.kind,
            nullable: column.nullable,
        });
        let Some(derived) = own.derived(field) else {
            return columns.collect();
        };
        match &derived.part {
            PartOf::Key(at) => columns.skip(*at).take(1).collect(),
            PartOf::Member(way) => columns
                .map(|column| self.member(&column.sql, way, &derived.field))
                .collect(),
            PartOf::Item { list, way } => {
                let item = self.items.iter().rev().find(|(known, _)| known == list);
                item.map(|(_, item)| match way.is_empty() {
                    true => ColumnAt {
                        sql: item.clone(),
                        kind: ColumnKind::Document,
                        nullable: true,
                    },
                    false => self.member(item, way, &derived.field),
                })
                .into_iter()
                .collect()
            }
            PartOf::Count => Vec::new(),
        }
    }

    /// A member of a value in the form in which a column holds such a value.
    fn member(&self, document: &str, way: &[String], field: &Field) -> ColumnAt {
        let kind = match &field.kind {
            FieldKind::Leaf { leaf, list: None } => leaf_kind(*leaf),
            _ => ColumnKind::Document,
        };
        ColumnAt {
            sql: self.dialect.value_member(document, way, kind),
            kind,
            nullable: !field.required,
        }
    }

    /// The one column of a leaf or document field.
    pub(crate) fn column(&self, entity: EntityId, field: FieldId, alias: &str) -> Result<ColumnAt, StoreError> {
        self.columns(entity, &[field], alias).into_iter().next().ok_or_else(|| {
            let entity = self.entity(entity);
            StoreError::Internal(format!(
                "{}.{} holds no value of its own",
                entity.name,
                entity.field(field).name
            ))
        })
    }

    pub(crate) fn root(&mut self, select: &Select, one: bool) -> Result<String, StoreError> {
        if !one && let Some(sql) = self.led(select)? {
            return Ok(sql);
        }
        let alias = self.alias();
        let from = self.table(select.entity, &alias);
        let limit = if one { Some(" LIMIT 1".to_owned()) } else { None };
        self.rows(select, &alias, &from, Vec::new(), None, limit)
    }

    /// A list of rows that others lead to, or that is put together of parts; none where neither
    /// pays.
    fn led(&mut self, select: &Select) -> Result<Option<String>, StoreError> {
        if let Some(sql) = self.led_by_items(select)? {
            return Ok(Some(sql));
        }
        match self.led_by_links(select)? {
            Some(sql) => Ok(Some(sql)),
            None => self.first_rows(select),
        }
    }

    /// The table of a type under an alias.
    pub(crate) fn table(&self, entity: EntityId, alias: &str) -> String {
        format!("{} AS {alias}", self.dialect.quote(&self.tables(entity).table.name))
    }

    /// `SELECT json FROM … WHERE … ORDER BY … LIMIT …` of one select. `position` is the default
    /// order of links and nested rows.
    pub(crate) fn rows(
        &mut self,
        select: &Select,
        alias: &str,
        from: &str,
        conditions: Vec<String>,
        position: Option<String>,
        limit: Option<String>,
    ) -> Result<String, StoreError> {
        let outside = self.bounded;
        self.bounded |= select.first.is_some() || limit.is_some();
        let sql = self.select(select, alias, from, conditions, position, limit);
        self.bounded = outside;
        sql
    }

    pub(crate) fn select(
        &mut self,
        select: &Select,
        alias: &str,
        from: &str,
        mut conditions: Vec<String>,
        position: Option<String>,
        limit: Option<String>,
    ) -> Result<String, StoreError> {
        // Databases may make the lists of rows that are cut off then: those say nothing about the
        // answer.
        let cut = select.first.is_some() || select.offset.is_some();
        let outside = self.bounds;
        if cut {
            self.bounds = Bounds::ENDLESS;
        }
        let joins = &mut Joins::default();
        let led = !conditions.is_empty();
        // Chosen by their numbers, and made afterwards.
        let chosen = makes_skipped(select).then(|| self.alias());
        let object = match &chosen {
            Some(chosen) => self.numbered(select.entity, &select.output, &format!("{chosen}.r")),
            None => {
                // A row that is not wanted in the end is not to be joined with others.
                let outputs = (!cut && self.dialect.joins_rows()).then_some(&mut *joins);
                self.object(select.entity, alias, &select.output, outputs)
            }
        };
        self.bounds = outside;
        let object = object?;
        if let Some(filter) = &select.filter {
            let outer = std::mem::replace(&mut self.skips_rows, select.offset.is_some());
            let condition = self.filter(select.entity, alias, filter);
            self.skips_rows = outer;
            conditions.push(condition?);
        }
        let end = match limit {
            Some(limit) => limit,
            None => {
                let order = self.order(select, alias, (position, led), joins)?;
                format!(" ORDER BY {order}{}", self.limit(select))
            }
        };
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let rest = format!("FROM {from}{}{condition}{end}", joins.sql());
        // What is made of a row is made after the others were skipped.
        let skipped = select.offset.is_some() && self.dialect.makes_skipped();
        Ok(match chosen {
            None if skipped => format!("SELECT {object} AS json FROM (SELECT {alias}.* {rest}) AS {alias}"),
            Some(chosen) => {
                let row = self.name(alias, ROW_COLUMN);
                format!("SELECT {object} AS json FROM (SELECT {row} AS r {rest}) AS {chosen}")
            }
            None => format!("SELECT {object} AS json {rest}"),
        })
    }

    /// What rows are ordered by; `position` is the default order of links and nested rows, and
    /// `led` says that another row leads to them.
    pub(crate) fn order(
        &mut self,
        select: &Select,
        alias: &str,
        (position, led): (Option<String>, bool),
        joins: &mut Joins,
    ) -> Result<String, StoreError> {
        let mut terms = Vec::new();
        for order in &select.order {
            terms.push(self.order_term((select.entity, alias), order, led, joins)?);
        }
        match (select.ranked_by(), position) {
            (Some(search), _) => terms.push(format!("{} DESC", self.rank(select.entity, alias, search).sql)),
            (None, Some(position)) if select.order.is_empty() => terms.push(position),
            _ => {}
        }
        terms.extend(self.key_order(select.entity, alias));
        Ok(terms.join(","))
    }

    /// The columns of the key, position included; they break every tie.
    pub(crate) fn key_order(&self, entity: EntityId, alias: &str) -> Vec<String> {
        let columns = self.columns(entity, &self.entity(entity).key, alias);
        let mut terms: Vec<String> = columns
            .iter()
            .map(|column| format!("{}{}", column.sql, self.dialect.collate(column.kind)))
            .collect();
        if self.entity(entity).positional {
            terms.push(self.name(alias, POSITION_COLUMN));
        }
        terms
    }

    fn order_term(
        &mut self,
        (entity, alias): (EntityId, &str),
        order: &Order,
        led: bool,
        joins: &mut Joins,
    ) -> Result<String, StoreError> {
        let column = self.order_column((entity, alias), order, &order.path, joins)?;
        let direction = match order.direction {
            Direction::Ascending => "",
            Direction::Descending => " DESC",
        };
        let nulls = match order.nulls {
            _ if !column.nullable => self.nulls_of_none(entity, order, led),
            Nulls::First => " NULLS FIRST",
            Nulls::Last => " NULLS LAST",
        };
        Ok(format!(
            "{}{}{direction}{nulls}",
            column.sql,
            self.dialect.collate(column.kind)
        ))
    }

    /// What an order goes by, behind the rest of its path: a leaf of the entity, or of the row
    /// behind a chain of to-one fields: that row joined, or a
    /// subquery where it could be one of several.
    pub(crate) fn order_column(
        &mut self,
        (entity, alias): (EntityId, &str),
        order: &Order,
        path: &[FieldId],
        joins: &mut Joins,
    ) -> Result<ColumnAt, StoreError> {
        let Some((first, rest)) = path.split_first() else {
            let column = self.order_value(entity, order.field, alias)?;
            return Ok(self.formed(column, &order.form));
        };
        if let Some((target, there)) = self.joined(joins, entity, *first, alias)? {
            let column = self.order_column((target, &there), order, rest, joins)?;
            return Ok(ColumnAt {
                nullable: true,
                ..column
            });
        }
        let step = self.step(entity, *first, alias)?;
        let mut inside = Joins::default();
        let inner = self.order_column((step.entity, &step.alias), order, rest, &mut inside)?;
        let sql = format!(
            "(SELECT {} FROM {}{} WHERE {} LIMIT 1)",
            inner.sql,
            step.from,
            inside.sql(),
            step.conditions.join(" AND ")
        );
        Ok(ColumnAt {
            sql,
            nullable: true,
            ..inner
        })
    }

    /// What rows are ordered by: a column, the place of an enum's value among those that are
    /// declared, or how many rows there are behind a field.
    fn order_value(&mut self, entity: EntityId, field: FieldId, alias: &str) -> Result<ColumnAt, StoreError> {
        let own = self.entity(entity);
        if own.derived(field).is_some_and(|derived| derived.part == PartOf::Count) {
            let step = self.step(entity, own.base(field), alias)?;
            let (from, conditions) = step.once.unwrap_or((step.from, step.conditions));
            let sql = format!("(SELECT count(*) FROM {from} WHERE {})", conditions.join(" AND "));
            return Ok(ColumnAt {
                sql,
                kind: ColumnKind::Scalar(Scalar::Int),
                nullable: false,
            });
        }
        let column = self.column(entity, field, alias)?;
        Ok(match &own.field(field).kind {
            FieldKind::Leaf { leaf, .. } => self.declared(*leaf, column),
            _ => column,
        })
    }

    /// A value of an enum by its place.
    pub(crate) fn declared(&self, leaf: Leaf, column: ColumnAt) -> ColumnAt {
        let Leaf::Enum(id) = leaf else {
            return column;
        };
        let values = self.catalog.enumeration(id).values.iter().enumerate();
        let places: Vec<String> = values
            .map(|(at, value)| format!("WHEN {} THEN {at}", self.dialect.literal(&value.name)))
            .collect();
        ColumnAt {
            sql: format!("(CASE {} {} END)", column.sql, places.join(" ")),
            kind: ColumnKind::Scalar(Scalar::Int),
            nullable: true,
        }
    }

    pub(crate) fn limit(&mut self, select: &Select) -> String {
        let first = select.first.as_ref().map(|first| self.bind(first, BindForm::Count));
        let offset = select.offset.as_ref().map(|offset| self.bind(offset, BindForm::Count));
        let first = match self.dialect.cut(first.as_deref(), self.bounds) {
            None if offset.is_some() => Some(self.dialect.no_limit().to_owned()),
            first => first,
        };
        let first = first.map_or(String::new(), |first| format!(" LIMIT {first}"));
        let offset = offset.map_or(String::new(), |offset| format!(" OFFSET {offset}"));
        first + &offset
    }
}

fn leaf_kind(leaf: Leaf) -> ColumnKind {
    match leaf {
        Leaf::Scalar(scalar) => ColumnKind::Scalar(scalar),
        Leaf::Enum(_) => ColumnKind::Enum,
    }
}

/// Whether rows that are skipped would be made with all that they lead to: PostgreSQL makes them
/// all, SQLite where it sorts. Of a row's own columns that costs less than to look it up again.
fn makes_skipped(select: &Select) -> bool {
    let leads_on = |output: &Output| {
        !matches!(
            output.value,
            OutputValue::Text(_) | OutputValue::NodeId(_) | OutputValue::Leaf(_)
        )
    };
    select.offset.is_some() && select.output.iter().any(leads_on)
}
