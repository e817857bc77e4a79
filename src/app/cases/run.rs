//! Runs the steps of a case, against answers in memory and a database of its own. Knows how each
//! part of the program is asked; compares nothing.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::{
    rows,
    text::{Block, Case, Misread, Step, What},
};
use crate::{
    app::{Failure, Loaded, files::DefinitionFiles, operate, queue::Queue},
    catalog::Method,
    config::{DatabaseUrl, Environment, FilterSetting, StatementSetting},
    definition::SourceFile,
    graphql::{ApiRequest, DataApi, Draft, Limits, Members},
    harvest::{
        HarvestSettings, RunReport, Silent,
        cassette::{self, Exchange, Player, Question, Tape},
        counted,
    },
    store::{Access, QuarantineFilter, Reason, RunState, Store},
};

/// Refused records of one fetch that a case is told of.
const REFUSED_MAX: u32 = 1_000;

/// What a case was found to say, by the number of its step.
pub(super) type Found = HashMap<usize, String>;

/// Why a case could not be run to its end.
pub(super) enum Unrun {
    Misread(Misread),
    Failed(String),
}

impl From<Misread> for Unrun {
    fn from(misread: Misread) -> Unrun {
        Unrun::Misread(misread)
    }
}

impl From<Failure> for Unrun {
    fn from(failure: Failure) -> Unrun {
        Unrun::Failed(failure.text().to_owned())
    }
}

/// What all cases share.
pub(super) struct World {
    /// The definition of cases that have none of their own.
    pub loaded: Option<Arc<Loaded>>,
    pub filters: FilterSetting,
    /// A database with the tables of that definition and no rows, to be copied.
    pub template: Option<PathBuf>,
}

/// Opens a database for a definition; nobody else has it.
pub(super) async fn open(loaded: &Loaded, path: &Path) -> Result<Store, Failure> {
    let statements = StatementSetting {
        statement_timeout: None,
    };
    loaded
        .open(&DatabaseUrl::Sqlite(path.to_owned()), Access::Write, statements)
        .await
}

/// Runs a case: what each of its checks is to be compared with.
pub(super) async fn run(world: &World, case: &Case, path: &Path) -> Result<Found, Unrun> {
    let scratch =
        tempfile::tempdir().map_err(|error| Unrun::Failed(format!("error: no folder for a database: {error}")))?;
    let own = definition_of(case, path)?;
    let loaded = match (own, &world.loaded) {
        (Some(own), _) => Arc::new(own),
        (None, Some(loaded)) => Arc::clone(loaded),
        (None, None) => {
            return Err(Unrun::Failed(
                "error: the case has no definition; give one with --schema, or in the case below `## Definition`"
                    .to_owned(),
            ));
        }
    };
    let database = scratch.path().join("case.db");
    if let Some(template) = world.template.as_ref().filter(|_| is_shared(world, &loaded)) {
        std::fs::copy(template, &database)
            .map_err(|error| Unrun::Failed(format!("error: no database for the case: {error}")))?;
    }
    let store = open(&loaded, &database).await?;
    let running = Running {
        world,
        path,
        loaded: &loaded,
        store: &store,
        scratch: scratch.path(),
        environment: Environment::default(),
        answers: Vec::new(),
        has_files: false,
        ran: false,
        reports: Vec::new(),
        found: Found::new(),
    };
    let found = running.all(case).await;
    store.close().await;
    found
}

fn is_shared(world: &World, loaded: &Arc<Loaded>) -> bool {
    world.loaded.as_ref().is_some_and(|shared| Arc::ptr_eq(shared, loaded))
}

/// The case's own definition, whose faults have the lines of the case.
fn definition_of(case: &Case, path: &Path) -> Result<Option<Loaded>, Unrun> {
    let Some(step) = case.steps.iter().find(|step| step.what == What::Definition) else {
        return Ok(None);
    };
    let Some(block) = step.blocks.first() else {
        return Ok(None);
    };
    let files = DefinitionFiles {
        files: vec![SourceFile {
            path: path.to_owned(),
            text: "\n".repeat(block.line.saturating_sub(1)) + &block.text,
        }],
        folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
    };
    Ok(Some(Loaded::plain(files)?))
}

/// A case under way.
struct Running<'c> {
    world: &'c World,
    path: &'c Path,
    loaded: &'c Arc<Loaded>,
    store: &'c Store,
    scratch: &'c Path,
    environment: Environment,
    answers: Vec<Exchange>,
    /// Files come from the case, and not from the definition's folder.
    has_files: bool,
    /// Whether the answers at hand were harvested.
    ran: bool,
    reports: Vec<RunReport>,
    found: Found,
}

impl Running<'_> {
    async fn all(mut self, case: &Case) -> Result<Found, Unrun> {
        for (number, step) in case.steps.iter().enumerate() {
            match &step.what {
                What::Definition => {}
                What::Environment => self.environment(step)?,
                What::Answer { source, method, path } => self.answer(step, source.as_deref(), method, path)?,
                What::Cassette(folder) => self.cassette(step, folder)?,
                What::Harvest(name) => self.harvest(name.as_deref(), step.line).await?,
                _ => {
                    if !self.ran {
                        self.harvest(None, step.line).await?;
                    }
                    let found = self.check(step).await?;
                    self.found.insert(number, found);
                }
            }
        }
        Ok(self.found)
    }

    fn environment(&mut self, step: &Step) -> Result<(), Misread> {
        for block in &step.blocks {
            for (line, number) in block.text.lines().zip(block.line..) {
                let (name, value) = line
                    .split_once('=')
                    .ok_or_else(|| Misread::at(number, "no variable", "write a line NAME=value for each"))?;
                self.environment = std::mem::take(&mut self.environment).with(name.trim(), value);
            }
        }
        Ok(())
    }

    /// Takes the place of what was answered to the same before.
    fn answer(&mut self, step: &Step, source: Option<&str>, method: &str, path: &str) -> Result<(), Unrun> {
        self.ran = false;
        if method == "FILE" {
            return self.file(step, path);
        }
        let source = self.source(step, source)?;
        let (asks, answers): (Vec<&Block>, Vec<&Block>) =
            step.blocks.iter().partition(|block| block.info.ends_with(" request"));
        let question = Question {
            source,
            method: method.to_owned(),
            path: path.to_owned(),
            body: asks
                .first()
                .map_or(String::new(), |block| block.text.trim_end().to_owned()),
        };
        self.answers.retain(|known| known.question != question);
        for block in answers {
            self.answers.push(exchange(block, question.clone())?);
        }
        Ok(())
    }

    fn source(&self, step: &Step, named: Option<&str>) -> Result<String, Misread> {
        let catalog = &self.loaded.catalog;
        let asked = |id: &crate::catalog::SourceId| {
            catalog
                .fetches
                .iter()
                .any(|fetch| fetch.source == *id && fetch.method != Method::File)
        };
        let ids = (0..catalog.sources.len() as u32).map(crate::catalog::SourceId);
        let names: Vec<&str> = ids.filter(asked).map(|id| catalog.source(id).name.as_str()).collect();
        let known = |name: &str| catalog.sources.iter().any(|source| source.name == name);
        match (named, &names[..]) {
            (Some(name), _) if known(name) => Ok(name.to_owned()),
            (None, [only]) => Ok((*only).to_owned()),
            (Some(name), _) => Err(Misread::at(
                step.line,
                format!("the definition has no source `{name}`; it has {}", names.join(", ")),
                "name the source as its `@source(name:)` does",
            )),
            (None, _) => Err(Misread::at(
                step.line,
                format!("which source answers? The definition has {}", names.join(", ")),
                "write `## Answer SOURCE GET /items`",
            )),
        }
    }

    fn file(&mut self, step: &Step, path: &str) -> Result<(), Unrun> {
        let relative = Path::new(path);
        let inside = relative
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let Some(block) = step.blocks.first().filter(|_| inside) else {
            return Err(Misread::at(
                step.line,
                "a file stands in the definition's folder",
                "write its path from there: `## Answer FILE data/prices.csv`",
            )
            .into());
        };
        let path = self.scratch.join("files").join(relative);
        let folder = path.parent().unwrap_or(self.scratch);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, &block.text))
            .map_err(|error| Unrun::Failed(format!("error: a case's file cannot be written: {error}")))?;
        self.has_files = true;
        Ok(())
    }

    fn cassette(&mut self, step: &Step, folder: &str) -> Result<(), Unrun> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).join(folder);
        self.ran = false;
        self.answers = cassette::read(&folder)
            .map_err(|error| Misread::at(step.line, error.to_string(), "give its folder from that of the case on"))?;
        Ok(())
    }

    fn settings(&self) -> HarvestSettings {
        let tape = Tape {
            replay: Some(Arc::new(Player::of(self.answers.clone()))),
            keep: None,
        };
        let mut settings = self.loaded.reading(self.environment.clone(), self.world.filters, tape);
        if self.has_files {
            settings.definition_dir = self.scratch.join("files");
        }
        settings
    }

    async fn harvest(&mut self, name: Option<&str>, line: usize) -> Result<(), Unrun> {
        self.ran = true;
        self.reports.clear();
        let catalog = &self.loaded.catalog;
        let fetches = match name {
            Some(name) => vec![operate::named(catalog, name).map_err(|failure| {
                let message = failure.bare().to_owned();
                Misread::at(line, message, "name what has a @fetch")
            })?],
            None => Queue::in_order(catalog),
        };
        let harvester = self.loaded.taped(self.store, self.settings())?;
        let stop = CancellationToken::new();
        for fetch in fetches {
            let report = harvester.run(fetch, Reason::Hand, &Silent, &stop).await;
            self.reports
                .push(report.map_err(|error| Unrun::Failed(format!("error: {error}")))?);
        }
        Ok(())
    }

    /// What a check finds, in the form in which it is expected.
    async fn check(&self, step: &Step) -> Result<String, Unrun> {
        match &step.what {
            What::Runs => Ok(self.reports.iter().map(told).collect()),
            What::Rows(name) => {
                let id = self.loaded.catalog.entity_named(name).ok_or_else(|| {
                    Misread::at(
                        step.line,
                        format!("the definition has no type {name}"),
                        "name a type that has a key",
                    )
                })?;
                let query = rows::query(&self.loaded.catalog, id);
                let answer = self.ask(&query, None).await?;
                let answer: Json = serde_json::from_str(&answer)
                    .map_err(|error| Unrun::Failed(format!("error: an answer that is no JSON: {error}")))?;
                let many = &self.loaded.catalog.entity(id).names.many;
                match answer.pointer(&format!("/data/{many}")) {
                    Some(Json::Array(rows)) => Ok(rows.iter().map(|row| format!("{row}\n")).collect()),
                    _ => Err(Unrun::Failed(format!(
                        "error: the rows of {name} cannot be read: {answer}"
                    ))),
                }
            }
            What::Refused(name) => self.refused(name, step.line).await,
            _ => {
                let (query, variables) = step.query();
                let query = query.map_or("", |block| &block.text);
                let answer = self.ask(query, variables).await?;
                let answer: Json = serde_json::from_str(&answer)
                    .map_err(|error| Unrun::Failed(format!("error: an answer that is no JSON: {error}")))?;
                Ok(format!("{answer:#}\n"))
            }
        }
    }

    async fn refused(&self, name: &str, line: usize) -> Result<String, Unrun> {
        operate::named(&self.loaded.catalog, name)
            .map_err(|failure| Misread::at(line, failure.bare().to_owned(), "name what has a @fetch"))?;
        let filter = QuarantineFilter {
            fetch: Some(name.to_owned()),
            ..QuarantineFilter::default()
        };
        let refused = self
            .store
            .refused_records(&filter, 0, REFUSED_MAX)
            .await
            .map_err(Failure::from)?;
        let line = |key: &Option<String>, reason: &str| {
            let key = key.as_deref().map_or_else(String::new, |key| format!("{key}: "));
            format!("{key}{}\n", reason.replace('\n', " "))
        };
        let mut lines: Vec<String> = refused.iter().map(|one| line(&one.key, &one.reason)).collect();
        // Parts of a page are refused in whatever order its rows are looked at.
        lines.sort();
        Ok(lines.concat())
    }

    async fn ask(&self, query: &str, variables: Option<&Block>) -> Result<String, Unrun> {
        let api: DataApi = self.loaded.api(self.store, Limits::default())?;
        let misread = |message: String| {
            let line = variables.map_or(1, |block| block.line);
            Misread::at(line, message, "variables are one JSON object")
        };
        let draft = match variables {
            Some(block) => serde_json::from_str(&block.text).map_err(|error| misread(error.to_string()))?,
            None => Draft::default(),
        };
        let members = Members::of(Some(query.to_owned()), None, None, draft, Draft::default()).map_err(misread)?;
        let request = ApiRequest::try_from(members).map_err(misread)?;
        let answer = api.execute(request).await.at_once();
        let answer = answer.map_err(|error| Unrun::Failed(format!("error: an answer cannot be read: {error}")))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// `Item: complete; 2 new, 1 refused`, and what else it said.
fn told(report: &RunReport) -> String {
    let run = &report.summary;
    let state = match (run.state, &run.error) {
        (RunState::Complete, _) => match &run.told.doubt {
            Some(doubt) => format!("in doubt: {doubt}"),
            None => "complete".to_owned(),
        },
        (_, Some(error)) => format!("failed: {error}"),
        (_, None) => "interrupted".to_owned(),
    };
    let held = match run.held {
        0 => String::new(),
        held => format!(", {held} held"),
    };
    let mut told = format!("{}: {state}; {}{held}\n", run.fetch, counted(run));
    for note in run.told.notes.iter().chain(report.failed_requests().as_ref()) {
        told.push_str(&format!("  {note}\n"));
    }
    told
}

/// An answer as a block says it: a status with headers and a body, or a body alone.
fn exchange(block: &Block, question: Question) -> Result<Exchange, Misread> {
    let mut exchange = Exchange {
        question,
        status: 200,
        ..Exchange::default()
    };
    let word = block.info.split(' ').next().unwrap_or_default();
    if word != "http" {
        let media = match word {
            "" | "text" => "text/plain",
            "json" => "application/json",
            "ndjson" | "jsonl" => "application/x-ndjson",
            "csv" => "text/csv",
            "tsv" => "text/tab-separated-values",
            "html" => "text/html",
            "xml" => "application/xml",
            other => {
                return Err(Misread::at(
                    block.line - 1,
                    format!("`{other}` is no kind of answer"),
                    "it is one of json, ndjson, csv, tsv, xml, html, text and http",
                ));
            }
        };
        exchange.headers = vec![("content-type".to_owned(), media.to_owned())];
        exchange.body = Bytes::from(block.text.clone());
        return Ok(exchange);
    }
    let (head, body) = block.text.split_once("\n\n").unwrap_or((&block.text, ""));
    let mut lines = head.lines().zip(block.line..);
    let status = lines.next().map_or("", |(line, _)| line);
    let status = status.split(' ').find_map(|word| word.parse().ok());
    exchange.status = status.filter(|status| (100..=599).contains(status)).ok_or_else(|| {
        Misread::at(
            block.line,
            "an answer without a status",
            "begin it with `200`, then headers, an empty line and the body",
        )
    })?;
    for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            Misread::at(
                number,
                "no header",
                "write `name: value`, and an empty line before the body",
            )
        })?;
        exchange
            .headers
            .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    exchange.body = Bytes::from(body.to_owned());
    Ok(exchange)
}
