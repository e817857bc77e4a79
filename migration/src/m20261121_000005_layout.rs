//! Two rows to lock: who holds the first applies a layout, who holds the second builds its large
//! indexes. Knows no layout.

use sea_orm_migration::{prelude::*, schema::big_integer};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000005_layout"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("hayloft_layout_lock")
            .col(big_integer("one").primary_key())
            .to_owned();
        manager.create_table(table).await?;
        let mut rows = Query::insert();
        rows.into_table("hayloft_layout_lock").columns(["one"]);
        for number in [1_i64, 2] {
            rows.values_panic([number.into()]);
        }
        manager.execute(rows).await
    }
}
