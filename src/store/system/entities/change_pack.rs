//! `hayloft_change_pack`: changes of rows, many in one line. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_change_pack")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    pub(crate) first_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) r#type: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) op: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) row_keys: String,
    pub(crate) run: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) at: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
