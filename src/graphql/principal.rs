//! Who asks, as far as rights go. Knows principals as numbers; knows neither how one is recognised
//! nor what he may see.
//!
//! A [`Client`](super::Client) is an address and decides about fair shares; a principal decides
//! what is seen. Whatever is kept of an answer, or shared between those who ask, has the principal
//! in its key: so answers cannot cross, whatever rights come to be.

/// Who asks: those with the same number see the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Principal(u128);

impl Principal {
    /// Nobody in particular; all who ask are this one as long as none is recognised.
    pub(crate) const ANONYMOUS: Principal = Principal(0);

    /// One made by hand.
    #[cfg(test)]
    pub(crate) fn numbered(number: u128) -> Principal {
        Principal(number)
    }
}

impl Default for Principal {
    fn default() -> Principal {
        Principal::ANONYMOUS
    }
}
