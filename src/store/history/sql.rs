//! The statements by which versions of one type end and begin. Knows SQL of the tables of versions;
//! runs nothing.
//!
//! The moment of the commit is the first parameter of all of them. A version ends where the row is
//! not what it says any more, and begins where a row has none: so they may be run for any rows,
//! however often, and find what is to be done.

use crate::{
    catalog::EntityId,
    layout::{
        BEGIN_COLUMN, Column, EntityTables, FROM_COLUMN, GONE_COLUMN, JoinTable, Layout, POSITION_COLUMN, ROW_COLUMN,
        UNTIL_COLUMN, history_name,
    },
    store::db::{dialect::Dialect, params::Kind},
};

/// Keeps a subquery from being joined: PostgreSQL knows nothing of tables that have just been
/// filled, and compares each row with all of them. So it looks up each row by an index.
const ONE_BY_ONE: &str = "LIMIT 1 OFFSET 0";

/// Conditions between which there is one level of an expression: databases bound how deep one is.
const ABREAST: usize = 100;

/// The tables of one type.
pub(super) struct Sql<'t> {
    pub dialect: &'static dyn Dialect,
    pub layout: &'t Layout,
    pub tables: &'t EntityTables,
}

/// Which rows a statement is about.
#[derive(Clone, Copy)]
pub(super) enum Which<'w> {
    /// Those with these numbers: a list in the words of the database.
    Listed(&'w str),
    /// Those from the number that is the second parameter up to the third.
    Span,
    All,
}

impl<'t> Sql<'t> {
    pub(super) fn of(dialect: &'static dyn Dialect, layout: &'t Layout, entity: EntityId) -> Sql<'t> {
        Sql {
            dialect,
            layout,
            tables: layout.entity(entity),
        }
    }

    fn quote(&self, name: &str) -> String {
        self.dialect.quote(name)
    }

    fn at(&self, alias: &str, name: &str) -> String {
        format!("{alias}.{}", self.quote(name))
    }

    fn moment(&self) -> String {
        self.dialect.param(1, Kind::Text)
    }

    fn rows(&self) -> String {
        self.quote(&self.tables.table.name)
    }

    fn versions(&self) -> String {
        self.quote(&history_name(&self.tables.table.name))
    }

    /// The rows under an alias that are meant.
    fn which(&self, alias: &str, which: Which<'_>) -> String {
        let row = self.at(alias, ROW_COLUMN);
        match which {
            Which::Listed(list) => format!("{row} IN ({list})"),
            Which::Span => {
                let [first, last] = [2, 3].map(|number| self.dialect.param(number, Kind::Int));
                format!("{row}>={first} AND {row}<={last}")
            }
            Which::All => "1=1".to_owned(),
        }
    }

    /// The names of the key's columns.
    fn key(&self) -> Vec<&'t str> {
        let key = self.tables.table.key.iter();
        let columns = key.filter_map(|at| self.tables.table.columns.get(*at));
        columns.map(|column| column.name.as_str()).collect()
    }

    /// Whether the cells of two rows are the same, as texts too: the two zeros are equal.
    fn same(&self, (one, other): (&str, &str), name: &str, kind: Kind) -> String {
        let (one, other) = (self.at(one, name), self.at(other, name));
        match kind {
            Kind::Float => {
                let texts = format!("CAST({one} AS TEXT)=CAST({other} AS TEXT)");
                format!("({one} IS NOT DISTINCT FROM {other} AND ({one} IS NULL OR {one}<>0 OR {texts}))")
            }
            _ => format!("{one} IS NOT DISTINCT FROM {other}"),
        }
    }

    fn links_meet(&self, (link, kept): (&str, &str), join: &JoinTable) -> String {
        let columns = join.owner.iter().chain(&join.targets);
        let mut all: Vec<String> = columns
            .map(|column| format!("{}={}", self.at(link, &column.name), self.at(kept, &column.name)))
            .collect();
        let position = format!("{}={}", self.at(link, POSITION_COLUMN), self.at(kept, POSITION_COLUMN));
        all.push(position);
        all.join(" AND ")
    }

    /// Ends the versions of links that rows have no more.
    pub(super) fn end_links(&self, join: &JoinTable, which: Which<'_>) -> String {
        let kept = self.quote(&history_name(&join.name));
        let until = self.quote(UNTIL_COLUMN);
        // Also of rows that are deleted: by their versions.
        let owners = match which {
            Which::All => String::new(),
            which => format!(
                " AND ({}) IN (SELECT {} FROM {} AS v WHERE v.{until} IS NULL AND {})",
                self.names("h", &join.owner),
                self.list("v", &self.key()),
                self.versions(),
                self.which("v", which)
            ),
        };
        format!(
            "UPDATE {kept} AS h SET {until}={} WHERE h.{until} IS NULL{owners} AND NOT EXISTS \
             (SELECT 1 FROM {} AS t WHERE {} {ONE_BY_ONE})",
            self.moment(),
            self.quote(&join.name),
            self.links_meet(("t", "h"), join)
        )
    }

    /// Begins versions of links that have none.
    pub(super) fn begin_links(&self, join: &JoinTable, which: Which<'_>) -> String {
        let kept = self.quote(&history_name(&join.name));
        let (from, until) = (self.quote(FROM_COLUMN), self.quote(UNTIL_COLUMN));
        let columns: Vec<&Column> = join.owner.iter().chain(&join.targets).collect();
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.push(POSITION_COLUMN);
        let owners = match which {
            Which::All => String::new(),
            which => format!(
                "({}) IN (SELECT {} FROM {} AS v WHERE {}) AND ",
                self.names("t", &join.owner),
                self.list("v", &self.key()),
                self.rows(),
                self.which("v", which)
            ),
        };
        format!(
            "INSERT INTO {kept}({},{from}) SELECT {},{} FROM {} AS t WHERE {owners}NOT EXISTS \
             (SELECT 1 FROM {kept} AS h WHERE h.{until} IS NULL AND {} {ONE_BY_ONE})",
            self.dialect.names(&names),
            self.list("t", &names),
            self.moment(),
            self.quote(&join.name),
            self.links_meet(("t", "h"), join)
        )
    }

    /// Ends the versions of rows that are gone, or have other values, links or nested rows now.
    pub(super) fn end(&self, which: Which<'_>) -> String {
        let (rows, until, gone) = (self.rows(), self.quote(UNTIL_COLUMN), self.quote(GONE_COLUMN));
        let row = format!("{}={}", self.at("t", ROW_COLUMN), self.at("h", ROW_COLUMN));
        let columns = self.tables.kept_columns();
        let mut same: Vec<String> = columns
            .map(|column| self.same(("t", "h"), &column.name, Kind::of(column.kind)))
            .collect();
        if self.tables.positioned {
            same.push(self.same(("t", "h"), POSITION_COLUMN, Kind::Int));
        }
        let mut other = vec![format!(
            "NOT EXISTS (SELECT 1 FROM {rows} AS t WHERE {row} AND {} {ONE_BY_ONE})",
            abreast(&same)
        )];
        other.extend(self.tables.joins.iter().map(|join| {
            let owner: Vec<&str> = join.owner.iter().map(|column| column.name.as_str()).collect();
            self.touched(&join.name, &owner)
        }));
        other.extend(self.tables.nested.iter().map(|nested| {
            let child = self.layout.entity(nested.child);
            let keys = child.table.key.iter().take(self.tables.table.key.len());
            let owner = keys.filter_map(|at| child.table.columns.get(*at));
            let owner: Vec<&str> = owner.map(|column| column.name.as_str()).collect();
            self.touched(&child.table.name, &owner)
        }));
        format!(
            "UPDATE {} AS h SET {until}={},{gone}=CASE WHEN EXISTS (SELECT 1 FROM {rows} AS t WHERE {row}) THEN 0 ELSE 1 END \
             WHERE h.{until} IS NULL AND {} AND ({})",
            self.versions(),
            self.moment(),
            self.which("h", which),
            other.join(" OR ")
        )
    }

    /// Whether versions of what belongs to a row have begun or ended at this moment.
    fn touched(&self, table: &str, owner: &[&str]) -> String {
        let pairs = owner.iter().zip(self.key());
        let pairs = pairs.map(|(theirs, own)| format!("{}={}", self.at("o", theirs), self.at("h", own)));
        let moment = self.moment();
        format!(
            "EXISTS (SELECT 1 FROM {} AS o WHERE {} AND ({}={moment} OR {}={moment}))",
            self.quote(&history_name(table)),
            pairs.collect::<Vec<_>>().join(" AND "),
            self.at("o", FROM_COLUMN),
            self.at("o", UNTIL_COLUMN)
        )
    }

    /// Begins versions of rows that have none; how they begin is a number.
    pub(super) fn begin(&self, which: Which<'_>, begin: i64) -> String {
        let mut names = vec![ROW_COLUMN];
        names.extend(self.tables.kept_columns().map(|column| column.name.as_str()));
        names.extend(self.tables.positioned.then_some(POSITION_COLUMN));
        let versions = self.versions();
        // Rows of a span are new: none of them has a version.
        let has_none = match which {
            Which::Span => String::new(),
            Which::Listed(_) | Which::All => format!(
                " AND NOT EXISTS (SELECT 1 FROM {versions} AS h WHERE {}={} AND {} IS NULL {ONE_BY_ONE})",
                self.at("h", ROW_COLUMN),
                self.at("t", ROW_COLUMN),
                self.at("h", UNTIL_COLUMN)
            ),
        };
        format!(
            "INSERT INTO {versions}({},{},{}) SELECT {},{},{begin} FROM {} AS t WHERE {}{has_none}",
            self.dialect.names(&names),
            self.quote(FROM_COLUMN),
            self.quote(BEGIN_COLUMN),
            self.list("t", &names),
            self.moment(),
            self.rows(),
            self.which("t", which),
        )
    }

    fn list(&self, alias: &str, names: &[&str]) -> String {
        let names = names.iter().map(|name| self.at(alias, name));
        names.collect::<Vec<_>>().join(",")
    }

    fn names(&self, alias: &str, columns: &[Column]) -> String {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        self.list(alias, &names)
    }
}

/// All of these conditions, however many there are.
fn abreast(conditions: &[String]) -> String {
    let parts = conditions
        .chunks(ABREAST)
        .map(|part| format!("({})", part.join(" AND ")));
    parts.collect::<Vec<_>>().join(" AND ")
}
