//! The rollups of a definition: whose rows they are computed of, by which links, and what of those
//! matters. Writes their SQL; runs none.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Condition, EntityId, FieldId, FieldKind, Function, Part, Rolled, Rollup},
    layout::{ColumnKind, ROW_COLUMN},
    query::{Filter, Operand},
    store::{
        context::Context,
        db::made::Bounds,
        error::StoreError,
        read::compiler::{Base, ColumnAt, Compiler},
    },
    value::Scalar,
};

/// A rollup in its definition.
#[derive(Clone, Copy)]
pub(crate) struct Computed<'a> {
    /// The type that has it.
    pub parent: EntityId,
    pub field: FieldId,
    pub rollup: &'a Rollup,
    way: Way<'a>,
}

/// How the rows that it is computed of are found.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// A field of theirs holds these fields of the parent.
    Held { by: FieldId, own: &'a [FieldId] },
    /// The parent has links that hold these fields of theirs.
    Links { by: &'a [FieldId] },
    /// They have links, in this field, that hold these fields of the parent.
    Linked { field: FieldId, own: &'a [FieldId] },
}

/// All rollups of a definition.
pub(crate) fn all(catalog: &Catalog) -> Vec<Computed<'_>> {
    let fields = catalog.entity_ids().flat_map(|parent| {
        let fields = catalog.entity(parent).field_ids();
        fields.map(move |field| (parent, field))
    });
    let computed = fields.filter_map(|(parent, field)| {
        let rollup = catalog.entity(parent).field(field).rollup.as_ref()?;
        Some(Computed {
            parent,
            field,
            rollup,
            way: way(catalog, parent, rollup)?,
        })
    });
    computed.collect()
}

fn way<'a>(catalog: &'a Catalog, parent: EntityId, rollup: &Rollup) -> Option<Way<'a>> {
    match &catalog.entity(parent).field(rollup.of).kind {
        FieldKind::Inverse { source, field, .. } => match &catalog.entity(*source).field(*field).kind {
            FieldKind::Reference { by, .. } => Some(Way::Held { by: *field, own: by }),
            FieldKind::Links { by, .. } => Some(Way::Linked { field: *field, own: by }),
            _ => None,
        },
        FieldKind::Nested { child } => Some(Way::Held {
            by: catalog.entity(*child).owner?.parent,
            own: &catalog.entity(parent).key,
        }),
        FieldKind::Links { by, .. } => Some(Way::Links { by }),
        _ => None,
    }
}

/// The types that have a rollup of rows, or of links, of these types.
pub(crate) fn fed_by(catalog: &Catalog, written: &[EntityId]) -> Vec<EntityId> {
    let fed = all(catalog).into_iter();
    fed.filter(|computed| written.contains(&computed.child()))
        .map(|computed| computed.parent)
        .collect()
}

impl<'a> Computed<'a> {
    /// The type of the rows that it is computed of.
    pub(crate) fn child(&self) -> EntityId {
        self.rollup.target
    }

    /// Whether it is of links in this field of the parent.
    pub(crate) fn is_of_links(&self, field: FieldId) -> bool {
        matches!(self.way, Way::Links { .. }) && self.rollup.of == field
    }

    /// Whether a parent that stays the same row may be meant by other values than before.
    pub(crate) fn is_by_other_than_key(&self, catalog: &Catalog) -> bool {
        match self.way {
            Way::Held { own, .. } | Way::Linked { own, .. } => own != catalog.entity(self.parent).key,
            Way::Links { .. } => false,
        }
    }

    /// What of the rows that it is computed of can change it.
    pub(crate) fn goes_by(&self) -> BTreeSet<Part> {
        let child = self.child();
        let fields = self.rollup.fields().into_iter().map(|field| Part::field(child, field));
        let mut parts: BTreeSet<Part> = fields.chain([Part::rows(child)]).collect();
        match self.way {
            Way::Held { by, .. } => {
                parts.insert(Part::field(child, by));
            }
            Way::Linked { field, .. } => {
                parts.insert(Part::field(child, field));
            }
            Way::Links { by } => {
                parts.insert(Part::field(self.parent, self.rollup.of));
                parts.extend(by.iter().map(|field| Part::field(child, *field)));
            }
        }
        parts
    }

    /// Whether what new rows add to a sum can be added to the sum that is stored: the column of
    /// them, if so ([`sum_of`] says of which types). Not where a row may be met twice.
    pub(crate) fn adds_up(&self) -> Option<FieldId> {
        match (self.rollup.what, self.way) {
            (Rolled::Of(Function::Sum, field), Way::Held { .. } | Way::Links { .. }) => Some(field),
            _ => None,
        }
    }

    /// The rows `p` of the parent to which rows `c` lead that count, how often each is counted by
    /// them, and what that adds up to: before and after the list of the rows' numbers, whose first
    /// parameter has the number that is given.
    pub(crate) fn parents(&self, compiler: &mut Compiler<'a>) -> Result<(String, String, usize), StoreError> {
        let child = self.child();
        let key = |entity: EntityId| compiler.entity(entity).key.as_slice();
        let columns = |entity: EntityId, fields: &[FieldId], alias: &str| compiler.columns(entity, fields, alias);
        let (between, theirs, own) = match self.way {
            Way::Held { by, own } => (None, columns(child, &[by], "c"), own),
            Way::Linked { field, own } => {
                let near = columns(child, key(child), "c");
                (Some((child, field, near, true)), Vec::new(), own)
            }
            Way::Links { by } => {
                let near = columns(child, by, "c");
                (
                    Some((self.parent, self.rollup.of, near, false)),
                    Vec::new(),
                    key(self.parent),
                )
            }
        };
        let own = columns(self.parent, own, "p");
        let (chain, mut joins) = (compiler.dialect.chain(), String::new());
        let theirs = match between {
            None => theirs,
            Some((owner, field, near, from_owner)) => {
                let Some(join) = compiler.layout.entity(owner).join_of(field) else {
                    return Err(StoreError::Internal("a rollup of links without a table".to_owned()));
                };
                let names = |columns: &[crate::layout::Column]| -> Vec<String> {
                    columns.iter().map(|column| compiler.name("l", &column.name)).collect()
                };
                let (entry, exit) = match from_owner {
                    true => (names(&join.owner), names(&join.targets)),
                    false => (names(&join.targets), names(&join.owner)),
                };
                let table = compiler.dialect.quote(&join.name);
                let on = equal(&entry, &sql_of(&near));
                joins = format!(" {chain} {table} AS l ON {on}");
                exit.into_iter().map(plain).collect()
            }
        };
        let from = format!(
            "{}{joins} {chain} {} ON {}",
            compiler.table(child, "c"),
            compiler.table(self.parent, "p"),
            equal(&sql_of(&own), &sql_of(&theirs))
        );
        let counted = match self.way {
            // One row may name the same parent twice, and is one row.
            Way::Linked { .. } => format!("count(DISTINCT {})", compiler.name("c", ROW_COLUMN)),
            Way::Held { .. } | Way::Links { .. } => "count(*)".to_owned(),
        };
        let filter = match &self.rollup.filter {
            Some(condition) => compiler.filter(child, "c", &filter(condition))?,
            None => "TRUE".to_owned(),
        };
        let row = compiler.name("p", ROW_COLUMN);
        let added = match self.adds_up() {
            Some(field) => Some(compiler.column(child, field, "c")?).filter(|column| sum_of(column.kind).is_some()),
            None => None,
        };
        let sum = match added {
            Some(column) => compiler.function(Function::Sum, &column).sql,
            None => "NULL".to_owned(),
        };
        let head = format!(
            "SELECT {row},CAST({counted} AS BIGINT),CAST({sum} AS TEXT) FROM {from} WHERE ({filter}) AND {} IN (",
            compiler.name("c", ROW_COLUMN)
        );
        Ok((head, format!(") GROUP BY {row}"), compiler.binds.len() + 1))
    }

    /// Its value for the row `p`, as an expression.
    pub(crate) fn value(&self, compiler: &mut Compiler<'a>) -> Result<String, StoreError> {
        let step = compiler.step(self.parent, self.rollup.of, "p")?;
        let (from, mut conditions) = step.once.unwrap_or((step.from, step.conditions));
        if let Some(condition) = &self.rollup.filter {
            conditions.push(compiler.filter(step.entity, &step.alias, &filter(condition))?);
        }
        let rest = format!("FROM {from} WHERE {}", conditions.join(" AND "));
        Ok(match self.rollup.what {
            Rolled::Count => format!("(SELECT count(*) {rest})"),
            Rolled::Exists => format!("EXISTS (SELECT 1 {rest})"),
            Rolled::Of(function, field) => {
                let column = compiler.column(step.entity, field, &step.alias)?;
                format!("(SELECT {} {rest})", compiler.function(function, &column).sql)
            }
        })
    }
}

/// The type of a sum that is kept by adding to it: one that holds whatever its rows add up to.
pub(crate) fn sum_of(kind: ColumnKind) -> Option<Scalar> {
    match kind {
        ColumnKind::Scalar(Scalar::Int) => Some(Scalar::BigInt),
        ColumnKind::Scalar(Scalar::BigInt | Scalar::Decimal) => Some(Scalar::Decimal),
        _ => None,
    }
}

/// A compiler for statements of a definition's rows.
pub(crate) fn compiler(context: &Context) -> Compiler<'_> {
    Compiler::new(Base {
        catalog: &context.catalog,
        layout: &context.layout,
        dialect: context.dialect,
        bounds: Bounds::ENDLESS,
    })
}

fn plain(sql: String) -> ColumnAt {
    ColumnAt {
        sql,
        kind: ColumnKind::Document,
        nullable: false,
    }
}

fn sql_of(columns: &[ColumnAt]) -> Vec<String> {
    columns.iter().map(|column| column.sql.clone()).collect()
}

fn equal(left: &[String], right: &[String]) -> String {
    let pairs = left.iter().zip(right);
    pairs
        .map(|(left, right)| format!("{left}={right}"))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// A condition as reads have it.
fn filter(condition: &Condition) -> Filter {
    let all = |conditions: &[Condition]| conditions.iter().map(filter).collect();
    match condition {
        Condition::And(conditions) => Filter::And(all(conditions)),
        Condition::Or(conditions) => Filter::Or(all(conditions)),
        Condition::Not(condition) => Filter::Not(Box::new(filter(condition))),
        Condition::Compare { field, compare, value } => Filter::Compare {
            field: *field,
            compare: *compare,
            operand: Operand::Value(value.clone()),
        },
        Condition::In { field, values } => Filter::In {
            field: *field,
            operands: values.iter().cloned().map(Operand::Value).collect(),
        },
        Condition::IsNull { field } => Filter::IsNull { field: *field },
        Condition::Text { field, test, text } => Filter::Text {
            field: *field,
            test: *test,
            operand: Operand::Value(crate::value::Value::Text(text.clone())),
        },
        Condition::Has { field, all, values } => Filter::Has {
            field: *field,
            all: *all,
            operands: values.iter().cloned().map(Operand::Value).collect(),
        },
    }
}
