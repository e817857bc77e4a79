//! Descriptions of operations, fragments and variables (GraphQL, September 2025), which the parser
//! does not know yet. Knows where one may stand; the rest of the grammar is the parser's.

use super::lexer::{Token, next};

/// The same document without descriptions. Each letter of one becomes a space, so that places in
/// errors are those of the text that was sent.
pub(in crate::graphql) fn without(document: &str) -> String {
    let mut kept = String::with_capacity(document.len());
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
        match token {
            Token::Text if describes(&open, before, after) => kept.extend(text.chars().map(blank)),
            _ => kept.push_str(text),
        }
        if token != Token::Ignored {
            before = text;
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Whether a string after this token and before this text is a description: of a definition, or of
/// a variable, whose neighbour's default value also is followed by a `$`.
fn describes(open: &[&str], before: &str, after: &str) -> bool {
    match open {
        [] => ["query", "mutation", "subscription", "fragment"].contains(&first(after)),
        ["("] => before != "=" && first(after) == "$",
        _ => false,
    }
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
}
