//! What lies inside a stored text, by expressions of PostgreSQL. Knows its functions; no statement.
//!
//! A document is read as `json` and not as `jsonb`: that one makes numbers of all it has, and fails
//! on those that it cannot count with.

use std::{ops::RangeInclusive, sync::LazyLock};

use crate::{
    store::db::inside::{Inside, Place},
    value::{JsonPath, JsonStep, Value, all_replaced},
};

pub(crate) struct ByExpressions;

/// Letters without a case that stand beside others: signs, Chinese and Japanese, Korean.
const CASELESS: [RangeInclusive<char>; 3] = [
    '\u{2000}'..='\u{206f}',
    '\u{3000}'..='\u{9fff}',
    '\u{ac00}'..='\u{d7a3}',
];

/// For texts of these letters alone, and of ASCII, those that have another case. The server goes
/// through all of them for each letter of a text, so that the 1,400 of all scripts are the last
/// resort.
static SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| {
    let latin = '\u{80}'..='\u{17f}';
    // Without the sign of a millionth, which is a letter.
    let signs = ['\u{a0}'..='\u{b4}', '\u{b6}'..='\u{bf}'];
    let (greek, cyrillic) = ('\u{370}'..='\u{3ff}', '\u{400}'..='\u{45f}');
    let [before, behind] = signs;
    let all = [
        vec![latin.clone()],
        vec![before, behind, cyrillic.clone()],
        vec![greek.clone()],
        vec![latin, greek, cyrillic],
    ];
    all.into_iter().map(Script::of).collect()
});
static ALL: LazyLock<(String, String)> = LazyLock::new(|| all_replaced(&['\u{80}'..=char::MAX]));

struct Script {
    /// What a text of it consists of, as in the brackets of a regular expression.
    letters: String,
    replaced: (String, String),
}

impl Script {
    fn of(ranges: Vec<RangeInclusive<char>>) -> Script {
        let ascii = '\u{1}'..='\u{7f}';
        let all = [ascii].into_iter().chain(ranges.iter().cloned()).chain(CASELESS);
        Script {
            letters: all.map(|range| escaped(&range)).collect(),
            replaced: all_replaced(&ranges),
        }
    }
}

/// No sign of it has a meaning there.
fn escaped(range: &RangeInclusive<char>) -> String {
    let number = |letter: &char| u32::from(*letter);
    format!("\\u{:04x}-\\u{:04x}", number(range.start()), number(range.end()))
}

impl Inside for ByExpressions {
    /// Each step apart: whether it is a name or a number decides which operator takes it.
    fn steps(&self, path: &JsonPath) -> Vec<Value> {
        let steps = path.steps().iter().map(|step| match step {
            JsonStep::Member(name) => Value::Text(name.clone()),
            JsonStep::Item(at) => Value::Int(i64::from(*at)),
        });
        steps.collect()
    }

    fn json(&self, place: Place<'_>) -> String {
        format!("({}::text)", there(place))
    }

    /// Made once for each row: the server would put an expression wherever it is named.
    fn key(&self, place: Place<'_>) -> String {
        format!("({} COLLATE \"C\")", key_of(&there(place)))
    }

    fn text(&self, place: Place<'_>) -> String {
        format!(
            "((SELECT CASE json_typeof(_j.v) WHEN 'string' THEN _j.v#>>'{{}}' END FROM (SELECT {} AS v OFFSET 0) AS _j) COLLATE \"C\")",
            there(place)
        )
    }

    fn has_member(&self, place: Place<'_>, name: &str) -> String {
        format!("(({}->({name})::text) IS NOT NULL)", there(place))
    }

    fn has_item(&self, place: Place<'_>, key: &str) -> String {
        let list = format!(
            "SELECT CASE json_typeof(_l.v) WHEN 'array' THEN _l.v END FROM (SELECT {} AS v OFFSET 0) AS _l",
            there(place)
        );
        format!(
            "EXISTS (SELECT 1 FROM json_array_elements(({list})) AS _i(v) WHERE {} COLLATE \"C\"={key})",
            key_of("_i.v")
        )
    }

    /// In the collation "C" only letters of ASCII have a case; a text of these alone is no longer
    /// in bytes than in letters.
    fn folded(&self, text: &str) -> String {
        let lower = format!("lower({text} COLLATE \"C\")");
        let replaced = |(from, to): &(String, String)| format!("translate({lower},'{from}','{to}')");
        let scripts = SCRIPTS.iter().map(|script| {
            let letters = &script.letters;
            format!("WHEN {text} ~ '^[{letters}]*$' THEN {} ", replaced(&script.replaced))
        });
        let scripts: String = scripts.collect();
        format!(
            "((CASE WHEN octet_length({text})=char_length({text}) THEN {lower} {scripts}ELSE {} END) COLLATE \"C\")",
            replaced(&ALL)
        )
    }
}

/// The JSON at a place.
fn there(place: Place<'_>) -> String {
    let steps = place.path.steps().iter().zip(place.steps);
    let steps: String = steps
        .map(|(step, param)| match step {
            JsonStep::Member(_) => format!("->({param})::text"),
            JsonStep::Item(_) => format!("->({param})::int"),
        })
        .collect();
    format!("(({})::json{steps})", place.document)
}

/// What `value::json_key` makes of a value.
fn key_of(json: &str) -> String {
    format!(
        "(SELECT CASE json_typeof(_j.v) WHEN 'string' THEN '3'||(_j.v#>>'{{}}') WHEN 'number' THEN '2'||{} \
         WHEN 'boolean' THEN '1'||(_j.v#>>'{{}}') WHEN 'array' THEN '4' WHEN 'object' THEN '5' END \
         FROM (SELECT {json} AS v OFFSET 0) AS _j)",
        number_key("_j.v#>>'{}'")
    )
}

/// The same of a number's text. Its parts: `m` and `x`, the mantissa and the exponent; `w` and `f`,
/// what stands before and behind the point, `e`, the exponent as a number, and `n`, whether the
/// number is negative; `s`, the digits behind the first zeros, and `p`, the place of the point.
fn number_key(text: &str) -> String {
    let parts = format!(
        "SELECT split_part(_t.t,'e',1) AS m,split_part(_t.t,'e',2) AS x FROM (SELECT lower({text}) AS t OFFSET 0) AS _t OFFSET 0"
    );
    let exponent = "CASE WHEN left(_p.x,1)='-' THEN -1 ELSE 1 END*CASE WHEN ltrim(_p.x,'+-0')='' THEN 0 \
         WHEN length(ltrim(_p.x,'+-0'))<=6 THEN ltrim(_p.x,'+-0')::int ELSE 999999 END";
    let sides = format!(
        "SELECT left(_p.m,1)='-' AS n,split_part(ltrim(_p.m,'-'),'.',1) AS w,split_part(_p.m,'.',2) AS f,{exponent} AS e \
         FROM ({parts}) AS _p OFFSET 0"
    );
    let digits = format!(
        "SELECT _s.n,ltrim(_s.w||_s.f,'0') AS s,length(ltrim(_s.w||_s.f,'0'))-length(_s.f)+_s.e AS p FROM ({sides}) AS _s OFFSET 0"
    );
    format!(
        "(SELECT CASE WHEN _d.s='' THEN '1' \
         WHEN _d.n THEN '0'||lpad((5000000000-_d.p)::text,10,'0')||translate(rtrim(_d.s,'0'),'0123456789','9876543210')||'~' \
         ELSE '2'||lpad((5000000000+_d.p)::text,10,'0')||rtrim(_d.s,'0') END FROM ({digits}) AS _d)"
    )
}
