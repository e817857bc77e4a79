//! Forgets times of change that may be too young to be validators: one second stood for several states. Knows their columns.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000011_young_times"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["hayloft_request_state", "hayloft_fan_out"] {
            let forget = Query::update()
                .table(table)
                .value("last_modified", Option::<String>::None)
                .to_owned();
            manager.execute(forget).await?;
        }
        Ok(())
    }
}
