//! Who goes next, by a clock that stands still until it is moved. Knows turns from inside.

use futures_util::FutureExt;

use super::*;

const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(100);

fn request(client: u128) -> Work {
    Work::Request(Client(client))
}

fn query(client: u128) -> Work {
    Work::Live(Client(client))
}

/// Turns for which a crowd waits, however few are named.
fn crowded(places: usize) -> Arc<Turns> {
    let turns = Turns::new(places);
    turns.state().few = 0;
    turns
}

async fn now(turns: &Arc<Turns>, work: Work) -> Turn {
    turns.take(work, SOON).now_or_never().flatten().expect("a turn at once")
}

#[tokio::test(start_paused = true)]
async fn who_has_least_goes_next() {
    let turns = Turns::new(4);
    let mut first = vec![
        now(&turns, request(1)).await,
        now(&turns, request(1)).await,
        now(&turns, request(1)).await,
    ];
    // The last place is for others.
    assert!(turns.take(request(1), SOON).await.is_none());
    let second = now(&turns, request(2)).await;
    let (mut more, mut other) = (
        Box::pin(turns.take(request(1), LATE)),
        Box::pin(turns.take(request(3), LATE)),
    );
    assert!((&mut more).now_or_never().is_none() && (&mut other).now_or_never().is_none());
    first.pop();
    assert!((&mut more).now_or_never().is_none(), "it has two already");
    let third = other.now_or_never().flatten().expect("its turn");
    drop((second, third));
    more.now_or_never().flatten().expect("its turn");
    drop(first);
    assert_eq!(turns.state().all, 0);
    assert!(turns.state().by.is_empty());
}

#[tokio::test(start_paused = true)]
async fn long_work_and_live_queries_leave_room() {
    let turns = Turns::new(4);
    let _long = [
        now(&turns, Work::Long(Client(1))).await,
        now(&turns, Work::Long(Client(2))).await,
    ];
    assert!(turns.take(Work::Long(Client(3)), SOON).await.is_none());
    let live = now(&turns, query(5)).await;
    let quick = now(&turns, request(3)).await;
    let (mut another, mut next) = (
        Box::pin(turns.take(query(6), LATE)),
        Box::pin(turns.take(request(3), LATE)),
    );
    assert!((&mut another).now_or_never().is_none() && (&mut next).now_or_never().is_none());
    drop(quick);
    let next = next.now_or_never().flatten().expect("before the live query");
    let mut after = Box::pin(turns.take(request(4), LATE));
    assert!((&mut after).now_or_never().is_none());
    // It has waited long enough.
    drop(live);
    after.now_or_never().flatten().expect("before the live query");
    another.now_or_never().flatten().expect("nobody else waits");
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn turns_are_not_lost() {
    let turns = Turns::new(1);
    let held = now(&turns, request(1)).await;
    let mut leaves = Box::pin(turns.take(request(2), LATE));
    let mut stays = Box::pin(turns.take(request(3), LATE));
    assert!((&mut leaves).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
    drop(held);
    // Called, and gone before it heard so.
    drop(leaves);
    assert!(
        turns.state().queues.is_empty(),
        "only the other one waited, and was called"
    );
    stays.now_or_never().flatten().expect("its turn");
    now(&turns, request(1)).await;
    assert_eq!(turns.state().all, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_place_is_for_who_has_none() {
    for places in 1..=5 {
        let turns = Turns::new(places);
        let mut held = vec![now(&turns, request(1)).await];
        while let Some(turn) = turns.take(request(1), SOON).await {
            held.push(turn);
        }
        assert!(held.len() < places || places == 1, "{} of {places}", held.len());
        if places > 1 {
            now(&turns, request(2)).await;
        }
    }
    // Also when others have some.
    let turns = Turns::new(4);
    let _held = [
        now(&turns, request(1)).await,
        now(&turns, request(1)).await,
        now(&turns, request(2)).await,
    ];
    assert!(turns.take(request(1), SOON).await.is_none());
    assert!(turns.take(request(2), SOON).await.is_none());
    now(&turns, request(3)).await;
}

#[tokio::test(start_paused = true)]
async fn live_queries_of_one_client_wait_behind_those_of_others() {
    let turns = Turns::new(4);
    let mut first = vec![now(&turns, query(1)).await, now(&turns, query(1)).await];
    // Two places are for others and for requests, of which the last is for others.
    assert!(turns.take(query(1), SOON).await.is_none());
    let own = now(&turns, request(1)).await;
    assert!(turns.take(request(1), SOON).await.is_none());
    assert_eq!(turns.least_busy(&[Client(1), Client(2), Client(3)]), Client(2));
    let second = now(&turns, query(2)).await;
    drop(own);
    let mut more = Box::pin(turns.take(query(1), LATE));
    let mut other = Box::pin(turns.take(query(3), LATE));
    let mut leaves = Box::pin(turns.take(query(3), LATE));
    for waits in [&mut more, &mut other, &mut leaves] {
        assert!(waits.now_or_never().is_none());
    }
    first.pop();
    assert!((&mut more).now_or_never().is_none(), "it has one already");
    let third = other.now_or_never().flatten().expect("its turn");
    drop(leaves);
    assert_eq!(turns.state().queues.len(), 1, "who leaves is forgotten");
    drop((second, third));
    more.now_or_never().flatten().expect("its turn");
    drop(first);
    assert_eq!(turns.state().live, 0);
    assert!(turns.state().live_by.is_empty() && turns.state().queues.is_empty());
}

#[tokio::test(start_paused = true)]
async fn live_queries_that_have_waited_go_before_requests() {
    let turns = Turns::new(4);
    let mut held = vec![now(&turns, query(1)).await];
    for client in 2..=4 {
        held.push(now(&turns, request(client)).await);
    }
    let mut more = Box::pin(turns.take(query(1), LATE));
    let mut other = Box::pin(turns.take(query(5), LATE));
    assert!((&mut more).now_or_never().is_none() && (&mut other).now_or_never().is_none());
    tokio::time::advance(2 * LIVE_PATIENCE).await;
    let mut next = Box::pin(turns.take(request(6), LATE));
    assert!((&mut next).now_or_never().is_none());
    held.pop();
    let other = other.now_or_never().flatten().expect("before the request");
    assert!((&mut next).now_or_never().is_none());
    drop(other);
    // However long the other one has waited: its client has one, and leaves two places.
    next.now_or_never().flatten().expect("its turn");
    held.pop();
    assert!((&mut more).now_or_never().is_none());
    held.pop();
    more.now_or_never().flatten().expect("its turn");
}

/// Those who wait behind one turn, a millisecond apart, and who of them goes first when it ends.
async fn next_of(works: [Work; 3], mean: Duration, then: Duration) -> Option<usize> {
    let turns = crowded(1);
    turns.state().length = Mean(mean);
    turns.state().length_long = Mean(mean * 10);
    // How long that one took is not counted.
    let held = now(&turns, query(1)).await;
    let mut waits = Vec::new();
    for work in works {
        let mut waiting = Box::pin(turns.take(work, LATE));
        assert!((&mut waiting).now_or_never().is_none(), "at once");
        waits.push(waiting);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    tokio::time::advance(then).await;
    drop(held);
    waits
        .iter_mut()
        .position(|waiting| waiting.now_or_never().flatten().is_some())
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_long_gives_way_to_who_has_just_come() {
    let requests = [request(2), request(3), request(4)];
    let long = |client| Work::Long(Client(client));
    for (works, mean, then, want) in [
        // They have waited for three milliseconds, two and one.
        (requests, 0, 0, 1),
        (requests, 0, 1, 2),
        // All are late, the last one least.
        (requests, 0, 900, 2),
        // Ten turns of as many milliseconds.
        (requests, 10, 97, 0),
        (requests, 10, 98, 1),
        // Who will be late first goes before who came first, until he is.
        ([long(2), long(3), request(4)], 10, 0, 2),
        ([request(2), long(3), long(4)], 10, 97, 0),
        ([request(2), long(3), long(4)], 10, 98, 1),
        // One client's own, for a third of their patience.
        ([request(2); 3], 0, 33_329, 0),
        ([request(2); 3], 0, 33_331, 1),
        ([request(2); 3], 0, 90_000, 2),
        // He is late as a whole, and then it is whoever came last of the others.
        ([request(2), request(2), request(3)], 0, 3, 2),
    ] {
        let next = next_of(works, Duration::from_millis(mean), Duration::from_millis(then)).await;
        assert_eq!(next, Some(want), "{works:?}, {mean} ms each, {then} ms later");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_late_leaves_places_for_who_comes() {
    let turns = crowded(4);
    let mut held = Vec::new();
    for client in 1..5 {
        held.push(now(&turns, request(client)).await);
    }
    let mut late = [5, 6].map(|client| Box::pin(turns.take(request(client), LATE)));
    for late in &mut late {
        assert!(late.now_or_never().is_none());
        tokio::time::advance(SHORT).await;
    }
    tokio::time::advance(SHORT).await;
    held.truncate(2);
    assert!((&mut late[1]).now_or_never().is_none(), "two places are free, and left");
    let came = now(&turns, request(7)).await;
    held.truncate(1);
    assert!((&mut late[1]).now_or_never().is_none());
    drop(came);
    let last = (&mut late[1]).now_or_never().flatten().expect("three are free");
    assert!((&mut late[0]).now_or_never().is_none());
    drop(held);
    (&mut late[0]).now_or_never().flatten().expect("three are free");
    drop(last);
    // Where there are no more places than are left, one is enough.
    let turns = crowded(2);
    let (first, second) = (now(&turns, request(1)).await, now(&turns, request(2)).await);
    let mut late = Box::pin(turns.take(request(3), LATE));
    assert!((&mut late).now_or_never().is_none());
    tokio::time::advance(2 * SHORT).await;
    drop(first);
    assert!((&mut late).now_or_never().is_none(), "one is under way");
    drop(second);
    late.now_or_never().flatten().expect("none is under way");
}

/// Long work and live queries keep nobody from a free place for good.
#[tokio::test(start_paused = true)]
async fn who_is_late_leaves_no_places_to_nobody() {
    for beside in [Work::Long as fn(Client) -> Work, Work::Live] {
        let turns = crowded(4);
        let beside = [
            now(&turns, beside(Client(1))).await,
            now(&turns, beside(Client(2))).await,
        ];
        let quick = [now(&turns, request(3)).await, now(&turns, request(4)).await];
        let mut late = Box::pin(turns.take(request(5), LATE));
        let mut live = Box::pin(turns.take(query(6), LATE));
        assert!((&mut late).now_or_never().is_none() && (&mut live).now_or_never().is_none());
        tokio::time::advance(2 * SHORT).await;
        drop(quick);
        let late = late.now_or_never().flatten().expect("no quick one is under way");
        drop((beside, late));
        live.now_or_never().flatten().expect("nobody else waits");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_line_lets_the_next_one_go() {
    let turns = crowded(4);
    let mut held = Vec::new();
    for client in 1..5 {
        held.push(now(&turns, request(client)).await);
    }
    let mut leaves = Box::pin(turns.take(request(5), 3 * SHORT));
    let mut stays = Box::pin(turns.take(request(5), LATE));
    assert!((&mut leaves).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
    tokio::time::advance(2 * SHORT).await;
    held.truncate(3);
    assert!(
        (&mut stays).now_or_never().is_none(),
        "the place is left: they are late"
    );
    drop(leaves);
    stays.now_or_never().flatten().expect("its wait has begun anew");
}

/// What came of the requests that are counted: how long those waited that were called, in their
/// order, and how many were turned away.
#[derive(Default)]
struct Outcome {
    waits: Vec<(u128, Duration)>,
    refused: usize,
}

impl Outcome {
    fn note(&mut self, id: u128, wait: Option<Duration>) {
        match wait {
            Some(wait) => self.waits.push((id, wait)),
            None => self.refused += 1,
        }
    }

    fn p99(&self) -> Duration {
        let mut waits: Vec<Duration> = self.waits.iter().map(|(_, wait)| *wait).collect();
        waits.sort();
        waits[waits.len() * 99 / 100]
    }
}

/// Many who ask, on four places.
#[derive(Clone)]
struct Crowd {
    turns: Arc<Turns>,
    outcome: Arc<Mutex<Outcome>>,
    /// What is asked later is not counted.
    ends: Instant,
}

impl Crowd {
    fn new(seconds: u64) -> Crowd {
        Crowd {
            turns: Turns::new(4),
            outcome: Arc::default(),
            ends: Instant::now() + Duration::from_secs(seconds),
        }
    }

    /// Those who ask at the same places and are counted apart.
    fn apart(&self) -> Crowd {
        Crowd {
            outcome: Arc::default(),
            ..self.clone()
        }
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().expect("no panic")
    }

    /// Asks once and works for so long; whether a turn came within a second.
    async fn ask(self, id: u128, work: Work, length: Duration) -> bool {
        let began = Instant::now();
        let turn = self.turns.take(work, SOON).await;
        if began < self.ends {
            self.outcome().note(id, turn.is_some().then(|| began.elapsed()));
        }
        if turn.is_some() {
            tokio::time::sleep(length).await;
        }
        turn.is_some()
    }

    /// Asks again and again, as soon as there is an answer, or a second or two after being turned
    /// away, until all that counts is answered.
    async fn keep_asking(self, number: u64, work: Work, length: Duration) {
        let mut tries = number;
        // Not all in one moment.
        tokio::time::sleep(Duration::from_micros(tries * 1_700)).await;
        while Instant::now() < self.ends + 2 * SOON {
            if self.clone().ask(number.into(), work, length).await {
                // On its way to the client and back.
                tokio::time::sleep(Duration::from_micros(300)).await;
            } else {
                tries = tries.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                tokio::time::sleep(SOON + Duration::from_millis((tries >> 33) % 1_000)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bursts_are_answered_whole() {
    for clients in [400, 50, 2, 1] {
        let crowd = Crowd::new(1);
        let ask = |id| crowd.clone().ask(id, request(id % clients), Duration::from_millis(3));
        futures_util::future::join_all((0..400).map(ask)).await;
        let outcome = crowd.outcome();
        assert_eq!((outcome.waits.len(), outcome.refused), (400, 0), "{clients} clients");
        if clients == 1 {
            let order = outcome.waits.iter().map(|(id, _)| *id);
            assert!(order.take(300).is_sorted(), "his own order");
        }
    }
}

/// A moment in which nothing gets on makes everybody wait. It is no crowd.
#[tokio::test(start_paused = true)]
async fn few_clients_are_answered_after_a_pause() {
    let length = Duration::from_millis(1);
    for clients in [8, 10] {
        let crowd = Crowd::new(4);
        let asking = (0..clients).map(|number| crowd.clone().keep_asking(number, request(number.into()), length));
        let pauses = crowd.apart();
        let pause = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let place = |id: u128| {
                    pauses
                        .clone()
                        .ask(1_000 + id, request(1_000 + id), Duration::from_millis(100))
                };
                futures_util::future::join_all((0..4).map(place)).await;
            }
        };
        tokio::join!(futures_util::future::join_all(asking), pause);
        assert_eq!(
            (crowd.outcome().refused, pauses.outcome().refused),
            (0, 0),
            "{clients} clients"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn with_too_many_clients_those_who_are_answered_wait_as_if_there_were_few() {
    let length = Duration::from_millis(2);
    let mut of_eight = Duration::ZERO;
    for clients in [8, 64, 256, 500] {
        let crowd = Crowd::new(4);
        let asking = (0..clients).map(|number| crowd.clone().keep_asking(number, request(number.into()), length));
        futures_util::future::join_all(asking).await;
        let outcome = crowd.outcome();
        let took = outcome.p99() + length;
        if clients == 8 {
            of_eight = took;
            assert_eq!(outcome.refused, 0);
        }
        assert!(took <= 2 * of_eight, "{clients} clients: {took:?}, eight {of_eight:?}");
        let answered = outcome.waits.len();
        assert!(
            answered > 7_200,
            "{clients} clients: nine of ten of 8,000, not {answered}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_pushed_aside_by_work_of_another_length_or_by_who_has_more() {
    let millis = Duration::from_millis;
    let crowd = Crowd::new(6);
    let quick = (0..100).map(|number| crowd.clone().keep_asking(number, request(number.into()), millis(2)));
    let slow = crowd.apart();
    let long = (100..200).map(|number| {
        slow.clone()
            .keep_asking(number, Work::Long(Client(number.into())), millis(50))
    });
    // One that always has several waiting is as good as another one.
    let many = crowd.apart();
    let own = (200..205).map(|number| many.clone().keep_asking(number, request(200), millis(2)));
    let all = (
        futures_util::future::join_all(quick),
        futures_util::future::join_all(long),
        futures_util::future::join_all(own),
    );
    futures_util::future::join3(all.0, all.1, all.2).await;
    let answered = [&crowd, &slow, &many].map(|crowd| crowd.outcome().waits.len());
    let [quick, long, own] = answered;
    // There are 6,000 turns at two places, and 240.
    assert!(quick > 5_000 && long > 120 && own > quick / 200, "{answered:?}");
}
