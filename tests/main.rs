//! The one integration test binary.

mod definition;
