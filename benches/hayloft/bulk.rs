//! How rows get into tables like ours fastest, by hand with tokio-postgres. Knows statements and the time that they take.

use std::{collections::HashMap, pin::pin, time::Instant};

use futures_util::SinkExt;
use tokio_postgres::{Client, Statement, binary_copy::BinaryCopyInWriter, types::ToSql};

use crate::{
    bulk_rows::{COLUMNS, Row, arrays, text},
    cluster::Cluster,
    hand_postgres::connect,
};

const ROWS: i64 = 400_000;
/// Rows that come for one transaction, which writes those of them that are new or changed.
const GROUP: i64 = 2_000;
/// Of so many rows one is changed.
const CHANGED: usize = 3;
/// Rows of one statement of VALUES.
const VALUES: usize = 512;
/// Groups that do not count: all shapes of statements are prepared in them.
const WARM: i64 = 3;

/// As the program's writers set it, but no plan may read the whole table to find the rows of a group.
const SESSION: &str =
    "SET jit=off;SET plan_cache_mode=force_custom_plan;SET enable_hashjoin=off;SET enable_mergejoin=off";

/// What rows are written by. `Beside` is COPY into a temporary table, and one statement that moves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Values,
    Unnest,
    CopyText,
    CopyBinary,
    Beside,
}

/// What a prepared statement takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Values(usize),
    Arrays,
    Text,
    Binary,
    Move,
}

/// One way with its table and times.
struct Entrant {
    name: &'static str,
    way: Way,
    changes: bool,
    table: String,
    prepared: HashMap<Shape, Statement>,
    /// Seconds for each row, group by group.
    seconds: Vec<f64>,
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.expect("SQL");
}

pub fn figures(cluster: &Cluster) {
    const NEW: [(&str, Way); 5] = [
        ("VALUES, 512 rows a statement", Way::Values),
        ("UNNEST of an array per column", Way::Unnest),
        ("COPY, as text", Way::CopyText),
        ("COPY, binary", Way::CopyBinary),
        ("COPY to a temporary table, INSERT … SELECT", Way::Beside),
    ];
    const CHANGES: [(&str, Way); 3] = [
        ("VALUES … ON CONFLICT DO UPDATE", Way::Values),
        ("UNNEST … ON CONFLICT DO UPDATE", Way::Unnest),
        ("COPY to a temporary table, UPDATE … FROM", Way::Beside),
    ];
    let (runtime, client) = connect(&cluster.url(&cluster.create_database()));
    runtime.block_on(async {
        run(&client, SESSION).await;
        println!("({ROWS} rows by hand, {GROUP} in a transaction; the rate of the median group, and of all)");
        report("new", &race(&client, false, &NEW).await);
        report("changed", &race(&client, true, &CHANGES).await);
    });
}

/// All ways write the same groups in turns, each time another one first. A machine that changes its speed changes it for all.
async fn race(client: &Client, changes: bool, ways: &[(&'static str, Way)]) -> Vec<Entrant> {
    let mut entrants = Vec::new();
    for (name, way) in ways {
        entrants.push(Entrant::new(client, name, *way, changes).await);
    }
    run(client, "VACUUM ANALYZE").await;
    run(client, "CHECKPOINT").await;
    for turn in 0..ROWS / GROUP {
        let group = (turn * GROUP..(turn + 1) * GROUP).step_by(if changes { CHANGED } else { 1 });
        let rows: Vec<Row> = group.map(|number| Row::new(number, changes)).collect();
        entrants.rotate_left(1);
        for entrant in &mut entrants {
            let seconds = entrant.write(client, &rows).await;
            entrant.seconds.extend((turn >= WARM).then_some(seconds));
        }
    }
    entrants.sort_by_key(|entrant| ways.iter().position(|(name, _)| *name == entrant.name));
    assert_same(client, &entrants).await;
    entrants
}

/// A rate of rows that were not all stored, or not the same everywhere, would mean nothing.
async fn assert_same(client: &Client, entrants: &[Entrant]) {
    let mut sums = Vec::new();
    for Entrant { table, .. } in entrants {
        let sql = format!("SELECT count(*),sum(hashtext(t::text)::bigint)::bigint FROM {table} t");
        let line = client.query_one(&sql, &[]).await.expect("a sum");
        sums.push((line.get::<_, i64>(0), line.get::<_, i64>(1)));
    }
    assert!(sums.iter().all(|sum| sum.0 == ROWS && *sum == sums[0]), "{sums:?}");
}

fn report(what: &str, entrants: &[Entrant]) {
    let median = |entrant: &Entrant| {
        let mut seconds = entrant.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let unnest = entrants.iter().find(|entrant| entrant.way == Way::Unnest).map(median);
    let unnest = unnest.expect("UNNEST takes part");
    for entrant in entrants {
        let (name, one) = (format!("{what} rows: {}", entrant.name), median(entrant));
        let all = entrant.seconds.len() as f64 / entrant.seconds.iter().sum::<f64>();
        let (rate, ratio) = (1.0 / one, unnest / one);
        println!("{name:<58} {rate:>12.0} rows/s   {ratio:.2} × UNNEST   ({all:.0} over all)");
    }
}

impl Entrant {
    /// With a table, which holds all rows if they are to be changed.
    async fn new(client: &Client, name: &'static str, way: Way, changes: bool) -> Entrant {
        let stage = if changes { "changed" } else { "new" };
        let table = format!("{stage}_{way:?}").to_lowercase();
        let columns = COLUMNS.map(|(name, kind, rest)| format!("{name} {kind} {rest}"));
        run(client, &format!("CREATE TABLE {table} ({})", columns.join(","))).await;
        run(client, &format!("CREATE UNIQUE INDEX {table}_id_key ON {table} (id)")).await;
        if changes {
            run(client, &format!("INSERT INTO {table} TABLE new_unnest")).await;
        }
        if way == Way::Beside {
            let beside = format!("CREATE TEMPORARY TABLE {table}_came (LIKE {table}) ON COMMIT DELETE ROWS");
            run(client, &beside).await;
        }
        Entrant {
            name,
            way,
            changes,
            table,
            prepared: HashMap::new(),
            seconds: Vec::new(),
        }
    }

    /// One transaction, from rows in memory to the end of the commit. Gives the seconds for each row.
    async fn write(&mut self, client: &Client, rows: &[Row]) -> f64 {
        let began = Instant::now();
        run(client, "BEGIN").await;
        let written = match self.way {
            Way::Values => self.values(client, rows).await,
            Way::Unnest => self.arrays(client, rows).await,
            Way::CopyText => self.text(client, rows).await,
            Way::CopyBinary => self.binary(client, rows).await,
            Way::Beside => {
                self.binary(client, rows).await;
                let statement = self.prepared(client, Shape::Move).await;
                client.execute(&statement, &[]).await.expect("the move")
            }
        };
        run(client, "COMMIT").await;
        assert_eq!(written, rows.len() as u64, "{}", self.name);
        began.elapsed().as_secs_f64() / rows.len() as f64
    }

    async fn values(&mut self, client: &Client, rows: &[Row]) -> u64 {
        let mut written = 0;
        for chunk in rows.chunks(VALUES) {
            let statement = self.prepared(client, Shape::Values(chunk.len())).await;
            let cells: Vec<_> = chunk.iter().flat_map(Row::cells).collect();
            written += client.execute(&statement, &cells).await.expect("VALUES");
        }
        written
    }

    async fn arrays(&mut self, client: &Client, rows: &[Row]) -> u64 {
        let statement = self.prepared(client, Shape::Arrays).await;
        let arrays = arrays(rows);
        let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| &**array as _).collect();
        client.execute(&statement, &arrays).await.expect("UNNEST")
    }

    async fn text(&mut self, client: &Client, rows: &[Row]) -> u64 {
        let statement = self.prepared(client, Shape::Text).await;
        let mut sink = pin!(client.copy_in(&statement).await.expect("COPY"));
        sink.feed(bytes::Bytes::from(text(rows))).await.expect("send");
        sink.finish().await.expect("the end of COPY")
    }

    async fn binary(&mut self, client: &Client, rows: &[Row]) -> u64 {
        let statement = self.prepared(client, Shape::Binary).await;
        let sink = client.copy_in(&statement).await.expect("COPY");
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &COLUMNS.map(|(_, kind, _)| kind)));
        for row in rows {
            writer.as_mut().write(&row.cells()).await.expect("send");
        }
        writer.finish().await.expect("the end of COPY")
    }

    async fn prepared(&mut self, client: &Client, shape: Shape) -> Statement {
        if let Some(statement) = self.prepared.get(&shape) {
            return statement.clone();
        }
        let statement = client.prepare(&self.sql(shape)).await.expect("SQL");
        self.prepared.insert(shape, statement.clone());
        statement
    }

    fn sql(&self, shape: Shape) -> String {
        let names = COLUMNS.map(|(name, ..)| name);
        let (table, list) = (&self.table, names.join(","));
        let sets = |from: &str| names.map(|name| format!("{name}={from}.{name}"))[1..].join(",");
        let conflict = format!(" ON CONFLICT(_row) DO UPDATE SET {}", sets("excluded"));
        let end = if self.changes { conflict.as_str() } else { "" };
        let came = if self.way == Way::Beside { "_came" } else { "" };
        match shape {
            Shape::Values(count) => {
                let mut cells = (1..).map(|number| format!("${number}"));
                let mut line = || cells.by_ref().take(COLUMNS.len()).collect::<Vec<_>>().join(",");
                let lines: Vec<String> = (0..count).map(|_| format!("({})", line())).collect();
                format!("INSERT INTO {table}({list}) VALUES {}{end}", lines.join(","))
            }
            Shape::Arrays => {
                let array = |at: usize| format!("${}::{}[]", at + 1, COLUMNS[at].1);
                let arrays = (0..COLUMNS.len()).map(array).collect::<Vec<_>>().join(",");
                format!("INSERT INTO {table}({list}) SELECT * FROM unnest({arrays}) AS u({list}){end}")
            }
            Shape::Text => format!("COPY {table}{came}({list}) FROM STDIN"),
            Shape::Binary => format!("COPY {table}{came}({list}) FROM STDIN (FORMAT binary)"),
            Shape::Move if self.changes => {
                let sets = sets("came");
                format!("UPDATE {table} SET {sets} FROM {table}_came came WHERE {table}._row=came._row")
            }
            Shape::Move => format!("INSERT INTO {table}({list}) SELECT {list} FROM {table}_came"),
        }
    }
}
