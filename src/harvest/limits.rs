//! The bounds of a harvest, each with its reason. Knows numbers only.

use std::time::Duration;

use crate::store::{LEASE, PROCESS_GONE};

/// Rows of one transaction: large enough to spread the cost of a commit, small enough that readers
/// and a shutdown wait little, and that the three groups of a run which are in memory at once stay
/// small.
pub(super) const GROUP_ROWS: usize = 16_000;
/// Input of one transaction: wide rows end it earlier, so that memory stays bounded.
pub(super) const GROUP_BYTES: u64 = 16 << 20;
/// Input of a part of a page: a few of them wait and are gathered at once. Of a page that no one
/// transaction holds, each is one.
pub(super) const PART_BYTES: u64 = 4 << 20;
/// How long the first group of a transaction waits for others: a small source is then one commit,
/// and nobody sees the wait.
pub(super) const GATHER: Duration = Duration::from_millis(if cfg!(test) { 1_000 } else { 2_000 });
/// Refused rows of one transaction: each may carry a record of [`RECORD_MAX`].
pub(super) const GROUP_REFUSED: usize = 100;
/// Bytes of a refused record that are kept: enough to see what is wrong.
pub(super) const RECORD_MAX: usize = 64 << 10;
/// Pages waiting between fetch and shape: one in hand, one ready.
pub(super) const PAGE_QUEUE: usize = 1;
/// Groups waiting between shape and load, besides the one that is being committed and the one that
/// is being made.
pub(super) const GROUP_QUEUE: usize = 1;
/// Answers that are under way or wait to be read, of all runs of a process together: what
/// `concurrency` asks for at once is bounded by this alone. An answer counts as what is expected of
/// it until it has come.
pub(super) const WAITING_MAX: u64 = 64 << 20;
/// What an answer is expected to take before the first has come: so many as a source may allow at
/// once have room.
pub(super) const WAITING_FIRST: u64 = 1 << 20;
/// What any answer takes beside its bytes.
pub(super) const WAITING_LEAST: u64 = 4 << 10;
/// A page's body after decompression: its parsed form takes several times as much. Tests reach a
/// smaller bound sooner.
pub(super) const BODY_MAX: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// What a page that is parsed as a whole may take with all its values: those of a list of small
/// ones take many times its bytes.
pub(super) const PAGE_MEMORY: usize = if cfg!(test) { 8 << 20 } else { 128 << 20 };
/// What records that `rows` has made of a page may take together, as JSON, while they wait to be
/// shaped; more are made a second time.
pub(super) const RECORDS_KEPT: usize = if cfg!(test) { 64 << 10 } else { 32 << 20 };
/// A page of so many bytes may be why a process ended.
pub(super) const ASIDE_FROM: u64 = 4 << 20;
/// What a row may take in memory with all rows nested in it.
pub(super) const ROW_MEMORY: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };
/// Refused records that a run begins with and goes on: one that has found no row among so many
/// would find none.
pub(super) const REFUSED_TRIED: u64 = if cfg!(test) { 1_000 } else { 10_000 };
/// Pages of at least so many bytes are parsed as a whole one after the other.
pub(super) const WHOLE_FROM: usize = if cfg!(test) { 256 << 10 } else { 2 << 20 };
/// Pages of at least so many bytes are read record by record, where `rows` allows it: less than
/// this holds fewer records than
/// `rows` may yield at once.
pub(super) const LONG_FROM: usize = 256 << 10;
/// A body beyond this is kept on disk until it is read, where it is read record by record.
pub(super) const SPOOL_FROM: usize = if cfg!(test) { 256 << 10 } else { 2 << 20 };
/// One body that is kept on disk.
pub(super) const SPOOL_MAX: u64 = if cfg!(test) { 4 << 20 } else { 4 << 30 };
/// All of them together, in one process.
pub(super) const SPOOLS_MAX: u64 = if cfg!(test) { 6 << 20 } else { 8 << 30 };
/// Bytes in a second that a large body arrives with, at least.
pub(super) const PAGE_RATE_MIN: u64 = 256 << 10;
/// One line of NDJSON: a record larger than this is no record.
pub(super) const LINE_MAX: usize = 16 << 20;
/// A text of lines of which the first so many are all no JSON is no NDJSON.
pub(super) const LINES_TRIED: u64 = 20;
/// What the filters of a definition may take for one record, unless the settings say otherwise: a
/// mistake, or a record made to stall us.
pub(super) const FILTER_TIME: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });
/// Bytes read from a file at once: large against a system call, small against the memory.
pub(super) const CHUNK: usize = 1 << 20;
/// Connecting takes milliseconds, or never happens.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence in the middle of an answer: longer than a slow query behind it should take.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// `Last-Modified` counts whole seconds of the upstream's clock: a younger one may stand for two
/// states.
pub(super) const MODIFIED_AGE: Duration = Duration::from_secs(5);
/// A whole page, and more only for what arrives steadily: an upstream that drips is as good as
/// down.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(120);
/// Redirects within a host: one for a slash, one for a version, and some.
pub(super) const REDIRECTS_MAX: usize = 5;
/// Tries of one request: more belongs to the next run.
pub(super) const TRIES: u32 = 4;
/// The first wait before a further try is at most this long. Tests of retries need not wait.
pub(super) const BACKOFF_BASE: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 500 });
/// No wait of our own choice is longer.
pub(super) const BACKOFF_CAP: Duration = Duration::from_secs(30);
/// A `Retry-After` beyond this fails the run: the schedule comes back anyway.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Tries that an upstream may ask for of one request, by `Retry-After`, a rate limit or 202: all
/// together wait no longer than [`RETRY_AFTER_MAX`].
pub(super) const ASKED_MAX: u32 = if cfg!(test) { 6 } else { 60 };
/// What a failed answer says is read so far, and so much of it is shown: a message, not a page.
pub(super) const WORDS_BYTES: usize = 16 << 10;
pub(super) const WORDS_SHOWN: usize = 200;
/// An answer that gives a token.
pub(super) const TOKEN_MAX: usize = 1 << 20;
/// After a refused login, nobody tries again for so long: accounts are locked after a few tries.
pub(super) const TOKEN_FAILED: Duration = Duration::from_secs(if cfg!(test) { 3_600 } else { 10 });
/// Between signs of life of this process: several, before it counts as gone.
pub(super) const ATTEND: Duration = Duration::from_secs(3);
/// After one that could not be given, sooner.
pub(super) const ATTEND_AGAIN: Duration = Duration::from_secs(1);
/// While others are waited for, more often: they were called, half of a source's places lie idle
/// until they are heard of, and a person may be waiting too.
pub(super) const ATTEND_JOINING: Duration = Duration::from_millis(100);
/// A wait for others that a person need not be told of.
pub(super) const JOIN_SILENT: Duration = Duration::from_millis(500);
/// A place among the processes is good for so long after the last sign of life: then the others may
/// give it up.
pub(super) const ALLOCATION_TRUST: Duration = PROCESS_GONE.saturating_sub(Duration::from_secs(5));
/// A run is committed to for so long after its last heartbeat: then another process may take it
/// over soon.
pub(super) const LEASE_TRUST: Duration = LEASE.saturating_sub(Duration::from_secs(5));
/// Between heartbeats of a run: one may be missed within a lease.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Runs under way at once in one process: each holds a page or more in memory.
pub(super) const RUNS_MAX: usize = 8;
/// The reconciler looks at the ledger at least this often.
pub(super) const RECONCILE: Duration = Duration::from_secs(5);
/// And at most this often: hints may come in bursts.
pub(super) const RECONCILE_MIN: Duration = Duration::from_millis(200);
/// A schedule that was not looked at for longer than this was looked at by nobody: some looks may
/// fail or be late.
pub(super) const LOOK_GAP: Duration = Duration::from_secs(60);
/// The first wait after a failed run; it doubles.
pub(super) const RETRY_BASE: Duration = Duration::from_secs(5);
/// No failed run waits longer for its retry.
pub(super) const RETRY_CAP: Duration = Duration::from_secs(300);
/// Pages that an interrupted run has read when reading them again costs more than a further, whole
/// run to judge absence.
pub(super) const RESUME_PAGES: u64 = 20;
