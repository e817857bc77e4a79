//! Where in a document or its variables something stands, for errors. Knows names only.

use std::fmt;

/// The path to an argument, a variable or a part of one:
/// `items.requiredFor.where.or[1].quantity.gt`, `$where.price`.
pub(super) struct InputPath<'a> {
    parent: Option<&'a InputPath<'a>>,
    name: Name<'a>,
    depth: usize,
}

enum Name<'a> {
    Text(&'a str),
    Item(usize),
}

impl<'a> InputPath<'a> {
    pub(super) fn root(name: &'a str) -> InputPath<'a> {
        InputPath {
            parent: None,
            name: Name::Text(name),
            depth: 1,
        }
    }

    /// The field of this response key in a selection. Its arguments are no deeper than those of the
    /// field above.
    pub(super) fn below(&'a self, key: &'a str) -> InputPath<'a> {
        self.step(Name::Text(key), self.depth)
    }

    /// An argument, or a member of an input.
    pub(super) fn then(&'a self, name: &'a str) -> InputPath<'a> {
        self.step(Name::Text(name), self.depth + 1)
    }

    /// The item of a list, counted from 0.
    pub(super) fn item(&'a self, at: usize) -> InputPath<'a> {
        self.step(Name::Item(at), self.depth)
    }

    fn step(&'a self, name: Name<'a>, depth: usize) -> InputPath<'a> {
        InputPath {
            parent: Some(self),
            name,
            depth,
        }
    }

    /// Steps from the field whose argument it is.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}

impl fmt::Display for InputPath<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(out)?;
        }
        match (&self.name, self.parent) {
            (Name::Item(at), _) => write!(out, "[{at}]"),
            (Name::Text(name), None) => out.write_str(name),
            (Name::Text(name), Some(_)) => write!(out, ".{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let root = InputPath::root("items");
        let field = root.below("requiredFor");
        let argument = field.then("where");
        let (many, item) = (argument.then("or"), argument.then("or"));
        let (many, item) = (many.item(1), item.item(0));
        assert_eq!(
            many.then("quantity").to_string(),
            "items.requiredFor.where.or[1].quantity"
        );
        assert_eq!((field.depth(), argument.depth(), item.depth()), (1, 2, 3));
    }
}
