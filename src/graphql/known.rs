//! Answers that are known already: to whoever asks, or here. Knows versions, names of answers and
//! what is kept; knows no SQL and no transport.
//!
//! Before anything runs it is asked what is known of commits, and how new the newest part is that
//! the operation reads. Whoever has the answer of that state is told so, and what is kept of it is
//! sent again. What runs after all tells which state it saw, so that its answer is never taken for
//! one of another state: neither for a newer one nor for an older one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::Utc;

use super::{
    Answered, ApiError, ApiRequest, ApiResponse, Client, Code, DataApi, Principal, Tag,
    answers::{Asked, CacheFigures, Running, State},
    cost,
    execute::{Fresh, work_of},
    kept::Data,
    prepare::{Bound, PlanFigures, Way},
    tag::{RequestPrint, naming},
    turns::Turn,
};
use crate::{
    change::{Moment, SETTLED},
    store::Statement,
};

/// Equal operations under way that one request waits for before it runs by itself: each but the
/// last one failed, was given up, or began before the request and a commit that it has to show.
pub(super) const FLIGHTS_MAX: usize = 8;

/// What is said to who may not see SQL.
const NOT_EXPLAINED: &str = "`extensions.explain` shows SQL and is for operators; `serve` tells it on a loopback address \
                             where no proxy is trusted and no `*` lets all hosts or origins in, or with --explain; `hayloft explain` tells the same";

/// One of these names that is still that of the answer: of the state that is known, or of what
/// nothing can change, which no other answer has.
fn standing(print: RequestPrint, moment: &Moment, newest: i64, has: &[Tag]) -> Option<Tag> {
    let names = [newest, SETTLED].map(|head| print.at(moment, head));
    names.into_iter().find(|tag| has.contains(tag))
}

impl DataApi {
    /// Answers a query of one who has answers of these names. A subscription is refused.
    pub(super) async fn answer(&self, request: Arc<ApiRequest>, has: &[Tag]) -> Answered {
        let client = request.client;
        let print = RequestPrint::of(&request, &self.0.catalog.fingerprint);
        if request.wants_more() {
            // What is told beside it changes by itself, so this answer has no name.
            return Answered::New(self.with_more(request).await, None);
        }
        let work = async {
            let (address, principal) = (request.address.clone(), request.principal);
            let bound = self.plan(request).await?;
            if let Some(address) = address.filter(|_| bound.prepared.is_lasting) {
                let goes_by = (&bound.prepared.versions, &bound.prepared.harvested);
                self.0.addresses.put(&address, principal, print, goes_by);
            }
            if let Some(tag) = self.name(&bound, print, has).await {
                return Ok(Answered::Same(tag));
            }
            let known = self.known_or_run(bound, client, Some(print)).await;
            let (data, tag) = known.map_err(|error| vec![error])?;
            Ok(Answered::New(ApiResponse::of(Ok(data)), tag))
        };
        let answered = self.in_time(work).await;
        answered.unwrap_or_else(|errors| Answered::New(ApiResponse::of(Err(errors)), None))
    }

    /// The answer to a query, with what it was estimated to cost, or how it comes to be.
    pub(super) async fn with_more(&self, request: Arc<ApiRequest>) -> ApiResponse {
        let (client, wants_cost, wants_explain) = (request.client, request.wants_cost, request.wants_explain);
        if wants_explain && !self.0.limits.explain {
            let error = ApiError::new(Code::BadUserInput, NOT_EXPLAINED);
            return ApiResponse::of(Err(vec![error]));
        }
        // What was told by then stands beside a failure as well, be it that the time was over: it
        // says why.
        let mut told = Vec::new();
        let work = async {
            let bound = self.plan(request).await?;
            self.told_and_run(bound, client, (wants_cost, wants_explain), &mut told)
                .await
        };
        let result = self.in_time(work).await;
        ApiResponse { result, told }
    }

    async fn told_and_run(
        &self,
        bound: Bound,
        client: Client,
        (wants_cost, wants_explain): (bool, bool),
        told: &mut Vec<(&'static str, Bytes)>,
    ) -> Result<Data, Vec<ApiError>> {
        if wants_cost {
            let cost = self.cost(&bound).await.map_err(|error| vec![error])?;
            told.push(("cost", cost::told(&cost, bound.prepared.fields, &self.0.limits)));
        }
        if wants_explain {
            let (explained, answer) = self.explained_in_turn(&bound, client).await?;
            told.push(("explain", explained));
            // It is there, or would fail once more after as long a time.
            if let Some(answer) = answer {
                return answer.map_err(|error| vec![error]);
            }
        }
        let known = self.known_or_run(bound, client, None).await;
        let (data, _) = known.map_err(|error| vec![error])?;
        Ok(data)
    }

    /// The name of the answer at this moment to what is asked for at an address, if it is one of
    /// these and all of that is known without a wait.
    pub(super) fn same(&self, address: &str, documents: u64, principal: Principal, has: &[Tag]) -> Option<Tag> {
        let known = self.0.addresses.get(address, documents, principal)?;
        let moment = self.0.store.moment_at_once()?;
        standing(known.print, &moment, self.0.store.newest(&known.versions), has)
    }

    /// How long the answer to what is asked for at an address may be taken for the present one, if
    /// so long at most is late enough: until a schedule has something of it harvested.
    pub(super) fn good_for(
        &self,
        address: &str,
        documents: u64,
        principal: Principal,
        most: Duration,
    ) -> Option<Duration> {
        let known = self.0.addresses.get(address, documents, principal)?;
        let now = Utc::now();
        let next = known.entities.iter();
        let next = next
            .filter_map(|entity| self.0.catalog.next_harvest(*entity, now))
            .min();
        let until = next.and_then(|next| (next - now).to_std().ok());
        Some(until.map_or(most, |until| until.min(most)))
    }

    /// The name of the answer at this moment, if it is one of these.
    async fn name(&self, bound: &Bound, print: RequestPrint, has: &[Tag]) -> Option<Tag> {
        if has.is_empty() {
            return None;
        }
        let moment = self.moment(bound).await?;
        standing(print, &moment, self.newest(bound), has)
    }

    /// What is known of commits, for an operation whose answers last; none if nobody can tell.
    async fn moment(&self, bound: &Bound) -> Option<Moment> {
        if !bound.prepared.is_lasting {
            return None;
        }
        let moment = self.0.store.moment().await;
        // Whoever asks will hear from the database himself.
        let told = moment.inspect_err(|error| tracing::debug!(%error, "what was committed cannot be told"));
        told.ok()
    }

    fn newest(&self, bound: &Bound) -> i64 {
        self.0.store.newest(&bound.prepared.versions)
    }

    /// The answer to a planned query, from what is kept or from a run; with its name, where the
    /// request has a print.
    pub(super) async fn known_or_run(
        &self,
        bound: Bound,
        client: Client,
        print: Option<RequestPrint>,
    ) -> Result<(Data, Option<Tag>), ApiError> {
        let answers = &self.0.answers;
        let is_constant = matches!(bound.prepared.way, Way::Constant(_));
        let keeps = answers.are_kept() && !is_constant;
        let moment = match keeps || print.is_some() {
            true => self.moment(&bound).await,
            false => None,
        };
        let Some(moment) = moment else {
            let bound = self.estimate(bound).await?;
            return Ok((self.run(&bound, client).await?.data, None));
        };
        let tag = |moment: &Moment, newest, head| Some(print?.at(moment, naming(moment, newest, head)));
        let newest = self.newest(&bound);
        let asked = Asked {
            plan: bound.prepared.id,
            params: bound.params.clone(),
        };
        if keeps && let Some((whole, state)) = answers.get(&asked, &moment, newest) {
            let data = self.0.keeping.share(whole, client).await?;
            return Ok((data, tag(&moment, newest, state.head)));
        }
        let bound = self.estimate(bound).await?;
        if is_constant {
            let fresh = self.run(&bound, client).await?;
            return Ok((fresh.data, tag(&moment, newest, newest)));
        }
        let fresh = match &bound.prepared.way {
            Way::Statement(statement) if keeps => self.run_once(statement, &bound, client, &asked, &moment).await?,
            // Those of equal loads are joined already.
            _ => self.run(&bound, client).await?,
        };
        // In another era nobody can tell which log the head was of.
        let now = self.0.store.known().filter(|now| now.era == moment.era);
        let (Some(now), Some(head)) = (now, fresh.head) else {
            return Ok((fresh.data, None));
        };
        let state = State { era: now.era, head };
        if keeps && let Some(whole) = fresh.data.memory() {
            answers.put(asked, whole, state);
        }
        // After what is known, so that nothing up to there is missing.
        let newest = self.newest(&bound);
        Ok((fresh.data, tag(&now, newest, head)))
    }

    /// Runs a statement, unless somebody else who asks the same runs it at this moment. Everybody
    /// waits for a turn of his own, so that nobody waits behind another client's queue; whose turn
    /// comes first runs it for all. A failure is nobody else's: the others, who keep their places
    /// in the line, then run it for one another.
    async fn run_once(
        &self,
        statement: &Statement,
        bound: &Bound,
        client: Client,
        asked: &Asked,
        moment: &Moment,
    ) -> Result<Fresh, ApiError> {
        let inner = &self.0;
        // What is committed from here on need not be in the answer: it was asked for before.
        let newest = self.newest(bound);
        let line_up = || Box::pin(self.turn(&inner.turns, work_of(bound, client), inner.limits.queue_wait));
        let mut turn = line_up();
        for _ in 0..FLIGHTS_MAX {
            // Somebody may have run it since this one looked: a quick run is over before all hear
            // that the one before it was lost.
            if let Some((whole, state)) = inner.answers.find(asked, moment, newest) {
                // Whoever waits for room for his copy holds no place that another could have.
                drop(turn);
                let data = inner.keeping.share(whole, client).await?;
                let head = Some(state.head);
                return Ok(Fresh { data, head });
            }
            let joined = inner.answers.join(asked);
            let came = tokio::select! {
                biased;
                landed = joined.landed() => Err(landed),
                came = &mut turn => Ok(came),
            };
            let landed = match came {
                Err(landed) => landed,
                Ok(Ok(taken)) => match joined.begin() {
                    Some(running) => {
                        return self
                            .lead((running, taken), statement, bound, client, (asked, moment))
                            .await;
                    }
                    // Its turn is another's again while this one waits for what runs already.
                    None => {
                        drop(taken);
                        turn = line_up();
                        joined.landed().await
                    }
                },
                // What runs already is answered all the same.
                Ok(Err(_)) if joined.is_begun() => {
                    turn = line_up();
                    joined.landed().await
                }
                Ok(Err(refused)) => return Err(refused),
            };
            // It may be of a time before this one asked.
            if let Some((data, state)) = landed.filter(|(_, state)| state.holds(moment, newest)) {
                drop(turn);
                inner.answers.note_shared();
                let data = match data.memory() {
                    Some(whole) => inner.keeping.share(whole, client).await?,
                    None => data,
                };
                let head = Some(state.head);
                return Ok(Fresh { data, head });
            }
        }
        // In its own place in the line: a second one would wait behind those who hold a first one
        // and never take it.
        let held = turn.await?;
        self.run_in(held, statement, bound, client).await
    }

    /// Runs a statement in a turn for all who wait for it.
    async fn lead(
        &self,
        (running, turn): (Running<'_>, Turn),
        statement: &Statement,
        bound: &Bound,
        client: Client,
        (asked, moment): (&Asked, &Moment),
    ) -> Result<Fresh, ApiError> {
        let fresh = self.run_in(turn, statement, bound, client).await?;
        let state = fresh.head.map(|head| State { era: moment.era, head });
        // Before it lands, so that who comes then finds it.
        if let (Some(state), Some(whole)) = (state, fresh.data.memory()) {
            self.0.answers.put(asked.clone(), whole, state);
        }
        running.land(state.map(|state| (fresh.data.clone(), state)));
        Ok(fresh)
    }

    /// How the answers that are kept do.
    pub(crate) fn cache_figures(&self) -> CacheFigures {
        self.0.answers.figures()
    }

    /// How the plans do that are kept.
    pub(crate) fn plan_figures(&self) -> PlanFigures {
        self.0.planner.figures()
    }
}
