//! A member of an object of the answer. Knows no value.

/// A member of an object of the answer, under its response key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member<T> {
    pub key: String,
    pub value: T,
}
