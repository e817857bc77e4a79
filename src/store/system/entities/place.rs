//! `hayloft_place`: where the database stood. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_place")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) one: i32,
    #[sea_orm(column_type = "Text")]
    pub(crate) cluster: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) timeline: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) base: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) feed: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) at: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
