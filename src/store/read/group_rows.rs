//! The rows that are grouped, with the values that matter of them, and rows of nulls for groups
//! that are filled in. Knows keys; makes no group.

use std::collections::HashMap;

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    layout::{ColumnKind, POSITION_COLUMN, ROW_COLUMN},
    query::{GroupKey, GroupTerm, Grouped, GroupedBy, Order, Span},
    store::{
        db::{dialect::SpansOf, made::Bounds},
        error::StoreError,
    },
    value::Scalar,
};

use super::{
    compiler::{ColumnAt, Compiler},
    joins::Joins,
    statement::BindForm,
};

/// The number of a row, by which rows are told from groups that were filled in, and from other
/// rows.
const NUMBER: &str = "r";

/// The rows that are grouped, in the making.
#[derive(Default)]
pub(crate) struct Source {
    pub columns: Vec<Column>,
    /// The tables of the rows that are keys, or that have some.
    pub joins: String,
    /// Those rows, each with the way to it.
    joined: Vec<(Vec<FieldId>, EntityId, String)>,
    pub keys: Vec<Key>,
    /// Fields of which something is computed, each a column: of which rows, and which field.
    pub fields: Vec<(Option<usize>, FieldId, ColumnAt)>,
    /// The other rows of which something is computed.
    pub led: Vec<Led>,
    /// Columns of the rows that are keys, by which groups are ordered: the place of the order, and
    /// the column.
    pub behind: Vec<(usize, ColumnAt)>,
}

/// A column of the rows.
pub(crate) struct Column {
    pub sql: String,
    pub name: String,
    kind: ColumnKind,
    pub of: Of,
}

/// What has a value in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Each row: it tells groups apart, or is the same in all rows of one.
    Key,
    /// The rows that are grouped.
    Rows,
    /// The other rows at this place.
    Led(usize),
}

/// Other rows, beside the one that leads to them.
pub(crate) struct Led {
    tables: String,
    conditions: Vec<String>,
}

/// A key, as a column of the rows.
pub(crate) struct Key {
    pub column: ColumnAt,
    pub kind: KeyKind,
    /// By what groups with different keys are told apart in order.
    pub order: Vec<ColumnAt>,
}

#[derive(Clone, Copy)]
pub(crate) enum KeyKind {
    Value,
    /// The number of a row of this type.
    Row(EntityId),
    /// The beginning of a span of time of values of this kind.
    Span(ColumnKind),
}

impl Compiler<'_> {
    /// The rows with what matters of them.
    pub(crate) fn group_source(&mut self, grouped: &Grouped, alias: &str) -> Result<Source, StoreError> {
        let entity = grouped.select.entity;
        let mut source = Source::default();
        for (at, key) in grouped.keys.iter().enumerate() {
            let root = alias;
            let (entity, alias) = self.row_at((entity, alias), &key.path, &mut source)?;
            match &key.by {
                GroupedBy::Value => self.value_key((entity, key.field), at, &alias, &mut source)?,
                GroupedBy::Row => self.row_key(grouped, at, root, &mut source)?,
                GroupedBy::Span(span) => {
                    let column = self.column(entity, key.field, &alias)?;
                    let (kind, spans) = (column.kind, self.spans_of(span, column.kind));
                    let sql = self.dialect.span(&column.sql, &spans);
                    match span.unit.is_number() {
                        true => source.key_of(at, whole_int(sql), KeyKind::Value),
                        false => source.key_of(at, ColumnAt { sql, ..column }, KeyKind::Span(kind)),
                    }
                }
            }
        }
        self.measured_columns(grouped, (None, Of::Rows), (entity, alias), &mut source)?;
        // A group that is only filled in has none of the rows, and other rows are none of them.
        if is_filled(grouped) || !grouped.led.is_empty() {
            source.add(NUMBER.to_owned(), whole(self.name(alias, ROW_COLUMN)), Of::Rows);
        }
        for (at, led) in grouped.led.iter().enumerate() {
            let (there, tables, mut conditions) = self.rows_led_to((entity, led.field), alias)?;
            if let Some(filter) = &led.filter {
                conditions.push(self.filter(led.entity, &there, filter)?);
            }
            let number = whole(self.name(&there, ROW_COLUMN));
            source.add(number_of(Some(at)), number, Of::Led(at));
            self.measured_columns(grouped, (Some(at), Of::Led(at)), (led.entity, &there), &mut source)?;
            source.led.push(Led { tables, conditions });
        }
        Ok(source)
    }

    /// The columns of which something is computed.
    fn measured_columns(
        &mut self,
        grouped: &Grouped,
        (of, column_of): (Option<usize>, Of),
        (entity, alias): (EntityId, &str),
        source: &mut Source,
    ) -> Result<(), StoreError> {
        let measures = grouped.measures().into_iter().filter(|measure| measure.of == of);
        for field in measures.filter_map(|measure| measure.measure.field()) {
            let is_known = |(rows, known, _): &(Option<usize>, FieldId, _)| *rows == of && *known == field;
            if !source.fields.iter().any(is_known) {
                let name = format!("c{}", source.fields.len());
                let column = source.add(name, self.column(entity, field, alias)?, column_of);
                source.fields.push((of, field, column));
            }
        }
        Ok(())
    }

    fn value_key(
        &mut self,
        (entity, field): (EntityId, FieldId),
        at: usize,
        alias: &str,
        source: &mut Source,
    ) -> Result<(), StoreError> {
        let mut column = self.column(entity, field, alias)?;
        if column.kind == ColumnKind::Scalar(Scalar::Float) {
            // Zero has one sign.
            column.sql = format!("({}+0.0)", column.sql);
        }
        // Groups come in the order in which an enum's values are declared.
        let place = match &self.entity(entity).field(field).kind {
            FieldKind::Leaf {
                leaf: leaf @ Leaf::Enum(_),
                ..
            } => Some(self.declared(*leaf, column.clone())),
            _ => None,
        };
        source.key_of(at, column, KeyKind::Value);
        if let Some(place) = place {
            let place = source.add(format!("k{at}_0"), place, Of::Key);
            source
                .keys
                .last_mut()
                .into_iter()
                .for_each(|key| key.order = vec![place.clone()]);
        }
        Ok(())
    }

    /// The row at the end of a path from the row under an alias, joined to it: its type and alias.
    fn row_at(
        &mut self,
        (entity, alias): (EntityId, &str),
        path: &[FieldId],
        source: &mut Source,
    ) -> Result<(EntityId, String), StoreError> {
        let Some((field, before)) = path.split_last() else {
            return Ok((entity, alias.to_owned()));
        };
        if let Some((_, entity, alias)) = source.joined.iter().find(|(known, ..)| known == path) {
            return Ok((*entity, alias.clone()));
        }
        let (entity, alias) = self.row_at((entity, alias), before, source)?;
        let step = self.step(entity, *field, &alias)?;
        let is_only = matches!(self.entity(entity).field(*field).kind, FieldKind::Reference { .. });
        source.joins.push_str(&match is_only {
            true => format!(" LEFT JOIN {} ON {}", step.from, step.conditions.join(" AND ")),
            // Of several rows that name this one, whichever the field gives.
            false => {
                let inner = self.step(entity, *field, &alias)?;
                format!(
                    " LEFT JOIN {} ON {}=(SELECT {} FROM {} WHERE {} LIMIT 1)",
                    step.from,
                    self.name(&step.alias, ROW_COLUMN),
                    self.name(&inner.alias, ROW_COLUMN),
                    inner.from,
                    inner.conditions.join(" AND ")
                )
            }
        });
        source.joined.push((path.to_vec(), step.entity, step.alias.clone()));
        Ok((step.entity, step.alias))
    }

    /// A row that is a key: its number tells groups apart, its own key orders them.
    fn row_key(&mut self, grouped: &Grouped, at: usize, alias: &str, source: &mut Source) -> Result<(), StoreError> {
        let key = grouped.keys.get(at).ok_or_else(no_key)?;
        let way: Vec<FieldId> = key.path.iter().copied().chain([key.field]).collect();
        let from = (grouped.select.entity, alias);
        let (target, there) = self.row_at(from, &way, source)?;
        let number = source.add(format!("k{at}"), whole(self.name(&there, ROW_COLUMN)), Of::Key);
        let mut order = self.columns(target, &self.entity(target).key, &there);
        if self.entity(target).positional {
            order.push(whole(self.name(&there, POSITION_COLUMN)));
        }
        let order = order.into_iter().enumerate();
        let order = order
            .map(|(part, column)| source.add(format!("k{at}_{part}"), column, Of::Key))
            .collect();
        source.keys.push(Key {
            column: number,
            kind: KeyKind::Row(target),
            order,
        });
        for (place, order) in grouped.order.iter().enumerate() {
            match &order.by {
                GroupTerm::Behind { key, path, field, form } if *key == at => {
                    let order = Order {
                        path: path.clone(),
                        field: *field,
                        form: form.clone(),
                        direction: order.direction,
                        nulls: order.nulls,
                    };
                    let column = self.order_column((target, &there), &order, path, &mut Joins::closed())?;
                    let column = source.add(format!("o{place}"), column, Of::Key);
                    source.behind.push((place, column));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `SELECT …` of the rows, and of the other rows behind each of them beside its keys: each row
    /// stands there once, so that no total is counted over another one's rows.
    pub(crate) fn group_rows(&self, source: &Source, table: &str, condition: Option<&str>) -> String {
        let own = condition.map(str::to_owned).into_iter();
        let mut all = vec![self.rows_from(source, Of::Rows, &format!("{table}{}", source.joins), own)];
        for (at, led) in source.led.iter().enumerate() {
            let conditions = condition.map(str::to_owned).into_iter();
            let conditions = conditions.chain(led.conditions.iter().cloned());
            let from = format!("{table}{},{}", source.joins, led.tables);
            all.push(self.rows_from(source, Of::Led(at), &from, conditions));
        }
        all.join(" UNION ALL ")
    }

    fn rows_from(&self, source: &Source, of: Of, from: &str, conditions: impl Iterator<Item = String>) -> String {
        let columns = source.columns.iter().map(|column| {
            let (name, sql) = (&column.name, &column.sql);
            match column.of == Of::Key || column.of == of {
                true => format!("{sql} AS {name}"),
                false => format!("{} AS {name}", self.dialect.null(column.kind)),
            }
        });
        let conditions: Vec<String> = conditions.collect();
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!(
            "SELECT {} FROM {from}{condition}",
            columns.collect::<Vec<_>>().join(",")
        )
    }

    fn spans_of<'s>(&mut self, span: &'s Span, kind: ColumnKind) -> SpansOf<'s> {
        let duration = BindForm::Column(ColumnKind::Scalar(Scalar::Duration));
        SpansOf {
            kind,
            unit: span.unit,
            zone: span.zone.as_deref(),
            shift: span.shift.as_ref().map(|shift| self.bind(shift, duration)),
        }
    }

    /// The rows, and one of nulls for each group that may be without any: each span between the
    /// first and the last one, with whatever other keys there are.
    pub(crate) fn filled(&mut self, grouped: &Grouped, source: &Source, rows: &str) -> String {
        let [table, cells] = [(); 2].map(|()| format!("_{}", self.alias()));
        let others = self.alias();
        let mut from = Vec::new();
        let mut spans = HashMap::new();
        for (at, key) in grouped.keys.iter().enumerate() {
            let (GroupedBy::Span(span), Some(own)) = (&key.by, source.keys.get(at)) else {
                continue;
            };
            if !span.fill {
                continue;
            }
            let kind = match own.kind {
                KeyKind::Span(kind) => kind,
                KeyKind::Value | KeyKind::Row(_) => own.column.kind,
            };
            let (name, alias) = (format!("k{at}"), self.alias());
            let of = self.spans_of(span, kind);
            let all = self.dialect.spans(&table, &name, &of, self.bounds.rows);
            from.push(format!("({all}) AS {alias}"));
            spans.insert(name, format!("{alias}.b"));
        }
        let keys = source.columns.iter().filter(|column| column.of == Of::Key);
        let keys: Vec<&str> = keys.map(|column| column.name.as_str()).collect();
        let fixed: Vec<&str> = keys.iter().copied().filter(|name| !spans.contains_key(*name)).collect();
        if !fixed.is_empty() {
            from.insert(
                0,
                format!("(SELECT DISTINCT {} FROM {table}) AS {others}", fixed.join(",")),
            );
        }
        let cell = keys.iter().map(|name| match spans.get(*name) {
            Some(span) => format!("{span} AS {name}"),
            None => format!("{others}.{name}"),
        });
        let cell = cell.collect::<Vec<_>>().join(",");
        let limit = match self.bounds == Bounds::ENDLESS {
            true => String::new(),
            false => format!(" LIMIT {}", self.bounds.rows.saturating_add(1)),
        };
        let few = match self.bounds == Bounds::ENDLESS {
            true => String::new(),
            false => {
                let within = self.dialect.within("count(*)", self.bounds);
                format!(" WHERE (SELECT {within} FROM {cells})")
            }
        };
        let plain = source.columns.iter().map(|column| column.name.as_str());
        let empty = source.columns.iter().map(|column| match column.of == Of::Key {
            true => column.name.as_str(),
            false => "NULL",
        });
        format!(
            "WITH {table} AS MATERIALIZED ({rows}),{cells} AS MATERIALIZED (SELECT {cell} FROM {}{limit}) \
             SELECT {} FROM {table} UNION ALL SELECT {} FROM {cells}{few}",
            from.join(" CROSS JOIN "),
            plain.collect::<Vec<_>>().join(","),
            empty.collect::<Vec<_>>().join(","),
        )
    }
}

/// The number of a row of those that are grouped, or of others.
pub(crate) fn number_of(of: Option<usize>) -> String {
    of.map_or_else(|| NUMBER.to_owned(), |at| format!("{NUMBER}{at}"))
}

/// Whether some groups may be without rows.
pub(crate) fn is_filled(grouped: &Grouped) -> bool {
    let is_filled = |key: &GroupKey| matches!(&key.by, GroupedBy::Span(span) if span.fill);
    grouped.keys.iter().any(is_filled)
}

impl Source {
    /// A key that is a column of its own.
    fn key_of(&mut self, at: usize, column: ColumnAt, kind: KeyKind) {
        let column = self.add(format!("k{at}"), column, Of::Key);
        let order = vec![column.clone()];
        self.keys.push(Key { column, kind, order });
    }

    /// Adds a column under a name, by which it is known from then on.
    fn add(&mut self, name: String, column: ColumnAt, of: Of) -> ColumnAt {
        self.columns.push(Column {
            sql: column.sql,
            name: name.clone(),
            kind: column.kind,
            of,
        });
        ColumnAt {
            sql: name,
            kind: column.kind,
            nullable: true,
        }
    }

    pub(crate) fn key(&self, at: usize) -> Result<&Key, StoreError> {
        self.keys.get(at).ok_or_else(no_key)
    }
}

pub(crate) fn no_key() -> StoreError {
    StoreError::Internal("a key that is not there".to_owned())
}

/// A small number that is a key.
fn whole_int(sql: String) -> ColumnAt {
    ColumnAt {
        kind: ColumnKind::Scalar(Scalar::Int),
        ..whole(sql)
    }
}

fn whole(sql: String) -> ColumnAt {
    ColumnAt {
        sql,
        kind: ColumnKind::Scalar(Scalar::BigInt),
        nullable: true,
    }
}
