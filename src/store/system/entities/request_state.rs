//! `hayloft_request_state`: what is remembered of pages. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_request_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) request: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) definition: String,
    pub(crate) run: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) etag: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) last_modified: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) body_hash: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) page: String,
    pub(crate) rows: i64,
    #[sea_orm(column_type = "Blob")]
    pub(crate) seen: Vec<u8>,
    pub(crate) print: Option<i64>,
    pub(crate) written: Option<i64>,
    pub(crate) brought: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
