//! Whether the pages of a fetch may be read record by record. Knows its filters; reads no page.

use super::{Advance, Fetch, jq::Items};

impl Fetch {
    /// The list that `rows` leads to, if its items may be read one by one: a page is then without
    /// them for all that `pages` looks at, so none of that may look at them.
    pub fn items(&self) -> Option<&Items> {
        let items = self.rows.items()?;
        let next = match &self.paging.advance {
            Advance::Cursor(next) | Advance::NextUrl(next) => Some(next),
            Advance::Single | Advance::Page | Advance::Offset | Advance::LinkHeader => None,
        };
        let mut filters = [next, self.paging.last.as_ref(), self.paging.total.as_ref()]
            .into_iter()
            .flatten();
        (!filters.any(|filter| filter.looks_at(&items.keys))).then_some(items)
    }
}
