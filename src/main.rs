//! The `hayloft` program: reads the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use hayloft::command::Cli;

/// Rows are made on one thread and dropped on another all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Only the tests' builds have points to fail at.
    let _points = fail::has_failpoints().then(fail::FailScenario::setup);
    hayloft::command::run(Cli::parse())
}
