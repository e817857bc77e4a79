//! What the design has and this version does not: refused by name, with a way out. Knows only
//! names.

/// One reserved word and what to do until it is supported. Directives are `@name`, arguments
/// `@name.argument`, enum values `@name.argument.VALUE`, places `@name on PLACE`, placeholders
/// `$name`, schemes `name:`.
const RESERVED: &[(&str, &str)] = &[
    ("@push", "let a @fetch take the rows from an API or a file"),
    (
        "@format",
        "take the value apart with @select(jq:), for example `strptime(\"%d/%m/%Y\") | todate`",
    ),
    ("@unit", "convert with @select(jq:), for example `.height * 0.3048`"),
    (
        "@contract",
        "unknown keys are ignored and rows that do not fit are put in quarantine",
    ),
    ("@notify", "subscribe to the data meanwhile"),
    ("@source.timeout", "the built-in timeouts apply"),
    ("@source.retry", "failed requests are retried with back-off"),
    ("@source.robots", "mind the site's robots.txt yourself, and set `rate`"),
    ("@source.every", "write `every` in each @fetch"),
    ("@fetch.EXEC", "let the program write a file and read it with FILE"),
    (
        "@fetch.since",
        "each run reads the whole; unchanged pages and rows cost little",
    ),
    (
        "@fetch.if",
        "choose the records in `rows`, for example `.[] | select(.ok)`",
    ),
    (
        "@fetch.mode",
        "choose with `missing: KEEP` or `missing: DELETE` what becomes of rows that are gone",
    ),
    ("@fetch.total", "write `pages: {total: …}`"),
    ("@fetch.missing.MARK", "only KEEP and DELETE can be used"),
    (
        "@ref.embed",
        "fetch the target type too; the link appears when it is there",
    ),
    (
        "exec:",
        "let the program write a file and read it with a `file:` source",
    ),
    (
        "$since",
        "each run reads the whole; unchanged pages and rows cost little",
    ),
    (
        "$until",
        "each run reads the whole; unchanged pages and rows cost little",
    ),
    ("$batch", "fetch the type itself, and link it with @ref"),
    ("$run", "leave it out"),
];

/// What to do instead of a reserved word; `None` when it is not one.
pub fn way_out(word: &str) -> Option<&'static str> {
    RESERVED
        .iter()
        .find(|(reserved, _)| *reserved == word)
        .map(|(_, hint)| *hint)
}

/// Every reserved word.
pub fn words() -> impl Iterator<Item = &'static str> {
    RESERVED.iter().map(|(word, _)| *word)
}
