//! `hayloft_process`: the processes that harvest. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_process")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) id: String,
    pub(crate) by_hand: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) started_at: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) seen_at: String,
    pub(crate) replaced: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) definition: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
