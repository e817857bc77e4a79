//! `hayloft status --refused`: every refused record with its reason. Knows how they are shown;
//! the store finds them.

use clap::Args;
use serde_json::{Value as Json, json, value::RawValue};

use crate::{
    app::Loaded,
    store::{QuarantineFilter, QuarantineRuns, Quarantined, Store},
};

use super::{Failure, text};

/// Records read at once: each may have 64 KiB.
const BATCH: u32 = 200;
/// Characters of a record that are shown to a person; `--json` has all that is kept.
const RECORD_SHOWN: usize = 300;

#[derive(Args, Debug)]
pub(super) struct RefusedOptions {
    /// List all refused records of the last run of each type, or of one type or field, such as
    /// Item or Item.recipes
    #[arg(long, visible_alias = "rejected", value_name = "TYPE", num_args = 0..=1)]
    refused: Option<Option<String>>,

    /// Only those whose reason has this text in it, in any case
    #[arg(long, value_name = "TEXT", requires = "refused")]
    reason: Option<String>,

    /// Only the one with this key
    #[arg(long, value_name = "KEY", requires = "refused")]
    key: Option<String>,

    /// Those of another run, by its number, or of all runs whose records are kept
    #[arg(long, value_name = "NUMBER|all", requires = "refused", value_parser = runs)]
    run: Option<QuarantineRuns>,

    /// One JSON object a line: type, run, at, key, reason, request, record
    #[arg(long, requires = "refused")]
    json: bool,
}

fn runs(text: &str) -> Result<QuarantineRuns, String> {
    match text {
        "all" => Ok(QuarantineRuns::All),
        number => number
            .parse()
            .map(QuarantineRuns::One)
            .map_err(|_| "a run's number, or `all`".to_owned()),
    }
}

impl RefusedOptions {
    pub(super) fn is_wanted(&self) -> bool {
        self.refused.is_some()
    }

    /// What is asked for, if the definition has it.
    pub(super) fn filter(&self, loaded: &Loaded) -> Result<QuarantineFilter, Failure> {
        let fetch = self.refused.clone().flatten();
        if let Some(name) = &fetch {
            let catalog = &loaded.catalog;
            let names: Vec<String> = catalog.fetch_ids().map(|id| catalog.fetch_name(id)).collect();
            if !names.contains(name) {
                return Err(Failure::setup(format!(
                    "error: nothing is harvested as {name}; there is {}",
                    names.join(", ")
                )));
            }
        }
        Ok(QuarantineFilter {
            fetch,
            reason: self.reason.clone(),
            key: self.key.clone(),
            runs: self.run.unwrap_or_default(),
        })
    }

    /// Prints them as they are read: there may be more than fit into memory.
    pub(super) async fn print(&self, filter: &QuarantineFilter, store: &Store) -> Result<(), Failure> {
        let (mut after, mut count) = (0, 0);
        loop {
            let batch = store.refused_records(filter, after, BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = last.id;
            count += batch.len() as u64;
            let shown: String = batch
                .iter()
                .map(|one| if self.json { line(one) } else { entry(one) })
                .collect();
            text::print(&shown)?;
        }
        if self.json {
            return Ok(());
        }
        text::print(&match count {
            0 => "no refused record\n".to_owned(),
            count => format!("{}\n", text::count(count, "refused record")),
        })
    }
}

/// The place of a request, without what tells it from others.
fn place(request: &str) -> &str {
    request.rsplit_once(" #").map_or(request, |(place, _)| place)
}

/// `Item 42: price: expected a Float …`, then where it came from, then the record.
fn entry(one: &Quarantined) -> String {
    let key = one.key.as_deref().unwrap_or("(no key)");
    let from = one
        .request
        .as_deref()
        .map_or(String::new(), |request| format!(", {}", place(request)));
    let mut record: String = one.record.chars().take(RECORD_SHOWN).collect();
    if record.len() < one.record.len() {
        record.push('…');
    }
    let at = one.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    format!(
        "{} {key}: {}\n  run {} at {at}{from}\n  {record}\n",
        one.fetch, one.reason, one.run
    )
}

fn line(one: &Quarantined) -> String {
    // A record that was cut, or is no JSON, is a text.
    let record = match serde_json::from_str::<&RawValue>(&one.record) {
        // One object is one line.
        Ok(raw) if !raw.get().contains(['\n', '\r']) => raw.get().to_owned(),
        Ok(raw) => Json::from(raw.get()).to_string(),
        Err(_) => Json::from(one.record.as_str()).to_string(),
    };
    let told = json!({
        "type": one.fetch,
        "run": one.run,
        "at": one.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "key": one.key,
        "reason": one.reason,
        "request": one.request.as_deref().map(place),
    });
    let told = told.to_string();
    format!("{},\"record\":{record}}}\n", told.trim_end_matches('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(record: &str) -> Quarantined {
        Quarantined {
            id: 1,
            run: 7,
            fetch: "Item".to_owned(),
            key: None,
            reason: "line 3: no JSON}".to_owned(),
            record: record.to_owned(),
            request: Some("GET http://h/items?page=2 #00ff".to_owned()),
            at: "2026-11-21T10:00:30Z".parse().expect("an instant"),
        }
    }

    #[test]
    fn entries_and_lines() {
        assert_eq!(
            entry(&one("{\"id\":1}")),
            "Item (no key): line 3: no JSON}\n  run 7 at 2026-11-21T10:00:30Z, GET http://h/items?page=2\n  {\"id\":1}\n"
        );
        for (record, want) in [
            ("{\"id\":1.50}", "{\"id\":1.50}"),
            ("{\"id\":", "\"{\\\"id\\\":\""),
            ("[\n1]", "\"[\\n1]\""),
        ] {
            let line = line(&one(record));
            assert!(line.ends_with(&format!(",\"record\":{want}}}\n")), "{line}");
            let parsed: Json = serde_json::from_str(&line).expect("JSON");
            assert_eq!(parsed["request"], "GET http://h/items?page=2");
            assert_eq!(parsed["reason"], "line 3: no JSON}");
        }
    }
}
