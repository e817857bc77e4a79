//! Names of answers: equal ones are of equal bytes. Knows what an answer goes by; knows no HTTP.
//!
//! A tag names a request, for whom it is asked, and the state of the database that the answer is
//! of. It is the same in every process and after a restart, so that balancers and sites that are
//! built anew find what they have.

use std::hash::Hash;

use xxhash_rust::xxh3::Xxh3;

use super::ApiRequest;
use crate::change::Moment;

/// The name of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub u128);

/// What a request is known by in tags, whatever the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestPrint(u128);

impl RequestPrint {
    /// Of everything that decides about the answer beside what is stored. `definition` is the
    /// definition's fingerprint: the same rows may be served otherwise by another one, or by
    /// another version of this program.
    pub(super) fn of(request: &ApiRequest, definition: &str) -> RequestPrint {
        let mut hash = Xxh3::new();
        let variables = request
            .variables
            .as_ref()
            .and_then(|given| serde_json::to_string(given).ok());
        let texts = [
            env!("CARGO_PKG_VERSION"),
            definition,
            &request.query,
            request.operation_name.as_deref().unwrap_or_default(),
            variables.as_deref().unwrap_or_default(),
        ];
        for text in texts {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        request.principal.hash(&mut hash);
        RequestPrint(hash.digest128())
    }

    /// The tag of the answer in the state after the commit with this head.
    pub(super) fn at(self, moment: &Moment, head: i64) -> Tag {
        let mut hash = Xxh3::new();
        hash.update(&self.0.to_le_bytes());
        hash.update(&moment.layout.to_le_bytes());
        hash.update(&head.to_le_bytes());
        hash.update(moment.epoch.as_bytes());
        Tag(hash.digest128())
    }
}

/// The head that names the state of an answer whose statement has seen `head`: that of the last
/// commit which changed something that it reads, where that is known. Then whoever has the answer
/// of that commit has this one. Else the state is named by itself, which is as right, and known by
/// nobody.
pub(super) fn naming(moment: &Moment, newest: i64, head: i64) -> i64 {
    match head <= moment.upto && newest <= head {
        true => newest,
        false => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::Principal;

    fn moment(epoch: &str, layout: i64) -> Moment {
        Moment {
            era: 1,
            epoch: epoch.into(),
            layout,
            upto: 10,
        }
    }

    #[test]
    fn whatever_decides_about_an_answer_is_in_its_tag() {
        let request = |query: &str, name: Option<&str>, variables: &str, principal| ApiRequest {
            query: query.to_owned(),
            operation_name: name.map(str::to_owned),
            variables: serde_json::from_str(variables).ok(),
            principal: Principal::numbered(principal),
            ..ApiRequest::default()
        };
        let print = |request: ApiRequest, definition| RequestPrint::of(&request, definition);
        let first = print(request("{a}", None, "{}", 0), "d");
        let others = [
            print(request("{b}", None, "{}", 0), "d"),
            print(request("{a}", Some("b"), "{}", 0), "d"),
            print(request("{a}", None, r#"{"b":1}"#, 0), "d"),
            print(request("{a}", None, "{}", 1), "d"),
            print(request("{a}", None, "{}", 0), "e"),
        ];
        for other in others {
            assert_ne!(first, other);
        }
        assert_eq!(first, print(request("{a}", None, "{}", 0), "d"));
        let tag = first.at(&moment("e", 1), 7);
        for other in [
            first.at(&moment("f", 1), 7),
            first.at(&moment("e", 2), 7),
            first.at(&moment("e", 1), 8),
        ] {
            assert_ne!(tag, other);
        }
    }

    #[test]
    fn a_state_is_named_by_the_last_commit_that_is_read() {
        let moment = moment("e", 1);
        assert_eq!(naming(&moment, 5, 10), 5);
        assert_eq!(naming(&moment, 5, 7), 5);
        assert_eq!(naming(&moment, 9, 7), 7, "another one came since");
        assert_eq!(naming(&moment, 5, 12), 12, "not all is known so far");
    }
}
