//! Rows that are joined to the tables of a `FROM`, each once however often a statement asks for it.
//! Plain data: which rows may be joined is not known here.

use crate::catalog::{EntityId, FieldId};

/// The joins that follow the tables of a `FROM`.
#[derive(Default)]
pub(crate) struct Joins {
    known: Vec<Joined>,
    sql: String,
    closed: bool,
}

/// The row behind a field of the row under an alias.
struct Joined {
    of: String,
    field: FieldId,
    row: (EntityId, String),
}

impl Joins {
    /// Of one `FROM`. SQLite takes 64 tables, and PostgreSQL plans all orders of eight.
    pub(crate) const MOST: usize = 6;

    /// None at all, where nothing can follow the tables.
    pub(crate) fn closed() -> Joins {
        Joins {
            closed: true,
            ..Joins::default()
        }
    }

    /// What follows the tables.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// The type and the alias of the row behind a field of the row under an alias.
    pub(crate) fn known(&self, of: &str, field: FieldId) -> Option<(EntityId, String)> {
        let is_same = |joined: &&Joined| joined.of == of && joined.field == field;
        self.known.iter().find(is_same).map(|joined| joined.row.clone())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.closed || self.known.len() >= Joins::MOST
    }

    /// Joins a row to the one under an alias.
    pub(crate) fn add(&mut self, of: &str, field: FieldId, row: (EntityId, String), sql: &str) {
        self.sql.push_str(sql);
        self.known.push(Joined {
            of: of.to_owned(),
            field,
            row,
        });
    }
}
