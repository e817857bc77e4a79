//! The fuzz targets without a fuzzer: the golden operations, changed at random, some thousand times.
//! `make fuzz` looks for more with `cargo fuzz`. `HAYLOFT_MUTATIONS` says how many for each target,
//! `HAYLOFT_SEED` which.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::oracle::number;
use crate::graphql::{fuzzing, testing::cases};

const MUTATIONS: usize = 1_500;

/// What means something somewhere.
const PIECES: [&str; 34] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\\"",
    "$a",
    "$a: Int!",
    "...",
    "... on Item",
    "@include(if: $a)",
    "null",
    "-1",
    "99999999999999999999",
    "1e400",
    "{or: []}",
    "{not: {}}",
    "and: [",
    "orderBy:",
    "search: \"a*\"",
    "after: \"AAAA\"",
    "first: 0",
    "'; DROP TABLE item; --",
    "\u{0}",
    "\u{1F600}",
    "\u{202e}",
    "#",
    "__schema",
    "sellerKeys",
];

struct Mutator {
    seeds: Vec<Vec<u8>>,
    random: StdRng,
}

impl Mutator {
    fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.seeds.choose(&mut self.random).expect("a seed").clone();
        for _ in 0..self.random.random_range(1..5) {
            let at = self.random.random_range(0..=bytes.len());
            let end = self.random.random_range(at..=bytes.len().min(at + 40));
            match self.random.random_range(0..6) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                2 => {
                    let piece = PIECES.choose(&mut self.random).expect("a piece");
                    bytes.splice(at..end.min(at + 3), piece.bytes());
                }
                3 if at < bytes.len() => bytes[at] ^= 1 << self.random.random_range(0..8),
                4 => {
                    let other = self.seeds.choose(&mut self.random).expect("a seed");
                    let from = self.random.random_range(0..=other.len());
                    let to = self.random.random_range(from..=other.len().min(from + 60));
                    bytes.splice(at..end, other[from..to].to_vec());
                }
                _ => {
                    let piece = PIECES.choose(&mut self.random).expect("a piece");
                    bytes.splice(at..at, piece.repeat(self.random.random_range(1..9)).into_bytes());
                }
            }
        }
        bytes
    }
}

fn run(target: fn(&[u8]), seeds: Vec<Vec<u8>>) {
    let wanted = number("HAYLOFT_MUTATIONS", MUTATIONS);
    let seed = number("HAYLOFT_SEED", 10) as u64;
    seeds.iter().for_each(|seed| target(seed));
    let random = StdRng::seed_from_u64(seed);
    let mut mutator = Mutator { seeds, random };
    for _ in 0..wanted {
        let bytes = mutator.next();
        let passed = std::panic::catch_unwind(|| target(&bytes));
        assert!(passed.is_ok(), "seed {seed}: {:?}", String::from_utf8_lossy(&bytes));
    }
    println!("shown: {wanted} inputs were taken or refused, seed {seed}");
}

fn operations() -> Vec<Vec<u8>> {
    let folder = std::fs::read_dir(cases().join("operations")).expect("the folder of cases");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a case")).collect()
}

#[test]
fn fuzzed_gate() {
    run(fuzzing::gate, operations());
}

#[test]
fn fuzzed_planner() {
    run(fuzzing::planner, operations());
}

#[test]
fn fuzzed_cursor() {
    let texts = [
        "",
        "null",
        "[]",
        "[\"i1\"]",
        "[20,\"i2\"]",
        "[null,0,\"i1\"]",
        "abcdefgh[\"i1\"]",
        "[\"Ada\",1,\"i1\"]",
    ];
    let sealed = texts.map(|text| crate::query::sealed(text).into_bytes());
    run(
        fuzzing::cursor,
        sealed
            .into_iter()
            .chain(texts.map(|text| text.as_bytes().to_vec()))
            .collect(),
    );
}

#[test]
fn fuzzed_filter() {
    let conditions = operations().into_iter().filter_map(|query| {
        let text = String::from_utf8(query).ok()?;
        let (_, rest) = text.split_once("where: {")?;
        Some(rest.split_once("})")?.0.as_bytes().to_vec())
    });
    let hostile = [
        "a' OR 1=1 --",
        "\"; DROP TABLE item; --",
        "%_\\",
        "\u{0}",
        "$1",
        "?1",
        "{{",
        "E'\\''",
    ];
    run(
        fuzzing::filter,
        conditions.chain(hostile.map(|text| text.as_bytes().to_vec())).collect(),
    );
}
