//! `hayloft status`.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::{
    app::Loaded,
    catalog::{Catalog, EntityId},
    config::{DatabaseSetting, DefinitionSetting},
    store::{Access, FetchStatus, RunState, RunSummary, Store},
};

use super::{Failure, text};

/// Refused rows shown per fetch.
const REFUSED_SHOWN: u32 = 5;

/// Shows what is stored, the last harvest of each type, and what needs attention
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft status --schema my.graphql")]
pub struct Status {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,
}

impl Status {
    pub async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let url = self.database.or_beside(&self.definition.schema);
        let store = loaded.open(&url, Access::Read).await?;
        let told = tell(&loaded, &store).await;
        store.close().await;
        text::print(&told?)
    }
}

async fn tell(loaded: &Loaded, store: &Store) -> Result<String, Failure> {
    let now = store.now().await?;
    let counts = store.row_counts().await?;
    let statuses = store.fetch_status().await?;
    let mut rows = vec![
        ["type", "rows", "last complete", "last run"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut notes = Vec::new();
    for (entity, count) in counts {
        let name = &loaded.catalog.entity(entity).name;
        let status = statuses.iter().find(|status| status.fetch == *name);
        let complete = status.and_then(|status| status.last_complete.as_ref());
        rows.push(vec![
            name.clone(),
            text::grouped(count),
            complete.map_or_else(|| not_yet(&loaded.catalog, entity), |run| ago(run.finished_at, now)),
            status
                .and_then(|status| status.last.as_ref())
                .map_or_else(String::new, state),
        ]);
        if let Some(status) = status {
            notes.extend(attention(status, store).await?);
        }
    }
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", notes.join("\n"))
    };
    Ok(format!("{}{notes}", text::table(&rows)))
}

/// What stands where no complete harvest can be told.
fn not_yet(catalog: &Catalog, id: EntityId) -> String {
    let entity = catalog.entity(id);
    match (entity.fetch, &entity.owner) {
        (Some(_), _) => "never".to_owned(),
        (None, Some(owner)) => format!("with {}", catalog.entity(owner.entity).name),
        (None, None) => "has no @fetch".to_owned(),
    }
}

fn ago(instant: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    let past = instant
        .and_then(|instant| (now - instant).to_std().ok())
        .unwrap_or_default();
    format!("{} ago", text::duration(past))
}

fn state(run: &RunSummary) -> String {
    let state = match run.state {
        RunState::Running => "running",
        RunState::Complete => "complete",
        RunState::Failed => "failed",
        RunState::Interrupted => "interrupted",
    };
    format!(
        "{state}: {} new, {} changed, {} same, {} gone, {} refused",
        run.new, run.changed, run.same, run.gone, run.refused
    )
}

/// What a person should look at: failures, held deletions, refused rows.
async fn attention(status: &FetchStatus, store: &Store) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    let Some(run) = &status.last else { return Ok(notes) };
    let name = &status.fetch;
    if let Some(error) = &run.error {
        notes.push(format!("{name}: failed {}: {error}", times(status.failures)));
    }
    let held = status.last_complete.as_ref().map_or(0, |run| run.held);
    if held > 0 {
        notes.push(format!(
            "{name}: held: {} missing upstream, more than maxMissing allows, so nothing was deleted. If that is right, \
             raise maxMissing and harvest again.",
            text::count(held, "row")
        ));
    }
    if run.refused > 0 {
        notes.push(format!(
            "{name}: {} refused by the last run, for example:",
            text::count(run.refused, "row")
        ));
        for refused in store.quarantine(name, REFUSED_SHOWN).await? {
            let key = refused.key.as_deref().unwrap_or("(no key)");
            notes.push(format!("  {key}: {}", refused.reason));
        }
    }
    Ok(notes)
}

fn times(failures: u32) -> String {
    match failures {
        0 | 1 => "once".to_owned(),
        _ => format!("{failures} times in a row"),
    }
}
