//! SQLite's dialect. Knows SQLite's functions and their traps; no business.

use crate::{layout::ColumnKind, query::TextTest, value::Scalar};

use super::{dialect::Dialect, functions};

/// The collation of decimal columns, registered on every connection.
pub const DECIMAL_COLLATION: &str = "hayloft_decimal";

/// Arguments of one function call: builds of SQLite before 3.48 take 127.
const ARGUMENTS_MAX: usize = 100;

pub struct Sqlite;

impl Dialect for Sqlite {
    fn max_params(&self) -> usize {
        // SQLITE_MAX_VARIABLE_NUMBER of the bundled build.
        32_766
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn param(&self, number: usize) -> String {
        format!("?{number}")
    }

    fn column_type(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Scalar(Scalar::Int | Scalar::BigInt | Scalar::Duration | Scalar::Boolean) => "INTEGER",
            ColumnKind::Scalar(Scalar::Float) => "REAL",
            ColumnKind::Scalar(Scalar::Decimal) => "TEXT COLLATE hayloft_decimal",
            _ => "TEXT",
        }
    }

    fn collate(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Scalar(Scalar::Decimal) => " COLLATE hayloft_decimal",
            _ => "",
        }
    }

    fn wire(&self, column: &str, kind: ColumnKind, nullable: bool) -> String {
        let or_null = |text: String| {
            if nullable {
                format!("coalesce({text},'null')")
            } else {
                text
            }
        };
        match kind {
            ColumnKind::Document => or_null(column.to_owned()),
            ColumnKind::Scalar(Scalar::Int) => or_null(column.to_owned()),
            ColumnKind::Scalar(Scalar::BigInt) => or_null(format!("'\"'||{column}||'\"'")),
            ColumnKind::Scalar(Scalar::Boolean) => {
                format!("CASE {column} WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE 'null' END")
            }
            ColumnKind::Scalar(Scalar::DateTime | Scalar::Time) => format!("{}({column})", functions::TIME),
            // The parts are taken apart before `abs`, which fails on the smallest integer.
            ColumnKind::Scalar(Scalar::Duration) => format!(
                "CASE WHEN {column} IS NULL THEN 'null' ELSE CASE WHEN {column}<0 THEN '\"-PT' ELSE '\"PT' END||rtrim(rtrim(printf('%d.%06d',abs({column}/1000000),abs({column}%1000000)),'0'),'.')||'S\"' END"
            ),
            ColumnKind::Scalar(Scalar::Float) => format!("{}({column})", functions::FLOAT),
            // What an upstream's JSON filter printed may be no JSON (NaN): it is then served as text.
            ColumnKind::Scalar(Scalar::Json) => {
                format!("CASE WHEN json_valid({column}) THEN {column} ELSE json_quote({column}) END")
            }
            ColumnKind::Scalar(_) | ColumnKind::Enum => format!("json_quote({column})"),
        }
    }

    fn literal(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// One call of `concat` instead of a chain of `||`: one copy, and no deep expression.
    fn concat(&self, parts: &[String]) -> String {
        match parts {
            [] => "''".to_owned(),
            [one] => one.clone(),
            _ if parts.len() <= ARGUMENTS_MAX => format!("concat({})", parts.join(",")),
            _ => {
                let chunks: Vec<String> = parts.chunks(ARGUMENTS_MAX).map(|chunk| self.concat(chunk)).collect();
                self.concat(&chunks)
            }
        }
    }

    fn array(&self, text: &str, from: &str) -> String {
        // SQLite keeps the order of a subquery for aggregates whose result depends on it; a test holds it to that.
        format!("(SELECT concat('[',group_concat({text}),']') FROM ({from}))")
    }

    fn member(&self, document: &str, name: &str) -> String {
        format!("({document}->'$.\"{name}\"')")
    }

    fn elements(&self, document: &str, alias: &str) -> String {
        format!("json_each({document}) AS {alias}")
    }

    fn text_test(&self, column: &str, test: TextTest, param: &str) -> String {
        match test {
            TextTest::Contains => format!("instr({column},{param})>0"),
            TextTest::StartsWith => format!("substr({column},1,length({param}))={param}"),
            TextTest::EndsWith => {
                format!("({column} IS NOT NULL AND ({param}='' OR substr({column},-length({param}))={param}))")
            }
            TextTest::Like => format!("{column} GLOB {param}"),
            TextTest::ILike => format!("{column} LIKE {param} ESCAPE '\\'"),
        }
    }

    /// `LIKE` of SQLite knows no case, `GLOB` does: `%` becomes `*`, `_` becomes `?`, what is special to `GLOB` is bracketed.
    fn pattern(&self, like: &str) -> String {
        let mut glob = String::with_capacity(like.len() + 4);
        let mut letters = like.chars();
        while let Some(letter) = letters.next() {
            let literal = match letter {
                '%' => {
                    glob.push('*');
                    continue;
                }
                '_' => {
                    glob.push('?');
                    continue;
                }
                '\\' => letters.next().unwrap_or('\\'),
                other => other,
            };
            match literal {
                '*' | '?' | '[' => glob.extend(['[', literal, ']']),
                _ => glob.push(literal),
            }
        }
        glob
    }

    fn now(&self, seconds: i64) -> String {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ','now','{seconds} seconds')")
    }
}
