//! Opening: locks, paths, layouts.

use super::*;

on_both!(
    tables_of_others_are_left_alone,
    tables_of_a_newer_version_are_left_alone
);

#[tokio::test]
async fn a_file_has_one_lock_by_whatever_path() {
    let bench = bench_on(On::Sqlite).await;
    let DatabaseUrl::Sqlite(path) = &bench.place.url else {
        panic!("a file")
    };
    let link = path.with_file_name("link.db");
    std::os::unix::fs::symlink(path, &link).expect("a link");
    let error = open_at(&DatabaseUrl::Sqlite(link), "one", Access::Write).await;
    assert!(matches!(error.err(), Some(StoreError::Locked(_))));
}

#[tokio::test]
async fn a_role_without_rights_is_told_so() {
    let place = Place::new(On::Postgres);
    let DatabaseUrl::Postgres(url) = &place.url else {
        panic!("an address")
    };
    let database = url.secret().path().trim_start_matches('/');
    // Roles are the cluster's; its databases have different names, and the end of the cluster takes
    // them along.
    let role = format!("{database}_guest");
    place.sql(&format!(
        "CREATE ROLE \"{role}\" LOGIN; REVOKE ALL ON SCHEMA public FROM public"
    ));
    let mut guest = url.secret().clone();
    guest.set_username(&role).expect("a name");
    let guest: DatabaseUrl = guest.as_str().parse().expect("an address");
    place.sql(&format!("GRANT USAGE ON SCHEMA public TO \"{role}\""));
    let error = open_at(&guest, "one", Access::Write).await.err().expect("refused");
    assert!(error.to_string().contains("grant CREATE on the schema"), "{error:?}");
    open_at(&place.url, "one", Access::Write)
        .await
        .expect("the owner")
        .close()
        .await;
    let error = open_at(&guest, "one", Access::Read).await.err().expect("refused");
    assert!(error.to_string().contains("SELECT to read"), "{error:?}");
}

#[tokio::test]
async fn one_writer_many_readers() {
    let bench = bench_on(On::Sqlite).await;
    farm(&bench.store).await;
    let url = bench.place.url.clone();
    let error = open_at(&url, "one", Access::Write).await.err().expect("refused");
    assert!(matches!(error, StoreError::Locked(_)));
    assert!(
        error.to_string().contains(&format!("(pid {})", std::process::id())),
        "{error}"
    );
    let reader = open_at(&url, "one", Access::Read)
        .await
        .expect("reads beside the writer");
    assert!(reader.row_counts().await.expect("counts").contains(&(ITEM, 3)));
    assert!(matches!(
        reader.heartbeat(&start(&bench.store, "Tag", TAG, 5).await).await,
        Err(StoreError::Refused(_))
    ));
    reader.close().await;
    bench.store.clone().close().await;
    drop(bench.store);
    let reader = open_at(&url, "one", Access::Read)
        .await
        .expect("reads without a writer");
    assert!(reader.row_counts().await.expect("counts").contains(&(ITEM, 3)));
}

#[tokio::test]
async fn paths_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: &str| DatabaseUrl::Sqlite(folder.path().join(name));
    std::fs::write(
        folder.path().join("text.db"),
        "this is no database, but long enough to be looked at as one".repeat(20),
    )
    .expect("written");
    let cases = [
        ("none/farm.db", Access::Write, "does not exist"),
        ("farm.db", Access::Read, "does not exist yet"),
        ("text.db", Access::Write, "is not a database"),
        ("text.db", Access::Read, "is not a database"),
        ("", Access::Write, "is a folder"),
    ];
    for (name, access, want) in cases {
        let error = open_at(&url(name), "one", access)
            .await
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

async fn tables_of_others_are_left_alone(on: On) {
    let place = Place::new(on);
    place.sql("CREATE TABLE mine (id INT)");
    let error = open_at(&place.url, "one", Access::Write).await.err().expect("refused");
    let text = error.to_string();
    assert!(text.contains("holds tables that Hayloft did not make"), "{text}");
    assert!(!text.contains("hayloft@"), "no user, no password: {text}");
    let error = open_at(&place.url, "one", Access::Read).await.err().expect("refused");
    assert_eq!(error.to_string(), text);
    // What an extension brought is nobody's.
    if let On::Postgres = on {
        place.sql("DROP TABLE mine; CREATE EXTENSION pg_stat_statements");
        open_at(&place.url, "one", Access::Write).await.expect("a store");
    }
}

async fn tables_of_a_newer_version_are_left_alone(on: On) {
    let bench = bench_on(on).await;
    bench.store.close().await;
    let newer = "INSERT INTO hayloft_migration(version,applied_at) VALUES ('m20991231_000001_later',1)";
    bench.place.sql(newer);
    for access in [Access::Write, Access::Destructive, Access::Read] {
        let error = open_at(&bench.place.url, "one", access).await.err().expect("refused");
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unusable(_)), "{text}");
        assert!(text.contains("newer version of Hayloft"), "{text}");
        assert!(!text.contains("m2099") && !text.contains("hayloft@"), "{text}");
    }
}
