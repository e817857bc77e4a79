//! Counts tokens and nesting without recursion and without building anything. Knows GraphQL's
//! lexical grammar only.

use crate::graphql::{ApiError, Limits};

/// Refuses text that is too long, has too many tokens or nests too deeply. Other lexical errors are
/// the parser's to name.
pub(super) fn check(query: &str, limits: &Limits) -> Result<(), ApiError> {
    if query.len() > limits.query_bytes {
        return Err(ApiError::over(
            "bytes of the query",
            query.len(),
            limits.query_bytes,
            "query_bytes",
        ));
    }
    let mut bytes = query.as_bytes();
    let (mut tokens, mut depth) = (0usize, 0usize);
    while let Some((token, rest)) = next(bytes) {
        bytes = rest;
        match token {
            Token::Ignored => continue,
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Text | Token::Other => {}
        }
        tokens += 1;
        if tokens > limits.tokens {
            let found = format!("more than {}", limits.tokens);
            return Err(ApiError::over("tokens of the query", found, limits.tokens, "tokens"));
        }
        if depth > limits.nesting {
            let found = format!("more than {}", limits.nesting);
            return Err(ApiError::over(
                "nested brackets of the query",
                found,
                limits.nesting,
                "nesting",
            ));
        }
    }
    Ok(())
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// White space, a comma, a comment.
    Ignored,
    Open,
    Close,
    /// A string, quotes and all.
    Text,
    Other,
}

/// The first token, and what follows it.
pub(super) fn next(bytes: &[u8]) -> Option<(Token, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some(match first {
        b' ' | b'\t' | b'\n' | b'\r' | b',' => (Token::Ignored, rest),
        b'#' => (Token::Ignored, skip_while(rest, |byte| byte != b'\n' && byte != b'\r')),
        b'{' | b'[' | b'(' => (Token::Open, rest),
        b'}' | b']' | b')' => (Token::Close, rest),
        b'"' => (Token::Text, after_string(rest)),
        byte if is_word(*byte) => (Token::Other, skip_while(rest, is_word)),
        _ => (Token::Other, rest),
    })
}

/// Names and numbers; a number's sign, point and exponent may count as further tokens, which errs
/// on the safe side.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn skip_while(bytes: &[u8], test: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !test(*byte)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// What follows a string whose opening quote has been read; nothing when it is not closed.
fn after_string(bytes: &[u8]) -> &[u8] {
    if let Some(block) = bytes.strip_prefix(b"\"\"") {
        return after_block(block);
    }
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'\\', _, tail @ ..] => tail,
            [b'"', tail @ ..] => return tail,
            // A line end closes a broken string; the parser will say so.
            [b'\n' | b'\r', ..] | [] => return rest,
            [_, tail @ ..] => tail,
        };
    }
}

fn after_block(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'\\', b'"', b'"', b'"', tail @ ..] => tail,
            [b'"', b'"', b'"', tail @ ..] => return tail,
            [] => return rest,
            [_, tail @ ..] => tail,
        };
    }
}
