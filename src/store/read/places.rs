//! Places in an order: its columns, which rows stand behind a place, and how they are found by an
//! index. Knows no page and no answer.
//!
//! What an operand is, and whether it is null, is not known when a statement is compiled: the same
//! text serves every cursor of an order.

use crate::{
    catalog::EntityId,
    layout::{ColumnKind, POSITION_COLUMN},
    query::{Direction, Nulls, Select, Term, Through, terms},
    store::error::StoreError,
    value::Scalar,
};

use super::{
    compiler::{ColumnAt, Compiler},
    directions::nulls_as_index,
    joins::Joins,
};

/// A column of an order, with the way in which it is gone through.
#[derive(Clone)]
pub(crate) struct Sorted {
    pub column: ColumnAt,
    /// The column as it compares.
    expression: String,
    descending: bool,
    nulls_first: bool,
    /// A field of the rows themselves, which may have an index.
    own: bool,
    /// That index begins with the highest values, and has nulls behind them.
    from_end: bool,
}

/// Some of the rows behind a place, or of all rows, by the first column of their order. In each of
/// them that column leads an index, and all of them one after the other are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    Values,
    Nulls,
    /// Those with the same value.
    Same,
    /// Those with a value behind it.
    Behind,
    /// All nulls, of a place with a value.
    NullsBehindValue,
    /// The rest of the nulls, of a place without one.
    NullsBehindNull,
    /// All values, of a place without one.
    ValuesBehindNull,
}

impl Sorted {
    /// The same gone through from its end.
    fn turned(&self) -> Sorted {
        Sorted {
            descending: !self.descending,
            nulls_first: !self.nulls_first,
            ..self.clone()
        }
    }

    fn direction(&self) -> &'static str {
        if self.descending { " DESC" } else { "" }
    }

    fn term(&self) -> String {
        let nulls = match self.nulls_first {
            _ if !self.column.nullable => self.nulls_of_none(),
            true => " NULLS FIRST",
            false => " NULLS LAST",
        };
        format!("{}{}{nulls}", self.expression, self.direction())
    }

    /// What is said of nulls where there are none.
    fn nulls_of_none(&self) -> &'static str {
        nulls_as_index(self.from_end, self.descending)
    }

    fn sign(&self) -> &'static str {
        if self.descending { "<" } else { ">" }
    }

    fn behind(&self, operand: &str) -> String {
        let (column, sign) = (&self.expression, self.sign());
        match (self.column.nullable, self.nulls_first) {
            (false, _) => format!("{column}{sign}{operand}"),
            (true, false) => format!("({column}{sign}{operand} OR ({operand} IS NOT NULL AND {column} IS NULL))"),
            (true, true) => format!("({column}{sign}{operand} OR ({operand} IS NULL AND {column} IS NOT NULL))"),
        }
    }

    fn same(&self, operand: &str) -> String {
        match self.column.nullable {
            true => format!("{} IS NOT DISTINCT FROM {operand}", self.expression),
            false => format!("{}={operand}", self.expression),
        }
    }
}

/// An order gone through from its end.
pub(crate) fn turned(order: &[Sorted]) -> Vec<Sorted> {
    order.iter().map(Sorted::turned).collect()
}

/// The terms of an `ORDER BY`.
pub(crate) fn order_by(order: &[Sorted]) -> String {
    order.iter().map(Sorted::term).collect::<Vec<_>>().join(",")
}

/// Whether a row stands behind a place, or at it.
pub(crate) fn behind(order: &[Sorted], place: &[String], or_at: bool) -> String {
    let (Some((first, rest)), Some((operand, operands))) = (order.split_first(), place.split_first()) else {
        return if or_at { "TRUE" } else { "FALSE" }.to_owned();
    };
    // Both databases find rows by a comparison of all columns at once.
    let is_plain = |other: &Sorted| !other.column.nullable && other.descending == first.descending;
    if order.iter().all(is_plain) {
        let equal = if or_at { "=" } else { "" };
        let columns: Vec<&str> = order.iter().map(|column| column.expression.as_str()).collect();
        return match columns.as_slice() {
            [column] => format!("{column}{}{equal}{operand}", first.sign()),
            columns => format!("({}){}{equal}({})", columns.join(","), first.sign(), place.join(",")),
        };
    }
    format!(
        "({} OR ({} AND {}))",
        first.behind(operand),
        first.same(operand),
        behind(rest, operands, or_at)
    )
}

/// Into which parts rows are divided, in their order.
pub(crate) fn parts(order: &[Sorted], has_place: bool) -> &'static [Part] {
    use Part::{All, Behind, Nulls, NullsBehindNull, NullsBehindValue, Same, Values, ValuesBehindNull};
    let Some(first) = order.first().filter(|first| first.own) else {
        return &[All];
    };
    match (first.column.nullable, first.nulls_first, has_place) {
        (false, _, false) => &[All],
        (false, _, true) => &[Same, Behind],
        (true, false, false) => &[Values, Nulls],
        (true, true, false) => &[Nulls, Values],
        (true, false, true) => &[Same, Behind, NullsBehindValue, NullsBehindNull],
        (true, true, true) => &[NullsBehindNull, ValuesBehindNull, Same, Behind],
    }
}

impl Part {
    /// The conditions of its rows.
    pub(crate) fn conditions(self, order: &[Sorted], place: Option<&[String]>, or_at: bool) -> Vec<String> {
        let Some((first, rest)) = order.split_first() else {
            return Vec::new();
        };
        let column = &first.expression;
        let (is_null, is_value) = (format!("{column} IS NULL"), format!("{column} IS NOT NULL"));
        let Some((operand, operands)) = place.and_then(<[String]>::split_first) else {
            return match self {
                Part::Values => vec![is_value],
                Part::Nulls => vec![is_null],
                _ => Vec::new(),
            };
        };
        let of_null = format!("{operand} IS NULL");
        match self {
            Part::All | Part::Values | Part::Nulls => vec![behind(order, place.unwrap_or_default(), or_at)],
            Part::Same => vec![format!("{column}={operand}"), behind(rest, operands, or_at)],
            Part::Behind => vec![format!("{column}{}{operand}", first.sign())],
            Part::NullsBehindValue => vec![format!("{operand} IS NOT NULL"), is_null],
            Part::NullsBehindNull => vec![of_null, is_null, behind(rest, operands, or_at)],
            Part::ValuesBehindNull => vec![of_null, is_value],
        }
    }

    /// Their order: without the first column where it is always the same, and without nulls where
    /// there are none, which an index may have elsewhere.
    pub(crate) fn order_by(self, order: &[Sorted]) -> String {
        let Some((first, rest)) = order.split_first() else {
            return String::new();
        };
        match self {
            Part::All => order_by(order),
            Part::Same | Part::Nulls | Part::NullsBehindValue | Part::NullsBehindNull => order_by(rest),
            Part::Values | Part::Behind | Part::ValuesBehindNull => {
                let nulls = first.nulls_of_none();
                format!("{}{}{nulls},{}", first.expression, first.direction(), order_by(rest))
            }
        }
    }
}

impl Compiler<'_> {
    /// The columns of the order of a select's rows under an alias; `position` is their place in
    /// the list that leads to them, and `led` says that a row does.
    pub(crate) fn sorted(
        &mut self,
        select: &Select,
        alias: &str,
        (through, position, led): (Through, Option<&str>, bool),
        joins: &mut Joins,
    ) -> Result<Vec<Sorted>, StoreError> {
        let mut order = Vec::new();
        for term in terms(self.catalog, select, through) {
            order.extend(self.sorted_by(&term, (select.entity, alias), (position, led), joins)?);
        }
        Ok(order)
    }

    fn sorted_by(
        &mut self,
        term: &Term<'_>,
        (entity, alias): (EntityId, &str),
        (position, led): (Option<&str>, bool),
        joins: &mut Joins,
    ) -> Result<Vec<Sorted>, StoreError> {
        let (columns, descending, nulls_first) = match term {
            Term::By(order) => (
                vec![self.order_column((entity, alias), order, &order.path, joins)?],
                order.direction == Direction::Descending,
                order.nulls == Nulls::First,
            ),
            Term::Rank(search) => (vec![self.rank(entity, alias, search)], true, false),
            Term::Key(field) => (self.columns(entity, &[*field], alias), false, false),
            Term::OwnPosition => (vec![place_in_list(self.name(alias, POSITION_COLUMN))], false, false),
            Term::Position => {
                let position = position.ok_or_else(|| StoreError::Internal("a list without places".to_owned()))?;
                (vec![place_in_list(position.to_owned())], false, false)
            }
        };
        let own = match term {
            Term::By(order) => order.own(),
            _ => None,
        };
        let from_end = own.is_some_and(|field| self.is_from_end(entity, field, led));
        let sorted = columns.into_iter().map(|column| Sorted {
            expression: format!("{}{}", column.sql, self.dialect.collate(column.kind)),
            column,
            descending,
            nulls_first,
            own: own.is_some(),
            from_end,
        });
        Ok(sorted.collect())
    }
}

fn place_in_list(sql: String) -> ColumnAt {
    ColumnAt {
        sql,
        kind: ColumnKind::Scalar(Scalar::BigInt),
        nullable: false,
    }
}
