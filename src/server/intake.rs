//! Bodies of requests: read within their size, out of a budget that all share, as long as they get
//! on. Knows bytes; no GraphQL.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use super::progress::Progress;
use crate::graphql::{Client, Denied, Share, Shares};

/// Bytes of a request body or message: a query of 32 KiB, and variables with some thousand values.
pub(super) const MESSAGE_MAX: usize = 1024 * 1024;
/// Bytes that are not counted: most heads and requests are smaller.
pub(super) const FREE: usize = 4_096;
/// Bytes of a refused body that are waited for.
const DISCARDED_MAX: usize = 4 * MESSAGE_MAX;
/// What a value takes in memory beside its own bytes, and what an object does; `{}` in a list is
/// one of two bytes.
const VALUE: usize = 80;
const OBJECT: usize = 240;

/// Why a body is not read.
#[derive(Debug)]
pub(super) enum Fault {
    TooLarge,
    /// Its rest did not come in time.
    Late,
    Denied(Denied),
    /// The connection ended in the middle of it.
    Broken(String),
}

/// A whole body, and its part of the budget for as long as the request is worked on.
pub(super) struct Whole {
    pub bytes: Vec<u8>,
    pub share: Share,
}

/// Reads a body. What is refused is read on and thrown away: a client that still sends hears no
/// answer.
pub(super) async fn read(body: Body, budget: &Arc<Shares>, client: Client) -> Result<Whole, Fault> {
    let nothing = || Whole {
        bytes: Vec::new(),
        share: budget.none(client),
    };
    let mut whole = nothing();
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let mut fault = announced.and_then(|bytes| whole.expect(bytes).err());
    let mut pieces = body.into_data_stream();
    let (mut progress, mut discarded) = (Progress::default(), 0);
    while discarded <= DISCARDED_MAX {
        let Ok(next) = timeout_at(progress.awaited(), pieces.next()).await else {
            return Err(fault.unwrap_or(Fault::Late));
        };
        let Some(piece) = next else { break };
        let piece = piece.map_err(|error| Fault::Broken(error.to_string()))?;
        fault = fault.or_else(|| whole.take(&piece).err());
        if fault.is_some() {
            whole = nothing();
            discarded += piece.len();
        }
        progress.moved(piece.len());
    }
    match fault {
        Some(fault) => Err(fault),
        None => weigh(&mut whole.share, &whole.bytes)
            .map(|()| whole)
            .map_err(Fault::Denied),
    }
}

impl Whole {
    /// Makes room for so many bytes: whoever has no room for all of them need not begin.
    fn expect(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes > MESSAGE_MAX {
            return Err(Fault::TooLarge);
        }
        self.share.grow(bytes.saturating_sub(FREE)).map_err(Fault::Denied)?;
        // Once and for all: growing would hold the old and the new.
        self.bytes.reserve_exact(bytes);
        Ok(())
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let len = self.bytes.len() + piece.len();
        if len > MESSAGE_MAX {
            return Err(Fault::TooLarge);
        }
        let counted = FREE + self.share.amount();
        self.share.grow(len.saturating_sub(counted)).map_err(Fault::Denied)?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

/// Counts all that a JSON text holds, its own bytes too.
pub(super) fn weigh_all(share: &mut Share, json: &[u8]) -> Result<(), Denied> {
    share.grow(json.len().saturating_sub(FREE))?;
    weigh(share, json)
}

/// Counts what the values of a JSON text will take, before they are read.
pub(super) fn weigh(share: &mut Share, json: &[u8]) -> Result<(), Denied> {
    if json.len() <= FREE {
        return Ok(());
    }
    share.grow(weight(json))
}

/// What the values take, as their marks tell; what stands in texts marks nothing.
fn weight(json: &[u8]) -> usize {
    let (mut all, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b',' | b'[' | b':' => all += VALUE,
            b'{' => all += OBJECT,
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    fn budget(bytes: usize) -> Arc<Shares> {
        Shares::new(bytes)
    }

    /// So many pieces, one a second.
    fn slow(pieces: usize, bytes: usize) -> Body {
        Body::from_stream(stream::unfold(0, move |at| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let piece = Bytes::from(vec![b' '; bytes]);
            (at < pieces).then_some((Ok::<_, Infallible>(piece), at + 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_get_on_or_are_given_up() {
        for (pieces, bytes, want) in [
            (5, 10, Ok(50)),
            (20, 10, Err(())),
            (60, 8_000, Ok(480_000)),
            (60, 5_000, Err(())),
        ] {
            let read = read(slow(pieces, bytes), &budget(1 << 20), Client(1)).await;
            let got = read.map(|whole| whole.bytes.len()).map_err(|fault| {
                assert!(matches!(fault, Fault::Late), "{fault:?}");
            });
            assert_eq!(got, want, "{pieces} pieces of {bytes} bytes");
        }
    }

    #[test]
    fn values_weigh_and_texts_do_not() {
        for (json, want) in [
            ("[1,2,{}]", 3 * VALUE + OBJECT),
            (r#"{"a":[],"b":null}"#, OBJECT + 4 * VALUE),
            (r#"",[{:""#, 0),
            (r#"["\",[{:","\\",1]"#, 3 * VALUE),
            (r#""\u0022,""#, 0),
        ] {
            assert_eq!(weight(json.as_bytes()), want, "{json}");
        }
    }

    #[tokio::test]
    async fn bodies_take_of_the_budget_what_their_values_take() {
        let shares = budget(1_000_000);
        let text = format!("[{}0]", "0,".repeat(4_000));
        let whole = read(Body::from(text.clone()), &shares, Client(1)).await.expect("room");
        assert_eq!(whole.share.amount(), text.len() - FREE + 4_001 * VALUE);
        let dense = read(Body::from(format!("[{}{{}}]", "{},".repeat(9_000))), &shares, Client(2)).await;
        assert!(matches!(dense, Err(Fault::Denied(Denied::All))));
        let text = read(Body::from(vec![b'x'; 100_000]), &shares, Client(2))
            .await
            .expect("room");
        assert_eq!(text.share.amount(), 100_000 - FREE);
        let large = read(Body::from(vec![b'x'; MESSAGE_MAX + 1]), &budget(1 << 30), Client(2)).await;
        assert!(matches!(large, Err(Fault::TooLarge)));
    }
}
