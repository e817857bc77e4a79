//! Rows that a link of a type to itself leads to over any number of steps. Knows the walk, which
//! meets each row once; a single step is as `relation` has it.
//!
//! A walk is a table that the database makes by itself, round after round, until a round finds
//! nothing new: circles end there. It has the keys of rows where the link holds them, and their
//! numbers otherwise. Where steps are counted, a row is met again for each number of steps that
//! leads to it, and the walk ends one step behind the last that is allowed, so that it is seen
//! whether there are more.

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    layout::{ColumnKind, ROW_COLUMN},
    query::{Filter, Quantifier},
    store::error::StoreError,
    value::Scalar,
};

use super::{compiler::Compiler, relation::Step};

/// Keys of more columns are not looked up: PostgreSQL expects 200 values of each, and so many rows
/// of all together that it keeps no table of them.
const KEY_MAX: usize = 2;

/// A closure: the link that is followed, and how far.
#[derive(Clone, Copy)]
struct Walk {
    entity: EntityId,
    of: FieldId,
    max_depth: Option<u32>,
    /// The field that is a closure, of its type.
    named: (EntityId, FieldId),
}

/// Along the link, or against it.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Forth,
    Back,
}

/// One step: the tables behind those that it starts from, the conditions that join them, and the
/// columns by which the walk knows the rows that it leads to.
struct Hop {
    from: String,
    conditions: Vec<String>,
    to: Vec<String>,
}

/// Where a step starts.
#[derive(Clone, Copy)]
enum Here<'h> {
    /// At the row under an alias.
    Row(&'h str),
    /// At the rows of a walk's table.
    Walk(&'h str),
}

/// By what a walk knows rows.
#[derive(Clone, Copy)]
enum By {
    /// Their numbers.
    Number,
    /// Their keys, which this field holds, whichever of its sides is the far one.
    Key(FieldId, Way),
}

impl Compiler<'_> {
    /// All rows that a closure leads to from the row under `alias`; none for another field.
    pub(crate) fn walked(&mut self, entity: EntityId, field: FieldId, alias: &str) -> Result<Option<Step>, StoreError> {
        let Some(walk) = self.walk_of(entity, field) else {
            return Ok(None);
        };
        let by = self.by(walk, Way::Forth);
        let first = self.hop(walk, (Way::Forth, by), Here::Row(alias))?;
        let rows = self.walk(walk, (Way::Forth, by), first)?;
        let (found, alias) = (self.alias(), self.alias());
        let known = self.known(walk, by, &alias).into_iter().enumerate();
        Ok(Some(Step {
            entity,
            from: format!(
                "({rows}) AS {found} {} {} ON TRUE",
                self.dialect.chain(),
                self.table(entity, &alias)
            ),
            conditions: known.map(|(at, column)| format!("{column}={found}.k{at}")).collect(),
            alias,
            position: None,
            once: None,
        }))
    }

    /// Whether rows of a closure meet a filter; none for another field. Those that meet it are
    /// looked for first, and the link is followed back from them, once for all rows that are asked:
    /// they may be few, and a walk from each row would be many.
    pub(crate) fn walks_to(
        &mut self,
        (entity, field): (EntityId, FieldId),
        alias: &str,
        (quantifier, filter): (Quantifier, &Filter),
    ) -> Result<Option<String>, StoreError> {
        let Some(walk) = self.walk_of(entity, field) else {
            return Ok(None);
        };
        let by = match self.by(walk, Way::Back) {
            by if self.known(walk, by, alias).len() > KEY_MAX => By::Number,
            by => by,
        };
        let start = self.alias();
        let met = self.filter(entity, &start, filter)?;
        let (word, met) = match quantifier {
            Quantifier::Some => ("IN", met),
            Quantifier::None => ("NOT IN", met),
            Quantifier::Every => ("NOT IN", format!("({met}) IS NOT TRUE")),
        };
        let mut first = self.hop(walk, (Way::Back, by), Here::Row(&start))?;
        first.from = format!(
            "{}{}{}",
            self.table(entity, &start),
            self.dialect.before_chain(),
            first.from
        );
        first.conditions.push(met);
        let rows = self.walk(walk, (Way::Back, by), first)?;
        let known = self.known(walk, by, alias);
        let columns: Vec<String> = (0..known.len()).map(|at| format!("k{at}")).collect();
        let rows = self.dialect.to_look_up(&columns.join(","), rows);
        Ok(Some(match known.as_slice() {
            [column] => format!("{column} {word} ({rows})"),
            columns => format!("({}) {word} ({rows})", columns.join(",")),
        }))
    }

    /// The closure, as one finds it in the definition.
    fn named(&self, walk: Walk) -> String {
        let own = self.entity(walk.named.0);
        format!("{}.{}", own.name, own.field(walk.named.1).name)
    }

    fn walk_of(&self, entity: EntityId, field: FieldId) -> Option<Walk> {
        match &self.entity(entity).field(field).kind {
            FieldKind::Closure {
                entity: target,
                of,
                max_depth,
            } => Some(Walk {
                named: (entity, field),
                entity: *target,
                of: *of,
                max_depth: *max_depth,
            }),
            _ => None,
        }
    }

    /// Keys save two look-ups of three. A key that names no row counts as a step, though, and equal
    /// keys must have one form, in which they are met once.
    fn by(&self, walk: Walk, way: Way) -> By {
        let own = self.entity(walk.entity);
        let (held, side) = match &own.field(walk.of).kind {
            FieldKind::Inverse { field, .. } => (*field, Way::Back),
            _ => (walk.of, Way::Forth),
        };
        let holds_key = match &own.field(held).kind {
            FieldKind::Reference { by, .. } | FieldKind::Links { by, .. } => *by == own.key,
            _ => false,
        };
        let columns = self.columns(walk.entity, &own.key, "");
        let in_one_form = columns.iter().all(|column| match column.kind {
            ColumnKind::Scalar(scalar) => [Scalar::Id, Scalar::String, Scalar::Int, Scalar::BigInt].contains(&scalar),
            ColumnKind::Enum => true,
            ColumnKind::Document => false,
        });
        let far = if side == way { Way::Forth } else { Way::Back };
        match walk.max_depth.is_none() && holds_key && in_one_form && !own.positional {
            true => By::Key(held, far),
            false => By::Number,
        }
    }

    /// The columns by which a walk knows the row under an alias.
    fn known(&self, walk: Walk, by: By, alias: &str) -> Vec<String> {
        match by {
            By::Number => vec![self.name(alias, ROW_COLUMN)],
            By::Key(..) => {
                let columns = self.columns(walk.entity, &self.entity(walk.entity).key, alias);
                columns.into_iter().map(|column| column.sql).collect()
            }
        }
    }

    /// A step; one from a walk's table has its tables behind that.
    fn hop(&mut self, walk: Walk, (way, by): (Way, By), here: Here<'_>) -> Result<Hop, StoreError> {
        let (held, far) = match by {
            By::Number => return self.hop_by_number(walk, way, here),
            By::Key(held, far) => (held, far),
        };
        let near = match here {
            Here::Row(alias) => self.known(walk, by, alias),
            Here::Walk(table) => (0..self.known(walk, by, "").len())
                .map(|at| format!("{table}.k{at}"))
                .collect(),
        };
        let alias = self.alias();
        let join = self.laid(walk.entity).join_of(held);
        let (table, holder, target, may_be_null) = match join {
            Some(join) => {
                let names = |columns: &[crate::layout::Column]| -> Vec<String> {
                    columns.iter().map(|column| self.name(&alias, &column.name)).collect()
                };
                let table = format!("{} AS {alias}", self.dialect.quote(&join.name));
                (table, names(&join.owner), names(&join.targets), false)
            }
            None => {
                let target = self.columns(walk.entity, &[held], &alias);
                let target = target.into_iter().map(|column| column.sql).collect();
                (
                    self.table(walk.entity, &alias),
                    self.known(walk, by, &alias),
                    target,
                    true,
                )
            }
        };
        let (from, to) = match far {
            Way::Forth => (holder, target),
            Way::Back => (target, holder),
        };
        let pairs = from.iter().zip(&near);
        let mut conditions: Vec<String> = pairs.map(|(theirs, ours)| format!("{theirs}={ours}")).collect();
        if may_be_null && far == Way::Forth {
            conditions.extend(to.iter().map(|column| format!("{column} IS NOT NULL")));
        }
        Ok(Hop {
            from: table,
            conditions,
            to,
        })
    }

    fn hop_by_number(&mut self, walk: Walk, way: Way, here: Here<'_>) -> Result<Hop, StoreError> {
        let (alias, row) = match here {
            Here::Row(alias) => (alias.to_owned(), None),
            Here::Walk(table) => {
                let alias = self.alias();
                let row = format!("{}={table}.k0", self.name(&alias, ROW_COLUMN));
                (alias, Some(row))
            }
        };
        let step = match (way, &self.entity(walk.entity).field(walk.of).kind) {
            (Way::Back, FieldKind::Inverse { source, field, .. }) => self.step(*source, *field, &alias)?,
            (Way::Back, _) => self.inverse(walk.entity, walk.entity, walk.of, &alias)?,
            (Way::Forth, _) => self.step(walk.entity, walk.of, &alias)?,
        };
        let to = vec![self.name(&step.alias, ROW_COLUMN)];
        let Some(row) = row else {
            return Ok(Hop {
                from: step.from,
                conditions: step.conditions,
                to,
            });
        };
        let own = self.table(walk.entity, &alias);
        Ok(Hop {
            from: format!("{own}{}{}", self.dialect.before_chain(), step.from),
            conditions: std::iter::once(row).chain(step.conditions).collect(),
            to,
        })
    }

    /// What the rows are known by that are met from those that it begins with: `SELECT k0 …`.
    fn walk(&mut self, walk: Walk, (way, by): (Way, By), first: Hop) -> Result<String, StoreError> {
        let name = format!("_{}", self.alias());
        let mut next = self.hop(walk, (way, by), Here::Walk(&name))?;
        next.from = format!("{name}{}{}", self.dialect.before_chain(), next.from);
        let columns: Vec<String> = (0..first.to.len()).map(|at| format!("k{at}")).collect();
        let columns = columns.join(",");
        let select = |hop: &Hop, steps: &str| {
            let (to, met) = (hop.to.join(","), hop.conditions.join(" AND "));
            format!("SELECT {to}{steps} FROM {} WHERE {met}", hop.from)
        };
        let Some(most) = walk.max_depth else {
            let (first, next) = (select(&first, ""), select(&next, ""));
            return Ok(format!(
                "WITH RECURSIVE {name}({columns}) AS ({first} UNION {next}) SELECT {columns} FROM {name}"
            ));
        };
        next.conditions.push(format!("{name}.d<={most}"));
        let (first, next) = (select(&first, ",1"), select(&next, &format!(",{name}.d+1")));
        // Known of all before the first one is given, so that no `LIMIT` hides one that is too far.
        let all = format!("SELECT {columns},max(min(d)) OVER () AS n FROM {name} GROUP BY {columns}");
        Ok(format!(
            "WITH RECURSIVE {name}({columns},d) AS ({first} UNION {next}) SELECT {columns} FROM ({all}) AS a WHERE {}",
            self.dialect.steps_within("a.n", most, &self.named(walk))
        ))
    }
}
