//! Applied directives against the vocabulary: places, arguments, values. Knows GraphQL's input
//! rules; knows no meaning.

use apollo_compiler::{
    Name, Node,
    ast::{self, DirectiveDefinition, DirectiveLocation, InputValueDefinition, Type, Value},
    parser::SourceSpan,
};

use super::{
    Directive, Fault, Literal, LiteralKind, Span, Spanned, reserved,
    suggest::did_you_mean,
    vocabulary::{Vocabulary, vocabulary},
};

/// The byte range of a parsed thing.
pub(super) fn span(location: Option<SourceSpan>) -> Span {
    location.map_or(0..0, |location| location.offset()..location.end_offset())
}

/// Reads the directives at one place; those that do not exist are reported and left out.
pub(super) fn directives(
    list: &ast::DirectiveList,
    place: DirectiveLocation,
    faults: &mut Vec<Fault>,
) -> (Vec<Directive>, bool) {
    let mut found: Vec<Directive> = Vec::new();
    let mut broken = false;
    for directive in &list.0 {
        let known = vocabulary()
            .directive(&directive.name)
            .filter(|known| known.locations.contains(&place));
        let Some(known) = known else {
            faults.push(no_such_directive(directive, place));
            broken = true;
            continue;
        };
        if !known.repeatable && found.iter().any(|other| other.name == directive.name.as_str()) {
            faults.push(
                Fault::at(
                    span(directive.location()),
                    format!("`@{}` is written twice here", directive.name),
                )
                .hint("keep one of them"),
            );
            continue;
        }
        let read = Reader {
            faults,
            directive: directive.name.as_str(),
            broken: false,
        }
        .read(directive, known);
        broken |= read.broken;
        found.push(read);
    }
    (found, broken)
}

fn no_such_directive(directive: &Node<ast::Directive>, place: DirectiveLocation) -> Fault {
    let name = &directive.name;
    let at = span(directive.name.location());
    // The name's own span leaves the `@` out.
    let at = at.start.saturating_sub(1)..at.end;
    if let Some(hint) = reserved::way_out(&format!("@{name}")) {
        return Fault::at(at, format!("`@{name}` is not supported in this version")).hint(hint);
    }
    if let Some(hint) = reserved::way_out(&format!("@{name} on {}", place.name())) {
        return Fault::at(
            at,
            format!("`@{name}` on {} is not supported in this version", described(place)),
        )
        .hint(hint);
    }
    if let Some(known) = vocabulary().directive(name) {
        let places: Vec<&str> = known.locations.iter().map(|place| described(*place)).collect();
        return Fault::at(at, format!("`@{name}` cannot stand on {}", described(place)))
            .label(format!("belongs on {}", places.join(" or ")));
    }
    let names = vocabulary().directives.iter().map(|known| known.name.as_str());
    let fault = Fault::at(at, format!("there is no directive `@{name}`"));
    match did_you_mean(name, names) {
        Some(near) => fault.hint(format!("did you mean `@{near}`?")),
        None => fault.hint("`hayloft directives` prints those that exist"),
    }
}

fn described(place: DirectiveLocation) -> &'static str {
    match place {
        DirectiveLocation::Schema => "the schema (`extend schema …`)",
        DirectiveLocation::Object => "a type",
        DirectiveLocation::FieldDefinition => "a field",
        DirectiveLocation::Enum => "an enum",
        DirectiveLocation::EnumValue => "an enum value",
        other => other.name(),
    }
}

struct Reader<'f, 'n> {
    faults: &'f mut Vec<Fault>,
    directive: &'n str,
    broken: bool,
}

impl Reader<'_, '_> {
    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
        self.broken = true;
    }

    fn read(mut self, directive: &Node<ast::Directive>, known: &DirectiveDefinition) -> Directive {
        let place = format!("@{}", self.directive);
        let given: Vec<(&Name, &Node<Value>)> = directive
            .arguments
            .iter()
            .map(|argument| (&argument.name, &argument.value))
            .collect();
        let whole = span(directive.location());
        let arguments = self.members(&place, &given, &known.arguments, whole.clone());
        Directive {
            name: directive.name.to_string(),
            span: whole,
            arguments,
            broken: self.broken,
        }
    }

    /// Checks the arguments of a directive, or the members of an input object.
    fn members(
        &mut self,
        place: &str,
        given: &[(&Name, &Node<Value>)],
        known: &[Node<InputValueDefinition>],
        whole: Span,
    ) -> Vec<(Spanned<String>, Literal)> {
        let mut found: Vec<(Spanned<String>, Literal)> = Vec::new();
        for (name, value) in given {
            let at = span(name.location());
            let Some(definition) = known.iter().find(|definition| definition.name == **name) else {
                let fault = no_such_member(place, name, at, known);
                self.fault(fault);
                continue;
            };
            if found.iter().any(|(other, _)| other.value == name.as_str()) {
                self.fault(Fault::at(at, format!("`{name}` is given twice")).hint("keep one of them"));
                continue;
            }
            // A null is as good as no argument, unless the argument is needed.
            if matches!(***value, Value::Null) && !definition.ty.is_non_null() {
                continue;
            }
            if let Some(literal) = self.value(&format!("{place}.{name}"), value, &definition.ty) {
                let name = Spanned {
                    value: name.to_string(),
                    span: at,
                };
                found.push((name, literal));
            }
        }
        for definition in known {
            let missing = definition.ty.is_non_null() && definition.default_value.is_none();
            if missing && !given.iter().any(|(name, _)| **name == definition.name) {
                let what = place.split('.').next_back().unwrap_or(place);
                self.fault(
                    Fault::at(whole.clone(), format!("`{what}` needs `{}`", definition.name))
                        .label(format!("`{}: …` is missing", definition.name)),
                );
            }
        }
        found
    }

    fn value(&mut self, place: &str, value: &Node<Value>, ty: &Type) -> Option<Literal> {
        let at = span(value.location());
        if let Type::List(item) | Type::NonNullList(item) = ty {
            let items: Vec<&Node<Value>> = match &**value {
                Value::List(items) => items.iter().collect(),
                _ => vec![value],
            };
            let items: Vec<Option<Literal>> = items.into_iter().map(|value| self.value(place, value, item)).collect();
            let kind = LiteralKind::List(items.into_iter().collect::<Option<Vec<Literal>>>()?);
            return Some(Literal { kind, span: at });
        }
        let name = ty.inner_named_type().as_str();
        if let (Some(members), Value::Object(given)) = (vocabulary().input(name), &**value) {
            let given: Vec<(&Name, &Node<Value>)> = given.iter().map(|(name, value)| (name, value)).collect();
            let members = self.members(place, &given, members, at.clone());
            return Some(Literal {
                kind: LiteralKind::Object(members),
                span: at,
            });
        }
        if let ("Conditions", Value::Object(_)) = (name, &**value) {
            let read = any(value, Any::Conditions);
            if read.is_none() {
                let fault = Fault::at(at, format!("`{}` holds a null or a variable", last(place)));
                self.fault(fault.hint("write the values themselves, and `isNull` for null"));
            }
            return read;
        }
        if name == "Body" {
            let read = any(value, Any::Body);
            if read.is_none() {
                let fault = Fault::at(
                    at,
                    format!("`{}` holds a variable, or a number that is too large", last(place)),
                );
                self.fault(fault.hint("write a placeholder in quotes, such as \"{$page}\", and a large number, too"));
            }
            return read;
        }
        match leaf(vocabulary(), name, value) {
            Some(kind) => Some(Literal { kind, span: at }),
            None => {
                let fault = misfit(place, name, value, at);
                self.fault(fault);
                None
            }
        }
    }
}

/// What a value of any kind is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Any {
    /// Without nulls.
    Conditions,
    /// JSON: a number that would lose digits is refused.
    Body,
}

/// A value whatever it is, but for variables.
fn any(value: &Node<Value>, of: Any) -> Option<Literal> {
    let any = |value: &Node<Value>| any(value, of);
    let kind = match &**value {
        Value::Int(number) => match number.as_str().parse() {
            Ok(int) => LiteralKind::Int(int),
            Err(_) if of == Any::Body => return None,
            Err(_) => LiteralKind::Float(number.as_str().parse().ok()?),
        },
        Value::Float(number) => {
            let number: f64 = number.as_str().parse().ok()?;
            LiteralKind::Float(Some(number).filter(|number| of == Any::Conditions || number.is_finite())?)
        }
        Value::Null if of == Any::Body => LiteralKind::Null,
        Value::Boolean(value) => LiteralKind::Boolean(*value),
        Value::String(text) => LiteralKind::Text(text.clone()),
        Value::Enum(name) => LiteralKind::Enum(name.to_string()),
        Value::List(items) => LiteralKind::List(items.iter().map(any).collect::<Option<_>>()?),
        Value::Object(members) => {
            let member = |(name, value): &(Name, Node<Value>)| {
                let name = Spanned {
                    value: name.to_string(),
                    span: span(name.location()),
                };
                Some((name, any(value)?))
            };
            LiteralKind::Object(members.iter().map(member).collect::<Option<_>>()?)
        }
        Value::Null | Value::Variable(_) => return None,
    };
    Some(Literal {
        kind,
        span: span(value.location()),
    })
}

fn last(place: &str) -> &str {
    place.split('.').next_back().unwrap_or(place)
}

fn leaf(vocabulary: &Vocabulary, ty: &str, value: &Value) -> Option<LiteralKind> {
    match (ty, value) {
        ("Int", Value::Int(int)) => int.as_str().parse().ok().map(LiteralKind::Int),
        ("Float", Value::Int(number)) => number.as_str().parse().ok().map(LiteralKind::Float),
        ("Float", Value::Float(number)) => number.as_str().parse().ok().map(LiteralKind::Float),
        ("Boolean", Value::Boolean(value)) => Some(LiteralKind::Boolean(*value)),
        ("String", Value::String(text)) => Some(LiteralKind::Text(text.clone())),
        (_, Value::Enum(name)) => {
            let values = vocabulary.enumeration(ty)?;
            values
                .contains(&name.as_str())
                .then(|| LiteralKind::Enum(name.to_string()))
        }
        (custom, Value::String(text)) if vocabulary.scalars.iter().any(|scalar| scalar == custom) => {
            Some(LiteralKind::Text(text.clone()))
        }
        _ => None,
    }
}

fn no_such_member(place: &str, name: &str, at: Span, known: &[Node<InputValueDefinition>]) -> Fault {
    let what = place.replace('.', "(") + if place.contains('.') { ":)" } else { "" };
    if let Some(hint) = reserved::way_out(&format!("{place}.{name}")) {
        return Fault::at(at, format!("`{what}` with `{name}` is not supported in this version")).hint(hint);
    }
    let fault = Fault::at(at, format!("`{what}` has no `{name}`"));
    match did_you_mean(name, known.iter().map(|known| known.name.as_str())) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => fault.hint(format!("write `{what}` alone")),
        None => {
            let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            fault.hint(format!("it has {}", names.join(", ")))
        }
    }
}

fn misfit(place: &str, ty: &str, value: &Value, at: Span) -> Fault {
    let argument = place.split('.').next_back().unwrap_or(place);
    if let Value::Enum(name) = value
        && let Some(hint) = reserved::way_out(&format!("{place}.{name}"))
    {
        return Fault::at(at, format!("`{argument}: {name}` is not supported in this version")).hint(hint);
    }
    let expected = match ty {
        "Int" => "a whole number".to_owned(),
        "Float" => "a number".to_owned(),
        "Boolean" => "true or false".to_owned(),
        "String" => "a text in quotes".to_owned(),
        "Jq" => "a jq filter in quotes, such as \".items[]\"".to_owned(),
        "Interval" => "a time in quotes, such as \"30m\"".to_owned(),
        "Rate" => "a rate in quotes, such as \"20/s\"".to_owned(),
        "Conditions" => "conditions in braces, such as {kind: {eq: \"A\"}}".to_owned(),
        "Cron" => "a cron expression in quotes, such as \"0 6 * * *\"".to_owned(),
        _ => match (vocabulary().enumeration(ty), vocabulary().input(ty)) {
            (Some(values), _) => format!("one of {}", values.join(", ")),
            (_, Some(members)) => {
                let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
                format!("{{…}} with {}", names.join(", "))
            }
            _ => "a text in quotes".to_owned(),
        },
    };
    let fault = Fault::at(at, format!("`{argument}` does not fit")).label(format!("expected {expected}"));
    match (value, vocabulary().enumeration(ty)) {
        (Value::Enum(name), Some(values)) => match did_you_mean(name, values) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        },
        _ => fault,
    }
}
