//! The HTTP server. Being written.
