//! The hash by which documents are known in public. Knows its hexadecimal form.

use std::fmt;

use sha2::Digest;

/// SHA-256 of a document's bytes, as graphql-over-http and Apollo's clients use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sha256([u8; 32]);

impl Sha256 {
    pub(super) fn of(bytes: &[u8]) -> Sha256 {
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    /// 64 hexadecimal digits, small or capital; none for anything else.
    pub(in crate::graphql) fn of_hex(text: &str) -> Option<Sha256> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair.first()?, pair.get(1)?].map(|digit| char::from(*digit).to_digit(16));
            *byte = u8::try_from(high? * 16 + low?).ok()?;
        }
        Some(Sha256(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two examples of graphql-over-http's appendix on persisted documents.
    #[test]
    fn as_the_specification_has_it() {
        for (text, want) in [
            (
                "query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}",
                "7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e",
            ),
            (
                "query($id:ID!){user(id:$id){name}}",
                "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b",
            ),
        ] {
            let hash = Sha256::of(text.as_bytes());
            assert_eq!(hash.to_string(), want);
            assert_eq!(Sha256::of_hex(want), Some(hash));
            assert_eq!(Sha256::of_hex(&want.to_uppercase()), Some(hash));
        }
        for text in ["", "7d", &"g".repeat(64), &"0".repeat(65), &"ä".repeat(32)] {
            assert_eq!(Sha256::of_hex(text), None, "{text}");
        }
    }
}
