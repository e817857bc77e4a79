//! The rules of the house beside the unit tests, so that `make quick` need not build the whole
//! integration binary for them. Knows where they stand.

#[allow(unreachable_pub)]
#[path = "../tests/tidy/mod.rs"]
mod tidy;
