//! `match`, `test`, `capture`, `scan`, `split`, `sub` and `gsub` over texts: the natives on which
//! jq defines them. Knows regular expressions; leaves what is done with their matches to jq.
//!
//! The engine takes a time that grows with the text for each match. Some expressions (`a*b|a`) look
//! through the whole rest for each, so the time is looked at before each match. What is left of a
//! match takes room, and of each of its groups, so they are counted.
//!
//! A single search cannot be interrupted. At worst it is at as many places of the expression as
//! there are, for each byte of the text; so the larger the expression, the shorter the texts in
//! which it is searched.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use jaq_core::{
    Cv, RunPtr, ValT as _,
    native::{Filter, bome, v},
};
use jaq_json::Val;
use jaq_std::ValT as _;
use regex::{Captures, Match, Regex, RegexBuilder};

use super::{
    budget,
    native::{Answer, Data, beginning, failure},
};

/// Matches in one text with their groups, where these are wanted: some ten megabytes of values.
const MATCHES_MAX: usize = 50_000;
/// Bytes that a compiled expression may take, and from which on they are told apart.
const COMPILED_MAX: usize = 1 << 20;
const COMPILED_MIN: usize = 1 << 10;
/// Those of an expression times those of a text, at most: ten seconds of a search at worst, and
/// some hundredths of one otherwise.
const SEARCH_MAX: usize = 1 << 36;
/// So many groups more take as long as the expression again: the place of each is kept for each
/// place of the expression.
const GROUPS: usize = 64;
/// Expressions kept by a thread: a filter rarely has more, and compiling one takes longer than
/// using it.
const KEPT_MAX: usize = 32;

pub(super) fn natives() -> [Filter<RunPtr<Data>>; 3] {
    [
        ("matches", v(2), |cv| bome(pieces(cv, false, true))),
        ("split_matches", v(2), |cv| bome(pieces(cv, true, true))),
        ("split_", v(2), |cv| bome(pieces(cv, true, false))),
    ]
}

/// An expression with its flags.
#[derive(Clone)]
struct Expression {
    regex: Rc<Regex>,
    /// `g`: all matches and not the first alone.
    all: bool,
    /// `n`: none that is empty.
    filled: bool,
    /// Bytes of a text in which it is searched.
    text_max: usize,
}

thread_local! {
    static KEPT: RefCell<Vec<([String; 2], Expression)>> = const { RefCell::new(Vec::new()) };
}

impl Expression {
    fn of(text: &str, flags: &str) -> Result<Expression, String> {
        let kept = KEPT.with_borrow(|kept| {
            let same = |(names, _): &&([String; 2], Expression)| names[0] == text && names[1] == flags;
            kept.iter().find(same).map(|(_, kept)| kept.clone())
        });
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let made = Expression::compile(text, flags)?;
        KEPT.with_borrow_mut(|kept| {
            if kept.len() >= KEPT_MAX {
                kept.remove(0);
            }
            kept.push(([text.to_owned(), flags.to_owned()], made.clone()));
        });
        Ok(made)
    }

    fn compile(text: &str, flags: &str) -> Result<Expression, String> {
        let mut builder = RegexBuilder::new(text);
        let (mut all, mut filled) = (false, false);
        for flag in flags.chars() {
            match flag {
                'g' => all = true,
                'n' => filled = true,
                'i' => _ = builder.case_insensitive(true),
                'm' => _ = builder.multi_line(true),
                's' => _ = builder.dot_matches_new_line(true),
                'p' => _ = builder.multi_line(true).dot_matches_new_line(true),
                'l' => _ = builder.swap_greed(true),
                'x' => _ = builder.ignore_whitespace(true),
                other => return Err(format!("invalid regex flag: {other}")),
            }
        }
        let mut size = COMPILED_MIN;
        let regex = loop {
            match builder.size_limit(size).build() {
                Err(regex::Error::CompiledTooBig(_)) if size < COMPILED_MAX => size *= 2,
                built => break built.map_err(|error| format!("invalid regex: {error}"))?,
            }
        };
        Ok(Expression {
            text_max: SEARCH_MAX / size / regex.captures_len().div_ceil(GROUPS),
            regex: Rc::new(regex),
            all,
            filled,
        })
    }
}

/// The matches of a text, what stands between them, or both by turns.
fn pieces(mut cv: Cv<'_, Data>, between: bool, matches: bool) -> Answer {
    let flags = cv.0.pop_var();
    let expression = cv.0.pop_var();
    let expression = Expression::of(text(&expression)?, text(&flags)?).map_err(|message| failure(&message))?;
    let whole = text(&cv.1)?;
    if whole.len() > expression.text_max {
        let (bytes, most) = (whole.len(), expression.text_max);
        let message = format!(
            "the text has {bytes} bytes, and this regular expression is so large that it is searched in {most} at most; make it \
             smaller (\\d and \\w stand for all digits and letters there are, [0-9] and [a-z] are small), or cut the text"
        );
        return Err(failure(&message));
    }
    let part = |text: &str| cv.1.as_sub_str(text.as_bytes());
    let mut pieces = Vec::new();
    let (mut end, mut count) = (0, 0);
    // Bytes and letters up to the last match.
    let mut passed = (0, 0);
    for captures in expression.regex.captures_iter(whole) {
        budget::look().map_err(failure)?;
        let Some(found) = captures.get(0).filter(|found| !expression.filled || !found.is_empty()) else {
            continue;
        };
        count += if matches { captures.iter().flatten().count() } else { 1 };
        if count > MATCHES_MAX {
            let message = format!("a text has at most {MATCHES_MAX} matches, each of their groups counted as one");
            return Err(failure(&message));
        }
        if between {
            pieces.push(part(whole.get(end..found.start()).unwrap_or_default()));
            end = found.end();
        }
        if matches {
            passed.1 += letters(whole, passed.0, found.start());
            passed.0 = found.start();
            pieces.push(groups(&expression.regex, &captures, whole, passed, &part)?);
        }
        if !expression.all {
            break;
        }
    }
    if between {
        pieces.push(part(whole.get(end..).unwrap_or_default()));
    }
    Ok(pieces.into_iter().collect())
}

/// A match and its groups, as `match` gives them.
fn groups(
    regex: &Regex,
    captures: &Captures<'_>,
    whole: &str,
    (byte, letter): (usize, usize),
    part: &dyn Fn(&str) -> Val,
) -> Answer {
    let group = |(found, name): (Option<Match<'_>>, Option<&str>)| {
        let found = found?;
        let number = |number: usize| Val::from(number);
        let mut members = vec![
            ("offset", number(letter + letters(whole, byte, found.start()))),
            ("length", number(found.as_str().chars().count())),
            ("string", part(found.as_str())),
        ];
        members.extend(name.map(|name| ("name", Val::from(name.to_owned()))));
        // There may be many of them, all with the same keys.
        let members = members
            .into_iter()
            .map(|(key, value)| (Val::utf8_str(Bytes::from_static(key.as_bytes())), value));
        Some(Val::from_map(members))
    };
    captures.iter().zip(regex.capture_names()).filter_map(group).collect()
}

fn letters(whole: &str, from: usize, to: usize) -> usize {
    whole.get(from..to).map_or(0, |between| between.chars().count())
}

fn text(value: &Val) -> Result<&str, jaq_core::Error<Val>> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).map_err(|_| failure("the text is no UTF-8")),
        other => Err(failure(&format!("{} is no text", beginning(other)))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::catalog::jq::{Budget, Filter};

    fn count(filter: &str, text: &str) -> Result<String, String> {
        let filter = Filter::compile(&format!("[{filter}] | length"), &[]).map_err(|fault| fault.message)?;
        let outputs = filter.run(&Val::from(text.to_owned()), &[]);
        let outputs = outputs.map_err(|error| error.message)?;
        Ok(outputs.iter().map(Val::to_string).collect())
    }

    /// A group is kept like a match; one that matches nothing is none.
    #[test]
    fn groups_count() {
        let most = MATCHES_MAX / 2;
        for filter in ["match(\"(,)(x)?\"; \"g\")", "capture(\"(?<a>,)(?<b>x)?\"; \"g\")"] {
            assert_eq!(count(filter, &",".repeat(most)), Ok(most.to_string()));
            let error = count(filter, &",".repeat(most + 1)).expect_err("too many");
            assert!(error.contains("at most 50000 matches"), "{error}");
        }
    }

    /// The product counts: what is small is searched in whatever a record may have.
    #[test]
    fn large_expressions_are_searched_in_short_texts() {
        let groups = format!("[ab]*a{}c", "(a)".repeat(200));
        for (expression, most) in [
            (",", 1 << 26),
            ("[ab]*a[ab]{20}c", 1 << 25),
            ("[ab]*a[ab]{6000}c", 1 << 17),
            (&groups, 1 << 19),
        ] {
            let filter = format!("match(\"{expression}\"; \"g\")");
            let searched = count(&filter, &"b".repeat(most.min(1 << 20)));
            assert_eq!(searched, Ok("0".to_owned()), "{expression}");
            let error = count(&filter, &"b".repeat(most + 1)).expect_err(expression);
            let told = format!("the text has {} bytes", most + 1);
            assert!(
                error.contains(&told) && error.contains(&format!("in {most} at most")),
                "{error}"
            );
        }
    }

    /// A single match may take long, so the clock is looked at for each.
    #[test]
    fn the_time_is_looked_at_for_each_match() {
        let asked = Rc::new(Cell::new(0));
        let times = Rc::clone(&asked);
        let _budget = Budget::of_thread(move || {
            times.set(times.get() + 1);
            false
        });
        assert_eq!(count("match(\"a\"; \"g\")", &"a".repeat(100)), Ok("100".to_owned()));
        assert!(asked.get() >= 100, "{}", asked.get());
    }
}
