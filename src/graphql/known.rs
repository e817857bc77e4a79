//! Answers that are known already: to whoever asks, or here. Knows versions, names of answers and
//! what is kept; knows no SQL and no transport.
//!
//! Before anything runs it is asked what is known of commits, and how new the newest part is that
//! the operation reads. Whoever has the answer of that state is told so, and what is kept of it is
//! sent again. What runs after all tells which state it saw, so that its answer is never taken for
//! one of another state: neither for a newer one nor for an older one.

use std::sync::Arc;

use super::{
    Answered, ApiError, ApiRequest, ApiResponse, Client, DataApi, Tag,
    answers::{Asked, CacheFigures, State},
    execute::{Fresh, work_of},
    kept::Data,
    prepare::{Bound, Way},
    tag::{RequestPrint, naming},
};
use crate::{change::Moment, store::Statement};

impl DataApi {
    /// Answers a query of one who has answers of these names. A subscription is refused.
    pub(super) async fn answer(&self, request: Arc<ApiRequest>, has: &[Tag]) -> Answered {
        let client = request.client;
        let print = RequestPrint::of(&request, &self.0.catalog.fingerprint);
        let work = async {
            let bound = self.plan(request).await?;
            if let Some(tag) = self.name(&bound, print, has).await {
                return Ok(Answered::Same(tag));
            }
            let known = self.known_or_run(bound, client, Some(print)).await;
            let (data, tag) = known.map_err(|error| vec![error])?;
            Ok(Answered::New(ApiResponse(Ok(data)), tag))
        };
        let answered = self.in_time(work).await;
        answered.unwrap_or_else(|errors| Answered::New(ApiResponse(Err(errors)), None))
    }

    /// The name of the answer at this moment, if it is one of these.
    async fn name(&self, bound: &Bound, print: RequestPrint, has: &[Tag]) -> Option<Tag> {
        if has.is_empty() {
            return None;
        }
        let moment = self.moment(bound).await?;
        let tag = print.at(&moment, self.newest(bound));
        has.contains(&tag).then_some(tag)
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
    /// comes first runs it for all. A failure is nobody else's.
    async fn run_once(
        &self,
        statement: &Statement,
        bound: &Bound,
        client: Client,
        asked: &Asked,
        moment: &Moment,
    ) -> Result<Fresh, ApiError> {
        let inner = &self.0;
        let joined = inner.answers.join(asked);
        let turn = tokio::select! {
            biased;
            landed = joined.landed() => Err(landed),
            turn = self.turn(&inner.turns, work_of(bound, client), inner.limits.queue_wait) => Ok(turn),
        };
        let landed = match turn {
            Ok(turn) => match joined.begin() {
                Some(running) => {
                    let fresh = self.run_in(turn?, statement, bound, client).await?;
                    let state = fresh.head.map(|head| State { era: moment.era, head });
                    running.land(state.map(|state| (fresh.data.clone(), state)));
                    return Ok(fresh);
                }
                // Its turn is another's again while this one waits for what runs already.
                None => {
                    drop(turn);
                    joined.landed().await
                }
            },
            Err(landed) => landed,
        };
        // It may be of a time before this one asked.
        let newest = self.newest(bound);
        match landed.filter(|(_, state)| state.holds(moment, newest)) {
            Some((data, state)) => Ok(Fresh {
                data: match data.memory() {
                    Some(whole) => inner.keeping.share(whole, client).await?,
                    None => data,
                },
                head: Some(state.head),
            }),
            None => self.run(bound, client).await,
        }
    }

    /// How the answers that are kept do.
    pub(crate) fn cache_figures(&self) -> CacheFigures {
        self.0.answers.figures()
    }
}
