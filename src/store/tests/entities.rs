//! The entities of the system tables against what the migrations make.

use super::*;
use crate::store::system::entities;

on_both!(each_entity_is_as_its_table);

/// Each column of a table: its name, its type, whether it may be null, and whether it is part of
/// the key.
async fn columns(store: &Store, table: &str) -> Vec<[String; 4]> {
    let sql = match store.context.dialect.backend() {
        sea_orm::DbBackend::Postgres => format!(
            "SELECT CAST(a.attname AS TEXT),format_type(a.atttypid,a.atttypmod),CAST(NOT a.attnotnull AS TEXT),\
             CAST(EXISTS(SELECT 1 FROM pg_index AS i WHERE i.indrelid=a.attrelid AND i.indisprimary AND \
             a.attnum=ANY(CAST(i.indkey AS INT2[]))) AS TEXT) \
             FROM pg_attribute AS a WHERE a.attrelid='{table}'::regclass AND a.attnum>0 AND NOT a.attisdropped ORDER BY 1"
        ),
        _ => format!(
            "SELECT name,lower(type),CASE \"notnull\" WHEN 1 THEN 'false' ELSE 'true' END,CASE WHEN pk>0 THEN 'true' ELSE 'false' END \
             FROM pragma_table_info('{table}') ORDER BY name"
        ),
    };
    let writer = store.context.writer().expect("a writer");
    let lines = writer
        .fetch_all(store.context.params().query(sql))
        .await
        .expect("columns");
    let text = |row: &pool::ResultRow, at: usize| pool::get::<String>(row, at).expect("a text");
    lines.iter().map(|line| [0, 1, 2, 3].map(|at| text(line, at))).collect()
}

async fn each_entity_is_as_its_table(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let backend = store.context.dialect.backend();
    let all = "SELECT count(*) FROM ".to_owned()
        + match on {
            On::Sqlite => "sqlite_schema WHERE type='table' AND name LIKE 'hayloft~_%' ESCAPE '~'",
            On::Postgres => "pg_tables WHERE schemaname=current_schema() AND tablename LIKE 'hayloft~_%' ESCAPE '~'",
        };
    let there = number(store, &all).await;
    let tables = entities::tables(backend, "own_");
    // SeaORM's own record of versions has its entity there.
    assert_eq!(tables.len() as i64, there - 1, "each system table has an entity");
    let mut different = Vec::new();
    for (name, made) in tables {
        let sql = match backend {
            sea_orm::DbBackend::Postgres => made.to_string(sea_orm::sea_query::PostgresQueryBuilder),
            _ => made.to_string(sea_orm::sea_query::SqliteQueryBuilder),
        };
        run(store, &sql).await;
        let (own, table) = (columns(store, &format!("own_{name}")).await, columns(store, name).await);
        assert!(!own.is_empty(), "{name}");
        if own != table {
            different.push((name, own, table));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}
