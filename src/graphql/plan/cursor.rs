//! Cursors: of which connection and order one is, and the place that it names. Knows what is inside
//! of one; knows no SQL, and makes none.

use serde_json::Value as Json;

use crate::{
    catalog::{Catalog, EntityId, FieldId, connection_name},
    query::{Direction, Form, MARK, Nulls, Order, Select, Term, Through, mark, opened, terms},
    value::{Scalar, Value},
};

/// What the cursors of a connection in an order look like.
#[derive(Debug, PartialEq)]
pub(in crate::graphql) struct CursorForm {
    /// The field, as messages call it.
    name: String,
    place: String,
    /// The order in words.
    words: String,
    order: String,
    /// Those of its values.
    scalars: Vec<Scalar>,
}

const DAMAGED: &str = "this is no cursor, or it was changed or cut off on its way; give it as it stands in \
`startCursor`, `endCursor` or the `cursor` of an edge";

impl CursorForm {
    /// Those of the rows of a select: behind a field, or of all.
    pub(super) fn of(catalog: &Catalog, select: &Select, behind: Option<(EntityId, FieldId)>) -> CursorForm {
        let own = catalog.entity(select.entity);
        let (name, place, through) = match behind {
            None => (own.names.connection.clone(), own.name.clone(), Through::Plain),
            Some((owner, field)) => {
                let (owner, field) = (catalog.entity(owner), catalog.entity(owner).field(field));
                let name = format!("{}.{}", owner.name, connection_name(&field.name));
                let place = format!("{}.{}", owner.name, field.name);
                (name, place, Through::of(&field.kind))
            }
        };
        let mut scalars = Vec::new();
        let mut order = String::new();
        for term in terms(catalog, select, through) {
            let of_it = term.scalars(catalog, select.entity);
            let kinds: Vec<&str> = of_it.iter().map(|scalar| scalar.name()).collect();
            order.push_str(&format!(
                "{}: {};",
                term_in_words(catalog, select.entity, &term),
                kinds.join(" ")
            ));
            // A value is known by its place among those that are declared.
            if let Term::By(by) = &term
                && let Some(id) = by.enumeration(catalog, select.entity)
            {
                let values = catalog.enumeration(id).values.iter();
                order.extend(values.map(|value| format!("{};", value.name)));
            }
            scalars.extend(of_it);
        }
        let words = select.order.iter().map(|order| in_words(catalog, select.entity, order));
        let words: Vec<String> = words.collect();
        CursorForm {
            name,
            place: mark(&place),
            words: if words.is_empty() {
                "none given".to_owned()
            } else {
                words.join(", ")
            },
            order: mark(&order),
            scalars,
        }
    }

    /// What each of them begins with.
    pub(super) fn signature(&self) -> String {
        [self.place.as_str(), &self.order].concat()
    }

    /// How many values each has.
    pub(super) fn len(&self) -> usize {
        self.scalars.len()
    }

    /// The values of a cursor, or why it is none of these.
    pub(super) fn read(&self, cursor: &str) -> Result<Vec<Value>, String> {
        let text = opened(cursor).ok_or(DAMAGED)?;
        let parts = text.split_at_checked(MARK);
        let parts = parts.and_then(|(place, rest)| Some((place, rest.split_at_checked(MARK)?)));
        let (place, (order, values)) = parts.ok_or(DAMAGED)?;
        if place != self.place {
            return Err(format!(
                "the cursor is of another connection; give one of a page of `{}`",
                self.name
            ));
        }
        if order != self.order {
            return Err(format!(
                "the cursor is of another order than this one ({}), or of an older definition; order as it was \
                 ordered, or begin without a cursor",
                self.words
            ));
        }
        let values: Vec<Json> = serde_json::from_str(values).map_err(|_| DAMAGED)?;
        if values.len() != self.scalars.len() {
            return Err(DAMAGED.to_owned());
        }
        let values = self.scalars.iter().zip(&values).map(|(scalar, value)| match value {
            Json::Null => Ok(Value::Null),
            value => scalar.from_input(value).map_err(|_| DAMAGED.to_owned()),
        });
        values.collect()
    }
}

fn term_in_words(catalog: &Catalog, entity: EntityId, term: &Term<'_>) -> String {
    match term {
        Term::By(order) => in_words(catalog, entity, order),
        Term::Key(field) => catalog.entity(entity).field(*field).name.clone(),
        Term::Rank(_) => "_rank".to_owned(),
        Term::Position => "_position".to_owned(),
        Term::OwnPosition => "_own_position".to_owned(),
    }
}

/// `seller.name DESC NULLS LAST`.
fn in_words(catalog: &Catalog, entity: EntityId, order: &Order) -> String {
    let mut at = entity;
    let mut text = String::new();
    for step in &order.path {
        let field = catalog.entity(at).field(*step);
        text.push_str(&field.name);
        text.push('.');
        at = field.kind.target().unwrap_or(at);
    }
    text.push_str(&catalog.entity(at).field(order.field).name);
    match &order.form {
        Form::Value => {}
        Form::WithoutCase => text.push_str(" without case"),
        Form::Json(path) => text.push_str(&format!(" at {path}")),
    }
    text.push_str(match order.direction {
        Direction::Ascending => " ASC",
        Direction::Descending => " DESC",
    });
    text.push_str(match order.nulls {
        Nulls::First => " NULLS FIRST",
        Nulls::Last => " NULLS LAST",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graphql::testing, query::sealed};

    fn form(field: &str, direction: Direction) -> CursorForm {
        let catalog = testing::catalog();
        let item = catalog.entity_named("Item").expect("items");
        let order = Order {
            path: vec![],
            field: catalog.entity(item).field_named(field).expect("the field"),
            form: Form::Value,
            direction,
            nulls: Nulls::Last,
        };
        let select = Select {
            entity: item,
            filter: None,
            order: vec![order],
            first: None,
            offset: None,
            output: vec![],
        };
        CursorForm::of(&catalog, &select, None)
    }

    #[test]
    fn only_its_own_are_read() {
        let prices = form("price", Direction::Descending);
        let cursor = |values: &str| sealed(&[&prices.signature(), values].concat());
        let good = cursor("[1.5,\"i1\"]");
        let values = vec![Value::Float(1.5), Value::Text("i1".to_owned())];
        assert_eq!(prices.read(&good), Ok(values));
        let nulls = prices.read(&cursor("[null,\"i1\"]")).expect("nulls are values");
        assert_eq!(nulls[0], Value::Null);
        // Values of another number or kind, which no damage gives.
        for values in ["", "[]", "[1.5]", "[1.5,\"a\",2]", "{}", "[\"x\",\"a\"]", "[1.5,[]]"] {
            assert_eq!(prices.read(&cursor(values)), Err(DAMAGED.to_owned()), "{values}");
        }
        let long = "A".repeat(3_000_000);
        for damaged in [
            "",
            "x",
            &good[1..],
            &good[..good.len() - 1],
            &[&good, "A"].concat(),
            &long,
        ] {
            assert_eq!(prices.read(damaged), Err(DAMAGED.to_owned()));
        }
        let other = form("price", Direction::Ascending)
            .read(&good)
            .expect_err("another order");
        assert!(
            other.contains("another order than this one (price ASC NULLS LAST)"),
            "{other}"
        );
        let foreign = sealed(&[&mark("Npc"), &prices.order, "[1.5,\"i1\"]"].concat());
        let foreign = prices.read(&foreign).expect_err("another type's");
        assert!(foreign.contains("give one of a page of `itemsConnection`"), "{foreign}");
    }
}
