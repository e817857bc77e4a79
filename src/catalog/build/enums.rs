//! Enums and their aliases. Knows that each text of an upstream may mean one value only.

use super::Builder;
use crate::{
    catalog::{EnumType, EnumValue},
    definition::{Directive, EnumDefinition, EnumValueDefinition, Fault},
};

impl Builder<'_> {
    pub(super) fn enums(&mut self) -> Vec<EnumType> {
        self.definition
            .enums
            .iter()
            .map(|declared| self.enumeration(declared))
            .collect()
    }

    fn enumeration(&mut self, declared: &EnumDefinition) -> EnumType {
        let values = declared
            .values
            .iter()
            .map(|value| self.enum_value(declared, value))
            .collect();
        EnumType {
            name: declared.name.value.clone(),
            description: declared.description.clone(),
            values,
        }
    }

    fn enum_value(&mut self, declared: &EnumDefinition, value: &EnumValueDefinition) -> EnumValue {
        if value.name.value.starts_with("__") || ["true", "false", "null"].contains(&value.name.value.as_str()) {
            let message = format!("an enum value cannot be named `{}`", value.name.value);
            self.fault(
                Fault::at(value.name.span.clone(), message)
                    .hint("choose another, and name the upstream's text with @alias"),
            );
        }
        let options = value.directive("alias").and_then(|alias| alias.argument("options"));
        let mut aliases: Vec<String> = Vec::new();
        for option in options.map(|options| options.items()).unwrap_or_default() {
            let Some(text) = option.as_text() else { continue };
            if let Some(other) = meaning(declared, value, text.value) {
                let message = format!("the text \"{}\" already means `{other}`", text.value);
                self.fault(Fault::at(option.span.clone(), message).hint("each text may mean one value only"));
            } else if !aliases.iter().any(|alias| alias == text.value) {
                aliases.push(text.value.to_owned());
            }
        }
        EnumValue {
            name: value.name.value.clone(),
            description: value.description.clone(),
            deprecated: deprecated(value.directive("deprecated")),
            aliases,
        }
    }
}

/// The other value that a text means: one with that name, or an earlier one with that alias.
fn meaning<'d>(declared: &'d EnumDefinition, value: &EnumValueDefinition, text: &str) -> Option<&'d str> {
    let named = declared
        .values
        .iter()
        .find(|other| other.name.value == text && other.name != value.name);
    let aliased = || {
        let earlier = declared.values.iter().take_while(|other| other.name != value.name);
        let has = |other: &&EnumValueDefinition| {
            let options = other.directive("alias").and_then(|alias| alias.argument("options"));
            let options = options.map(|options| options.items()).unwrap_or_default();
            options
                .iter()
                .any(|option| option.as_text().is_some_and(|option| option.value == text))
        };
        earlier.into_iter().find(has)
    };
    named.or_else(aliased).map(|other| other.name.value.as_str())
}

/// The reason of `@deprecated`.
pub(super) fn deprecated(directive: Option<&Directive>) -> Option<String> {
    let reason = directive?
        .text("reason")
        .map_or("No longer supported", |reason| reason.value);
    Some(reason.to_owned())
}
