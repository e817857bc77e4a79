//! The operations of one socket: each on a task of its own, one answer of each waiting. Knows the
//! API and budgets; no message and no socket.
//!
//! A client that does not read must hold nothing that others need: so an operation runs to its
//! answer whether the client listens or not, and its next run begins when the last answer has been
//! taken.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::StreamMap;
use tokio_util::task::AbortOnDropHandle;

use crate::graphql::{ApiRequest, ApiResponse, Current, Share};

/// What comes of an operation.
pub(super) enum Event {
    /// An answer, and the place of the request that it is to, which is free when it has been sent.
    Answer(ApiResponse, Option<Share>),
    Ended,
    /// It has broken off, for a fault of ours.
    Broken,
}

/// All operations of a socket.
#[derive(Default)]
pub(super) struct Operations {
    streams: StreamMap<String, Operation>,
}

struct Operation {
    answers: mpsc::Receiver<(ApiResponse, Option<Share>)>,
    /// Its part of the budget for requests.
    _received: Share,
    /// Ends with whoever listens.
    task: AbortOnDropHandle<()>,
    is_over: bool,
}

impl Operations {
    pub(super) fn start(
        &mut self,
        id: String,
        api: Current,
        request: ApiRequest,
        place: Option<Share>,
        received: Share,
    ) {
        let (said, answers) = mpsc::channel(1);
        let operation = Operation {
            answers,
            _received: received,
            task: AbortOnDropHandle::new(tokio::spawn(run(api, request, place, said))),
            is_over: false,
        };
        self.streams.insert(id, operation);
    }

    pub(super) fn stop(&mut self, id: &str) {
        self.streams.remove(id);
    }

    /// What comes next of any of them; never when there are none.
    pub(super) async fn next(&mut self) -> (String, Event) {
        match self.streams.next().await {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }
}

/// The first answer is under the limit of requests; those that a change makes are not asked for by
/// anybody.
async fn run(
    api: Current,
    request: ApiRequest,
    mut place: Option<Share>,
    said: mpsc::Sender<(ApiResponse, Option<Share>)>,
) {
    let mut answers = api.answers(request);
    loop {
        // Room first: an answer that nobody takes is not asked for again.
        let Ok(room) = said.reserve().await else { return };
        let Some(answer) = answers.next().await else { return };
        room.send((answer, place.take()));
    }
}

/// Ends after it has said so.
impl Stream for Operation {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some((answer, place)) = ready!(self.answers.poll_recv(context)) {
            return Poll::Ready(Some(Event::Answer(answer, place)));
        }
        let ended = ready!(Pin::new(&mut self.task).poll(context));
        self.is_over = true;
        Poll::Ready(Some(match ended {
            Ok(()) => Event::Ended,
            Err(error) => {
                tracing::error!(%error, "an operation of a socket broke");
                Event::Broken
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::{Client, Shares};

    /// What has broken off has not come to its end.
    #[tokio::test]
    async fn a_fault_of_ours_is_no_end() {
        let budget = Shares::new(1);
        let mut operations = Operations::default();
        for (id, breaks) in [("good", false), ("bad", true)] {
            let (said, answers) = mpsc::channel(1);
            let task = tokio::spawn(async move {
                let _said = said;
                assert!(!breaks, "as the test wants it");
            });
            let operation = Operation {
                answers,
                _received: budget.none(Client(1)),
                task: AbortOnDropHandle::new(task),
                is_over: false,
            };
            operations.streams.insert(id.to_owned(), operation);
        }
        for _ in 0..2 {
            let (id, event) = operations.next().await;
            let broken = matches!(event, Event::Broken);
            assert!(broken || matches!(event, Event::Ended));
            assert_eq!(broken, id == "bad");
        }
    }
}
