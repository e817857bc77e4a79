//! Opening a database: its parts, and what is made or checked before anybody uses it. Knows the
//! order of that.

use std::{path::Path, sync::Arc};

use sqlx::PgConnection;

use crate::config::{DatabaseUrl, PostgresUrl};

use super::{
    cluster::{follow, place},
    context::Context,
    db::{
        dialect::Dialect,
        failpoint,
        guard::Guarded,
        pool::Pool,
        postgres::{connect, dialect::Postgres, pooler},
        readers::Source,
        sqlite::{
            dialect::Sqlite,
            file::{self, WriterLock},
        },
    },
    error::StoreError,
    identity::guard::Guard,
    load::deferred,
    migrate::apply,
    system::{migrations, runs},
    types::Access,
};

/// Makes or checks the tables.
pub(crate) async fn prepare(context: &Context, access: Access) -> Result<(), StoreError> {
    if context.writer.is_none() {
        return match access {
            Access::Compare => Ok(()),
            _ => apply::check(context).await,
        };
    }
    apply::refuse_foreign(context).await?;
    migrations::bring_up(context).await?;
    apply::apply(context, access == Access::Destructive, &|| {}).await?;
    failpoint::point("open::layout");
    place::check(context).await?;
    follow::begin(context).await?;
    if context.is_alone() {
        runs::interrupt_all(context).await?;
        deferred::find(context).await?;
    }
    failpoint::point("open::done");
    Ok(())
}

/// An open database, as far as anything is common to both kinds.
pub(super) struct Door {
    pub dialect: &'static dyn Dialect,
    /// The database as errors name it.
    pub place: String,
    pub source: Source,
    /// None for reading only.
    pub writer: Option<Pool>,
    pub lock: Option<WriterLock>,
    pub guard: Arc<Guard>,
    /// Keeps other processes from making tables until it is closed.
    pub setup: Option<PgConnection>,
}

impl Door {
    pub(super) async fn open(url: &DatabaseUrl, write: bool) -> Result<Door, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => Self::sqlite(path, write).await,
            DatabaseUrl::Postgres(url) => Self::postgres(url, write).await,
        }
    }

    async fn sqlite(path: &Path, write: bool) -> Result<Door, StoreError> {
        file::check_path(path, write)?;
        let lock = if write { Some(file::lock(path).await?) } else { None };
        let writer = if write { Some(file::writer(path).await?) } else { None };
        Ok(Door {
            dialect: &Sqlite,
            place: file::shown(path),
            source: Source::Sqlite(path.to_owned()),
            writer,
            lock,
            guard: Arc::default(),
            setup: None,
        })
    }

    async fn postgres(url: &PostgresUrl, write: bool) -> Result<Door, StoreError> {
        let place = url.to_string();
        let options = connect::options(url)?;
        let mut setup = connect::check(&place, &options, write).await?;
        pooler::refuse_shared(&place, &options, &mut setup).await?;
        let guard = Arc::new(Guard::default());
        let guarded: Guarded = Arc::clone(&guard) as Guarded;
        let mut writer = None;
        if write {
            connect::lock_setup(&mut setup).await?;
            writer = Some(connect::writer(&place, &options, &guarded).await?);
        }
        Ok(Door {
            dialect: match connect::is_socket(&options) {
                true => &Postgres::OVER_SOCKET,
                false => &Postgres::OVER_TCP,
            },
            place,
            source: Source::Postgres(Box::new(options), guarded),
            writer,
            lock: None,
            guard,
            setup: Some(setup),
        })
    }
}
