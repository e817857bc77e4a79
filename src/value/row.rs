//! A value, a key and a row as they pass from `harvest` to `store`. Knows no names: positions come
//! from the catalog.

/// One stored value. Which variant a column holds follows from its [`crate::value::Scalar`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Feeds the value to a hasher of keys in memory; what it gives is never stored.
    pub fn hash_key<H: std::hash::Hasher>(&self, state: &mut H) {
        use std::hash::Hash as _;
        match self {
            Value::Null => 0u8.hash(state),
            Value::Bool(value) => value.hash(state),
            Value::Int(value) => value.hash(state),
            // The two zeros are equal.
            Value::Float(value) => (value + 0.0).to_bits().hash(state),
            Value::Text(value) => value.hash(state),
        }
    }

    /// Feeds the value to a hash so that no two different values, nor two different splits of them,
    /// give the same bytes.
    fn hash_into(&self, hash: &mut Hashing) {
        match self {
            Value::Null => hash.update(&[0]),
            Value::Bool(value) => hash.update(&[1, u8::from(*value)]),
            Value::Int(value) => {
                hash.update(&[2]);
                hash.update(&value.to_le_bytes());
            }
            Value::Float(value) => {
                hash.update(&[3]);
                hash.update(&value.to_bits().to_le_bytes());
            }
            Value::Text(value) => {
                hash.update(&[4]);
                hash.update(&(value.len() as u64).to_le_bytes());
                hash.update(value.as_bytes());
            }
        }
    }
}

/// A hash in the making. What it is fed comes in pieces of a few bytes, which are gathered: it is
/// that of all of them in a row.
struct Hashing {
    gathered: [u8; GATHERED],
    length: usize,
    /// Of what was fed before, where it is more than that.
    before: Option<Box<xxhash_rust::xxh3::Xxh3>>,
}

/// As much as is hashed at once without a state; most rows are shorter.
const GATHERED: usize = 240;

impl Hashing {
    fn new() -> Hashing {
        Hashing {
            gathered: [0; GATHERED],
            length: 0,
            before: None,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let room = self.gathered.get_mut(self.length..self.length + bytes.len());
        if let Some(room) = room {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
            return;
        }
        let before = self.before.get_or_insert_default();
        before.update(self.gathered.get(..self.length).unwrap_or_default());
        before.update(bytes);
        self.length = 0;
    }

    fn digest(mut self) -> u64 {
        let gathered = self.gathered.get(..self.length).unwrap_or_default();
        match &mut self.before {
            None => xxhash_rust::xxh3::xxh3_64(gathered),
            Some(before) => {
                before.update(gathered);
                before.digest()
            }
        }
    }
}

/// The values of a key's fields, in the catalog's order; never null.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key(pub Vec<Value>);

impl Key {
    /// A key of one text value, the common case.
    #[cfg(test)]
    pub(crate) fn text(value: impl Into<String>) -> Key {
        Key(vec![Value::Text(value.into())])
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|value| value.hash_key(state));
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, value) in self.0.iter().enumerate() {
            if position > 0 {
                out.write_str(" / ")?;
            }
            write!(out, "{value}")?;
        }
        Ok(())
    }
}

/// One shaped record, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// One value per data column of the type's table (`layout::Table::columns`), in that order.
    /// Those that requests of their own fill (`layout::Column::fetched`) are null here.
    pub values: Vec<Value>,
    /// One list per join table of the type (`layout::EntityTables::joins`), in that order: the
    /// targets in the upstream's order. Those that requests of their own fill
    /// (`layout::JoinTable::fetched`) stay empty here.
    pub links: Vec<Vec<Key>>,
    /// One list per nested field of the type (`layout::EntityTables::nested`), in that order: the
    /// child rows in the upstream's order.
    pub children: Vec<Vec<Row>>,
    /// One list per nested field, or none at all: the children that were refused, whose last good
    /// versions stay.
    pub kept: Vec<Vec<Kept>>,
    /// A hash of all of the above, children included, but for what requests of their own fill:
    /// equal hash, nothing to write.
    pub hash: i64,
    /// Set when others bring this row, too: it is what one of them knows of it.
    pub part: Option<Box<Part>>,
}

/// The bit of a stored row's hash by which it is known that it is not the row as its owner wrote
/// it: others have added to it.
pub(crate) const SHARED_BIT: i64 = 1;

/// What one of several who bring a row knows of it. It writes what it has. What it does not have is
/// null in a new row; in a stored one it stays, unless the owner brings the row and nobody else has
/// added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub absent: Absent,
    /// It comes by the type's own `@fetch`.
    pub owner: bool,
}

/// What a record does not have at all, which is not the same as null. Positions as in [`Row`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Absent {
    pub values: Vec<usize>,
    pub links: Vec<usize>,
    pub children: Vec<usize>,
}

/// A child row that was refused: what is stored of it stays as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// Its place in the upstream's list.
    pub position: usize,
    /// Its whole key; without it, or a place that is the key, it may be any of its owner's
    /// children.
    pub key: Option<Key>,
}

/// The child rows of one list, and those that were refused.
pub(crate) type Children = (Vec<Row>, Vec<Kept>);

/// The parts of a type's rows that requests of their own fill, by position.
#[derive(Clone, Debug, Default)]
pub struct Apart {
    pub values: Vec<usize>,
    pub links: Vec<usize>,
}

impl Row {
    /// Builds a row and its hash.
    #[cfg(test)]
    pub(crate) fn new(values: Vec<Value>, links: Vec<Vec<Key>>, children: Vec<Vec<Row>>) -> Row {
        Row::beside(&Apart::default(), values, links, children)
    }

    /// The same beside parts that are no part of the record: with or without them the record is the
    /// same, and so is the hash.
    pub(crate) fn beside(apart: &Apart, values: Vec<Value>, links: Vec<Vec<Key>>, children: Vec<Vec<Row>>) -> Row {
        let mut hash = Hashing::new();
        for value in own(&values, &apart.values) {
            value.hash_into(&mut hash);
        }
        for list in own(&links, &apart.links) {
            hash.update(&(list.len() as u64).to_le_bytes());
            list.iter()
                .flat_map(|key| &key.0)
                .for_each(|value| value.hash_into(&mut hash));
        }
        for list in &children {
            hash.update(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|row| hash.update(&row.hash.to_le_bytes()));
        }
        Row {
            values,
            links,
            children,
            kept: Vec::new(),
            hash: hash.digest() as i64,
            part: None,
        }
    }

    /// The same with children that were refused. They are part of the hash: a row that has lost
    /// them is another one.
    #[must_use]
    pub(crate) fn keeping(mut self, kept: Vec<Vec<Kept>>) -> Row {
        if kept.iter().all(Vec::is_empty) {
            return self;
        }
        let mut hash = Hashing::new();
        hash.update(&self.hash.to_le_bytes());
        for list in &kept {
            hash.update(&(list.len() as u64).to_le_bytes());
            for kept in list {
                hash.update(&(kept.position as u64).to_le_bytes());
                let key = kept.key.as_ref().map_or(&[][..], |key| &key.0);
                key.iter().for_each(|value| value.hash_into(&mut hash));
            }
        }
        self.hash = hash.digest() as i64;
        self.kept = kept;
        self
    }

    /// The refused children of a nested field.
    pub(crate) fn kept_of(&self, list: usize) -> &[Kept] {
        self.kept.get(list).map_or(&[], Vec::as_slice)
    }

    /// The child rows of a nested field with their places in the upstream's list, where refused
    /// ones leave gaps.
    pub(crate) fn children_of(&self, list: usize) -> impl Iterator<Item = (usize, &Row)> {
        let kept = self.kept_of(list);
        let free = (0..).filter(move |place| kept.iter().all(|kept| kept.position != *place));
        free.zip(self.children.get(list).into_iter().flatten())
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let text = |value: &Value| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        };
        let values = |values: &[Value]| size_of_val(values) + values.iter().map(text).sum::<usize>();
        let links = self.links.iter().flatten().map(|key| values(&key.0));
        let children = self.children.iter().flatten().map(Row::size);
        size_of::<Row>() + values(&self.values) + links.sum::<usize>() + children.sum::<usize>()
    }

    /// The same as what one of several knows of the row.
    #[must_use]
    pub(crate) fn into_part(self, part: Part) -> Row {
        Row {
            hash: self.hash & !SHARED_BIT,
            part: Some(Box::new(part)),
            ..self
        }
    }

    /// Whether another row has all that this one says.
    pub(crate) fn says_the_same(&self, other: &Row) -> bool {
        let none = Absent::default();
        let absent = self.part.as_ref().map_or(&none, |part| &part.absent);
        own(&self.values, &absent.values).eq(own(&other.values, &absent.values))
            && own(&self.links, &absent.links).eq(own(&other.links, &absent.links))
            && own(&self.children, &absent.children).eq(own(&other.children, &absent.children))
    }

    /// Two parts of one row together, this one being the newer; `apart` is as in [`Row::beside`].
    #[must_use]
    pub(crate) fn over(&self, older: &Row, apart: &Apart) -> Row {
        let (Some(part), Some(before)) = (&self.part, &older.part) else {
            return self.clone();
        };
        let (absent, still) = (&part.absent, &before.absent);
        let both = Absent {
            values: common(&absent.values, &still.values),
            links: common(&absent.links, &still.links),
            children: common(&absent.children, &still.children),
        };
        let values = taken(&self.values, &older.values, &absent.values);
        let links = taken(&self.links, &older.links, &absent.links);
        let children = taken(&self.children, &older.children, &absent.children);
        let part = Part {
            absent: both,
            owner: part.owner,
        };
        let kept = (0..children.len()).map(|at| match absent.children.contains(&at) {
            true => older.kept_of(at).to_vec(),
            false => self.kept_of(at).to_vec(),
        });
        let kept = kept.collect();
        Row::beside(apart, values, links, children)
            .keeping(kept)
            .into_part(part)
    }

    /// Whether it is a part of a row that does not have these children.
    pub(crate) fn lacks_children(&self, list: usize) -> bool {
        let part = self.part.as_ref();
        part.is_some_and(|part| part.absent.children.contains(&list))
    }
}

fn common(one: &[usize], other: &[usize]) -> Vec<usize> {
    one.iter().filter(|at| other.contains(at)).copied().collect()
}

/// The newer ones, but at these positions the older.
fn taken<T: Clone>(newer: &[T], older: &[T], positions: &[usize]) -> Vec<T> {
    let pairs = newer.iter().zip(older).enumerate();
    let pick = |(at, (newer, older)): (usize, (&T, &T))| if positions.contains(&at) { older } else { newer }.clone();
    pairs.map(pick).collect()
}

/// What is not at one of these positions.
fn own<'a, T>(all: &'a [T], apart: &'a [usize]) -> impl Iterator<Item = &'a T> {
    let own = all.iter().enumerate().filter(|(at, _)| !apart.contains(at));
    own.map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn parts_make_a_row() {
        let value = |text: &str| match text {
            "" => Value::Null,
            text => Value::Text(text.to_owned()),
        };
        let part = |values: [&str; 3], absent: &[usize]| {
            let absent = Absent {
                values: absent.to_vec(),
                ..Absent::default()
            };
            Row::new(values.map(value).to_vec(), vec![], vec![]).into_part(Part { absent, owner: false })
        };
        let (older, newer) = (part(["1", "a", ""], &[2]), part(["1", "", ""], &[1]));
        // Null is a value like any other.
        let over = |newer: &Row, older: &Row| newer.over(older, &Apart::default());
        assert_eq!(over(&newer, &older), part(["1", "a", ""], &[]));
        assert_eq!(over(&older, &part(["1", "", "z"], &[])), part(["1", "a", "z"], &[]));
        assert_eq!(over(&part(["1", "", ""], &[1, 2]), &older), part(["1", "a", ""], &[2]));
        assert!(older.says_the_same(&part(["1", "a", "z"], &[])) && !part(["1", "b", ""], &[2]).says_the_same(&older));
        assert_eq!(over(&part(["1", "b", ""], &[]), &older), part(["1", "b", ""], &[]));
    }

    #[test]
    fn a_hash_is_that_of_all_bytes_in_a_row() {
        let all: Vec<u8> = (0..2_000u32).map(|at| (at % 251) as u8).collect();
        for length in [0, 1, 100, 239, 240, 241, 500, 2_000] {
            for piece in [1, 7, 8, 100, 240, 241, 1_999] {
                let (mut hash, all) = (Hashing::new(), &all[..length]);
                all.chunks(piece).for_each(|piece| hash.update(piece));
                assert_eq!(hash.digest(), xxhash_rust::xxh3::xxh3_64(all), "{length} in {piece}");
            }
        }
    }

    #[test]
    fn equal_keys_have_equal_hashes() {
        let (zero, minus) = (Key(vec![Value::Float(0.0)]), Key(vec![Value::Float(-0.0)]));
        let hashes = RandomState::new();
        assert_eq!(zero, minus);
        assert_eq!(hashes.hash_one(&zero), hashes.hash_one(&minus));
    }
}
