//! The served schema of a catalog. Knows SDL and the catalog; knows no operation and no row.

mod aggregates;
pub(in crate::graphql) mod connections;
pub(in crate::graphql) mod freshness;
mod grouped;
pub(in crate::graphql) mod history;
mod inputs;
pub(in crate::graphql) mod json;
pub(in crate::graphql) mod keys;
pub(in crate::graphql) mod led;
pub(in crate::graphql) mod matches;
pub(in crate::graphql) mod node;
mod objects;
mod text;
pub(in crate::graphql) mod times;

use std::collections::HashMap;

use apollo_compiler::{
    Schema,
    ast::FieldDefinition,
    name,
    schema::{Component, ExtendedType},
    ty,
    validation::Valid as ValidGraphql,
};

use crate::catalog::{Catalog, EntityId, Valid, ValueId};

use self::text::Sdl;
use super::{holder::Holder, names};

/// The served schema cannot be built: two of its types would have one name.
#[derive(Debug, thiserror::Error)]
#[error("the definition gives no valid GraphQL schema; rename one of the types that the messages name:\n{0}")]
pub struct SchemaError(String);

/// The served schema, and what its names stand for.
pub struct Served {
    pub schema: ValidGraphql<Schema>,
    roots: HashMap<String, Root>,
    objects: HashMap<String, Object>,
    sdl: String,
}

/// What a root field (of `Query` and of `Subscription`) gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// `item(id:)`
    Single(EntityId),
    /// `itemBy(key:)`
    By(EntityId),
    /// `items(…)`
    Many(EntityId),
    /// `itemsConnection(…)`
    Connection(EntityId),
    /// `itemsGrouped(…)`
    Grouped(EntityId),
    /// `itemHistory(id:, …)`
    History(EntityId),
    /// `node(nodeId:)`
    Node,
    /// `freshness`
    Freshness,
}

/// What an object type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Entity(EntityId),
    Value(ValueId),
}

impl Served {
    /// Builds and validates the served schema of a catalog.
    pub fn of(catalog: &Valid<Catalog>) -> Result<Served, SchemaError> {
        let text = write(catalog);
        let parsed = Schema::parse(text, "served.graphql");
        let mut schema = parsed.map_err(|found| SchemaError(found.errors.to_string()))?;
        add_is_one_of(&mut schema);
        let schema = schema
            .validate()
            .map_err(|found| SchemaError(found.errors.to_string()))?;
        let sdl = schema.serialize().to_string();
        Ok(Served {
            roots: roots(catalog),
            objects: objects_of(catalog),
            sdl,
            schema,
        })
    }

    /// The served schema as text.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    pub fn root(&self, field: &str) -> Option<Root> {
        self.roots.get(field).copied()
    }

    pub fn object(&self, type_name: &str) -> Option<Object> {
        self.objects.get(type_name).copied()
    }
}

/// Introspection tells of `@oneOf`, as the specification has it; apollo-compiler does not know that
/// field yet.
fn add_is_one_of(schema: &mut Schema) {
    let Some(ExtendedType::Object(object)) = schema.types.get_mut("__Type") else {
        return;
    };
    let field = FieldDefinition {
        description: Some("True of an input object that takes exactly one of its members.".into()),
        name: name!("isOneOf"),
        arguments: Vec::new(),
        ty: ty!(Boolean),
        directives: Default::default(),
    };
    let fields = &mut object.make_mut().fields;
    fields.entry(name!("isOneOf")).or_insert_with(|| Component::new(field));
}

fn roots(catalog: &Catalog) -> HashMap<String, Root> {
    let mut roots = HashMap::from([(freshness::ROOT.to_owned(), Root::Freshness)]);
    if node::is_there(catalog) {
        roots.insert(node::ROOT.to_owned(), Root::Node);
    }
    for id in catalog.entity_ids() {
        let names = &catalog.entity(id).names;
        if !names::key_arguments(catalog, id).is_empty() {
            roots.insert(names.single.clone(), Root::Single(id));
            if catalog.entity(id).history {
                roots.insert(names.history.clone(), Root::History(id));
            }
        }
        if !names::unique_keys(catalog, id).is_empty() {
            roots.insert(names.by.clone(), Root::By(id));
        }
        roots.insert(names.many.clone(), Root::Many(id));
        roots.insert(names.connection.clone(), Root::Connection(id));
        roots.insert(names.grouped.clone(), Root::Grouped(id));
    }
    roots
}

fn objects_of(catalog: &Catalog) -> HashMap<String, Object> {
    let entities = catalog
        .entity_ids()
        .map(|id| (catalog.entity(id).name.clone(), Object::Entity(id)));
    let values = (0..catalog.values.len() as u32)
        .map(ValueId)
        .map(|id| (catalog.value(id).name.clone(), Object::Value(id)));
    entities.chain(values).collect()
}

/// The whole schema as SDL, in the order in which a reader would ask: roots, types, enums, inputs,
/// scalars.
fn write(catalog: &Catalog) -> String {
    let mut sdl = Sdl::default();
    objects::write_root(&mut sdl, catalog, "Query", "What can be asked.", |sdl| {
        history::write_roots(sdl, catalog);
        connections::write_roots(sdl, catalog);
        freshness::write_root(sdl);
    });
    let live = "The same fields as live queries: the answer now, and again whenever it has changed.";
    objects::write_root(&mut sdl, catalog, "Subscription", live, |_| {});
    if node::is_there(catalog) {
        node::write(&mut sdl);
    }
    for id in catalog.entity_ids() {
        objects::write_entity(&mut sdl, catalog, id);
    }
    connections::write(&mut sdl, catalog);
    grouped::write(&mut sdl, catalog);
    history::write(&mut sdl, catalog);
    // What only private fields hold is nobody's to see.
    let (values, enums) = Holder::shown(catalog);
    for value in values {
        objects::write_value(&mut sdl, catalog, catalog.value(value));
    }
    for enumeration in enums {
        objects::write_enum(&mut sdl, catalog.enumeration(enumeration));
    }
    freshness::write(&mut sdl);
    matches::write(&mut sdl, catalog);
    inputs::write(&mut sdl, catalog);
    sdl.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn the_farm() {
        let served = Served::of(&testing::catalog()).expect("the farm's schema");
        testing::golden("farm.graphql", served.sdl());
    }

    /// An input without a member is none: what cannot be ordered has no argument for it.
    #[test]
    fn types_without_an_order() {
        let catalog = crate::catalog::testing::catalog(
            "type J @f { id: ID! k: [K!]! @nested l: [L!]! @ref(jq: \".l[]\") v: V w: W }
             type K { j: [JSON!] v: [Int] w: W o: [V] }
             type L @f { a: Boolean! @id j: J of: [J!]! @inverse(field: \"l\") }
             type V { x: Int @deprecated(reason: \"old\") }
             type W { j: [JSON!] l: [Int] inner: [V] }",
        );
        let served = Served::of(&catalog).expect("a schema");
        let sdl = served.sdl();
        for (part, is_there) in [
            ("input JOrder ", true),
            ("input KOrder ", false),
            ("input LOrder ", true),
            ("input VOrder ", true),
            ("input WOrder ", false),
            ("input WWhere ", true),
            ("  v: VOrder\n", true),
            ("  x: Sort @deprecated(reason: \"old\")\n", true),
            ("  l: ByCount\n", true),
            ("  jId: Sort\n", true),
            ("k(where: KWhere, first: Int, offset: Int): [K!]!", true),
            ("kConnection(where: KWhere, first: Int, after: String", true),
            (
                "l(where: LWhere, orderBy: [LOrder!], first: Int, offset: Int): [L!]!",
                true,
            ),
        ] {
            assert_eq!(sdl.contains(part), is_there, "{part}: {sdl}");
        }
    }

    /// What nobody is shown has no type either.
    #[test]
    fn types_of_private_fields() {
        let catalog = crate::catalog::testing::catalog(
            "type A @f { id: ID! p: P @private ps: [P!] @private e: E @private f: F q: [Q!] }
             type P { e: E r: R q: Q }
             type Q { r: R g: [G!] }
             type R { x: Int }
             enum E { X } enum F { X } enum G { X }",
        );
        let sdl = Served::of(&catalog).expect("a schema").sdl().to_owned();
        for (part, is_there) in [
            ("type P ", false),
            ("enum E ", false),
            ("type Q ", true),
            ("type R ", true),
            ("enum F ", true),
            ("enum G ", true),
        ] {
            assert_eq!(sdl.contains(part), is_there, "{part}: {sdl}");
        }
    }

    /// Each is looked at a few times, however deep it is.
    #[test]
    fn values_in_values() {
        const DEPTH: usize = 40;
        let inner = |at: usize| match at {
            DEPTH => "j: JSON".to_owned(),
            at => format!("v: V{}", at + 1),
        };
        let values: Vec<String> = (0..=DEPTH)
            .map(|at| format!("type V{at} {{ {} }}", inner(at)))
            .collect();
        let text = format!("type A @f {{ id: ID! v: V0 }} {}", values.join(" "));
        let catalog = crate::catalog::testing::catalog(&text);
        let served = Served::of(&catalog).expect("a schema");
        assert!(served.sdl().contains(&format!("type V{DEPTH} ")));
        assert!(!served.sdl().contains("V0Sum"));
    }

    #[test]
    fn deprecations_go_along() {
        let catalog = crate::catalog::testing::catalog(
            "type A @f { id: ID! n: Int @deprecated(reason: \"old\") b: A @deprecated c: [A!]! @deprecated @ref(jq: \".c[]\") }",
        );
        let sdl = Served::of(&catalog).expect("a schema").sdl().to_owned();
        for part in [
            "  n: IntFilter @deprecated(reason: \"old\")\n",
            "  n: Sort @deprecated(reason: \"old\")\n",
            "  b: AWhere @deprecated(reason: ",
            "  b: AOrder @deprecated(reason: ",
            "  c: AListWhere @deprecated(reason: ",
        ] {
            assert!(sdl.contains(part), "{part}: {sdl}");
        }
    }
}
