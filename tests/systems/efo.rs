//! An ontology: every term and every link to a parent, what lies above and below a term, and what a second harvest costs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Example, System, quoted, texts, the_page_tells_the_truth};
use crate::harness::{Db, Program, on_both};

on_both!(
    every_term_and_every_link_is_stored,
    what_did_not_change_costs_no_work,
    a_new_release_is_taken_over,
);

/// What the upstream holds of a term.
struct Term {
    label: String,
    synonyms: Vec<String>,
    parents: Vec<String>,
    obsolete: bool,
}

type Terms = BTreeMap<String, Term>;

const EFO: Example = Example {
    name: "efo",
    variable: "OLS_URL",
    below: "/api",
};

async fn terms_of(system: &System) -> Terms {
    let truth = system.upstream.truth().await;
    let list = |value: &Value| {
        let items = value.as_array().expect("a list").iter();
        items.map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let terms = truth["terms"].as_array().expect("terms").iter().map(|term| {
        let of = Term {
            label: term["label"].as_str().expect("a label").to_owned(),
            synonyms: list(&term["synonyms"]),
            parents: list(&term["parents"]),
            obsolete: term["obsolete"].as_bool().expect("true or false"),
        };
        (term["iri"].as_str().expect("an IRI").to_owned(), of)
    });
    terms.collect()
}

/// The terms that have this one among their parents.
fn children<'t>(terms: &'t Terms, iri: &str) -> Vec<&'t String> {
    let is_child = |(_, term): &(&String, &Term)| term.parents.iter().any(|parent| parent == iri);
    terms.iter().filter(is_child).map(|(child, _)| child).collect()
}

/// All that a walk reaches from a term, by what follows each.
fn reached<'t>(iri: &str, next: impl Fn(&str) -> Vec<&'t String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = next(iri);
    while let Some(term) = open.pop() {
        if found.insert(term.clone()) {
            open.extend(next(term));
        }
    }
    found
}

const WHOLE: &str = "{ terms(orderBy: [{iri: ASC}]) { iri label synonyms isObsolete childCount parents { iri } children { iri } } \
    termsConnection { totalCount } ontologies { numberOfTerms } }";

/// What that must give.
fn whole(terms: &Terms) -> Value {
    let keys = |iris: Vec<&String>| iris.into_iter().map(|iri| json!({ "iri": iri })).collect::<Vec<_>>();
    let shown = terms.iter().map(|(iri, term)| {
        let children = children(terms, iri);
        json!({
            "iri": iri, "label": term.label, "isObsolete": term.obsolete, "childCount": children.len(),
            "synonyms": if term.synonyms.is_empty() { Value::Null } else { json!(term.synonyms) },
            "parents": keys(term.parents.iter().collect()), "children": keys(children),
        })
    });
    json!({
        "terms": shown.collect::<Vec<_>>(),
        "termsConnection": { "totalCount": terms.len() },
        "ontologies": [{ "numberOfTerms": terms.len() }],
    })
}

async fn every_term_and_every_link_is_stored(db: Db) {
    // Two pages of terms, and now and then a request that fails at first.
    let system = EFO.start(db, &["--scale", "620", "--faults", "0.02"]).await;
    let told = system.harvest().await;
    let asked = system.upstream.asked().await;
    assert!(asked.spoiled > 0, "{asked:?}: {told}");
    let terms = terms_of(&system).await;
    let program = system.serve().await;
    assert_eq!(program.query(WHOLE).await, whole(&terms), "{told}");
    what_lies_above_and_below(&program, &terms).await;
    synonyms_are_searched(&program, &terms).await;
}

async fn what_lies_above_and_below(program: &Program, terms: &Terms) {
    let above = |iri: &str| reached(iri, |iri| terms[iri].parents.iter().collect());
    let (deepest, ancestors) = terms
        .keys()
        .map(|iri| (iri, above(iri)))
        .max_by_key(|(_, above)| above.len())
        .expect("a term");
    assert!(ancestors.len() > 5, "{deepest}: {ancestors:?}");
    let data = program
        .query(&format!(
            "{{ term(iri: {}) {{ ancestors {{ iri }} }} }}",
            quoted(deepest)
        ))
        .await;
    let want: Vec<String> = ancestors.into_iter().collect();
    assert_eq!(texts(&data["term"]["ancestors"], "iri"), want, "{deepest}");

    let (root, _) = terms.iter().find(|(_, term)| term.parents.is_empty()).expect("a root");
    let below = reached(root, |iri| children(terms, iri));
    let root = quoted(root);
    let query = format!(
        "{{ term(iri: {root}) {{ descendantsConnection {{ totalCount }} }} \
         terms(where: {{ancestors: {{some: {{iri: {{eq: {root}}}}}}}}}, orderBy: [{{iri: ASC}}]) {{ iri }} }}"
    );
    let data = program.query(&query).await;
    assert_eq!(data["term"]["descendantsConnection"]["totalCount"], json!(below.len()));
    assert_eq!(texts(&data["terms"], "iri"), below.into_iter().collect::<Vec<_>>());
}

async fn synonyms_are_searched(program: &Program, terms: &Terms) {
    let has = |term: &Term| term.synonyms.iter().any(|synonym| synonym.starts_with("Ménière "));
    let want: Vec<&String> = terms.iter().filter(|(_, term)| has(term)).map(|(iri, _)| iri).collect();
    assert!(!want.is_empty());
    // Without accents and capitals, as people type it.
    let data = program
        .query("{ terms(search: \"meniere\", orderBy: [{iri: ASC}]) { iri } }")
        .await;
    assert_eq!(texts(&data["terms"], "iri").iter().collect::<Vec<_>>(), want);
}

async fn what_did_not_change_costs_no_work(db: Db) {
    let system = EFO.start(db, &[]).await;
    system.harvest().await;
    let logged = "SELECT count(*) FROM hayloft_change_log";
    let (asked, before) = (system.upstream.asked().await, system.scratch.rows(logged).await);
    let roots = terms_of(&system)
        .await
        .values()
        .filter(|term| term.parents.is_empty())
        .count() as u64;
    // One for the ontology, one for the only page of terms, and one for each term that has parents.
    assert_eq!(asked.requests, 2 + 300 - roots);
    assert_eq!(asked.unchanged, 0);
    system.harvest().await;
    let again = system.upstream.asked().await;
    assert_eq!(
        [again.requests - asked.requests, again.unchanged],
        [asked.requests, asked.requests],
        "each was asked for again, and told that nothing changed"
    );
    assert_eq!(system.scratch.rows(logged).await, before);
    the_page_tells_the_truth("efo", &system.serve().await).await;
}

async fn a_new_release_is_taken_over(db: Db) {
    let system = EFO.start(db, &["--scale", "120"]).await;
    system.harvest().await;
    let before = whole(&terms_of(&system).await);
    let step = system.upstream.step().await;
    let after = whole(&terms_of(&system).await);
    assert_ne!(before, after, "{step}");
    let told = system.harvest().await;
    let program = system.serve().await;
    assert_eq!(program.query(WHOLE).await, after, "{step}: {told}");
}
