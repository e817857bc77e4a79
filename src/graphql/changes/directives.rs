//! Changes of the directives that a schema declares. Knows where a query may use one.

use apollo_compiler::ast::{DirectiveDefinition, DirectiveLocation};

use super::{Comparison, Pair, Severity, pairs};

/// GraphQL's own directives: a schema may spell them out or not.
const BUILTIN: [&str; 5] = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];

impl Comparison<'_> {
    pub(super) fn directives(&mut self) {
        let (old, new) = (self.old, self.new);
        let before = old
            .directive_definitions
            .iter()
            .map(|(name, found)| (name.as_str(), &**found));
        let after = new
            .directive_definitions
            .iter()
            .map(|(name, found)| (name.as_str(), &**found));
        let joined = pairs(before, after).into_iter();
        for (name, pair) in joined.filter(|(name, _)| !BUILTIN.contains(name)) {
            let at = format!("@{name}");
            match pair {
                Pair::Removed(old) => {
                    let severity = of_use(old.locations.iter());
                    self.add(severity, &at, "DIRECTIVE_REMOVED", "the directive was removed");
                }
                Pair::Added(_) => self.safe(&at, "DIRECTIVE_ADDED", "the directive was added"),
                Pair::Both(old, new) => self.directive(&at, old, new),
            }
        }
    }

    fn directive(&mut self, at: &str, old: &DirectiveDefinition, new: &DirectiveDefinition) {
        self.description(at, old.description.as_deref(), new.description.as_deref());
        for location in old
            .locations
            .iter()
            .filter(|location| !new.locations.contains(location))
        {
            let severity = of_use([location].into_iter());
            let message = format!("it cannot be written on {} any more", location.name());
            self.add(severity, at, "DIRECTIVE_LOCATION_REMOVED", message);
        }
        for location in new
            .locations
            .iter()
            .filter(|location| !old.locations.contains(location))
        {
            let message = format!("it can be written on {} now", location.name());
            self.safe(at, "DIRECTIVE_LOCATION_ADDED", message);
        }
        match (old.repeatable, new.repeatable) {
            (true, false) => {
                let severity = of_use(old.locations.iter());
                let message = "it cannot be written twice at one place any more";
                self.add(severity, at, "DIRECTIVE_REPEATABLE_REMOVED", message);
            }
            (false, true) => {
                let message = "it can be written several times at one place now";
                self.safe(at, "DIRECTIVE_REPEATABLE_ADDED", message);
            }
            _ => {}
        }
        // What is said about the arguments matters to queries only if one can use the directive.
        let before = self.found.len();
        self.arguments(at, &old.arguments, &new.arguments);
        if of_use(old.locations.iter()) == Severity::Safe {
            let about_arguments = self.found.iter_mut().skip(before);
            about_arguments.for_each(|change| change.severity = Severity::Safe);
        }
    }
}

/// How severe it is when a directive cannot be used at these places any more.
fn of_use<'l>(mut places: impl Iterator<Item = &'l DirectiveLocation>) -> Severity {
    use DirectiveLocation as At;
    let in_queries = places.any(|place| {
        matches!(
            place,
            At::Query
                | At::Mutation
                | At::Subscription
                | At::Field
                | At::FragmentDefinition
                | At::FragmentSpread
                | At::InlineFragment
                | At::VariableDefinition
        )
    });
    if in_queries { Severity::Breaking } else { Severity::Safe }
}
