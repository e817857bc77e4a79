//! The `hayloft` program: reads the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use hayloft::command::Cli;

fn main() -> ExitCode {
    hayloft::command::run(Cli::parse())
}
