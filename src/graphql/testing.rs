//! A small farm and golden files, for the tests of this folder and of the server.

use std::{path::Path, sync::Arc};

use apollo_compiler::{request::coerce_variable_values, response::JsonMap};

use crate::{
    catalog::{self, Catalog, Valid},
    definition::SourceFile,
};

use super::{
    DataApi, Limits, Served, gate,
    plan::{self, Plan},
};

/// The repository's farm, with a list of leaves, a deprecated field and more scalars added.
pub(super) fn farm() -> Valid<Catalog> {
    let path = cases().join("definition.graphql");
    let text = std::fs::read_to_string(&path).expect("the farm's definition");
    let file = SourceFile { path, text };
    catalog::load(&file).unwrap_or_else(|faults| panic!("the farm's definition is refused: {faults:#?}"))
}

/// A data API over the farm, for operations that need no row.
pub(crate) fn api() -> DataApi {
    let store = crate::store::Store {
        bus: crate::change::Bus::default(),
    };
    DataApi::new(Arc::new(farm()), store, Limits::default()).expect("the farm's schema")
}

/// Plans a query without variables.
pub(super) fn plan(query: &str) -> (Valid<Catalog>, Plan) {
    let catalog = farm();
    let served = Served::of(&catalog).expect("the farm's schema");
    let limits = Limits::default();
    let document = gate::admit(&served, &limits, query).expect("a good query");
    let operation = document.operations.get(None).expect("one operation");
    let variables = coerce_variable_values(&served.schema, operation, &JsonMap::new()).expect("no variables");
    let planned = plan::plan(&catalog, &served, &limits, &document, operation, &variables).expect("a plan");
    (catalog, planned)
}

/// Where the golden files are.
pub(super) fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/graphql")
}

/// Compares with a golden file; built with `UPDATE_GOLDEN=1`, writes it.
pub(super) fn golden(name: &str, got: &str) {
    let path = cases().join(name);
    if option_env!("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).expect("the golden file is writable");
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(want, got, "{name} differs; build with UPDATE_GOLDEN=1 to accept");
}
