//! What callers ask of versions: how new the parts of types are, and what is known of commits.

use std::collections::BTreeSet;

use crate::{
    catalog::Part,
    change::{Cell, Moment, SETTLED},
    store::{Store, cluster::look, error::StoreError, system::versions},
};

impl Store {
    /// Where it stands how new these parts are.
    pub(crate) fn versions(&self, parts: &BTreeSet<Part>) -> Vec<Cell> {
        let names = parts.iter().map(|part| versions::name(&self.context.catalog, *part));
        names
            .map(|(entity, field)| self.context.versions.cell(entity, field))
            .collect()
    }

    /// How new the newest of them is: the change log's head after the commit that changed it.
    pub(crate) fn newest(&self, cells: &[Cell]) -> i64 {
        self.context.versions.newest(cells)
    }

    /// What is known of commits: of those of this process all, and of others' all but those of the
    /// last second. Asks the database only where nobody did for so long.
    pub(crate) async fn moment(&self) -> Result<Moment, StoreError> {
        look::now(&self.context).await
    }

    /// The same where nobody has to be asked; else none.
    pub(crate) fn moment_at_once(&self) -> Option<Moment> {
        self.context.moment()
    }

    /// An answer shows what was committed up to this head: whoever asks what is known from now on
    /// is told of that at least. What is settled shows nothing that anybody could miss.
    pub(crate) fn show(&self, head: i64) {
        if head < SETTLED {
            self.context.versions.show(head);
        }
    }

    /// The same as far as it is known, of whatever age.
    pub(crate) fn known(&self) -> Option<Moment> {
        self.context.versions.known(self.context.guard.generation())
    }
}

#[cfg(test)]
impl Store {
    /// Looks for what others have committed.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        look::look(&self.context).await
    }
}
