//! `hayloft_quarantine`: records that were refused. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_quarantine")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    pub(crate) run: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) row_key: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) reason: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) record: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) at: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) request: Option<String>,
    pub(crate) parent: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
