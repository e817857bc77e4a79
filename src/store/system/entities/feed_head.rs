//! `hayloft_feed_head`: the change log's head. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_feed_head")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) one: i32,
    #[sea_orm(column_type = "Text")]
    pub(crate) epoch: String,
    pub(crate) seq: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) history_at: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
