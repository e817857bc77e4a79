#!/bin/sh
# The tests with random choices, long: about an hour. One line for each part as it ends, and a summary at the end.
#
# What each part printed stays in out/soak-<seed>/. The same HAYLOFT_SEED makes the same choices again; the scales are
# explained in tests/harness/scale.rs and beside the unit tests. `scripts/soak.sh kills` runs one part alone.
set -u

export HAYLOFT_SEED="${HAYLOFT_SEED:-$(date +%s)}"
export HAYLOFT_KILLS="${HAYLOFT_KILLS:-1000}"
export HAYLOFT_CHAOS_SECONDS="${HAYLOFT_CHAOS_SECONDS:-600}"
export HAYLOFT_HISTORIES="${HAYLOFT_HISTORIES:-10000}"
export HAYLOFT_EDITS="${HAYLOFT_EDITS:-1000}"
export HAYLOFT_ROLLUPS="${HAYLOFT_ROLLUPS:-2000}"
export HAYLOFT_MIRRORS="${HAYLOFT_MIRRORS:-1000}"
export HAYLOFT_OPERATIONS="${HAYLOFT_OPERATIONS:-5000}"
export HAYLOFT_ORACLE="${HAYLOFT_ORACLE:-50000}"
export HAYLOFT_MUTATIONS="${HAYLOFT_MUTATIONS:-100000}"
export RUST_BACKTRACE="${RUST_BACKTRACE:-0}"

folder="out/soak-$HAYLOFT_SEED"
only="${1:-}"
failed=""
passed=0
started=$(date +%s)

minutes() {
    seconds=$(($(date +%s) - $1))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# part NAME ARGUMENTS: one run of `cargo test`.
part() {
    name=$1
    shift
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    begin=$(date +%s)
    if cargo test --quiet --locked "$@" --nocapture >"$folder/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name ($(minutes "$begin"))"
    else
        failed="$failed $name"
        echo "FAILED  $name ($(minutes "$begin")): see $folder/$name.log"
    fi
    grep -o 'shown: .*' "$folder/$name.log" | sed 's/^shown: /          /'
}

mkdir -p "$folder"
echo "soak: HAYLOFT_SEED=$HAYLOFT_SEED"
cargo test --quiet --locked --no-run --lib --test all || exit 1
part histories --lib -- simulation
part mirrors --lib -- mirror
part edits --lib -- edited_definitions
part oracle --lib -- naive_evaluator
part fuzzed --lib -- fuzzed_
part rollups --lib -- a_reader_would
part operations --test all -- literals_and_variables
part kills --test all -- kill::
part chaos --test all -- chaos::
part outages --test all -- outages:: disk::

if [ -n "$failed" ]; then
    echo "soak: FAILED after $(minutes "$started"):$failed"
    echo "soak: HAYLOFT_SEED=$HAYLOFT_SEED make soak makes the same choices again"
    exit 1
fi
[ "$passed" -gt 0 ] || { echo "soak: there is no part '$only'"; exit 2; }
echo "soak: all $passed parts passed in $(minutes "$started") with HAYLOFT_SEED=$HAYLOFT_SEED"
