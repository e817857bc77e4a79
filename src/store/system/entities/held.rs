//! `hayloft_held`: rows that wait for a decision. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_held")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) decision: String,
    pub(crate) run: i64,
    pub(crate) rows: i64,
    #[sea_orm(column_type = "Blob")]
    pub(crate) seen: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub(crate) at: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
