//! What filters may take on a thread: time, and memory (`memory`). Knows clocks; runs nothing.
//!
//! The time is the processor's, as far as this thread has it: what others do at the same time must
//! not decide which records are stored.
//!
//! A filter over the page of an upstream may take polynomial time. Whatever can yield often
//! (`ticks`) passes by the native [`TICK`], which fails once the time is spent. A single native,
//! such as a sort, is not interrupted.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::memory;

/// The filter that passes its input on while there is time.
pub(super) const TICK: &str = "hayloft_tick";
/// Ticks between two looks at the clock: far below a millisecond of work.
const TICKS: u32 = 256;

/// Says that nobody needs the answer any more.
type Stopped = Box<dyn Fn() -> bool>;

thread_local! {
    static LIMIT: Cell<Option<Limit>> = const { Cell::new(None) };
    static STOPPED: RefCell<Option<Stopped>> = const { RefCell::new(None) };
    static LEFT: Cell<u32> = const { Cell::new(TICKS) };
}

/// So much of the processor's time. To ask for that costs a call to the system, and the time that
/// has passed hardly anything; no thread works for longer than passes. So small work asks never,
/// and other work once, and again when the time may be over.
#[derive(Clone, Copy)]
struct Limit {
    most: Duration,
    /// What the thread had worked at the first look. Before that lies too little to count.
    from: Option<Duration>,
    /// It cannot be over sooner.
    until: Instant,
}

impl Limit {
    /// None where no clock goes so far.
    fn of(most: Duration) -> Option<Limit> {
        Some(Limit {
            most,
            from: None,
            until: Instant::now().checked_add(most)?,
        })
    }

    fn may_be_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// What is left after what the thread has worked; it cannot be over before that has passed.
    fn count(&mut self) -> Duration {
        let worked = worked();
        let from = *self.from.get_or_insert(worked);
        let left = self.most.saturating_sub(worked.saturating_sub(from));
        self.until = Instant::now().checked_add(left).unwrap_or(self.until);
        left
    }
}

/// The processor's time that this thread has had.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Bounds the time of all filters on this thread, and the memory of each, until it is dropped.
#[derive(Debug)]
pub(crate) struct Budget {
    // What it bounds belongs to one thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Budget {
    /// Begins without a limit; `stopped` is asked now and then, and ends every filter.
    pub(crate) fn of_thread(stopped: impl Fn() -> bool + 'static) -> Budget {
        STOPPED.with_borrow_mut(|slot| *slot = Some(Box::new(stopped)));
        Budget {
            _here: std::marker::PhantomData,
        }
    }

    /// With so much memory for each filter.
    pub(crate) fn with_memory(self, bytes: usize) -> Budget {
        memory::allow(bytes);
        self
    }

    /// From now on, so much time.
    pub(crate) fn allow(&self, time: Duration) {
        LIMIT.set(Limit::of(time));
    }

    /// Whether the time is over. What a filter said after that means nothing.
    pub(crate) fn is_spent(&self) -> bool {
        LIMIT.get().is_some_and(|limit| limit.may_be_over()) && is_over()
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        memory::allow(memory::FILTER_MEMORY);
        LIMIT.set(None);
        STOPPED.with_borrow_mut(|slot| *slot = None);
    }
}

/// Looks at the time, and notes when it did so first.
fn is_over() -> bool {
    let Some(mut limit) = LIMIT.get() else { return false };
    if limit.from.is_some() && !limit.may_be_over() {
        return false;
    }
    let left = limit.count();
    LIMIT.set(Some(limit));
    left.is_zero()
}

/// Counts one step; the error is a message.
pub(super) fn tick() -> Result<(), &'static str> {
    memory::look()?;
    let left = LEFT.get();
    if left > 0 {
        LEFT.set(left - 1);
        return Ok(());
    }
    if is_over() || STOPPED.with_borrow(|stopped| stopped.as_ref().is_some_and(|stopped| stopped())) {
        // The next tick looks again, so that an error that the filter catches is followed by the
        // next.
        return Err("it takes too long");
    }
    LEFT.set(TICKS);
    Ok(())
}

/// Looks at once, where a single step may take long.
pub(super) fn look() -> Result<(), &'static str> {
    LEFT.set(0);
    tick()
}

#[cfg(test)]
mod tests {
    use std::{ops::ControlFlow, rc::Rc};

    use super::*;
    use crate::catalog::jq::Filter;

    const ENDLESS: &[&str] = &[
        "[range(1000000)] | .[] as $a | .[] as $b | .[] as $c | select($a + $b == -$c)",
        "[range(1000000)] | map(. as $x | range(1000000) | select(. < 0)) | length",
        "[range(1000000) as $x | range(1000000) | try error(\"x\") catch empty] | length",
        "first(range(1000000) | range(1000000) | range(1000000) | select(. < 0))",
    ];

    #[test]
    fn the_time_is_bounded() {
        for text in ENDLESS {
            let filter = Filter::compile(text, &[]).expect("a filter");
            let budget = Budget::of_thread(|| false);
            budget.allow(Duration::from_millis(20));
            let _ = filter.run(&jaq_json::Val::Null, &[]);
            assert!(budget.is_spent(), "{text}");
        }
    }

    /// A machine that is busy with others, or stood still, takes no filter's time.
    #[test]
    fn only_work_counts() {
        let filter = Filter::compile("[range(10000)] | length", &[]).expect("a filter");
        let budget = Budget::of_thread(|| false);
        let most = Duration::from_secs(5);
        budget.allow(most);
        assert!(filter.run(&jaq_json::Val::Null, &[]).is_ok());
        // As if it had waited for all of it.
        let mut limit = LIMIT.get().expect("a limit");
        assert!(limit.from.is_some(), "it was looked at");
        limit.until = Instant::now();
        LIMIT.set(Some(limit));
        assert!(!budget.is_spent());
        assert!(filter.run(&jaq_json::Val::Null, &[]).is_ok());
        let until = LIMIT.get().map(|limit| limit.until);
        assert!(until.is_some_and(|until| until > Instant::now()), "some is left");
    }

    #[test]
    fn a_stop_ends_it() {
        for text in ENDLESS {
            let filter = Filter::compile(text, &[]).expect("a filter");
            let asked = Rc::new(Cell::new(0));
            let count = Rc::clone(&asked);
            let _budget = Budget::of_thread(move || {
                count.set(count.get() + 1);
                count.get() > 3
            });
            let _ = filter.run_each(&jaq_json::Val::Null, &[], &mut |_| ControlFlow::Continue(()));
            assert!(asked.get() > 3, "{text}");
        }
    }
}
