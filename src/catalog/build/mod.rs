//! From a `Definition` to a `Valid<Catalog>`, or to every fault at once. Knows the rules of the
//! language.
//!
//! First the types are planned (which have keys, who owns whom), then everything else is built on
//! the plan. A thing about which a fault is known takes part as a stand-in, so that one fault is
//! not followed by others.

mod auths;
mod bodies;
mod catch_up;
mod closures;
mod columns;
mod conditions;
mod enums;
mod fetches;
mod field_fetches;
mod fields;
mod groups;
mod histories;
mod indexes;
mod intervals;
mod keys;
mod paging;
mod plan;
mod renames;
mod reserved_names;
mod rollups;
mod search;
mod shown;
mod sources;
mod tables;
mod texts;
mod totals;
mod values;
mod web_pages;

use super::{Catalog, Valid};
use crate::definition::{Definition, Fault, Lines, SourceFile, in_file_order, parse_partly};

use plan::Plan;

/// Checks a definition.
pub fn build(definition: &Definition) -> Result<Valid<Catalog>, Vec<Fault>> {
    let (catalog, faults) = build_partly(definition, Lines::default());
    if faults.is_empty() {
        Ok(Valid(catalog))
    } else {
        Err(in_file_order(faults))
    }
}

/// Reads and checks the files of a definition; faults of both come together, in file order.
pub fn load(files: &[SourceFile]) -> Result<Valid<Catalog>, Vec<Fault>> {
    let (definition, mut faults) = parse_partly(files);
    let Some(definition) = definition else {
        return Err(faults);
    };
    let (catalog, more) = build_partly(&definition, Lines::of(files));
    faults.extend(more);
    if faults.is_empty() {
        Ok(Valid(catalog))
    } else {
        Err(in_file_order(faults))
    }
}

/// What all parts of the build share.
struct Builder<'d> {
    definition: &'d Definition,
    /// Where its lines lie; none where it is no file.
    lines: Lines,
    plan: Plan<'d>,
    faults: Vec<Fault>,
}

impl Builder<'_> {
    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

fn build_partly(definition: &Definition, lines: Lines) -> (Catalog, Vec<Fault>) {
    let (plan, faults) = Plan::of(definition);
    let mut builder = Builder {
        definition,
        lines,
        plan,
        faults,
    };
    builder.check_size();
    let others = builder.faults.len();
    builder.check_names();
    // A name that is taken does not keep columns from being looked at, so its faults wait outside.
    let names = builder.faults.split_off(others);
    builder.check_keys();
    builder.check_renames();
    builder.check_shown();
    let sources = builder.sources();
    let mut catalog = Catalog {
        enums: builder.enums(),
        values: builder.values(),
        entities: builder.entities(),
        fetches: Vec::new(),
        fingerprint: format!("{:032x}", xxhash_rust::xxh3::xxh3_128(definition.text.as_bytes())),
        sources: Vec::new(),
    };
    builder.groups(&mut catalog);
    builder.histories(&mut catalog);
    builder.rollups(&mut catalog);
    totals::keep(&mut catalog);
    builder.fetches(&sources, &mut catalog);
    catalog.sources = sources.into_iter().flatten().collect();
    // Names of columns are only looked at when all kinds are known.
    if builder.faults.is_empty() {
        builder.check_columns(&catalog);
        builder.check_members(&catalog);
    }
    builder.faults.extend(names);
    if builder.faults.is_empty() {
        catalog.derive();
    }
    (catalog, builder.faults)
}
