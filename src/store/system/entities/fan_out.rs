//! `hayloft_fan_out`: the requests of fields, one about each row. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_fan_out")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) parent: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) state: String,
    pub(crate) run: i64,
    pub(crate) hash: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) signature: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) request: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) etag: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) last_modified: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) body_hash: Option<String>,
    pub(crate) tries: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) next_at: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) owner: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) until: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) error: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) at: Option<String>,
    pub(crate) print: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) brought: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) doubt: Option<String>,
    pub(crate) copies: i64,
    pub(crate) leads: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) working: Option<String>,
    pub(crate) ended_processes: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) aside_until: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
