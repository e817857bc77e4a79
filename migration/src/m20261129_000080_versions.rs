//! How new each part of each type is: by field, and for which rows there are. Knows the table
//! `hayloft_version`.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000080_versions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // `field` is empty for which rows there are, and in what order; `type` is empty for
        // everything at once: nothing is older than that. `seq` is the change log's head after the
        // commit that changed it last. There is one more row of no type, `noted`: how many changes
        // of the log there are whose commits have written here.
        let table = Table::create()
            .table("hayloft_version")
            .col(text("type"))
            .col(text("field"))
            .col(big_integer("seq"))
            .primary_key(Index::create().col("type").col("field"))
            .to_owned();
        manager.create_table(table).await?;
        // What was committed before this table was there may be anything.
        let all = "INSERT INTO hayloft_version(type,field,seq) SELECT '','',seq FROM hayloft_feed_head \
                   UNION ALL SELECT '','noted',seq FROM hayloft_feed_head";
        manager.get_connection().execute_unprepared(all).await.map(|_| ())
    }
}
