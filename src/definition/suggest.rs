//! The nearest of some names, for "did you mean". Knows nothing but letters.

/// Longer names are not compared: the work grows with the product of their lengths.
const NAME_MAX: usize = 64;

/// A hint that names the nearest candidate, when one is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Letters to insert, remove, change, or swap with a neighbour.
    let near = |name: &&str| strsim::osa_distance(&word.to_lowercase(), &name.to_lowercase());
    let reach = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|name| name.len() <= NAME_MAX && word.len() <= NAME_MAX)
        .map(|name| (near(&name), name))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest() {
        let names = ["fetch", "select", "source", "inverse"];
        for (word, want) in [
            ("fech", Some("fetch")),
            ("Select", Some("select")),
            ("souce", Some("source")),
            ("inverze", Some("inverse")),
            ("ftech", Some("fetch")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, names), want, "{word}");
        }
    }
}
