//! Texts that are handed out and come back: sealed, so that damage is seen, and opened again. Knows
//! no meaning of what is inside, and keeps no secret in it.
//!
//! PostgreSQL seals by an expression of SQL, which has to give the same (`store::db::postgres`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Letters of a mark.
pub(crate) const MARK: usize = 8;

/// Eight letters that are others for another text.
pub(crate) fn mark(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(MARK / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// A text with its mark before it, in base64url.
pub(crate) fn sealed(text: &str) -> String {
    URL_SAFE_NO_PAD.encode([&mark(text), text].concat())
}

/// The text, if it is one that was sealed and has not changed.
pub(crate) fn opened(sealed: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
    let (marked, text) = text.split_at_checked(MARK)?;
    (marked == mark(text)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_opened() {
        for text in ["", "a", "äß\u{1f600}", "[1,\"x\"]", &"long ".repeat(1_000)] {
            let closed = sealed(text);
            assert!(
                closed
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            assert_eq!(opened(&closed).as_deref(), Some(text));
            for at in 0..closed.len().min(40) {
                let (before, after) = closed.split_at(at);
                assert_eq!(opened(before), None, "{text} ends at {at}");
                let other = if after.starts_with('A') { 'B' } else { 'A' };
                let changed: String = before.chars().chain([other]).chain(after.chars().skip(1)).collect();
                assert_eq!(opened(&changed), None, "{text} changed at {at}");
            }
        }
        for text in ["=", "no cursor", "\u{0}", "AAAA", "////"] {
            assert_eq!(opened(text), None, "{text}");
        }
    }
}
