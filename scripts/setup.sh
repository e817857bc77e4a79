#!/bin/sh
# Sees to the tools that a build or the tests need: `scripts/setup.sh build` or `scripts/setup.sh test`.
#
# Debian packages are installed when this runs as root; otherwise it says what to install. Does nothing when all is there.
set -eu

NODE_MIN="20.19"

die() {
    echo "setup: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

command_of_chromium() {
    [ -n "${CHROMIUM:-}" ] && has "$CHROMIUM" || has chromium
}

# The server's own programs, which Debian keeps out of the search path.
has_postgresql() {
    for bin in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null)"; do
        [ -x "$bin/initdb" ] && return 0
    done
    return 1
}

# The Debian packages that are missing for the task, in one line.
missing() {
    has cc || printf 'build-essential '
    if [ "$1" = test ] && ! command_of_chromium; then
        printf 'chromium '
    fi
    if [ "$1" = test ] && ! has_postgresql; then
        printf 'postgresql '
    fi
}

install() {
    [ "$(id -u)" = 0 ] && has apt-get || die "please install: $*"
    echo "setup: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # The package lists may be old or absent; a package that is then not found is reported by the second step.
    apt-get update -qq >"$log" 2>&1 || true
    if ! apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "apt-get could not install: $*"
    fi
    rm -f "$log"
}

node_is_new_enough() {
    node -e 'const [a, b] = process.argv[1].split(".").map(Number), [c, d] = process.versions.node.split(".").map(Number);
             process.exit(c > a || (c === a && d >= b) ? 0 : 1)' "$NODE_MIN"
}

task=${1:-build}
has cargo || die "Rust is missing: see https://rustup.rs"
has node && has npm || die "Node.js is missing: version $NODE_MIN or newer, with npm"
node_is_new_enough || die "Node.js $(node --version) is too old: version $NODE_MIN or newer is needed"
packages=$(missing "$task")
# The names are words without spaces: splitting them is meant.
# shellcheck disable=SC2086
[ -z "$packages" ] || install $packages
