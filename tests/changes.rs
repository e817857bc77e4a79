//! Changes of a served API: golden cases, each a folder with the schema before, the one after, and what is said of it.
//!
//! `HAYLOFT_BLESS=1` writes the `changes.txt` files anew.

use std::fs;

use hayloft::graphql::changes::{self, Severity};

use crate::{definition::root, harness::Scratch};

const BEFORE: &str = "extend schema @source(name: \"up\", url: \"http://127.0.0.1:9\")\n\
    type Item @fetch(source: \"up\", GET: \"/items\") { id: ID! name: String! price: Float }\n";

/// The changes of a case, as a person reads them.
fn told(case: &str) -> String {
    let folder = root().join("tests/cases/check").join(case);
    let side = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{case}/{name}: {error}"));
        changes::read(name, &text).unwrap_or_else(|error| panic!("{case}/{name}: {error}"))
    };
    let (old, new) = (side("old.graphql"), side("new.graphql"));
    assert_eq!(changes::between(&old, &old).text(), "no changes\n", "{case}");
    assert_eq!(changes::between(&new, &new).text(), "no changes\n", "{case}");
    changes::between(&old, &new).text()
}

#[test]
fn golden_cases() {
    let folder = root().join("tests/cases/check");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        let case = path.file_name().expect("a name").to_string_lossy().into_owned();
        let got = told(&case);
        let golden = path.join("changes.txt");
        count += 1;
        if std::env::var_os("HAYLOFT_BLESS").is_some() {
            fs::write(&golden, &got).expect("write a golden file");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(got.as_str()) {
            wrong.push(format!("--- {case} ---\n{got}"));
        }
    }
    assert!(count >= 9, "{count} cases");
    assert!(wrong.is_empty(), "{}\nHAYLOFT_BLESS=1 accepts these", wrong.join("\n"));
}

#[test]
fn what_is_no_served_schema_is_refused() {
    for (text, part) in [
        ("type Query {", "old.graphql"),
        ("", "Unexpected <EOF>"),
        (BEFORE, "extend schema"),
        ("schema { query: Root }", "Query"),
    ] {
        let error = changes::read("old.graphql", text).expect_err(text).to_string();
        assert!(
            error.contains(part) && error.contains("hayloft print"),
            "{text}: {error}"
        );
    }
}

#[tokio::test]
async fn the_command_fails_on_what_breaks_clients() {
    let scratch = Scratch::new(BEFORE);
    let printed = scratch.run(&["print"], &[]).await;
    scratch.write("served.graphql", &printed.out);
    let check = ["print", "--check", "served.graphql"];
    let strict = ["print", "--check", "served.graphql", "--fail-on", "dangerous"];
    let same = scratch.run(&strict, &[]).await;
    assert_eq!((same.code, same.out.as_str()), (Some(0), "no changes\n"), "{same:?}");

    scratch.write(
        "schema.graphql",
        &BEFORE.replace("price: Float", "price: Float size: Int"),
    );
    let added = scratch.run(&check, &[]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    for line in [
        "safe       Item.size: the field was added\n",
        "dangerous  ItemWhere.size: the optional input field was added\n",
    ] {
        assert!(added.out.contains(line), "{line}: {}", added.out);
    }
    assert_eq!(scratch.run(&strict, &[]).await.code, Some(1));

    scratch.write("schema.graphql", &BEFORE.replace("price: Float", "price: Int"));
    let broken = scratch
        .run(&["print", "--check", "served.graphql", "--json"], &[])
        .await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let document: serde_json::Value = serde_json::from_str(&broken.out).expect("JSON");
    let changes = document["changes"].as_array().expect("the changes");
    assert_eq!(
        changes[0]["severity"],
        Severity::Breaking.name(),
        "the worst come first"
    );
    let breaking = changes.iter().filter(|change| change["severity"] == "breaking");
    assert_eq!(document["breaking"], breaking.count());
    let price = changes.iter().find(|change| change["coordinate"] == "Item.price");
    let price = price.expect("the field that changed");
    assert_eq!(price["kind"], "FIELD_CHANGED_KIND");
    assert_eq!(price["message"], "its type was `Float` and is `Int`");

    let absent = scratch.run(&["print", "--check", "absent.graphql"], &[]).await;
    assert_eq!(absent.code, Some(2), "{absent:?}");
    let mistaken = scratch.run(&["print", "--check", "schema.graphql"], &[]).await;
    assert_eq!(mistaken.code, Some(2), "{mistaken:?}");
    assert!(mistaken.err.contains("hayloft print"), "{}", mistaken.err);
}
