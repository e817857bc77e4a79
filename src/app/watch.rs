//! Watches a definition on the disk. Knows files, and when they have come to rest; knows nothing of
//! what they say.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Failure, files};

/// How often the files are read without a hint: some file systems give none, and a link's target
/// may change unseen.
const POLL: Duration = Duration::from_secs(2);
/// Editors and copying tools write in steps; so long without another step, and the files are whole.
const REST: Duration = Duration::from_millis(100);
/// Whoever writes all the time is not waited for any longer.
const REST_MAX: Duration = Duration::from_secs(2);

/// How what lies at a path is read.
type Read<T> = fn(&Path) -> Result<T, Failure>;

/// What lies at one path: a definition, or saved queries.
pub(super) struct Watch<T> {
    path: PathBuf,
    read: Read<T>,
    /// The contents that were seen last, or the words for why they could not be read.
    seen: Result<T, String>,
    hints: Arc<Notify>,
    /// None where the system cannot tell: then there is only the poll.
    _watcher: Option<RecommendedWatcher>,
}

impl<T: Clone + PartialEq + Send + 'static> Watch<T> {
    /// Watches from now on; what differs from `files` is a change.
    pub(super) fn start(path: &Path, files: T, read: Read<T>) -> Watch<T> {
        let hints = Arc::new(Notify::new());
        let watcher = hinted(path, hints.clone()).inspect_err(|error| {
            tracing::warn!(%error, "the folder of {} cannot be watched; its files are looked at every {POLL:?}", path.display());
        });
        Watch {
            path: path.to_owned(),
            read,
            seen: Ok(files),
            hints,
            _watcher: watcher.ok(),
        }
    }

    /// Waits for contents that differ from those seen last. A burst of writes is one change; what
    /// cannot be read is told once.
    pub(super) async fn changed(&mut self) -> Result<T, Failure> {
        loop {
            tokio::select! {
                () = self.hints.notified() => self.rest().await,
                () = sleep(POLL) => {}
            }
            let (path, read) = (self.path.clone(), self.read);
            let read = tokio::task::spawn_blocking(move || read(&path)).await;
            let Ok(read) = read else { continue };
            let now = match &read {
                Ok(files) => Ok(files.clone()),
                Err(failure) => Err(failure.text().to_owned()),
            };
            if now != self.seen {
                self.seen = now;
                return read;
            }
        }
    }

    /// Waits until no more hints come.
    async fn rest(&self) {
        let end = Instant::now() + REST_MAX;
        let quiet = async { while timeout(REST, self.hints.notified()).await.is_ok() {} };
        tokio::select! {
            () = quiet => {}
            () = sleep_until(end) => {}
        }
    }
}

/// Watches the folder, not the file: editors put a new file in the place of the old one, which
/// would not be seen.
fn hinted(path: &Path, hints: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let (folder, name) = if path.is_dir() {
        (path, None)
    } else {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        (
            parent.unwrap_or(Path::new(".")),
            path.file_name().map(ToOwned::to_owned),
        )
    };
    // The database is often a file of the same folder, and is written all the time.
    let ours = move |path: &PathBuf| match &name {
        Some(name) => path.file_name() == Some(name),
        None => files::belongs(path),
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error says that hints were lost: as good as a hint.
        if event.is_ok_and(|event| event.kind.is_access() || !event.paths.iter().any(&ours)) {
            return;
        }
        hints.notify_one();
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::DefinitionFiles;

    fn write(folder: &Path, name: &str, text: &str) {
        // As editors do it: a new file takes the old one's place.
        let part = folder.join(".part");
        std::fs::write(&part, text).expect("a file");
        std::fs::rename(&part, folder.join(name)).expect("its place");
    }

    fn texts(files: &DefinitionFiles) -> Vec<&str> {
        files.files.iter().map(|file| file.text.as_str()).collect()
    }

    #[tokio::test]
    async fn a_file_and_a_folder_are_watched() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = scratch.path();
        write(folder, "a.graphql", "a");
        for path in [folder.to_owned(), folder.join("a.graphql")] {
            write(folder, "a.graphql", "a");
            let files = DefinitionFiles::read(&path).expect("a definition");
            let mut watch = Watch::start(&path, files, DefinitionFiles::read);
            for step in 0..20 {
                write(folder, "farm.db", &step.to_string());
                write(folder, "a.graphql", &format!("a{step}"));
            }
            assert_eq!(
                texts(&watch.changed().await.expect("a change")),
                ["a19"],
                "one change of many"
            );
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_once_and_forgotten() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("a.graphql");
        write(scratch.path(), "a.graphql", "a");
        let mut watch = Watch::start(
            &path,
            DefinitionFiles::read(&path).expect("a definition"),
            DefinitionFiles::read,
        );
        std::fs::remove_file(&path).expect("it was there");
        watch.changed().await.expect_err("it is gone");
        // The same text again is a change: it comes after an error.
        write(scratch.path(), "a.graphql", "a");
        assert_eq!(texts(&watch.changed().await.expect("it is back")), ["a"]);
    }
}
