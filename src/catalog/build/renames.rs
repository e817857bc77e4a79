//! `@was`: what a type or field was called before. Knows which old names can be meant; knows no
//! stored table.

use std::collections::HashMap;

use super::Builder;
use crate::{
    catalog::names::snake_case,
    definition::{Directive, Fault, Spanned, TypeDefinition},
};

impl Builder<'_> {
    /// Old names must be free: one that is still declared, or is claimed twice, would not say whose
    /// data to keep.
    pub(super) fn check_renames(&mut self) {
        let definition = self.definition;
        let types = definition.types.iter().map(|declared| &declared.name);
        let taken: Vec<&Spanned<String>> = types
            .chain(definition.enums.iter().map(|declared| &declared.name))
            .collect();
        let all = definition.types.iter();
        let claims = all.filter_map(|declared| claim(&declared.name, &declared.directives));
        self.check_claims(claims.collect(), &taken, "type");
        for declared in &definition.types {
            let taken: Vec<&Spanned<String>> = declared.fields.iter().map(|field| &field.name).collect();
            let fields = declared.fields.iter();
            let claims = fields.filter_map(|field| claim(&field.name, &field.directives));
            self.check_claims(claims.collect(), &taken, "field");
        }
        for at in 0..self.plan.values.len() {
            let declared = self.plan.values[at];
            self.refuse_on_value(declared);
        }
    }

    fn check_claims(&mut self, claims: Vec<Claim<'_>>, taken: &[&Spanned<String>], what: &str) {
        let mut claimed: HashMap<&str, &str> = HashMap::new();
        for Claim { new, old } in claims {
            let fault = |message: String| Fault::at(old.span.clone(), message);
            let is_taken = |name: &&&Spanned<String>| snake_case(&name.value) == snake_case(old.value);
            let found = if !is_name(old.value) {
                Some(fault(format!("`{}` cannot have been the name of a {what}", old.value)).hint("write one name"))
            } else if old.value == new.value {
                let message = format!("`{}` is the name that the {what} has now", old.value);
                Some(fault(message).hint("write the name that it had before, or leave @was out"))
            } else if let Some(other) = taken.iter().find(is_taken).filter(|other| other.value != new.value) {
                let message = format!("`{}` is still declared, so `{}` was not it", other.value, new.value);
                Some(fault(message).hint("leave @was out; a rename that was made once needs it no more"))
            } else {
                let other = claimed.insert(old.value, &new.value);
                other.map(|other| {
                    let message = format!("`{other}` and `{}` cannot both have been `{}`", new.value, old.value);
                    fault(message).hint("keep @was on the one that keeps the data")
                })
            };
            self.faults.extend(found);
        }
    }

    fn refuse_on_value(&mut self, declared: &TypeDefinition) {
        let fields = declared.fields.iter().flat_map(|field| &field.directives);
        let found: Vec<&Directive> = declared
            .directives
            .iter()
            .chain(fields)
            .filter(|directive| directive.name == "was")
            .collect();
        for directive in found {
            let message = format!("`@was` cannot stand on `{}`, which has no key", declared.name.value);
            self.faults.push(
                Fault::at(directive.span.clone(), message)
                    .hint("values are stored inside their owners, and written anew by the next run: leave it out"),
            );
        }
    }
}

/// A new name and the old one that it claims.
struct Claim<'d> {
    new: &'d Spanned<String>,
    old: Spanned<&'d str>,
}

fn claim<'d>(new: &'d Spanned<String>, directives: &'d [Directive]) -> Option<Claim<'d>> {
    let old = directives
        .iter()
        .find(|directive| directive.name == "was")?
        .text("name")?;
    Some(Claim { new, old })
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    first.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The old name of a type or field.
pub(super) fn was(directive: Option<&Directive>) -> Option<String> {
    Some(directive?.text("name")?.value.to_owned())
}
