//! Puts the parts together: a definition read, a database opened, a harvester and a server running.

mod failure;

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use failure::Failure;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{self, Catalog, Valid},
    config::{DatabaseUrl, Environment, LimitChange, LimitSetting, ListenSetting},
    definition::{self, SourceFile},
    graphql::{DataApi, Limits},
    harvest::{HarvestSettings, Harvester},
    layout::Layout,
    server::{self, ServerContext},
    store::{Access, Store},
};

/// A definition that was read and has no faults.
pub struct Loaded {
    pub catalog: Arc<Valid<Catalog>>,
    pub layout: Arc<Layout>,
    /// The definition's folder: relative `file:` sources begin here.
    pub folder: PathBuf,
}

impl Loaded {
    /// Reads a definition from a file; every fault is told at once.
    pub fn read(path: &Path) -> Result<Loaded, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::setup(format!(
                "error: cannot read the definition {}: {error}; give its place with --schema",
                path.display()
            ))
        })?;
        let file = SourceFile {
            path: path.to_owned(),
            text,
        };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Loaded::of(&file, folder)
    }

    /// The same from a text.
    pub fn of(file: &SourceFile, folder: PathBuf) -> Result<Loaded, Failure> {
        let color = std::io::stderr().is_terminal();
        let catalog = catalog::load(file).map_err(|faults| Failure::setup(definition::render(file, &faults, color)))?;
        Ok(Loaded {
            layout: Arc::new(Layout::of(&catalog)),
            catalog: Arc::new(catalog),
            folder,
        })
    }

    /// Opens the database for this definition.
    pub async fn open(&self, url: &DatabaseUrl, access: Access) -> Result<Store, Failure> {
        Ok(Store::open(url, access, self.catalog.clone(), self.layout.clone()).await?)
    }

    /// A harvester that fills this store.
    pub fn harvester(&self, store: &Store, environment: Environment) -> Result<Harvester, Failure> {
        let settings = HarvestSettings {
            environment,
            definition_dir: self.folder.clone(),
        };
        Harvester::new(self.catalog.clone(), self.layout.clone(), store.clone(), settings)
            .map_err(|error| Failure::setup(format!("error: {error}")))
    }

    /// The data API over this store.
    pub fn api(&self, store: &Store, limits: Limits) -> Result<DataApi, Failure> {
        DataApi::new(self.catalog.clone(), store.clone(), limits)
            .map_err(|error| Failure::work(format!("error: {error}")))
    }
}

/// The limits of the API, changed as the settings say.
pub fn limits(setting: &LimitSetting) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for LimitChange { name, value } in &setting.limits {
        let changed = limits.change(name, value);
        changed.map_err(|error| Failure::setup(format!("error: --limit: {error}")))?;
    }
    Ok(limits)
}

/// What `serve` and `demo` need to run.
pub struct Serving {
    pub loaded: Loaded,
    pub database: DatabaseUrl,
    pub listen: ListenSetting,
    pub environment: Environment,
    pub limits: Limits,
}

impl Serving {
    /// Serves and harvests until `shutdown`; both have then ended, and the database is closed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Failure> {
        // The port first: a second copy is told so before it waits for the database.
        let listener = bind(&self.listen.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::setup(format!("error: {error}")))?;
        let store = self.loaded.open(&self.database, Access::Write).await?;
        let result = self.serve_with(&store, listener, address, shutdown).await;
        store.close().await;
        tracing::debug!("the database is closed");
        result
    }

    async fn serve_with(
        &self,
        store: &Store,
        listener: TcpListener,
        address: std::net::SocketAddr,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let harvester = self.loaded.harvester(store, self.environment.clone())?;
        let api = self.loaded.api(store, self.limits.clone())?;
        let context = ServerContext {
            api,
            allowed_hosts: self.listen.allow_host.as_slice().into(),
        };
        tracing::info!("data in {}", self.database);
        tracing::info!("open http://{address}/ for GraphiQL; the API is http://{address}/graphql; Ctrl-C ends");
        // Whichever ends first ends the other: a server without a harvest would serve ageing data in silence.
        let guard = shutdown.clone().drop_guard();
        let harvest = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { harvester.serve(&shutdown).await }
        });
        let served = server::serve(listener, context, shutdown).await;
        tracing::debug!("the server has ended");
        drop(guard);
        let harvested = harvest.await;
        tracing::debug!("the harvest has ended");
        served.map_err(|error| Failure::work(format!("error: the server stopped: {error}")))?;
        harvested.map_err(|error| {
            tracing::error!(%error, "the harvest's task ended");
            Failure::work("error: the harvest stopped; the log has the cause")
        })
    }
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

/// A token that Ctrl-C and SIGTERM cancel.
pub fn shutdown_on_signals() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::work(format!("error: cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        cancelled.cancel();
    });
    Ok(token)
}
