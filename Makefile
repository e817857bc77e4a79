# make demo    builds everything and runs the demo on http://127.0.0.1:4000/
# make test    everything that must hold before a change is taken
# make soak    the long tests: 1,000 kills per database and more, about an hour; PART=kills for one of them
# make audit   known holes in the crates (needs cargo-deny and the internet)
# make bench   the figures of the documentation, each with its ratio
# make build   the web page and the release binary
# make fmt     formats the code
# make clean   removes what was built and installed here

MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: help demo build web test soak check audit bench fmt clean setup-build setup-test

WEB_SOURCES := $(shell find web/src web/public web/scripts -type f 2>/dev/null) \
  web/index.html web/vite.config.ts web/tsconfig.json web/package.json
NPM_CI := npm ci --no-audit --no-fund --no-progress --loglevel=error
# npm writes this file last, so it is as good as a stamp of our own.
INSTALLED := node_modules/.package-lock.json

help:
	@sed -n '/^# make/s/^# //p' Makefile

# More arguments for the demo: make demo ARGS='--listen 127.0.0.1:5000'
demo: build
	@exec target/release/hayloft demo $(ARGS)

build: setup-build web/dist/index.html
	@cargo build --release --locked

web: web/dist/index.html

setup-build setup-test: setup-%:
	@scripts/setup.sh $*

web/$(INSTALLED) examples/countries/$(INSTALLED): %/$(INSTALLED): %/package-lock.json %/package.json
	@echo "installing the packages of $*" >&2
	@cd $* && $(NPM_CI) >/dev/null
	@touch $@

web/dist/index.html: web/$(INSTALLED) $(WEB_SOURCES)
	@echo "building the web page" >&2
	@cd web && npm run --silent build >&2

# The whole program is tested last, so that the last line is the summary of the tests that need all of it.
test: check
	@cargo test --quiet --locked --workspace --lib --bins --no-fail-fast
	@cargo test --quiet --locked --doc
	@cargo test --locked --test all

# The tests with random choices, only longer. What they showed, and how to replay what fails, is said at the end.
soak:
	@scripts/soak.sh $(PART)

# What needs no running program: the page's unit tests, formatting, lints, licences.
check: setup-test web/dist/index.html examples/countries/$(INSTALLED)
	@cd web && npm test --silent
	@cargo fmt --all --check
	@cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline --locked --log-level error check bans licenses sources; \
	else echo "skipped: cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

# Known holes in what we depend on. The list of them is fetched, so this is no part of the tests.
audit:
	@cargo deny --locked --log-level error check advisories

bench: setup-build web/dist/index.html
	@cargo bench --locked

fmt:
	@cargo fmt --all

clean:
	@cargo clean
	@rm -rf web/dist web/node_modules web/e2e/out examples/countries/node_modules out
