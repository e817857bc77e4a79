//! A PostgreSQL that is another one all of a sudden, under processes that run: promoted, recovered or put back without its last
//! commits. Nobody goes on from what is lost, and everybody hears of it.

use serde_json::Value;

use crate::harness::{
    Place, Program, Scratch, Socket, Things,
    cluster::{Cluster, Database, Options, USER},
    eventually,
    pooler::Pooler,
    proxy::Proxy,
};

const LIVE: &str = "subscription { things { id } }";
/// Pages that both servers have: enough for a run to be gone on with.
const KEPT: usize = 20;
/// Pages that were committed and are lost.
const LOST: usize = 22;
const ALL: usize = usize::MAX;

const EPOCH: &str = "SELECT epoch FROM hayloft_feed_head";
/// What whoever begins an epoch says.
const BEGINS: &str = "its change log begins a new epoch";

fn durable() -> Options {
    Options {
        durable: true,
        ..Options::default()
    }
}

/// What becomes of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// A standby that had not heard of the last commits is promoted.
    Promoted,
    /// A base backup is recovered to its point in time.
    Recovered,
    /// The files of a base backup are put in the place of its own.
    PutBack,
}

/// A server, the address that leads to it, and another server that will stand there.
struct Servers {
    primary: Cluster,
    proxy: Proxy,
    url: String,
}

impl Servers {
    async fn start() -> Servers {
        let primary = Cluster::start(&durable());
        let database = primary.create_database();
        let proxy = Proxy::start(primary.port()).await;
        let url = format!("postgres://{USER}@{}/{database}", proxy.address);
        Servers { primary, proxy, url }
    }

    /// A server that has what is committed now, and nothing of what comes.
    fn copy(&self, how: Move) -> Cluster {
        if how != Move::Promoted {
            return self.primary.base_backup(&durable());
        }
        let standby = self.primary.standby(&durable());
        let at = self.primary.sql("postgres", "SELECT pg_current_wal_lsn()").concat();
        standby.comes_true(&format!("pg_last_wal_replay_lsn()>='{at}'"));
        standby.stop_following();
        standby
    }

    fn change_to(&self, copy: &mut Cluster, how: Move) {
        self.primary.stop_immediately();
        match how {
            Move::Promoted => copy.promote(),
            Move::Recovered => copy.start_recovered(),
            Move::PutBack => copy.start_put_back(),
        }
        self.proxy.point_to(copy.port());
    }
}

/// Waits until a listener is told of so many things.
async fn hears(socket: &mut Socket, things: usize) {
    loop {
        let message = socket.next().await;
        let told = message["payload"]["data"]["things"].as_array().map(Vec::len);
        assert!(told.is_some() || message["payload"]["errors"].is_array(), "{message}");
        if told == Some(things) {
            return;
        }
    }
}

async fn lost_commits(how: Move) {
    let servers = Servers::start().await;
    let things = Things::new(Place::Elsewhere(servers.url.clone()), "1h").await;
    things.open(KEPT);
    let programs = [things.serve().await, things.serve().await];
    things.reach(KEPT).await;
    let mut copy = servers.copy(how);
    things.open(LOST);
    things.reach(LOST).await;
    let epoch = things.scratch.rows(EPOCH).await;
    let mut sockets = Vec::new();
    for program in &programs {
        let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
        socket.subscribe("live", LIVE).await;
        hears(&mut socket, LOST * Things::PER_PAGE).await;
        sockets.push(socket);
    }
    // No page more, so that what is heard next is what the other server has.
    things.open(0);
    servers.change_to(&mut copy, how);
    for socket in &mut sockets {
        hears(socket, KEPT * Things::PER_PAGE).await;
    }
    assert_ne!(things.scratch.rows(EPOCH).await, epoch, "a new epoch");
    things.open(ALL);
    // No other run is due for an hour: rows that were seen, lost and counted as seen would stay away.
    things.arrive(&programs[0]).await;
    let all = things.rows();
    for socket in &mut sockets {
        hears(socket, all).await;
    }
    let begun: usize = programs
        .iter()
        .map(|program| program.log().matches(BEGINS).count())
        .sum();
    assert_eq!(begun, 1, "epochs: {}\n{}", programs[0].log(), programs[1].log());
    let failed = "SELECT state,error FROM hayloft_run WHERE state='failed'";
    assert_eq!(things.scratch.rows(failed).await, [[""; 0]; 0]);
    for program in programs {
        assert_eq!(program.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn a_promoted_standby_without_the_last_commits() {
    lost_commits(Move::Promoted).await;
}

#[tokio::test]
async fn a_recovery_to_a_point_in_time() {
    lost_commits(Move::Recovered).await;
}

#[tokio::test]
async fn files_that_were_put_back() {
    lost_commits(Move::PutBack).await;
}

#[tokio::test]
async fn tables_that_were_lost_are_made_by_the_next_start() {
    let servers = Servers::start().await;
    let things = Things::new(Place::Elsewhere(servers.url.clone()), "1h").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    let mut copy = servers.copy(Move::Recovered);
    let definition = std::fs::read_to_string(things.scratch.path("schema.graphql")).expect("the definition");
    things
        .scratch
        .write("schema.graphql", &format!("{definition}type More {{ id: ID! }}\n"));
    program
        .eventually("the definition changes", "{ __schema { types { name } } }", |data| {
            data.to_string().contains("\"More\"")
        })
        .await;
    servers.change_to(&mut copy, Move::Recovered);
    eventually("it says what is lost", || async {
        let answer = program.post("{ mores { id } }", Value::Null).await;
        answer.to_string().contains("start this process again").then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
    let program: Program = things.serve().await;
    program.query("{ mores { id } }").await;
    things.arrive(&program).await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused() {
    let database = Database::new();
    let direct = reqwest::Url::parse(&database.url()).expect("a URL");
    let pooler = Pooler::start(direct.port().expect("a port")).await;
    let url = format!("postgres://{USER}@{}/{}", pooler.address, database.name());
    let scratch = Scratch::at(
        Place::Elsewhere(url),
        "extend schema @source(name: \"up\", url: \"file:.\")\n\
         type Thing @fetch(source: \"up\", every: \"1h\", FILE: \"things.json\", rows: \".[]\") { id: ID! }\n",
    );
    scratch.write("things.json", "[{\"id\": 1}]");
    for command in [["harvest"], ["status"]] {
        let refused = scratch.run(&command, &[]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("pool_mode=session"), "{refused:?}");
    }
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'hayloft%'"),
        ["0"],
        "nothing was written"
    );
}
