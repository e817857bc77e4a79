//! `hayloft_run_seen`: the rows that a run has seen. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_run_seen")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) run: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) part: i64,
    #[sea_orm(column_type = "Blob")]
    pub(crate) rows: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
