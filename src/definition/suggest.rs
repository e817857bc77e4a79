//! The nearest of some names, for "did you mean". Knows nothing but letters.

/// Longer names are not compared: the table of distances would grow with their product.
const NAME_MAX: usize = 64;

/// A hint that names the nearest candidate, when one is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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

/// Letters to insert, remove, change, or swap with a neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let width = right.len() + 1;
    let mut table = vec![0usize; (left.len() + 1) * width];
    for row in 0..=left.len() {
        for column in 0..width {
            let at = |up: usize, back: usize| table[(row - up) * width + column - back];
            table[row * width + column] = match (row, column) {
                (0, count) | (count, 0) => count,
                _ => {
                    let same = left[row - 1] == right[column - 1];
                    let swapped = row > 1
                        && column > 1
                        && left[row - 1] == right[column - 2]
                        && left[row - 2] == right[column - 1];
                    let best = (at(1, 1) + usize::from(!same)).min(at(1, 0) + 1).min(at(0, 1) + 1);
                    if swapped { best.min(at(2, 2) + 1) } else { best }
                }
            };
        }
    }
    table.last().copied().unwrap_or(0)
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
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("fram", "farm"), 1);
    }
}
