//! `hayloft_fetch`: the turn of a fetch, and until when it is left alone. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_fetch")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    pub(crate) turns: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) looked_at: Option<String>,
    pub(crate) ended_processes: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) aside_until: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) aside_page: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
