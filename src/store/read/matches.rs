//! Where in a row something of a search stands: the statement gives the texts that are searched,
//! and after it a part of each takes their place. Knows the form in which they come; how words are
//! found is in `query::Sought`, the same for both databases.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use crate::{
    catalog::EntityId,
    layout::ColumnKind,
    query::{Excerpt, MatchValue, Matches, Member, Operand, PartValue, Search, Sought},
    store::error::{Beyond, StoreError},
    value::{Value, words::TEXT_MAX},
};

use super::{
    compiler::Compiler,
    output::{json_text, member_key},
    shown::{Shown, Wanted},
};

/// Stands around the texts of a row, outside of quotation marks, where JSON has no such sign; the
/// number of what is wanted of them follows the first one.
const BEGIN: char = '<';
const END: char = '>';
/// Bytes of an answer whose texts are gone through within the task that waits for it.
const AT_ONCE: usize = 100_000;

impl Compiler<'_> {
    /// The texts of a row in which something is searched for, as far as they are searched.
    pub(crate) fn matches(&mut self, entity: EntityId, alias: &str, matches: &Matches) -> Result<String, StoreError> {
        if matches.search.is_none() {
            return Ok(self.dialect.literal("[]"));
        }
        let own = self.entity(entity);
        let fields = matches.fields.iter().map(|field| own.field(*field));
        let wanted = Wanted {
            fields: fields.map(|field| (field.name.clone(), field.language)).collect(),
            matches: matches.clone(),
        };
        let number = self.wanted.iter().position(|known| *known == wanted);
        let number = number.unwrap_or_else(|| {
            self.wanted.push(wanted);
            self.wanted.len() - 1
        });
        let mut parts = vec![self.dialect.literal(&format!("{BEGIN}{number}["))];
        for (at, field) in matches.fields.iter().enumerate() {
            if at > 0 {
                parts.push(self.dialect.literal(","));
            }
            let column = self.column(entity, *field, alias)?;
            // In letters, of which none is less than a byte.
            let text = match column.kind {
                ColumnKind::Document => column.sql,
                _ => format!("substr({},1,{})", column.sql, TEXT_MAX + 1),
            };
            parts.push(self.dialect.wire(&text, column.kind, column.nullable));
        }
        parts.push(self.dialect.literal(&format!("]{END}")));
        Ok(self.dialect.concat(&parts))
    }
}

/// The texts of a field.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<Option<String>>),
}

/// The same as [`put`], beside other tasks where there is much of it.
pub(crate) async fn put_aside(json: String, shown: &Arc<Shown>, values: &[Value]) -> Result<String, StoreError> {
    if shown.wanted.is_empty() || json.len() <= AT_ONCE {
        return put(json, shown, values);
    }
    let (shown, values) = (Arc::clone(shown), values.to_vec());
    let work = tokio::task::spawn_blocking(move || put(json, &shown, &values));
    work.await
        .map_err(|error| StoreError::Internal(format!("excerpts were not made: {error}")))?
}

/// Puts what is wanted of the texts of rows in their place.
pub(crate) fn put(json: String, shown: &Shown, values: &[Value]) -> Result<String, StoreError> {
    if shown.wanted.is_empty() {
        return Ok(json);
    }
    let mut made: HashMap<usize, Making<'_>> = HashMap::new();
    let mut out = String::new();
    let mut rest = json.as_str();
    while let Some((before, after)) = split_at_mark(rest) {
        out.push_str(before);
        let (number, texts) = after.split_at(after.find('[').ok_or_else(broken)?);
        let number: usize = number.parse().map_err(|_| broken())?;
        let mut read = serde_json::Deserializer::from_str(texts).into_iter::<Vec<Option<Texts>>>();
        let found = read.next().and_then(Result::ok).ok_or_else(broken)?;
        rest = texts
            .get(read.byte_offset()..)
            .and_then(|rest| rest.strip_prefix(END))
            .ok_or_else(broken)?;
        let making = match made.entry(number) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(Making::of(shown.wanted.get(number).ok_or_else(broken)?, values)?)
            }
        };
        making.write(&found, &mut out);
        // What a statement gives has a bound; the same texts many times over need one, too.
        let found = (out.len() + rest.len()) as u64;
        if found > shown.most {
            return Err(Beyond::Bytes {
                found,
                most: shown.most,
            }
            .into());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The text before the first mark, and what follows that.
fn split_at_mark(json: &str) -> Option<(&str, &str)> {
    let mut is_text = false;
    let mut bytes = json.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' if is_text => {
                bytes.next();
            }
            _ if !is_text && byte == BEGIN as u8 => return Some((json.get(..at)?, json.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn broken() -> StoreError {
    StoreError::Internal("texts of a search were not found in the answer".to_owned())
}

/// What is wanted, with the values of a request.
struct Making<'w> {
    wanted: &'w Wanted,
    sought: Vec<Sought>,
    words: usize,
    values: &'w [Value],
}

impl<'w> Making<'w> {
    fn of(wanted: &'w Wanted, values: &'w [Value]) -> Result<Making<'w>, StoreError> {
        let search = wanted.matches.search.as_ref().ok_or_else(broken)?;
        let Value::Text(search) = value(search, values)? else {
            return Err(broken());
        };
        let search = Search::parse(search).map_err(|_| broken())?;
        let fields = wanted.fields.iter();
        let Value::Int(words) = value(&wanted.matches.words, values)? else {
            return Err(broken());
        };
        let making = Making {
            wanted,
            sought: fields.map(|(_, language)| Sought::of(&search, *language)).collect(),
            words: usize::try_from(*words).map_err(|_| broken())?,
            values,
        };
        // So that nothing is missing when they are written.
        for member in &wanted.matches.output {
            if let MatchValue::Html { before, after } = &member.value {
                making.mark(before)?;
                making.mark(after)?;
            }
        }
        Ok(making)
    }

    fn mark(&self, operand: &'w Operand) -> Result<&'w str, StoreError> {
        match value(operand, self.values)? {
            Value::Text(mark) => Ok(mark),
            _ => Err(broken()),
        }
    }

    fn write(&self, texts: &[Option<Texts>], out: &mut String) {
        out.push('[');
        let mut is_first = true;
        for ((field, sought), texts) in self.wanted.fields.iter().zip(&self.sought).zip(texts) {
            let excerpt = match texts {
                None => None,
                Some(Texts::One(text)) => sought.excerpt(std::iter::once(text.as_str()), self.words),
                Some(Texts::Many(items)) => sought.excerpt(items.iter().flatten().map(String::as_str), self.words),
            };
            if let Some(excerpt) = excerpt {
                out.push_str(if is_first { "" } else { "," });
                is_first = false;
                self.object(&field.0, &excerpt, out);
            }
        }
        out.push(']');
    }

    fn object(&self, field: &str, excerpt: &Excerpt, out: &mut String) {
        members(&self.wanted.matches.output, out, |value, out| match value {
            MatchValue::Constant(text) => out.push_str(&json_text(text)),
            MatchValue::Field => out.push_str(&json_text(field)),
            MatchValue::Text => out.push_str(&json_text(&excerpt.text())),
            MatchValue::Html { before, after } => {
                let mark = |operand| self.mark(operand).unwrap_or_default();
                out.push_str(&json_text(&excerpt.html(mark(before), mark(after))));
            }
            MatchValue::Parts(output) => {
                out.push('[');
                for (at, (text, found)) in excerpt.parts.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    members(output, out, |value, out| match value {
                        PartValue::Constant(text) => out.push_str(&json_text(text)),
                        PartValue::Text => out.push_str(&json_text(text)),
                        PartValue::Found => out.push_str(if *found { "true" } else { "false" }),
                    });
                }
                out.push(']');
            }
        });
    }
}

/// An object of these members.
fn members<T>(output: &[Member<T>], out: &mut String, each: impl Fn(&T, &mut String)) {
    out.push('{');
    for (at, member) in output.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        out.push_str(&member_key(&member.key));
        each(&member.value, out);
    }
    out.push('}');
}

fn value<'v>(operand: &'v Operand, values: &'v [Value]) -> Result<&'v Value, StoreError> {
    match operand {
        Operand::Value(value) => Ok(value),
        Operand::Param(number) => values.get(*number).ok_or_else(broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::FieldId;

    fn shown(most: u64) -> Shown {
        let text = |text: &str| Operand::Value(Value::Text(text.to_owned()));
        let member = |key: &str, value| Member {
            key: key.to_owned(),
            value,
        };
        let matches = Matches {
            fields: vec![FieldId(0), FieldId(1)],
            search: Some(Operand::Param(0)),
            words: Operand::Value(Value::Int(3)),
            output: vec![
                member("f", MatchValue::Field),
                member(
                    "h",
                    MatchValue::Html {
                        before: text("{"),
                        after: text("}"),
                    },
                ),
            ],
        };
        let fields = vec![("a".to_owned(), None), ("b".to_owned(), None)];
        let wanted = vec![Wanted { matches, fields }];
        Shown { wanted, most }
    }

    #[test]
    fn texts_are_exchanged_for_excerpts() {
        let values = [Value::Text("x".to_owned())];
        let put = |json: &str, most| put(json.to_owned(), &shown(most), &values);
        let rows = r#"{"r":[{"t":"a<0[\"<","m":<0["<x> & y",null]>},{"m":<0["y",["z","\"x\" <0[",null]]>}]}"#;
        let want = r#"{"r":[{"t":"a<0[\"<","m":[{"f":"a","h":"&lt;{x}&gt; &amp; y"}]},{"m":[{"f":"b","h":"&quot;{x}&quot; &lt;0["}]}]}"#;
        assert_eq!(put(rows, 1_000).expect("excerpts"), want);
        let beyond = put(rows, 100).expect_err("too much");
        assert!(
            matches!(beyond, StoreError::Beyond(Beyond::Bytes { most: 100, .. })),
            "{beyond}"
        );
        for damaged in ["<", "<0", "<1[]>", "<0[\"x\"]", "<0[1]>", "<x[]>"] {
            assert!(matches!(put(damaged, 1_000), Err(StoreError::Internal(_))), "{damaged}");
        }
    }
}
