//! `hayloft_refill`: fields that a fetch owes. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_refill")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) fields: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) at: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
