//! Live queries: run again when their rows change, pushed only when the answer differs. Knows the
//! bus; knows no socket.
//!
//! Equal live queries (same plan, same parameters) form a group, which runs once per change however
//! many listen. A slow listener sees the latest answer, never a queue of old ones. A group ends
//! with its last listener, whatever it is at, and runs again by itself after a failure that passes.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::{self, error::RecvError, error::TryRecvError},
    time::{Instant, sleep, sleep_until},
};

use crate::{change::Commit, value::Key};

use super::{
    ApiError, ApiRequest, ApiResponse, Client, Code, DataApi,
    groups::{GroupId, Place},
    listeners::{Answer, Listeners, Listening},
    prepare::Bound,
};

/// A live query rests so many times as long as its last run took, so that slow ones leave the
/// database to others; but not for ever.
const TIMES_REST: u32 = 10;
const REST_MAX: Duration = Duration::from_secs(60);
/// The pause before a run that failed is tried again: doubled each time, up to the longest rest.
const RETRY: Duration = Duration::from_secs(1);

/// What comes of a request: one answer, or a live query that is now listened to.
pub(super) enum Begun {
    Once(ApiResponse),
    Live(Listener),
}

/// One listener's part in a live query.
pub(super) struct Listener {
    answers: Listening,
    place: Place,
}

impl Listener {
    /// The group's newest answer that this listener has not taken; none when the group has ended.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        self.answers.next().await
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }
}

impl DataApi {
    /// Answers a query, or joins a live query; `place` is the one that the listener has already.
    pub(super) async fn begin(&self, request: Arc<ApiRequest>, place: Option<Place>) -> Result<Begun, Vec<ApiError>> {
        let client = request.client;
        let (is_live_only, wants_more) = (request.is_live_only, request.wants_more());
        let again = wants_more.then(|| request.clone());
        let begun = async {
            let bound = self.plan(request).await?;
            if bound.is_subscription && wants_more {
                let message = "`extensions.cost` and `extensions.explain` are told with the answer to a query, and a \
                               subscription has many; ask for them with the same fields as a query";
                return Err(vec![ApiError::new(Code::BadUserInput, message)]);
            }
            if bound.is_subscription {
                let bound = self.estimate(bound).await.map_err(|error| vec![error])?;
                return Ok(ControlFlow::Continue(bound));
            }
            if is_live_only {
                let message =
                    "too many requests are under way; try again in a second, or raise it with --limit requests=…";
                return Err(vec![ApiError::new(Code::Overloaded, message)]);
            }
            if let Some(request) = again {
                return Ok(ControlFlow::Break(self.with_more(request).await));
            }
            let known = self.known_or_run(bound, client, None).await;
            let (data, _) = known.map_err(|error| vec![error])?;
            Ok(ControlFlow::Break(ApiResponse::of(Ok(data))))
        };
        let bound = match self.in_time(begun).await? {
            ControlFlow::Break(answer) => return Ok(Begun::Once(answer)),
            ControlFlow::Continue(bound) => bound,
        };
        let place = match place {
            Some(place) => place,
            None => self.0.live.place(client).map_err(|error| vec![error])?,
        };
        let answers = self.join(bound, client);
        Ok(Begun::Live(Listener { answers, place }))
    }

    /// Joins the group of a live query, or starts it.
    fn join(&self, bound: Bound, client: Client) -> Listening {
        let id = (bound.prepared.id, Key(bound.params.to_vec()));
        let mut groups = self.0.live.groups();
        if let Some(listeners) = groups.get(&id) {
            return listeners.join(client);
        }
        let listeners = Arc::<Listeners>::default();
        let listening = listeners.join(client);
        groups.insert(id.clone(), listeners.clone());
        // Listening begins before the first run, so that no commit falls between.
        let commits = self.0.store.bus().listen();
        let group = Group {
            api: self.clone(),
            bound,
            listeners,
            id,
        };
        tokio::spawn(group.serve(commits));
        listening
    }
}

/// One live query and everybody who listens to it.
struct Group {
    api: DataApi,
    bound: Bound,
    listeners: Arc<Listeners>,
    id: GroupId,
}

impl Group {
    /// A run for nobody would take a turn from others: so the end is noticed at any time.
    async fn serve(self, commits: broadcast::Receiver<Commit>) {
        tokio::select! {
            () = self.left() => {}
            () = self.follow(commits) => {}
        }
    }

    /// Runs, and runs again when something is new, until the store is closed.
    async fn follow(&self, mut commits: broadcast::Receiver<Commit>) {
        let mut failures = 0;
        loop {
            failures = if self.run().await { 0 } else { failures + 1 };
            let rest = (self.bound.prepared.took.last() * TIMES_REST).min(REST_MAX);
            let rested = Instant::now() + rest;
            let retry = (failures > 0).then(|| Instant::now() + rest.max(retry_after(failures)));
            tokio::select! {
                touched = touched(&mut commits, &self.bound) => {
                    if !touched {
                        return;
                    }
                }
                () = self.listeners.asked() => continue,
                () = until(retry) => continue,
            }
            self.listeners.outdate();
            sleep(self.api.0.limits.live_pause).await;
            tokio::select! {
                () = sleep_until(rested) => {}
                // Who comes now gets no old answer, and cannot wait for so long.
                () = self.listeners.asked() => {}
            }
            // What was committed during the pause is in the next run already.
            while !matches!(commits.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        }
    }

    /// Runs once and tells what came; whether that stands until something changes.
    async fn run(&self) -> bool {
        let limit = self.api.0.limits.request_timeout;
        let clients = self.listeners.clients();
        // Apart, so that a group that rests holds nothing for it.
        let run = Box::pin(self.api.run_again(&self.bound, &clients));
        let answer = tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
            let message =
                format!("the live query took longer than {limit:?}, its waiting included; it is tried again by itself");
            Err(ApiError::new(Code::Timeout, message))
        });
        self.listeners.tell(&answer);
        !matches!(&answer, Err(error) if error.code.passes())
    }

    /// Waits until nobody listens; nobody can join any more then.
    async fn left(&self) {
        loop {
            self.listeners.left().await;
            if self.leave_if_unheard() {
                return;
            }
        }
    }

    /// Ends the group unless somebody joined in the meantime; joining takes the same lock.
    fn leave_if_unheard(&self) -> bool {
        let mut groups = self.api.0.live.groups();
        let unheard = self.listeners.is_empty();
        if unheard {
            groups.remove(&self.id);
        }
        unheard
    }
}

/// However a group ends, nobody can join it afterwards; who still listens sees the end of the
/// stream.
impl Drop for Group {
    fn drop(&mut self) {
        let mut groups = self.api.0.live.groups();
        if groups
            .get(&self.id)
            .is_some_and(|listeners| Arc::ptr_eq(listeners, &self.listeners))
        {
            groups.remove(&self.id);
        }
        drop(groups);
        self.listeners.end();
    }
}

/// Waits for a commit that touches what the live query reads; not so when there will be no more
/// commits.
async fn touched(commits: &mut broadcast::Receiver<Commit>, bound: &Bound) -> bool {
    loop {
        match commits.recv().await {
            Ok(commit) if !commit.changed.meets(&bound.prepared.parts) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

/// The pause after so many runs that failed one after the other.
fn retry_after(failures: u32) -> Duration {
    RETRY.saturating_mul(1 << (failures - 1).min(6)).min(REST_MAX)
}

/// Waits until then, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
