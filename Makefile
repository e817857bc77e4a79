# make demo    builds everything and runs the demo on http://127.0.0.1:4000/
# make quick   format, lints, unit tests but the long ones, the rules of the house: to run after each change
# make test    everything that must hold before a change is taken
# make soak    the long tests: 1,000 kills per database and more, about an hour; PART=kills for one of them
# make fuzz    each fuzz target for a minute (needs a nightly Rust and cargo-fuzz, and says so); TARGET=gate for one of them
# make audit   known holes in the crates (needs cargo-deny and the internet)
# make bench   the figures of the documentation, each with its ratio
# make build   the web page and the release binary
# make fmt     formats the code
# make clean   removes what was built and installed here

MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: help demo build web quick quick-lints quick-tests test soak fuzz check audit bench fmt clean setup-build setup-test

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

web/$(INSTALLED) examples/countries/$(INSTALLED) tests/clients/$(INSTALLED): %/$(INSTALLED): %/package-lock.json %/package.json
	@echo "installing the packages of $*" >&2
	@cd $* && $(NPM_CI) >/dev/null
	@touch $@

web/dist/index.html: web/$(INSTALLED) $(WEB_SOURCES)
	@echo "building the web page" >&2
	@cd web && npm run --silent build >&2

# The whole program is tested last, so that the last line is the summary of the tests that need all of it. Tests wait more than
# they compute, so there are more of them at once than processors; all are built before the first runs, which fills both.
test: export RUST_TEST_THREADS := $(shell echo $$(($$(nproc) + 1)))
test: check
	@cargo test --quiet --locked --workspace --no-run
	@cargo test --quiet --locked --workspace --lib --bins --no-fail-fast
	@cargo test --quiet --locked --doc
	@cargo test --locked --test all

# The tests with random choices, only longer. What they showed, and how to replay what fails, is said at the end.
soak:
	@scripts/soak.sh $(PART)

fuzz:
	@scripts/fuzz.sh $(TARGET)

# Both at once: each of them leaves one processor idle most of the time. The lints have a profile and so a folder of their own,
# because cargo lets only one command at a time into a folder.
quick:
	@cargo fmt --all --check
	@$(MAKE) --jobs=2 --output-sync=target quick-lints quick-tests

quick-lints:
	@$(CLIPPY)

quick-tests:
	@cargo test --quiet --locked --lib -- --test-threads=4 $(addprefix --skip ,$(LONG_TESTS))

# Parts of the names of unit tests that `make quick` leaves to `make test`: those that need PostgreSQL, those with random choices,
# and others that take more than half a second.
LONG_TESTS := postgres an_answer_waits_for_the_deletion steps_are_counted_beside \
  store::tests::abandoned store::tests::generations store::tests::indexes store::tests::opens store::tests::retry \
  store::tests::definition_status store::tests::rollup store::tests::timed_groups \
  mirror simulation store::tests::edits oracle fuzzed_ graphql::tests::histories \
  a_filter_has_its_memory bombs_are_defused_at_run_time groups_count long_texts_have_bounds odd_values_do_not_panic \
  filters_are_bounded hostile_variables answers_that_all_have_taken nobody_begins_with_an_old what_a_live_query_could_not_read \
  a_socket_answers_queries connections_that_say_nothing posts what_was_said_in_time \
  harvest::tests::ends harvest::tests::large a_file_cancelled_in_the_middle a_filter_that_takes_too_long \
  a_run_by_hand_after_a_kill an_interrupted_run_goes_on_with lines_that_end_with_the_connection paging_counts_what \
  resumes_from_its_checkpoint the_farm_in_a_database what_moved_between_a_kill \
  store::tests::lists store::tests::search a_reader_that_hears_nothing a_search_ends_with floats_are_exact how_many_may_go \
  loads_by_key_bind_other_values the_log_is_folded the_log_stays_short together_or_one_by_one what_was_added_is_never_new

CLIPPY := cargo clippy --profile lint --quiet --locked --workspace --all-targets -- -D warnings

# What needs no running program: the page's unit tests, formatting, lints, licences.
check: setup-test web/dist/index.html examples/countries/$(INSTALLED) tests/clients/$(INSTALLED)
	@cd web && npm test --silent
	@cargo fmt --all --check
	@$(CLIPPY)
	@if command -v cargo-deny >/dev/null; then cargo deny --offline --locked --log-level error check bans licenses sources; \
	else echo "skipped: cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

# Known holes in what we depend on. The list of them is fetched, so this is no part of the tests.
audit:
	@cargo deny --locked --log-level error check advisories

bench: setup-build web/dist/index.html
	@cargo bench --locked --bench hayloft

fmt:
	@cargo fmt --all

clean:
	@cargo clean
	@rm -rf web/dist web/node_modules web/e2e/out examples/countries/node_modules tests/clients/node_modules out
