//! Every bound of the data API, each number beside its reason. Knows numbers only.

use std::time::Duration;

/// The most that a count may be raised to; beyond it none bounds anything.
const COUNT_MAX: usize = 1_000_000_000;
/// The same for bytes.
const BYTES_MAX: usize = 1_000_000_000_000;
/// Nesting beyond this is refused by the parser, whose stack it would need.
const NESTING_MAX: usize = 180;
/// Room for plans is taken at once.
const PLANS_MAX: usize = 65_536;

/// What one request, one socket and one server may ask for. An error over a bound names the bound's
/// field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of a query's text: twenty times the largest hand-written one we know (GraphiQL's
    /// introspection is 2 KiB).
    pub query_bytes: usize,
    /// Lexical tokens of a query: what is left of 32 KiB when it is real GraphQL.
    pub tokens: usize,
    /// Nesting of `{`, `[` and `(`, literals included. Parsers recurse on it, and worker stacks
    /// hold 2 MiB.
    pub nesting: usize,
    /// Nesting of selections, so the number of joined levels in one statement.
    pub depth: usize,
    /// Aliases in the whole document: they multiply work without multiplying text by much.
    pub aliases: usize,
    /// Root fields of an operation, fragments expanded: each is a subquery of its own.
    pub root_fields: usize,
    /// `__schema` fields of an operation: each may print the whole schema, megabytes of it for a
    /// thousand types.
    pub schema_fields: usize,
    /// Directives in the whole document.
    pub directives: usize,
    /// Operations in one document.
    pub operations: usize,
    /// Fields of an operation with every fragment expanded: fragments can double it with each line
    /// of text.
    pub fields: usize,
    /// Conditions in the filters of an operation; SQLite's expressions nest at most 1,000 deep.
    pub conditions: usize,
    /// Steps from an argument to the innermost part of a filter; a database's parser has a stack of
    /// its own.
    pub filter_depth: usize,
    /// Operands of all conditions; SQLite binds at most 32,766 parameters.
    pub operands: usize,
    /// Letters of a text that is looked for in others: each of their places is compared with it.
    pub text_letters: usize,
    /// Letters of a pattern for `like` and `ilike`; each may be tried at each place of a text.
    pub pattern_letters: usize,
    /// Rows that an operation is estimated to answer with, and of one list, whatever was estimated.
    /// An answer is built in memory, at some hundred bytes a row.
    pub rows: u64,
    /// Rows that filters and orders are estimated to look at: those of other types, each of them a
    /// step through an index, and those whose texts are searched, each begun kilobyte a row. A few
    /// million of them fill the statement's time.
    pub filter_rows: u64,
    /// Compiled plans that are kept; each costs some kilobytes.
    pub plans: usize,
    /// Bytes of an answer, which ends when it has more: as much as a person waits for, and a
    /// program should not ask for at once.
    pub answer_bytes: usize,
    /// Bytes of all answers in memory that wait to be sent; what has no room here lies on the disk.
    pub unsent_bytes: usize,
    /// Bytes of all answers on the disk.
    pub spool_bytes: usize,
    /// Bytes of documents that clients left to be asked for by their hashes.
    pub persisted_bytes: usize,
    /// Bytes of requests that are being read or worked on, values counted by what they take in
    /// memory.
    pub received_bytes: usize,
    /// Requests under way in the whole server: more would only wait for the database's few
    /// connections.
    pub requests: usize,
    /// Sockets open in the whole server; each holds two buffers of 4 KiB and its operations.
    pub sockets: usize,
    /// Live queries in the whole server; each holds a channel and an answer.
    pub subscriptions: usize,
    /// Operations open at once on one socket; a page of panels needs a few dozen.
    pub socket_operations: usize,
    /// The pause after a commit before live queries run again: commits of one harvest come in
    /// bursts.
    pub live_pause: Duration,
    /// How long an operation waits for its turn: who waits longer is better told to come back.
    pub queue_wait: Duration,
    /// How long one request may take, its wait for a database connection included.
    pub request_timeout: Duration,
    /// Bytes of answers that are kept for who asks the same again; 0 keeps none. A setting of its
    /// own, which whoever serves makes.
    pub answer_cache: usize,
    /// Whether the schema is told: `__schema`, `__type`, and the names that errors suggest. A
    /// setting of its own, no number.
    pub introspection: bool,
    /// Whether who asks may be told how an answer comes to be, SQL and all. A setting like that.
    pub explain: bool,
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
            text_letters: 1_000,
            pattern_letters: 200,
            rows: 1_000_000,
            filter_rows: 10_000_000,
            plans: 512,
            answer_bytes: 64_000_000,
            unsent_bytes: 128_000_000,
            spool_bytes: 4_000_000_000,
            persisted_bytes: 8_000_000,
            received_bytes: 64_000_000,
            requests: 512,
            sockets: 18_000,
            subscriptions: 1_000,
            socket_operations: 50,
            live_pause: Duration::from_millis(50),
            queue_wait: Duration::from_secs(1),
            request_timeout: Duration::from_secs(20),
            answer_cache: 0,
            introspection: true,
            explain: false,
        }
    }
}

/// A limit that cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitError {
    #[error("there is no limit `{name}`; there are {all}")]
    Unknown { name: String, all: String },
    #[error("the limit `{name}` cannot be `{given}`; give {wanted}")]
    Value {
        name: String,
        given: String,
        wanted: String,
    },
}

/// Where a limit is kept, and so what its values look like.
enum Place<'a> {
    Count(&'a mut usize, usize),
    /// Of which there has to be one.
    Some(&'a mut usize, usize),
    Rows(&'a mut u64),
    Time(&'a mut Duration),
}

impl Limits {
    /// Changes a limit by its field's name; a time is written as `20s` or `50ms`.
    pub(crate) fn change(&mut self, name: &str, given: &str) -> Result<(), LimitError> {
        let places = self.places();
        let all = places.each_ref().map(|(name, _)| *name).join(", ");
        let Some((_, place)) = places.into_iter().find(|(known, _)| *known == name) else {
            return Err(LimitError::Unknown {
                name: name.to_owned(),
                all,
            });
        };
        place.set(given).map_err(|wanted| LimitError::Value {
            name: name.to_owned(),
            given: given.to_owned(),
            wanted,
        })
    }

    /// Every limit under its name; taken apart in full, so that none can be forgotten.
    fn places(&mut self) -> [(&'static str, Place<'_>); 30] {
        let Limits {
            query_bytes,
            tokens,
            nesting,
            depth,
            aliases,
            root_fields,
            schema_fields,
            directives,
            operations,
            fields,
            conditions,
            filter_depth,
            operands,
            text_letters,
            pattern_letters,
            rows,
            filter_rows,
            plans,
            answer_bytes,
            unsent_bytes,
            spool_bytes,
            persisted_bytes,
            received_bytes,
            requests,
            sockets,
            subscriptions,
            socket_operations,
            live_pause,
            queue_wait,
            request_timeout,
            answer_cache: _,
            introspection: _,
            explain: _,
        } = self;
        [
            ("query_bytes", Place::Count(query_bytes, COUNT_MAX)),
            ("tokens", Place::Count(tokens, COUNT_MAX)),
            ("nesting", Place::Count(nesting, NESTING_MAX)),
            ("depth", Place::Count(depth, NESTING_MAX)),
            ("aliases", Place::Count(aliases, COUNT_MAX)),
            ("root_fields", Place::Count(root_fields, COUNT_MAX)),
            ("schema_fields", Place::Count(schema_fields, COUNT_MAX)),
            ("directives", Place::Count(directives, COUNT_MAX)),
            ("operations", Place::Count(operations, COUNT_MAX)),
            ("fields", Place::Count(fields, COUNT_MAX)),
            ("conditions", Place::Count(conditions, COUNT_MAX)),
            ("filter_depth", Place::Count(filter_depth, NESTING_MAX)),
            ("operands", Place::Count(operands, COUNT_MAX)),
            ("text_letters", Place::Count(text_letters, COUNT_MAX)),
            ("pattern_letters", Place::Count(pattern_letters, COUNT_MAX)),
            ("rows", Place::Rows(rows)),
            ("filter_rows", Place::Rows(filter_rows)),
            ("plans", Place::Some(plans, PLANS_MAX)),
            ("answer_bytes", Place::Count(answer_bytes, BYTES_MAX)),
            ("unsent_bytes", Place::Count(unsent_bytes, BYTES_MAX)),
            ("spool_bytes", Place::Count(spool_bytes, BYTES_MAX)),
            ("persisted_bytes", Place::Count(persisted_bytes, BYTES_MAX)),
            ("received_bytes", Place::Count(received_bytes, BYTES_MAX)),
            ("requests", Place::Count(requests, COUNT_MAX)),
            ("sockets", Place::Count(sockets, COUNT_MAX)),
            ("subscriptions", Place::Count(subscriptions, COUNT_MAX)),
            ("socket_operations", Place::Count(socket_operations, COUNT_MAX)),
            ("live_pause", Place::Time(live_pause)),
            ("queue_wait", Place::Time(queue_wait)),
            ("request_timeout", Place::Time(request_timeout)),
        ]
    }
}

impl Place<'_> {
    /// The value as it is written.
    #[cfg(test)]
    fn shown(self) -> String {
        match self {
            Place::Count(count, _) | Place::Some(count, _) => count.to_string(),
            Place::Rows(rows) => rows.to_string(),
            Place::Time(time) if time.subsec_millis() == 0 => format!("{}s", time.as_secs()),
            Place::Time(time) => format!("{}ms", time.as_millis()),
        }
    }

    /// Sets the value, or says what it should have been.
    fn set(self, given: &str) -> Result<(), String> {
        let number = |least: usize, most: usize| {
            let value = given.parse().ok().filter(|value| (least..=most).contains(value));
            value.ok_or_else(|| format!("a number from {least} to {most}"))
        };
        match self {
            Place::Count(count, most) => *count = number(0, most)?,
            Place::Some(count, most) => *count = number(1, most)?,
            Place::Rows(rows) => *rows = given.parse().map_err(|_| format!("a number from 0 to {}", u64::MAX))?,
            Place::Time(time) => *time = duration(given).ok_or("a time above zero, such as 20s or 50ms")?,
        }
        Ok(())
    }
}

fn duration(given: &str) -> Option<Duration> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).map(u64::from);
    match given.strip_suffix("ms") {
        Some(text) => number(text).map(Duration::from_millis),
        None => number(given.strip_suffix('s')?).map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_changed_by_name() {
        let mut limits = Limits::default();
        for (name, value) in [
            ("rows", "5000000"),
            ("depth", "20"),
            ("request_timeout", "60s"),
            ("live_pause", "5ms"),
        ] {
            assert_eq!(limits.change(name, value), Ok(()), "{name}");
        }
        let want = Limits {
            rows: 5_000_000,
            depth: 20,
            request_timeout: Duration::from_secs(60),
            live_pause: Duration::from_millis(5),
            ..Limits::default()
        };
        assert_eq!(limits, want);
    }

    /// The page of the limits has each of them, in this order, with its default.
    #[test]
    fn every_limit_is_documented() {
        let page = include_str!("../../docs/serving.md");
        let (_, table) = page.split_once("|---|---|---|\n").expect("a table");
        let lines = table.lines().map_while(|line| line.strip_prefix("| `"));
        let told: Vec<(&str, &str)> = lines
            .map(|line| {
                let (name, rest) = line.split_once("` | ").expect("a name");
                (name, rest.split(" | ").next().expect("a default"))
            })
            .collect();
        let mut limits = Limits::default();
        let kept: Vec<(&str, String)> = limits.places().map(|(name, place)| (name, place.shown())).into();
        let kept: Vec<(&str, &str)> = kept.iter().map(|(name, shown)| (*name, shown.as_str())).collect();
        assert_eq!(told, kept);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("row", "1", "there is no limit `row`; there are query_bytes, tokens, "),
            ("rows", "many", "the limit `rows` cannot be `many`; give a number"),
            ("rows", "-1", "the limit `rows` cannot be `-1`"),
            ("plans", "4000000000", "give a number from 1 to 65536"),
            ("plans", "0", "the limit `plans` cannot be `0`; give a number from 1"),
            ("nesting", "10000", "give a number from 0 to 180"),
            ("request_timeout", "20", "give a time above zero, such as 20s or 50ms"),
            ("request_timeout", "0s", "give a time above zero"),
        ];
        for (name, value, want) in cases {
            let mut limits = Limits::default();
            let error = limits.change(name, value).expect_err(name).to_string();
            assert!(error.contains(want), "{error}");
            assert_eq!(limits, Limits::default());
        }
    }
}
