//! A subscription has one root field. Knows response keys: a field that is selected twice is one.

use std::collections::HashSet;

use apollo_compiler::ast;

use super::walk::Walk;

impl Walk<'_> {
    /// Refuses a subscription with several root fields. Fragments wait for their turn, so nothing
    /// recurses.
    pub(super) fn one_root(&mut self) {
        if self.operation.operation_type != ast::OperationType::Subscription {
            return;
        }
        let mut keys: Vec<&str> = Vec::new();
        let mut visited = HashSet::new();
        let mut sets = vec![&self.operation.selection_set];
        while let Some(set) = sets.pop() {
            for selection in set {
                match selection {
                    ast::Selection::Field(field) => {
                        let key = field.response_name().as_str();
                        if !keys.contains(&key) {
                            keys.push(key);
                        }
                    }
                    ast::Selection::InlineFragment(inline) => sets.push(&inline.selection_set),
                    ast::Selection::FragmentSpread(spread) => {
                        let name = spread.fragment_name.as_str();
                        let fragment = self.fragments.get(name).filter(|_| visited.insert(name));
                        sets.extend(fragment.map(|fragment| &fragment.selection_set));
                    }
                }
            }
        }
        if keys.len() > 1 {
            let keys = keys.join("`, `");
            let message = format!(
                "a subscription has one root field, found `{keys}`; a socket may have several subscriptions open"
            );
            self.fault(self.operation.location(), message);
        }
    }
}
