//! The figures on PostgreSQL: a durable cluster of this machine's own server, made for the run and thrown away.

use std::path::Path;

use crate::{
    Target, bulk,
    cluster::{Cluster, Options},
    compare, data, field_fetch, figure,
    hand_postgres::{self, Hand},
    linked, lists, live,
    process::{Server, harvest},
    questions, same, systems,
};

/// What a person sets first on a server of their own; everything else is as it comes.
const SETTINGS: [&str; 2] = ["shared_buffers = 1GB", "max_wal_size = 4GB"];

pub fn cluster() -> Cluster {
    Cluster::start(&Options {
        durable: true,
        settings: SETTINGS.map(str::to_owned).to_vec(),
        ..Options::default()
    })
}

pub fn all(folder: &Path) {
    let cluster = cluster();
    println!("(PostgreSQL, durable, {})", SETTINGS.join(", "));
    reads(&folder.join("farm-on-postgres"), &cluster);
    harvests(&folder.join("million-on-postgres"), &cluster);
}

/// Two processes on one database.
pub fn shared(folder: &Path) {
    field_fetch::figures(&folder.join("field-fetch"), &cluster());
}

/// The ways to write rows that the program could have taken.
pub fn bulk() {
    bulk::figures(&cluster());
}

/// Rows with links.
pub fn linked(folder: &Path) {
    linked::postgres(folder, &cluster());
}

/// Lists with an index.
pub fn lists(folder: &Path) {
    lists::postgres(folder, &cluster());
}

/// What people ask, on both databases.
pub fn questions(folder: &Path) {
    questions::figures(folder, &cluster());
}

/// Many who listen to changes.
pub fn live(folder: &Path) {
    live::postgres(folder, &cluster());
}

/// The examples on both databases, as far as they are wanted.
pub fn systems(folder: &Path, wanted: &dyn Fn(&str) -> bool) {
    type Figures = fn(&Path, Option<&str>);
    let all: [(&str, Figures); 3] = [
        ("systems-efo", systems::efo),
        ("systems-gliders", systems::gliders),
        ("systems-farm", systems::farm),
    ];
    for (name, figures) in all.into_iter().filter(|(name, _)| wanted(name)) {
        figures(&folder.join(format!("{name}-on-sqlite")), None);
        let cluster = cluster();
        let url = cluster.url(&cluster.create_database());
        figures(&folder.join(format!("{name}-on-postgres")), Some(&url));
    }
}

fn reads(folder: &Path, cluster: &Cluster) {
    std::fs::create_dir_all(folder).expect("a folder");
    data::write_farm(folder);
    let url = cluster.url(&cluster.create_database());
    let loaded = harvest(folder, Some(&url), &[], &[]);
    println!(
        "(the farm of 100,000 + 100,000 + 500,000 rows on PostgreSQL: harvested in {:.1} s)",
        loaded.seconds
    );
    let hand = Hand::connect(&url);
    let server = Server::start(folder, Some(&url), &[]);
    for (name, limit, query, by_hand) in [
        (
            "PostgreSQL: nested read, time through HTTP ÷ by hand",
            2.0,
            data::NESTED,
            &(|| hand.nested()) as &dyn Fn() -> String,
        ),
        (
            "PostgreSQL: 5,000 rows × 8 columns, time ÷ by hand",
            2.0,
            data::FLAT,
            &(|| hand.flat()),
        ),
        (
            "the same ÷ plain rows, made JSON by the caller",
            4.0,
            data::FLAT,
            &(|| hand.flat_from_rows()),
        ),
    ] {
        let wanted: serde_json::Value = serde_json::from_str(&by_hand()).expect("JSON by hand");
        assert!(same(&server.json(query)["data"], &wanted), "{name}: both give the same");
        // The work is done in the server's processes, so the time that passes is what can be compared.
        compare::wall(name, &server, query, by_hand, limit);
    }
}

fn harvests(folder: &Path, cluster: &Cluster) {
    const ROWS: f64 = 1e6;
    data::write_million(folder);
    let url = cluster.url(&cluster.create_database());
    let copied = hand_postgres::copy(folder, &url);
    println!("(COPY of the same rows by tokio-postgres: {:.0} rows/s)", ROWS / copied);
    // The copy lies in a database of its own: the program refuses one that holds tables of others.
    let url = cluster.url(&cluster.create_database());
    let new = harvest(folder, Some(&url), &[], &["Row"]);
    assert!(new.out.contains("1,000,000"), "{}", new.out);
    figure(
        "PostgreSQL: harvest of 1,000,000 new rows",
        ROWS / new.seconds,
        "rows/s",
        &Target::AtLeast(60_000.0),
    );
    println!(
        "({:.2} × the time of COPY, which parses, compares and logs nothing)",
        new.seconds / copied
    );
    figure("its peak resident memory", new.peak_mb, "MB", &Target::AtMost(128.0));
    data::write_million(folder);
    let same = harvest(folder, Some(&url), &[], &["Row"]);
    assert!(same.out.contains("1,000,000"), "{}", same.out);
    figure(
        "PostgreSQL: harvest of 1,000,000 unchanged rows",
        ROWS / same.seconds,
        "rows/s",
        &Target::AtLeast(200_000.0),
    );
    figure("its peak resident memory", same.peak_mb, "MB", &Target::AtMost(128.0));
}
