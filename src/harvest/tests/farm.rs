//! The repository's own definition, from its text to rows.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    memory::Memory,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog,
    config::DatabaseUrl,
    harvest::{HarvestSettings, Harvester, Silent},
    layout::Layout,
    store::{Access, Reason, RunState, Store},
    value::{Key, Value},
};

fn answer(path: &str) -> Answer {
    Answer::json(match path {
        "/items?page=1" => {
            r#"{"pages":2,"items":[{"id":1,"fullName":"Sword","price":9.5,"rarity":"c","seller_id":"n1","tag_ids":["t1"]}]}"#
        }
        "/items?page=2" => r#"{"pages":2,"items":[{"id":2,"fullName":"Bow","rarity":"EPIC","tag_ids":[]}]}"#,
        "/quests?offset=0" => {
            r#"{"total":1,"quests":[{"id":"q1","title":"Hunt","reward":{"gold":5},"npc":{"slug":"bob"},
                "items":[{"item":1,"quantity":3}]}]}"#
        }
        "/npcs?cursor=" => r#"{"npcs":[{"id":"n1","slug":"bob","name":"Bob"}],"next":"c2"}"#,
        "/npcs?cursor=c2" => r#"{"npcs":[{"id":"n2","slug":"eve","name":"Eve"}],"next":null}"#,
        "/tags" => r#"[{"id":"t1","name":"sharp"}]"#,
        _ => return Answer::status(404),
    })
}

fn farm() -> Arc<catalog::Valid<catalog::Catalog>> {
    Arc::new(catalog::testing::catalog(include_str!("../../../schema.graphql")))
}

fn settings(upstream: &Upstream) -> HarvestSettings {
    HarvestSettings {
        environment: crate::config::Environment::default().with("FARM_URL", &upstream.url),
        ..HarvestSettings::default()
    }
}

/// The same through the real store: twice, so that the second harvest changes nothing.
#[tokio::test]
async fn the_farm_in_a_database() {
    let upstream = Upstream::start(|asked, _| answer(&asked.path)).await;
    let folder = tempfile::tempdir().expect("folder");
    let catalog = farm();
    let layout = Arc::new(Layout::of(&catalog));
    let url = DatabaseUrl::Sqlite(folder.path().join("farm.db"));
    let store = Store::open(&url, Access::Write, catalog.clone(), layout.clone()).await;
    let store = store.expect("a store");
    let harvester = Harvester::new(catalog.clone(), layout, store.clone(), settings(&upstream)).expect("harvester");
    for round in 0..2 {
        for fetch in (0..catalog.fetches.len() as u32).map(catalog::FetchId) {
            let run = harvester
                .run(fetch, Reason::Hand, &Silent, &CancellationToken::new())
                .await;
            let summary = run.expect("a run").summary;
            assert_eq!(
                summary.state,
                RunState::Complete,
                "{}: {:?}",
                summary.fetch,
                summary.error
            );
            assert_eq!((summary.refused, summary.gone, summary.changed), (0, 0, 0));
            assert_eq!(
                (summary.new == 0, summary.same > 0),
                (round == 1, round == 1),
                "{}",
                summary.fetch
            );
        }
    }
    let counts = store.row_counts().await.expect("counts");
    let rows: Vec<(&str, u64)> = counts
        .iter()
        .map(|(id, rows)| (catalog.entity(*id).name.as_str(), *rows))
        .collect();
    assert_eq!(
        rows,
        [("Item", 2), ("Quest", 1), ("QuestItem", 1), ("Npc", 2), ("Tag", 1)]
    );
    store.close().await;
}

#[tokio::test]
async fn every_type_of_the_farm() {
    let upstream = Upstream::start(|asked, _| answer(&asked.path)).await;
    let catalog = farm();
    let layout = Layout::of(&catalog);
    let mut stored = Vec::new();
    for fetch in (0..catalog.fetches.len() as u32).map(catalog::FetchId) {
        let ledger = Arc::new(Memory::default());
        let harvester =
            Harvester::with_ledger(catalog.clone(), &layout, ledger.clone(), settings(&upstream)).expect("harvester");
        let run = harvester
            .run(fetch, Reason::Hand, &Silent, &CancellationToken::new())
            .await;
        let summary = run.expect("a run").summary;
        let outcome = (summary.state, summary.refused);
        assert_eq!(
            outcome,
            (RunState::Complete, 0),
            "{}: {:?}",
            summary.fetch,
            summary.error
        );
        stored.push((summary.fetch, ledger.state().rows.values().cloned().collect::<Vec<_>>()));
    }
    let rows = |name: &str| {
        stored
            .iter()
            .find(|(stored, _)| stored == name)
            .map_or(&[][..], |(_, rows)| rows)
    };
    assert_eq!((rows("Item").len(), rows("Npc").len(), rows("Tag").len()), (2, 2, 1));
    assert_eq!(rows("Item")[0].links, [vec![Key::text("t1")]]);
    assert!(rows("Item")[0].values.contains(&Value::Text("n1".to_owned())));
    let lines = &rows("Quest")[0].children[0];
    assert_eq!(
        lines[0].values,
        [Value::Text("q1".to_owned()), Value::Text("1".to_owned()), Value::Int(3)]
    );
}
