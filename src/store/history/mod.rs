//! Past versions of rows (`@history`), kept in the transaction that changes the rows. Knows their
//! tables; not who writes rows, nor why.

pub(super) mod keep;
mod sql;
pub(super) mod written;
