//! Where rows come from: upstreams, fetches and their schedules, as a definition says it. Plain
//! data.

use std::time::Duration;

use super::{
    auth::Auth,
    body::Body,
    ids::{EntityId, FetchId, FieldId, SourceId},
    jq::Filter,
    template::Template,
};

/// An upstream (`@source`).
#[derive(Debug)]
pub struct Source {
    pub name: String,
    /// `http(s):` or `file:`; `$env` is the only variable. A relative `file:` is relative to the
    /// definition's folder.
    pub url: Template,
    pub headers: Vec<(String, Template)>,
    /// How requests say who asks.
    pub auth: Option<Auth>,
    /// At most this many requests in that time; none: no limit.
    pub rate: Option<Rate>,
    /// Requests under way at once, over all fetches of the source.
    pub concurrency: usize,
}

/// `20/s`: 20 requests in one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

/// Where rows come from: a scan of one entity's table (`@fetch` on a type), or a request per row of
/// another one (on a field).
#[derive(Debug)]
pub struct Fetch {
    /// The entity whose rows it brings.
    pub entity: EntityId,
    /// Set for a `@fetch` on a field.
    pub field_fetch: Option<FieldFetch>,
    pub source: SourceId,
    pub method: Method,
    /// The path (HTTP) or file that is joined to the source's URL.
    pub path: Template,
    /// What a request by POST sends.
    pub body: Option<Body>,
    pub format: Format,
    /// Where `format` is one of tables.
    pub table: Table,
    /// Where `format` is one of web pages.
    pub css: Option<Css>,
    /// The charset of its texts, whatever the upstream says of it.
    pub charset: Option<String>,
    /// From a page's JSON to the records; `.` when not given (of NDJSON: from each line). Paging
    /// counts them.
    pub rows: Filter,
    /// What a record must satisfy to be stored: `keep`, and what `rows` selects at its end.
    pub keep: Vec<Filter>,
    /// `rows` may yield fewer records than a page has, so that their number says nothing of the
    /// page.
    pub hides: bool,
    pub paging: Paging,
    /// None: harvested only by hand and at the first start.
    pub schedule: Option<Schedule>,
    /// What becomes of slots that passed while no process ran.
    pub catch_up: CatchUp,
    /// What becomes of records whose key came before in the same run, or in the same answer about a
    /// row.
    pub repeats: Repeats,
    pub missing: Missing,
    /// The part of the stored rows that one run may delete, 0 to 1; one row is always allowed.
    pub missing_max: f64,
}

impl Fetch {
    /// Whether its path names several files, with `*`: each is a page.
    pub fn is_of_files(&self) -> bool {
        self.method == Method::File && names_several(self.path.text())
    }

    /// The names in `{$this.name}` of the path, and then those of the body.
    pub fn this_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.path.this_names().iter().map(String::as_str).collect();
        for name in self.body.iter().flat_map(Body::this_names) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Whether a path names several files: there is a `*` outside of its placeholders.
pub fn names_several(path: &str) -> bool {
    let mut open = 0_usize;
    path.chars().any(|sign| {
        match sign {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        sign == '*' && open == 0
    })
}

/// One request per row of `parent`, whose `field` (of kind `Links` or `Reference`) leads to what
/// the answer lists.
#[derive(Debug)]
pub struct FieldFetch {
    pub parent: EntityId,
    pub field: FieldId,
    /// The field is one row (`Reference`): an answer may list one at most.
    pub one: bool,
    pub when: When,
    /// The fields of the parent in `{$this.…}`: single leaves, those of the path and the body
    /// before those of `rows` and `keep`.
    pub this: Vec<FieldId>,
    /// The fetches that fill the parent: without a schedule, a run follows each complete run of one
    /// of them.
    pub after: Vec<FetchId>,
}

/// Which rows a run of a field's fetch asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Those that differ from what they were at their last good answer, new ones included.
    Changed,
    /// Those that never had a good answer.
    New,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// As GET, with a body: it asks, and changes nothing.
    Post,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    NdJson,
    Csv,
    Tsv,
    Xml,
    Html,
    HtmlTable,
}

impl Format {
    /// As a definition calls it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::NdJson => "NDJSON",
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Xml => "XML",
            Format::Html => "HTML",
            Format::HtmlTable => "HTML_TABLE",
        }
    }

    /// Whether a page has records only, and nothing beside them that could be found.
    pub fn is_records_only(self) -> bool {
        matches!(self, Format::NdJson | Format::Csv | Format::Tsv) || self.is_web_page()
    }

    /// Whether a record is a row of a table, whose cells stand under the names of columns.
    pub fn is_table(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::HtmlTable)
    }

    /// Whether a page is one for people, in which CSS finds the records.
    pub fn is_web_page(self) -> bool {
        matches!(self, Format::Html | Format::HtmlTable)
    }
}

/// By what the records of a web page are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Css {
    /// The elements that are records, or the table whose rows are.
    pub rows: String,
    /// What is taken of a record otherwise than by its names.
    pub fields: Vec<CssField>,
}

/// A value that is taken of an element of a web page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CssField {
    /// The name under which the record has it.
    pub key: String,
    pub css: String,
    /// The attribute that holds it; none: the text.
    pub attr: Option<String>,
    /// All that are found, in their order; else the first one.
    pub many: bool,
}

/// How a table is written, as far as its format leaves that open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Of CSV: what stands between cells; none: it is found.
    pub delimiter: Option<u8>,
    /// Quotation marks around a cell are no part of it.
    pub quotes: bool,
    /// Lines before the row of names.
    pub skip: u64,
    /// The names of the columns of a table without a row of names; empty: it has one.
    pub columns: Vec<String>,
    /// The row below that of the names tells units.
    pub units: bool,
    /// Texts that mean that a cell has no value; an empty one never has.
    pub nulls: Vec<String>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            delimiter: None,
            quotes: true,
            skip: 0,
            columns: Vec::new(),
            units: false,
            nulls: Vec::new(),
        }
    }
}

/// How a fetch goes from page to page.
#[derive(Debug, Default)]
pub struct Paging {
    pub advance: Advance,
    /// jq: the number of the last page.
    pub last: Option<Filter>,
    /// jq: the number of rows in all; the run is complete only if as many arrived.
    pub total: Option<Filter>,
    /// Rows of a full page, by declaration: a shorter one is the last.
    pub size: Option<u64>,
    /// Statuses of an answer that say that a page lies past the last one.
    pub end: Vec<u16>,
    /// Pages at most; more is an error, never a silent end.
    pub max: u64,
}

/// What changes from one request to the next.
#[derive(Debug, Default)]
pub enum Advance {
    /// One request is the whole.
    #[default]
    Single,
    /// `{$page}`: 1, 2, 3 …
    Page,
    /// `{$offset}`: the number of rows so far.
    Offset,
    /// `{$cursor}`: what this filter found in the page before; empty in the first request. The end:
    /// null or empty.
    Cursor(Filter),
    /// The next page's URL is what this filter finds (`pages: {next:}` without `{$cursor}`).
    NextUrl(Filter),
    /// The next page's URL is in the `Link` header, `rel="next"`.
    LinkHeader,
}

/// When a fetch is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    Every(Duration),
    /// A cron expression of five fields, in UTC.
    Cron(String),
}

/// Which of a schedule's missed slots are run once a process is there again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// The latest alone: a run reads everything, so one brings all up to date.
    #[default]
    Latest,
    /// None: the next slot will do.
    None,
    /// Each, the earliest first, but only the latest `max` of them.
    All { max: u32 },
}

/// What becomes of rows that a complete run did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Keep,
    Delete,
}

/// What becomes of records whose key came before in the same run, or in the same answer about a
/// row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// The last one counts.
    #[default]
    Last,
    /// They are parts of one row.
    Merge,
    /// The run, or the request, fails.
    Fail,
}
