//! Every name that a definition may have works on both databases, also those that a database keeps for itself.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::harness::{Db, Place, Program, Reply, Scratch, Upstream, on_both, rows};

on_both!(
    columns_of_every_name,
    tables_of_every_name,
    links_and_keys_of_kept_names,
    databases_of_earlier_versions_come_over
);

/// SQLite's keywords, as its documentation lists them; it can only be asked for them from C.
const KEYWORDS: &str = "abort action add after all alter always analyze and as asc attach autoincrement before begin between \
by cascade case cast check collate column commit conflict constraint create cross current current_date current_time \
current_timestamp database default deferrable deferred delete desc detach distinct do drop each else end escape except exclude \
exclusive exists explain fail filter first following for foreign from full generated glob group groups having if ignore immediate \
in index indexed initially inner insert instead intersect into is isnull join key last left like limit match materialized natural \
no not nothing notnull null nulls of offset on or order others outer over partition plan pragma preceding primary query raise \
range recursive references regexp reindex release rename replace restrict returning right rollback row rows savepoint select set \
table temp temporary then ties to transaction trigger unbounded union unique update using vacuum values view virtual when where \
window with without";
/// Names that our own statements use.
const OWN: &str = "n h p r u a t t1 t2 r0 c0 c1 k0 one wanted excluded json root value key nth repeated seq rowid oid main true false";
/// Fields of one type in these tests; a type may have 400.
const FIELDS: usize = 300;
/// Names that mean something else in `where`.
const REFUSED: [&str; 3] = ["and", "or", "not"];

/// Words that are names in a definition.
fn names(words: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let named = |word: &String| word.bytes().all(letter) && word.starts_with(|first: char| first.is_ascii_lowercase());
    words
        .into_iter()
        .map(|word| word.to_lowercase())
        .filter(named)
        .collect()
}

/// What the databases say themselves, one word a row.
async fn asked(postgres: &str, sqlite: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut words = Vec::new();
    for (db, sql) in [(Db::Postgres, postgres), (Db::Sqlite, sqlite)] {
        words.extend(rows(&Place::new(db).url(folder.path()), sql).await.concat());
    }
    words.extend(format!("{KEYWORDS} {OWN}").split(' ').map(str::to_owned));
    words
}

async fn harvested(scratch: &Scratch, upstream: &Upstream) {
    scratch.bury_the_dead().await;
    let output = scratch.must(&["harvest"], &[("UP", &upstream.url())]).await;
    // Also not where a harvest goes on without what failed, such as statistics.
    assert!(!output.err.contains("the database failed"), "{output:?}");
}

/// Asks for parts of one document, as many at once as one may have root fields.
async fn ask(program: &Program, parts: &[(String, Value)]) {
    for chunk in parts.chunks(20) {
        let part = |(at, (part, _)): (usize, &(String, Value))| format!("a{at}: {part} ");
        let query: String = chunk.iter().enumerate().map(part).collect();
        let answer = program.query(&format!("{{ {query}}}")).await;
        for (at, (part, want)) in chunk.iter().enumerate() {
            assert_eq!(&answer[format!("a{at}")], want, "{part}");
        }
    }
}

async fn columns_of_every_name(db: Db) {
    let words = asked(
        "SELECT word FROM pg_get_keywords() UNION SELECT DISTINCT CAST(attname AS TEXT) FROM pg_attribute WHERE attnum<0",
        "SELECT name FROM pragma_function_list",
    );
    let mut words = names(words.await);
    for needed in [
        "xmin", "xmax", "cmin", "cmax", "ctid", "tableoid", "rowid", "oid", "select",
    ] {
        assert!(words.contains(needed), "{needed}");
    }
    REFUSED.iter().for_each(|word| assert!(words.remove(*word)));
    // As many indexes as columns would say nothing more.
    let indexed = |word: &str| word.len() == 4 || word.starts_with('c');
    let words: Vec<String> = words.into_iter().collect();
    let types = words.chunks(FIELDS).enumerate().map(|(number, words)| {
        let index = |word: &str| if indexed(word) { " @index" } else { "" };
        let fields = words.iter().map(|word| format!("{word}: String{}\n", index(word)));
        format!(
            "type Sample{number} @fetch(source: \"up\", GET: \"/samples\", rows: \".[]\", missing: DELETE, maxMissing: 1) {{ \
             sampleKey: ID! @id @select(jq: \".id\")\n{} }}\n",
            fields.collect::<String>()
        )
    });
    let definition = format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n{}",
        types.collect::<String>()
    );
    // Each column has a value of its own, and a short one: all of them must fit into one page of PostgreSQL.
    let sample = |id: &str, value: &str| {
        let values = words.iter().enumerate();
        let values = values.map(|(at, word)| (word.clone(), json!(format!("{value}{at}"))));
        let mut sample: Map<String, Value> = values.collect();
        sample.insert("id".to_owned(), json!(id));
        Value::Object(sample)
    };
    let upstream = Upstream::start().await;
    let scratch = Scratch::on(db, &definition);
    upstream.set(
        "/samples",
        Reply::json(&json!([sample("1", "a"), sample("2", "b"), sample("3", "c")])),
    );
    harvested(&scratch, &upstream).await;
    // Rows that changed are written in another way than new ones, and one goes.
    upstream.set("/samples", Reply::json(&json!([sample("1", "a"), sample("2", "d")])));
    harvested(&scratch, &upstream).await;
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    let parts = words.iter().enumerate().map(|(at, word)| {
        let part = format!(
            "sample{}s(where: {{{word}: {{gt: \"b\"}}}}, orderBy: [{{{word}: DESC}}]) {{ sampleKey {word} }}",
            at / FIELDS
        );
        (part, json!([{ "sampleKey": "2", word.as_str(): format!("d{at}") }]))
    });
    ask(&program, &parts.collect::<Vec<_>>()).await;
}

/// Cuts words into sets of which no two, as types, give the same root fields.
fn apart(words: BTreeSet<String>) -> Vec<Vec<String>> {
    let mut left: Vec<String> = words.into_iter().collect();
    let mut sets = Vec::new();
    while !left.is_empty() {
        let mut taken: BTreeSet<String> = ["node", "freshness", "holder", "holders", "holderby"]
            .map(str::to_owned)
            .into();
        let (mut set, mut rest) = (Vec::new(), Vec::new());
        for word in left {
            let plain = word.replace('_', "");
            let stem = plain.strip_suffix('y').unwrap_or(&plain);
            let roots = [
                format!("{plain}s"),
                format!("{plain}es"),
                format!("{stem}ies"),
                format!("{plain}by"),
                plain.clone(),
            ];
            if plain == "node" || plain == "freshness" {
                continue;
            }
            match roots.iter().any(|root| taken.contains(root)) {
                true => rest.push(word),
                false => {
                    taken.extend(roots);
                    set.push(word);
                }
            }
        }
        sets.push(set);
        left = rest;
    }
    sets
}

async fn tables_of_every_name(db: Db) {
    let words = asked(
        "SELECT word FROM pg_get_keywords() UNION SELECT CAST(relname AS TEXT) FROM pg_class WHERE relkind IN ('r','v')",
        "SELECT name FROM pragma_module_list UNION SELECT 'pragma_'||name FROM pragma_pragma_list UNION SELECT name FROM sqlite_master",
    );
    let mut words: Vec<String> = words.await;
    let own = "json_each json_tree sqlite_master sqlite_sequence sqlite_schema sqlite_stat1 hayloft_run hayloft_change_log hayloft_change_pack hayloft_rebuilt seaql_migrations";
    words.extend(own.split(' ').map(str::to_owned));
    let words = names(words);
    for needed in [
        "pg_class",
        "json_each",
        "pragma_index_info",
        "excluded",
        "wanted",
        "select",
        "text",
    ] {
        assert!(words.contains(needed), "{needed}");
    }
    for set in apart(words) {
        for part in set.chunks(FIELDS) {
            tables(db, part).await;
        }
    }
}

/// Nested types of these names, each with a column of its own name.
async fn tables(db: Db, words: &[String]) {
    let column = |word: &str| match REFUSED.contains(&word) {
        true => "word".to_owned(),
        false => word.to_owned(),
    };
    let fields: String = words
        .iter()
        .map(|word| format!("f_{word}: [{word}!]! @nested\n"))
        .collect();
    let types: String = words
        .iter()
        .map(|word| format!("type {word} {{ holder: Holder! {}: String! @id }}\n", column(word)))
        .collect();
    let definition = format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n\
         type Holder @fetch(source: \"up\", GET: \"/holders\", rows: \".[]\", missing: DELETE, maxMissing: 1) {{ id: ID!\n{fields} }}\n{types}"
    );
    let holder = |id: &str, values: &[&str]| {
        let lists = words.iter().map(|word| {
            let list: Value = values.iter().map(|value| json!({ column(word): value })).collect();
            (format!("f_{word}"), list)
        });
        let mut holder: Map<String, Value> = lists.collect();
        holder.insert("id".to_owned(), json!(id));
        Value::Object(holder)
    };
    let upstream = Upstream::start().await;
    let scratch = Scratch::on(db, &definition);
    upstream.set(
        "/holders",
        Reply::json(&json!([holder("1", &["a", "b"]), holder("2", &["c"])])),
    );
    harvested(&scratch, &upstream).await;
    upstream.set("/holders", Reply::json(&json!([holder("1", &["b", "d", "a"])])));
    harvested(&scratch, &upstream).await;
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    let parts = words.iter().map(|word| {
        let column = column(word);
        let part = format!(
            "holders(where: {{f_{word}: {{some: {{{column}: {{eq: \"d\"}}}}}}}}) \
             {{ f_{word}(where: {{{column}: {{gte: \"b\"}}}}, orderBy: [{{{column}: DESC}}]) {{ {column} holder {{ id }} }} }}"
        );
        let row = |value: &str| json!({ column.clone(): value, "holder": { "id": "1" } });
        (part, json!([{ format!("f_{word}"): [row("d"), row("b")] }]))
    });
    ask(&program, &parts.collect::<Vec<_>>()).await;
}

/// Types, and the name of a list of links whose table is called by both.
const LINKED: &[(&str, &str)] = &[
    ("select", "order"),
    ("excluded", "excluded"),
    ("wanted", "one"),
    ("one", "wanted"),
    // Those of common table expressions.
    ("span", "picked"),
    ("ends", "many"),
    ("n", "operands"),
    ("Json", "each"),
    ("PgClass", "xmin"),
    ("Pg", "attribute"),
    ("sqlite_master", "rowid"),
    ("Sqlite", "sequence"),
    ("HayloftRun", "oid"),
    ("Hayloft", "change_log"),
    ("Seaql", "migrations"),
    ("PragmaIndexInfo", "ctid"),
    ("Pragma", "index_list"),
    ("T", "t1"),
    ("Main", "temp"),
];

/// Some types at a time: a harvest of all would be fifty runs, and a long one where the machine is busy.
async fn links_and_keys_of_kept_names(db: Db) {
    for linked in LINKED.chunks(LINKED.len().div_ceil(4)) {
        links_and_keys(db, linked).await;
    }
}

async fn links_and_keys(db: Db, linked: &[(&str, &str)]) {
    let types = linked.iter().map(|(name, links)| {
        format!(
            "type {name} @fetch(source: \"up\", GET: \"/rows\", rows: \".[]\") {{\n\
             id: ID! slug: String! @unique ctid: String @index @select(jq: \".text\") cmax: {name} @ref(jq: \".next\", by: \"slug\")\n\
             {links}: [{name}!]! @ref(jq: \".all[]\") back: [{name}!]! @inverse(field: \"{links}\")\n\
             xmax: [{name}!]! @fetch(source: \"up\", GET: \"/rows/{{$this.id}}/more\", rows: \".[]\", every: \"1d\")\n\
             cmin: {name} @fetch(source: \"up\", GET: \"/rows/{{$this.id}}/one\", every: \"1d\") }}\n"
        )
        // A type has each field once.
        .replace("ctid: String", if *links == "ctid" { "xid: String" } else { "ctid: String" })
    });
    let definition = format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n{}",
        types.collect::<String>()
    );
    let row = |id: &str, slug: &str, next: &str, all: &[&str]| json!({ "id": id, "slug": slug, "text": slug, "next": next, "all": all });
    let upstream = Upstream::start().await;
    upstream.handle(|path| {
        let id = path.strip_prefix("/rows/")?.split('/').next()?.to_owned();
        Some(Reply::json(&if path.ends_with("more") {
            json!([id, "1", id])
        } else {
            json!(id)
        }))
    });
    let scratch = Scratch::on(db, &definition);
    upstream.set(
        "/rows",
        Reply::json(&json!([
            row("1", "a", "b", &["2", "1"]),
            row("2", "b", "a", &["1"]),
            row("3", "c", "a", &["3"])
        ])),
    );
    harvested(&scratch, &upstream).await;
    // Unique values change their rows, and links change.
    upstream.set(
        "/rows",
        Reply::json(&json!([row("1", "b", "a", &["2", "2"]), row("2", "a", "b", &["1"])])),
    );
    harvested(&scratch, &upstream).await;
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    for (name, links) in linked {
        let root: String = camel(name);
        let text = if *links == "ctid" { "xid" } else { "ctid" };
        let members =
            format!("id slug {text} cmax {{ id }} {links} {{ id slug }} back {{ id }} xmax {{ id }} cmin {{ id }}");
        // Two by key are loaded in another way than one with others.
        let query = format!("{{ one: {root}(id: \"1\") {{ {members} }} two: {root}(id: \"2\") {{ {members} }} }}");
        let one = json!({
            "id": "1", "slug": "b", text: "b", "cmax": { "id": "2" }, *links: [{ "id": "2", "slug": "a" }, { "id": "2", "slug": "a" }],
            "back": [{ "id": "2" }], "xmax": [{ "id": "1" }, { "id": "1" }, { "id": "1" }], "cmin": { "id": "1" }
        });
        let two = json!({
            "id": "2", "slug": "a", text: "a", "cmax": { "id": "1" }, *links: [{ "id": "1", "slug": "b" }],
            "back": [{ "id": "1" }], "xmax": [{ "id": "2" }, { "id": "1" }, { "id": "2" }], "cmin": { "id": "2" }
        });
        assert_eq!(program.query(&query).await, json!({ "one": one, "two": two }), "{name}");
        let query = format!(
            "{{ by: {root}By(key: {{slug: \"a\"}}) {{ id }} back: {root}By(key: {{slug: \"b\"}}) {{ back(where: {{{links}: \
             {{some: {{{text}: {{eq: \"b\"}}, cmax: {{id: {{eq: \"2\"}}}}}}}}}}, orderBy: [{{cmax: {{slug: ASC}}}}]) {{ id }} }} last: {root}(id: \"3\") {{ id }} }}"
        );
        let want = json!({ "by": { "id": "2" }, "back": { "back": [{ "id": "2" }] }, "last": { "id": "3" } });
        assert_eq!(program.query(&query).await, want, "{name}");
    }
}

/// The root field of a type.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    let first: String = letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .collect();
    let mut words = format!("{first}{}", letters.as_str())
        .split('_')
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for word in words.iter_mut().skip(1) {
        word[..1].make_ascii_uppercase();
    }
    words.concat()
}

const OLDER: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type PgThing @fetch(source: "up", GET: "/things", rows: ".[]", missing: DELETE) {
  id: ID!
  xmin: String @index
  other: PgThing
  all: [PgThing!]! @ref
}
"#;

/// Gives everything the names that it had.
async fn make_older(scratch: &Scratch, db: Db) {
    for sql in [
        "ALTER TABLE \"$pg_thing\" RENAME TO pg_thing",
        "ALTER TABLE \"$pg_thing_all\" RENAME TO pg_thing_all",
        "UPDATE hayloft_applied_layout SET layout=replace(layout,'\"$pg_','\"pg_')",
    ] {
        scratch.rows(sql).await;
    }
    match db {
        Db::Sqlite => {
            let columns = [
                "ALTER TABLE pg_thing RENAME COLUMN \"$xmin\" TO xmin",
                "UPDATE hayloft_applied_layout SET layout=replace(layout,'\"$xmin\"','\"xmin\"')",
            ];
            for sql in columns {
                scratch.rows(sql).await;
            }
            let indexes = "SELECT name,sql FROM sqlite_master WHERE type='index' AND name LIKE '$%'";
            for index in scratch.rows(indexes).await {
                let plain = index[0].trim_start_matches('$').replace("$$", "$");
                scratch.rows(&format!("DROP INDEX \"{}\"", index[0])).await;
                scratch.rows(&index[1].replace(&index[0], &plain)).await;
            }
        }
        // There a column was never called so.
        Db::Postgres => {
            scratch
                .rows("UPDATE hayloft_row_number SET name=substr(name,2) WHERE name LIKE '$%'")
                .await;
            let indexes = "SELECT indexname FROM pg_indexes WHERE indexname LIKE '$%'";
            for index in scratch.rows(indexes).await.concat() {
                let plain = index.trim_start_matches('$');
                scratch
                    .rows(&format!("ALTER INDEX \"{index}\" RENAME TO \"{plain}\""))
                    .await;
            }
        }
    }
}

/// Earlier versions called tables and columns by their plain names, where the database let them.
async fn databases_of_earlier_versions_come_over(db: Db) {
    let upstream = Upstream::start().await;
    let things = json!([{"id": "1", "xmin": "a", "other": "2", "all": ["2", "1"]}, {"id": "2", "xmin": "b", "other": "1", "all": ["1"]}]);
    upstream.set("/things", Reply::json(&things));
    let scratch = Scratch::on(db, OLDER);
    harvested(&scratch, &upstream).await;
    let query = "{ pgThings { id xmin other { id } all { id } } found: pgThings(where: {xmin: {gt: \"a\"}}) { id } }";
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    let want = program.query(query).await;
    assert_eq!(want["pgThings"].as_array().map(Vec::len), Some(2));
    program.kill().await;
    make_older(&scratch, db).await;
    let up = upstream.url();
    scratch.bury_the_dead().await;
    let plan = scratch.run(&["plan"], &[("UP", &up)]).await;
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(plan.out.contains("stored under names"), "{plan:?}");
    let program = scratch.serve(&[("UP", &up)]).await;
    assert_eq!(program.query(query).await, want);
    program.kill().await;
    let changed = json!([{"id": "1", "xmin": "c", "other": "2", "all": ["1"]}, {"id": "3", "xmin": "b", "other": "1", "all": []}]);
    upstream.set("/things", Reply::json(&changed));
    harvested(&scratch, &upstream).await;
    let run = "SELECT new_rows,changed_rows FROM hayloft_run ORDER BY id DESC LIMIT 1";
    assert_eq!(scratch.rows(run).await, [["1", "1"]]);
    // A row number never returns.
    assert_eq!(
        scratch.rows("SELECT _row FROM \"$pg_thing\" WHERE id='3'").await,
        [["3"]]
    );
    let plan = scratch.run(&["plan"], &[("UP", &up)]).await;
    assert!(!plan.out.contains("stored under names"), "{plan:?}");
}
