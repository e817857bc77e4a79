//! Has pages read anew once: times of change may have been too young to be validators, and pages
//! were not looked at for signs that there are more. Knows their columns.

use sea_orm_migration::prelude::*;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000011_read_anew"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["hayloft_request_state", "hayloft_fan_out"] {
            let forget = Query::update()
                .table(table)
                .value("etag", Option::<String>::None)
                .value("last_modified", Option::<String>::None)
                .value("body_hash", Option::<String>::None)
                .to_owned();
            manager.execute(forget).await?;
        }
        Ok(())
    }
}
