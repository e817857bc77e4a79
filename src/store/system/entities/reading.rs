//! `hayloft_reading`: by what a fetch is read. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_reading")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) definition: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) wanted: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) done: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
