//! Real input: the countries of the npm package `world-countries`, harvested and compared with the file itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::harness::{Db, Place, Program, eventually, on_both};

on_both!(
    every_country_border_and_language_is_stored,
    neighbours_of_the_neighbours_of_france_that_speak_french
);

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/countries")
}

/// The file as it was published. The test installs the package when nobody did before.
fn published() -> Vec<Value> {
    let file = example().join("node_modules/world-countries/countries.json");
    if !file.exists() {
        let status = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(example())
            .status();
        assert!(status.expect("npm").success(), "npm ci in examples/countries");
    }
    let text = std::fs::read_to_string(file).expect("countries.json");
    serde_json::from_str(&text).expect("JSON")
}

async fn serving(place: &Place, folder: &tempfile::TempDir) -> Program {
    let database = place.url(folder.path());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", &database];
    let program = Program::start(&example(), &arguments, &[]).await;
    eventually("every type is harvested", || async {
        let data = program
            .query("{ countries { cca3 } languages { code } currencies { code } regions { name } }")
            .await;
        let full = ["countries", "languages", "currencies", "regions"]
            .iter()
            .all(|list| data[list] != json!([]));
        full.then_some(())
    })
    .await;
    program
}

fn texts(list: &Value, member: &str) -> Vec<String> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row[member].as_str().expect("text").to_owned()).collect()
}

fn keys(object: &Value) -> Vec<String> {
    // Some countries have no currency, written as an empty array.
    object
        .as_object()
        .map(|object| object.keys().cloned().collect())
        .unwrap_or_default()
}

async fn every_country_border_and_language_is_stored(db: Db) {
    let published = published();
    let (place, folder) = (Place::new(db), tempfile::tempdir().expect("a folder"));
    let program = serving(&place, &folder).await;
    let data = program
        .query(
            "{ countries { cca3 cca2 name officialName area landlocked capital position { latitude longitude } region { name } \
               subregion borders { cca3 } languages { code name } currencies { code } nativeNames { language { code } common official } } \
               languages { code names countries { cca3 } } currencies { code name countries { cca3 } } regions { name countries { cca3 } } }",
        )
        .await;
    let stored: BTreeMap<&str, &Value> = data["countries"]
        .as_array()
        .expect("countries")
        .iter()
        .map(|country| (country["cca3"].as_str().expect("a code"), country))
        .collect();
    assert_eq!(stored.len(), published.len());
    let mut spoken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for country in &published {
        let code = country["cca3"].as_str().expect("a code");
        let row = stored[code];
        assert_eq!(row["name"], country["name"]["common"], "{code}");
        assert_eq!(row["officialName"], country["name"]["official"], "{code}");
        assert_eq!(row["cca2"], country["cca2"], "{code}");
        assert_eq!(row["landlocked"], country["landlocked"], "{code}");
        assert_eq!(row["capital"], country["capital"], "{code}");
        let area = country["area"].as_f64().filter(|area| *area >= 0.0);
        assert_eq!(row["area"].as_f64(), area, "{code}");
        assert_eq!(
            row["position"]["latitude"].as_f64(),
            country["latlng"][0].as_f64(),
            "{code}"
        );
        assert_eq!(
            row["position"]["longitude"].as_f64(),
            country["latlng"][1].as_f64(),
            "{code}"
        );
        assert_eq!(row["region"]["name"], country["region"], "{code}");
        assert_eq!(
            row["subregion"].as_str().unwrap_or(""),
            country["subregion"].as_str().unwrap_or(""),
            "{code}"
        );
        let borders: Vec<&str> = country["borders"]
            .as_array()
            .expect("borders")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(texts(&row["borders"], "cca3"), borders, "{code}: order and all");
        assert_eq!(texts(&row["languages"], "code"), keys(&country["languages"]), "{code}");
        assert_eq!(
            texts(&row["currencies"], "code"),
            keys(&country["currencies"]),
            "{code}"
        );
        for language in keys(&country["languages"]) {
            spoken.entry(language).or_default().insert(code.to_owned());
        }
        for native in row["nativeNames"].as_array().expect("names") {
            let published = &country["name"]["native"][native["language"]["code"].as_str().expect("a code")];
            assert_eq!(
                [&native["common"], &native["official"]],
                [&published["common"], &published["official"]],
                "{code}"
            );
        }
        assert_eq!(
            row["nativeNames"].as_array().map_or(0, Vec::len),
            keys(&country["name"]["native"]).len(),
            "{code}"
        );
    }
    let languages: BTreeMap<String, BTreeSet<String>> = data["languages"]
        .as_array()
        .expect("languages")
        .iter()
        .map(|language| {
            let code = language["code"].as_str().expect("a code").to_owned();
            (code, texts(&language["countries"], "cca3").into_iter().collect())
        })
        .collect();
    assert_eq!(languages, spoken, "every language with exactly its countries");
}

async fn neighbours_of_the_neighbours_of_france_that_speak_french(db: Db) {
    let published = published();
    let (place, folder) = (Place::new(db), tempfile::tempdir().expect("a folder"));
    let program = serving(&place, &folder).await;
    let data = program
        .query(
            "{ country(cca3: \"FRA\") { borders { cca3 borders(where: {languages: {some: {code: {eq: \"fra\"}}}}) { cca3 } } } }",
        )
        .await;
    let by_code: BTreeMap<&str, &Value> = published
        .iter()
        .map(|country| (country["cca3"].as_str().expect("a code"), country))
        .collect();
    let borders = |code: &str| {
        by_code[code]["borders"]
            .as_array()
            .expect("borders")
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
    };
    let want: Vec<Value> = borders("FRA")
        .into_iter()
        .map(|neighbour| {
            let french = borders(neighbour)
                .into_iter()
                .filter(|code| !by_code[code]["languages"]["fra"].is_null());
            json!({ "cca3": neighbour, "borders": french.map(|code| json!({ "cca3": code })).collect::<Vec<_>>() })
        })
        .collect();
    assert_eq!(data["country"]["borders"], json!(want));
    assert!(want.iter().any(|neighbour| neighbour["borders"] != json!([])));
}
