//! The first rows of a type in an order that no index has as a whole: they are put together of
//! parts that an index leads to, or that are led by the rows that the order goes by. Knows such
//! parts; no condition and no output of a row.
//!
//! The parts follow each other in order, each with as many rows as are wanted, so that one is only
//! begun when those before it had too few.

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    layout::{ColumnKind, ROW_COLUMN},
    query::{Direction, Form, Nulls, Order, Select, Through},
    store::{db::made::Bounds, error::StoreError},
};

use super::{
    compiler::Compiler,
    joins::Joins,
    places::{Part, parts},
    relation::Step,
    statement::BindForm,
};

/// All rows, led to by none.
const ALL: (Through, Option<&str>, bool) = (Through::Plain, None, false);

/// Rows that an order goes by lead to those that it orders where these are so many times as many:
/// all of the former are sorted then, and few of the latter are looked at.
const FEWER: u32 = 2;

/// The rows on the way of an order, from those that are ordered outwards.
struct Way {
    /// The alias of the rows that are ordered, and their table under it.
    near: String,
    table: String,
    steps: Vec<Step>,
}

/// How many rows are wanted, as SQL.
struct Wanted {
    /// Of each part: those that are skipped, too.
    each: String,
    /// ` LIMIT … OFFSET …` of all parts.
    all: String,
}

impl Compiler<'_> {
    /// The first rows of a root; none where one way through the rows is as good.
    pub(crate) fn first_rows(&mut self, select: &Select) -> Result<Option<String>, StoreError> {
        let Some(order) = select.order.first().filter(|_| select.first.is_some()) else {
            return Ok(None);
        };
        let outer = (self.bounded, self.skips_rows);
        (self.bounded, self.skips_rows) = (true, select.offset.is_some());
        let rows = if self.nulls_elsewhere(select.entity, order) {
            self.values_and_nulls(select)
        } else if self.may_lead(select, order) {
            self.led_by_order(select, order).map(Some)
        } else {
            Ok(None)
        };
        (self.bounded, self.skips_rows) = outer;
        let Some(rows) = rows? else {
            return Ok(None);
        };
        let alias = self.alias();
        // Databases may make the lists of rows that are cut off then.
        let bounds = std::mem::replace(&mut self.bounds, Bounds::ENDLESS);
        let object = self.object(select.entity, &alias, &select.output, None);
        self.bounds = bounds;
        Ok(Some(format!("SELECT {} AS json FROM ({rows}) AS {alias}", object?)))
    }

    fn wanted(&mut self, select: &Select) -> Wanted {
        let all = self.limit(select);
        let first = select.first.as_ref().map(|first| self.bind(first, BindForm::Count));
        let first = self.dialect.cut(first.as_deref(), self.bounds).unwrap_or_default();
        let offset = select.offset.as_ref().map(|offset| self.bind(offset, BindForm::Count));
        let each = offset.map_or(first.clone(), |offset| format!("{first}+{offset}"));
        Wanted { each, all }
    }

    /// Those with a value and those without apart: an index has the latter at its other end.
    fn values_and_nulls(&mut self, select: &Select) -> Result<Option<String>, StoreError> {
        let order = self.sorted(select, "_", ALL, &mut Joins::default())?;
        let [_, _] = parts(&order, false) else {
            return Ok(None);
        };
        let wanted = self.wanted(select);
        let mut selects = Vec::new();
        for part in parts(&order, false) {
            let alias = self.alias();
            let mut joins = Joins::default();
            let order = self.sorted(select, &alias, ALL, &mut joins)?;
            let mut conditions = part.conditions(&order, None, false);
            if let Some(filter) = &select.filter {
                conditions.push(self.filter(select.entity, &alias, filter)?);
            }
            selects.push(format!(
                "SELECT {alias}.* FROM {}{} WHERE {} ORDER BY {} LIMIT {}",
                self.table(select.entity, &alias),
                joins.sql(),
                conditions.join(" AND "),
                part.order_by(&order),
                wanted.each
            ));
        }
        Ok(Some(together(&selects, &wanted)))
    }

    /// Whether the rows behind links that an order goes by can lead to its rows: an index has each
    /// of the links, and all rows are asked for.
    fn may_lead(&self, select: &Select, order: &Order) -> bool {
        let mut entity = select.entity;
        if order.form != Form::Value {
            return false;
        }
        for field in &order.path {
            let FieldKind::Reference { target, .. } = &self.entity(entity).field(*field).kind else {
                return false;
            };
            if !self.leads_to_one(entity, *field) || !self.is_found_by(entity, *field) {
                return false;
            }
            entity = *target;
        }
        let columns = self.laid(entity).columns_of(order.field);
        let kinds = columns.iter().filter_map(|at| self.laid(entity).table.columns.get(*at));
        let is_plain = matches!(
            kinds.map(|column| column.kind).collect::<Vec<_>>()[..],
            [ColumnKind::Scalar(_)]
        );
        let path = 1..=Joins::MOST;
        select.filter.is_none() && order.nulls == Nulls::Last && is_plain && path.contains(&order.path.len())
    }

    /// Whether rows are found by their link, or by a value: by an index that begins with it.
    pub(crate) fn is_found_by(&self, entity: EntityId, field: FieldId) -> bool {
        let tables = self.laid(entity);
        let columns = tables.columns_of(field);
        if columns.is_empty() {
            return false;
        }
        let table = &tables.table;
        let mut plain = table.unique().chain(table.plain());
        table.key.starts_with(&columns) || plain.any(|index| index.starts_with(&columns))
    }

    /// Led by the rows that the order goes by, where these are fewer: then those without a value,
    /// or without such a row. One after the other otherwise.
    fn led_by_order(&mut self, select: &Select, order: &Order) -> Result<String, StoreError> {
        let wanted = self.wanted(select);
        let far = self.way_of(select.entity, &order.path)?.steps.pop();
        let far = far.ok_or_else(|| StoreError::Internal("an order of no link".to_owned()))?;
        let fewer = format!(
            "{FEWER}*{}<={}",
            self.highest_row(far.entity),
            self.highest_row(select.entity)
        );
        let mut selects = vec![self.in_their_order(select, order, (&fewer, &wanted))?];
        for part in [Part::Nulls, Part::All] {
            let alias = self.alias();
            let mut joins = Joins::default();
            let order = self.sorted(select, &alias, ALL, &mut joins)?;
            let from = format!("{}{}", self.table(select.entity, &alias), joins.sql());
            let (conditions, begins) = match part {
                Part::All => (Vec::new(), format!("NOT {fewer}")),
                part => (part.conditions(&order, None, false), fewer.clone()),
            };
            let end = format!(" ORDER BY {}", part.order_by(&order));
            let begun = self.begun((&begins, &wanted.each), conditions, &end);
            selects.push(format!("SELECT {alias}.* FROM {from}{begun}"));
        }
        Ok(together(&selects, &wanted))
    }

    /// The rows that those lead to, in their order.
    fn in_their_order(
        &mut self,
        select: &Select,
        order: &Order,
        (fewer, wanted): (&str, &Wanted),
    ) -> Result<String, StoreError> {
        let way = self.way_of(select.entity, &order.path)?;
        let mut conditions = Vec::new();
        if !self.dialect.keeps_order_within() {
            let last = self.last_value(select, order, &wanted.each)?;
            let (_, column) = self.far(&way, order)?;
            let sign = if order.direction == Direction::Descending {
                ">="
            } else {
                "<="
            };
            // No value where there are not so many rows.
            conditions.push(format!("coalesce({column}{sign}{last},TRUE)"));
        }
        let mut joins = Joins::default();
        let from = self.outwards(&way, order, &conditions, &mut joins)?;
        let order = self.sorted(select, &way.near, ALL, &mut joins)?;
        let end = format!(" ORDER BY {}", Part::Values.order_by(&order));
        let begun = self.begun((fewer, &wanted.each), Vec::new(), &end);
        Ok(format!("SELECT {}.* FROM {from}{}{begun}", way.near, joins.sql()))
    }

    /// The value of the last row that is wanted: by then no order is needed but that of the rows
    /// that lead, of which only so many are looked at.
    fn last_value(&mut self, select: &Select, order: &Order, each: &str) -> Result<String, StoreError> {
        let way = self.way_of(select.entity, &order.path)?;
        let (_, column) = self.far(&way, order)?;
        let from = self.outwards(&way, order, &[], &mut Joins::closed())?;
        Ok(format!("(SELECT {column} FROM {from} LIMIT 1 OFFSET {each}-1)"))
    }

    /// The rows on the way of an order, each under other names.
    fn way_of(&mut self, entity: EntityId, path: &[FieldId]) -> Result<Way, StoreError> {
        let near = self.alias();
        let mut steps: Vec<Step> = Vec::new();
        for field in path {
            let (entity, alias) = match steps.last() {
                Some(step) => (step.entity, step.alias.clone()),
                None => (entity, near.clone()),
            };
            steps.push(self.step(entity, *field, &alias)?);
        }
        let table = self.table(entity, &near);
        Ok(Way { near, table, steps })
    }

    /// The alias of the rows that lead, and the column that they are ordered by as it compares.
    fn far(&mut self, way: &Way, order: &Order) -> Result<(String, String), StoreError> {
        let far = way.steps.last();
        let far = far.ok_or_else(|| StoreError::Internal("an order of no link".to_owned()))?;
        let column = self.column(far.entity, order.field, &far.alias)?;
        let sql = format!("{}{}", column.sql, self.dialect.collate(column.kind));
        Ok((far.alias.clone(), sql))
    }

    /// The rows that lead, in order, and those that they lead to.
    fn outwards(
        &mut self,
        way: &Way,
        order: &Order,
        conditions: &[String],
        joins: &mut Joins,
    ) -> Result<String, StoreError> {
        let (far, column) = self.far(way, order)?;
        let mut owners = vec![way.near.clone()];
        owners.extend(way.steps.iter().map(|step| step.alias.clone()));
        let entities = way.steps.iter().map(|step| step.entity);
        for ((owner, field), (entity, alias)) in owners.iter().zip(&order.path).zip(entities.zip(owners.iter().skip(1)))
        {
            joins.add(owner, *field, (entity, alias.clone()), "");
        }
        let mut from = String::new();
        for (at, step) in way.steps.iter().enumerate().rev() {
            if from.is_empty() {
                let direction = if order.direction == Direction::Descending {
                    " DESC"
                } else {
                    ""
                };
                let mut all = vec![format!("{column} IS NOT NULL")];
                all.extend(conditions.iter().cloned());
                // Without a limit SQLite may forget the order of a table within a table.
                let end = match self.dialect.keeps_order_within() {
                    true => String::new(),
                    false => format!(" LIMIT {}", self.dialect.no_limit()),
                };
                from = format!(
                    "(SELECT {far}.* FROM {} WHERE {} ORDER BY {column}{direction}{end}) AS {far}",
                    step.from,
                    all.join(" AND ")
                );
            }
            let owner = match at.checked_sub(1).and_then(|before| way.steps.get(before)) {
                Some(step) => step.from.clone(),
                None => way.table.clone(),
            };
            from = format!(
                "{from} {} {owner} ON {}",
                self.dialect.chain(),
                step.conditions.join(" AND ")
            );
        }
        Ok(from)
    }

    fn begun(&self, (begins, each): (&str, &str), mut conditions: Vec<String>, end: &str) -> String {
        // What a limit is computed of, PostgreSQL's planner does not know; SQLite looks at a
        // condition for each row.
        let limit = match self.dialect.keeps_order_within() {
            true => {
                conditions.push(begins.to_owned());
                each.to_owned()
            }
            false => format!("CASE WHEN {begins} THEN {each} ELSE 0 END"),
        };
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!("{condition}{end} LIMIT {limit}")
    }

    /// The highest number of a row of a type, which a database looks up; that of none is 0, as a
    /// comparison with NULL would choose no way at all.
    pub(crate) fn highest_row(&self, entity: EntityId) -> String {
        let table = self.dialect.quote(&self.tables(entity).table.name);
        format!(
            "(SELECT coalesce(max({}),0) FROM {table})",
            self.dialect.quote(ROW_COLUMN)
        )
    }
}

/// The rows of parts that follow each other.
fn together(selects: &[String], wanted: &Wanted) -> String {
    let each = selects.iter().map(|select| format!("SELECT * FROM ({select}) AS a"));
    format!("{}{}", each.collect::<Vec<_>>().join(" UNION ALL "), wanted.all)
}
