//! `hayloft test`. Knows how the outcome of cases is shown; runs none.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, text};
use crate::{
    app::{
        Loaded,
        cases::{self, Outcome, Tested},
    },
    config::{DefinitionSetting, FilterSetting},
};

/// Runs the cases of a definition: recorded or written answers, and the rows, refusals and query
/// answers that are expected of them
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hayloft test --schema my.graphql\n  hayloft test cases/prices.case.md --update\n\n\
                  Exit codes: 0 when all is as expected, 1 when a case differs or cannot be run, 2 when there is none."
)]
pub(super) struct Test {
    /// A folder of cases, whose names end in .case.md, or one case [default: the folder cases
    /// beside the definition]
    #[arg(value_name = "PATH")]
    place: Option<PathBuf>,

    /// Write what is found into the cases as what is expected
    #[arg(long)]
    update: bool,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    filters: FilterSetting,
}

impl Test {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let schema = &self.definition.schema;
        let place = self.place.unwrap_or_else(|| cases::folder_of(schema));
        // Each case may have a definition of its own.
        let loaded = match schema.exists() {
            true => Some(Loaded::read(schema)?),
            false => None,
        };
        let tested = cases::test(&place, loaded, self.filters, self.update).await?;
        tested.iter().try_for_each(|tested| text::print(&shown(tested)))?;
        let count = |is: fn(&Outcome) -> bool| tested.iter().filter(|tested| is(&tested.outcome)).count();
        let bad = count(|outcome| matches!(outcome, Outcome::Differs(_) | Outcome::Broken(_)));
        let updated = count(|outcome| matches!(outcome, Outcome::Updated));
        let all = text::count(tested.len() as u64, "case");
        match (bad, updated) {
            (0, 0) => text::print(&format!("{all}, all as expected\n")),
            (0, updated) => text::print(&format!("{all}, {updated} written anew\n")),
            (bad, _) => Err(Failure::work(format!(
                "error: {bad} of {all}: not as expected; where it is right, `--update` writes it"
            ))),
        }
    }
}

fn shown(tested: &Tested) -> String {
    let path = tested.path.display();
    match &tested.outcome {
        Outcome::Same => String::new(),
        Outcome::Updated => format!("{path}: written anew\n"),
        Outcome::Broken(why) => format!("{why}\n"),
        Outcome::Differs(differs) => {
            let each = differs
                .iter()
                .map(|(line, difference)| format!("{path}:{line}: differs\n{difference}"));
            each.collect()
        }
    }
}
