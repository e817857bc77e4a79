//! Puts the parts together: a definition read, a database opened, a harvester and a server running.

pub(crate) mod cases;
pub(crate) mod control;
mod documents;
mod exposure;
mod failure;
mod files;
mod loaded;
pub(crate) mod operate;
mod queue;
mod reload;
pub(crate) mod terminal;
mod watch;
mod work;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use control::Control;
pub(crate) use documents::DocumentFiles;
pub(crate) use failure::Failure;
pub(crate) use files::DefinitionFiles;
pub(crate) use loaded::{Loaded, tape};
use operate::Operator;
use reload::Keeper;
use tokio::{net::TcpListener, sync};
use tokio_util::sync::CancellationToken;
use watch::Watch;
use work::Work;

use crate::{
    config::{
        DatabaseUrl, DestructiveSetting, DocumentSetting, Environment, FilterSetting, LimitChange, LimitSetting,
        ListenSetting, RetentionSetting, StatementSetting,
    },
    graphql::{CacheFigures, Current, Limits},
    server::{self, ServerContext},
    store::{Access, Retention, Store},
};

/// How long an address that others reach is drained.
const DRAIN: Duration = Duration::from_secs(5);

/// The limits of the API, changed as the settings say.
pub(crate) fn limits(setting: &LimitSetting) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for LimitChange { name, value } in &setting.limits {
        let changed = limits.change(name, value);
        changed.map_err(|error| Failure::setup(format!("error: --limit: {error}")))?;
    }
    Ok(limits)
}

/// How much of the change log the settings keep.
pub(crate) fn retention(setting: &RetentionSetting) -> Retention {
    Retention {
        age: setting.keep_changes.0,
        changes: setting.keep_changes_max,
    }
}

/// How who writes opens the database.
pub(crate) fn access(setting: DestructiveSetting) -> Access {
    match setting.allow_destructive {
        true => Access::Destructive,
        false => Access::Write,
    }
}

/// What `serve` and `demo` need to run.
pub(crate) struct Serving {
    pub definition: DefinitionFiles,
    /// Where the definition's files are; watched for changes. None for a definition that is no
    /// file.
    pub watched: Option<PathBuf>,
    pub database: DatabaseUrl,
    pub statements: StatementSetting,
    pub access: Access,
    pub listen: ListenSetting,
    pub documents: DocumentSetting,
    pub environment: Environment,
    pub filters: FilterSetting,
    pub limits: Limits,
    pub keep: Retention,
}

impl Serving {
    /// Serves and harvests until `shutdown`; both have then ended, and the database is closed.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Failure> {
        let loaded = Loaded::of(self.definition.clone())?;
        // The port first: a second copy is told so before it waits for the database.
        let listener = bind(&self.listen.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::setup(format!("error: {error}")))?;
        let store = loaded.open(&self.database, self.access, self.statements).await?;
        store.keep_changes(self.keep);
        let result = self
            .serve_with(loaded, store.clone(), listener, address, shutdown)
            .await;
        store.close().await;
        tracing::debug!("the database is closed");
        result
    }

    async fn serve_with(
        self,
        loaded: Loaded,
        store: Store,
        listener: TcpListener,
        address: SocketAddr,
        Shutdown { stop: shutdown, hurry }: Shutdown,
    ) -> Result<(), Failure> {
        let types = loaded.catalog.entities.len();
        let limits = Limits {
            introspection: !self.listen.no_introspection,
            explain: exposure::explains(address, &self.listen),
            answer_cache: self.listen.answer_cache.0,
            ..self.limits
        };
        let DocumentSetting {
            documents: folder,
            trusted_only,
        } = self.documents;
        let current = Current::trusting(loaded.api(&store, limits)?, trusted_only);
        if let Some(folder) = folder {
            let files = DocumentFiles::read(&folder)?;
            documents::trust(&files, &current)?;
            let watch = Watch::start(&folder, files, DocumentFiles::read);
            tokio::spawn(documents::follow(watch, current.clone(), shutdown.clone()));
        }
        let graphiql = !self.listen.no_graphiql && !trusted_only;
        let answers = current.clone();
        let context = ServerContext {
            api: current.clone(),
            allowed_hosts: self.listen.allow_host.as_slice().into(),
            allowed_origins: self.listen.allow_origin.as_slice().into(),
            trusted_proxies: self.listen.trust_proxy.as_slice().into(),
            http_draft: self.listen.http_draft,
            max_age: self.listen.max_age.0,
            graphiql,
            metrics: exposure::counts(address, &self.listen),
            drain: drain(&self.listen, address),
            hurry,
        };
        loaded.unfilled().for_each(|told| tracing::warn!("{told}"));
        let (desk, operators) = sync::watch::channel(None);
        let control = control(&self.database, operators, &shutdown);
        let definition = self.definition;
        let harvester = loaded.harvester(&store, self.environment.clone(), self.filters)?;
        let keeper = Keeper {
            work: Work::begin(loaded, store, harvester, &shutdown),
            desk,
            current,
            environment: self.environment,
            filters: self.filters,
            watch: self
                .watched
                .map(|path| Watch::start(&path, definition, DefinitionFiles::read)),
        };
        tracing::info!("data in {}", self.database);
        if !address.ip().is_loopback() {
            tracing::warn!("{}", exposure::told(address, types, &self.listen, trusted_only));
        }
        if !graphiql {
            tracing::info!("open http://{address}/graphql for the API; GraphiQL is off; Ctrl-C ends");
        } else {
            tracing::info!("open http://{address}/ for GraphiQL; the API is http://{address}/graphql; Ctrl-C ends");
        }
        // Whichever ends first ends the other: a server without a harvest would serve ageing data
        // in silence.
        let guard = shutdown.clone().drop_guard();
        let harvest = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                let _ends_the_server = shutdown.clone().drop_guard();
                keeper.run(&shutdown).await
            }
        });
        let served = server::serve(listener, context, shutdown).await;
        tracing::debug!("the server has ended");
        tell_of_answers(answers.newest().cache_figures());
        drop(guard);
        let harvested = harvest.await;
        tracing::debug!("the harvest has ended");
        if let Some(control) = control {
            let _ = control.await;
        }
        served.map_err(|error| Failure::work(format!("error: the server stopped: {error}")))?;
        harvested.map_err(|error| {
            tracing::error!(%error, "the harvest's keeper ended");
            Failure::work("error: the harvest stopped; the log has the cause")
        })?
    }
}

/// Says at the end what keeping answers was good for.
fn tell_of_answers(figures: CacheFigures) {
    let CacheFigures {
        hits,
        misses,
        shared: _,
        evictions,
        entries,
        bytes,
    } = figures;
    if hits + misses > 0 {
        tracing::info!(
            "{hits} answers came from memory and {misses} did not; {evictions} gave way to others; {entries} were kept, in {bytes} bytes"
        );
    }
}

/// Opens the door for commands, where this process alone has the database; without it they are told
/// who has it.
fn control(
    database: &DatabaseUrl,
    operators: sync::watch::Receiver<Option<Operator>>,
    shutdown: &CancellationToken,
) -> Option<tokio::task::JoinHandle<()>> {
    let DatabaseUrl::Sqlite(path) = database else {
        return None;
    };
    match Control::open(path) {
        Ok(control) => Some(tokio::spawn(control.serve(operators, shutdown.clone()))),
        Err(error) => {
            tracing::warn!(%error, "no socket can be made beside the database; commands must wait until this process ends");
            None
        }
    }
}

/// How long the port stays open at the end: where others reach it, as long as a balancer takes to
/// see that it ends.
fn drain(listen: &ListenSetting, address: SocketAddr) -> Duration {
    let usual = if address.ip().is_loopback() {
        Duration::ZERO
    } else {
        DRAIN
    };
    listen.drain.map_or(usual, |drain| drain.0)
}

async fn bind(listen: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "something else is listening there: stop it, or give another address with --listen"
            }
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need more rights: take a higher one",
            _ => "give an address of this machine, such as --listen 127.0.0.1:4000",
        };
        Failure::setup(format!("error: cannot listen on {listen}: {error}; {help}"))
    })
}

/// How the program is asked to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// It is asked to.
    pub stop: CancellationToken,
    /// It is asked again: what is only waited for, for the sake of others, is waited for no longer.
    pub hurry: CancellationToken,
}

/// The tokens that Ctrl-C and SIGTERM cancel, the first and the second of them.
pub(crate) fn shutdown_on_signals() -> Result<Shutdown, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::work(format!("error: cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let shutdown = Shutdown::default();
    let Shutdown { stop, hurry } = shutdown.clone();
    tokio::spawn(async move {
        for (token, told) in [(stop, "stopping"), (hurry, "asked to stop again")] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // First what was asked for: a log that cannot be written must not keep anybody from it.
            token.cancel();
            tracing::info!("{told}");
        }
    });
    Ok(shutdown)
}
