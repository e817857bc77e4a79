//! How much of an answer a statement has made, and how much it may. Knows numbers, and how either
//! database says that it was stopped.
//!
//! An estimate may be wrong. So a list ends its statement when it has become too long, before the
//! rows around it are made, too.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::store::error::Beyond;

/// What one answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Rows of one list. All lists together may have [`TIMES`] as many: some of them may be made
    /// for rows that are cut off then.
    pub rows: u64,
    /// Bytes of the whole.
    pub bytes: u64,
}

/// How many times the rows of one list all lists together may have.
const TIMES: u64 = 4;

impl Bounds {
    /// None.
    pub(crate) const ENDLESS: Bounds = Bounds {
        rows: u64::MAX,
        bytes: u64::MAX,
    };
}

/// What a SQLite reader's statement has made so far.
#[derive(Debug)]
pub(crate) struct Made {
    bounds: Mutex<Bounds>,
    rows: AtomicU64,
    /// Of lists that belong to no row.
    bytes: AtomicU64,
    /// These lists, beside the statement's rows: SQLite would copy each four times on its way out.
    lists: Mutex<Vec<String>>,
    beyond: Mutex<Option<Beyond>>,
}

/// What stands for a list that lies beside the rows, before its number. No JSON begins so.
const BESIDE: char = '\u{1}';

impl Default for Made {
    fn default() -> Made {
        Made {
            bounds: Mutex::new(Bounds::ENDLESS),
            rows: AtomicU64::default(),
            bytes: AtomicU64::default(),
            lists: Mutex::default(),
            beyond: Mutex::default(),
        }
    }
}

impl Made {
    /// A statement begins.
    pub(crate) fn begin(&self, bounds: Bounds) {
        *lock(&self.bounds) = bounds;
        *lock(&self.beyond) = None;
        self.rows.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        drop(self.lists());
    }

    pub(crate) fn bounds(&self) -> Bounds {
        *lock(&self.bounds)
    }

    /// One row more, of a list that has so many rows and bytes now; whether that is not too much.
    pub(crate) fn row(&self, bounds: Bounds, rows: u64, bytes: u64) -> bool {
        let all = self.rows.fetch_add(1, Ordering::Relaxed) + 1;
        let too_many = |found| Beyond::Rows {
            found,
            most: bounds.rows,
        };
        let beyond = if rows > bounds.rows {
            too_many(rows)
        } else if all > bounds.rows.saturating_mul(TIMES) {
            too_many(all)
        } else if bytes > bounds.bytes {
            Beyond::Bytes {
                found: bytes,
                most: bounds.bytes,
            }
        } else {
            return true;
        };
        *lock(&self.beyond) = Some(beyond);
        false
    }

    /// A list that belongs to no row is whole and laid beside the rows; what stands for it there,
    /// unless all of them are too much.
    pub(crate) fn lay_beside(&self, bounds: Bounds, list: String) -> Option<String> {
        if !self.list(bounds, list.len() as u64) {
            return None;
        }
        let mut lists = lock(&self.lists);
        lists.push(list);
        Some(format!("{BESIDE}{}", lists.len() - 1))
    }

    /// Takes what was laid beside the rows.
    pub(crate) fn lists(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.lists))
    }

    /// A closure that leads so many steps far; whether it may.
    pub(crate) fn steps(&self, (found, most): (u64, u64), closure: &str) -> bool {
        let is_within = found <= most;
        if !is_within {
            let closure = closure.to_owned();
            *lock(&self.beyond) = Some(Beyond::Steps { closure, most });
        }
        is_within
    }

    fn list(&self, bounds: Bounds, bytes: u64) -> bool {
        let found = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if found <= bounds.bytes {
            return true;
        }
        *lock(&self.beyond) = Some(Beyond::Bytes {
            found,
            most: bounds.bytes,
        });
        false
    }

    pub(crate) fn beyond(&self) -> Option<Beyond> {
        lock(&self.beyond).clone()
    }
}

/// A row's text: as it is, or the list beside the rows for which it stands. None when that is not
/// there.
pub(crate) fn text_of<'t>(text: &'t str, lists: &'t [String]) -> Option<&'t str> {
    match text.strip_prefix(BESIDE) {
        None => Some(text),
        Some(number) => lists.get(number.parse::<usize>().ok()?).map(String::as_str),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before the number of rows, or of bytes, in a text that PostgreSQL is asked to read as a number
/// when they are too many: a statement has no other way to end itself.
pub(crate) const ROWS_MARK: &str = "hayloft:rows:";
pub(crate) const BYTES_MARK: &str = "hayloft:bytes:";
/// The same of steps, one more than a closure may have, whose name stands between.
pub(crate) const STEPS_MARK: &str = "hayloft:steps:";

/// Reads why PostgreSQL ended a statement.
pub(crate) fn beyond_of(error: &sqlx::Error, bounds: Bounds) -> Option<Beyond> {
    if let sqlx::Error::Decode(cause) = error {
        return cause.downcast_ref::<Beyond>().cloned();
    }
    let cause = error.as_database_error()?;
    let (rows, bytes) = (bounds.rows, bounds.bytes);
    let after = |mark: &str| -> Option<u64> { number_after(cause.message(), mark) };
    match cause.code().as_deref() {
        Some("22P02") => after(ROWS_MARK)
            .map(|found| Beyond::Rows { found, most: rows })
            .or_else(|| after(BYTES_MARK).map(|found| Beyond::Bytes { found, most: bytes }))
            .or_else(|| steps_of(cause.message())),
        // A text of more than a gigabyte.
        Some("54000") => Some(Beyond::Bytes {
            found: 1 << 30,
            most: bytes,
        }),
        _ => None,
    }
}

/// The closure that leads too far, of whose name no sign has a meaning in a message.
fn steps_of(message: &str) -> Option<Beyond> {
    let (_, rest) = message.split_once(STEPS_MARK)?;
    let (closure, _) = rest.split_once(':')?;
    let found = number_after(rest, &format!("{closure}:"))?;
    Some(Beyond::Steps {
        closure: closure.to_owned(),
        most: found.saturating_sub(1),
    })
}

/// The number behind a mark. Each language of the server has its own quotation marks around it.
fn number_after(message: &str, mark: &str) -> Option<u64> {
    let (_, rest) = message.split_once(mark)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_any_language() {
        for message in [
            "invalid input syntax for type bigint: \"hayloft:rows:51\"",
            "ungültige Eingabesyntax für Typ bigint: »hayloft:rows:51«",
            "syntaxe en entrée invalide pour le type bigint : « hayloft:rows:51 »",
        ] {
            assert_eq!(number_after(message, ROWS_MARK), Some(51), "{message}");
            assert_eq!(number_after(message, BYTES_MARK), None, "{message}");
        }
    }

    #[test]
    fn a_closure_is_named() {
        let message = "ungültige Eingabesyntax für Typ bigint: »hayloft:steps:Term.ancestors:4«";
        let closure = "Term.ancestors".to_owned();
        assert_eq!(steps_of(message), Some(Beyond::Steps { closure, most: 3 }));
        assert_eq!(steps_of("»hayloft:rows:4«"), None);
    }

    #[test]
    fn lists_beside_the_rows_are_found_until_the_next_statement() {
        let bounds = Bounds { rows: 2, bytes: 10 };
        let made = Made::default();
        let marks = ["[1]", "[22]"].map(|list| made.lay_beside(bounds, list.to_owned()).expect("it fits"));
        assert_eq!(made.lay_beside(bounds, "[333]".to_owned()), None);
        let lists = made.lists();
        assert_eq!(
            marks.each_ref().map(|mark| text_of(mark, &lists)),
            [Some("[1]"), Some("[22]")]
        );
        assert_eq!(text_of("[4]", &lists), Some("[4]"));
        assert_eq!(text_of(&marks[0], &made.lists()), None);
        made.begin(bounds);
        made.lay_beside(bounds, "[1]".to_owned());
        made.begin(bounds);
        assert!(made.lists().is_empty());
    }

    #[test]
    fn lists_end_at_their_bounds() {
        let bounds = Bounds { rows: 2, bytes: 10 };
        let made = Made::default();
        made.begin(bounds);
        assert!(made.row(bounds, 1, 5) && made.row(bounds, 2, 10));
        assert!(!made.row(bounds, 3, 10));
        assert_eq!(made.beyond(), Some(Beyond::Rows { found: 3, most: 2 }));
        made.begin(bounds);
        assert!(!made.row(bounds, 1, 11));
        assert_eq!(made.beyond(), Some(Beyond::Bytes { found: 11, most: 10 }));
        // Many short lists, some of which may be cut off.
        made.begin(bounds);
        assert!((0..8).all(|_| made.row(bounds, 1, 1)));
        assert!(!made.row(bounds, 1, 1));
        // Several in one answer.
        made.begin(bounds);
        assert!(made.list(bounds, 6) && made.list(bounds, 4) && !made.list(bounds, 1));
    }
}
