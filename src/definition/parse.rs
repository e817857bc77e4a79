//! From text to a `Definition`. Knows which of GraphQL's definitions make sense here; refuses the
//! others by name.

use std::collections::{HashMap, HashSet};

use apollo_compiler::{
    Name,
    ast::{self, Definition as Ast, DirectiveLocation, Type},
    diagnostic::ToCliReport,
    parser::Parser,
};

use super::{
    Definition, EnumDefinition, EnumValueDefinition, Fault, FieldDefinition, FieldType, SourceFile, Span, Spanned,
    TypeDefinition, did_you_mean,
    fault::in_file_order,
    files::{joined, with_starts},
    values::{directives, span},
};
use crate::value::Scalar;

/// Bytes of a definition, all files together; a person's are far below.
pub(crate) const TEXT_MAX: usize = 1 << 20;
/// Tokens of a definition, and nesting of its values: bounds for the parser's memory and stack.
const TOKENS_MAX: usize = 200_000;
const NESTING_MAX: usize = 64;
/// Syntax errors that are told: of a file that is no definition nearly every word is one.
const SYNTAX_FAULTS_MAX: usize = 20;

/// Reads what can be read, so that the rules of the catalog can be checked too when there are
/// faults already.
///
/// Nothing is read when a file has syntax errors: what follows one is guesswork.
pub(crate) fn parse_partly(files: &[SourceFile]) -> (Option<Definition>, Vec<Fault>) {
    let text = joined(files);
    if text.len() > TEXT_MAX {
        let message = format!("the definition is larger than {TEXT_MAX} bytes");
        return (None, vec![Fault::at(0..0, message)]);
    }
    // Each file by itself first: a brace that one leaves open must not swallow the next.
    let broken: Vec<Fault> = with_starts(files)
        .flat_map(|(start, file)| syntax_of(file, start))
        .collect();
    if !broken.is_empty() {
        return (None, first_of(broken));
    }
    let document = match parser().parse_ast(text.as_str(), "definition") {
        Ok(document) => document,
        Err(broken) => return (None, first_of(syntax_faults(&broken.errors, &text))),
    };
    let mut reader = Reader::new(&document, &text);
    document
        .definitions
        .iter()
        .for_each(|definition| reader.read(definition));
    reader.check_names();
    (Some(reader.definition), in_file_order(reader.faults))
}

fn parser() -> Parser {
    Parser::new().token_limit(TOKENS_MAX).recursion_limit(NESTING_MAX)
}

/// The syntax errors of a file that begins at `start` of the definition's text.
fn syntax_of(file: &SourceFile, start: usize) -> Vec<Fault> {
    let Err(broken) = parser().parse_ast(file.text.as_str(), &file.path) else {
        return Vec::new();
    };
    let mut faults = syntax_faults(&broken.errors, &file.text);
    for fault in &mut faults {
        fault.span = fault.span.take().map(|span| span.start + start..span.end + start);
    }
    faults
}

fn syntax_faults(errors: &apollo_compiler::validation::DiagnosticList, text: &str) -> Vec<Fault> {
    let faults = errors.iter().map(|diagnostic| {
        let at = diagnostic.error.location().map_or(text.len()..text.len(), |location| {
            location.offset()..location.end_offset()
        });
        let message = diagnostic.error.to_string();
        let message = message.strip_prefix("syntax error: ").unwrap_or(&message);
        if message == "Unexpected <EOF>." {
            return Fault::at(at, "the file holds no definition")
                .hint("declare a type, such as `type Item @fetch(…) { id: ID! }`");
        }
        Fault::at(at, format!("this is not GraphQL: {}", plainly(message)))
    });
    in_file_order(faults.collect())
}

/// The first faults of many; the last of them says how many are left out.
fn first_of(mut faults: Vec<Fault>) -> Vec<Fault> {
    let more = faults.len().saturating_sub(SYNTAX_FAULTS_MAX);
    faults.truncate(SYNTAX_FAULTS_MAX);
    if let Some(last) = faults.last_mut().filter(|_| more > 0) {
        let noun = if more == 1 { "fault is" } else { "faults are" };
        last.hint = Some(format!(
            "{more} more {noun} not shown; is this a definition? It is GraphQL text, such as `type Item {{ id: ID! }}`"
        ));
    }
    faults
}

/// The parser's names of tokens, as they are written.
fn plainly(message: &str) -> String {
    const TOKENS: [(&str, &str); 10] = [
        ("L_CURLY", "`{`"),
        ("R_CURLY", "`}`"),
        ("L_PAREN", "`(`"),
        ("R_PAREN", "`)`"),
        ("L_BRACK", "`[`"),
        ("R_BRACK", "`]`"),
        ("COLON", "`:`"),
        ("BANG", "`!`"),
        ("EOF", "the end"),
        ("EQ", "`=`"),
    ];
    let plain = TOKENS
        .iter()
        .fold(message.to_owned(), |text, (token, sign)| text.replace(token, sign));
    plain.trim_end_matches('.').to_owned()
}

struct Reader<'d> {
    text: &'d str,
    definition: Definition,
    faults: Vec<Fault>,
    /// Names of all types that the document declares, also of kinds that are refused.
    declared: HashSet<&'d str>,
    /// The kinds that are refused: fields of such a type are not reported again.
    refused: HashSet<&'d str>,
}

impl<'d> Reader<'d> {
    fn new(document: &'d ast::Document, text: &'d str) -> Reader<'d> {
        let mut declared = HashSet::new();
        let mut refused = HashSet::new();
        for definition in &document.definitions {
            let Some(name) = definition.name() else { continue };
            match definition {
                Ast::ObjectTypeDefinition(_) | Ast::EnumTypeDefinition(_) => declared.insert(name.as_str()),
                _ => refused.insert(name.as_str()),
            };
        }
        Reader {
            text,
            definition: Definition {
                text: text.to_owned(),
                ..Definition::default()
            },
            faults: Vec::new(),
            declared,
            refused,
        }
    }

    fn read(&mut self, definition: &Ast) {
        match definition {
            Ast::ObjectTypeDefinition(object) => self.object(object),
            Ast::EnumTypeDefinition(values) => self.enumeration(values),
            Ast::SchemaExtension(extension) => {
                let (sources, _) = directives(&extension.directives, DirectiveLocation::Schema, &mut self.faults);
                self.definition.sources.extend(sources);
                for operation in &extension.root_operations {
                    let at = span(operation.location());
                    self.refuse(at, "root types are made by Hayloft", "leave the operation out");
                }
            }
            other => self.refuse_definition(other),
        }
    }

    fn refuse(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::at(at, message).hint(hint));
    }

    fn refuse_definition(&mut self, definition: &Ast) {
        let at = definition
            .name()
            .map_or_else(|| first_word(definition), |name| span(name.location()));
        let name = definition.name().map_or("", |name| name.as_str());
        let (message, hint) = match definition {
            Ast::ScalarTypeDefinition(_) if Scalar::from_name(name).is_some() => {
                (format!("`{name}` is built in"), "remove this line")
            }
            Ast::ScalarTypeDefinition(_) => (
                format!("own scalars such as `{name}` are not supported"),
                "use one of the built-in scalars, for example String or JSON",
            ),
            Ast::InterfaceTypeDefinition(_) => (
                "interfaces are not supported".to_owned(),
                "write the fields in each type",
            ),
            Ast::UnionTypeDefinition(_) => (
                "unions are not supported".to_owned(),
                "make one type with the fields of all",
            ),
            Ast::InputObjectTypeDefinition(_) => (
                "input types are made by Hayloft".to_owned(),
                "a definition has types and enums only; remove it",
            ),
            Ast::DirectiveDefinition(_) => (
                format!("`@{name}` cannot be declared here"),
                "the directives are built in; remove the declaration",
            ),
            Ast::SchemaDefinition(_) => (
                "the schema's root types are made by Hayloft".to_owned(),
                "write `extend schema @source(…)`",
            ),
            Ast::OperationDefinition(_) | Ast::FragmentDefinition(_) => (
                "this is a query, not a definition".to_owned(),
                "ask it at the served /graphql",
            ),
            _ => (
                format!("`extend` of `{name}` is not supported"),
                "write it where the type is declared",
            ),
        };
        self.refuse(at, message, hint);
    }

    fn object(&mut self, object: &apollo_compiler::Node<ast::ObjectTypeDefinition>) {
        for interface in &object.implements_interfaces {
            self.refuse(
                span(interface.location()),
                "interfaces are not supported",
                "leave `implements` out",
            );
        }
        let (directives, _) = directives(&object.directives, DirectiveLocation::Object, &mut self.faults);
        if object.fields.is_empty() {
            self.refuse(
                span(object.name.location()),
                format!("`{}` has no fields", object.name),
                "give it some",
            );
        }
        let mut fields: Vec<FieldDefinition> = Vec::new();
        for field in &object.fields {
            if fields.iter().any(|other| other.name.value == field.name.as_str()) {
                let at = span(field.name.location());
                self.refuse(
                    at,
                    format!("`{}.{}` is declared twice", object.name, field.name),
                    "rename or remove one",
                );
                continue;
            }
            let field = self.field(field);
            fields.push(field);
        }
        self.definition.types.push(TypeDefinition {
            name: spanned(&object.name),
            description: object.description.as_ref().map(|text| text.to_string()),
            directives,
            fields,
        });
    }

    fn field(&mut self, field: &ast::FieldDefinition) -> FieldDefinition {
        let (directives, mut broken) =
            directives(&field.directives, DirectiveLocation::FieldDefinition, &mut self.faults);
        if let Some(argument) = field.arguments.first() {
            let at = span(argument.location());
            self.refuse(
                at,
                "fields take no arguments here",
                "lists get their arguments when they are served; leave them out",
            );
            broken = true;
        }
        let ty = field_type(&field.ty, self.text);
        let name = field.ty.inner_named_type().as_str();
        if matches!(&field.ty, Type::List(item) | Type::NonNullList(item) if item.is_list()) {
            self.refuse(
                ty.span.clone(),
                "lists of lists are not supported",
                "use JSON, or make the inner list a type",
            );
            broken = true;
        }
        if !self.declared.contains(name) && Scalar::from_name(name).is_none() {
            if !self.refused.contains(name) {
                let fault = self.no_such_type(name, span(field.ty.inner_named_type().location()));
                self.faults.push(fault);
            }
            broken = true;
        }
        FieldDefinition {
            name: spanned(&field.name),
            description: field.description.as_ref().map(|text| text.to_string()),
            ty,
            directives,
            broken,
        }
    }

    fn no_such_type(&self, name: &str, at: Span) -> Fault {
        let mut names: Vec<&str> = self.declared.iter().copied().collect();
        names.extend(Scalar::ALL.map(Scalar::name));
        let fault = Fault::at(at, format!("there is no type `{name}`"));
        match did_you_mean(name, names) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("declare `type {name} {{ … }}`, or use a built-in scalar")),
        }
    }

    fn enumeration(&mut self, declared: &ast::EnumTypeDefinition) {
        let (_, _) = directives(&declared.directives, DirectiveLocation::Enum, &mut self.faults);
        if declared.values.is_empty() {
            self.refuse(
                span(declared.name.location()),
                format!("`{}` has no values", declared.name),
                "give it some",
            );
        }
        let mut values: Vec<EnumValueDefinition> = Vec::new();
        for value in &declared.values {
            if values.iter().any(|other| other.name.value == value.value.as_str()) {
                let at = span(value.value.location());
                self.refuse(
                    at,
                    format!("`{}.{}` is declared twice", declared.name, value.value),
                    "remove one",
                );
                continue;
            }
            let (directives, _) = directives(&value.directives, DirectiveLocation::EnumValue, &mut self.faults);
            values.push(EnumValueDefinition {
                name: spanned(&value.value),
                description: value.description.as_ref().map(|text| text.to_string()),
                directives,
            });
        }
        self.definition.enums.push(EnumDefinition {
            name: spanned(&declared.name),
            description: declared.description.as_ref().map(|text| text.to_string()),
            values,
        });
    }

    /// Drops all but the first type of each name, and those with the name of a scalar.
    fn check_names(&mut self) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        let faults = &mut self.faults;
        let mut fresh = |name: &Spanned<String>| {
            if Scalar::from_name(&name.value).is_some() {
                let message = format!("`{}` is a built-in scalar", name.value);
                faults.push(Fault::at(name.span.clone(), message).hint("choose another name"));
                return false;
            }
            let Some(first) = seen.get(&name.value) else {
                seen.insert(name.value.clone(), name.span.clone());
                return true;
            };
            let fault = Fault::at(name.span.clone(), format!("`{}` is declared twice", name.value));
            let fault = fault.beside(first.clone(), "the first is here");
            faults.push(fault.hint("rename or remove one"));
            false
        };
        self.definition.types.retain(|declared| fresh(&declared.name));
        self.definition.enums.retain(|declared| fresh(&declared.name));
    }
}

fn spanned(name: &Name) -> Spanned<String> {
    Spanned {
        value: name.to_string(),
        span: span(name.location()),
    }
}

/// Where a definition without a name begins: its first line.
fn first_word(definition: &Ast) -> Span {
    let whole = span(definition.location());
    whole.start..(whole.start + "schema".len()).min(whole.end.max(whole.start))
}

fn field_type(ty: &Type, text: &str) -> FieldType {
    let name = ty.inner_named_type();
    let inner = span(name.location());
    // Names have places, brackets have not: take those around the name.
    let before = text.get(..inner.start).unwrap_or("");
    let after = text.get(inner.end..).unwrap_or("");
    let start = before.trim_end_matches(['[', ' ']).len();
    let start = if ty.is_list() {
        before[start..].find('[').map_or(inner.start, |at| start + at)
    } else {
        inner.start
    };
    let marks = after.len() - after.trim_start_matches([']', '!']).len();
    FieldType {
        name: name.to_string(),
        span: start..inner.end + marks,
        required: ty.is_non_null(),
        list: match ty {
            Type::List(item) | Type::NonNullList(item) => Some(item.is_non_null()),
            Type::Named(_) | Type::NonNullNamed(_) => None,
        },
    }
}
