//! Descriptions of operations, fragments and variables (GraphQL, September 2025), which the parser
//! does not know yet. Knows where one may stand; the rest of the grammar is the parser's.

use super::lexer::{Token, next};

/// The words that operations begin with.
const OPERATIONS: [&str; 3] = ["query", "mutation", "subscription"];
/// Stands before and after a text of several lines.
const BLOCK: &str = "\"\"\"";

/// The same document without descriptions. Each letter of one becomes a space, so that places in
/// errors are those of the text that was sent.
pub(in crate::graphql) fn without(document: &str) -> String {
    let mut kept = String::with_capacity(document.len());
    parts(document, |text, described| match described {
        Some(_) => kept.extend(text.chars().map(blank)),
        None => kept.push_str(text),
    });
    kept
}

/// The description of the first operation that has one, in one line.
pub(crate) fn title(document: &str) -> Option<String> {
    let mut title = None;
    parts(document, |text, described| {
        if described.is_some_and(|what| OPERATIONS.contains(&what)) && title.is_none() {
            title = Some(words(text)).filter(|words| !words.is_empty());
        }
    });
    title
}

/// A string's text in one line.
fn words(string: &str) -> String {
    let block = string.strip_prefix(BLOCK).and_then(|text| text.strip_suffix(BLOCK));
    let text = match block {
        Some(text) => text.replace("\\\"\"\"", BLOCK),
        // JSON's escapes are these, but for one, which then stands as it was written.
        None => serde_json::from_str(string).unwrap_or_else(|_| string.trim_matches('"').to_owned()),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Hands on each token of a document, and before which word it stands if it is a description; then
/// what is left.
fn parts<'d>(document: &'d str, mut part: impl FnMut(&'d str, Option<&'d str>)) {
    let mut rest = document;
    let mut open = Vec::new();
    let mut before = "";
    while let Some((token, after)) = next(rest.as_bytes()) {
        // Tokens end between letters: the lexer steps over whole ones or over ASCII.
        let Some((text, after)) = rest.split_at_checked(rest.len() - after.len()) else {
            break;
        };
        match token {
            Token::Open => open.push(text),
            Token::Close => drop(open.pop()),
            Token::Ignored | Token::Text | Token::Other => {}
        }
        let described = matches!(token, Token::Text).then(|| described(&open, before, after));
        part(text, described.flatten());
        if token != Token::Ignored {
            before = text;
        }
        rest = after;
    }
    part(rest, None);
}

/// What a string after this token and before this text describes: a definition, or a variable,
/// whose neighbour's default value also is followed by a `$`.
fn described<'d>(open: &[&str], before: &str, after: &'d str) -> Option<&'d str> {
    let word = first(after);
    let is_described = match open {
        [] => word == "fragment" || OPERATIONS.contains(&word),
        ["("] => before != "=" && word == "$",
        _ => false,
    };
    is_described.then_some(word)
}

/// The first token that counts.
fn first(mut rest: &str) -> &str {
    while let Some((token, after)) = next(rest.as_bytes()) {
        let Some((text, after)) = rest.split_at_checked(rest.len() - after.len()) else {
            break;
        };
        if token != Token::Ignored {
            return text;
        }
        rest = after;
    }
    ""
}

fn blank(letter: char) -> char {
    match letter {
        '\n' | '\r' => letter,
        _ => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_go_and_other_strings_stay() {
        for (document, want) in [
            ("{ a(b: \"x\") }", "{ a(b: \"x\") }"),
            ("\"ü\" query { a }", "    query { a }"),
            (
                "\"\"\"a\nb\"\"\" fragment F on A { b }",
                "    \n     fragment F on A { b }",
            ),
            (
                "query Q(\"n\" $n: Int = 1, $s: String = \"x\" $t: [String] = [\"y\"] \"z\" # $\n $z: Int) { a }",
                "query Q(    $n: Int = 1, $s: String = \"x\" $t: [String] = [\"y\"]     # $\n $z: Int) { a }",
            ),
            // What is none stays for the parser to refuse.
            ("\"x\" { a }", "\"x\" { a }"),
            ("{ \"x\" a }", "{ \"x\" a }"),
            ("{ a(\"x\" $b) }", "{ a(\"x\" $b) }"),
            ("\"never closed", "\"never closed"),
            ("\"a\" \"b\" query { a }", "\"a\"     query { a }"),
        ] {
            assert_eq!(without(document), want);
            assert_eq!(without(document).chars().count(), document.chars().count());
        }
    }
    #[test]
    fn the_first_description_of_an_operation_is_a_title() {
        for (document, want) in [
            ("{ a }", None),
            ("query Q { a(b: \"x\") }", None),
            (
                "\"of a fragment\" fragment F on A { b } \"One \\\"item\\\"\" query Q(\"n\" $n: Int) { a }",
                Some("One \"item\""),
            ),
            (
                "\"\"\"\n  All items,\n  by \\\"\"\"price\\\"\"\".\n\"\"\" subscription { a }",
                Some("All items, by \"\"\"price\"\"\"."),
            ),
            ("\"\" query A { a } \"B\" query B { a }", Some("B")),
        ] {
            assert_eq!(title(document).as_deref(), want, "{document}");
        }
    }
}
