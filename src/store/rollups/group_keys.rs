//! The group that a row belongs to: its key, and what it has in common with the row that stands for
//! it. Writes SQL; runs none.
//!
//! A key is the list of the group's values as JSON, so that nulls and members of values tell groups
//! apart as well as columns do.

use crate::{
    catalog::{EntityId, Groups},
    store::read::compiler::{ColumnAt, Compiler},
};

/// The values of a row that tell its group, one for each column that keeps them.
pub(super) fn values_of(compiler: &Compiler<'_>, groups: &Groups, alias: &str) -> Vec<ColumnAt> {
    let by = compiler.catalog.grouped_by(groups).into_iter();
    by.flat_map(|(_, of)| compiler.columns(groups.of, &[of], alias))
        .collect()
}

/// The columns that keep them.
pub(super) fn kept_in(compiler: &Compiler<'_>, group: EntityId, groups: &Groups, alias: &str) -> Vec<ColumnAt> {
    let by = groups.by.iter();
    by.flat_map(|by| compiler.columns(group, &[by.own], alias)).collect()
}

/// The key of the group that a row belongs to.
pub(super) fn key(compiler: &Compiler<'_>, groups: &Groups, alias: &str) -> String {
    let dialect = compiler.dialect;
    let mut parts = vec![dialect.literal("[")];
    for (at, value) in values_of(compiler, groups, alias).iter().enumerate() {
        if at > 0 {
            parts.push(dialect.literal(","));
        }
        parts.push(dialect.wire(&value.sql, value.kind, value.nullable));
    }
    parts.push(dialect.literal("]"));
    dialect.short(&dialect.concat(&parts))
}

/// The conditions by which a row belongs to the group of the row `own`, in a form that indexes
/// serve.
pub(super) fn belongs(
    compiler: &Compiler<'_>,
    (group, groups): (EntityId, &Groups),
    alias: &str,
    own: &str,
) -> Vec<String> {
    let values = values_of(compiler, groups, alias).into_iter();
    let same = values
        .zip(kept_in(compiler, group, groups, own))
        .map(|(value, kept)| match value.nullable {
            true => compiler.dialect.same(&value.sql, &kept.sql),
            false => format!("{}={}", value.sql, kept.sql),
        });
    same.collect()
}
