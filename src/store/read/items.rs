//! Rows that are found by a table of the items of their lists, and what makes such a table lead a
//! select. Knows when it pays; no other way to search lists.

use crate::{
    catalog::{EntityId, FieldId},
    layout::ROW_COLUMN,
    query::{Filter, Select},
    store::{ddl::items, error::StoreError},
};

use super::{
    compiler::Compiler,
    statement::BindForm,
    two_ways::{bare, conjuncts},
};

/// A list of the row under an alias, and what it is searched for.
pub(crate) struct Search {
    /// The column as SQL.
    pub list: String,
    /// All operands, or any.
    pub all: bool,
    pub params: Vec<String>,
}

/// How many operands there are; they may be equal, which only their values tell.
pub(crate) fn wanted(params: &[String]) -> String {
    let rows = params.join("),(");
    format!("(SELECT count(DISTINCT column1) FROM (VALUES ({rows})) AS wanted)")
}

/// Operands that are looked for by their index. They stand in a statement several times.
const OPERANDS_MAX: usize = 1_000;
/// Operands among which the rarest is looked for; any of them would do.
const RAREST_OF: usize = 8;

/// Rows of a table, and how many are few of them; tests come to many sooner.
const FEW: [(u32, u32); 5] = [
    (1_000, if cfg!(test) { 20 } else { 100 }),
    (10_000, 300),
    (100_000, 700),
    (1_000_000, 1_500),
    (10_000_000, 5_000),
];
const FEW_MAX: u32 = 15_000;
/// So many times as many are few where all rows are wanted that meet the conditions: then only
/// those are found sooner that another condition leads to.
const FEW_OF_ALL: u32 = 4;
/// Rows that are looked at before any are counted, and so many of them that have an operand say
/// that many rows do. Those few are found in the time in which a hundred are counted.
const LOOKED_AT: u64 = 8;
const SEEN: u64 = 2;
/// Strews them over the numbers of a table; a prime, so that they share no step with what its rows
/// have in common.
const STRIDE: u64 = 2_654_435_761;
/// Where so many times the rows that are wanted are more than there are, most are gone through:
/// then the rows behind the items are collected first, and no list is taken apart.
const MOST: u32 = 8;

/// The rows behind the items of a list, as SQL.
pub(crate) struct Items {
    /// Their numbers.
    pub rows: String,
    /// The same, or some more, once for each item.
    each: String,
    few: String,
    /// Whether some of a few rows are among them. None where that says nothing.
    seen: Option<String>,
    /// The highest number that a row has.
    highest: String,
}

impl Items {
    /// None where there is no such table, or too many operands.
    pub(crate) fn of(compiler: &mut Compiler<'_>, entity: EntityId, field: FieldId, search: &Search) -> Option<Items> {
        let tables = compiler.tables(entity);
        let column = tables.table.columns.get(tables.list_of(field)?.column)?;
        let params = &search.params;
        if !compiler.dialect.keeps_items() || params.is_empty() || params.len() > OPERANDS_MAX {
            return None;
        }
        let table = compiler
            .dialect
            .quote(&items::table_name(&tables.table.name, &column.name));
        let few = few(compiler, &tables.table.name);
        let value = compiler.dialect.quote(items::VALUE);
        let list = params.join(",");
        let one = compiler.alias();
        let row = compiler.name(&one, ROW_COLUMN);
        // A row that has them all is behind each of them.
        let lead = match search.all && params.len() > 1 {
            true => format!("{one}.{value}={}", rarest(compiler, &table, &value, &few, params)),
            false => format!("{one}.{value} IN ({list})"),
        };
        let each = format!("SELECT {row} AS r FROM {table} AS {one} WHERE {lead}");
        let rows = match search.all && params.len() > 1 {
            true => {
                let other = compiler.alias();
                let same = compiler.name(&other, ROW_COLUMN);
                let found = format!(
                    "SELECT count(*) FROM {table} AS {other} WHERE {same}={row} AND +{other}.{value} IN ({list})"
                );
                format!("{each} AND ({found})={}", wanted(params))
            }
            false => each.clone(),
        };
        let highest = highest(compiler, &tables.table.name);
        let any = !search.all || params.len() == 1;
        let seen = any.then(|| seen(compiler, &table, &highest, &list));
        Some(Items {
            rows,
            each,
            few,
            seen,
            highest,
        })
    }

    /// Whether they are more than are collected where they may be found sooner otherwise; those
    /// that are wanted beside.
    pub(crate) fn many(&self, wanted: &[String]) -> String {
        let wanted: String = wanted.iter().map(|count| format!("+{count}")).collect();
        let counted = format!("({} LIMIT 1 OFFSET {}{wanted}) IS NOT NULL", self.each, self.few);
        match &self.seen {
            Some(seen) => format!("({seen} OR {counted})"),
            None => counted,
        }
    }

    /// Whether the row under `alias` is one of them, of as many as are gone through to find those
    /// that are wanted: by its list taken apart, or by all numbers, where most rows are.
    fn holds(&self, row: &str, apart: String, wanted: &[String]) -> String {
        if self.seen.is_none() || wanted.is_empty() {
            return apart;
        }
        let (wanted, highest, rows) = (wanted.join("+"), &self.highest, &self.rows);
        format!("CASE WHEN {MOST}*({wanted})>{highest} THEN {row} IN ({rows}) ELSE {apart} END")
    }
}

/// Looks at a few rows, by numbers far from each other; those that were deleted count as rows
/// without.
fn seen(compiler: &mut Compiler<'_>, table: &str, highest: &str, list: &str) -> String {
    let alias = compiler.alias();
    let (row, value) = (compiler.name(&alias, ROW_COLUMN), compiler.name(&alias, items::VALUE));
    let places: Vec<String> = (1..=LOOKED_AT).map(|at| format!("({})", at * STRIDE)).collect();
    format!(
        "(SELECT 1 FROM (VALUES {}) AS place WHERE {} (SELECT 1 FROM {table} AS {alias} WHERE {row}=1+place.column1%{highest} \
         AND {value} IN ({list})) LIMIT 1 OFFSET {}) IS NOT NULL",
        places.join(","),
        compiler.dialect.exists_beside_offset(),
        SEEN - 1
    )
}

/// The highest number of a row of a table, which a database looks up.
fn highest(compiler: &Compiler<'_>, table: &str) -> String {
    let (row, table) = (compiler.dialect.quote(ROW_COLUMN), compiler.dialect.quote(table));
    format!("(SELECT max({row}) FROM {table})")
}

/// The operand with the fewest rows.
fn rarest(compiler: &mut Compiler<'_>, table: &str, value: &str, few: &str, params: &[String]) -> String {
    let alias = compiler.alias();
    let some: Vec<&str> = params.iter().take(RAREST_OF).map(String::as_str).collect();
    format!(
        "(SELECT column1 FROM (VALUES ({})) ORDER BY \
         (SELECT count(*) FROM (SELECT 1 FROM {table} AS {alias} WHERE {alias}.{value}=column1 LIMIT {few}+1)) LIMIT 1)",
        some.join("),(")
    )
}

/// Where the first rows are wanted, so many cost as much to collect and sort as the first twenty of
/// them cost when all rows are gone through in order, about the root of twenty times the rows of
/// the table; a bit less, because they are counted.
pub(crate) fn few(compiler: &Compiler<'_>, table: &str) -> String {
    let (row, table) = (compiler.dialect.quote(ROW_COLUMN), compiler.dialect.quote(table));
    let times = if compiler.bounded { 1 } else { FEW_OF_ALL };
    let steps = FEW.map(|(rows, few)| format!("WHEN max({row})<{rows} THEN {}", few * times));
    format!(
        "(SELECT CASE {} ELSE {} END FROM {table})",
        steps.join(" "),
        FEW_MAX * times
    )
}

impl Compiler<'_> {
    /// A list of rows of a select whose filter wants items of a list, led by the table of these;
    /// none where nothing of it is.
    pub(crate) fn led_by_items(&mut self, select: &Select) -> Result<Option<String>, StoreError> {
        let mut conditions = Vec::new();
        conjuncts(select.filter.as_ref(), &mut conditions);
        let leads = |filter: &&Filter| self.leads(select.entity, filter);
        let Some(at) = conditions.iter().position(leads) else {
            return Ok(None);
        };
        let lead = conditions.remove(at);
        let outer = (self.bounded, self.skips_rows);
        self.bounded |= select.first.is_some();
        self.skips_rows = select.offset.is_some();
        let sql = match select.first.is_none() && conditions.is_empty() {
            true => self.alone(select, lead),
            false => self.two_ways(select, lead, &conditions),
        };
        (self.bounded, self.skips_rows) = outer;
        sql
    }

    fn leads(&self, entity: EntityId, filter: &Filter) -> bool {
        let Filter::Has { field, operands, .. } = filter else {
            return false;
        };
        let is_list = self.laid(entity).list_of(*field).is_some();
        is_list && self.dialect.keeps_items() && (1..=OPERANDS_MAX).contains(&operands.len())
    }

    /// Where nothing else is asked, the rows are those that the items name, however many they are.
    fn alone(&mut self, select: &Select, lead: &Filter) -> Result<Option<String>, StoreError> {
        let alias = self.alias();
        let Some(items) = self.items_of(select.entity, &alias, lead)? else {
            return Ok(None);
        };
        let (row, table) = (self.name(&alias, ROW_COLUMN), self.table(select.entity, &alias));
        let (from, condition) = match lead {
            // Each row is behind one item, and need not be collected first.
            Filter::Has { operands, .. } if operands.len() == 1 => {
                let found = self.alias();
                let from = format!("({}) AS {found} {} {table} ON TRUE", items.rows, self.dialect.chain());
                (from, format!("{row}={found}.r"))
            }
            _ => (table, format!("{row} IN ({})", items.rows)),
        };
        let conditions = vec![condition];
        self.rows(&bare(select), &alias, &from, conditions, None, None)
            .map(Some)
    }

    /// One by one, or by the items that they have.
    fn two_ways(&mut self, select: &Select, lead: &Filter, others: &[&Filter]) -> Result<Option<String>, StoreError> {
        let (one_by_one, first) = (self.alias(), self.alias());
        let Some(items) = self.items_of(select.entity, &first, lead)? else {
            return Ok(None);
        };
        let counts = [&select.first, &select.offset].map(Option::as_ref);
        let wanted = counts.map(|count| Some(self.bind(count?, BindForm::Count)));
        let wanted: Vec<String> = wanted.into_iter().flatten().collect();
        let apart = self.apart(select.entity, &one_by_one, lead)?;
        // Without `first` all rows are wanted, of which another condition leaves some.
        let most = if select.first.is_some() { &wanted[..] } else { &[] };
        let apart = items.holds(&self.name(&one_by_one, ROW_COLUMN), apart, most);
        let of_these = format!("{} IN ({})", self.name(&first, ROW_COLUMN), items.rows);
        let ways = [(one_by_one, apart), (first, of_these)];
        self.either(select, &items.many(&wanted), ways, others).map(Some)
    }

    fn items_of(&mut self, entity: EntityId, alias: &str, lead: &Filter) -> Result<Option<Items>, StoreError> {
        let Filter::Has { field, all, operands } = lead else {
            return Ok(None);
        };
        let search = self.search(entity, alias, *field, *all, operands)?;
        Ok(Items::of(self, entity, *field, &search))
    }

    /// The condition that leads, as it is without an index.
    fn apart(&mut self, entity: EntityId, alias: &str, lead: &Filter) -> Result<String, StoreError> {
        let Filter::Has { field, all, operands } = lead else {
            return self.filter(entity, alias, lead);
        };
        let search = self.search(entity, alias, *field, *all, operands)?;
        Ok(self.taken_apart(&search))
    }
}
