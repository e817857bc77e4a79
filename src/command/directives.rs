//! `hayloft directives`.

use clap::Args;

use super::{Failure, text};

/// Prints the SDL of the directives, for editors and other GraphQL tools
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft directives > directives.graphql")]
pub(super) struct Directives {}

impl Directives {
    pub(super) fn run(self) -> Result<(), Failure> {
        text::print_as_it_is(crate::definition::DIRECTIVES)
    }
}
