//! Every bound of the data API, each number beside its reason. Knows numbers only.

use std::time::Duration;

/// What one request, one socket and one server may ask for. An error over a bound names the bound's field.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a query's text: twenty times the largest hand-written one we know (GraphiQL's introspection is 2 KiB).
    pub query_bytes: usize,
    /// Lexical tokens of a query: what is left of 32 KiB when it is real GraphQL.
    pub tokens: usize,
    /// Nesting of `{`, `[` and `(`, literals included. Parsers recurse on it, and worker stacks hold 2 MiB.
    pub nesting: usize,
    /// Nesting of selections, so the number of joined levels in one statement.
    pub depth: usize,
    /// Aliases in the whole document: they multiply work without multiplying text by much.
    pub aliases: usize,
    /// Root fields of an operation, fragments expanded: each is a subquery of its own.
    pub root_fields: usize,
    /// `__schema` fields of an operation: each may print the whole schema, megabytes of it for a thousand types.
    pub schema_fields: usize,
    /// Directives in the whole document.
    pub directives: usize,
    /// Operations in one document.
    pub operations: usize,
    /// Fields of an operation with every fragment expanded: fragments can double it with each line of text.
    pub fields: usize,
    /// Conditions in the filters of an operation; SQLite's expressions nest at most 1,000 deep.
    pub conditions: usize,
    /// Steps from an argument to the innermost part of a filter; a database's parser has a stack of its own.
    pub filter_depth: usize,
    /// Operands of all conditions; SQLite binds at most 32,766 parameters.
    pub operands: usize,
    /// Rows that an operation is estimated to read. An answer is built in memory, at some hundred bytes a row.
    pub rows: u64,
    /// Rows of other types that filters and orders are estimated to look at: each is a step through an index, a few
    /// million of which fill the statement's time.
    pub filter_rows: u64,
    /// Compiled plans that are kept; each costs some kilobytes.
    pub plans: usize,
    /// Live queries in the whole server; each holds a channel and an answer.
    pub subscriptions: usize,
    /// Operations open at once on one socket; a page of panels needs a few dozen.
    pub socket_operations: usize,
    /// The pause after a commit before live queries run again: commits of one harvest come in bursts.
    pub live_pause: Duration,
    /// How long one request may take, its wait for a database connection included.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            query_bytes: 32 * 1_024,
            tokens: 4_000,
            nesting: 64,
            depth: 16,
            aliases: 100,
            root_fields: 20,
            schema_fields: 2,
            directives: 50,
            operations: 50,
            fields: 2_000,
            conditions: 500,
            filter_depth: 32,
            operands: 5_000,
            rows: 1_000_000,
            filter_rows: 10_000_000,
            plans: 512,
            subscriptions: 1_000,
            socket_operations: 50,
            live_pause: Duration::from_millis(50),
            request_timeout: Duration::from_secs(20),
        }
    }
}
