//! The command line: a file per command. Knows how to talk to a person; leaves the work to the
//! modules below.

mod allocator;
mod approve;
mod backup;
mod check;
mod demo;
mod directives;
mod explain;
mod harvest;
mod init;
mod operate;
mod plan;
mod preview;
mod print;
mod progress;
mod refused;
mod reject;
mod replay;
mod restore;
mod serve;
mod status;
mod test;
mod text;

use std::{future::Future, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

pub(crate) use crate::app::Failure;
pub use allocator::Allocator;

use crate::{config::LogSetting, telemetry};

/// Stack of a worker thread. Parsers recurse over what clients send; the gate bounds that, this is
/// the second line.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// How long the end of a command waits for computations that nobody needs any more.
const LEFTOVERS_MAX: Duration = Duration::from_millis(100);

/// Harvests linked data from web APIs and files on a schedule, and serves it as one GraphQL API
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    log: LogSetting,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Serve(serve::Serve),
    Check(check::Check),
    Plan(plan::Plan),
    Harvest(harvest::Harvest),
    Preview(preview::Preview),
    Test(test::Test),
    Print(print::Print),
    Explain(explain::Explain),
    Status(status::Status),
    Approve(approve::Approve),
    Reject(reject::Reject),
    Replay(replay::Replay),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Directives(directives::Directives),
}

/// Runs one command to its end. Failures are told on stderr; the exit code says of which kind they
/// are.
pub fn run(cli: Cli) -> ExitCode {
    let result = telemetry::start(&cli.log)
        .map_err(Failure::setup)
        .and_then(|()| dispatch(cli.command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(command) => wait_for(command.run()),
        Command::Init(command) => command.run(),
        Command::Serve(command) => wait_for(command.run()),
        Command::Check(command) => command.run(),
        Command::Plan(command) => wait_for(command.run()),
        Command::Harvest(command) => wait_for(command.run()),
        Command::Preview(command) => wait_for(command.run()),
        Command::Test(command) => wait_for(command.run()),
        Command::Print(command) => command.run(),
        Command::Explain(command) => wait_for(command.run()),
        Command::Status(command) => wait_for(command.run()),
        Command::Approve(command) => wait_for(command.run()),
        Command::Reject(command) => wait_for(command.run()),
        Command::Replay(command) => wait_for(command.run()),
        Command::Backup(command) => wait_for(command.run()),
        Command::Restore(command) => wait_for(command.run()),
        Command::Directives(command) => command.run(),
    }
}

/// Runs asynchronous work to its end.
fn wait_for(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(WORKER_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Failure::setup(format!("no threads to run on: {error}")))?;
    let result = runtime.block_on(work);
    // What still computes (a page being parsed) has nobody left to tell.
    runtime.shutdown_timeout(LEFTOVERS_MAX);
    result
}
