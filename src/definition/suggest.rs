//! The nearest of some names, for "did you mean". Knows nothing but letters.

/// Longer names are not compared: the table of distances would grow with their product.
const NAME_MAX: usize = 64;

/// A hint that names the nearest candidate, when one is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| distance(&word.to_lowercase(), &name.to_lowercase());
    let reach = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|name| name.len() <= NAME_MAX && word.len() <= NAME_MAX)
        .map(|name| (near(&name), name))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove or change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut last = at + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let best = (diagonal + usize::from(letter != *other)).min(*cell + 1).min(last + 1);
            diagonal = *cell;
            *cell = best;
            last = best;
        }
    }
    if left.is_empty() {
        right.len()
    } else {
        row.last().copied().map_or(0, |cell| cell)
    }
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
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, names), want, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
    }
}
