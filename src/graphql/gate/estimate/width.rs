//! Bytes of a row in the answer: keys, marks and values. Knows the measured widths of texts, and
//! those that other kinds have.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    query::{Output, OutputValue},
    value::Scalar,
};

use super::given::Estimate;

/// A text of which nothing is known yet.
const TEXT: f64 = 20.0;
/// The same of a list or a value object.
const DOCUMENT: f64 = 50.0;
/// An id of a row with a short key.
const NODE_ID: f64 = 40.0;
/// Some words of a text, with the key.
const MATCH: f64 = 200.0;
/// What lies around a page.
const PAGE: f64 = 100.0;
/// The quotation marks of a key, its colon, and what follows a member.
const MARKS: usize = 4;

impl Estimate<'_> {
    /// A row, but for what is in its lists.
    pub(super) fn width(&self, output: &[Output], entity: EntityId) -> f64 {
        let members = output.iter().map(|member| {
            let value = match &member.value {
                OutputValue::Text(text) => text.len() as f64 + 2.0,
                OutputValue::Leaf(field) | OutputValue::Value { field, .. } => self.value_width(entity, *field),
                OutputValue::One { field, output } => {
                    let target = self.catalog.entity(entity).field(*field).kind.target();
                    target.map_or(0.0, |target| self.width(output, target))
                }
                OutputValue::NodeId(_) => NODE_ID,
                // The statement gives the whole texts, of which the answer has a part.
                OutputValue::Matches(matches) => {
                    let texts = matches.fields.iter().map(|field| self.value_width(entity, *field));
                    let shown = MATCH * (matches.fields.len() * matches.output.len()) as f64;
                    texts.sum::<f64>().max(shown)
                }
                OutputValue::Many { .. } => 2.0,
                OutputValue::Connection { .. } => PAGE,
            };
            (member.key.len() + MARKS) as f64 + value
        });
        2.0 + members.sum::<f64>()
    }

    /// A value as it stands in the answer.
    pub(super) fn value_width(&self, entity: EntityId, field: FieldId) -> f64 {
        let measured = self.figures(entity).and_then(|figures| figures.widths.get(&field));
        let is_text = |leaf: &Leaf| !matches!(leaf, Leaf::Scalar(scalar) if fixed(*scalar).is_some());
        match (&self.catalog.entity(entity).field(field).kind, measured) {
            (FieldKind::Leaf { leaf, list: None }, Some(measured)) if is_text(leaf) => *measured as f64 + 2.0,
            (FieldKind::Leaf { list: Some(_), .. } | FieldKind::Value { .. }, Some(measured)) => *measured as f64,
            (FieldKind::Leaf { leaf, list: None }, _) => match leaf {
                Leaf::Scalar(scalar) => fixed(*scalar).unwrap_or(TEXT),
                Leaf::Enum(_) => TEXT,
            },
            _ => DOCUMENT,
        }
    }
}

/// Kinds whose values are about as wide as each other.
fn fixed(scalar: Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int | Scalar::Float | Scalar::Boolean => Some(6.0),
        Scalar::BigInt | Scalar::Decimal | Scalar::Duration | Scalar::Date => Some(12.0),
        Scalar::DateTime | Scalar::Time => Some(24.0),
        Scalar::Uuid => Some(38.0),
        Scalar::Id | Scalar::String | Scalar::Url | Scalar::Json => None,
    }
}
