//! The scalars of the definition language. Knows their names and meaning; conversions live beside
//! it.

use std::fmt;

/// Durations are stored in microseconds, the finest step both databases keep.
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;

/// A scalar type of the definition language (docs/language.md, "Scalars").
///
/// Each says how its values are held in a [`crate::value::Value`], and so in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Scalar {
    /// An opaque identifier: `Value::Text`.
    Id,
    /// UTF-8 text: `Value::Text`.
    String,
    /// A signed 32-bit integer: `Value::Int`.
    Int,
    /// A finite IEEE 754 double: `Value::Float`.
    Float,
    /// `Value::Bool`.
    Boolean,
    /// A signed 64-bit integer, a string on the wire: `Value::Int`.
    BigInt,
    /// An exact decimal number, a string on the wire: `Value::Text` in canonical form
    /// ([`crate::value::Decimal`]).
    Decimal,
    /// An instant, RFC 3339 in UTC: `Value::Text`, fixed width `2026-11-21T03:20:00.000000Z`, so
    /// that text order is time order.
    DateTime,
    /// A calendar day: `Value::Text`, `2026-11-21`.
    Date,
    /// A time of day: `Value::Text`, fixed width `03:20:00.000000`.
    Time,
    /// A length of time, ISO 8601 on the wire (`PT90S`): `Value::Int`, microseconds.
    Duration,
    /// `Value::Text`, lower case with hyphens.
    Uuid,
    /// An absolute URL (RFC 3986), kept as it was written: `Value::Text`.
    Url,
    /// Any JSON value: `Value::Text`, compact JSON with the upstream's key order.
    Json,
}

impl Scalar {
    /// Every scalar, in the order in which the reference page lists them.
    pub const ALL: [Scalar; 14] = [
        Scalar::Id,
        Scalar::String,
        Scalar::Int,
        Scalar::Float,
        Scalar::Boolean,
        Scalar::BigInt,
        Scalar::Decimal,
        Scalar::DateTime,
        Scalar::Date,
        Scalar::Time,
        Scalar::Duration,
        Scalar::Uuid,
        Scalar::Url,
        Scalar::Json,
    ];

    /// The scalar of that name in SDL, if there is one.
    pub fn from_name(name: &str) -> Option<Scalar> {
        Scalar::ALL.into_iter().find(|scalar| scalar.name() == name)
    }

    /// The name in SDL.
    pub fn name(self) -> &'static str {
        match self {
            Scalar::Id => "ID",
            Scalar::String => "String",
            Scalar::Int => "Int",
            Scalar::Float => "Float",
            Scalar::Boolean => "Boolean",
            Scalar::BigInt => "BigInt",
            Scalar::Decimal => "Decimal",
            Scalar::DateTime => "DateTime",
            Scalar::Date => "Date",
            Scalar::Time => "Time",
            Scalar::Duration => "Duration",
            Scalar::Uuid => "UUID",
            Scalar::Url => "URL",
            Scalar::Json => "JSON",
        }
    }

    /// Whether GraphQL itself defines it; the others are served as custom scalars.
    pub fn is_builtin(self) -> bool {
        matches!(
            self,
            Scalar::Id | Scalar::String | Scalar::Int | Scalar::Float | Scalar::Boolean
        )
    }

    /// Whether `contains`, `startsWith`, `endsWith`, `like` and `ilike` apply.
    pub fn is_textual(self) -> bool {
        matches!(self, Scalar::Id | Scalar::String | Scalar::Url)
    }

    /// Whether `gt`, `gte`, `lt`, `lte` and ordering apply.
    pub fn is_ordered(self) -> bool {
        !matches!(self, Scalar::Json | Scalar::Boolean)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
