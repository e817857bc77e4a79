//! How many rows an answer has in its lists. Knows the read and where its rows stand in the JSON;
//! makes nothing of that, however long it is.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::query::{Connection, ConnectionValue, EdgeValue, Member, Output, OutputValue, Read, RootValue};

/// Rows in all lists of an answer, as the estimate counts them.
pub(super) fn rows(read: &Read, json: &str) -> u64 {
    let mut reader = serde_json::Deserializer::from_str(json);
    Counted::Roots(read).deserialize(&mut reader).unwrap_or_default().all()
}

/// A part of an answer.
#[derive(Clone, Copy)]
enum Counted<'r> {
    /// The whole.
    Roots(&'r Read),
    /// A row, or null.
    Row(&'r [Output]),
    /// Rows, each of which counts.
    Rows(&'r [Output]),
    Page(&'r Connection),
    /// Edges of a page, with what they have.
    Edges(&'r [Member<EdgeValue>]),
    Edge(&'r [Member<EdgeValue>]),
    /// What each counts, and has nothing below.
    Items,
    /// No rows.
    Nothing,
}

/// What was found in a part.
#[derive(Clone, Copy, Default)]
struct Found {
    /// Rows of the list itself.
    own: u64,
    /// Those below.
    below: u64,
}

impl Found {
    fn all(self) -> u64 {
        self.own + self.below
    }
}

impl<'r> Counted<'r> {
    fn root(value: &'r RootValue) -> Counted<'r> {
        match value {
            RootValue::Json(_) => Counted::Nothing,
            RootValue::One(select) => Counted::Row(&select.output),
            RootValue::Many(select) => Counted::Rows(&select.output),
            RootValue::Connection(connection) => Counted::Page(connection),
            RootValue::Past(past) => Counted::root(&past.value),
            RootValue::Grouped(_) | RootValue::Versions(_) | RootValue::Freshness(_) => Counted::Items,
        }
    }

    /// The member of an object under this key.
    fn member(self, key: &str) -> Counted<'r> {
        match self {
            Counted::Roots(read) => {
                let root = read.roots.iter().find(|root| root.key == key);
                root.map_or(Counted::Nothing, |root| Counted::root(&root.value))
            }
            Counted::Row(outputs) => {
                let output = outputs.iter().find(|output| output.key == key);
                output.map_or(Counted::Nothing, |output| match &output.value {
                    OutputValue::One { output, .. } => Counted::Row(output),
                    OutputValue::Many { select, .. } => Counted::Rows(&select.output),
                    OutputValue::Connection { connection, .. } => Counted::Page(connection),
                    OutputValue::Text(_)
                    | OutputValue::NodeId(_)
                    | OutputValue::Leaf(_)
                    | OutputValue::Value { .. }
                    | OutputValue::Matches(_) => Counted::Nothing,
                })
            }
            Counted::Page(connection) => {
                let member = connection.output.iter().find(|member| member.key == key);
                member.map_or(Counted::Nothing, |member| match &member.value {
                    ConnectionValue::Nodes(outputs) => Counted::Rows(outputs),
                    ConnectionValue::Edges(edges) => Counted::Edges(edges),
                    ConnectionValue::Text(_)
                    | ConnectionValue::PageInfo(_)
                    | ConnectionValue::TotalCount
                    | ConnectionValue::Aggregate(_) => Counted::Nothing,
                })
            }
            Counted::Edge(edges) => {
                let edge = edges.iter().find(|edge| edge.key == key);
                edge.map_or(Counted::Nothing, |edge| match &edge.value {
                    EdgeValue::Node(outputs) => Counted::Row(outputs),
                    EdgeValue::Text(_) | EdgeValue::Cursor => Counted::Nothing,
                })
            }
            Counted::Rows(_) | Counted::Edges(_) | Counted::Items | Counted::Nothing => Counted::Nothing,
        }
    }

    /// The items of a list.
    fn item(self) -> Counted<'r> {
        match self {
            Counted::Rows(outputs) => Counted::Row(outputs),
            Counted::Edges(edges) => Counted::Edge(edges),
            _ => Counted::Nothing,
        }
    }

    /// What an object has of what was found in its members. The rows of a page count once, however
    /// often they stand there.
    fn with(self, mut found: Found, member: Found) -> Found {
        found.below += member.below;
        match self {
            Counted::Page(_) => found.own = found.own.max(member.own),
            _ => found.below += member.own,
        }
        found
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        match self {
            Counted::Nothing => deserializer
                .deserialize_ignored_any(IgnoredAny)
                .map(|_| Found::default()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Found;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a part of an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key::<String>()? {
            let member = map.next_value_seed(self.member(&key))?;
            found = self.with(found, member);
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(item) = items.next_element_seed(self.item())? {
            found.own += 1;
            found.below += item.all();
        }
        Ok(found)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn rows_of_lists_count_once_each() {
        let query = "{
            items(first: 2) { id tags { name } seller { sells { id } } }
            item(id: \"1\") { tags { name } }
            itemsConnection(first: 2) { totalCount nodes { tags { name } } edges { cursor node { tags { id } } } }
            itemsGrouped(by: [{rarity: VALUE}]) { count }
            __typename
        }";
        let (_, plan) = testing::plan(query);
        let json = r#"{
            "items":[{"id":"1","tags":[{"name":"a"}],"seller":{"sells":[{"id":"1"},{"id":"2"}]}},{"id":"2","tags":[],"seller":null}],
            "item":{"tags":[{"name":"a"},{"name":"b"}]},
            "itemsConnection":{"totalCount":9,"nodes":[{"tags":[{"name":"a"}]},{"tags":[]}],
                "edges":[{"cursor":"x","node":{"tags":[{"id":"1"}]}},{"cursor":"y","node":{"tags":[]}}]},
            "itemsGrouped":[{"count":1},{"count":2},{"count":3}],
            "__typename":"Query"
        }"#;
        assert_eq!(rows(&plan.read, json), 2 + 1 + 2 + 2 + (2 + 1 + 1) + 3);
        assert_eq!(rows(&plan.read, "{\"item\":null}"), 0);
    }
}
