//! Mutexes of this folder. Knows that what they guard is whole after each line, so that a holder's
//! panic is nobody else's fault.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
