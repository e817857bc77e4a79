//! Live queries: run again when their rows change, pushed only when the answer differs. Knows the bus; knows no socket.
//!
//! Equal live queries (same plan, same parameters) form a group, which runs once per change however many listen. A slow
//! listener sees the latest answer, never a queue of old ones. A group ends with its last listener.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{
        broadcast::{self, error::RecvError, error::TryRecvError},
        watch,
    },
    time::Instant,
};

use crate::{change::Commit, value::Key};

use super::{
    ApiError, ApiRequest, ApiResponse, Client, Code, DataApi, Denied, Share, Shares,
    kept::Data,
    prepare::{Bound, PlanId},
};

/// A live query rests so many times as long as its last run took, so that slow ones leave the database to others; but not for ever.
const TIMES_REST: u32 = 10;
const REST_MAX: Duration = Duration::from_secs(60);

/// The groups of live queries, and how many more listeners there may be.
pub(super) struct Live {
    groups: Arc<Mutex<HashMap<GroupId, Answers>>>,
    places: Arc<Shares>,
}

/// The newest answer of a group; none before its first run.
type Answers = Arc<watch::Sender<Option<Answer>>>;
pub(super) type Answer = Arc<Result<Data, ApiError>>;
type GroupId = (PlanId, Key);

impl Live {
    pub fn new(limit: usize) -> Live {
        Live {
            groups: Arc::default(),
            places: Shares::new(limit),
        }
    }

    /// None open yet, of as many as the older definition's API allows: its listeners come over with their places.
    pub fn after(older: &Live) -> Live {
        Live {
            groups: Arc::default(),
            places: older.places.clone(),
        }
    }

    fn place(&self, client: Client) -> Result<Place, ApiError> {
        let share = self.places.take(client).map_err(|denied| {
            let most = self.places.most();
            let message = match denied {
                Denied::All => format!("{most} live queries are open, more are not allowed"),
                Denied::Client => {
                    format!("your address has so many of the {most} live queries that the rest is for others")
                }
            };
            let message = format!("{message}; raise it with --limit subscriptions=…");
            ApiError::new(Code::TooManySubscriptions, message)
        })?;
        Ok(Place {
            _share: Arc::new(share),
        })
    }

    #[cfg(test)]
    pub fn open_groups(&self) -> usize {
        self.groups().len()
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<GroupId, Answers>> {
        lock(&self.groups)
    }
}

/// What comes of a request: one answer, or a live query that is now listened to.
pub(super) enum Begun {
    Once(ApiResponse),
    Live(Listener),
}

/// One listener's part in a live query.
pub(super) struct Listener {
    answers: watch::Receiver<Option<Answer>>,
    place: Place,
}

/// A listener's place among all that there may be; kept when its live query goes on under a newer definition.
#[derive(Clone)]
pub(super) struct Place {
    _share: Arc<Share>,
}

impl Listener {
    /// The group's next answer that this listener has not seen; none when the group has ended.
    pub async fn next(&mut self) -> Option<Answer> {
        loop {
            self.answers.changed().await.ok()?;
            if let Some(answer) = self.answers.borrow_and_update().clone() {
                return Some(answer);
            }
        }
    }

    pub fn place(&self) -> Place {
        self.place.clone()
    }
}

impl DataApi {
    /// Answers a query, or joins a live query; `place` is the one that the listener has already.
    pub(super) async fn begin(&self, request: Arc<ApiRequest>, place: Option<Place>) -> Result<Begun, Vec<ApiError>> {
        let client = request.client;
        let bound = self.bind(request.clone()).await?;
        if !bound.is_subscription && request.is_live_only {
            let message = "too many requests are under way; try again in a second, or raise it with --limit requests=…";
            return Err(vec![ApiError::new(Code::Overloaded, message)]);
        }
        if !bound.is_subscription {
            return Ok(Begun::Once(self.execute(request).await));
        }
        let place = match place {
            Some(place) => place,
            None => self.0.live.place(client).map_err(|error| vec![error])?,
        };
        let answers = self.join(bound);
        Ok(Begun::Live(Listener { answers, place }))
    }

    /// Joins the group of a live query, or starts it.
    fn join(&self, bound: Bound) -> watch::Receiver<Option<Answer>> {
        let id = (bound.prepared.id, Key(bound.params.to_vec()));
        let mut groups = self.0.live.groups();
        if let Some(answers) = groups.get(&id) {
            let mut listener = answers.subscribe();
            if listener.borrow().is_some() {
                listener.mark_changed();
            }
            return listener;
        }
        let (sender, listener) = watch::channel(None);
        let answers = Arc::new(sender);
        groups.insert(id.clone(), answers.clone());
        let group = Group {
            api: self.clone(),
            // Listening begins before the first run, so that no commit falls between.
            commits: self.0.store.bus().listen(),
            bound,
            answers,
            id,
        };
        tokio::spawn(group.serve());
        listener
    }
}

/// One live query and everybody who listens to it.
struct Group {
    api: DataApi,
    commits: broadcast::Receiver<Commit>,
    bound: Bound,
    answers: Answers,
    id: GroupId,
}

impl Group {
    async fn serve(mut self) {
        loop {
            let rest = self.run().await;
            loop {
                tokio::select! {
                    () = self.answers.closed() => {
                        if self.leave_if_unheard() {
                            return;
                        }
                    }
                    touched = touched(&mut self.commits, &self.bound) => match touched {
                        Some(true) => break,
                        Some(false) => {}
                        // The store is closed; nothing will change any more.
                        None => return,
                    },
                }
            }
            let pause = Instant::now() + self.api.0.limits.live_pause;
            tokio::time::sleep_until(pause.max(rest)).await;
            // What was committed during the pause is in the next run already.
            while !matches!(self.commits.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        }
    }

    /// Runs once and publishes the answer if it differs from the last; when it may run again.
    async fn run(&self) -> Instant {
        let limit = self.api.0.limits.request_timeout;
        let run = tokio::time::timeout(limit, self.api.run_again(&self.bound)).await;
        let answer = run.unwrap_or_else(|_| {
            let message = format!("the live query took longer than {limit:?}; ask for less");
            Err(ApiError::new(Code::Timeout, message))
        });
        self.answers.send_if_modified(|last| {
            let differs = last.as_deref() != Some(&answer);
            if differs {
                *last = Some(Arc::new(answer));
            }
            differs
        });
        Instant::now() + (self.bound.prepared.took.last() * TIMES_REST).min(REST_MAX)
    }

    /// Ends the group unless somebody joined in the meantime; joining takes the same lock.
    fn leave_if_unheard(&self) -> bool {
        let mut groups = self.api.0.live.groups();
        let unheard = self.answers.receiver_count() == 0;
        if unheard {
            groups.remove(&self.id);
        }
        unheard
    }
}

/// However a group ends, nobody can join it afterwards; who still listens sees the end of the stream.
impl Drop for Group {
    fn drop(&mut self) {
        let mut groups = self.api.0.live.groups();
        if groups
            .get(&self.id)
            .is_some_and(|answers| Arc::ptr_eq(answers, &self.answers))
        {
            groups.remove(&self.id);
        }
    }
}

/// Whether the next commit touches the live query's rows; none when there will be no more commits.
async fn touched(commits: &mut broadcast::Receiver<Commit>, bound: &Bound) -> Option<bool> {
    match commits.recv().await {
        Ok(commit) => Some(!commit.entities.is_disjoint(&bound.prepared.entities)),
        Err(RecvError::Lagged(_)) => Some(true),
        Err(RecvError::Closed) => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
