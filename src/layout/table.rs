//! One table: its columns, and its indexes with what each is for. Knows how it is stored, also as
//! earlier versions did; no SQL.

use crate::{
    catalog::FieldId,
    value::{Language, Scalar},
};

use super::meaning::Meaning;

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Table {
    pub name: String,
    /// The data columns, in field order.
    pub columns: Vec<Column>,
    /// Positions of the key's columns. A positional nested table's key ends with
    /// [`super::POSITION_COLUMN`], which is not among them.
    pub key: Vec<usize>,
    /// All indexes but that of the key: those that keep values unique, then the plain ones, then
    /// those of lists, each in field order; then those of several fields; then that of words.
    pub indexes: Vec<Index>,
}

/// An index of a table's columns, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    pub kind: IndexKind,
    pub columns: Vec<usize>,
    /// Those of the columns whose highest values come first.
    pub descending: Vec<usize>,
}

impl Index {
    /// One whose lowest values come first.
    pub(crate) fn of(kind: IndexKind, columns: Vec<usize>) -> Index {
        Index {
            kind,
            columns,
            descending: Vec::new(),
        }
    }
}

/// What an index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Rows are told apart by it. That of a nested type begins with the owner, so that an owner's
    /// rows lie together and need no index of their own.
    Key,
    /// Values are unique: `@unique`.
    Unique,
    /// The rows that link to one row are found. The rest of the key follows, because they are read
    /// in its order.
    Reference,
    /// Rows are searched and ordered by a field: `@index`.
    Field,
    /// Rows are searched and ordered by several fields: `@index` on a type. The key follows.
    Fields,
    /// Rows are searched by the items of a list, which are of this kind: `@index` on a list.
    List(ColumnKind),
    /// The owners of links to one row are found, and follow: of a join table.
    Targets,
    /// Rows are searched by the words of these fields: `@search`.
    Search,
}

impl IndexKind {
    /// Whether it refuses repeated values. Any other one only makes answers quicker.
    pub fn is_unique(self) -> bool {
        matches!(self, IndexKind::Key | IndexKind::Unique)
    }

    fn is_plain(self) -> bool {
        matches!(self, IndexKind::Reference | IndexKind::Field)
    }
}

/// A list column, by position, and what its items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexedList {
    pub column: usize,
    pub items: ColumnKind,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    pub name: String,
    pub field: FieldId,
    pub kind: ColumnKind,
    pub nullable: bool,
    /// What the values mean beside their kind.
    #[serde(default)]
    pub meaning: Meaning,
    /// Names that the column can have been stored under, by `@was`.
    #[serde(skip)]
    pub before: Vec<String>,
    /// A part of a link that a request of its own brings (`@fetch` on the field): what the row's
    /// record says leaves it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fetched: bool,
    /// What it is computed of (`@rollup`), in words: other words, other values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup: Option<String>,
    /// The language in which its words are searched: of other stems, other words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl Column {
    /// Whether the row's record says it.
    pub fn is_recorded(&self) -> bool {
        !self.fetched && self.rollup.is_none()
    }
}

/// What a column holds; the dialect chooses the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ColumnKind {
    Scalar(Scalar),
    /// The name of an enum's value.
    Enum,
    /// Lists and value objects: JSON text whose leaves are in wire form.
    Document,
}

impl Table {
    fn sets(&self, is: impl Fn(IndexKind) -> bool) -> impl Iterator<Item = &Vec<usize>> {
        let indexes = self.indexes.iter().filter(move |index| is(index.kind));
        indexes.map(|index| &index.columns)
    }

    /// The column sets whose values are unique beside the key.
    pub fn unique(&self) -> impl Iterator<Item = &Vec<usize>> {
        self.sets(|kind| kind == IndexKind::Unique)
    }

    /// The column sets of the indexes that only make answers quicker, but for those of lists.
    pub fn plain(&self) -> impl Iterator<Item = &Vec<usize>> {
        self.sets(IndexKind::is_plain)
    }

    /// The indexes of several fields.
    pub fn several(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.kind == IndexKind::Fields)
    }

    /// The lists whose items are indexed.
    pub fn lists(&self) -> impl Iterator<Item = IndexedList> {
        self.indexes.iter().filter_map(|index| match index.kind {
            IndexKind::List(items) => Some(IndexedList {
                column: *index.columns.first()?,
                items,
            }),
            _ => None,
        })
    }

    /// The columns whose words are searched.
    pub fn searched(&self) -> &[usize] {
        let index = self.indexes.iter().find(|index| index.kind == IndexKind::Search);
        index.map_or(&[], |index| &index.columns)
    }

    /// The languages of these.
    pub(crate) fn languages(&self) -> impl Iterator<Item = Option<Language>> {
        let columns = self.searched().iter().map(|at| self.columns.get(*at));
        columns.map(|column| column.and_then(|column| column.language))
    }

    /// Whether there are such, and so the column of their words.
    pub fn is_searched(&self) -> bool {
        !self.searched().is_empty()
    }

    /// The columns of each index that holds values as they are: the key's, the unique ones, the
    /// plain ones. That of several fields ends with the key.
    pub fn indexed(&self) -> impl Iterator<Item = Vec<usize>> {
        let and_key = |columns: &[usize]| {
            let rest = self.key.iter().filter(|at| !columns.contains(at));
            columns.iter().chain(rest).copied().collect()
        };
        let others = self.indexes.iter().filter_map(move |index| match index.kind {
            IndexKind::Unique | IndexKind::Reference | IndexKind::Field => Some(index.columns.clone()),
            IndexKind::Fields => Some(and_key(&index.columns)),
            IndexKind::Key | IndexKind::List(_) | IndexKind::Targets | IndexKind::Search => None,
        });
        std::iter::once(self.key.clone()).chain(others)
    }

    /// The field that an index is for: all of them begin with its columns.
    pub fn field_of(&self, index: &Index) -> Option<FieldId> {
        let first = self.columns.get(*index.columns.first()?)?;
        Some(first.field)
    }
}

/// A table as it is stored. The indexes lie in three lists, as they have since the first version,
/// so that an older process which shares the database can read what a newer one stored.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Stored {
    name: String,
    columns: Vec<Column>,
    key: Vec<usize>,
    unique: Vec<Vec<usize>>,
    indexes: Vec<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<IndexedList>,
    /// What each of `indexes` is for; earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    purposes: Vec<Purpose>,
    /// Of several fields; earlier versions make none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    several: Vec<Several>,
    /// The columns whose words are searched; earlier versions search none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    searched: Vec<usize>,
}

/// An index of several fields, as it is stored.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Several {
    columns: Vec<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    descending: Vec<usize>,
}

/// What a plain index is for, as it is stored.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Purpose {
    Reference,
    Field,
}

impl From<Stored> for Table {
    fn from(stored: Stored) -> Table {
        let plain = stored.indexes.iter().enumerate().map(|(at, set)| {
            let said = stored.purposes.get(at).copied();
            let kind = match said.unwrap_or_else(|| purpose_of(&stored.columns, set)) {
                Purpose::Reference => IndexKind::Reference,
                Purpose::Field => IndexKind::Field,
            };
            Index::of(kind, set.clone())
        });
        let unique = stored.unique.iter();
        let unique = unique.map(|set| Index::of(IndexKind::Unique, set.clone()));
        let lists = stored.lists.iter();
        let lists = lists.map(|list| Index::of(IndexKind::List(list.items), vec![list.column]));
        let several = stored.several.iter().map(|several| Index {
            kind: IndexKind::Fields,
            columns: several.columns.clone(),
            descending: several.descending.clone(),
        });
        let searched = Some(stored.searched.clone()).filter(|columns| !columns.is_empty());
        let searched = searched.map(|columns| Index::of(IndexKind::Search, columns));
        let indexes = unique
            .chain(plain)
            .chain(lists)
            .chain(several)
            .chain(searched)
            .collect();
        Table {
            name: stored.name,
            columns: stored.columns,
            key: stored.key,
            indexes,
        }
    }
}

impl From<Table> for Stored {
    fn from(table: Table) -> Stored {
        let purposes = table.indexes.iter().filter_map(|index| match index.kind {
            IndexKind::Reference => Some(Purpose::Reference),
            IndexKind::Field => Some(Purpose::Field),
            IndexKind::Key
            | IndexKind::Unique
            | IndexKind::List(_)
            | IndexKind::Targets
            | IndexKind::Fields
            | IndexKind::Search => None,
        });
        let several = table.several().map(|index| Several {
            columns: index.columns.clone(),
            descending: index.descending.clone(),
        });
        Stored {
            several: several.collect(),
            searched: table.searched().to_vec(),
            unique: table.unique().cloned().collect(),
            indexes: table.plain().cloned().collect(),
            lists: table.lists().collect(),
            purposes: purposes.collect(),
            name: table.name,
            columns: table.columns,
            key: table.key,
        }
    }
}

/// What a plain index of an earlier version is for. `@index` stands on fields of one column, so an
/// index of several, or of a part of a link, is for the link. Of layouts from before meanings were
/// kept, a link of one column without the rest of the key is taken for a field, which only changes
/// how the index is called.
fn purpose_of(columns: &[Column], set: &[usize]) -> Purpose {
    let first = set.first().and_then(|at| columns.get(*at));
    let is_link = first.is_some_and(|column| matches!(column.meaning, Meaning::Link(_)));
    match is_link || set.len() > 1 {
        true => Purpose::Reference,
        false => Purpose::Field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the version before purposes were stored wrote it.
    const BEFORE: &str = r#"{"name":"item","columns":[
        {"name":"id","field":0,"kind":{"Scalar":"Id"},"nullable":false,"meaning":"Plain"},
        {"name":"npc_id","field":1,"kind":{"Scalar":"Id"},"nullable":true,"meaning":{"Link":"Npc"}},
        {"name":"price","field":2,"kind":{"Scalar":"Float"},"nullable":true,"meaning":"Plain"},
        {"name":"slug","field":3,"kind":{"Scalar":"String"},"nullable":true,"meaning":"Plain"},
        {"name":"notes","field":4,"kind":"Document","nullable":true,"meaning":"Plain"},
        {"name":"shop_a","field":5,"kind":{"Scalar":"Int"},"nullable":true},
        {"name":"shop_b","field":5,"kind":{"Scalar":"Int"},"nullable":true}],
        "key":[0],"unique":[[3]],"indexes":[[1,0],[2],[5,6,0]],
        "lists":[{"column":4,"items":{"Scalar":"String"}}]}"#;

    #[test]
    fn what_an_index_is_for_is_worked_out_where_it_was_not_stored() {
        let table: Table = serde_json::from_str(BEFORE).expect("a table");
        let kinds: Vec<IndexKind> = table.indexes.iter().map(|index| index.kind).collect();
        let want = [
            IndexKind::Unique,
            IndexKind::Reference,
            IndexKind::Field,
            IndexKind::Reference,
            IndexKind::List(ColumnKind::Scalar(Scalar::String)),
        ];
        assert_eq!(kinds, want);
        let fields: Vec<u32> = table
            .indexes
            .iter()
            .filter_map(|index| table.field_of(index))
            .map(|id| id.0)
            .collect();
        assert_eq!(fields, [3, 1, 2, 5, 4]);
    }

    /// What was said counts, also where the columns would say something else; and an earlier
    /// version finds all that it knows where it was.
    #[test]
    fn what_an_index_is_for_is_stored_beside_what_earlier_versions_know() {
        let mut table: Table = serde_json::from_str(BEFORE).expect("a table");
        table.indexes[2].kind = IndexKind::Reference;
        let text = serde_json::to_string(&table).expect("JSON");
        assert_eq!(serde_json::from_str::<Table>(&text).expect("a table"), table);
        let stored: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let before: serde_json::Value = serde_json::from_str(BEFORE).expect("JSON");
        for known in ["name", "key", "unique", "indexes", "lists"] {
            assert_eq!(stored[known], before[known], "{known}");
        }
        assert_eq!(
            stored["purposes"],
            serde_json::json!(["Reference", "Reference", "Reference"])
        );
    }
}
