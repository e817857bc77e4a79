//! Bytes at the door `gate`; what it promises stands in `src/graphql/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hayloft::graphql::fuzzing::gate(bytes));
