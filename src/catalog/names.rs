//! Names derived from other names: tables, columns, root fields. Knows English plurals, and which
//! names databases keep for themselves; knows no catalog.

use super::Names;

/// The field of each row with a key that is its own id among the rows of all types.
pub(crate) const NODE_ID: &str = "nodeId";

/// `requiredFor` as `required_for`, `HTTPServer` as `http_server`, `QuestItem` as `quest_item`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let is = |at: Option<usize>, test: fn(&char) -> bool| at.and_then(|at| letters.get(at)).is_some_and(test);
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1);
        let after_lower = is(before, |letter| letter.is_lowercase() || letter.is_ascii_digit());
        let ends_capitals =
            is(before, |letter| letter.is_uppercase()) && is(Some(at + 1), |letter| letter.is_lowercase());
        if letter.is_uppercase() && (after_lower || ends_capitals) && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// Beginnings of names of tables that SQLite or PostgreSQL keeps, or that are those of our own
/// system tables.
const TABLES_KEPT: &[&str] = &["sqlite_", "pg_", "pragma_", "hayloft_", "seaql_"];
/// Whole names of tables that mean something else: a function of SQLite that stands where tables
/// do, and the row that an
/// `INSERT` would have added.
const TABLES_TAKEN: &[&str] = &["json_each", "excluded"];
/// Columns that every table of PostgreSQL has.
const COLUMNS_KEPT: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The name of a table in the database: the plain one, unless a database keeps that for itself. No
/// plain name has a `$`.
pub(crate) fn table_name(plain: &str) -> String {
    let kept = TABLES_KEPT.iter().any(|start| plain.starts_with(start)) || TABLES_TAKEN.contains(&plain);
    spelled(plain, kept)
}

/// The same of a column.
pub(crate) fn column_name(plain: &str) -> String {
    spelled(plain, COLUMNS_KEPT.contains(&plain))
}

fn spelled(plain: &str, kept: bool) -> String {
    match kept {
        true => format!("${plain}"),
        false => plain.to_owned(),
    }
}

impl Names {
    /// The names of a type; those of its lists come from an English plural unless another is given.
    pub fn with(name: &str, many: Option<&str>) -> Names {
        let plain = snake_case(name);
        let single = lower_camel(&plain);
        let many = many.map_or_else(|| plural(&single), str::to_owned);
        Names {
            connection: connection_name(&many),
            grouped: format!("{many}Grouped"),
            many,
            by: format!("{single}By"),
            history: format!("{single}History"),
            table: table_name(&plain),
            single,
        }
    }
}

/// `items` as `itemsConnection`: the field that gives the same rows in pages.
pub(crate) fn connection_name(list: &str) -> String {
    format!("{list}{CONNECTION}")
}

/// The list that such a field gives in pages.
pub(crate) fn list_of_connection(name: &str) -> Option<&str> {
    name.strip_suffix(CONNECTION)
}

/// What is added to the name of a list.
const CONNECTION: &str = "Connection";

/// `quest_item` as `questItem`.
fn lower_camel(snake: &str) -> String {
    let mut words = snake.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or("").to_owned();
    words.fold(first, |mut out, word| {
        let mut letters = word.chars();
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        out.push_str(letters.as_str());
        out
    })
}

/// `quest` as `quests`, `category` as `categories`, `box` as `boxes`.
fn plural(word: &str) -> String {
    let vowel_y = ["ay", "ey", "iy", "oy", "uy"].iter().any(|end| word.ends_with(end));
    match word.strip_suffix('y') {
        Some(stem) if !vowel_y && !stem.is_empty() => return format!("{stem}ies"),
        _ => {}
    }
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end));
    format!("{word}{}", if hissing { "es" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_cases() {
        for (name, want) in [
            ("Item", "item"),
            ("requiredFor", "required_for"),
            ("HTTPServer", "http_server"),
            ("cca3", "cca3"),
            ("a1B", "a1_b"),
            ("already_snake", "already_snake"),
        ] {
            assert_eq!(snake_case(name), want);
        }
    }

    #[test]
    fn kept_columns_are_spelled_otherwise() {
        for (plain, want) in [("xmin", "$xmin"), ("xmin_", "xmin_"), ("oid", "oid"), ("ctid", "$ctid")] {
            assert_eq!(column_name(plain), want);
        }
    }

    #[test]
    fn names_of_types() {
        for (name, table, single, many) in [
            ("Item", "item", "item", "items"),
            ("QuestItem", "quest_item", "questItem", "questItems"),
            ("Category", "category", "category", "categories"),
            ("Day", "day", "day", "days"),
            ("Box", "box", "box", "boxes"),
            ("Branch", "branch", "branch", "branches"),
            ("NPC", "npc", "npc", "npcs"),
            ("HTTPStatus", "http_status", "httpStatus", "httpStatuses"),
            ("PgClass", "$pg_class", "pgClass", "pgClasses"),
            ("Sqlite", "sqlite", "sqlite", "sqlites"),
            ("Sqlite_x", "$sqlite_x", "sqliteX", "sqliteXs"),
            ("HayloftRun", "$hayloft_run", "hayloftRun", "hayloftRuns"),
            ("Excluded", "$excluded", "excluded", "excludeds"),
        ] {
            let names = Names::with(name, None);
            assert_eq!((&*names.table, &*names.single, &*names.many), (table, single, many));
            assert_eq!(names.by, format!("{single}By"));
            assert_eq!(list_of_connection(&names.connection), Some(many));
        }
    }
}
