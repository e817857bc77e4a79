//! What filters may take on a thread: time, and memory (`memory`). Knows clocks; runs nothing.
//!
//! A filter over the page of an upstream may take polynomial time. Whatever can yield often
//! (`ticks`) passes by the native [`TICK`], which fails once the time is spent. A single native,
//! such as a sort, is not interrupted.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use super::memory;

/// The filter that passes its input on while there is time.
pub(super) const TICK: &str = "hayloft_tick";
/// Ticks between two looks at the clock: far below a millisecond of work.
const TICKS: u32 = 256;

/// Says that nobody needs the answer any more.
type Stopped = Box<dyn Fn() -> bool>;

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static STOPPED: RefCell<Option<Stopped>> = const { RefCell::new(None) };
    static LEFT: Cell<u32> = const { Cell::new(TICKS) };
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
        UNTIL.set(Instant::now().checked_add(time));
    }

    /// So much more: time that passed without filters.
    pub(crate) fn extend(&self, time: Duration) {
        UNTIL.set(UNTIL.get().and_then(|until| until.checked_add(time)));
    }

    /// Whether the time is over. What a filter said after that means nothing.
    pub(crate) fn is_spent(&self) -> bool {
        is_over()
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        memory::allow(memory::FILTER_MEMORY);
        UNTIL.set(None);
        STOPPED.with_borrow_mut(|slot| *slot = None);
    }
}

fn is_over() -> bool {
    UNTIL.get().is_some_and(|until| Instant::now() >= until)
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
