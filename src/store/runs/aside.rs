//! Large pages that were in hand when a process ended without a word: they may be why. Knows when their fetch may begin again, or
//! their request, where it is one about a row; no pages.
//!
//! A process that is started again and takes the same page at once would end again, and again. So the fetch is left alone for a
//! while, longer each time, until one of its runs is complete. Of a fetch on a field only the request is, which counts as failed
//! meanwhile, until it is answered. A person who starts it does not wait.
