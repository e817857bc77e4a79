//! `hayloft plan`.

use clap::Args;
use serde_json::json;

use crate::{
    app::Loaded,
    config::{DatabaseSetting, DefinitionSetting, StatementSetting},
    store::{LayoutPlan, PlannedStep, Store},
};

use super::{Failure, text};

/// Shows what a changed definition does to the database: nothing is written
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code: 0 when there is nothing to do or only steps that lose nothing, which `serve` and `harvest` do by themselves; 3 when \
steps wait that lose data, which they do with --allow-destructive.

Example:\n  hayloft plan --schema my.graphql")]
pub(super) struct Plan {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    /// Print the steps as JSON
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let url = self.database.or_beside(&self.definition.schema);
        let timeout = self.statements.statement_timeout.map(|timeout| timeout.0);
        let plan = Store::plan(&url, loaded.catalog.clone(), loaded.layout.clone(), timeout).await?;
        text::print(&match self.json {
            true => as_json(&plan),
            false => in_words(&plan),
        })?;
        match plan.lossy() as u64 {
            0 => Ok(()),
            _ if plan.former => Ok(()),
            lossy => Err(Failure::waiting(format!(
                "{} that data is lost by: --allow-destructive does {}",
                text::count(lossy, "step"),
                if lossy == 1 { "it" } else { "them" }
            ))),
        }
    }
}

fn in_words(plan: &LayoutPlan) -> String {
    let waiting = plan.indexes.iter().map(|field| text::index_waits(field) + "\n");
    steps_in_words(plan) + &waiting.collect::<String>()
}

fn steps_in_words(plan: &LayoutPlan) -> String {
    let rereads = plan.rereads.iter();
    let rereads: String = rereads
        .map(|fetch| format!("~ {fetch}: read in another way: harvested again\n"))
        .collect();
    if plan.former {
        return former(plan) + &rereads;
    }
    if plan.steps.is_empty() && rereads.is_empty() {
        return "nothing: the database is as the definition needs it\n".to_owned();
    }
    if plan.steps.is_empty() {
        return format!("{rereads}\nno step: the tables are as the definition needs them\n");
    }
    let mut out: String = plan.steps.iter().map(|step| line(step) + "\n").collect();
    out.push_str(&rereads);
    let lossy = plan.lossy();
    let additive = plan.steps.len() - lossy;
    out.push_str(&format!(
        "\n{}: {additive} additive, {lossy} lossy\n",
        text::count(plan.steps.len() as u64, "step")
    ));
    out
}

/// What stays of a newer definition, and what going back would do.
fn former(plan: &LayoutPlan) -> String {
    let steps: String = plan.steps.iter().map(|step| format!("  {}\n", line(step))).collect();
    format!(
        "nothing: the database has what a newer definition needs, and this one is compatible with it. That stays, and what only the newer \
         one names is not served. --allow-destructive goes back to this one:\n{steps}"
    )
}

fn line(planned: &PlannedStep) -> String {
    let step = &planned.step;
    let mut out = format!("{} {}: {}", step.sign(), step.subject(), step.words());
    if let Some(touch) = step.touch.as_ref().filter(|_| planned.is_lossy()) {
        out.push_str(&format!(" (LOSSY: {})", touch.words(planned.rows)));
    }
    if planned.refills {
        match step.refill.as_ref().map(|refill| refill.fetches.join(", ")) {
            Some(fetches) if !fetches.is_empty() => out.push_str(&format!(", then filled by a harvest of {fetches}")),
            _ => out.push_str(", which no @fetch fills"),
        }
    }
    if planned.holds_up {
        out.push_str(&format!(
            "; goes through all rows, and queries of {} wait meanwhile",
            step.entity
        ));
    }
    out
}

fn as_json(plan: &LayoutPlan) -> String {
    let steps: Vec<serde_json::Value> = plan.steps.iter().map(step_json).collect();
    let all = json!({
        "lossy": plan.is_lossy(),
        "former": plan.former,
        "steps": steps,
        "rereads": plan.rereads,
        "indexes": plan.indexes,
    });
    format!("{all:#}\n")
}

fn step_json(planned: &PlannedStep) -> serde_json::Value {
    let step = &planned.step;
    let refill = step.refill.as_ref().filter(|_| planned.refills);
    json!({
        "change": step.code(),
        "sign": step.sign(),
        "type": step.entity,
        "field": step.shown(),
        "words": step.words(),
        "lossy": planned.is_lossy(),
        "rows": planned.rows,
        "holdsUp": planned.holds_up,
        "refill": refill.map(|refill| &refill.fetches),
    })
}
