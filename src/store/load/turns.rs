//! The turn of those who write the same types. Knows types; no rows.

use crate::{
    catalog::EntityId,
    store::{error::StoreError, rollups::computed::fed_by, system::row_numbers, tx::Transaction, types::Run},
};

/// Takes the turn of this run among all that write the same types, `beside` included, and those
/// whose rollups are computed of them; others wait until the transaction ends.
pub(crate) async fn take_turn(tx: &mut Transaction<'_>, run: &Run, beside: Option<EntityId>) -> Result<(), StoreError> {
    if tx.context.dialect.exclusive() {
        return Ok(());
    }
    let mut written = tx.context.layout.family(run.entity);
    written.extend(beside);
    written.extend(fed_by(&tx.context.catalog, &written));
    row_numbers::lock(tx, written).await
}
