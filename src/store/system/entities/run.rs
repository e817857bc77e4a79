//! `hayloft_run`: the ledger. Knows its columns.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hayloft_run")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) fetch: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) slot: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) reason: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) state: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) definition: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) started_at: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) heartbeat_at: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) lease_until: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) finished_at: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) error: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) checkpoint: Option<String>,
    pub(crate) fence: i64,
    pub(crate) pages: i64,
    pub(crate) bytes: i64,
    pub(crate) new_rows: i64,
    pub(crate) changed_rows: i64,
    pub(crate) same_rows: i64,
    pub(crate) gone_rows: i64,
    pub(crate) refused_rows: i64,
    pub(crate) held_rows: i64,
    pub(crate) checkpoint_pages: i64,
    pub(crate) checkpoint_rows: i64,
    pub(crate) checkpoint_part: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) owner: Option<String>,
    pub(crate) turn: i64,
    pub(crate) left_out_rows: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) doubt: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) notes: Option<String>,
    pub(crate) repeated_rows: i64,
    #[sea_orm(column_type = "Blob", nullable)]
    pub(crate) repeating: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) working: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
