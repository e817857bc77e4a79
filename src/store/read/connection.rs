//! Rows in pages: the rows of a page are chosen first, by their numbers, and what is wanted of them
//! is made afterwards. Knows pages and cursors; no condition and no output of a row.
//!
//! A page is a table of the statement, `_t1(n,r,c)`: the rows' places on it, counted from the end
//! that it is cut from, their numbers, and the values of their cursors. It has one row more than is
//! wanted, by which is known whether there are more.

use crate::{
    layout::ROW_COLUMN,
    query::{
        Aggregate, Connection, ConnectionValue, EdgeValue, Measure, Member, Output, PageInfoValue, Place, Select,
        Through,
    },
    store::{
        db::{dialect::RowsOf, made::Bounds},
        error::StoreError,
    },
};

use super::{
    aggregate::count,
    compiler::Compiler,
    joins::Joins,
    output::Pieces,
    places::{Part, Sorted, behind, parts, turned},
    relation::Rows,
    statement::BindForm,
};

/// Rows that meet the filter, as a part of a statement has them.
struct Source {
    alias: String,
    from: String,
    conditions: Vec<String>,
    position: Option<String>,
}

/// The page, as the other parts name it.
struct Page<'c> {
    connection: &'c Connection,
    name: String,
    /// How many rows are wanted of it.
    size: Option<String>,
}

impl Compiler<'_> {
    /// The object of a connection as a text that is never null.
    pub(crate) fn connection(&mut self, connection: &Connection, rows: Rows<'_>) -> Result<String, StoreError> {
        let first = connection.select.first.as_ref();
        let page = Page {
            connection,
            name: format!("_{}", self.alias()),
            size: first.map(|first| self.bind(first, BindForm::Count)),
        };
        let mut pieces = Pieces::new();
        for member in &connection.output {
            pieces.key(&member.key);
            let sql = match &member.value {
                ConnectionValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                ConnectionValue::Edges(edges) => {
                    let edge = self.edge(edges, &page)?;
                    self.of_page(&page, &edge)
                }
                ConnectionValue::Nodes(outputs) => {
                    let node = self.node(outputs, &page)?;
                    self.of_page(&page, &node)
                }
                ConnectionValue::PageInfo(members) => self.page_info(members, &page, rows)?,
                ConnectionValue::TotalCount => self.total_count(&connection.select, rows)?,
                ConnectionValue::Aggregate(aggregate) => self.of_all(&connection.select, rows, aggregate)?,
            };
            pieces.expression(self, sql);
        }
        let object = pieces.finish(self);
        match connection.output.iter().any(is_of_page) {
            true => {
                let table = self.page(&page, rows)?;
                Ok(format!("(WITH {table} SELECT {object})"))
            }
            false => Ok(object),
        }
    }

    /// `_t1(n,r,c) AS MATERIALIZED (…)`.
    fn page(&mut self, page: &Page<'_>, rows: Rows<'_>) -> Result<String, StoreError> {
        let limit = self.page_limit(page);
        let outer = (self.bounded, self.skips_rows);
        (self.bounded, self.skips_rows) = (self.bounded || page.size.is_some(), false);
        let mut selects = Vec::new();
        for part in self.parts(page.connection, rows, page.start().is_some(), page.connection.backwards)? {
            selects.push(self.part(page, rows, *part, &limit)?);
        }
        (self.bounded, self.skips_rows) = outer;
        let chosen = match selects.as_slice() {
            [only] => only.clone(),
            several => {
                let each = several.iter().map(|select| format!("SELECT * FROM ({select}) AS a"));
                let all = each.collect::<Vec<_>>().join(" UNION ALL ");
                format!("SELECT * FROM ({all}) AS a{limit}")
            }
        };
        let name = &page.name;
        Ok(format!(
            "{name}(n,r,c) AS MATERIALIZED (SELECT row_number() OVER (),q.r,q.c FROM ({chosen}) AS q)"
        ))
    }

    /// One row more than the page has. Where its rows are wanted, a list that is too long ends its
    /// statement, and no more of them are looked for; where only what lies around them is, the page
    /// must be whole. There is always a limit: without one SQLite may forget the order of a table
    /// within a table.
    fn page_limit(&self, page: &Page<'_>) -> String {
        let most = i64::try_from(self.bounds.rows)
            .ok()
            .and_then(|rows| rows.checked_add(1))
            .filter(|_| page.connection.gives_rows());
        match (&page.size, most) {
            (Some(size), Some(most)) => format!(" LIMIT CASE WHEN {size}<{most} THEN {size} ELSE {most} END+1"),
            (Some(size), None) => format!(" LIMIT {size}+1"),
            (None, Some(most)) => format!(" LIMIT {most}"),
            (None, None) => format!(" LIMIT {}", self.dialect.no_limit()),
        }
    }

    /// How the rows of a page are found, the first ones first. Those behind one row are few.
    fn parts(
        &mut self,
        connection: &Connection,
        rows: Rows<'_>,
        has_place: bool,
        turn: bool,
    ) -> Result<&'static [Part], StoreError> {
        if let Rows::Behind { .. } = rows {
            return Ok(&[Part::All]);
        }
        let way = (Through::Plain, None, false);
        let order = self.sorted(&connection.select, NOWHERE, way, &mut Joins::default())?;
        Ok(parts(&in_direction(order, turn), has_place))
    }

    /// The numbers and cursors of the rows of one part.
    fn part(&mut self, page: &Page<'_>, rows: Rows<'_>, part: Part, limit: &str) -> Result<String, StoreError> {
        let (source, order) = self.ordered(&page.connection.select, rows)?;
        let cursor = match page.connection.has_cursors() {
            true => self.values(&order),
            false => "''".to_owned(),
        };
        let order = in_direction(order, page.connection.backwards);
        let mut conditions = source.conditions;
        let start = page.start().map(|place| self.operands(&order, place));
        conditions.extend(part.conditions(&order, start.as_deref(), false));
        if let Some(end) = page.end() {
            let end = self.operands(&order, end);
            conditions.push(behind(&turned(&order), &end, false));
        }
        Ok(format!(
            "SELECT {} AS r,{cursor} AS c FROM {}{} ORDER BY {}{limit}",
            self.name(&source.alias, ROW_COLUMN),
            source.from,
            condition(&conditions),
            part.order_by(&order)
        ))
    }

    /// The rows that meet the filter, each time under other names, with the order in which they
    /// are: what it goes by is joined to them.
    fn ordered(&mut self, select: &Select, rows: Rows<'_>) -> Result<(Source, Vec<Sorted>), StoreError> {
        let mut source = self.source(select, rows)?;
        let through = match rows {
            Rows::All => Through::Plain,
            Rows::Behind { owner, field, .. } => Through::of(&self.entity(owner).field(field).kind),
        };
        let mut joins = Joins::default();
        let led = matches!(rows, Rows::Behind { .. });
        let way = (through, source.position.as_deref(), led);
        let order = self.sorted(select, &source.alias, way, &mut joins)?;
        source.from.push_str(joins.sql());
        Ok((source, order))
    }

    /// The rows that meet the filter, each time under other names.
    fn source(&mut self, select: &Select, rows: Rows<'_>) -> Result<Source, StoreError> {
        let mut source = match rows {
            Rows::All => {
                let alias = self.alias();
                Source {
                    from: self.table(select.entity, &alias),
                    conditions: Vec::new(),
                    position: None,
                    alias,
                }
            }
            Rows::Behind { owner, field, alias } => {
                let step = self.step(owner, field, alias)?;
                let (from, conditions) = step.once.unwrap_or((step.from, step.conditions));
                Source {
                    alias: step.alias,
                    from,
                    conditions,
                    position: step.position,
                }
            }
        };
        if let Some(filter) = &select.filter {
            source
                .conditions
                .push(self.filter(select.entity, &source.alias, filter)?);
        }
        Ok(source)
    }

    /// The operands of a place, one for each column.
    fn operands(&mut self, order: &[Sorted], Place(operands): &Place) -> Vec<String> {
        let pairs = order.iter().zip(operands);
        pairs
            .map(|(sorted, operand)| self.bind(operand, BindForm::Column(sorted.column.kind)))
            .collect()
    }

    /// The values of a row in an order, as a list of JSON.
    fn values(&self, order: &[Sorted]) -> String {
        self.list_of(order.iter().map(|sorted| &sorted.column))
    }

    fn edge(&mut self, members: &[Member<EdgeValue>], page: &Page<'_>) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            let sql = match &member.value {
                EdgeValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                EdgeValue::Cursor => self.cursor(page),
                EdgeValue::Node(outputs) => self.node(outputs, page)?,
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn cursor(&self, page: &Page<'_>) -> String {
        let values = format!("{}.c", page.name);
        self.dialect.cursor(&page.connection.signature, &values)
    }

    /// The object of a row of the page.
    fn node(&mut self, outputs: &[Output], page: &Page<'_>) -> Result<String, StoreError> {
        let outer = self.bounded;
        self.bounded |= page.size.is_some();
        let number = format!("{}.r", page.name);
        let object = self.numbered(page.connection.select.entity, outputs, &number);
        self.bounded = outer;
        object
    }

    /// A list of the page's rows.
    fn of_page(&self, page: &Page<'_>, json: &str) -> String {
        let rows = format!("SELECT {json} AS json FROM {} ORDER BY {}", page.rows(), page.order());
        match self.bounds == Bounds::ENDLESS {
            true => self.dialect.array("json", &rows),
            false => self.dialect.rows_array("json", &rows, RowsOf::Row, self.bounds),
        }
    }

    fn page_info(
        &mut self,
        members: &[Member<PageInfoValue>],
        page: &Page<'_>,
        rows: Rows<'_>,
    ) -> Result<String, StoreError> {
        let (connection, name) = (page.connection, &page.name);
        let more = page
            .size
            .as_ref()
            .map(|size| format!("(SELECT count(*) FROM {name})>{size}"));
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            let sql = match (&member.value, &more) {
                (PageInfoValue::Text(text), _) => {
                    pieces.json(text);
                    continue;
                }
                (PageInfoValue::HasNextPage, Some(more)) if !connection.backwards => truth(more),
                (PageInfoValue::HasPreviousPage, Some(more)) if connection.backwards => truth(more),
                (PageInfoValue::HasNextPage, _) => {
                    self.any_from(connection, rows, connection.before.as_ref(), false)?
                }
                (PageInfoValue::HasPreviousPage, _) => {
                    self.any_from(connection, rows, connection.after.as_ref(), true)?
                }
                (PageInfoValue::StartCursor, _) => self.end_cursor(page, page.order()),
                (PageInfoValue::EndCursor, _) => self.end_cursor(page, page.turned_order()),
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    /// Whether there are rows at a place or behind it, or before it.
    fn any_from(
        &mut self,
        connection: &Connection,
        rows: Rows<'_>,
        place: Option<&Place>,
        turn: bool,
    ) -> Result<String, StoreError> {
        let Some(place) = place else {
            return Ok(self.dialect.literal("false"));
        };
        let mut any = Vec::new();
        for part in self.parts(connection, rows, true, turn)? {
            let (source, order) = self.ordered(&connection.select, rows)?;
            let order = in_direction(order, turn);
            let operands = self.operands(&order, place);
            let mut conditions = source.conditions;
            conditions.extend(part.conditions(&order, Some(&operands), true));
            any.push(format!(
                "EXISTS (SELECT 1 FROM {}{})",
                source.from,
                condition(&conditions)
            ));
        }
        Ok(truth(&any.join(" OR ")))
    }

    /// The cursor of the first row in this order.
    fn end_cursor(&self, page: &Page<'_>, order: &str) -> String {
        let (cursor, rows) = (self.cursor(page), page.rows());
        format!("coalesce((SELECT {cursor} FROM {rows} ORDER BY {order} LIMIT 1),'null')")
    }

    /// What is computed of all rows, in one go through them.
    fn of_all(&mut self, select: &Select, rows: Rows<'_>, aggregate: &Aggregate) -> Result<String, StoreError> {
        let source = self.source(select, rows)?;
        let (entity, alias) = (select.entity, &source.alias);
        let object = self.aggregate(aggregate, &mut |compiler, measure| match measure {
            Measure::Count => Ok(count()),
            Measure::Of(function, field) => {
                let column = compiler.column(entity, field, alias)?;
                Ok(compiler.function(function, &column))
            }
        })?;
        // Without a function it would be a text for each row.
        if !aggregate.looks_at_rows() {
            return Ok(object);
        }
        let condition = condition(&source.conditions);
        Ok(format!("(SELECT {object} FROM {}{condition})", source.from))
    }

    fn total_count(&mut self, select: &Select, rows: Rows<'_>) -> Result<String, StoreError> {
        let source = self.source(select, rows)?;
        let condition = condition(&source.conditions);
        Ok(format!(
            "(SELECT CAST(count(*) AS TEXT) FROM {}{condition})",
            source.from
        ))
    }
}

/// An alias of no table, where only the kinds of an order's columns are wanted.
const NOWHERE: &str = "_";

impl Page<'_> {
    /// Where the page begins, in the direction in which it is gone through, and where it ends.
    fn start(&self) -> Option<&Place> {
        let Connection { after, before, .. } = self.connection;
        if self.connection.backwards { before } else { after }.as_ref()
    }

    fn end(&self) -> Option<&Place> {
        let Connection { after, before, .. } = self.connection;
        if self.connection.backwards { after } else { before }.as_ref()
    }

    /// Its table without the row that only says that there are more.
    fn rows(&self) -> String {
        match &self.size {
            Some(size) => format!("{0} WHERE {0}.n<={size}", self.name),
            None => self.name.clone(),
        }
    }

    /// As the answer has them.
    fn order(&self) -> &'static str {
        if self.connection.backwards { "n DESC" } else { "n" }
    }

    fn turned_order(&self) -> &'static str {
        if self.connection.backwards { "n" } else { "n DESC" }
    }
}

/// Whether the page has to be known for a member.
fn is_of_page(member: &Member<ConnectionValue>) -> bool {
    match &member.value {
        ConnectionValue::Edges(_) | ConnectionValue::Nodes(_) | ConnectionValue::PageInfo(_) => true,
        ConnectionValue::Text(_) | ConnectionValue::TotalCount | ConnectionValue::Aggregate(_) => false,
    }
}

fn in_direction(order: Vec<Sorted>, turn: bool) -> Vec<Sorted> {
    if turn { turned(&order) } else { order }
}

fn condition(conditions: &[String]) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

/// A condition that is never null as JSON.
fn truth(condition: &str) -> String {
    format!("CASE WHEN {condition} THEN 'true' ELSE 'false' END")
}
