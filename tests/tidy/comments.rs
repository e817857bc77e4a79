//! How comments lie on the page. Knows their lines; reads no code.

use super::{assert_none, production};

/// Columns of a line that is a comment.
const COMMENT_MAX: usize = 100;

#[test]
fn comments_are_wrapped() {
    let mut findings = Vec::new();
    for source in production() {
        for (at, line) in source.text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if is_comment && line.chars().count() > COMMENT_MAX {
                findings.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    assert_none(
        &findings,
        "a comment is read beside the code, in a window that two of them share",
        "wrap it at 100 columns; better, say it shorter",
    );
}
