//! When a field fetch follows others: after each complete run of what fills the rows it asks
//! about. Pure.

use chrono::{DateTime, Utc};

use crate::{
    catalog::{Catalog, FieldFetch},
    store::FetchStatus,
};

/// The newest end of a complete run that brought rows to ask about: the slot of the run that
/// follows it, which is the same in every process. None: there cannot be any row yet.
pub(in crate::harvest) fn fed_at<'s>(
    catalog: &Catalog,
    each: &FieldFetch,
    status: impl Fn(&str) -> Option<&'s FetchStatus>,
) -> Option<DateTime<Utc>> {
    let ends = each.after.iter().filter_map(|id| {
        let complete = status(&catalog.fetch_name(*id))?.last_complete.as_ref()?;
        complete.finished_at
    });
    ends.max()
}
