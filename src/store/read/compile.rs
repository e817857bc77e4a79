//! Compiles reads to SQL that returns JSON text. Knows catalog, layout and dialect; opens no
//! connection.
//!
//! One statement gives rows `(root, json)`: the change log's head first (root -1), then each root
//! in order, a list as one array. Nested rows are correlated subqueries, so `first` and `offset`
//! apply to each parent and one snapshot answers everything.

use std::sync::Arc;

use crate::{
    catalog::{EntityId, FieldId},
    change::SETTLED,
    query::{Output, Read, Root, RootValue},
    store::{
        db::{
            dialect::{Dialect, Numbered, RowsOf},
            params::Kind,
        },
        error::StoreError,
        system::change_log,
    },
};

use super::{
    compiler::{Base, Compiler, OPERANDS, Operands},
    joins::Joins,
    output,
    pace::Pace,
    relation::Rows,
    shown::Shown,
    statement::{KeyedStatement, Many, RootShape, Statement},
};

/// Keys of one load: more than a batch of lookups has, so that those of one request share a
/// snapshot. Counts are rounded up to a power of two, so that few texts are ever prepared.
pub(crate) const KEYS_MAX: usize = 2_048;

/// The number of the row that says of which type no past is kept of the moment that is asked for.
pub(crate) const UNKEPT: i64 = -2;

impl Base<'_> {
    /// Compiles a read.
    pub(crate) fn compile(self, read: &Read) -> Result<Statement, StoreError> {
        compile(self, read)
    }

    /// Compiles a load by key.
    pub(crate) fn compile_keyed(
        self,
        entity: EntityId,
        by: &[FieldId],
        output: &[Output],
    ) -> Result<Option<KeyedStatement>, StoreError> {
        compile_keyed(self, entity, by, output)
    }
}

fn compile(base: Base<'_>, read: &Read) -> Result<Statement, StoreError> {
    let mut compiler = Compiler::new(base);
    let (sql, roots) = union(&mut compiler, read)?;
    let shown = Shown {
        wanted: std::mem::take(&mut compiler.wanted),
        most: base.bounds.bytes,
    };
    Ok(Statement {
        shown: Arc::new(shown),
        sql: compiler.checked(sql)?,
        types: compiler.types(),
        many: compile_many(base, read)?,
        led: compiler.led_read(read).map(Into::into),
        binds: compiler.binds.into(),
        roots: roots.into(),
    })
}

/// The statement's rows, and the members of the answer.
fn union(compiler: &mut Compiler<'_>, read: &Read) -> Result<(String, Vec<RootShape>), StoreError> {
    let mut sql = String::new();
    let mut roots = Vec::with_capacity(read.roots.len());
    let (mut moments, mut is_past) = (Vec::new(), true);
    for (number, root) in read.roots.iter().enumerate() {
        let rows = match &root.value {
            RootValue::Json(json) => {
                roots.push(shape(root, Some(json.clone())));
                continue;
            }
            RootValue::Past(past) => {
                let (rows, began, moment) = compiler.as_of(&past.moment, |compiler| rows_of(compiler, &past.value))?;
                moments.push(moment);
                sql.push_str(&format!(" UNION ALL SELECT {UNKEPT},json FROM ({began}) AS b{number}"));
                rows
            }
            value => {
                is_past = false;
                rows_of(compiler, value)?
            }
        };
        sql.push_str(&format!(" UNION ALL SELECT {number},json FROM ({rows}) AS r{number}"));
        roots.push(shape(root, None));
    }
    let head = match is_past && !moments.is_empty() {
        true => head_after(compiler.dialect, &moments),
        false => head(compiler.dialect),
    };
    Ok((head + &sql, roots))
}

/// The row of one root.
fn rows_of(compiler: &mut Compiler<'_>, value: &RootValue) -> Result<String, StoreError> {
    let (dialect, bounds) = (compiler.dialect, compiler.bounds);
    // A list is one value: handing over thousands of rows costs more than putting them together
    // here.
    let list = |rows: String| {
        format!(
            "SELECT {} AS json",
            dialect.rows_array("json", &rows, RowsOf::Answer, bounds)
        )
    };
    Ok(match value {
        RootValue::One(select) => compiler.root(select, true)?,
        RootValue::Many(select) => list(compiler.root(select, false)?),
        RootValue::Connection(connection) => {
            let json = compiler.connection(connection, Rows::All)?;
            format!("SELECT {} AS json", dialect.beside(&json))
        }
        RootValue::Grouped(grouped) => list(compiler.grouped(grouped)?),
        RootValue::Versions(versions) => list(compiler.versions(versions)?),
        RootValue::Freshness(output) => compiler.freshness(output),
        RootValue::Past(_) | RootValue::Json(_) => {
            return Err(StoreError::Internal("a root that has no rows of its own".to_owned()));
        }
    })
}

/// Compiles a read for many sets of operands, the rows of a table, each of which is answered as if
/// it were asked alone: `SELECT n, root, json …`. None where the database does not gain by it, or
/// no operand may differ.
fn compile_many(base: Base<'_>, read: &Read) -> Result<Option<Arc<Many>>, StoreError> {
    let mut compiler = Compiler::new(base);
    compiler.operands = Operands::Columns;
    let is_past = |root: &Root| matches!(root.value, RootValue::Past(_));
    if !base.dialect.joins_operands() || read.roots.iter().any(is_past) {
        return Ok(None);
    }
    let (each, _) = union(&mut compiler, read)?;
    let columns = compiler.binds.iter().enumerate().filter(|(_, bind)| bind.may_differ());
    let (names, kinds): (Vec<String>, Vec<Kind>) = columns.map(|(at, bind)| (format!("p{at}"), bind.kind())).unzip();
    if kinds.is_empty() {
        return Ok(None);
    }
    let first = compiler.binds.len() - kinds.len() + 1;
    let sql = format!(
        "SELECT {OPERANDS}.n,_each.root,_each.json FROM ({}) AS {OPERANDS}(n,{}) CROSS JOIN LATERAL ({each}) AS _each",
        base.dialect.rows(&kinds, first, 1, Numbered::Yes),
        names.join(",")
    );
    Ok(Some(Arc::new(Many {
        sql: compiler.checked(sql)?,
        kinds: kinds.into(),
        pace: Pace::default(),
    })))
}

fn shape(root: &Root, constant: Option<String>) -> RootShape {
    RootShape {
        key: output::member_key(&root.key),
        constant,
    }
}

/// The row of the change log's head.
fn head(dialect: &dyn Dialect) -> String {
    format!(
        "SELECT CAST(-1 AS BIGINT) AS root,CAST(seq AS TEXT) AS json FROM {} WHERE one=1",
        dialect.quote(change_log::HEAD)
    )
}

/// The same for an answer that is of these moments alone. Commits have moments in their order: once
/// one is seen that has a later one than all of these, no other commit changes the answer.
fn head_after(dialect: &dyn Dialect, moments: &[String]) -> String {
    let after = moments.iter().map(|moment| format!("history_at>={moment}"));
    format!(
        "SELECT CAST(-1 AS BIGINT) AS root,CASE WHEN {} THEN '{SETTLED}' ELSE CAST(seq AS TEXT) END AS json FROM {} WHERE one=1",
        after.collect::<Vec<_>>().join(" AND "),
        dialect.quote(change_log::HEAD)
    )
}

/// Compiles a load by key: `WITH wanted(n,k0…) AS (VALUES …) SELECT n, json …`. `None` where the
/// operands leave no room for the keys of a whole statement: an operation's keys in two would be
/// read in two snapshots.
fn compile_keyed(
    base: Base<'_>,
    entity: EntityId,
    by: &[FieldId],
    output: &[Output],
) -> Result<Option<KeyedStatement>, StoreError> {
    let dialect = base.dialect;
    let mut compiler = Compiler::new(base);
    compiler.bounded = true;
    let alias = compiler.alias();
    let columns = compiler.columns(entity, by, &alias);
    let mut joins = Joins::default();
    let outputs = dialect.joins_rows().then_some(&mut joins);
    let object = compiler.object(entity, &alias, output, outputs)?;
    let conditions: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{}=wanted.k{at}", column.sql))
        .collect();
    let tail = format!(
        " {} UNION ALL SELECT CAST(wanted.n AS BIGINT),{object} FROM _wanted AS wanted {} {} AS {alias} ON {}{}",
        head(dialect),
        dialect.chain(),
        dialect.quote(&compiler.tables(entity).table.name),
        conditions.join(" AND "),
        joins.sql()
    );
    let kinds: Vec<Kind> = columns.iter().map(|column| Kind::of(column.kind)).collect();
    // Nothing is searched for below a key that is looked up at once.
    if !compiler.wanted.is_empty() || compiler.binds.len() + KEYS_MAX * kinds.len() > dialect.max_params() {
        return Ok(None);
    }
    let sql = keyed_sql(dialect, &tail, compiler.binds.len(), &kinds, 1);
    let sql = compiler.checked(sql)?;
    Ok(Some(KeyedStatement {
        sql,
        tail: tail.into(),
        kinds: kinds.into(),
        types: compiler.types(),
        binds: compiler.binds.into(),
    }))
}

/// The text of a load of `count` keys, whose parameters follow `others`.
pub(crate) fn keyed_sql(dialect: &dyn Dialect, tail: &str, others: usize, kinds: &[Kind], count: usize) -> String {
    let names: Vec<String> = (0..kinds.len()).map(|at| format!("k{at}")).collect();
    let keys = dialect.keys(kinds, others + 1, count);
    // No table of a definition begins with an underscore.
    format!("WITH _wanted(n,{}) AS ({keys}){tail}", names.join(","))
}
