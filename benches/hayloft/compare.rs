//! Two ways to the same answer, measured in turns. A machine that changes its speed changes it for both.

use std::time::Instant;

use crate::{
    Target, figure,
    process::{self, Server},
};

/// Blocks of requests, the first of which warms both up and does not count.
const BLOCKS: usize = 8;
const REQUESTS: u32 = 60;
/// Requests of a block are fewer where each takes long: a block need not take longer than this.
const BLOCK_SECONDS: f64 = 0.5;
const REQUESTS_LEAST: u32 = 4;

/// By processor time: of the whole program, and of this thread.
pub fn cpu(name: &str, server: &Server, query: &str, by_hand: &dyn Fn() -> String, limit: f64) {
    let served = |requests: u32| {
        let before = server.cpu_seconds();
        (0..requests).for_each(|_| server.ask(query));
        server.cpu_seconds() - before
    };
    let hand = |requests: u32| {
        let before = process::own_cpu_seconds();
        answer(by_hand, requests);
        process::own_cpu_seconds() - before
    };
    in_turns(name, "of CPU", &served, &hand, limit);
}

/// By the time that passes.
pub fn wall(name: &str, server: &Server, query: &str, by_hand: &dyn Fn() -> String, limit: f64) {
    let timed = |work: &dyn Fn()| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    let served = |requests: u32| timed(&|| (0..requests).for_each(|_| server.ask(query)));
    let hand = |requests: u32| timed(&|| answer(by_hand, requests));
    in_turns(name, "that pass", &served, &hand, limit);
}

fn answer(by_hand: &dyn Fn() -> String, requests: u32) {
    let bytes: usize = (0..requests).map(|_| by_hand().len()).sum();
    assert!(bytes > 0);
}

fn in_turns(name: &str, what: &str, served: &dyn Fn(u32) -> f64, hand: &dyn Fn(u32) -> f64, limit: f64) {
    let (one, other) = (served(1), hand(1));
    let slow = BLOCK_SECONDS / one.max(other).max(1e-6);
    let requests = (slow as u32).clamp(REQUESTS_LEAST, REQUESTS);
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (0.0, 0.0);
    for block in 0..BLOCKS {
        (ours, theirs) = (served(requests), hand(requests));
        if block > 0 {
            ratios.push(ours / theirs);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let each = 1e3 / f64::from(requests);
    println!(
        "({:.2} ms against {:.2} ms {what} in the last block)",
        ours * each,
        theirs * each
    );
    figure(name, ratios[ratios.len() / 2], "×", &Target::AtMost(limit));
}
