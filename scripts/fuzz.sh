#!/bin/sh
# Each fuzz target for a minute (HAYLOFT_FUZZ_SECONDS for longer), from the golden operations on. `scripts/fuzz.sh gate` runs one alone.
#
# It needs a nightly Rust and cargo-fuzz. Without them the same targets are run by the unit tests over inputs that are changed at
# random: `HAYLOFT_MUTATIONS=100000 cargo test --lib fuzzed`.
set -u

seconds="${HAYLOFT_FUZZ_SECONDS:-60}"
missing=""
cargo +nightly --version >/dev/null 2>&1 || missing="a nightly Rust (rustup toolchain install nightly)"
cargo fuzz --version >/dev/null 2>&1 || missing="${missing:+$missing, }cargo-fuzz (cargo install cargo-fuzz)"
if [ -n "$missing" ]; then
    echo "fuzz: needs $missing"
    echo "fuzz: without it, the same targets: HAYLOFT_MUTATIONS=100000 cargo test --lib fuzzed"
    exit 2
fi

failed=""
for target in ${1:-gate planner cursor filter}; do
    corpus="fuzz/corpus/$target"
    mkdir -p "$corpus"
    case $target in
        gate | planner) cp tests/cases/graphql/operations/*.graphql "$corpus/" ;;
    esac
    echo "fuzz: $target for $seconds seconds"
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=8192 || failed="$failed $target"
done
[ -z "$failed" ] || { echo "fuzz: FAILED:$failed; the inputs are in fuzz/artifacts"; exit 1; }
echo "fuzz: nothing was found"
