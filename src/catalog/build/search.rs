//! `@search`: the fields whose words are searched. Knows what has words; no index.

use super::Builder;
use crate::{
    catalog::{FieldKind, Leaf},
    definition::{Fault, FieldDefinition, TypeDefinition},
    value::{Language, Scalar, words::FIELDS_MAX},
};

/// The language in which the words of a field are searched.
pub(super) fn language(field: &FieldDefinition) -> Option<Language> {
    Language::named(field.directive("search")?.text("language")?.value)
}

impl Builder<'_> {
    /// `@search` needs texts that are somebody's words.
    pub(super) fn check_search(&mut self, field: &FieldDefinition, kind: &FieldKind) {
        let fits = matches!(
            kind,
            FieldKind::Leaf {
                leaf: Leaf::Scalar(Scalar::String),
                ..
            }
        );
        if let Some(directive) = field.directive("search").filter(|_| !fits) {
            let message = format!("`@search` cannot stand on `{}`", field.name.value);
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(fault.hint("it is for `String` and lists of it; other values are found with `where`"));
        }
        if let (Some(directive), true) = (field.directive("search").filter(|_| fits), field.has("private")) {
            let message = format!("`{}` is private, and a search tells what is in it", field.name.value);
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(fault.hint("leave one of @search and @private out"));
        }
    }

    /// The words of a row have a bound, and so has the number of its fields.
    pub(super) fn check_searched(&mut self, declared: &TypeDefinition) {
        let searched = declared.fields.iter().filter(|field| field.has("search"));
        // Stems are kept beside the words.
        let counted = searched.flat_map(|field| std::iter::repeat_n(field, 1 + usize::from(language(field).is_some())));
        let beyond = counted.clone().nth(FIELDS_MAX);
        if let Some(directive) = beyond.and_then(|field| field.directive("search")) {
            let name = &declared.name.value;
            let message = match counted.clone().any(|field| language(field).is_some()) {
                false => format!("more than {FIELDS_MAX} fields of `{name}` have `@search`"),
                true => format!(
                    "more than {FIELDS_MAX} fields of `{name}` have `@search`, each with a language counted as two"
                ),
            };
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(fault.hint("leave it out where nobody looks for words"));
        }
    }

    /// What a value holds has no index of words.
    pub(super) fn refuse_search_in_value(&mut self, owner: &TypeDefinition, field: &FieldDefinition) {
        if let Some(directive) = field.directive("search") {
            let message = format!("`{}` has no key, so its fields cannot be searched", owner.name.value);
            let hint = format!(
                "give `{0}` a key with @id, or copy the text to a field of the type that has the `{0}`, with @select(jq:)",
                owner.name.value
            );
            self.fault(Fault::at(directive.span.clone(), message).hint(hint));
        }
    }
}
