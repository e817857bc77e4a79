//! Named points of a commit at which tests end the process, as a crash would. Knows names; nothing
//! of it is in a release.

/// Does nothing, unless the variable `FAILPOINTS` of a test's build names this point: with
/// `load::rows=2*off->return` the process ends at once when it comes here for the third time.
pub(crate) fn point(name: &'static str) {
    // In a release the macro is empty.
    let _ = name;
    fail::fail_point!(name, |_| std::process::abort());
}

/// Whether a test's build names this point: for what a test wants otherwise than it is, such as a
/// commit for each page.
pub(crate) fn is_on(name: &'static str) -> bool {
    let _ = name;
    fail::fail_point!(name, |_| true);
    false
}

/// Whether points do anything in this build.
pub(crate) fn is_armed() -> bool {
    fail::has_failpoints()
}
