//! A look at what a fetch would bring: its requests, their answers, and what becomes of the first
//! records. The stages are those of a run; the ledger under them is a list that nobody keeps.

mod ledger;
mod row;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{
    Harvester,
    error::HarvestError,
    progress::Progress,
    secrets::Secrets,
    settings::HarvestSettings,
    witness::{AskedPage, Fate, Seen, Witness},
};
use crate::{
    catalog::{Catalog, FetchId, FieldFetch, Valid},
    layout::Layout,
    store::{Parent, Reason, RunState},
    value::{Row, Value},
};

use ledger::List;

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preview {
    pub fetch: String,
    pub requests: Vec<AskedPage>,
    pub records: Vec<SeenRecord>,
    /// There may be more: the records that were wanted are all there.
    pub cut: bool,
    /// Why it ended before that.
    pub error: Option<String>,
    /// What a person should know beside that.
    pub told: Vec<String>,
}

/// A record, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct SeenRecord {
    pub record: String,
    pub became: Became,
    /// Rows in it that were refused, although it was not; or why it was.
    pub refused: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Became {
    Row(Json),
    /// A part of a row whose other parts were not looked for.
    Part,
    /// A key that a field leads to.
    Link(String),
    LeftOut,
    Refused,
}

impl Preview {
    /// The same for programs.
    pub(crate) fn json(&self) -> Json {
        let requests = self.requests.iter().map(|page| {
            let headers = page.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
            json!({
                "request": page.place,
                "status": page.status,
                "headers": headers.collect::<serde_json::Map<_, _>>(),
                "bytes": page.bytes,
                "begin": page.begin,
            })
        });
        json!({
            "fetch": self.fetch,
            "requests": requests.collect::<Vec<_>>(),
            "records": self.records.iter().map(SeenRecord::json).collect::<Vec<_>>(),
            "cut": self.cut,
            "error": self.error,
            "told": self.told,
        })
    }
}

impl SeenRecord {
    fn json(&self) -> Json {
        let record = serde_json::from_str(&self.record).unwrap_or_else(|_| Json::from(&*self.record));
        let (row, became) = match &self.became {
            Became::Row(row) => (row.clone(), "row"),
            Became::Part => (Json::Null, "part"),
            Became::Link(key) => (json!(key), "link"),
            Became::LeftOut => (Json::Null, "left out"),
            Became::Refused => (Json::Null, "refused"),
        };
        json!({"record": record, "became": became, "row": row, "refused": self.refused})
    }
}

/// Watches a preview's runs.
struct Heard(std::sync::Mutex<Vec<String>>);

impl Progress for Heard {
    fn message(&self, text: &str) {
        let mut heard = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.push(text.to_owned());
    }
}

/// Looks at the first records of a fetch. Of a field's fetch, those of its type are looked at first
/// and asked about.
pub(crate) async fn preview(
    catalog: &Arc<Valid<Catalog>>,
    layout: &Layout,
    settings: &HarvestSettings,
    fetch: FetchId,
    limit: u64,
    cancel: &CancellationToken,
) -> Result<Vec<Preview>, HarvestError> {
    let Some(each) = &catalog.fetch(fetch).field_fetch else {
        let (preview, _) = look(catalog, layout, settings, fetch, limit, Vec::new(), cancel).await?;
        return Ok(vec![preview]);
    };
    let Some(scan) = catalog.entity(each.parent).fetch else {
        let (parent, name) = (&catalog.entity(each.parent).name, catalog.fetch_name(fetch));
        return Err(HarvestError::Address {
            place: name,
            message: format!(
                "{parent} has no @fetch of its own whose rows could be asked about; harvest into a database of its own, \
                 with --database"
            ),
        });
    };
    let (of_parents, rows) = look(catalog, layout, settings, scan, limit, Vec::new(), cancel).await?;
    let parents = parents(layout, each, &rows);
    let (preview, _) = look(catalog, layout, settings, fetch, limit, parents, cancel).await?;
    Ok(vec![of_parents, preview])
}

/// The rows as their requests are made of them.
fn parents(layout: &Layout, each: &FieldFetch, rows: &[Row]) -> Vec<Parent> {
    let tables = layout.entity(each.parent);
    let value = |row: &Row, at: usize| row.values.get(at).cloned().unwrap_or(Value::Null);
    let named: Vec<usize> = each.this.iter().flat_map(|field| tables.columns_of(*field)).collect();
    let parents = rows.iter().zip(1..).map(|(row, number)| Parent {
        row: number,
        key: tables.table.key.iter().map(|at| value(row, *at)).collect(),
        this: named
            .iter()
            .filter_map(|at| Some((row::scalar_of(tables.table.columns.get(*at)?), value(row, *at))))
            .collect(),
        hash: row.hash,
        tries: 0,
        before: None,
    });
    parents.collect()
}

/// One fetch; `parents` are the rows that it asks about.
async fn look(
    catalog: &Arc<Valid<Catalog>>,
    layout: &Layout,
    settings: &HarvestSettings,
    fetch: FetchId,
    limit: u64,
    parents: Vec<Parent>,
    cancel: &CancellationToken,
) -> Result<(Preview, Vec<Row>), HarvestError> {
    // Of a field's fetch, the rows that it asks about are limited already.
    let most = if parents.is_empty() { limit } else { u64::MAX };
    let witness = Arc::new(Witness::new(most));
    let mut settings = settings.clone();
    settings.tape.keep = Some(witness.clone());
    settings.witness = Some(witness.clone());
    let ledger = Arc::new(List::new(parents));
    let harvester = Harvester::with_ledger(Arc::clone(catalog), layout, ledger.clone(), settings)?;
    let heard = Heard(std::sync::Mutex::default());
    let report = harvester.run(fetch, Reason::Hand, &heard, cancel).await?;
    let secrets = harvester.inner.secrets(catalog.fetch(fetch));
    let seen = witness.take();
    let cut = seen.is_full && report.summary.state == RunState::Interrupted;
    let rows = seen.records.iter().filter_map(|(_, fate)| match fate {
        Fate::Row(row, _) => Some((**row).clone()),
        _ => None,
    });
    let rows = rows.collect();
    let mut preview = shown(catalog, layout, fetch, seen, &secrets);
    preview.cut = cut;
    preview.told = heard.0.into_inner().unwrap_or_default();
    preview.told.extend(ledger.failures());
    preview.error = report.summary.error;
    Ok((preview, rows))
}

fn shown(catalog: &Catalog, layout: &Layout, fetch: FetchId, seen: Seen, secrets: &Secrets) -> Preview {
    let entity = catalog.fetch(fetch).entity;
    let records = seen.records.into_iter().map(|(record, fate)| {
        let mask = |texts: Vec<String>| texts.iter().map(|text| secrets.mask(text)).collect();
        let (became, refused) = match fate {
            Fate::Row(row, refused) => (
                Became::Row(masked(row::json(catalog, layout, entity, &row), secrets)),
                mask(refused),
            ),
            Fate::Part => (Became::Part, Vec::new()),
            Fate::Link(key) => (Became::Link(secrets.mask(&key)), Vec::new()),
            Fate::LeftOut => (Became::LeftOut, Vec::new()),
            Fate::Refused(reasons) => (Became::Refused, mask(reasons)),
        };
        let record = secrets.mask(&record);
        SeenRecord {
            record,
            became,
            refused,
        }
    });
    Preview {
        fetch: catalog.fetch_name(fetch),
        records: records.collect(),
        requests: seen
            .pages
            .into_iter()
            .map(|page| AskedPage {
                begin: secrets.mask(&page.begin),
                ..page
            })
            .collect(),
        ..Preview::default()
    }
}

/// A row as people may see it.
fn masked(row: Json, secrets: &Secrets) -> Json {
    match row {
        Json::String(text) => secrets.mask(&text).into(),
        Json::Number(number) => {
            let text = secrets.mask(&number.to_string());
            match text == number.to_string() {
                true => Json::Number(number),
                false => text.into(),
            }
        }
        Json::Array(items) => items.into_iter().map(|item| masked(item, secrets)).collect(),
        Json::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, value)| (name, masked(value, secrets))).collect()
        }
        other => other,
    }
}
