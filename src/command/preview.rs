//! `hayloft preview`. Knows how a look at a fetch is shown; looks at nothing itself.

use clap::Args;
use serde_json::Value as Json;

use super::{Failure, text};
use crate::{
    app::{self, Loaded},
    config::{DefinitionSetting, Environment, FilterSetting, ReplaySetting},
    harvest::preview::{Became, Preview as Looked, SeenRecord},
};

/// Characters of a record that a person is shown; `--json` has all of it.
const RECORD_SHOWN: usize = 300;

/// Asks for the first records of a type, and shows the requests, the answers, and what becomes of
/// each record; touches no database
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hayloft preview Item --schema my.graphql\n  hayloft preview Item.recipes --limit 2 --json\n\n\
                  Exit codes: 0 when it could look, also where records are refused; 1 when a request failed."
)]
pub(super) struct Preview {
    /// The type or field, such as Item or Item.recipes: of a field, rows of its type are looked at
    /// first, and asked about
    #[arg(value_name = "TYPE")]
    name: String,

    /// Records to look at; of a field's fetch, rows to ask about
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: u64,

    /// As JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    replay: ReplaySetting,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    filters: FilterSetting,
}

impl Preview {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let tape = app::tape(None, self.replay.replay.as_deref())?;
        let settings = loaded.reading(Environment::of_process(), self.filters, tape);
        let stop = app::shutdown_on_signals()?.stop;
        let looked = loaded.preview(&self.name, self.limit, &settings, &stop).await?;
        match self.json {
            true => {
                let all: Vec<Json> = looked.iter().map(Looked::json).collect();
                text::print(&format!("{:#}\n", Json::Array(all)))?;
            }
            false => looked.iter().try_for_each(|looked| text::print(&shown(looked)))?,
        }
        let failed = looked.iter().find_map(|looked| looked.error.as_ref());
        match failed {
            Some(error) => Err(Failure::work(format!("error: {error}"))),
            None => Ok(()),
        }
    }
}

/// One fetch: its requests, its records, and what is to be said of them together.
fn shown(looked: &Looked) -> String {
    let mut out = format!("{}\n", looked.fetch);
    for page in &looked.requests {
        let status = page.status.map_or(String::new(), |status| format!("{status}, "));
        out.push_str(&format!("\n{}\n  {status}{}\n", page.place, text::bytes(page.bytes)));
        for (name, value) in &page.headers {
            out.push_str(&format!("  {name}: {value}\n"));
        }
        out.push_str(&indented(&page.begin, "  | "));
    }
    for (record, number) in looked.records.iter().zip(1..) {
        out.push_str(&format!("\n{number}. {}\n", cut(&record.record)));
        out.push_str(&became(record));
    }
    out.push_str(&format!("\n{}\n", counts(looked)));
    looked.told.iter().for_each(|told| out.push_str(&format!("{told}\n")));
    out
}

fn became(record: &SeenRecord) -> String {
    let refused = record.refused.iter().map(|reason| format!("   refused: {reason}\n"));
    let refused: String = refused.collect();
    let row = match &record.became {
        Became::Row(Json::Object(fields)) => {
            let fields = fields.iter().map(|(name, value)| format!("   {name}: {value}\n"));
            fields.collect()
        }
        Became::Row(other) => format!("   {other}\n"),
        Became::Link(key) => format!("   leads to {key}\n"),
        Became::Part => "   a part of a row\n".to_owned(),
        Became::LeftOut => "   left out by keep\n".to_owned(),
        Became::Refused => String::new(),
    };
    row + &refused
}

/// `5 records: 4 rows, 1 refused; there may be more`.
fn counts(looked: &Looked) -> String {
    let count = |is: fn(&Became) -> bool| looked.records.iter().filter(|record| is(&record.became)).count();
    let named = [
        (count(|became| matches!(became, Became::Row(_))), "rows"),
        (count(|became| matches!(became, Became::Part)), "parts of rows"),
        (count(|became| matches!(became, Became::Link(_))), "links"),
        (count(|became| matches!(became, Became::LeftOut)), "left out by keep"),
        (count(|became| matches!(became, Became::Refused)), "refused"),
    ];
    let told = named.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, name)| format!("{count} {name}")).collect();
    let more = if looked.cut { "; there may be more: --limit" } else { "" };
    match told.is_empty() {
        true => format!("no records{more}"),
        false => format!("{}{more}", told.join(", ")),
    }
}

fn indented(text: &str, before: &str) -> String {
    text.lines().map(|line| format!("{before}{line}\n")).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(RECORD_SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
