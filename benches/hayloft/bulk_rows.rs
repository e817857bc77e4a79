//! The rows that the ways into PostgreSQL are compared with, in the forms that these take. Knows no statements.

use std::fmt::{self, Display, Write};

use tokio_postgres::types::{ToSql, Type};

/// Name, type and what else the program says of a column.
pub const COLUMNS: [(&str, Type, &str); 10] = [
    ("_row", Type::INT8, "NOT NULL PRIMARY KEY"),
    ("id", Type::TEXT, "COLLATE \"C\" NOT NULL"),
    ("name", Type::TEXT, "COLLATE \"C\" NOT NULL"),
    ("price", Type::FLOAT8, ""),
    ("rarity", Type::TEXT, "COLLATE \"C\""),
    ("weight", Type::INT8, ""),
    ("stock", Type::INT8, ""),
    ("active", Type::BOOL, ""),
    ("updated", Type::TEXT, "COLLATE \"C\""),
    ("_hash", Type::INT8, "NOT NULL"),
];

pub struct Row {
    row: i64,
    id: String,
    name: String,
    price: Option<f64>,
    rarity: Option<&'static str>,
    weight: Option<i64>,
    stock: Option<i64>,
    active: Option<bool>,
    updated: Option<String>,
    hash: i64,
}

/// A null in COPY's text is `\N`.
struct Cell<T>(Option<T>);

impl Row {
    /// The row with this number, as it is first or as it is later.
    pub fn new(number: i64, changed: bool) -> Row {
        let later = i64::from(changed);
        Row {
            row: number + 1,
            id: format!("r{number:07}"),
            name: format!("Thing number {number} of the farm"),
            price: Some((number % 997 + later) as f64 + (number % 100) as f64 / 100.0),
            rarity: (number % 10 > 0).then_some(["common", "rare", "epic"][(number % 3) as usize]),
            weight: Some(number % 5_000),
            stock: Some(number % 77 + later),
            active: Some(number % 2 == 0),
            updated: Some(format!(
                "2026-11-{:02}T{:02}:{:02}:{later:02}.000000Z",
                number % 28 + 1,
                number % 24,
                number % 60
            )),
            // Spread over all numbers, as hashes are.
            hash: (2 * number + later + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64),
        }
    }

    /// In the order of [`COLUMNS`].
    pub fn cells(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.row,
            &self.id,
            &self.name,
            &self.price,
            &self.rarity,
            &self.weight,
            &self.stock,
            &self.active,
            &self.updated,
            &self.hash,
        ]
    }
}

/// An array for each column, in the order of [`COLUMNS`]. Texts are borrowed.
pub fn arrays(rows: &[Row]) -> [Box<dyn ToSql + Sync + '_>; 10] {
    [
        array(rows, |row| row.row),
        array(rows, |row| row.id.as_str()),
        array(rows, |row| row.name.as_str()),
        array(rows, |row| row.price),
        array(rows, |row| row.rarity),
        array(rows, |row| row.weight),
        array(rows, |row| row.stock),
        array(rows, |row| row.active),
        array(rows, |row| row.updated.as_deref()),
        array(rows, |row| row.hash),
    ]
}

fn array<'r, T: ToSql + Sync + 'r>(rows: &'r [Row], cell: impl Fn(&'r Row) -> T) -> Box<dyn ToSql + Sync + 'r> {
    Box::new(rows.iter().map(cell).collect::<Vec<T>>())
}

/// COPY's own text. None of the texts holds a tab, a line break or a backslash, so nothing need be escaped.
pub fn text(rows: &[Row]) -> String {
    let mut out = String::with_capacity(rows.len() * 160);
    for row in rows {
        let (
            Row {
                row: at,
                id,
                name,
                hash,
                ..
            },
            updated,
        ) = (row, Cell(row.updated.as_deref()));
        let (price, rarity, active) = (Cell(row.price), Cell(row.rarity), Cell(row.active));
        let (weight, stock) = (Cell(row.weight), Cell(row.stock));
        writeln!(
            out,
            "{at}\t{id}\t{name}\t{price}\t{rarity}\t{weight}\t{stock}\t{active}\t{updated}\t{hash}"
        )
        .expect("a String takes all");
    }
    out
}

impl<T: Display> Display for Cell<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(out),
            None => out.write_str("\\N"),
        }
    }
}
