//! The `hayloft` program: reads the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use hayloft::command::{Allocator, Cli};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    Allocator::set_up();
    // Only the tests' builds have points to fail at.
    let _points = fail::has_failpoints().then(fail::FailScenario::setup);
    hayloft::command::run(Cli::parse())
}
