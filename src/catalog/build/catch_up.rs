//! What becomes of slots of a schedule that nobody was there to run. Knows the words and their
//! bounds.

use super::{Builder, fetches::argument_span};
use crate::{
    catalog::CatchUp,
    definition::{Directive, Fault},
};

/// Missed slots that `ALL` runs when the definition says nothing: a day of an hourly schedule.
const MAX_DEFAULT: u32 = 24;
/// The most: each is a run of its own, and an upstream should not pay for a long absence.
const MAX_MAX: i64 = 1_000;

impl Builder<'_> {
    pub(super) fn catch_up(&mut self, directive: &Directive) -> CatchUp {
        let written = directive.text("catchUp");
        let word = written.as_ref().map_or("LATEST", |word| word.value);
        if let Some(word) = &written
            && !scheduled(directive)
        {
            let fault = Fault::at(
                word.span.clone(),
                "`catchUp` is about missed slots, but nothing is scheduled",
            );
            self.fault(fault.hint("add `every` or `cron`, or leave `catchUp` out"));
        }
        let max = self.catch_up_max(directive, word == "ALL");
        match word {
            "NONE" => CatchUp::None,
            "ALL" => CatchUp::All { max },
            _ => CatchUp::Latest,
        }
    }

    fn catch_up_max(&mut self, directive: &Directive, all: bool) -> u32 {
        let Some(literal) = directive.argument("catchUpMax") else {
            return MAX_DEFAULT;
        };
        if !all && !directive.broken {
            let at = argument_span(directive, "catchUpMax", literal);
            let fault = Fault::at(at, "`catchUpMax` limits what `catchUp: ALL` runs");
            self.fault(fault.hint("add `catchUp: ALL`, or leave `catchUpMax` out"));
        }
        let whole = literal.as_int().filter(|max| (1..=MAX_MAX).contains(max));
        match whole.and_then(|max| u32::try_from(max).ok()) {
            Some(max) => max,
            None => {
                let fault = Fault::at(literal.span.clone(), format!("`catchUpMax` is 1 to {MAX_MAX}"));
                self.fault(match literal.as_int() {
                    Some(0) => fault.hint("to run no missed slot, write `catchUp: NONE`"),
                    _ => fault,
                });
                MAX_DEFAULT
            }
        }
    }
}

/// Whether there is a schedule; a faulty directive gets the benefit of the doubt.
fn scheduled(directive: &Directive) -> bool {
    directive.broken || directive.argument("every").is_some() || directive.argument("cron").is_some()
}
