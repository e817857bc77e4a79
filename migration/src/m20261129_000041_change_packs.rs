//! The change log in packs: the changes of one kind that a commit made to one type are one row, not
//! one each. Knows the table
//! `hayloft_change_pack`, and the view `hayloft_change_log` that shows them one by one.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
    sea_orm::DbBackend,
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000041_change_packs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A pack is known by the number of its last change, as the log is read forwards from a
        // number. `row_keys` is a JSON array of keys, which are arrays themselves, in the order of
        // the numbers.
        let table = Table::create()
            .table("hayloft_change_pack")
            .col(ColumnDef::new("seq").big_integer().not_null().primary_key())
            .col(big_integer("first_seq"))
            .col(text("type"))
            .col(text("op"))
            .col(text("row_keys"))
            .col(big_integer("run"))
            .col(text("at"))
            .to_owned();
        manager.create_table(table).await?;
        let database = manager.get_connection();
        for statement in [
            "INSERT INTO hayloft_change_pack(seq,first_seq,type,op,row_keys,run,at) \
             SELECT seq,seq,type,op,'['||row_key||']',run,at FROM hayloft_change_log",
            "DROP TABLE hayloft_change_log",
            view(manager.get_database_backend()),
        ] {
            database.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// For people and their tools: the program itself reads packs.
fn view(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => {
            "CREATE VIEW hayloft_change_log AS SELECT pack.first_seq+one.key AS seq,pack.type AS type,\
             one.value AS row_key,pack.op AS op,pack.run AS run,pack.at AS at \
             FROM hayloft_change_pack AS pack,json_each(pack.row_keys) AS one"
        }
        _ => {
            "CREATE VIEW hayloft_change_log AS SELECT pack.first_seq+one.place-1 AS seq,pack.type AS type,\
             CAST(one.value AS TEXT) AS row_key,pack.op AS op,pack.run AS run,pack.at AS at \
             FROM hayloft_change_pack AS pack,json_array_elements(CAST(pack.row_keys AS JSON)) WITH ORDINALITY AS one(value,place)"
        }
    }
}
