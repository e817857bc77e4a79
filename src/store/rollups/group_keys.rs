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

/// How a row is told to belong to a group.
pub(super) struct Belongs {
    /// The first value that tells it, of the row and of the group, where it may be null: by which
    /// an index begins.
    pub first: Option<(String, String)>,
    /// The conditions on the other ones.
    pub all: Vec<String>,
}

/// How a row belongs to the group of the row `own`.
pub(super) fn belongs(
    compiler: &Compiler<'_>,
    (group, groups): (EntityId, &Groups),
    alias: &str,
    own: &str,
) -> Belongs {
    let values = values_of(compiler, groups, alias).into_iter();
    let (mut first, mut all) = (None, Vec::new());
    for (at, (value, kept)) in values.zip(kept_in(compiler, group, groups, own)).enumerate() {
        match value.nullable {
            true if at == 0 => first = Some((value.sql, kept.sql)),
            true => all.push(compiler.dialect.same(&value.sql, &kept.sql)),
            false => all.push(format!("{}={}", value.sql, kept.sql)),
        }
    }
    Belongs { first, all }
}
