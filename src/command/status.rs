//! `hayloft status`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::{
    app::Loaded,
    catalog::{Catalog, EntityId},
    config::{DatabaseSetting, DefinitionSetting, StatementSetting},
    harvest,
    store::{
        Access, Cut, Dangling, FetchStatus, FieldRequestCounts, LogHead, ProcessSeen, RunState, RunSummary,
        SignatureState, Store,
    },
};

use super::{Failure, refused::RefusedOptions, text};

/// Refused rows shown per fetch.
const REFUSED_SHOWN: u32 = 5;
/// How long links that lead nowhere are counted for at most: somebody waits.
const COUNT_TIME: Duration = Duration::from_secs(3);

/// Shows what is stored, the last harvest of each type, and what needs attention
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hayloft status --schema my.graphql\n  hayloft status --refused Item --reason price --json"
)]
pub(super) struct Status {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    #[command(flatten)]
    refused: RefusedOptions,
}

impl Status {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let refused = self.refused.filter(&loaded)?;
        let url = self.database.or_beside(&self.definition.schema);
        let store = loaded.open(&url, Access::Read, self.statements).await?;
        let told = match self.refused.is_wanted() {
            true => self.refused.print(&refused, &store).await,
            false => match tell(&loaded, &store).await {
                Ok(told) => text::print(&told),
                Err(failure) => Err(failure),
            },
        };
        store.close().await;
        told
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
        let complete = status.and_then(|status| status.whole_at);
        rows.push(vec![
            name.clone(),
            text::grouped(count),
            complete.map_or_else(|| not_yet(&loaded.catalog, entity), |at| ago(Some(at), now)),
            status
                .and_then(|status| status.last.as_ref())
                .map_or_else(String::new, state),
        ]);
        if let Some(status) = status {
            notes.extend(waiting(status, now));
            notes.extend(attention(status, None, store).await?);
        }
    }
    for id in loaded.catalog.fetch_ids() {
        if loaded.catalog.fetch(id).field_fetch.is_none() {
            continue;
        }
        let name = loaded.catalog.fetch_name(id);
        let Some(status) = statuses.iter().find(|status| status.fetch == name) else {
            continue;
        };
        rows.push(vec![
            name.clone(),
            String::new(),
            status.whole_at.map_or("never".to_owned(), |at| ago(Some(at), now)),
            status.last.as_ref().map_or_else(String::new, state),
        ]);
        notes.extend(waiting(status, now));
        let counts = store.field_request_counts(&name, None).await?;
        notes.extend(attention(status, Some(&counts), store).await?);
        notes.extend(requests(&name, &counts));
    }
    let dangling = store.dangling_links(COUNT_TIME).await?;
    notes.extend(dangling.iter().map(|dangling| leads_nowhere(&loaded.catalog, dangling)));
    let cut = store.cut_texts(COUNT_TIME).await?;
    notes.extend(cut.iter().map(|cut| is_cut(&loaded.catalog, cut)));
    let waiting = store.waiting_indexes().await?;
    notes.extend(waiting.iter().map(|field| text::index_waits(field)));
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", notes.join("\n"))
    };
    let processes = processes(&store.processes().await?, now);
    let log = log(&store.log_head().await?);
    Ok(format!("{}{notes}\n{processes}{log}\n", text::table(&rows)))
}

/// `Item.seller: 3 links lead to no Npc`.
fn leads_nowhere(catalog: &Catalog, dangling: &Dangling) -> String {
    let (entity, target) = (catalog.entity(dangling.entity), catalog.entity(dangling.target));
    let field = format!("{}.{}", entity.name, entity.field(dangling.field).name);
    match dangling.links {
        Some(1) => format!("{field}: 1 link leads to no {}", target.name),
        Some(links) => format!("{field}: {} lead to no {}", text::count(links, "link"), target.name),
        None => format!("{field}: its links that lead nowhere could not be counted within {COUNT_TIME:?}"),
    }
}

/// `Item.about: 3 texts are searched up to their byte 100,000 only`.
fn is_cut(catalog: &Catalog, cut: &Cut) -> String {
    let entity = catalog.entity(cut.entity);
    let field = format!("{}.{}", entity.name, entity.field(cut.field).name);
    match cut.rows {
        Some(1) => format!("{field}: 1 text is longer than what is searched of it, 100,000 bytes"),
        Some(rows) => format!(
            "{field}: {} are longer than what is searched of them, 100,000 bytes",
            text::count(rows, "text")
        ),
        None => {
            format!("{field}: its texts that are too long to be searched could not be counted within {COUNT_TIME:?}")
        }
    }
}

/// `2 processes harvest: 71-0a33f1 seen 1.2 s ago, 90-77b4c2 (by hand) seen 340 ms ago`; nothing
/// where only one can.
fn processes(live: &[ProcessSeen], now: DateTime<Utc>) -> String {
    let shown = |replaced: bool| -> Vec<String> {
        let some = live.iter().filter(|process| process.replaced == replaced);
        some.map(|process| {
            let hand = if process.by_hand { " (by hand)" } else { "" };
            format!("{}{hand} seen {}", process.id, ago(Some(process.seen_at), now))
        })
        .collect()
    };
    let (harvesting, replaced) = (shown(false), shown(true));
    let mut told = match harvesting.len() {
        0 => String::new(),
        1 => format!("1 process harvests: {}\n", harvesting.join(", ")),
        count => format!("{count} processes harvest: {}\n", harvesting.join(", ")),
    };
    if !replaced.is_empty() {
        told.push_str(&format!(
            "{} with an older definition than the one in force, harvesting nothing: {}\n",
            text::count(replaced.len() as u64, "process"),
            replaced.join(", ")
        ));
    }
    told
}

/// `change log: epoch 1f0c…, 1,234 changes kept, 1 to 1,234`.
fn log(log: &LogHead) -> String {
    let begin: String = log.epoch.chars().take(4).collect();
    let number = |seq: i64| text::grouped(seq.unsigned_abs());
    match log.head - log.first + 1 {
        0 => format!(
            "change log: epoch {begin}…, no changes kept, {} so far",
            number(log.head)
        ),
        kept => format!(
            "change log: epoch {begin}…, {} kept, {} to {}",
            text::count(kept.unsigned_abs(), "change"),
            number(log.first),
            number(log.head)
        ),
    }
}

/// What stands where no complete harvest can be told.
fn not_yet(catalog: &Catalog, id: EntityId) -> String {
    let entity = catalog.entity(id);
    match (entity.fetch, &entity.owner) {
        _ if catalog.is_timed(id) => "never".to_owned(),
        (Some(_), _) => "never".to_owned(),
        (None, Some(owner)) => format!("with {}", catalog.entity(owner.entity).name),
        (None, None) => match &entity.groups {
            Some(groups) => format!("with {}", catalog.entity(groups.of).name),
            None => brought_by(catalog, id),
        },
    }
}

/// The fields whose requests bring rows of a type.
fn brought_by(catalog: &Catalog, id: EntityId) -> String {
    let fields = catalog.fetch_ids().filter(|fetch| catalog.fetch(*fetch).entity == id);
    let names: Vec<String> = fields.map(|fetch| catalog.fetch_name(fetch)).collect();
    match names.is_empty() {
        true => "has no @fetch".to_owned(),
        false => format!("with {}", names.join(", ")),
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
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Complete if run.told.doubt.is_some() => "in doubt",
        RunState::Complete => "complete",
        RunState::Failed => "failed",
        RunState::Interrupted => "interrupted",
    };
    let by = run.owner.as_ref().filter(|_| run.state == RunState::Running);
    let by = by.map_or_else(String::new, |owner| format!(" by {owner}"));
    let left_out = match run.left_out {
        0 => String::new(),
        count => format!(", {count} left out by keep"),
    };
    let repeated = match run.repeated {
        0 => String::new(),
        count => format!(", {count} repeated"),
    };
    format!(
        "{state}{by}: {} new, {} changed, {} same, {} gone, {} refused{left_out}{repeated}",
        run.new, run.changed, run.same, run.gone, run.refused
    )
}

/// What is to come: slots that wait, and fields whose values are on their way.
fn waiting(status: &FetchStatus, now: DateTime<Utc>) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &status.fetch;
    if let Some(first) = status.queued.first() {
        notes.push(format!(
            "{name}: {} queued, the oldest of {}",
            text::count(status.queued.len() as u64, "slot"),
            first.slot.to_rfc3339_opts(SecondsFormat::Secs, true)
        ));
    }
    if let Some(refill) = &status.refill {
        let running = status.last.as_ref().filter(|run| run.state == RunState::Running);
        let state = match running.filter(|run| run.started_at >= refill.since) {
            Some(run) => format!("is running, begun {}", ago(Some(run.started_at), now)),
            None => format!(
                "has been due for {}",
                ago(Some(refill.since), now).trim_end_matches(" ago")
            ),
        };
        notes.push(format!(
            "{name}: {}: filled by a full harvest that {state}",
            refill.fields.join(", ")
        ));
    }
    if let Some(aside) = &status.aside {
        let left = (aside.until - now).to_std().unwrap_or_default();
        notes.push(format!(
            "{name}: set aside for {} more: {} while at work on {}, which may be why; `hayloft harvest {name}` tries at once",
            text::duration(left),
            if aside.ended == 1 {
                "a process ended".to_owned()
            } else {
                format!("{} processes ended", aside.ended)
            },
            aside.page
        ));
    }
    match status.signature {
        // Told above, with the fields.
        SignatureState::Changed if status.refill.is_some() => {}
        SignatureState::Changed => notes.push(format!(
            "{name}: the definition reads it in another way than the last complete run did; a full harvest is due"
        )),
        SignatureState::Others => notes.push(format!(
            "{name}: harvested by the processes that have the newer definition, which reads it in another way"
        )),
        SignatureState::Same => {}
    }
    notes
}

/// What a person should look at: failures, held deletions, refused rows; of a field's fetch those
/// of all its last answers.
async fn attention(
    status: &FetchStatus,
    requests: Option<&FieldRequestCounts>,
    store: &Store,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    let name = &status.fetch;
    let Some(run) = &status.last else { return Ok(notes) };
    if let Some(error) = &run.error {
        let did = harvest::did(run);
        notes.push(format!("{name}: failed {}: {error}; {did}", times(status.failures)));
    }
    if let Some(doubt) = &run.told.doubt {
        notes.push(format!("{name}: in doubt: {doubt}"));
    }
    notes.extend(run.told.notes.iter().map(|note| format!("{name}: {note}")));
    if let Some(held) = store.held_deletions().await?.iter().find(|held| held.fetch == *name) {
        notes.push(format!(
            "{name}: held: {} missing upstream, more than maxMissing allows, so nothing was deleted. If that is right: \
             `hayloft approve {name}`; if they shall stay: `hayloft reject {name}`",
            text::count(held.rows, "row")
        ));
    }
    let refused = requests.map_or(run.refused, |requests| requests.refused);
    if refused > 0 {
        let of = if requests.is_some() {
            "of the last answers"
        } else {
            "by the last run"
        };
        notes.push(format!(
            "{name}: {} refused {of} (`hayloft status --refused {name}` lists all), for example:",
            text::count(refused, "row")
        ));
        for refused in store.quarantine(name, REFUSED_SHOWN).await? {
            let key = refused.key.as_deref().unwrap_or("(no key)");
            notes.push(format!("  {key}: {}", refused.reason));
        }
    }
    Ok(notes)
}

/// What became of the requests of a field's fetch, where that is not simply all of them.
fn requests(name: &str, counts: &FieldRequestCounts) -> Vec<String> {
    let all = counts.done + counts.failed + counts.left;
    let mut notes = Vec::new();
    if counts.left > 0 {
        let left = text::grouped(counts.left);
        notes.push(format!(
            "{name}: {left} of {} still to be made",
            text::count(all, "request")
        ));
    }
    if counts.failed > 0 {
        let failed = text::grouped(counts.failed);
        notes.push(format!(
            "{name}: {failed} of {} failed, for example:",
            text::count(all, "request")
        ));
        notes.extend(counts.errors.iter().map(|error| format!("  {error}")));
    }
    notes
}

fn times(failures: u32) -> String {
    match failures {
        0 | 1 => "once".to_owned(),
        _ => format!("{failures} times in a row"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::{Aside, Due, Reason, Refill};

    #[test]
    fn what_is_told_of_the_change_log() {
        let head = |first, head| LogHead {
            epoch: "1f0c99aa".to_owned(),
            first,
            head,
        };
        for (head, want) in [
            (
                head(1, 1_234),
                "change log: epoch 1f0c…, 1,234 changes kept, 1 to 1,234",
            ),
            (head(7, 7), "change log: epoch 1f0c…, 1 change kept, 7 to 7"),
            (head(8, 7), "change log: epoch 1f0c…, no changes kept, 7 so far"),
        ] {
            assert_eq!(log(&head), want);
        }
    }

    #[test]
    fn what_is_told_of_what_waits() {
        let now: DateTime<Utc> = "2026-11-21T10:00:30Z".parse().expect("an instant");
        let slot = |minutes| Due {
            slot: now - TimeDelta::minutes(minutes),
            reason: Reason::Schedule,
        };
        let status = FetchStatus {
            fetch: "Item".to_owned(),
            queued: vec![slot(2), slot(1)],
            refill: Some(Refill {
                fields: vec!["price".to_owned(), "tags".to_owned()],
                since: now - TimeDelta::seconds(12),
            }),
            ..FetchStatus::default()
        };
        let want = [
            "Item: 2 slots queued, the oldest of 2026-11-21T09:58:30Z",
            "Item: price, tags: filled by a full harvest that has been due for 12.0 s",
        ];
        assert_eq!(waiting(&status, now), want);
        for (signature, want) in [
            (SignatureState::Changed, "Item: the definition reads it in another way"),
            (
                SignatureState::Others,
                "Item: harvested by the processes that have the newer definition",
            ),
        ] {
            let status = FetchStatus {
                fetch: "Item".to_owned(),
                signature,
                ..FetchStatus::default()
            };
            let told = waiting(&status, now);
            assert!(told.len() == 1 && told[0].starts_with(want), "{told:?}");
        }
        let aside = |ended| FetchStatus {
            fetch: "Item".to_owned(),
            aside: Some(Aside {
                until: now + TimeDelta::seconds(58),
                page: "GET http://up/items".to_owned(),
                ended,
            }),
            ..FetchStatus::default()
        };
        for (ended, want) in [(1, "a process ended"), (3, "3 processes ended")] {
            let want = format!(
                "Item: set aside for 58.0 s more: {want} while at work on GET http://up/items, which may be why; \
                 `hayloft harvest Item` tries at once"
            );
            assert_eq!(waiting(&aside(ended), now), [want]);
        }
        assert!(waiting(&FetchStatus::default(), now).is_empty());
    }

    #[test]
    fn what_is_told_of_processes() {
        let now: DateTime<Utc> = "2026-11-21T10:00:30Z".parse().expect("an instant");
        let seen = |id: &str, by_hand| ProcessSeen {
            id: id.to_owned(),
            by_hand,
            replaced: false,
            started_at: now,
            seen_at: now - TimeDelta::seconds(2),
        };
        assert_eq!(processes(&[], now), "");
        let two = [seen("7-aa", false), seen("9-bb", true)];
        assert_eq!(
            processes(&two, now),
            "2 processes harvest: 7-aa seen 2.0 s ago, 9-bb (by hand) seen 2.0 s ago\n"
        );
        let [one, mut other] = two;
        other.replaced = true;
        assert_eq!(
            processes(&[one, other], now),
            "1 process harvests: 7-aa seen 2.0 s ago\n1 process with an older definition than the one in force, harvesting \
             nothing: 9-bb (by hand) seen 2.0 s ago\n"
        );
    }
}
