//! The rollups of a definition: whose rows they are computed of, by which links, and what of those
//! matters. Writes their SQL; runs none.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind, Function, Groups, Kept, Part, Rolled, Rollup},
    layout::{ColumnKind, ROW_COLUMN},
    store::{
        context::Context,
        db::made::Bounds,
        error::StoreError,
        read::compiler::{Base, ColumnAt, Compiler},
    },
    value::Scalar,
};

use super::{conditions::filter, group_keys};

/// A rollup in its definition.
#[derive(Clone, Copy)]
pub(crate) struct Computed<'a> {
    /// The type that has it.
    pub parent: EntityId,
    pub field: FieldId,
    pub rollup: &'a Rollup,
    way: Way<'a>,
}

/// The least or greatest values of rows for their parents: before and after the list of the rows'
/// numbers.
pub(crate) struct Extremes {
    pub head: String,
    pub tail: String,
    pub function: Function,
    pub kind: ColumnKind,
}

/// What is computed for many groups at once.
pub(crate) struct InGroups {
    /// The key of the group that a row `c` belongs to.
    pub key: String,
    /// What such a row adds.
    pub value: String,
    /// All such rows that count: the end of a query, to which conditions may be added.
    pub rows: String,
    /// What is made of the values `n.v` of a group, leaving out nulls.
    pub function: String,
}

/// How the rows that it is computed of are found.
#[derive(Clone, Copy, PartialEq)]
enum Way<'a> {
    /// A field of theirs holds these fields of the parent.
    Held { by: FieldId, own: &'a [FieldId] },
    /// The parent has links that hold these fields of theirs.
    Links { of: FieldId, by: &'a [FieldId] },
    /// They have links, in this field, that hold these fields of the parent.
    Linked { field: FieldId, own: &'a [FieldId] },
    /// The parent stands for the group that they belong to.
    Group(&'a Groups),
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
    let Some(of) = rollup.of else {
        return catalog.entity(parent).groups.as_ref().map(Way::Group);
    };
    match &catalog.entity(parent).field(of).kind {
        FieldKind::Inverse { source, field, .. } => match &catalog.entity(*source).field(*field).kind {
            FieldKind::Reference { by, .. } => Some(Way::Held { by: *field, own: by }),
            FieldKind::Links { by, .. } => Some(Way::Linked { field: *field, own: by }),
            _ => None,
        },
        FieldKind::Nested { child } => Some(Way::Held {
            by: catalog.entity(*child).owner?.parent,
            own: &catalog.entity(parent).key,
        }),
        FieldKind::Links { by, .. } => Some(Way::Links { of, by }),
        _ => None,
    }
}

/// Those that are right after every commit: all but those of groups that are computed now and then.
pub(crate) fn kept(catalog: &Catalog) -> Vec<Computed<'_>> {
    let mut kept = all(catalog);
    kept.retain(|computed| !catalog.is_timed(computed.parent));
    kept
}

/// The types that have a rollup of rows, or of links, of these types, which who writes these keeps
/// right.
pub(crate) fn fed_by(catalog: &Catalog, written: &[EntityId]) -> Vec<EntityId> {
    let fed = kept(catalog).into_iter();
    fed.filter(|computed| written.contains(&computed.child()))
        .map(|computed| computed.parent)
        .collect()
}

impl<'a> Computed<'a> {
    /// Whether the other one is computed of the same rows for the same parents.
    pub(crate) fn is_like(&self, other: &Computed<'_>) -> bool {
        let same_rows = self.parent == other.parent && self.child() == other.child() && self.way == other.way;
        same_rows && self.rollup.filter == other.rollup.filter && self.goes_by_added() == other.goes_by_added()
    }

    /// How many of the rows lead to a parent, as an expression.
    pub(super) fn rows_counted(&self, compiler: &Compiler<'a>) -> String {
        match self.way {
            // One row may name the same parent twice, and is one row.
            Way::Linked { .. } => format!("count(DISTINCT {})", compiler.name("c", ROW_COLUMN)),
            Way::Held { .. } | Way::Links { .. } | Way::Group(_) => "count(*)".to_owned(),
        }
    }

    /// Whether nothing else of rows that come has to be known than their parents and what they add
    /// up to.
    fn goes_by_added(&self) -> bool {
        !self.is_extreme() && self.rollup.what != Rolled::Exists
    }

    /// The type of the sum that is kept by adding to it; none where it is computed otherwise.
    pub(crate) fn sum(&self, context: &Context) -> Option<Scalar> {
        let field = self.adds_up()?;
        let columns = &context.layout.entity(self.child()).table.columns;
        sum_of(columns.iter().find(|column| column.field == field)?.kind)
    }

    /// Whether it is computed of all rows of a parent, whatever happens to one of them.
    pub(crate) fn is_anew(&self, context: &Context) -> bool {
        let is_made_of_kept = self.kept().is_some();
        matches!(self.rollup.what, Rolled::Of(..))
            && !self.is_extreme()
            && !is_made_of_kept
            && self.sum(context).is_none()
    }

    /// The field of its rows that holds fields of the parent, with these: where that says all of
    /// which rows are whose.
    pub(crate) fn named_by(&self) -> Option<(FieldId, &'a [FieldId])> {
        match self.way {
            Way::Held { by, own } if self.rollup.filter.is_none() && self.goes_by_added() => Some((by, own)),
            _ => None,
        }
    }

    /// The type of the rows that it is computed of.
    pub(crate) fn child(&self) -> EntityId {
        self.rollup.target
    }

    /// Whether it is of links in this field of the parent.
    pub(crate) fn is_of_links(&self, field: FieldId) -> bool {
        matches!(self.way, Way::Links { of, .. } if of == field)
    }

    /// Whether a parent that stays the same row may be meant by other values than before.
    pub(crate) fn is_by_other_than_key(&self, catalog: &Catalog) -> bool {
        match self.way {
            Way::Held { own, .. } | Way::Linked { own, .. } => own != catalog.entity(self.parent).key,
            Way::Links { .. } | Way::Group(_) => false,
        }
    }

    /// The groups that its parents stand for.
    pub(crate) fn groups(&self) -> Option<&'a Groups> {
        match self.way {
            Way::Group(groups) => Some(groups),
            _ => None,
        }
    }

    /// What is kept beside it, for a commit to go on from.
    pub(crate) fn kept(&self) -> Option<&'a Kept> {
        let mut totals = self.groups()?.totals.iter();
        totals.find(|kept| kept.field == self.field)
    }

    /// Whether nobody is shown it: it is kept for another one.
    pub(crate) fn is_kept_for_another(&self) -> bool {
        matches!(self.rollup.what, Rolled::Values(_) | Rolled::Exact(_) | Rolled::Fine(_))
    }

    /// What of the rows that it is computed of can change it.
    pub(crate) fn goes_by(&self, catalog: &Catalog) -> BTreeSet<Part> {
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
            Way::Links { of, by } => {
                parts.insert(Part::field(self.parent, of));
                parts.extend(by.iter().map(|field| Part::field(child, *field)));
            }
            Way::Group(groups) => {
                let by = catalog.grouped_by(groups).into_iter();
                parts.extend(by.map(|(_, of)| Part::field(child, catalog.entity(child).base(of))));
            }
        }
        parts
    }

    /// Whether what new rows add to a sum can be added to the sum that is stored: the column of
    /// them, if so ([`sum_of`] says of which types). Not where a row may be met twice.
    pub(crate) fn adds_up(&self) -> Option<FieldId> {
        match (self.rollup.what, self.way) {
            (Rolled::Of(Function::Sum, field), Way::Held { .. } | Way::Links { .. } | Way::Group(_)) => Some(field),
            _ => None,
        }
    }

    /// How a row's value compares with what it is, where it can be that one. A value that goes
    /// changes nothing where it is greater than the least, or less than the greatest.
    pub(crate) fn can_be(&self) -> &'static str {
        match self.rollup.what {
            Rolled::Of(Function::Min, _) => "<=",
            _ => ">=",
        }
    }

    pub(crate) fn is_extreme(&self) -> bool {
        matches!(self.rollup.what, Rolled::Of(Function::Min | Function::Max, _))
    }

    /// The same with the least or greatest value of those rows; none where it is something else
    /// that is computed.
    pub(crate) fn extremes(&self, compiler: &mut Compiler<'a>) -> Result<Option<Extremes>, StoreError> {
        let Rolled::Of(function @ (Function::Min | Function::Max), field) = self.rollup.what else {
            return Ok(None);
        };
        let column = compiler.column(self.child(), field, "c")?;
        let value = compiler.function(function, &column);
        let (head, tail) = self.of_parents(compiler, &value.sql)?;
        let kind = value.kind;
        Ok(Some(Extremes {
            head,
            tail,
            function,
            kind,
        }))
    }

    /// Something of the rows for their parents: before and after the list of the rows' numbers.
    pub(super) fn of_parents(&self, compiler: &mut Compiler<'a>, what: &str) -> Result<(String, String), StoreError> {
        let child = self.child();
        let key = |entity: EntityId| compiler.entity(entity).key.as_slice();
        let columns = |entity: EntityId, fields: &[FieldId], alias: &str| compiler.columns(entity, fields, alias);
        let (between, theirs, own) = match self.way {
            Way::Held { by, own } => (None, columns(child, &[by], "c"), own),
            Way::Linked { field, own } => {
                let near = columns(child, key(child), "c");
                (Some((child, field, near, true)), Vec::new(), own)
            }
            Way::Group(groups) => (
                None,
                vec![plain(group_keys::key(compiler, groups, "c"))],
                key(self.parent),
            ),
            Way::Links { of, by } => {
                let near = columns(child, by, "c");
                (Some((self.parent, of, near, false)), Vec::new(), key(self.parent))
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
        let counts = self.counts(compiler, "c")?;
        let row = compiler.name("p", ROW_COLUMN);
        let head = format!(
            "SELECT {row},{what} FROM {from} WHERE ({counts}) AND {} IN (",
            compiler.name("c", ROW_COLUMN)
        );
        Ok((head, format!(") GROUP BY {row}")))
    }

    /// Its value for the row `p`, as an expression.
    pub(crate) fn value(&self, compiler: &mut Compiler<'a>) -> Result<String, StoreError> {
        self.of_rows(compiler, self.rollup.what, None)
    }

    /// Whether any of the rows of the row `p` has a value of this field, as an expression.
    pub(crate) fn has_value(&self, compiler: &mut Compiler<'a>, field: FieldId) -> Result<String, StoreError> {
        self.of_rows(compiler, Rolled::Exists, Some(field))
    }

    /// What is computed of the rows of the row `p`; of those that have a value of a field, where
    /// one is given.
    fn of_rows(&self, compiler: &mut Compiler<'a>, what: Rolled, with: Option<FieldId>) -> Result<String, StoreError> {
        let (alias, from, mut conditions, or_null) = match (self.way, self.rollup.of) {
            (Way::Group(groups), _) => {
                let alias = compiler.alias();
                let by = group_keys::belongs(compiler, (self.parent, groups), &alias, "p");
                (alias.clone(), compiler.table(self.child(), &alias), by.all, by.first)
            }
            (_, Some(of)) => {
                let step = compiler.step(self.parent, of, "p")?;
                let (from, conditions) = step.once.unwrap_or((step.from, step.conditions));
                (step.alias, from, conditions, None)
            }
            (_, None) => return Err(StoreError::Internal("a rollup of nothing".to_owned())),
        };
        conditions.push(self.counts(compiler, &alias)?);
        if let Some(field) = with {
            let column = compiler.column(self.child(), field, &alias)?;
            conditions.push(format!("{} IS NOT NULL", column.sql));
        }
        let of = |first: Option<String>| {
            let conditions: Vec<String> = first.into_iter().chain(conditions.iter().cloned()).collect();
            self.value_of(
                compiler,
                what,
                &alias,
                &format!("FROM {from} WHERE {}", conditions.join(" AND ")),
            )
        };
        match or_null {
            // Either finds its rows by an index; one condition for both does not on PostgreSQL.
            Some((value, kept)) => Ok(format!(
                "CASE WHEN {kept} IS NULL THEN {} ELSE {} END",
                of(Some(format!("{value} IS NULL")))?,
                of(Some(format!("{value}={kept}")))?
            )),
            None => of(None),
        }
    }

    /// What is computed of the rows that the end of a query finds.
    fn value_of(&self, compiler: &Compiler<'a>, what: Rolled, alias: &str, rest: &str) -> Result<String, StoreError> {
        Ok(match what {
            Rolled::Count | Rolled::Values(_) | Rolled::Fine(_) => {
                format!("(SELECT count({}) {rest})", self.counted(compiler, alias)?)
            }
            Rolled::Exists => format!("EXISTS (SELECT 1 {rest})"),
            Rolled::Exact(field) => {
                let column = compiler.column(self.child(), field, alias)?;
                format!("(SELECT {} {rest})", compiler.dialect.exact_sum(&column.sql))
            }
            Rolled::Of(function, field) => {
                let column = compiler.column(self.child(), field, alias)?;
                format!("(SELECT {} {rest})", compiler.function(function, &column).sql)
            }
        })
    }
}

impl<'a> Computed<'a> {
    /// What of a row is counted, unless it is null.
    pub(super) fn counted(&self, compiler: &Compiler<'a>, alias: &str) -> Result<String, StoreError> {
        Ok(match self.rollup.what {
            Rolled::Values(field) => compiler.column(self.child(), field, alias)?.sql,
            Rolled::Fine(field) => {
                let column = compiler.column(self.child(), field, alias)?;
                format!("CASE WHEN {} THEN 1 END", compiler.dialect.is_fine(&column.sql))
            }
            _ => "*".to_owned(),
        })
    }

    /// Which of the rows count, as a condition.
    fn counts(&self, compiler: &mut Compiler<'a>, alias: &str) -> Result<String, StoreError> {
        match &self.rollup.filter {
            Some(condition) => compiler.filter(self.child(), alias, &filter(condition)),
            None => Ok("TRUE".to_owned()),
        }
    }

    /// How it is computed for many groups at once, by going through all rows; none where its
    /// parents stand for no groups.
    pub(crate) fn in_all_groups(&self, compiler: &mut Compiler<'a>) -> Result<Option<InGroups>, StoreError> {
        let Way::Group(groups) = self.way else {
            return Ok(None);
        };
        let (value, function) = match self.rollup.what {
            Rolled::Count => ("1".to_owned(), "count(n.v)".to_owned()),
            Rolled::Exists => ("1".to_owned(), "count(n.v)>0".to_owned()),
            Rolled::Values(_) | Rolled::Fine(_) => (self.counted(compiler, "c")?, "count(n.v)".to_owned()),
            Rolled::Exact(field) => {
                let column = compiler.column(self.child(), field, "c")?;
                (column.sql, compiler.dialect.exact_sum("n.v"))
            }
            Rolled::Of(function, field) => {
                let column = compiler.column(self.child(), field, "c")?;
                let value = format!("n.v{}", compiler.dialect.collate(column.kind));
                let (function, _) = compiler.dialect.measure(function, &value, column.kind);
                (column.sql, function)
            }
        };
        let counts = self.counts(compiler, "c")?;
        Ok(Some(InGroups {
            key: group_keys::key(compiler, groups, "c"),
            value,
            rows: format!("FROM {} WHERE ({counts})", compiler.table(self.child(), "c")),
            function,
        }))
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
