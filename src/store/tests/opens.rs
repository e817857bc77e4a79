//! Opening: locks, paths, layouts.

use super::*;

#[tokio::test]
async fn one_writer_many_readers() {
    let bench = bench().await;
    farm(&bench.store).await;
    let path = bench.folder.path().join("farm.db");
    let error = open_at(&path, "one", Access::Write).await.err().expect("refused");
    assert!(matches!(error, StoreError::Locked(_)));
    assert!(
        error.to_string().contains(&format!("(pid {})", std::process::id())),
        "{error}"
    );
    let reader = open_at(&path, "one", Access::Read)
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
    let reader = open_at(&path, "one", Access::Read)
        .await
        .expect("reads without a writer");
    assert!(reader.row_counts().await.expect("counts").contains(&(ITEM, 3)));
}

#[tokio::test]
async fn paths_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("text.db"),
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
        let error = open_at(&path(name), "one", access)
            .await
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[tokio::test]
async fn layouts_may_only_grow_by_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("farm.db");
    let open = |change: fn(&mut Catalog)| {
        let mut catalog = catalog("x");
        change(&mut catalog);
        let catalog = Arc::new(Valid::trusted(catalog));
        let layout = Arc::new(Layout::of(&catalog));
        let url = DatabaseUrl::Sqlite(path.clone());
        async move { Store::open(&url, Access::Write, catalog, layout).await }
    };
    drop(open(|catalog| catalog.entities.truncate(5)).await.expect("made"));
    drop(open(|_| ()).await.expect("a type more"));
    let error = open(|catalog| catalog.entities[4].fields[1].required = false)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("tag: the column name was Scalar(String)!, is Scalar(String)"),
        "{error}"
    );
    let error = open(|catalog| catalog.entities.truncate(5))
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("thing is gone"), "{error}");
}
