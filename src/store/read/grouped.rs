//! Rows in groups: which groups there are, in which order, and what is said of each. Knows keys and
//! what is computed; no condition on a row and no page.
//!
//! Three tables within each other: the rows with the values that matter of them (`k0`, `c0`, …),
//! the groups that are wanted, in order (`m0`, …), and the JSON of each. So nothing is made of a
//! group that is not wanted, and every part has plain columns before it.

use crate::{
    query::{
        Direction, GroupMeasure, GroupOrder, GroupTerm, GroupValue, Grouped, Having, KeyValue, Measure, Member, Nulls,
        TimeKey,
    },
    store::error::StoreError,
};

use super::{
    aggregate::count,
    compiler::{ColumnAt, Compiler},
    group_rows::{Key, KeyKind, Of, Source, is_filled, no_key, number_of},
    output::Pieces,
};

/// What the rows are called where they are grouped, and the groups where their JSON is made.
struct Names {
    rows: String,
    groups: String,
}

impl Compiler<'_> {
    /// `SELECT json …` of the groups in order.
    pub(crate) fn grouped(&mut self, grouped: &Grouped) -> Result<String, StoreError> {
        let select = &grouped.select;
        let alias = self.alias();
        let names = Names {
            rows: self.alias(),
            groups: self.alias(),
        };
        let source = self.group_source(grouped, &alias)?;
        let condition = match &select.filter {
            Some(filter) => Some(self.filter(select.entity, &alias, filter)?),
            None => None,
        };
        let table = self.table(select.entity, &alias);
        let rows = self.group_rows(&source, &table, condition.as_deref());
        let rows = match is_filled(grouped) {
            true => self.filled(grouped, &source, &rows),
            false => rows,
        };
        let measures = grouped.measures();
        let groups = self.groups(grouped, &source, &names, &measures, &rows)?;
        let object = self.group_object(grouped, &source, &names, &measures)?;
        Ok(format!("SELECT {object} AS json FROM ({groups}) AS {}", names.groups))
    }

    /// The groups that are wanted, in order: their keys and what is computed of them.
    fn groups(
        &mut self,
        grouped: &Grouped,
        source: &Source,
        names: &Names,
        measures: &[GroupMeasure],
        rows: &str,
    ) -> Result<String, StoreError> {
        let at = |name: &str| format!("{}.{name}", names.rows);
        let mut columns: Vec<String> = (0..source.keys.len()).map(|key| at(&format!("k{key}"))).collect();
        for (number, measure) in measures.iter().enumerate() {
            columns.push(format!("{} AS m{number}", self.measured(source, names, *measure)?.sql));
        }
        let by = source.columns.iter().filter(|column| column.of == Of::Key);
        let by: Vec<String> = by.map(|column| at(&column.name)).collect();
        let having = match &grouped.having {
            Some(having) => format!(" HAVING {}", self.having(source, names, having)?),
            None => String::new(),
        };
        let mut order = Vec::new();
        for (place, term) in grouped.order.iter().enumerate() {
            order.extend(self.group_terms(source, names, place, term)?);
        }
        for key in &source.keys {
            let terms = key.order.iter();
            order.extend(terms.map(|column| self.in_order_of(names, column, Direction::Ascending, Nulls::Last)));
        }
        // There is always a limit: without one SQLite may forget the order of a table within a
        // table.
        let limit = match self.limit(&grouped.select) {
            limit if limit.is_empty() => format!(" LIMIT {}", self.dialect.no_limit()),
            limit => limit,
        };
        Ok(format!(
            "SELECT {} FROM ({rows}) AS {} GROUP BY {}{having} ORDER BY {}{limit}",
            columns.join(","),
            names.rows,
            by.join(","),
            order.join(",")
        ))
    }

    fn group_terms(
        &mut self,
        source: &Source,
        names: &Names,
        place: usize,
        order: &GroupOrder,
    ) -> Result<Vec<String>, StoreError> {
        let (direction, nulls) = (order.direction, order.nulls);
        Ok(match &order.by {
            GroupTerm::Key(key) => {
                let columns = source.keys.get(*key).map_or(&[][..], |key| &key.order);
                let terms = columns.iter();
                terms
                    .map(|column| self.in_order_of(names, column, direction, nulls))
                    .collect()
            }
            GroupTerm::Behind { .. } => {
                let column = source.behind.iter().find(|(at, _)| *at == place);
                let terms = column.into_iter();
                terms
                    .map(|(_, column)| self.in_order_of(names, column, direction, nulls))
                    .collect()
            }
            GroupTerm::Measure(measure) => {
                let value = self.measured(source, names, *measure)?;
                vec![self.term(&value, direction, nulls)]
            }
        })
    }

    /// An order by a column of the rows.
    fn in_order_of(&self, names: &Names, column: &ColumnAt, direction: Direction, nulls: Nulls) -> String {
        self.term(&column.of(&names.rows), direction, nulls)
    }

    fn term(&self, value: &ColumnAt, direction: Direction, nulls: Nulls) -> String {
        let direction = match direction {
            Direction::Ascending => "",
            Direction::Descending => " DESC",
        };
        let nulls = match nulls {
            Nulls::First => " NULLS FIRST",
            Nulls::Last => " NULLS LAST",
        };
        format!("{}{}{direction}{nulls}", value.sql, self.dialect.collate(value.kind))
    }

    /// What is computed of the rows of a group, or of others.
    fn measured(&self, source: &Source, names: &Names, measure: GroupMeasure) -> Result<ColumnAt, StoreError> {
        let GroupMeasure { of, measure } = measure;
        let Measure::Of(function, field) = measure else {
            let (mut count, number) = (count(), number_of(of));
            if source.columns.iter().any(|column| column.name == number) {
                count.sql = format!("count({}.{number})", names.rows);
            }
            return Ok(count);
        };
        let is_it = |(rows, known, _): &&(_, _, _)| *rows == of && *known == field;
        let (_, _, column) = source
            .fields
            .iter()
            .find(is_it)
            .ok_or_else(|| StoreError::Internal("a field that is not read".to_owned()))?;
        let mut column = column.of(&names.rows);
        column.sql.push_str(self.dialect.collate(column.kind));
        Ok(self.function(function, &column))
    }

    fn having(&mut self, source: &Source, names: &Names, having: &Having) -> Result<String, StoreError> {
        Ok(match having {
            Having::And(all) => self.havings(source, names, all, " AND ", "TRUE")?,
            Having::Or(all) => self.havings(source, names, all, " OR ", "FALSE")?,
            Having::Not(having) => format!("({}) IS NOT TRUE", self.having(source, names, having)?),
            Having::Compare {
                measure,
                compare,
                operand,
            } => {
                let value = self.measured(source, names, *measure)?;
                self.compare(&value, *compare, operand)
            }
            Having::In { measure, operands } => {
                let value = self.measured(source, names, *measure)?;
                self.among(&value, operands)
            }
            Having::IsNull { measure } => format!("({} IS NULL)", self.measured(source, names, *measure)?.sql),
            Having::Text { measure, test, operand } => {
                let value = self.measured(source, names, *measure)?;
                self.text(&value, *test, operand)
            }
        })
    }

    fn havings(
        &mut self,
        source: &Source,
        names: &Names,
        all: &[Having],
        between: &str,
        empty: &str,
    ) -> Result<String, StoreError> {
        let parts = all.iter().map(|having| self.having(source, names, having));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(match parts.is_empty() {
            true => empty.to_owned(),
            false => format!("({})", parts.join(between)),
        })
    }

    /// The object of a group.
    fn group_object(
        &mut self,
        grouped: &Grouped,
        source: &Source,
        names: &Names,
        measures: &[GroupMeasure],
    ) -> Result<String, StoreError> {
        let value = |compiler: &Self, measure: GroupMeasure| -> Result<ColumnAt, StoreError> {
            let number = measures.iter().position(|known| *known == measure);
            let number = number.ok_or_else(|| StoreError::Internal("a value that is not computed".to_owned()))?;
            Ok(ColumnAt {
                sql: format!("{}.m{number}", names.groups),
                ..compiler.measured(source, names, measure)?
            })
        };
        let mut pieces = Pieces::new();
        for member in &grouped.output {
            pieces.key(&member.key);
            let sql = match &member.value {
                GroupValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                GroupValue::Keys(keys) => self.keys_object(source, names, keys)?,
                GroupValue::Count => {
                    let (of, measure) = (None, Measure::Count);
                    self.wire_of(&value(self, GroupMeasure { of, measure })?)
                }
                GroupValue::Aggregate(aggregate) => self.aggregate(aggregate, &mut |compiler, measure| {
                    value(compiler, GroupMeasure { of: None, measure })
                })?,
                GroupValue::Led(at, aggregate) => self.aggregate(aggregate, &mut |compiler, measure| {
                    let of = Some(*at);
                    value(compiler, GroupMeasure { of, measure })
                })?,
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn keys_object(
        &mut self,
        source: &Source,
        names: &Names,
        members: &[Member<KeyValue>],
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            let sql = match &member.value {
                KeyValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                KeyValue::Leaf(at) => self.key_wire(source.key(*at)?, names),
                KeyValue::Times(members) => self.times_object(source, names, members)?,
                KeyValue::Within(members) => self.keys_object(source, names, members)?,
                KeyValue::Row(at, outputs) => {
                    let key = source.key(*at)?;
                    let KeyKind::Row(target) = key.kind else {
                        return Err(no_key());
                    };
                    let number = key.column.of(&names.groups).sql;
                    let object = self.numbered(target, outputs, &number)?;
                    format!("coalesce({object},'null')")
                }
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn times_object(
        &mut self,
        source: &Source,
        names: &Names,
        members: &[Member<TimeKey>],
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            match &member.value {
                TimeKey::Text(text) => pieces.json(text),
                TimeKey::Leaf(at) => {
                    let sql = self.key_wire(source.key(*at)?, names);
                    pieces.expression(self, sql);
                }
            }
        }
        Ok(pieces.finish(self))
    }

    fn key_wire(&self, key: &Key, names: &Names) -> String {
        let column = key.column.of(&names.groups);
        match key.kind {
            KeyKind::Span(kind) => self.dialect.span_wire(&column.sql, kind),
            KeyKind::Value | KeyKind::Row(_) => self.wire_of(&column),
        }
    }
}

impl ColumnAt {
    /// The column of that name in a table.
    fn of(&self, alias: &str) -> ColumnAt {
        ColumnAt {
            sql: format!("{alias}.{}", self.sql),
            kind: self.kind,
            nullable: self.nullable,
        }
    }
}
