//! What an order of rows is made of, so that no two rows have the same place in it. Knows the
//! catalog; knows neither GraphQL nor SQL.

use super::{
    filter::Operand,
    read::{Form, Order, Select},
};
use crate::{
    catalog::{Catalog, EntityId, EnumId, FieldId, FieldKind, Leaf},
    value::Scalar,
};

/// How the rows are led to, as far as their order depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// All rows of a type, or those that name a row.
    Plain,
    /// The rows nested in a row, in the order of its list.
    Nested,
    /// The rows that a row links to, in the order of its list, in which one may stand twice.
    Links,
}

/// A part of an order, of one or several columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Term<'o> {
    By(&'o Order),
    /// How well what is searched for is found, the best ones first.
    Rank(&'o Operand),
    /// The place in the list that led here.
    Position,
    /// A part of the key, ascending.
    Key(FieldId),
    /// The place in the owner's list, where it is a part of the key.
    OwnPosition,
}

impl Through {
    pub(crate) fn of(kind: &FieldKind) -> Through {
        match kind {
            FieldKind::Nested { .. } => Through::Nested,
            FieldKind::Links { .. } => Through::Links,
            _ => Through::Plain,
        }
    }
}

/// What the rows of a select are ordered by: what is asked for, or else the list that leads here;
/// then the key, which breaks ties. Of a row that is linked twice, the place in the list does.
pub(crate) fn terms<'o>(catalog: &Catalog, select: &'o Select, way: Through) -> Vec<Term<'o>> {
    let entity = catalog.entity(select.entity);
    let mut terms: Vec<Term<'o>> = select.order.iter().map(Term::By).collect();
    terms.extend(select.ranked_by().map(Term::Rank));
    let by_list = terms.is_empty() && way != Through::Plain;
    terms.extend(by_list.then_some(Term::Position));
    terms.extend(entity.key.iter().map(|field| Term::Key(*field)));
    terms.extend(entity.positional.then_some(Term::OwnPosition));
    terms.extend((way == Through::Links && !by_list).then_some(Term::Position));
    terms
}

impl Term<'_> {
    /// The scalars whose values its columns have.
    ///
    /// An enum is ordered as it is declared, by the number of a value.
    pub(crate) fn scalars(&self, catalog: &Catalog, entity: EntityId) -> Vec<Scalar> {
        let of = |entity: EntityId, field: FieldId| catalog.leaves_of(entity, &[field]).into_iter().map(scalar_of);
        match self {
            // Both are texts.
            Term::By(order) if order.form != Form::Value => vec![Scalar::String],
            Term::By(order) => {
                let leaves = catalog.leaves_of(behind(catalog, entity, &order.path), &[order.field]);
                let scalars = leaves.into_iter().map(|leaf| match leaf {
                    Leaf::Enum(_) => Scalar::Int,
                    leaf => scalar_of(leaf),
                });
                scalars.collect()
            }
            Term::Key(field) => of(entity, *field).collect(),
            Term::Rank(_) | Term::Position | Term::OwnPosition => vec![Scalar::BigInt],
        }
    }
}

impl Order {
    /// The enum whose values it goes by.
    pub(crate) fn enumeration(&self, catalog: &Catalog, entity: EntityId) -> Option<EnumId> {
        let at = behind(catalog, entity, &self.path);
        match catalog.entity(at).field(self.field).kind {
            FieldKind::Leaf {
                leaf: Leaf::Enum(id), ..
            } => Some(id),
            _ => None,
        }
    }
}

/// The type at the end of a chain of to-one fields.
fn behind(catalog: &Catalog, entity: EntityId, path: &[FieldId]) -> EntityId {
    path.iter().fold(entity, |at, field| {
        catalog.entity(at).field(*field).kind.target().unwrap_or(at)
    })
}

fn scalar_of(leaf: Leaf) -> Scalar {
    match leaf {
        Leaf::Scalar(scalar) => scalar,
        Leaf::Enum(_) => Scalar::String,
    }
}
