//! The supported directives, read from `directives.graphql`. Knows GraphQL's type system; knows no
//! meaning.

use std::sync::LazyLock;

use apollo_compiler::{
    Node,
    ast::{
        self, Definition as Ast, DirectiveDefinition, EnumTypeDefinition, InputObjectTypeDefinition,
        InputValueDefinition,
    },
};

/// The SDL of every directive, argument type and scalar: what `hayloft directives` prints.
pub const DIRECTIVES: &str = include_str!("directives.graphql");

/// GraphQL's own directive that applies to definitions; editors know it already, so it is not in
/// the file.
const BUILTIN: &str =
    "directive @deprecated(reason: String = \"No longer supported\") on FIELD_DEFINITION | ENUM_VALUE";

pub(super) struct Vocabulary {
    pub directives: Vec<Node<DirectiveDefinition>>,
    pub inputs: Vec<Node<InputObjectTypeDefinition>>,
    pub enums: Vec<Node<EnumTypeDefinition>>,
    /// Custom scalars, those of arguments and those of data.
    pub scalars: Vec<String>,
}

/// The vocabulary. The texts are constants that a test parses, so that an empty answer never
/// happens.
pub(super) fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
        let mut found = Vocabulary {
            directives: Vec::new(),
            inputs: Vec::new(),
            enums: Vec::new(),
            scalars: Vec::new(),
        };
        for text in [DIRECTIVES, BUILTIN] {
            let document = match ast::Document::parse(text, "directives.graphql") {
                Ok(document) => document,
                Err(broken) => broken.partial,
            };
            document
                .definitions
                .iter()
                .for_each(|definition| found.take(definition));
        }
        found
    });
    &VOCABULARY
}

impl Vocabulary {
    fn take(&mut self, definition: &Ast) {
        match definition {
            Ast::DirectiveDefinition(directive) => self.directives.push(directive.clone()),
            Ast::InputObjectTypeDefinition(input) => self.inputs.push(input.clone()),
            Ast::EnumTypeDefinition(values) => self.enums.push(values.clone()),
            Ast::ScalarTypeDefinition(scalar) => self.scalars.push(scalar.name.to_string()),
            _ => {}
        }
    }

    pub(super) fn directive(&self, name: &str) -> Option<&DirectiveDefinition> {
        self.directives
            .iter()
            .find(|directive| directive.name == name)
            .map(|directive| &**directive)
    }

    pub(super) fn input(&self, name: &str) -> Option<&[Node<InputValueDefinition>]> {
        self.inputs
            .iter()
            .find(|input| input.name == name)
            .map(|input| &input.fields[..])
    }

    pub(super) fn enumeration(&self, name: &str) -> Option<Vec<&str>> {
        let found = self.enums.iter().find(|values| values.name == name)?;
        Some(found.values.iter().map(|value| value.value.as_str()).collect())
    }
}

/// A directive with its arguments, for the reference page.
pub struct Entry {
    pub directive: String,
    pub arguments: Vec<String>,
}

/// Every supported directive; members of input objects follow the argument that takes them, as
/// `pages.next`.
pub fn entries() -> Vec<Entry> {
    let vocabulary = vocabulary();
    let arguments = |definition: &DirectiveDefinition| {
        let mut names = Vec::new();
        for argument in &definition.arguments {
            names.push(argument.name.to_string());
            let members = vocabulary.input(argument.ty.inner_named_type()).unwrap_or_default();
            names.extend(
                members
                    .iter()
                    .map(|member| format!("{}.{}", argument.name, member.name)),
            );
        }
        names
    };
    let directives = vocabulary.directives.iter();
    directives
        .map(|definition| Entry {
            directive: definition.name.to_string(),
            arguments: arguments(definition),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Scalar;

    #[test]
    fn the_file_parses_and_names_every_scalar() {
        assert!(ast::Document::parse(DIRECTIVES, "directives.graphql").is_ok());
        assert!(ast::Document::parse(BUILTIN, "builtin.graphql").is_ok());
        let custom = Scalar::ALL.into_iter().filter(|scalar| !scalar.is_builtin());
        for scalar in custom {
            assert!(
                vocabulary().scalars.iter().any(|name| name == scalar.name()),
                "{scalar}"
            );
        }
    }

    #[test]
    fn everything_is_described() {
        for directive in &vocabulary().directives {
            let described = directive.description.is_some() || directive.name == "deprecated";
            assert!(described, "@{}", directive.name);
        }
        assert!(
            entries()
                .iter()
                .any(|entry| entry.arguments.contains(&"pages.next".to_owned()))
        );
    }

    #[test]
    fn nothing_is_both_supported_and_reserved() {
        for entry in entries() {
            let directive = format!("@{}", entry.directive);
            assert_eq!(super::super::reserved::way_out(&directive), None);
            for argument in entry.arguments {
                assert_eq!(
                    super::super::reserved::way_out(&format!("{directive}.{argument}")),
                    None
                );
            }
        }
    }
}
