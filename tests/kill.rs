//! Processes that end without warning, at random moments and at every named point: nothing is lost, nothing is there twice.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, time::Duration};

use futures_util::future::join_all;
use rand::{Rng, rngs::StdRng};

use crate::{
    harness::{Db, PAGE_BY_PAGE, Place, Things, eventually, on_both, scale},
    tidy::source::rust_below,
};

on_both!(kills_lose_and_double_nothing, a_run_that_is_gone_on_with_misses_nothing);

/// Worlds that are harvested beside each other: a process under way waits most of its time.
const LANES: u64 = 3;

/// Times that a point is passed before the process ends there; later ones may not come in a run.
const PASSES_MAX: u64 = 3;

/// Pages after which an interrupted run is gone on with.
const RESUMABLE_PAGES: u64 = 21;

/// Pages of a world, about.
const PAGES: usize = 24;

/// A commit or two.
const MOMENT_MAX: Duration = Duration::from_millis(40);

/// The same where the run goes on: so many that there is a page done before, and none that does not come.
const PASSES_GONE_ON_MAX: u64 = 16;

const SIGABRT: i32 = 6;

/// The points of the commit, as the store's source names them.
fn points() -> Vec<String> {
    const PARTS: [&str; 5] = ["load::", "commit::", "claim::", "finish::", "history::"];
    let mut found = BTreeSet::new();
    for source in rust_below("src") {
        for rest in source.text.split("failpoint::point(\"").skip(1) {
            found.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    found.retain(|name| PARTS.iter().any(|part| name.starts_with(part)));
    assert!(found.len() > 5, "the points of src/store were not found: {found:?}");
    found.into_iter().collect()
}

/// One way to end a process.
#[derive(Clone, Debug)]
enum Kill {
    /// When it comes to this point for the time after so many others.
    Point(String, u64),
    /// SIGKILL during a harvest, when it has asked for so many pages, and this time later.
    Harvest(usize, Duration),
    /// SIGKILL of a serving process, after this time.
    Serve(Duration),
}

/// Every point once at its first passing, then random ones among random moments.
fn plan(random: &mut StdRng, points: &[String], count: u64, lane: u64) -> Vec<Kill> {
    let own = points.iter().skip(lane as usize).step_by(LANES as usize);
    let mut kills: Vec<Kill> = own.map(|point| Kill::Point(point.clone(), 0)).collect();
    while (kills.len() as u64) < count {
        kills.push(match random.random_range(0..5) {
            0 => {
                let name = points[random.random_range(0..points.len())].clone();
                Kill::Point(name, random.random_range(1..=PASSES_MAX))
            }
            1 => Kill::Serve(Duration::from_millis(random.random_range(0..400))),
            _ => harvest(random),
        });
    }
    kills
}

/// How far the harvest is says the upstream and no clock, so that a slow machine kills at the same places.
fn harvest(random: &mut StdRng) -> Kill {
    let moment = random.random_range(0..MOMENT_MAX.as_micros() as u64);
    Kill::Harvest(random.random_range(0..=PAGES), Duration::from_micros(moment))
}

/// A world that is harvested by processes which are killed again and again.
struct Lane {
    things: Things,
    /// Kills that left a run under way.
    hits: u64,
}

impl Lane {
    async fn new(db: Db) -> Lane {
        let things = Things::new(Place::new(db), "1h").await;
        things.harvest().await;
        Lane { things, hits: 0 }
    }

    async fn kill(&mut self, kill: &Kill) {
        let scratch = &self.things.scratch;
        let url = self.things.upstream.url();
        let mut environment = vec![("UP", url.as_str())];
        match kill {
            Kill::Point(name, passes) => {
                let points = format!("{PAGE_BY_PAGE};{name}={passes}*off->return");
                environment.push(("FAILPOINTS", &points));
                let output = scratch.end(&["harvest"], &environment).await;
                let told = String::from_utf8_lossy(&output.stderr);
                let aborted = output.status.signal() == Some(SIGABRT);
                assert!(aborted || *passes > 0, "{name} was not passed: {told}");
            }
            Kill::Harvest(pages, later) => {
                // Pages are gathered, or not: both are met in the middle of their commits.
                if pages % 2 == 0 {
                    environment.push(("FAILPOINTS", PAGE_BY_PAGE));
                }
                let upstream = &self.things.upstream;
                let moment = async {
                    upstream.asks(*pages).await;
                    tokio::time::sleep(*later).await;
                };
                scratch.end_at(&["harvest"], &environment, moment).await;
            }
            Kill::Serve(after) => {
                let program = scratch.serve(&environment).await;
                tokio::time::sleep(*after).await;
                program.kill().await;
            }
        }
        let running = scratch.rows("SELECT id FROM hayloft_run WHERE state='running'").await;
        self.hits += u64::from(!running.is_empty());
    }

    /// A long run that was interrupted late is gone on with by the next process that serves, and a whole one follows.
    async fn resume(&mut self) {
        self.things.next();
        let late = format!("{PAGE_BY_PAGE};commit::after={RESUMABLE_PAGES}*off->return");
        let url = self.things.upstream.url();
        let environment = [("UP", url.as_str()), ("FAILPOINTS", late.as_str())];
        self.things.scratch.end(&["harvest"], &environment).await;
        self.things.scratch.bury_the_dead().await;
        let program = self.things.serve().await;
        let newest = "SELECT state,fence FROM hayloft_run ORDER BY id DESC LIMIT 2";
        eventually("a resumed run and a whole one after it", || async {
            let newest = self.things.scratch.rows(newest).await;
            (newest == [["complete", "1"], ["complete", "2"]]).then_some(())
        })
        .await;
        assert_eq!(program.terminate().await, Some(0));
        self.things.check().await;
    }
}

/// Gives how often a process was killed, and how often it was in the middle of something then.
async fn lane(db: Db, number: u64, points: &[String], count: u64) -> (u64, u64) {
    let mut random = scale::random(number);
    let kills = plan(&mut random, points, count, number);
    let mut lane = Lane::new(db).await;
    for kill in &kills {
        println!("lane {number}: {kill:?}");
        lane.things.next();
        lane.kill(kill).await;
        // One that is killed while it takes over from one that was killed.
        if random.random_bool(0.2) {
            lane.things.scratch.bury_the_dead().await;
            let again = harvest(&mut random);
            lane.kill(&again).await;
        }
        lane.things.harvest().await;
    }
    lane.resume().await;
    lane.things.check_file().await;
    (kills.len() as u64, lane.hits)
}

async fn kills_lose_and_double_nothing(db: Db) {
    let points = points();
    let count = scale::scale("HAYLOFT_KILLS", 50);
    println!("HAYLOFT_SEED={}", scale::seed());
    let lanes = (0..LANES).map(|number| lane(db, number, &points, count.div_ceil(LANES)));
    let (mut kills, mut hits) = (0, 0);
    for (lane_kills, lane_hits) in join_all(lanes).await {
        kills += lane_kills;
        hits += lane_hits;
    }
    // A test whose kills only met processes that had nothing to do would show nothing.
    assert!(
        kills >= count && hits * 4 >= kills,
        "{hits} of {kills} kills met a run under way"
    );
    println!("shown: {db:?}: {hits} of {kills} kills met a run under way");
}

/// Where rows stay that are missing, no whole run follows one that was gone on with: it must be right by itself. Killed at each
/// point of a commit, it begins where that commit had come to: no page is left out, and none is asked for again.
async fn a_run_that_is_gone_on_with_misses_nothing(db: Db) {
    println!("HAYLOFT_SEED={}", scale::seed());
    let mut points = points();
    points.retain(|name| name.starts_with("load::") || name.starts_with("commit::"));
    let lanes = (0..LANES).map(|number| {
        let own: Vec<&String> = points.iter().skip(number as usize).step_by(LANES as usize).collect();
        async move {
            let mut random = scale::random(LANES + number);
            for point in own {
                go_on(db, point, random.random_range(2..PASSES_GONE_ON_MAX)).await;
            }
        }
    });
    join_all(lanes).await;
}

async fn go_on(db: Db, point: &str, passes: u64) {
    let things = Things::keeping(Place::new(db)).await;
    let url = things.upstream.url();
    let kill = format!("{PAGE_BY_PAGE};{point}={passes}*off->return");
    println!("{kill}");
    let environment = [("UP", url.as_str()), ("FAILPOINTS", kill.as_str())];
    let output = things.scratch.end(&["harvest"], &environment).await;
    assert_eq!(output.status.signal(), Some(SIGABRT), "{kill}");
    let newest = "SELECT state,fence,checkpoint_pages FROM hayloft_run ORDER BY id DESC LIMIT 1";
    let left = things.scratch.rows(newest).await.concat();
    assert_eq!(left[..2], ["running", "1"], "{kill}");
    let done: usize = left[2].parse().expect("a number");
    assert!(done > 0, "{kill}: nothing to go on with");
    things.scratch.bury_the_dead().await;
    let since = things.upstream.asked().len();
    let program = things.serve().await;
    eventually("the run is gone on with", || async {
        let newest = things.scratch.rows(newest).await.concat();
        (newest[..2] == ["complete", "2"]).then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
    things.check().await;
    things.check_file().await;
    let again = (1..=done).map(|page| format!("/things?page={page}"));
    let asked = &things.upstream.asked()[since..];
    assert!(
        again.into_iter().all(|page| !asked.contains(&page)),
        "{kill}: {done} pages done, {asked:?}"
    );
}
