//! What others write between the moments of a run: what it brings is stored again after the next
//! run that nobody disturbs, or the page is read in full. Steps are taken one after the other, in
//! every order that two runs can have.

use crate::value::{Absent, Part};

use super::{changes::lines, runs::state, *};

on_both!(
    what_others_write_is_seen_by_the_next_run,
    a_page_that_was_disturbed_rests_again_after_the_next_run,
    what_others_leave_as_it_is_disturbs_no_page,
    a_row_that_comes_again_on_its_page_hides_nobody
);

const PAGE: &str = "/tags?page=1";

/// Whether other fetches bring rows of the type, too.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Owned,
    Shared,
}

/// A tag as its own page has it.
fn own(kind: Kind, id: &str) -> Row {
    match kind {
        Kind::Owned => tag(id),
        Kind::Shared => part(tag(id), true),
    }
}

fn part(row: Row, owner: bool) -> Row {
    let absent = Absent::default();
    row.into_part(Part { absent, owner })
}

/// How the page comes in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// As it was; after nobody wrote, or nobody knows whether somebody did.
    Unchanged,
    Doubted,
    /// In full: together with the end of its run, before it, and its groups in a transaction each.
    AtTheEnd,
    BeforeTheEnd,
    InParts,
}

const FORMS: [Form; 5] = [
    Form::Unchanged,
    Form::Doubted,
    Form::AtTheEnd,
    Form::BeforeTheEnd,
    Form::InParts,
];

/// What a run does at once.
enum Step {
    Asks,
    Commits(Vec<Group>),
    Ends(Vec<Group>),
    Fails,
}

fn page(group: Group, unchanged: bool) -> Group {
    Group {
        request: (!unchanged).then(|| state(PAGE)),
        unchanged: unchanged.then(|| PAGE.to_owned()),
        pages: 1,
        checkpoint: Some(Checkpoint {
            next: "2".to_owned(),
            pages: 1,
            rows: 3,
        }),
        ..group
    }
}

/// The page has the tags `a`, `b` and a record that is refused, of a tag that is stored.
fn read(kind: Kind) -> [Group; 2] {
    let refused = Refused {
        key: None,
        id: Some(Key::text("c")),
        reason: "no tag".to_owned(),
        record: "{}".to_owned(),
    };
    let last = Group {
        refused: vec![refused],
        ..rows(vec![own(kind, "b")])
    };
    [rows(vec![own(kind, "a")]), page(last, false)]
}

impl Form {
    fn steps(self, kind: Kind) -> Vec<Step> {
        let [first, last] = read(kind);
        match self {
            Form::Unchanged | Form::Doubted => vec![Step::Asks, Step::Ends(vec![page(Group::default(), true)])],
            Form::AtTheEnd => vec![Step::Ends(vec![first, last])],
            Form::BeforeTheEnd => vec![Step::Commits(vec![first]), Step::Ends(vec![last])],
            Form::InParts => vec![
                Step::Commits(vec![first]),
                Step::Commits(vec![last]),
                Step::Ends(Vec::new()),
            ],
        }
    }
}

/// What another fetch writes at once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Changes,
    Adds,
    /// It brings a row of the page, as it is stored.
    Repeats,
    Nothing,
}

/// What others do, and before which step of the run.
type Between = (Other, usize);

struct Races {
    store: Store,
    kind: Kind,
    minute: u32,
}

impl Races {
    fn next(&mut self) -> u32 {
        self.minute += 1;
        self.minute
    }

    async fn other(&mut self, what: Other) {
        let named = |id: &str| Row::new(vec![text(id), text("other")], vec![], vec![]);
        let row = match what {
            Other::Changes => named("a"),
            Other::Adds => named("e"),
            Other::Repeats => tag("a"),
            Other::Nothing => return,
        };
        let row = match (self.kind, what) {
            (Kind::Owned, _) => row,
            // All that it has is the key.
            (Kind::Shared, Other::Repeats) => Row { hash: 2, ..row }.into_part(Part {
                absent: Absent {
                    values: vec![1],
                    ..Absent::default()
                },
                owner: false,
            }),
            (Kind::Shared, _) => part(row, false),
        };
        let minute = self.next();
        let other = start(&self.store, "Other", TAG, minute).await;
        self.store
            .commit_group(&other, rows(vec![row]))
            .await
            .expect("a commit");
        let ended = self.store.finish_run(&other, Finish::Interrupted).await;
        ended.expect("an end");
    }

    /// A whole run, with what others do meanwhile; false when the page has to be read in full
    /// instead.
    async fn run(&mut self, steps: Vec<Step>, (other, before): Between) -> bool {
        let minute = self.next();
        let run = start(&self.store, "Tag", TAG, minute).await;
        let mut vouches = true;
        for (at, step) in (0..).zip(steps) {
            if at == before {
                self.other(other).await;
            }
            match step {
                Step::Asks => vouches = self.store.vouches(&run, PAGE, &[]).await.expect("an answer"),
                Step::Commits(groups) => {
                    self.store.commit_groups(&run, &groups).await.expect("a commit");
                }
                Step::Ends(groups) if vouches => {
                    let ended = self.store.complete_run(&run, &groups, &|_, _| complete(1.0)).await;
                    assert_eq!(ended.expect("an end").0.state, RunState::Complete);
                }
                Step::Ends(_) | Step::Fails => {
                    let error = "no more".to_owned();
                    let ended = self.store.finish_run(&run, Finish::Failed { error }).await;
                    ended.expect("an end");
                }
            }
        }
        vouches
    }

    async fn undisturbed(&mut self, form: Form) -> bool {
        let steps = form.steps(self.kind);
        self.run(steps, (Other::Nothing, 0)).await
    }

    /// A run that the page's harvest would make when nothing changed upstream, and what is stored
    /// then.
    async fn settled(&mut self) -> String {
        if !self.undisturbed(Form::Unchanged).await {
            self.undisturbed(Form::AtTheEnd).await;
        }
        lines(&self.store, "SELECT id||' '||name FROM tag ORDER BY id")
            .await
            .join(", ")
    }

    /// Whether an unchanged page rests in its next run: then nobody looks at a row, and the table
    /// may as well be away.
    async fn rests(&mut self) -> bool {
        let rests = "SELECT count(*) FROM hayloft_request_state AS s JOIN hayloft_row_number AS n ON n.written=s.written \
                     WHERE n.name='tag' AND s.brought IS NOT NULL";
        number(&self.store, rests).await == 1
    }
}

async fn races(on: On, kind: Kind) -> (Bench, Races) {
    let bench = bench_on(on).await;
    let mut races = Races {
        store: bench.store.clone(),
        kind,
        minute: 0,
    };
    // The last good version of the record that is refused from now on.
    let all = rows(vec![own(kind, "a"), own(kind, "b"), own(kind, "c")]);
    races
        .run(vec![Step::Ends(vec![page(all, false)])], (Other::Nothing, 0))
        .await;
    races.undisturbed(Form::AtTheEnd).await;
    (bench, races)
}

const OWN: &str = "a a, b b, c c";

async fn what_others_write_is_seen_by_the_next_run(on: On) {
    let mut lost = Vec::new();
    for kind in [Kind::Owned, Kind::Shared] {
        let (_bench, mut races) = races(on, kind).await;
        assert_eq!(races.settled().await, OWN);
        for form in FORMS {
            for other in [Other::Changes, Other::Adds] {
                for before in 0..form.steps(kind).len() {
                    if form == Form::Doubted {
                        run(&races.store, "UPDATE hayloft_request_state SET written=NULL").await;
                    }
                    let steps = form.steps(kind);
                    races.run(steps, (other, before)).await;
                    let stored = races.settled().await;
                    if stored != OWN {
                        lost.push(format!("{kind:?} {form:?}, {other:?} before {before}: {stored}"));
                        // What follows begins from a page that was read.
                        races.undisturbed(Form::AtTheEnd).await;
                    }
                    assert_eq!(races.settled().await, OWN, "{kind:?} {form:?} {other:?} {before}");
                }
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// A run that nobody disturbs costs no look at a row the next time, however its page came.
async fn a_page_that_was_disturbed_rests_again_after_the_next_run(on: On) {
    for kind in [Kind::Owned, Kind::Shared] {
        let (_bench, mut races) = races(on, kind).await;
        for form in FORMS {
            assert!(races.undisturbed(form).await);
            assert!(races.rests().await, "{kind:?} {form:?}");
            races.other(Other::Adds).await;
            assert!(!races.rests().await, "{kind:?} {form:?}");
            assert_eq!(races.settled().await, OWN);
            assert!(races.rests().await, "{kind:?} {form:?}");
        }
    }
}

async fn what_others_leave_as_it_is_disturbs_no_page(on: On) {
    for kind in [Kind::Owned, Kind::Shared] {
        let (_bench, mut races) = races(on, kind).await;
        assert!(races.undisturbed(Form::AtTheEnd).await);
        races.other(Other::Repeats).await;
        assert!(races.rests().await, "{kind:?}");
        assert_eq!(races.settled().await, OWN);
    }
}

/// Its page counts the last copy, and what it wrote itself: others may have written any of its rows
/// meanwhile.
async fn a_row_that_comes_again_on_its_page_hides_nobody(on: On) {
    for kind in [Kind::Owned, Kind::Shared] {
        let (_bench, mut races) = races(on, kind).await;
        for before in 0..4 {
            let [first, last] = read(kind);
            let first = Group {
                rows: vec![own(kind, "a"), own(kind, "b")],
                ..first
            };
            let again = rows(vec![Row {
                hash: 2,
                ..own(kind, "b")
            }]);
            // A run that fails leaves what it remembers of the page, and not which rows came again.
            let commits = [first, again, last].map(|group| Step::Commits(vec![group]));
            let steps = commits.into_iter().chain([Step::Fails]).collect();
            races.run(steps, (Other::Changes, before)).await;
            assert_eq!(races.settled().await, OWN, "{kind:?} {before}");
        }
        // Undisturbed it vouches.
        let [first, last] = read(kind);
        let commits = [first, rows(vec![own(kind, "b")]), last].map(|group| Step::Commits(vec![group]));
        let steps = commits.into_iter().chain([Step::Fails]).collect();
        races.run(steps, (Other::Nothing, 0)).await;
        assert!(races.undisturbed(Form::Unchanged).await, "{kind:?}");
    }
}
