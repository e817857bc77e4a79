//! A definition that was read and has no faults, and what is made of it. Knows each part's
//! beginning; runs nothing.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{DefinitionFiles, Failure, operate};
use crate::{
    catalog::{self, Catalog, Chore, Valid},
    config::{DatabaseUrl, Environment, FilterSetting, StatementSetting},
    definition,
    graphql::{DataApi, Limits, Served},
    harvest::{
        self, HarvestSettings, Harvester,
        cassette::{CassetteError, Player, Recorder, Tape},
        preview::{self, Preview},
    },
    layout::Layout,
    store::{Access, Store},
};

/// Answers as the settings say: kept in a folder, or taken from one.
pub(crate) fn tape(record: Option<&Path>, replay: Option<&Path>) -> Result<Tape, Failure> {
    let failed = |error: CassetteError| Failure::setup(format!("error: {error}"));
    Ok(Tape {
        replay: replay
            .map(|folder| Player::read(folder).map(Arc::new))
            .transpose()
            .map_err(failed)?,
        keep: match record {
            Some(folder) => Some(Arc::new(Recorder::new(folder).map_err(failed)?)),
            None => None,
        },
    })
}

/// A definition that was read and has no faults.
pub(crate) struct Loaded {
    pub catalog: Arc<Valid<Catalog>>,
    pub layout: Arc<Layout>,
    /// The definition's folder: relative `file:` sources begin here.
    pub folder: PathBuf,
}

impl Loaded {
    /// Reads a definition from a file or a folder of files; every fault is told at once.
    pub(crate) fn read(path: &Path) -> Result<Loaded, Failure> {
        Loaded::of(DefinitionFiles::read(path)?)
    }

    /// The same of files that are read already.
    pub(crate) fn of(files: DefinitionFiles) -> Result<Loaded, Failure> {
        Loaded::shown(files, std::io::stderr().is_terminal())
    }

    /// The same with faults in plain text, for a log.
    pub(super) fn plain(files: DefinitionFiles) -> Result<Loaded, Failure> {
        Loaded::shown(files, false)
    }

    fn shown(DefinitionFiles { files, folder }: DefinitionFiles, color: bool) -> Result<Loaded, Failure> {
        let catalog =
            catalog::load(&files).map_err(|faults| Failure::faults(definition::render(&files, &faults, color)))?;
        Ok(Loaded {
            layout: Arc::new(Layout::of(&catalog)),
            catalog: Arc::new(catalog),
            folder,
        })
    }

    /// Checks what else [`Loaded::harvester`] and [`Loaded::api`] could refuse.
    pub(super) fn check(&self, environment: Environment) -> Result<(), Failure> {
        Served::of(&self.catalog).map_err(|error| Failure::setup(format!("error: {error}")))?;
        Harvester::check(&self.catalog, &self.settings(environment))
            .map_err(|error| Failure::setup(format!("error: {error}")))
    }

    /// What is said of each type that no fetch brings rows of.
    pub(crate) fn unfilled(&self) -> impl Iterator<Item = String> {
        let empty = self
            .layout
            .entities
            .iter()
            .filter(|tables| tables.filled_by.is_empty() && !tables.is_of_groups());
        empty.map(|tables| {
            format!(
                "{}: nothing fills it, so it stays empty: give it a @fetch, name it in a @nested list, or let a @fetch on a \
                 field lead to it",
                tables.name
            )
        })
    }

    /// What is said of groups that go through all rows of their type at each commit.
    pub(crate) fn slow_groups(&self) -> impl Iterator<Item = String> {
        let catalog = &self.catalog;
        catalog.entity_ids().filter_map(|id| {
            let entity = catalog.entity(id);
            let groups = entity.groups.as_ref().filter(|groups| groups.every.is_none())?;
            // By nothing all rows are one group anyway.
            let (_, first) = catalog.grouped_by(groups).into_iter().next()?;
            let is_whole = |field: &catalog::FieldId| {
                let rolled = entity.field(*field).rollup.as_ref().map(|rollup| rollup.what);
                rolled.is_some_and(|what| catalog.is_computed_whole(groups.of, what))
            };
            let is_kept = |field: &catalog::FieldId| groups.totals.iter().any(|kept| kept.field == *field);
            let field = entity.field_ids().find(|field| is_whole(field) && !is_kept(field))?;
            let field = entity.field(field);
            if self.layout.entity(groups.of).leads_by(first) {
                return None;
            }
            let (name, of) = (&entity.name, &catalog.entity(groups.of).name);
            let by = groups.by.first().map_or("", |by| by.of.as_str());
            Some(format!(
                "{name}.{} goes through all rows of {of} at each commit that writes some: @index(fields: [\"{by}\"]) on {of} \
                 leads to those of a group, if `{by}` is a field; or let {name} be computed now and then, with `every`",
                field.name
            ))
        })
    }

    /// What is said of each field whose answers may bring one key for rows of several parents: only
    /// the upstream knows whether these are the same.
    pub(crate) fn shared(&self) -> impl Iterator<Item = String> {
        self.catalog.fetch_ids().filter_map(|id| {
            let fetch = self.catalog.fetch(id);
            let each = fetch.field_fetch.as_ref().filter(|each| !each.one)?;
            let own = |other: &catalog::Fetch| other.entity == fetch.entity && other.field_fetch.is_none();
            if fetch.rows.uses("this") || self.catalog.fetches.iter().any(own) {
                return None;
            }
            let rows = self.catalog.rows_of_own_keys(fetch)?;
            let (parent, target) = (self.catalog.entity(each.parent), self.catalog.entity(fetch.entity));
            let key = &target.field(*target.key.first()?).name;
            let (parent, target) = (&parent.name, &target.name);
            Some(format!(
                "{name}: rows of {parent} whose answers have the same `{key}` share one {target}; if these begin anew in each \
                 {parent}, make them keys of their own: {rows}, by the \
                 upstream's name of `{key}`",
                name = self.catalog.fetch_name(id),
            ))
        })
    }

    fn settings(&self, environment: Environment) -> HarvestSettings {
        HarvestSettings {
            environment,
            definition_dir: self.folder.clone(),
            ..HarvestSettings::default()
        }
    }

    /// Opens the database for this definition.
    pub(crate) async fn open(
        &self,
        url: &DatabaseUrl,
        access: Access,
        statements: StatementSetting,
    ) -> Result<Store, Failure> {
        let timeout = statements.statement_timeout.map(|timeout| timeout.0);
        let (catalog, layout) = (self.catalog.clone(), self.layout.clone());
        Ok(Store::open_within(url, access, catalog, layout, timeout).await?)
    }

    /// A harvester that fills this store.
    pub(crate) fn harvester(
        &self,
        store: &Store,
        environment: Environment,
        filters: FilterSetting,
    ) -> Result<Harvester, Failure> {
        self.taped(store, self.reading(environment, filters, Tape::default()))
    }

    /// The same by settings of [`Loaded::reading`].
    pub(crate) fn taped(&self, store: &Store, settings: HarvestSettings) -> Result<Harvester, Failure> {
        Harvester::new(self.catalog.clone(), self.layout.clone(), store.clone(), settings)
            .map_err(|error| Failure::setup(format!("error: {error}")))
    }

    /// How pages are read; of a replay, variables need not be set.
    pub(crate) fn reading(&self, environment: Environment, filters: FilterSetting, tape: Tape) -> HarvestSettings {
        let environment = match &tape.replay {
            Some(player) => harvest::replayed(&self.catalog, environment, player),
            None => environment,
        };
        HarvestSettings {
            filter_time: filters.filter_time.0,
            filter_memory: filters.filter_memory.0,
            tape,
            ..self.settings(environment)
        }
    }

    /// A look at the first records of a fetch, or of a field's, without a database.
    pub(crate) async fn preview(
        &self,
        name: &str,
        limit: u64,
        settings: &HarvestSettings,
        stop: &CancellationToken,
    ) -> Result<Vec<Preview>, Failure> {
        let Chore::Fetch(fetch) = operate::named(&self.catalog, name)? else {
            return Err(Failure::setup(format!(
                "error: {name} is computed of rows that are stored, and fetches nothing: preview the type that it groups"
            )));
        };
        let looked = preview::preview(&self.catalog, &self.layout, settings, fetch, limit, stop).await;
        looked.map_err(|error| Failure::setup(format!("error: {error}")))
    }

    /// The data API over this store.
    pub(crate) fn api(&self, store: &Store, limits: Limits) -> Result<DataApi, Failure> {
        DataApi::new(self.catalog.clone(), store.clone(), limits)
            .map_err(|error| Failure::work(format!("error: {error}")))
    }
}
