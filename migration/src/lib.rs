//! The system tables: runs, rows seen, request states, quarantine, change log, layouts. Knows no
//! table of a definition.

mod m20261121_000001_system_tables;
mod m20261121_000002_quarantine_request;
mod m20261121_000003_ledger;
mod m20261121_000004_fan_out;
mod m20261121_000005_layout;
mod m20261121_000006_place;
mod m20261121_000007_row_number;
mod m20261121_000008_replaced;
mod m20261121_000009_reading;
mod m20261129_000010_told;
mod m20261129_000011_read_anew;
mod m20261129_000020_repeats;
mod m20261129_000025_prints;
mod m20261129_000026_refused_answers;
mod m20261129_000040_held;
mod m20261129_000041_change_packs;
mod m20261129_000050_answers;
mod m20261129_000060_written;
mod m20261129_000061_set_aside;
mod m20261129_000070_figures;
mod m20261129_000073_aside;
mod m20261129_000080_versions;
mod m20261130_000081_histories;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{
    MigrationTrait, async_trait,
    sea_orm::{DynIden, sea_query::IntoIden},
};

/// Brings the system tables up to date.
pub struct Migrator;

impl Migrator {
    /// The versions of the system tables that this program knows.
    pub fn names() -> Vec<String> {
        let all = <Migrator as MigratorTrait>::migrations();
        all.iter().map(|migration| migration.name().to_owned()).collect()
    }
}

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_system_tables::Migration),
            Box::new(m20261121_000002_quarantine_request::Migration),
            Box::new(m20261121_000003_ledger::Migration),
            Box::new(m20261121_000004_fan_out::Migration),
            Box::new(m20261121_000005_layout::Migration),
            Box::new(m20261121_000006_place::Migration),
            Box::new(m20261121_000007_row_number::Migration),
            Box::new(m20261121_000008_replaced::Migration),
            Box::new(m20261121_000009_reading::Migration),
            Box::new(m20261129_000010_told::Migration),
            Box::new(m20261129_000011_read_anew::Migration),
            Box::new(m20261129_000020_repeats::Migration),
            Box::new(m20261129_000025_prints::Migration),
            Box::new(m20261129_000026_refused_answers::Migration),
            Box::new(m20261129_000040_held::Migration),
            Box::new(m20261129_000041_change_packs::Migration),
            Box::new(m20261129_000050_answers::Migration),
            Box::new(m20261129_000060_written::Migration),
            Box::new(m20261129_000061_set_aside::Migration),
            Box::new(m20261129_000070_figures::Migration),
            Box::new(m20261129_000073_aside::Migration),
            Box::new(m20261129_000080_versions::Migration),
            Box::new(m20261130_000081_histories::Migration),
        ]
    }

    /// All names of the system begin alike, so that none meets a table of a definition.
    fn migration_table_name() -> DynIden {
        "hayloft_migration".into_iden()
    }
}
