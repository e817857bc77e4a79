//! What is known of versions, whoever commits and in whatever order it is heard of.

use super::*;

fn seen(head: i64, parts: &[(&str, &str, i64)]) -> Seen {
    let parts = parts
        .iter()
        .map(|(entity, field, seq)| ((*entity).to_owned(), (*field).to_owned(), *seq));
    Seen {
        epoch: "e".to_owned(),
        head,
        layout: 1,
        missed: 0,
        parts: parts.collect(),
    }
}

fn news(parts: &[(&str, &str)]) -> News {
    let parts = parts
        .iter()
        .map(|(entity, field)| ((*entity).to_owned(), (*field).to_owned()));
    News::Parts(parts.collect())
}

fn upto(versions: &Versions) -> Option<i64> {
    versions.known(0).map(|moment| moment.upto)
}

/// One handle of a process, which looks.
struct Handle<'v>(&'v Versions, Told);

impl Handle<'_> {
    fn look(&mut self, since: i64, seen: Seen) -> News {
        let look = self.0.look(0, self.1);
        assert_eq!(look.since, since);
        let (news, told) = self.0.settle(&look, seen);
        self.1 = told;
        news
    }
}

/// A handle that has looked once.
fn begun(versions: &Versions) -> Handle<'_> {
    let mut handle = Handle(versions, Told::default());
    assert_eq!(upto(versions), None);
    assert_eq!(handle.look(-1, seen(10, &[("Item", "price", 3)])), news(&[]));
    handle
}

#[test]
fn our_own_commits_and_those_of_others() {
    let versions = Versions::default();
    let mut handle = begun(&versions);
    let price = [versions.cell("Item", "price")];
    let rows = [versions.cell("Item", "")];
    assert_eq!((versions.newest(&price), versions.newest(&rows)), (3, 0));
    // 13 and 14 are ours; 11 and 12 are another's, who is not heard of yet.
    versions.noting().committed((12, 14), [("Item", "price")].into_iter());
    assert_eq!((upto(&versions), versions.newest(&price)), (Some(10), 14));
    let both = [("Item", "price", 12), ("Item", "", 12)];
    assert_eq!(handle.look(10, seen(12, &both)), news(&[("Item", "")]));
    assert_eq!(upto(&versions), Some(14));
    assert_eq!((versions.newest(&price), versions.newest(&rows)), (14, 12));
    // In whatever order they are noted.
    let (first, second) = (versions.noting(), versions.noting());
    second.committed((15, 16), [].into_iter());
    assert_eq!(upto(&versions), Some(14));
    first.committed((14, 15), [].into_iter());
    assert_eq!(upto(&versions), Some(16));
    assert_eq!(handle.look(16, seen(16, &[])), news(&[]));
}

#[test]
fn what_is_not_noted_is_in_doubt() {
    let versions = Versions::default();
    let mut handle = begun(&versions);
    let is_known = || versions.moment(true, 0).is_some();
    assert!(is_known());
    assert_eq!(versions.moment(true, 1), None, "another generation");
    drop(versions.noting());
    assert!(!is_known());
    // A look tells of the doubts before it, and of none that came meanwhile.
    let look = versions.look(0, handle.1);
    drop(versions.noting());
    handle.1 = versions.settle(&look, seen(12, &[("Item", "", 12)])).1;
    assert!(!is_known());
    assert_eq!(
        handle.look(-1, seen(12, &[("Item", "name", 12)])),
        news(&[("Item", "name")])
    );
    assert!(is_known());
    versions.noting().left();
    assert!(is_known());
    // What was given up may end later: from now on it counts as another's.
    lock(&versions.state).looked = Instant::now().checked_sub(LEASE);
    assert!(!is_known());
}

/// Where others write, nothing is known for longer than the lease; whoever wants to know looks.
#[test]
fn what_was_looked_at_too_long_ago_is_not_known() {
    let versions = Versions::default();
    let mut handle = begun(&versions);
    assert!(versions.moment(false, 0).is_some());
    lock(&versions.state).looked = Instant::now().checked_sub(LEASE);
    assert_eq!(versions.moment(false, 0), None);
    let earlier = Instant::now().checked_sub(2 * LEASE);
    assert!(
        versions.moment_since(false, 0, earlier).is_some(),
        "it began since then"
    );
    assert_eq!(versions.moment_since(false, 0, Some(Instant::now())), None);
    assert!(versions.moment(true, 0).is_some(), "nobody else writes");
    assert!(versions.known(0).is_some(), "of whatever age");
    handle.look(10, seen(10, &[]));
    assert!(versions.moment(false, 0).is_some());
}

/// Who has seen a commit in an answer is not shown what was before it.
#[test]
fn what_was_shown_is_heard_of_before_anything_is_known() {
    let versions = Versions::default();
    let mut handle = begun(&versions);
    let is_known = || versions.moment(true, 0).is_some();
    versions.show(10);
    assert!(is_known());
    // Ours, whose end is not noted yet.
    let noting = versions.noting();
    versions.show(11);
    assert!(!is_known());
    noting.committed((10, 11), [("Item", "price")].into_iter());
    assert!(is_known());
    // Another's, which a look finds that began after it was shown.
    let early = versions.look(0, handle.1);
    versions.show(12);
    handle.1 = versions.settle(&early, seen(11, &[])).1;
    assert!(!is_known());
    assert_eq!(handle.look(11, seen(12, &[("Item", "", 12)])), news(&[("Item", "")]));
    assert!(is_known());
    // Of a log that has gone.
    versions.show(99);
    assert!(!is_known());
    handle.look(12, seen(12, &[]));
    assert!(is_known());
}

/// What does not say what it changed may have changed anything, for every bus, and for a process
/// that begins afterwards.
#[test]
fn commits_that_say_nothing_change_everything() {
    let silent = |head, missed| Seen {
        missed,
        ..seen(head, &[])
    };
    let versions = Versions::default();
    let mut one = begun(&versions);
    let mut other = Handle(&versions, one.1);
    let price = [versions.cell("Item", "price")];
    versions.noting().committed((12, 14), [("Item", "price")].into_iter());
    assert_eq!(one.look(10, silent(12, 2)), News::Anything);
    assert_eq!(other.look(10, silent(12, 2)), News::Anything);
    assert_eq!(one.look(14, silent(14, 2)), news(&[]));
    assert_eq!((versions.newest(&[]), versions.newest(&price)), (12, 14));
    let later = Versions::default();
    Handle(&later, Told::default()).look(-1, silent(14, 2));
    assert_eq!(later.newest(&[]), 14);
}

#[test]
fn each_bus_hears_of_all() {
    let versions = Versions::default();
    let mut one = begun(&versions);
    let mut other = Handle(&versions, one.1);
    let price = [("Item", "price", 12)];
    assert_eq!(one.look(10, seen(12, &price)), news(&[("Item", "price")]));
    assert_eq!(other.look(10, seen(12, &price)), news(&[("Item", "price")]));
    assert_eq!(other.look(12, seen(12, &[])), news(&[]));
}

#[test]
fn another_log_is_another_era() {
    let versions = Versions::default();
    let mut handle = begun(&versions);
    let mut other = Handle(&versions, handle.1);
    let era = || versions.known(0).map(|moment| moment.era);
    assert_eq!(era(), Some(0));
    let elsewhere = |layout, head, parts: &[(&str, &str, i64)]| Seen {
        epoch: "f".to_owned(),
        layout,
        ..seen(head, parts)
    };
    let noting = versions.noting();
    assert_eq!(handle.look(10, elsewhere(1, 7, &[])), News::Anything);
    assert_eq!(other.look(7, elsewhere(1, 7, &[])), News::Anything);
    assert_eq!((era(), upto(&versions)), (Some(1), Some(7)));
    assert_eq!(versions.newest(&[versions.cell("Item", "price")]), 7);
    // What began there ended where nobody knows.
    noting.committed((10, 11), [("Item", "price")].into_iter());
    assert_eq!(era(), None);
    handle.look(-1, elsewhere(2, 7, &[]));
    assert_eq!(era(), Some(2));
    // Where everything is new, nobody is left asleep.
    assert_eq!(handle.look(7, elsewhere(2, 12, &[("", "", 12)])), News::Anything);
    assert_eq!(versions.newest(&[]), 12);
}
