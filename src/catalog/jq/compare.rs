//! Comparisons of values that may be larger than they look: a filter can put a part into itself
//! again and again, and each place where it stands is compared anew. Knows how jq orders values,
//! and must agree with it; looks at the budget for each part.

use std::cmp::Ordering;

use jaq_core::{
    Cv, RunPtr,
    native::{Filter, bome, v},
    ops::Cmp,
};
use jaq_json::Val;

use super::{
    budget, memory,
    native::{Answer, Data, failure},
};

/// Passes a value on that is no larger written out than a filter's memory: it may be compared where
/// nothing looks at the budget.
pub(super) const LIGHT: &str = "hayloft_light";

type Looked<T> = Result<T, &'static str>;

/// The own filter that stands for an operator.
pub(super) fn name_of(operator: Cmp) -> &'static str {
    match operator {
        Cmp::Lt => "hayloft_less",
        Cmp::Le => "hayloft_at_most",
        Cmp::Gt => "hayloft_more",
        Cmp::Ge => "hayloft_at_least",
        Cmp::Eq => "hayloft_same",
        Cmp::Ne => "hayloft_other",
    }
}

pub(super) fn natives() -> [Filter<RunPtr<Data>>; 8] {
    [
        (name_of(Cmp::Lt), v(2), |cv| {
            bome(of_two(cv, |l, r| order(l, r).map(Ordering::is_lt)))
        }),
        (name_of(Cmp::Le), v(2), |cv| {
            bome(of_two(cv, |l, r| order(l, r).map(Ordering::is_le)))
        }),
        (name_of(Cmp::Gt), v(2), |cv| {
            bome(of_two(cv, |l, r| order(l, r).map(Ordering::is_gt)))
        }),
        (name_of(Cmp::Ge), v(2), |cv| {
            bome(of_two(cv, |l, r| order(l, r).map(Ordering::is_ge)))
        }),
        (name_of(Cmp::Eq), v(2), |cv| bome(of_two(cv, same))),
        (name_of(Cmp::Ne), v(2), |cv| {
            bome(of_two(cv, |l, r| same(l, r).map(|same| !same)))
        }),
        ("contains", v(1), |mut cv| {
            let part = cv.0.pop_var();
            bome(contains(&cv.1, &part).map(Val::from).map_err(failure))
        }),
        (LIGHT, v(0), |cv| bome(light(cv.1))),
    ]
}

fn of_two(mut cv: Cv<'_, Data>, compare: fn(&Val, &Val) -> Looked<bool>) -> Answer {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    compare(&left, &right).map(Val::from).map_err(failure)
}

fn light(value: Val) -> Answer {
    if matches!(value, Val::Arr(_) | Val::Obj(_)) {
        memory::all(memory::json_bytes(&value, memory::most())).map_err(failure)?;
    }
    Ok(value)
}

pub(super) fn same(left: &Val, right: &Val) -> Looked<bool> {
    match (left, right) {
        (Val::Arr(left), Val::Arr(right)) => {
            budget::tick()?;
            if left.len() != right.len() {
                return Ok(false);
            }
            all(left.iter().zip(right.iter()), |(left, right)| same(left, right))
        }
        (Val::Obj(left), Val::Obj(right)) => {
            budget::tick()?;
            if left.len() != right.len() {
                return Ok(false);
            }
            all(left.iter(), |(key, left)| {
                right.get(key).map_or(Ok(false), |right| same(left, right))
            })
        }
        _ => Ok(left == right),
    }
}

fn order(left: &Val, right: &Val) -> Looked<Ordering> {
    match (left, right) {
        (Val::Arr(left), Val::Arr(right)) => {
            budget::tick()?;
            in_order(left.iter(), right.iter())
        }
        (Val::Obj(left), Val::Obj(right)) if !left.is_empty() && !right.is_empty() => {
            budget::tick()?;
            let [left, right] = [left, right].map(|members| {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(key, _)| *key);
                members
            });
            match in_order(left.iter().map(|(key, _)| *key), right.iter().map(|(key, _)| *key))? {
                Ordering::Equal => in_order(
                    left.iter().map(|(_, value)| *value),
                    right.iter().map(|(_, value)| *value),
                ),
                differs => Ok(differs),
            }
        }
        _ => Ok(left.cmp(right)),
    }
}

/// Of the first that differ; else the shorter one is less.
fn in_order<'v>(mut left: impl Iterator<Item = &'v Val>, mut right: impl Iterator<Item = &'v Val>) -> Looked<Ordering> {
    loop {
        match (left.next(), right.next()) {
            (Some(left), Some(right)) => match order(left, right)? {
                Ordering::Equal => {}
                differs => return Ok(differs),
            },
            (left, right) => return Ok(left.is_some().cmp(&right.is_some())),
        }
    }
}

fn contains(whole: &Val, part: &Val) -> Looked<bool> {
    budget::tick()?;
    match (whole, part) {
        (Val::Arr(whole), Val::Arr(parts)) => all(parts.iter(), |part| {
            let is_in_none = all(whole.iter(), |item| contains(item, part).map(|is_in| !is_in));
            is_in_none.map(|is_in_none| !is_in_none)
        }),
        (Val::Obj(whole), Val::Obj(parts)) => all(parts.iter(), |(key, part)| {
            whole.get(key).map_or(Ok(false), |item| contains(item, part))
        }),
        (Val::BStr(whole), Val::BStr(part)) | (Val::TStr(whole), Val::TStr(part)) => {
            match (std::str::from_utf8(whole), std::str::from_utf8(part)) {
                (Ok(whole), Ok(part)) => Ok(whole.contains(part)),
                _ => Ok(part.is_empty() || whole.windows(part.len()).any(|window| *window == part[..])),
            }
        }
        _ => same(whole, part),
    }
}

/// Whether something holds for all of them, as far as there is time.
fn all<T>(items: impl Iterator<Item = T>, mut holds: impl FnMut(T) -> Looked<bool>) -> Looked<bool> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::jq::{Budget, Filter};

    fn json(text: &str) -> Val {
        jaq_json::read::parse_single(text.as_bytes()).expect("test JSON")
    }

    const VALUES: &[&str] = &[
        "null",
        "false",
        "true",
        "-1",
        "0",
        "1",
        "1.0",
        "1.5",
        "1e300",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"b\"",
        "[]",
        "[1]",
        "[1,2]",
        "[[1],2]",
        "[[1],[2]]",
        "[null]",
        "[\"ab\",{\"a\":1}]",
        "{}",
        "{\"a\":1}",
        "{\"a\":2}",
        "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"b\":1}",
        "{\"a\":{\"b\":[1,2]}}",
        "{\"a\":{\"b\":[2]}}",
    ];

    #[test]
    fn values_are_ordered_as_jaq_does() {
        for left in VALUES {
            for right in VALUES {
                let (one, other) = (json(left), json(right));
                assert_eq!(same(&one, &other), Ok(one == other), "{left} {right}");
                assert_eq!(order(&one, &other), Ok(one.cmp(&other)), "{left} {right}");
            }
        }
        let nan = Val::from(f64::NAN);
        assert_eq!(
            (same(&nan, &nan), order(&nan, &nan)),
            (Ok(nan == nan), Ok(nan.cmp(&nan)))
        );
    }

    #[test]
    fn filters_compare_as_ever() {
        for (filter, input, want) in [
            (".a == .b", r#"{"a":[1,{"x":2}],"b":[1,{"x":2}]}"#, "true"),
            (".a != .b", r#"{"a":[1],"b":[2]}"#, "true"),
            (".a < .b", r#"{"a":[1],"b":[2]}"#, "true"),
            (".a >= .b", r#"{"a":{"x":1},"b":{"x":1}}"#, "true"),
            ("[.[] > .[]]", "[1,2]", "[false,false,true,false]"),
            ("[(.[0], .[1]) <= (.[1], .[0])]", "[1,2]", "[true,true,true,false]"),
            ("contains([\"b\", {a: [1]}])", r#"["abc",{"a":[1,2]}]"#, "true"),
            ("contains({a: {b: 2}})", r#"{"a":{"b":1}}"#, "false"),
            ("inside([1,2])", "[2]", "true"),
            (". - [2]", "[1,2,3]", "[1,3]"),
            (
                "map(select(.a == .b)) | length",
                r#"[{"a":1,"b":1},{"a":1,"b":2}]"#,
                "1",
            ),
            ("indices([1,[2]])", "[1,[2],1,[2]]", "[0,2]"),
            ("sort_by(.a) | map(.a)", r#"[{"a":2},{"a":1}]"#, "[1,2]"),
            (". as $k | {a: 1} | .[$k]", "\"a\"", "1"),
            ("{(.k): 1, b: 2}", r#"{"k":"a"}"#, r#"{"a":1,"b":2}"#),
            ("getpath([\"a\",0])", r#"{"a":[7]}"#, "7"),
            ("has(\"a\")", r#"{"a":1}"#, "true"),
            (
                "del(.[] | select(.a == .b))",
                r#"[{"a":1,"b":1},{"a":1,"b":2}]"#,
                r#"[{"a":1,"b":2}]"#,
            ),
        ] {
            let compiled = Filter::compile(filter, &[]).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
            let outputs = compiled
                .run(&json(input), &[])
                .unwrap_or_else(|error| panic!("{filter}: {error}"));
            let outputs: Vec<String> = outputs.iter().map(Val::to_string).collect();
            assert_eq!(outputs, [want], "{filter}");
        }
    }

    /// Forty times a part twice is little in memory, and a million millions of parts.
    fn deep(filter: &str) -> Filter {
        let filter = format!(
            "def d: [.,.]; def o: {{a: ., b: .}}; def t: d|d|d|d|d|d|d|d|d|d; def u: o|o|o|o|o|o|o|o|o|o; {filter}"
        );
        Filter::compile(&filter, &[]).unwrap_or_else(|fault| panic!("{filter}: {fault}"))
    }

    #[test]
    fn what_was_put_together_of_one_part_is_compared_while_there_is_time() {
        for filter in [
            "(1|t|t|t|t) == (1|t|t|t|t)",
            "(1|u|u|u|u) != (1|u|u|u|u)",
            "(1|t|t|t|t) < (1|t|t|t|t)",
            "(1|u|u|u|u) >= (1|u|u|u|u)",
            "(1|t|t|t|t) as $x | 1|t|t|t|t|contains($x)",
            "[1|t|t|t|t] | indices([1|t|t|t|t])",
            "[1|u|u|u|u] | indices(1|u|u|u|u)",
        ] {
            let compiled = deep(filter);
            let budget = Budget::of_thread(|| false);
            budget.allow(Duration::from_millis(20));
            let _ = compiled.run(&Val::Null, &[]);
            assert!(budget.is_spent(), "{filter}");
        }
    }

    #[test]
    fn what_is_not_looked_at_has_to_be_light() {
        for filter in [
            "[(1|t|t|t|t), (1|t|t|t|t)] | sort",
            "[1, 2] | sort_by(t|t|t|t)",
            "[1, 2] | group_by(t|t|t|t)",
            "[(1|t|t|t|t), (1|t|t|t|t)] | unique | length",
            "[(1|t|t|t|t), (1|t|t|t|t)] | min | 1",
            "[1, 2] | max_by(u|u|u|u)",
            "[1|t|t|t|t] - [1|t|t|t|t]",
            "(1|t|t|t|t) as $x | {} | .[$x]",
            "(1|t|t|t|t) as $x | {} | has($x)",
            "(1|t|t|t|t) as $x | {} | getpath([$x])",
            "{(1|t|t|t|t): 1}",
        ] {
            let error = deep(filter).run(&Val::Null, &[]).expect_err(filter);
            assert!(error.too_much, "{filter}: {error}");
        }
    }
}
