//! `__schema` and `__type`: the served schema as GraphQL itself describes schemas. Knows types,
//! fields and directives; no rows.
//!
//! apollo-compiler has an executor for this, which does not know `isOneOf`.

use apollo_compiler::{
    ast::{DirectiveDefinition, DirectiveList, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type},
    executable::{Field, SelectionSet},
    introspection,
    schema::ExtendedType,
};
use serde_json::{Map, Value as Json};

use super::{Planner, internal, select::first};
use crate::graphql::{ApiError, Code};

/// Why a field is deprecated when nobody says why.
const DEPRECATED: &str = "No longer supported";

/// Something that has fields in an introspection.
#[derive(Clone)]
enum Meta<'s> {
    Schema,
    Type(&'s ExtendedType),
    /// A list, or what is never null.
    Wrapped(Type),
    Field(&'s FieldDefinition),
    Input(&'s InputValueDefinition),
    EnumValue(&'s EnumValueDefinition),
    Directive(&'s DirectiveDefinition),
}

/// The value of one of its fields.
enum Found<'s> {
    Leaf(Json),
    One(Option<Meta<'s>>),
    Many(Vec<Meta<'s>>),
}

impl<'s> Found<'s> {
    const NULL: Found<'s> = Found::Leaf(Json::Null);

    fn text(text: Option<&str>) -> Found<'s> {
        Found::Leaf(text.into())
    }
}

impl Meta<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Meta::Schema => "__Schema",
            Meta::Type(_) | Meta::Wrapped(_) => "__Type",
            Meta::Field(_) => "__Field",
            Meta::Input(_) => "__InputValue",
            Meta::EnumValue(_) => "__EnumValue",
            Meta::Directive(_) => "__Directive",
        }
    }
}

impl<'a> Planner<'a> {
    /// The answer to an introspecting root as JSON.
    pub(super) fn introspect(&self, fields: &[&'a Field]) -> Result<String, ApiError> {
        let sources = &self.document.sources;
        introspection::check_max_depth(self.document, self.operation)
            .map_err(|error| ApiError::from_request(Code::TooComplex, &error, sources))?;
        let field = first(fields)?;
        let found = match field.name.as_str() {
            "__schema" => Some(Meta::Schema),
            _ => {
                let name = self.argument(field, "name");
                let name = name.as_ref().and_then(|name| name.as_text());
                name.and_then(|name| self.type_named(name))
            }
        };
        let json = match found {
            Some(meta) => self.meta_object(&meta, fields)?,
            None => Json::Null,
        };
        Ok(json.to_string())
    }

    fn meta_object(&self, meta: &Meta<'a>, fields: &[&'a Field]) -> Result<Json, ApiError> {
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let mut members = Map::new();
        for (key, fields) in self.collect(meta.type_name(), &sets) {
            let field = first(&fields)?;
            let value = match self.meta_member(meta, field)? {
                Found::Leaf(json) => json,
                Found::One(None) => Json::Null,
                Found::One(Some(meta)) => self.meta_object(&meta, &fields)?,
                Found::Many(all) => {
                    let all = all.iter().map(|meta| self.meta_object(meta, &fields));
                    Json::Array(all.collect::<Result<_, _>>()?)
                }
            };
            members.insert(key.to_owned(), value);
        }
        Ok(Json::Object(members))
    }

    fn meta_member(&self, meta: &Meta<'a>, field: &'a Field) -> Result<Found<'a>, ApiError> {
        let name = field.name.as_str();
        if name == "__typename" {
            return Ok(Found::text(Some(meta.type_name())));
        }
        let found = match meta {
            Meta::Schema => self.of_schema(name),
            Meta::Type(found) => self.of_type(found, field),
            Meta::Wrapped(found) => self.of_wrapped(found, name),
            Meta::Field(found) => match name {
                "name" => Some(Found::text(Some(found.name.as_str()))),
                "description" => Some(Found::text(found.description.as_deref())),
                "args" => Some(self.inputs(&found.arguments, field)),
                "type" => Some(Found::One(self.type_of(&found.ty))),
                name => deprecation(&found.directives, name),
            },
            Meta::Input(found) => match name {
                "name" => Some(Found::text(Some(found.name.as_str()))),
                "description" => Some(Found::text(found.description.as_deref())),
                "type" => Some(Found::One(self.type_of(&found.ty))),
                "defaultValue" => {
                    let default = found.default_value.as_ref();
                    let text = default.map(|value| value.serialize().no_indent().to_string());
                    Some(Found::Leaf(text.into()))
                }
                name => deprecation(&found.directives, name),
            },
            Meta::EnumValue(found) => match name {
                "name" => Some(Found::text(Some(found.value.as_str()))),
                "description" => Some(Found::text(found.description.as_deref())),
                name => deprecation(&found.directives, name),
            },
            Meta::Directive(found) => match name {
                "name" => Some(Found::text(Some(found.name.as_str()))),
                "description" => Some(Found::text(found.description.as_deref())),
                "args" => Some(self.inputs(&found.arguments, field)),
                "locations" => {
                    let places = found.locations.iter();
                    Some(Found::Leaf(places.map(|place| Json::from(place.name())).collect()))
                }
                "isRepeatable" => Some(Found::Leaf(found.repeatable.into())),
                _ => None,
            },
        };
        found.ok_or_else(|| internal("an introspection field that the schema does not have"))
    }

    fn of_schema(&self, name: &str) -> Option<Found<'a>> {
        let schema = &self.served.schema;
        let roots = &schema.schema_definition;
        let root = |name: Option<&str>| Found::One(name.and_then(|name| self.type_named(name)));
        Some(match name {
            "description" => Found::text(roots.description.as_deref()),
            "types" => Found::Many(schema.types.values().map(Meta::Type).collect()),
            "directives" => {
                let all = schema.directive_definitions.values();
                Found::Many(all.map(|directive| Meta::Directive(directive)).collect())
            }
            "queryType" => root(roots.query.as_ref().map(|root| root.as_str())),
            "mutationType" => root(roots.mutation.as_ref().map(|root| root.as_str())),
            "subscriptionType" => root(roots.subscription.as_ref().map(|root| root.as_str())),
            _ => return None,
        })
    }

    fn of_type(&self, found: &'a ExtendedType, field: &'a Field) -> Option<Found<'a>> {
        Some(match (field.name.as_str(), found) {
            ("kind", _) => Found::text(Some(kind(found))),
            ("name", _) => Found::text(Some(found.name().as_str())),
            ("description", _) => Found::text(found.description().map(|text| text.as_str())),
            ("fields", ExtendedType::Object(object)) => {
                let all = self.shown(object.fields.values(), field, |field| &field.directives);
                Found::Many(all.map(|field| Meta::Field(field)).collect())
            }
            ("fields", ExtendedType::Interface(interface)) => {
                let all = self.shown(interface.fields.values(), field, |field| &field.directives);
                Found::Many(all.map(|field| Meta::Field(field)).collect())
            }
            ("interfaces", ExtendedType::Interface(interface)) => {
                let names = interface.implements_interfaces.iter();
                Found::Many(names.filter_map(|name| self.type_named(name)).collect())
            }
            ("possibleTypes", ExtendedType::Interface(interface)) => {
                let implements = |found: &&ExtendedType| match found {
                    ExtendedType::Object(object) => object.implements_interfaces.contains(&interface.name),
                    _ => false,
                };
                let all = self.served.schema.types.values().filter(implements);
                Found::Many(all.map(Meta::Type).collect())
            }
            ("interfaces", ExtendedType::Object(object)) => {
                let names = object.implements_interfaces.iter();
                Found::Many(names.filter_map(|name| self.type_named(name)).collect())
            }
            ("enumValues", ExtendedType::Enum(values)) => {
                let all = self.shown(values.values.values(), field, |value| &value.directives);
                Found::Many(all.map(|value| Meta::EnumValue(value)).collect())
            }
            ("inputFields", ExtendedType::InputObject(input)) => {
                let all = self.shown(input.fields.values(), field, |field| &field.directives);
                Found::Many(all.map(|field| Meta::Input(field)).collect())
            }
            ("isOneOf", ExtendedType::InputObject(input)) => Found::Leaf(input.directives.has("oneOf").into()),
            ("specifiedByURL", ExtendedType::Scalar(scalar)) => {
                let directive = scalar.directives.get("specifiedBy");
                let url = directive.and_then(|directive| directive.specified_argument_by_name("url"));
                Found::text(url.and_then(|url| url.as_str()))
            }
            // What the other kinds of types do not have. The served schema has no union.
            (
                "fields" | "interfaces" | "possibleTypes" | "enumValues" | "inputFields" | "ofType" | "isOneOf"
                | "specifiedByURL",
                _,
            ) => Found::NULL,
            _ => return None,
        })
    }

    fn of_wrapped(&self, found: &Type, name: &str) -> Option<Found<'a>> {
        Some(match name {
            "kind" if found.is_non_null() => Found::text(Some("NON_NULL")),
            "kind" => Found::text(Some("LIST")),
            "ofType" if found.is_non_null() => Found::One(self.type_of(&found.clone().nullable())),
            "ofType" => Found::One(self.type_of(found.item_type())),
            "name" | "description" | "fields" | "interfaces" | "possibleTypes" | "enumValues" | "inputFields"
            | "isOneOf" | "specifiedByURL" => Found::NULL,
            _ => return None,
        })
    }

    fn type_named(&self, name: &str) -> Option<Meta<'a>> {
        self.served.schema.types.get(name).map(Meta::Type)
    }

    fn type_of(&self, found: &Type) -> Option<Meta<'a>> {
        match found {
            Type::Named(name) => self.type_named(name),
            wrapped => Some(Meta::Wrapped(wrapped.clone())),
        }
    }

    fn inputs(&self, all: &'a [apollo_compiler::Node<InputValueDefinition>], field: &'a Field) -> Found<'a> {
        let shown = self.shown(all.iter(), field, |input| &input.directives);
        Found::Many(shown.map(|input| Meta::Input(input)).collect())
    }

    /// Without what is deprecated, unless `includeDeprecated` asks for that.
    fn shown<T>(
        &self,
        all: impl Iterator<Item = &'a T>,
        field: &'a Field,
        directives: impl Fn(&T) -> &DirectiveList,
    ) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        let argument = self.argument(field, "includeDeprecated");
        let deprecated = argument.and_then(|input| input.as_bool()).unwrap_or(false);
        all.filter(move |one| deprecated || !directives(one).has("deprecated"))
    }
}

fn kind(found: &ExtendedType) -> &'static str {
    match found {
        ExtendedType::Scalar(_) => "SCALAR",
        ExtendedType::Object(_) => "OBJECT",
        ExtendedType::Interface(_) => "INTERFACE",
        ExtendedType::Union(_) => "UNION",
        ExtendedType::Enum(_) => "ENUM",
        ExtendedType::InputObject(_) => "INPUT_OBJECT",
    }
}

fn deprecation<'s>(directives: &DirectiveList, name: &str) -> Option<Found<'s>> {
    let directive = directives.get("deprecated");
    match name {
        "isDeprecated" => Some(Found::Leaf(directive.is_some().into())),
        "deprecationReason" => Some(Found::text(directive.map(|directive| {
            let reason = directive.specified_argument_by_name("reason");
            reason.and_then(|reason| reason.as_str()).unwrap_or(DEPRECATED)
        }))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{response::JsonMap, validation::Valid};
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        graphql::{testing, testing::plan},
        query::RootValue,
    };

    fn answer(query: &str) -> Json {
        let (_, plan) = plan(query);
        let RootValue::Json(json) = &plan.read.roots[0].value else {
            panic!("rows in an introspection")
        };
        serde_json::from_str(json).expect("JSON")
    }

    /// The query of most clients, and what else the specification has.
    const WHOLE: &str = "{ __schema {
        description queryType { name } mutationType { name } subscriptionType { name kind __typename }
        types { ...T } directives { name description isRepeatable locations args { ...I } __typename }
    } }
    fragment T on __Type {
        kind name description specifiedByURL __typename
        fields { name } all: fields(includeDeprecated: true) { name description args { ...I } type { ...R } isDeprecated deprecationReason __typename }
        inputFields { ...I }
        interfaces { ...R } possibleTypes { ...R }
        enumValues { name } values: enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason __typename }
    }
    fragment I on __InputValue { name description type { ...R } defaultValue isDeprecated deprecationReason __typename }
    fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind name fields { name } isOf: specifiedByURL } } } }";

    #[test]
    fn as_apollo_compiler_has_it() {
        let catalog = testing::catalog();
        let served = crate::graphql::Served::of(&catalog).expect("the farm's schema");
        let admitted =
            crate::graphql::gate::admit(&served, &crate::graphql::Limits::default(), WHOLE).expect("a good query");
        let document = &admitted.document;
        let operation = document.operations.get(None).expect("one operation");
        let none = Valid::assume_valid(JsonMap::new());
        let implementers = served.schema.implementers_map();
        let theirs = introspection::partial_execute(&served.schema, &implementers, document, operation, &none);
        let theirs = theirs.expect("an answer").data.expect("data");
        let theirs: Json = serde_json::to_value(&theirs["__schema"]).expect("JSON");
        assert_eq!(answer(WHOLE).to_string(), theirs.to_string());
    }

    #[test]
    fn one_of_is_told() {
        let query = "{ __type(name: \"ItemOrder\") { name isOneOf inputFields { name type { name isOneOf } } } }";
        let found = answer(query);
        assert_eq!(found["isOneOf"], true);
        assert_eq!(
            found["inputFields"][0]["type"],
            json!({ "name": "Sort", "isOneOf": null })
        );
        for (name, want) in [
            ("ItemWhere", json!(false)),
            ("NpcKey", json!(true)),
            ("Item", Json::Null),
            ("ID", Json::Null),
        ] {
            let found = answer(&format!("{{ __type(name: \"{name}\") {{ isOneOf }} }}"));
            assert_eq!(found, json!({ "isOneOf": want }), "{name}");
        }
        let found = answer("{ __type(name: \"__Type\") { fields { name } } }");
        let fields = found["fields"].as_array().expect("fields");
        assert!(fields.contains(&json!({ "name": "isOneOf" })), "{found}");
        assert_eq!(answer("{ __type(name: \"Nope\") { name } }"), Json::Null);
    }
}
