//! PostgreSQL that goes away and comes back, in every way that it can: nothing is lost, nothing is there twice, and the process
//! that serves recovers by itself.

use rand::Rng;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::harness::{
    Db, Hold, PAGE_BY_PAGE, PATIENCE, Place, Program, Reply, Scratch, Things, Upstream,
    cluster::{Cluster, Database, Options, USER},
    eventually,
    proxy::{Cut, Proxy},
    scale,
};

const COUNT: &str = "{ things { id } }";

/// Cut commits; each is followed by a whole harvest.
const CUTS: u64 = 16;

/// More commits than a harvest makes of each page.
const COMMITS_MAX: u64 = 30;

/// Runs that failed or were interrupted.
const UNHAPPY: &str = "SELECT state,error FROM hayloft_run WHERE state NOT IN ('complete','queued','running')";

fn durable() -> Options {
    Options {
        durable: true,
        ..Options::default()
    }
}

/// An answer or an error comes in time, and the error tells nothing that is not public.
async fn answers_somehow(program: &Program) -> Value {
    let answer = tokio::time::timeout(PATIENCE, program.post(COUNT, json!({}))).await;
    let answer = answer.expect("an answer or an error in time");
    let told = answer["errors"].to_string().to_lowercase();
    for secret in ["select", "127.0.0.1", USER, "postgres://", "sqlx", "os error"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    answer
}

async fn answers_again(program: &Program) {
    eventually(&format!("it answers again; {}", program.log()), || async {
        let answer = answers_somehow(program).await;
        answer["data"]["things"].is_array().then_some(())
    })
    .await;
}

/// The server is there all the time: nobody who asks hears of it, and no run fails.
#[tokio::test]
async fn terminated_connections_are_opened_again() {
    let mut things = Things::new(Place::new(Db::Postgres), "1s").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    let mut random = scale::random(0);
    let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname=current_database() AND pid<>pg_backend_pid()";
    for _ in 0..6 {
        things.next();
        tokio::time::sleep(std::time::Duration::from_millis(random.random_range(0..1_500))).await;
        assert!(!things.scratch.rows(all).await.is_empty(), "it has connections");
        program.query(COUNT).await;
        things.next();
        cut_while_it_writes(&things).await;
    }
    things.arrive(&program).await;
    assert_eq!(things.scratch.rows(UNHAPPY).await, [[""; 0]; 0], "{}", program.log());
    assert_eq!(program.terminate().await, Some(0));
}

/// Cuts the connection of a transaction that has something to write: it waits in its middle.
async fn cut_while_it_writes(things: &Things) {
    let hold = Hold::of(&things.scratch.database(), "LOCK TABLE thing IN SHARE MODE").await;
    hold.is_waited_for().await;
    let waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname=current_database() AND wait_event_type='Lock'";
    assert!(!things.scratch.rows(waiting).await.is_empty(), "somebody waits");
    hold.let_go().await;
}

#[tokio::test]
async fn a_stopped_cluster_is_waited_for() {
    let cluster = Cluster::start(&durable());
    let place = Place::Elsewhere(cluster.url(&cluster.create_database()));
    let mut things = Things::new(place, "1s").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    for _ in 0..2 {
        things.next();
        cluster.stop_immediately();
        assert!(answers_somehow(&program).await["errors"].is_array());
        cluster.start_again();
        answers_again(&program).await;
        things.arrive(&program).await;
    }
    assert_eq!(program.terminate().await, Some(0));
}

/// Who asks while a server is away for long is told so at once, and not that the query took too long.
///
/// Either of two mechanisms would do here, so only without both of them is this red: `Away::may_try` has one session try for all,
/// and `Away::missed` has whoever tried wait no longer. Each has its unit test (`store::db::away`).
#[tokio::test]
async fn a_server_that_stays_away_is_called_so_at_once() {
    let cluster = Cluster::start(&durable());
    let place = Place::Elsewhere(cluster.url(&cluster.create_database()));
    let things = Things::new(place, "366d").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    cluster.stop_immediately();
    let told = "the database cannot be reached; it is tried again";
    eventually("it is known to be away", || async {
        let began = std::time::Instant::now();
        let answer = answers_somehow(&program).await;
        let said = answer["errors"][0]["message"].as_str() == Some(told);
        (said && began.elapsed() < std::time::Duration::from_millis(500)).then_some(())
    })
    .await;
    // Twenty at once: one of them may try, the others know. One after the other they would each wait for their connection, and
    // however often they came; a busy machine is slow now and then.
    eventually("twenty are told so at once", || async {
        let began = std::time::Instant::now();
        let answers = futures_util::future::join_all((0..20).map(|_| answers_somehow(&program))).await;
        for answer in answers {
            assert_eq!(answer["errors"][0]["message"], told, "{answer}");
        }
        (began.elapsed() < std::time::Duration::from_secs(5)).then_some(())
    })
    .await;
    let ready = program.client().get(format!("{}/readyz", program.url)).send().await;
    assert_eq!(ready.expect("an answer").status(), 503);
    cluster.start_again();
    answers_again(&program).await;
    assert_eq!(program.terminate().await, Some(0));
}

/// A role that may have no connection more: the server itself is well, and who asks is told what to raise. The tests' own role may
/// always connect, so the program has another one here.
#[tokio::test]
async fn a_server_without_a_free_connection_is_called_so() {
    let database = Database::new();
    let role = format!("plain_{}", database.name());
    database.sql(&format!("CREATE ROLE {role} LOGIN"));
    database.sql(&format!("ALTER DATABASE \"{}\" OWNER TO {role}", database.name()));
    let url = database.url().replacen(USER, &role, 1);
    let mut things = Things::new(Place::Elsewhere(url), "1s").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    let ready = || async {
        let ready = program.client().get(format!("{}/readyz", program.url)).send().await;
        ready.expect("an answer").status()
    };
    assert_eq!(ready().await, 200);
    database.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT 0"));
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid()";
    assert_ne!(database.sql(cut), ["0"]);
    let told =
        "the database takes no more connections: raise max_connections of the server, or end some; it is tried again";
    eventually(&format!("it says that there is none; {}", program.log()), || async {
        let answer = answers_somehow(&program).await;
        (answer["errors"][0]["message"] == told).then_some(())
    })
    .await;
    // One of them tries, the others know.
    let answers = futures_util::future::join_all((0..20).map(|_| answers_somehow(&program))).await;
    for answer in answers {
        assert_eq!(answer["errors"][0]["message"], told, "{answer}");
    }
    assert_eq!(ready().await, 503);
    things.next();
    database.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT -1"));
    answers_again(&program).await;
    assert_eq!(ready().await, 200);
    // What could not be harvested meanwhile is.
    things.arrive(&program).await;
    assert_eq!(program.terminate().await, Some(0));
    database.sql(&format!("ALTER DATABASE \"{}\" OWNER TO {USER}", database.name()));
    database.sql(&format!(
        "REASSIGN OWNED BY {role} TO {USER}; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
}

#[tokio::test]
async fn a_promoted_standby_takes_over() {
    let primary = Cluster::start(&durable());
    let database = primary.create_database();
    let standby = primary.standby(&durable());
    // From now on a commit is one only when the standby has it: what is promoted has lost nothing.
    primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let proxy = Proxy::start(primary.port()).await;
    let url = format!("postgres://{USER}@{}/{database}", proxy.address);
    let mut things = Things::new(Place::Elsewhere(url), "1s").await;
    let program = things.serve().await;
    things.arrive(&program).await;
    things.next();
    let (epoch, before) = log_head(&things).await;
    primary.stop_immediately();
    // As long as it follows nobody it takes no writes, and nobody knows yet what it will have: it is waited for.
    proxy.point_to(standby.port());
    eventually("nothing is read there", || async {
        answers_somehow(&program).await["errors"].is_array().then_some(())
    })
    .await;
    standby.promote();
    answers_again(&program).await;
    let (now, head) = log_head(&things).await;
    assert!(head >= before, "the log goes on where it was");
    assert_ne!(now, epoch, "what it had lost nobody could know: a new epoch");
    things.arrive(&program).await;
    assert_eq!(program.terminate().await, Some(0));
}

/// The epoch of the change log, and its last number.
async fn log_head(things: &Things) -> (String, i64) {
    let head = things.scratch.rows("SELECT epoch,seq FROM hayloft_feed_head").await;
    (head[0][0].clone(), head[0][1].parse().expect("a number"))
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_repeated() {
    let database = Database::new();
    let direct = reqwest::Url::parse(&database.url()).expect("a URL");
    let proxy = Proxy::start(direct.port().expect("a port")).await;
    let url = format!("postgres://{USER}@{}/{}", proxy.address, database.name());
    let mut things = Things::new(Place::Elsewhere(url), "1s").await;
    things.harvest().await;
    let mut random = scale::random(1);
    let upstream = things.upstream.url();
    for number in 0..CUTS {
        things.next();
        let cut = if number % 2 == 0 { Cut::After } else { Cut::Before };
        let cuts = proxy.cuts();
        proxy.cut_at_commit(cut, random.random_range(0..COMMITS_MAX));
        println!("HAYLOFT_SEED={} cut {number}: {cut:?}", scale::seed());
        // Where the cut meets its start it may say so and end; a run that was begun comes to its end.
        let environment = [("UP", upstream.as_str()), ("FAILPOINTS", PAGE_BY_PAGE)];
        things.scratch.end(&["harvest"], &environment).await;
        proxy.cut_at_commit(Cut::Nothing, 0);
        assert_eq!(things.scratch.rows(UNHAPPY).await, [[""; 0]; 0]);
        things.harvest().await;
        assert!(proxy.cuts() <= cuts + 1);
    }
    assert!(proxy.cuts() >= CUTS / 2, "{} cuts", proxy.cuts());
    // A process that serves goes on by itself.
    things.page_by_page();
    let program = things.serve().await;
    for number in 0..CUTS {
        let cut = if number % 2 == 0 { Cut::After } else { Cut::Before };
        let cuts = proxy.cuts();
        proxy.cut_at_commit(cut, random.random_range(0..COMMITS_MAX));
        things.next();
        eventually("a commit is cut", || async { (proxy.cuts() > cuts).then_some(()) }).await;
        things.arrive(&program).await;
        assert_eq!(things.scratch.rows(UNHAPPY).await, [[""; 0]; 0], "{}", program.log());
    }
    assert_eq!(program.terminate().await, Some(0));
}

/// An authority, and a certificate of it for the loopback address, in PEM.
fn certificates() -> (String, (String, String)) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    (authority.pem(), (certificate.pem(), key.serialize_pem()))
}

#[tokio::test]
async fn the_server_must_show_the_right_certificate() {
    let (authority, own) = certificates();
    let (other, _) = certificates();
    let cluster = Cluster::start(&Options {
        tls: Some(own),
        ..Options::default()
    });
    let url = cluster.url(&cluster.create_database());
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&json!([{ "id": 1 }])));
    let definition = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
                      type Thing @fetch(source: \"up\", every: \"1h\", GET: \"/things\", rows: \".[]\") { id: ID! }\n";
    let scratch = Scratch::new(definition);
    scratch.write("right.pem", &authority);
    scratch.write("wrong.pem", &other);
    let up = upstream.url();
    let harvest = async |query: &str| {
        let url = format!("{url}?{query}");
        scratch.run(&["harvest", "--database", &url], &[("UP", &up)]).await
    };
    for (query, words) in [
        ("sslmode=verify-full&sslrootcert=wrong.pem", "certificate"),
        ("sslmode=verify-full", "certificate"),
        ("sslmode=verify-full&sslrootcert=absent.pem", "sslrootcert"),
        ("sslmode=disable", "TLS"),
    ] {
        let output = harvest(query).await;
        assert_eq!(output.code, Some(2), "{query}: {output:?}");
        assert!(output.err.contains(words), "{query}: {}", output.err);
    }
    for query in ["sslmode=verify-full&sslrootcert=right.pem", "sslmode=require"] {
        let output = harvest(query).await;
        assert_eq!(output.code, Some(0), "{query}: {output:?}");
    }
}
