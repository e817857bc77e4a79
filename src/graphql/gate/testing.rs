//! Documents that were made to cost or to break something, and with which code each is refused.
//! Knows nothing of how.

use crate::graphql::Code;

/// `levels` fragments, each spreading the next one `width` times.
fn fragment_bomb(levels: usize, width: usize) -> String {
    let mut text = String::from("{ items { ...F0 } }");
    for level in 0..levels {
        let spread = format!(" a: seller {{ sells {{ ...F{} }} }}", level + 1);
        let spreads: String = (0..width)
            .map(|at| spread.replace(" a:", &format!(" a{at}:")))
            .collect();
        text.push_str(&format!(" fragment F{level} on Item {{{spreads} }}"));
    }
    text.push_str(&format!(" fragment F{levels} on Item {{ id }}"));
    text
}

fn repeated_bomb(levels: usize, width: usize) -> String {
    let mut text = String::from("{ items { ...F0 } }");
    for level in 0..levels {
        let spreads = format!(" ...F{}", level + 1).repeat(width);
        text.push_str(&format!(" fragment F{level} on Item {{{spreads} }}"));
    }
    text.push_str(&format!(" fragment F{levels} on Item {{ id name }}"));
    text
}

/// The name of each, its text, and its code.
pub(crate) fn documents() -> Vec<(&'static str, String, Code)> {
    let nested = |open: &str, count: usize| format!("{{ items(where: {} }}", open.repeat(count));
    let closed = |open: &str, inner: &str, close: &str, count: usize| {
        format!(
            "{{ items(where: {}{inner}{}) {{ id }} }}",
            open.repeat(count),
            close.repeat(count)
        )
    };
    let aliases: String = (0..50_000).map(|at| format!("a{at}:__typename ")).collect();
    let few_aliases: String = (0..101).map(|at| format!("a{at}:__typename ")).collect();
    let circular = "{ items { ...A } } fragment A on Item { ...B } fragment B on Item { ...A }";
    vec![
        ("1,500 nested lists", nested("[", 1_500), Code::TooComplex),
        ("50,000 nested lists", nested("[", 50_000), Code::TooComplex),
        ("1,500 nested objects", nested("{a:", 1_500), Code::TooComplex),
        ("50,000 nested objects", nested("{not:", 50_000), Code::TooComplex),
        ("100 closed nots", closed("{not:", "{}", "}", 100), Code::TooComplex),
        ("fragments 7 x 10", repeated_bomb(7, 10), Code::TooComplex),
        ("fragments 9 x 10", repeated_bomb(9, 10), Code::TooComplex),
        ("fragments 30 x 2", repeated_bomb(30, 2), Code::TooComplex),
        ("aliased fragments 9 x 3", fragment_bomb(9, 3), Code::TooComplex),
        ("50,000 aliases", format!("{{ {aliases} }}"), Code::TooComplex),
        ("101 aliases", format!("{{ {few_aliases} }}"), Code::TooComplex),
        (
            "21 root fields",
            format!("{{ {} }}", "__typename ".repeat(21)),
            Code::TooComplex,
        ),
        (
            "3 schemas",
            "{ a: __schema { description } b: __schema { description } c: __schema { description } }".to_owned(),
            Code::TooComplex,
        ),
        ("circular fragments", circular.to_owned(), Code::ValidationFailed),
        ("5,000 deep selections", "{ items ".repeat(5_000), Code::TooComplex),
        (
            "20 deep selections",
            format!(
                "{{ items {}id {} }}",
                "{ seller { sells ".repeat(12) + "{ ",
                "} ".repeat(25)
            ),
            Code::TooComplex,
        ),
        (
            "51 directives",
            format!("{{ items {{ id {} }} }}", "@skip(if: false) ".repeat(51)),
            Code::TooComplex,
        ),
        (
            "an unclosed string",
            "{ items(where: {name: {eq: \"abc".to_owned(),
            Code::ParseFailed,
        ),
        (
            "an unclosed block string",
            "{ a(b: \"\"\"abc".to_owned(),
            Code::ParseFailed,
        ),
        ("a stray bracket", "}".to_owned(), Code::ParseFailed),
        ("nothing", String::new(), Code::ParseFailed),
        ("binary", "\u{0}\u{1}{".to_owned(), Code::ParseFailed),
        (
            "an unknown field",
            "{ items { nope } }".to_owned(),
            Code::ValidationFailed,
        ),
        (
            "a mutation",
            "mutation { items { id } }".to_owned(),
            Code::ValidationFailed,
        ),
        (
            "two anonymous operations",
            "{ __typename } { __typename }".to_owned(),
            Code::ValidationFailed,
        ),
    ]
}
