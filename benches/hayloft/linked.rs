//! Loads of linked rows: the first one and one that changes a tenth, each beside the same by hand; and the first query after.

use std::{path::Path, time::Instant};

use crate::{
    Target,
    cluster::Cluster,
    figure, hand_postgres, linked_data as data, linked_hand as hand,
    process::{Server, harvest, own_written, written_by},
};

/// Where rows are loaded to.
struct On<'c> {
    name: &'static str,
    /// Of PostgreSQL.
    cluster: Option<&'c Cluster>,
    /// What the program is given, and the load by hand.
    urls: Option<[String; 2]>,
}

/// What a load took, and what was written for it by all who took part.
struct Load {
    seconds: f64,
    written_mb: f64,
}

pub fn sqlite(folder: &Path) {
    figures(
        &folder.join("linked"),
        &On {
            name: "SQLite",
            cluster: None,
            urls: None,
        },
    );
}

pub fn postgres(folder: &Path, cluster: &Cluster) {
    // On one machine a socket is the shorter way, for both.
    let url = || cluster.socket_url(&cluster.create_database());
    let on = On {
        name: "PostgreSQL",
        cluster: Some(cluster),
        urls: Some([url(), url()]),
    };
    figures(&folder.join("linked-on-postgres"), &on);
}

impl On<'_> {
    fn url(&self) -> Option<&str> {
        self.urls.as_ref().map(|[url, _]| url.as_str())
    }

    /// Bytes that this process, its children and the server have written to disk so far.
    fn written(&self) -> u64 {
        let server = self.cluster.map_or(0, |cluster| {
            // Each writer of the server is to have written what it holds.
            cluster.sql("postgres", "CHECKPOINT");
            let processes = cluster.sql(
                "postgres",
                "SELECT pid FROM pg_stat_activity WHERE backend_type='checkpointer'",
            );
            written_by(&processes.concat())
        });
        own_written() + server
    }

    fn measure(&self, load: impl FnOnce() -> f64) -> Load {
        let before = self.written();
        let seconds = load();
        let written_mb = (self.written() - before) as f64 / 1e6;
        Load { seconds, written_mb }
    }

    fn by_hand(&self, folder: &Path, first: bool) -> Load {
        self.measure(|| match &self.urls {
            None => hand::sqlite(folder, first),
            Some([_, url]) => hand::postgres(folder, url, first),
        })
    }
}

fn figures(folder: &Path, on: &On<'_>) {
    let name = on.name;
    data::write(folder, false);
    let by_hand = on.by_hand(folder, true);
    let mut peak_mb = 0.0_f64;
    let mut harvested = || {
        on.measure(|| {
            let harvested = harvest(folder, on.url(), &[], &[]);
            peak_mb = peak_mb.max(harvested.peak_mb);
            println!("{}", harvested.out);
            harvested.seconds
        })
    };
    let ours = harvested();
    tell(on, "first load of linked rows", &ours, &by_hand, 2.0);
    let rate = data::ALL as f64 / ours.seconds;
    let least = if on.cluster.is_none() { 100_000.0 } else { 0.0 };
    figure(
        &format!("{name}: its rows and links"),
        rate,
        "rows/s",
        &Target::AtLeast(least),
    );
    first_query(folder, on);

    data::write(folder, true);
    let by_hand = on.by_hand(folder, false);
    let ours = harvested();
    tell(on, "load that changes a tenth", &ours, &by_hand, 3.0);
    figure(
        &format!("{name}: peak resident memory"),
        peak_mb,
        "MB",
        &Target::AtMost(128.0),
    );
}

fn tell(on: &On<'_>, what: &str, ours: &Load, by_hand: &Load, limit: f64) {
    let name = on.name;
    println!(
        "({name}, {what}: {:.1} s and {:.0} MB written, by hand {:.1} s and {:.0} MB)",
        ours.seconds, ours.written_mb, by_hand.seconds, by_hand.written_mb
    );
    let ratio = ours.seconds / by_hand.seconds;
    figure(
        &format!("{name}: {what}, time ÷ by hand"),
        ratio,
        "×",
        &Target::AtMost(limit),
    );
}

/// Right after a load, and again when the database was told to look at its tables.
fn first_query(folder: &Path, on: &On<'_>) {
    let ask = |times: usize| {
        let server = Server::start(folder, on.url(), &[]);
        // The program may still be waking up, and the pages be read.
        server.ask("{ items(first: 1) { id } }");
        let mut all: Vec<f64> = (0..times)
            .map(|_| {
                let began = Instant::now();
                let answer = server.json(data::FIRST);
                assert!(answer["data"]["items"][0]["id"].is_string(), "{answer}");
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        server.stop();
        let first = all[0];
        all.sort_by(f64::total_cmp);
        // What the plan makes of it; all else that goes on here only adds to that.
        (first, all[0])
    };
    let (first, after_load) = ask(15);
    analyze(folder, on);
    let (_, analyzed) = ask(15);
    println!(
        "({}, a filter through four tables: the first time {first:.1} ms)",
        on.name
    );
    figure(
        &format!("{}: right after a load ÷ after ANALYZE", on.name),
        after_load / analyzed,
        "×",
        &Target::AtMost(1.5),
    );
    println!("({after_load:.2} ms against {analyzed:.2} ms, the shortest of 15)");
}

fn analyze(folder: &Path, on: &On<'_>) {
    match on.url() {
        Some(url) => hand_postgres::execute(url, "ANALYZE"),
        None => hand::analyze(&folder.join("schema.db")),
    }
}
