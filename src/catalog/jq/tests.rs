//! Filters on values: what they give, what is refused. Knows the module's own door only.

use super::*;

fn json(text: &str) -> Val {
    jaq_json::read::parse_single(text.as_bytes()).expect("test JSON")
}

fn run(filter: &str, input: &str) -> Result<Vec<String>, String> {
    let filter = Filter::compile(filter, &[]).map_err(|fault| fault.message)?;
    let outputs = filter.run(&json(input), &[]).map_err(|error| error.message)?;
    Ok(outputs.iter().map(Val::to_string).collect())
}

#[test]
fn outputs() {
    let cases: &[(&str, &str, &[&str])] = &[
        (".", "1", &["1"]),
        (".a", r#"{"a":1}"#, &["1"]),
        (".a", "{}", &["null"]),
        (".a.b", r#"{"a":null}"#, &["null"]),
        (".a[0].b", r#"{"a":[{"b":2}]}"#, &["2"]),
        (".a[-1]", r#"{"a":[1,2]}"#, &["2"]),
        (".a[5]", r#"{"a":[1,2]}"#, &["null"]),
        (".a[]", r#"{"a":[1,2]}"#, &["1", "2"]),
        (".[]", r#"{"a":1,"b":2}"#, &["1", "2"]),
        (".a[]?", r#"{"a":null}"#, &[]),
        (".\"x y\"", r#"{"x y":1}"#, &["1"]),
        (".a | .b", r#"{"a":{"b":3}}"#, &["3"]),
        (".a // 0", "{}", &["0"]),
        (".a * 2", r#"{"a":21}"#, &["42"]),
        ("def double: . * 2; .a | double", r#"{"a":2}"#, &["4"]),
        ("def f(g): g | g; .a | f(.b)", r#"{"a":{"b":{"b":1}}}"#, &["1"]),
        (".[] | select(.ok) | .id", r#"[{"ok":true,"id":1},{"id":2}]"#, &["1"]),
        (
            "to_entries[] | {code: .key, name: .value}",
            r#"{"fra":"French"}"#,
            &[r#"{"code":"fra","name":"French"}"#],
        ),
        ("\"\\(.a)-\\(.b)\"", r#"{"a":1,"b":"x"}"#, &["\"1-x\""]),
        ("[range(3)]", "null", &["[0,1,2]"]),
        (".a | tonumber", r#"{"a":"12"}"#, &["12"]),
        (".a | gsub(\",\"; \"\")", r#"{"a":"1,2"}"#, &["\"12\""]),
        (". as [$x, $y] | $x + $y", "[1,2]", &["3"]),
        ("@uri", "\"a b\"", &["\"a%20b\""]),
        ("keys", r#"{"b":1,"a":2}"#, &[r#"["a","b"]"#]),
        ("add", "[1,2]", &["3"]),
        ("join(\"-\")", r#"["a","b"]"#, &["\"a-b\""]),
        ("flatten", "[[1],[2]]", &["[1,2]"]),
        ("first(.[])", "[1,2]", &["1"]),
        ("[..]", "[1]", &["[[1],1]"]),
    ];
    for (filter, input, want) in cases {
        let want: Vec<String> = want.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(run(filter, input), Ok(want), "{filter}");
    }
}

#[test]
fn whether_there_can_be_several_outputs() {
    for (filter, several) in [
        (".a", false),
        (".a.b[0]?", false),
        (".a[2:5]", false),
        (".a[]", true),
        (".a[]?.b", true),
        (".a | .[]", true),
        ("[.a[]]", false),
        ("[.a[] | .b] | .[1:]", false),
        (".a, .b", true),
        ("..", true),
        (".a // []", false),
        (".a // .b[]", true),
        (".a | select(. != null)", false),
        ("select(.a[] == 1)", true),
        (".a | map(.b[])", false),
        ("first(.a[])", false),
        ("nth(2; .a[])", false),
        ("limit(1; .a[])", true),
        ("range(3)", true),
        ("if .a then .b else .c[] end", true),
        ("if .a then .b else [] end", false),
        ("try .a catch .b[]", true),
        ("{a: .b}", false),
        ("{a: .b[]}", true),
        ("\"x\\(.a)\"", false),
        ("\"x\\(.a[])\"", true),
        (".a | split(\",\")", false),
        (".a | splits(\",\")", true),
        (".a[] |= . + 1", false),
        (".a = .b[]", true),
        (". as [$x, $y] | [$x, $y]", false),
        (".a[] as $x | [$x]", true),
        ("def f(g): [g]; f(.a)", false),
        ("def f(g): g; f(.a[])", true),
        ("def f: .[]; .a | f", true),
        ("def split(x): .[]; split(1)", true),
        ("empty", false),
        (".a * 2", false),
    ] {
        let compiled = Filter::compile(filter, &[]).expect(filter);
        assert_eq!(compiled.gives_several(), several, "{filter}");
        // What is said to give one never gives more.
        if !several {
            for input in ["null", "[[1,2],[3]]", r#"{"a":[1,2],"b":[1,2],"c":3}"#] {
                let outputs = compiled.run(&json(input), &[]).unwrap_or_default();
                assert!(outputs.len() <= 1, "{filter} {input}");
            }
        }
    }
}

#[test]
fn direct_paths_agree_with_jaq() {
    let paths = [
        ".a", ".a.b", ".a[]", ".a[]?", ".[]", ".[]?", ".[0]", ".[-1]?", ".a?", ".a[0].b", ".a?.b?",
    ];
    let inputs = [
        "null",
        "1",
        "\"x\"",
        "[]",
        "[1,2]",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":[{"b":1},2]}"#,
        r#"{"a":{"b":[]}}"#,
    ];
    for path in paths {
        for input in inputs {
            // The parentheses and the pipe into a call keep the second form from being a plain
            // path.
            let jaq = run(&format!("({path}) | select(true)"), input);
            let direct = run(path, input);
            assert_eq!(direct.is_ok(), jaq.is_ok(), "{path} on {input}: {direct:?} {jaq:?}");
            if let (Ok(direct), Ok(jaq)) = (direct, jaq) {
                assert_eq!(direct, jaq, "{path} on {input}");
            }
        }
    }
}

#[test]
fn refusals() {
    let cases = [
        ("env", "reaches outside"),
        ("env.HOME", "reaches outside"),
        ("$ENV.HOME", "no variable $ENV"),
        ("$__loc__", "no variable"),
        ("input", "reaches outside"),
        ("[inputs]", "reaches outside"),
        ("halt", "reaches outside"),
        (". | debug", "reaches outside"),
        ("now", "reaches outside"),
        ("def f: f; f", "calls itself"),
        ("def f: def g: f; g; f", "calls itself"),
        ("repeat(.)", "need not end"),
        ("while(true; .)", "need not end"),
        ("until(false; .)", "need not end"),
        ("recurse(.a)", "need not end"),
        ("walk(.)", "need not end"),
        (".. |= [.]", "without bound"),
        (".a *= 2", "`*=`"),
        ("reduce .[] as $x (0; . + $x)", "not allowed"),
        ("foreach .[] as $x (0; . + $x)", "not allowed"),
        ("nosuch", "no filter `nosuch`"),
        ("map", "takes 1 arguments"),
        ("include \"x\"; .", "expected"),
        (".a |", "expected term"),
        ("(.a", "closing parenthesis"),
        ("", "expected term"),
        ("label $out | break $other", "cannot be compiled"),
    ];
    for (filter, want) in cases {
        let fault = Filter::compile(filter, &[]).expect_err(filter).message;
        assert!(fault.contains(want), "{filter}: {fault}");
    }
    let deep = "[".repeat(3_000);
    assert!(Filter::compile(&deep, &[]).is_err());
    assert!(Filter::compile(&"-".repeat(3_000), &[]).is_err());
    assert!(Filter::compile(&".|".repeat(2_000), &[]).is_err());
    assert!(Filter::compile(&"try ".repeat(500), &[]).is_err());
}

/// The deepest filters that are accepted neither overflow a test thread's stack nor take long.
#[test]
fn the_deepest_accepted_filters_run() {
    let deepest = [
        format!("{}1", "-".repeat(32)),
        format!("{}.", "try ".repeat(32)),
        format!("{}not", "not | ".repeat(127)),
        format!("{}1", "1 + ".repeat(127)),
        format!("{}1", "1 as $x | ".repeat(63)),
        format!("{}.{}", "[".repeat(60), "]".repeat(60)),
        format!("{}1{}", "if 1 then ".repeat(60), " end".repeat(60)),
        format!("{}1", "def f: 1; ".repeat(50)),
    ];
    for text in deepest {
        let filter = Filter::compile(&text, &[]).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert!(filter.run(&Val::Null, &[]).is_ok(), "{text}");
    }
}

#[test]
fn places_of_faults() {
    for (filter, at) in [(".a | env", 5), (".a |", 4), (".a $", 4), ("[.x | map(nosuch)]", 10)] {
        assert_eq!(Filter::compile(filter, &[]).expect_err(filter).at, Some(at), "{filter}");
    }
}

#[test]
fn bombs_are_defused_at_run_time() {
    let cases = [
        ("[range(infinite)]", "null"),
        ("range(0; 10; 0)", "null"),
        (". * 1000000000", "\"abc\""),
        ("1e9 * .", "\"abc\""),
        ("range(20000)", "null"),
        ("[limit(3; range(infinite))] | length | error", "null"),
    ];
    for (filter, input) in cases {
        assert!(run(filter, input).is_err(), "{filter}");
    }
    let deep = format!("\"{}\"", "[".repeat(100_000));
    assert!(run("fromjson", &deep).is_err());
    assert!(run("tonumber", &deep).is_err());
    assert_eq!(run(". * 3", "\"ab\""), Ok(vec!["\"ababab\"".to_owned()]));
}

#[test]
fn texts_are_matched_as_jq_does() {
    let cases: &[(&str, &str, &str)] = &[
        ("test(\"B\"; \"i\")", "\"abc\"", "true"),
        (
            "[match(\"(?<x>a)(b)?\"; \"gi\") | [.offset, .length, .string, .captures[0].name]]",
            "\"äabÄA\"",
            r#"[[1,2,"ab","x"],[4,1,"A","x"]]"#,
        ),
        ("[match(\"\"; \"g\").offset]", "\"äb\"", "[0,1,2]"),
        ("[match(\"b*\"; \"gn\").string]", "\"abba\"", r#"["bb"]"#),
        // A group may stand before one that comes before it.
        ("[match(\"((a)|(b))*\").captures[].offset]", "\"ab\"", "[1,0,1]"),
        (
            "capture(\"(?<y>\\\\d+)-(?<m>\\\\d+)\")",
            "\"2026-11\"",
            r#"{"y":"2026","m":"11"}"#,
        ),
        ("[scan(\"\\\\d\")]", "\"a1b2\"", r#"["1","2"]"#),
        ("split(\", *\"; \"\")", "\"a, b,c\"", r#"["a","b","c"]"#),
        ("sub(\"(?<x>.)$\"; \"<\\(.x)>\")", "\"abc\"", "\"ab<c>\""),
        ("gsub(\"(?<x>b)|c\"; \"[\\(.x)]\")", "\"abcd\"", "\"a[b][null]d\""),
    ];
    for (filter, input, want) in cases {
        assert_eq!(run(filter, input), Ok(vec![(*want).to_owned()]), "{filter}");
    }
    for (filter, want) in [
        ("test(\"(\")", "invalid regex"),
        ("test(\"a\"; \"q\")", "invalid regex flag: q"),
        ("test(1)", "1 is no text"),
    ] {
        let error = run(filter, "\"a\"").expect_err(filter);
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn long_texts_have_bounds() {
    let text = |part: &str, times: usize| format!("\"{}\"", part.repeat(times));
    let (commas, digits) = (text(",", 50_001), text("9", 10_001));
    for (filter, input, want) in [
        ("gsub(\",\"; \"\")", &commas, "at most 50000 matches"),
        ("[match(\",\"; \"g\")] | length", &commas, "at most 50000 matches"),
        ("split(\",\"; null)", &commas, "at most 50000 matches"),
        ("tonumber", &digits, "at most 10000 digits"),
        ("fromjson", &digits, "at most 10000 digits"),
        ("fromjson", &text("[],", 400_000), "at most 1048576 bytes"),
    ] {
        let error = run(filter, input).expect_err(filter);
        assert!(error.contains(want), "{filter}: {error}");
    }
    assert_eq!(
        run("gsub(\",\"; \"\")", &text(",", 30_000)),
        Ok(vec!["\"\"".to_owned()])
    );
}

/// Each match is looked for to the text's end; all of them would take the square of its length.
#[test]
fn matching_ends_with_the_time() {
    let budget = Budget::of_thread(|| false);
    budget.allow(std::time::Duration::from_millis(50));
    let input = format!("\"{}\"", "a".repeat(1_000_000));
    let error = run("[match(\"a*b|a\"; \"g\").offset] | length", &input).expect_err("too slow");
    assert!(error.contains("it takes too long"), "{error}");
}

#[test]
fn variables_and_keys() {
    let filter = Filter::compile("$page + 1", &["page", "env"]).expect("compiles");
    assert!(filter.uses("page") && !filter.uses("env"));
    let out = filter.run(&Val::Null, &[Val::from(2usize), Val::Null]).expect("runs");
    assert_eq!(out[0].to_string(), "3");
    let filter = Filter::compile("$env.KEY", &["page", "env"]).expect("compiles");
    assert_eq!(filter.env_names(), ["KEY"]);
    let out = filter
        .run(&Val::Null, &[Val::Null, json(r#"{"KEY":"k"}"#)])
        .expect("runs");
    assert_eq!(out[0].to_string(), "\"k\"");
    assert!(Filter::compile("$env", &["env"]).is_err());
    assert!(Filter::compile("$page", &["env"]).is_err());
    assert_eq!(Filter::compile(".name", &[]).expect("compiles").as_key(), Some("name"));
    assert_eq!(Filter::compile(".name?", &[]).expect("compiles").as_key(), None);
    assert_eq!(Filter::compile(".a.b", &[]).expect("compiles").as_key(), None);
}

#[test]
fn errors_name_the_filter_and_stay_short() {
    let input = format!("[\"{}\"]", "x".repeat(10_000));
    let filter = Filter::compile(".a.b", &[]).expect("compiles");
    let error = filter.run(&json(&input), &[]).expect_err("not an object").message;
    assert!(error.starts_with("jq `.a.b`: expected an object with \"a\""), "{error}");
    assert!(error.len() < 500);
}

#[test]
fn every_allowed_name_compiles() {
    for (name, counts) in names::ALLOWED {
        for count in *counts {
            let arguments = vec!["."; *count].join("; ");
            let text = if *count == 0 {
                (*name).to_owned()
            } else {
                format!("{name}({arguments})")
            };
            assert!(
                Filter::compile(&text, &[]).is_ok(),
                "{text}: {:?}",
                Filter::compile(&text, &[])
            );
        }
    }
}

/// Whatever a record holds, a filter answers or fails; it never panics or hangs.
#[test]
fn odd_values_do_not_panic() {
    let inputs = [
        "null",
        "true",
        "-1",
        "1e308",
        "99999999999999999999999999",
        "\"\"",
        "\"é,a\"",
        "[]",
        "[null,1,\"a\",[],{}]",
        "[[1,2],[\"a\"]]",
        "{}",
        "{\"a\":[1],\"key\":null}",
        "[2024,13,45,99,99,99,9,999]",
        "[{\"key\":\"a\",\"value\":1}]",
    ];
    let arguments = [".", "\"\"", "\"%\"", "-1", "infinite"];
    for (name, counts) in names::ALLOWED {
        for count in *counts {
            for argument in arguments {
                let given = vec![argument; *count].join("; ");
                let text = if *count == 0 {
                    (*name).to_owned()
                } else {
                    format!("{name}({given})")
                };
                let filter = Filter::compile(&text, &[]).unwrap_or_else(|fault| panic!("{text}: {fault}"));
                for input in inputs {
                    let outcome = std::panic::catch_unwind(|| filter.run(&json(input), &[]).is_ok());
                    assert!(outcome.is_ok(), "{text} on {input}");
                }
                if *count == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn selections_at_the_end_of_rows() {
    let page = r#"{"rows":[{"id":1,"on":true},{"id":2,"on":false},{"id":3,"on":true,"tags":["a","a"]},null]}"#;
    let cases = [
        (".rows[] | select(.on)", ".rows[]", &[0, 2][..]),
        (".rows[] | select(.on) | select(.id > 1)", ".rows[]", &[2]),
        (".rows[] | objects | select(.id != 2)", ".rows[]", &[0, 2]),
        (".rows[] | values", ".rows[]", &[0, 1, 2]),
        // As often as a condition holds, a record is one.
        (".rows[] | select(.tags[]? == \"a\")", ".rows[]", &[2]),
        (".rows | .[] | (select(.on))", ".rows[]", &[0, 2]),
        (".rows[]", ".rows[]", &[0, 1, 2, 3]),
    ];
    for (text, all, want) in cases {
        let records = Filter::compile_records(text, &[]).expect(text);
        assert!(!records.hides, "{text}");
        let rows = records.rows.run(&json(page), &[]).expect(text);
        let plain = Filter::compile_rows(all, &[]).expect(all);
        assert_eq!(rows, plain.run(&json(page), &[]).expect(all), "{text}");
        let keeps = |record: &Val| records.keep.iter().all(|keep| keep.holds(record, &[]).expect(text));
        let kept: Vec<usize> = (0..rows.len()).filter(|at| keeps(&rows[*at])).collect();
        assert_eq!(kept, want, "{text}");
    }
    assert!(Filter::compile_records("select(.on)", &[]).is_ok_and(|records| records.rows.text() == "select(.on)"));
}

#[test]
fn what_hides_how_many_records_there_were() {
    let hiding = [
        ".rows[] | select(.on) | .data",
        ".rows[] | select(.on) | {id}",
        ".rows | map(select(.on)) | .[]",
        ".rows | map(select(.on))[]",
        "[.rows[] | select(.on)][]",
        ".rows[] | if .on then . else empty end",
        "def on: select(.on); .rows[] | on",
        ". as $page | .rows[] | select(.id != $page.skip)",
        ".rows[] | values | .data",
        "limit(3; .rows[])",
        "first(.rows[])",
        ".rows | unique_by(.id)[]",
        ".rows | group_by(.id) | .[] | add",
        ".rows |= map(select(.on)) | .rows[]",
        "(.a[], .b[]) | .x | select(.on) | .y",
        ".rows[] | {id: .id, name: (.name | strings)}",
    ];
    for text in hiding {
        assert!(Filter::compile_records(text, &[]).expect(text).hides, "{text}");
    }
    let open = [
        ".",
        ".rows[]",
        ".rows[]?",
        "(.rows // empty)[]",
        ".rows[] | {id, tags: [.tags[] | select(.on)]}",
        ".rows[] | .tags |= map(select(.on))",
        ".rows[] | with_entries(select(.value != null))",
        ".rows[] | . + {many: ([.x[] | select(.)] | length)}",
        ".a[], .b[]",
        ".[1:][]",
        ".data | first | .rows[]",
        ".rows | to_entries[] | {id: .key, on: any(.value[]; select(.on))}",
        ".rows | sort_by(.id | values)[]",
        "select(.on)",
    ];
    for text in open {
        assert!(!Filter::compile_records(text, &[]).expect(text).hides, "{text}");
    }
}

/// `rows` that walk to one list are taken apart; item by item they give what they give of the whole
/// page.
#[test]
fn rows_that_are_read_item_by_item() {
    let page = r#"{"items":[{"a":[1,2],"b":3},{"a":[],"b":4}],"d":{"list":[[5],[6]]},"o":{"x":[7],"y":[8]}}"#;
    for (text, keys, one_each) in [
        (".items[]", Some("items"), true),
        (".items | .[]", Some("items"), true),
        (".[\"items\"][]", Some("items"), true),
        (".items[] | .b", Some("items"), true),
        (".items[].a[]", Some("items"), false),
        (".items[] | select(.b > 3)", Some("items"), false),
        (".items[] | {b} | .b", Some("items"), false),
        (".d.list[]", Some("d list"), true),
        (".d.list[][0]", Some("d list"), true),
        (".o[]", Some("o"), true),
        (".items[]?", Some("items"), true),
        (".items?[]", None, false),
        ("[.items[]] | .[]", None, false),
        (".items[0]", None, false),
        (".items, .d", None, false),
        (".items[] as $x | $x.b", None, false),
        (".items | map(.b) | .[]", None, false),
    ] {
        let filter = Filter::compile_rows(text, &[]).expect(text);
        let found = filter.items().map(|items| (items.keys.join(" "), items.one_each));
        assert_eq!(found, keys.map(|keys| (keys.to_owned(), one_each)), "{text}");
        let Some(items) = filter.items() else { continue };
        let mut list = json(page);
        for key in &items.keys {
            let inner = Filter::compile(&format!(".{key}"), &[]).expect("a key");
            list = inner.run(&list, &[]).expect("a value").remove(0);
        }
        let each = Filter::compile(".[]", &[])
            .expect("a filter")
            .run(&list, &[])
            .expect("items");
        let single = |item: &Val| match &items.each {
            Some(filter) => filter.run(item, &[]).expect("records"),
            None => vec![item.clone()],
        };
        let records: Vec<Val> = each.iter().flat_map(single).collect();
        assert_eq!(records, filter.run(&json(page), &[]).expect("records"), "{text}");
    }
}
