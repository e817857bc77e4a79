//! Where in the arguments something stands, for errors. Knows names only.

use std::fmt;

/// The path to an argument or a part of it, for errors: `items.where.price.eq`.
pub(super) struct Trail<'a> {
    parent: Option<&'a Trail<'a>>,
    name: &'a str,
}

impl<'a> Trail<'a> {
    pub fn root(name: &'a str) -> Trail<'a> {
        Trail { parent: None, name }
    }

    pub fn then(&'a self, name: &'a str) -> Trail<'a> {
        Trail {
            parent: Some(self),
            name,
        }
    }

    /// Steps from the root.
    pub fn depth(&self) -> usize {
        std::iter::successors(Some(self), |trail| trail.parent).count()
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(out, "{parent}.")?;
        }
        out.write_str(self.name)
    }
}
