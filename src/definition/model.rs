//! What a definition says, with the place of each word. Knows no rules beyond GraphQL's and the
//! vocabulary's.

use std::ops::Range;

/// A byte range of the definition's text.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// One definition file, read.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    pub text: String,
    /// The `@source` directives of `extend schema`.
    pub sources: Vec<Directive>,
    pub types: Vec<TypeDefinition>,
    pub enums: Vec<EnumDefinition>,
}

/// An object type.
#[derive(Clone, Debug)]
pub struct TypeDefinition {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub directives: Vec<Directive>,
    pub fields: Vec<FieldDefinition>,
}

/// A field of an object type.
#[derive(Clone, Debug)]
pub struct FieldDefinition {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub ty: FieldType,
    pub directives: Vec<Directive>,
    /// A fault was already reported about it: what follows from it is not worth reporting too.
    pub broken: bool,
}

/// `Name`, `Name!`, `[Name!]!` and the like.
#[derive(Clone, Debug)]
pub struct FieldType {
    /// The innermost name.
    pub name: String,
    /// The whole type, brackets included.
    pub span: Span,
    pub required: bool,
    /// For a list: whether its items are `!`.
    pub list: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct EnumDefinition {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub values: Vec<EnumValueDefinition>,
}

#[derive(Clone, Debug)]
pub struct EnumValueDefinition {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub directives: Vec<Directive>,
}

/// A directive whose arguments fit the vocabulary, but for those left out with `broken` set.
#[derive(Clone, Debug)]
pub struct Directive {
    pub name: String,
    /// The whole directive, arguments included.
    pub span: Span,
    pub arguments: Vec<(Spanned<String>, Literal)>,
    /// A fault was already reported about it.
    pub broken: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    pub kind: LiteralKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LiteralKind {
    Text(String),
    Int(i64),
    Float(f64),
    Boolean(bool),
    /// Only in a value that may be any JSON; elsewhere it is as if nothing was given.
    Null,
    Enum(String),
    List(Vec<Literal>),
    Object(Vec<(Spanned<String>, Literal)>),
}

impl TypeDefinition {
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        named(&self.directives, name)
    }

    pub fn field(&self, name: &str) -> Option<&FieldDefinition> {
        self.fields.iter().find(|field| field.name.value == name)
    }
}

impl FieldDefinition {
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        named(&self.directives, name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.directive(name).is_some()
    }
}

impl EnumValueDefinition {
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        named(&self.directives, name)
    }
}

fn named<'a>(directives: &'a [Directive], name: &str) -> Option<&'a Directive> {
    directives.iter().find(|directive| directive.name == name)
}

impl Directive {
    /// The value of an argument, if it is given.
    pub fn argument(&self, name: &str) -> Option<&Literal> {
        lookup(&self.arguments, name)
    }

    /// A text argument.
    pub fn text(&self, name: &str) -> Option<Spanned<&str>> {
        self.argument(name)?.as_text()
    }
}

impl Literal {
    pub fn as_text(&self) -> Option<Spanned<&str>> {
        match &self.kind {
            LiteralKind::Text(text) | LiteralKind::Enum(text) => Some(Spanned {
                value: text,
                span: self.span.clone(),
            }),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self.kind {
            LiteralKind::Int(int) => Some(int),
            _ => None,
        }
    }

    pub fn as_float(&self) -> Option<f64> {
        match self.kind {
            LiteralKind::Int(int) => Some(int as f64),
            LiteralKind::Float(float) => Some(float),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            LiteralKind::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The value as it is written, in one line.
    pub fn shown(&self) -> String {
        let listed = |parts: Vec<String>| parts.join(", ");
        match &self.kind {
            LiteralKind::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            LiteralKind::Enum(name) => name.clone(),
            LiteralKind::Int(number) => number.to_string(),
            LiteralKind::Float(number) => number.to_string(),
            LiteralKind::Boolean(value) => value.to_string(),
            LiteralKind::Null => "null".to_owned(),
            LiteralKind::List(items) => format!("[{}]", listed(items.iter().map(Literal::shown).collect())),
            LiteralKind::Object(members) => {
                let member = |(name, value): &(Spanned<String>, Literal)| format!("{}: {}", name.value, value.shown());
                format!("{{{}}}", listed(members.iter().map(member).collect()))
            }
        }
    }

    /// The items of a list; a single value counts as a list of one, as in GraphQL.
    pub fn items(&self) -> &[Literal] {
        match &self.kind {
            LiteralKind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// A member of an input object.
    pub fn member(&self, name: &str) -> Option<&Literal> {
        match &self.kind {
            LiteralKind::Object(members) => lookup(members, name),
            _ => None,
        }
    }
}

fn lookup<'a>(pairs: &'a [(Spanned<String>, Literal)], name: &str) -> Option<&'a Literal> {
    pairs.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
}
