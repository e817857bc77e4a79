//! The `hayloft` program: reads the command line and dispatches.

use std::{
    ffi::{c_int, c_long},
    process::ExitCode,
};

use clap::Parser;
use hayloft::command::Cli;

/// Rows are made on one thread and dropped on another all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(unsafe_code, reason = "the crate has no interface for the allocator's options")]
unsafe extern "C" {
    /// Of mimalloc, which is linked for the allocator.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of mimalloc 3: after so many milliseconds memory that is free goes back to the system. By itself it
/// waits a second, in which a load frees more than it needs.
const PURGE_DELAY: (c_int, c_long) = (15, 10);

fn main() -> ExitCode {
    // SAFETY: an option is a number that the allocator looks up when it needs it.
    #[allow(unsafe_code, reason = "as above")]
    unsafe {
        mi_option_set(PURGE_DELAY.0, PURGE_DELAY.1);
    }
    // Only the tests' builds have points to fail at.
    let _points = fail::has_failpoints().then(fail::FailScenario::setup);
    hayloft::command::run(Cli::parse())
}
