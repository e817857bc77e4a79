//! Which index would lead to the rows of a read and is not there. Knows the read, and what a
//! definition indexes; knows no database and no row.
//!
//! It says what could help, not what has to be: in a small table every way is short, and an index
//! costs something with each row that is written.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Entity, EntityId, FieldId, FieldKind, Leaf, PartOf},
    query::{Compare, Connection, Direction, Filter, Output, OutputValue, Read, RootValue, Select, TextTest},
    value::Scalar,
};

/// What is to be written into the definition, a line each, none twice.
pub(super) fn advice(catalog: &Catalog, read: &Read) -> Vec<String> {
    let mut advice = Advice {
        catalog,
        lines: BTreeSet::new(),
    };
    for root in &read.roots {
        match &root.value {
            RootValue::Many(select) => advice.rows(select, None),
            RootValue::Connection(connection) => advice.connection(connection, None),
            RootValue::Grouped(grouped) => advice.rows(&grouped.select, None),
            // One row is found by its key.
            RootValue::One(select) => advice.outputs(&select.output, select.entity),
            // No index that a definition asks for is one of versions.
            RootValue::Past(_) | RootValue::Versions(_) => {}
            RootValue::Freshness(_) | RootValue::Json(_) => {}
        }
    }
    advice.lines.into_iter().collect()
}

struct Advice<'a> {
    catalog: &'a Catalog,
    lines: BTreeSet<String>,
}

/// What an index of some rows would have to be of.
#[derive(Default)]
struct Wanted {
    /// Fields that are compared with one value.
    equal: Vec<FieldId>,
    /// A field of which a span of values is wanted.
    span: Option<FieldId>,
    /// Fields of the order, and whether the highest values come first.
    order: Vec<(FieldId, bool)>,
    /// Lists whose items are looked for.
    lists: Vec<FieldId>,
}

impl Advice<'_> {
    fn connection(&mut self, connection: &Connection, led_by: Option<FieldId>) {
        self.rows(&connection.select, led_by);
        for outputs in connection.rows() {
            self.outputs(outputs, connection.select.entity);
        }
    }

    /// Rows of a type: all of them, or those that name one row by a field.
    fn rows(&mut self, select: &Select, led_by: Option<FieldId>) {
        let entity = self.catalog.entity(select.entity);
        let mut wanted = Wanted {
            equal: led_by.into_iter().collect(),
            ..Wanted::default()
        };
        if let Some(filter) = &select.filter {
            self.filter(filter, entity, &mut wanted);
        }
        // What comes behind a field that no index orders is ordered by none.
        let order = select.order.iter().map_while(|order| {
            let field = self.held(entity, order.own()?)?;
            let is_descending = order.direction == Direction::Descending;
            (is_ordered(entity, field) && !is_enum(entity, field)).then_some((field, is_descending))
        });
        wanted.order = order.collect();
        self.of(entity, &wanted);
        self.outputs(&select.output, select.entity);
    }

    /// The lists below rows.
    fn outputs(&mut self, outputs: &[Output], entity: EntityId) {
        for output in outputs {
            match &output.value {
                OutputValue::One { field, output } => {
                    if let Some(target) = self.catalog.entity(entity).field(*field).kind.target() {
                        self.outputs(output, target);
                    }
                }
                OutputValue::Many { field, select } => match self.led_by(entity, *field) {
                    Some(link) => self.rows(select, Some(link)),
                    None => self.outputs(&select.output, select.entity),
                },
                OutputValue::Connection { field, connection } => match self.led_by(entity, *field) {
                    Some(link) => self.connection(connection, Some(link)),
                    None => {
                        for outputs in connection.rows() {
                            self.outputs(outputs, connection.select.entity);
                        }
                    }
                },
                OutputValue::Text(_)
                | OutputValue::NodeId(_)
                | OutputValue::Leaf(_)
                | OutputValue::Value { .. }
                | OutputValue::Matches(_) => {}
            }
        }
    }

    /// The field by which the rows behind this one name the row before; none where they are led to
    /// by another table, or lie together anyway.
    fn led_by(&self, entity: EntityId, field: FieldId) -> Option<FieldId> {
        match &self.catalog.entity(entity).field(field).kind {
            FieldKind::Inverse { source, field, .. } => {
                let link = &self.catalog.entity(*source).field(*field).kind;
                matches!(link, FieldKind::Reference { .. }).then_some(*field)
            }
            _ => None,
        }
    }

    /// What all rows have that meet a filter. Where one of several conditions is enough, an index
    /// of each would help, which is too much to propose.
    fn filter(&self, filter: &Filter, entity: &Entity, wanted: &mut Wanted) {
        match filter {
            Filter::And(filters) => filters.iter().for_each(|filter| self.filter(filter, entity, wanted)),
            Filter::Compare {
                field,
                compare: Compare::Eq,
                ..
            }
            | Filter::In { field, .. } => self.is_equal(entity, *field, wanted),
            Filter::Compare { field, .. }
            | Filter::Text {
                field,
                test: TextTest::StartsWith,
                ..
            } => {
                let field = self.held(entity, *field).filter(|field| is_ordered(entity, *field));
                wanted.span = wanted.span.or(field);
            }
            Filter::Key { fields, .. } => fields.iter().for_each(|field| self.is_equal(entity, *field, wanted)),
            Filter::Has { field, .. } => wanted.lists.extend(self.held(entity, *field)),
            Filter::One { field, filter } if is_key_of(&entity.field(*field).kind, filter) => {
                self.is_equal(entity, *field, wanted);
            }
            _ => {}
        }
    }

    fn is_equal(&self, entity: &Entity, field: FieldId, wanted: &mut Wanted) {
        let field = self.held(entity, field).filter(|field| is_ordered(entity, *field));
        let field = field.filter(|field| !wanted.equal.contains(field));
        wanted.equal.extend(field);
    }

    /// The field of the definition that has these values, which an index can be of: for the key of
    /// a link that is one value, the link. No index is of a member of a value, nor of a count.
    fn held(&self, entity: &Entity, field: FieldId) -> Option<FieldId> {
        let Some(derived) = entity.derived(field) else {
            return Some(field);
        };
        let is_whole = self.catalog.named_leaves(entity, derived.base).len() == 1;
        (is_whole && matches!(derived.part, PartOf::Key(_))).then_some(derived.base)
    }

    fn of(&mut self, entity: &Entity, wanted: &Wanted) {
        for list in &wanted.lists {
            let field = entity.field(*list);
            if !field.indexed && !is_json(&field.kind) {
                self.propose_field(entity, *list);
            }
        }
        if wanted.is_nothing() || wanted.is_one_row(entity) || indexes(entity).any(|index| wanted.is_served(&index)) {
            return;
        }
        let equal = wanted.equal.iter().map(|field| (*field, false));
        let mut parts: Vec<(FieldId, bool)> = equal.collect();
        let rest = match wanted.order.is_empty() {
            true => wanted.span.map(|field| (field, false)).into_iter().collect(),
            false => wanted.order.clone(),
        };
        parts.extend(rest.into_iter().filter(|(field, _)| !wanted.equal.contains(field)));
        match parts.as_slice() {
            [] => {}
            [(field, _)] => self.propose_field(entity, *field),
            parts => {
                let name = |(field, descending): &(FieldId, bool)| {
                    let name = &entity.field(*field).name;
                    format!("\"{name}{}\"", if *descending { " DESC" } else { "" })
                };
                let names: Vec<String> = parts.iter().map(name).collect();
                let fields = names.join(", ");
                let line = format!("type {} … @index(fields: [{fields}])", entity.name);
                self.lines.insert(line);
            }
        }
    }

    fn propose_field(&mut self, entity: &Entity, field: FieldId) {
        let name = &entity.field(field).name;
        self.lines
            .insert(format!("type {}, field {name} … @index", entity.name));
    }
}

impl Wanted {
    fn is_nothing(&self) -> bool {
        self.equal.is_empty() && self.span.is_none() && self.order.is_empty()
    }

    /// The key or a unique field says which row it is.
    fn is_one_row(&self, entity: &Entity) -> bool {
        let by_key = !entity.positional && entity.key.iter().all(|field| self.equal.contains(field));
        by_key || self.equal.iter().any(|field| entity.field(*field).unique)
    }

    /// Whether an index leads to the rows: with an order, in that order; else by one field at
    /// least.
    fn is_served(&self, index: &[(FieldId, bool)]) -> bool {
        let equal = index.iter().take_while(|(field, _)| self.equal.contains(field)).count();
        let rest = index.get(equal..).unwrap_or_default();
        if self.order.is_empty() {
            return equal > 0 || rest.first().is_some_and(|(field, _)| Some(*field) == self.span);
        }
        // What is compared with one value orders nothing.
        let ordered = self.order.iter().filter(|(field, _)| !self.equal.contains(field));
        let ordered: Vec<(FieldId, bool)> = ordered.copied().collect();
        let reversed = ordered.iter().map(|(field, descending)| (*field, !descending));
        let reversed: Vec<(FieldId, bool)> = reversed.collect();
        equal == self.equal.len() && (rest.starts_with(&ordered) || rest.starts_with(&reversed))
    }
}

/// All indexes of a type, each with its fields in order and whether the highest values come first.
fn indexes(entity: &Entity) -> impl Iterator<Item = Vec<(FieldId, bool)>> {
    let key = entity.key.iter().map(|field| (*field, false)).collect();
    let fields = entity.field_ids().filter(|at| {
        let field = entity.field(*at);
        field.indexed || field.unique || matches!(field.kind, FieldKind::Reference { .. })
    });
    let several = entity.indexes.iter().map(|index| {
        let fields = index.fields.iter().map(|part| (part.field, part.descending));
        fields.collect()
    });
    let single = fields.map(|field| vec![(field, false)]);
    std::iter::once(key).chain(single).chain(several)
}

/// Whether an index can be of a field, alone or with others.
fn is_ordered(entity: &Entity, field: FieldId) -> bool {
    match &entity.field(field).kind {
        FieldKind::Leaf { leaf, list: None } => !matches!(leaf, Leaf::Scalar(Scalar::Json)),
        FieldKind::Reference { .. } => true,
        _ => false,
    }
}

/// An enum is ordered as it is declared, and an index has the order of its names.
fn is_enum(entity: &Entity, field: FieldId) -> bool {
    matches!(
        entity.field(field).kind,
        FieldKind::Leaf {
            leaf: Leaf::Enum(_),
            ..
        }
    )
}

fn is_json(kind: &FieldKind) -> bool {
    let json = Leaf::Scalar(Scalar::Json);
    matches!(kind, FieldKind::Leaf { leaf, .. } if *leaf == json)
}

/// Whether a filter on the row behind a link says which one it is by what the link has of it.
fn is_key_of(kind: &FieldKind, filter: &Filter) -> bool {
    let FieldKind::Reference { by, .. } = kind else {
        return false;
    };
    match filter {
        Filter::Compare {
            field,
            compare: Compare::Eq,
            ..
        }
        | Filter::In { field, .. } => by == &[*field],
        Filter::Key { fields, .. } => fields == by,
        Filter::And(filters) => matches!(filters.as_slice(), [only] if is_key_of(kind, only)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    /// What is proposed can be written into a definition.
    #[test]
    fn parts_of_what_a_field_holds() {
        let catalog = crate::catalog::testing::catalog(
            "type Item @f {
                id: ID! name: String price: Float kind: Kind seller: Person twin: Twin place: Place
                tags: [Tag!]! @ref(jq: \".tags[]\")
             }
             type Person @f { id: ID! }
             type Twin @f { a: ID! @id b: ID! @id }
             type Tag @f { id: ID! }
             type Place { lat: Float words: [String!] }
             enum Kind { B A }",
        );
        let price_and_name = "type Item … @index(fields: [\"price\", \"name DESC\"])";
        for (arguments, want) in [
            // The index of the link leads to them.
            ("where: {sellerId: {eq: \"1\"}}", None),
            (
                "where: {sellerId: {eq: \"1\"}}, orderBy: {price: ASC}",
                Some("type Item … @index(fields: [\"seller\", \"price\"])"),
            ),
            ("where: {twinA: {eq: \"1\"}}", None),
            ("where: {place: {lat: {gt: 1}}}", None),
            ("where: {place: {lat: {eq: 1}, words: {has: \"a\"}}}", None),
            ("orderBy: {tags: {count: DESC}}", None),
            ("orderBy: {place: {lat: ASC}}", None),
            ("orderBy: {kind: ASC}", None),
            ("orderBy: [{price: ASC}, {name: DESC}]", Some(price_and_name)),
            (
                "orderBy: [{price: ASC}, {name: DESC}, {kind: ASC}, {id: ASC}]",
                Some(price_and_name),
            ),
            ("where: {kind: {eq: A}}", Some("type Item, field kind … @index")),
        ] {
            let planned = testing::plan_of(&catalog, &format!("{{ items({arguments}) {{ id }} }}"));
            let found = advice(&catalog, &planned.expect("a plan").read);
            let want: Vec<String> = want.map(str::to_owned).into_iter().collect();
            assert_eq!(found, want, "{arguments}");
        }
    }
}
