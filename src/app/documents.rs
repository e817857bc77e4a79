//! The operator's saved queries: read, checked, and read again when they change. Knows a folder of
//! files; knows no GraphQL.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{Failure, files, watch::Watch};
use crate::{
    definition::SourceFile,
    graphql::{ApiError, Current, Saved, gate},
};

/// Faults that are shown of all documents.
const FAULTS_MAX: usize = 20;

/// A folder's saved queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentFiles(Vec<SourceFile>);

impl DocumentFiles {
    /// Reads a folder: not its sub-folders, and no hidden files.
    pub(crate) fn read(folder: &Path) -> Result<DocumentFiles, Failure> {
        let files = files::documents(folder)?;
        match files.iter().find(|file| name(file).is_none()) {
            None => Ok(DocumentFiles(files)),
            Some(file) => Err(Failure::setup(format!(
                "error: {} cannot be asked for by its name: letters, digits, - . _ and ~ may stand in one",
                file.path.display()
            ))),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The names of those that have a title, each with it: the description of its operation.
    pub(crate) fn titles(&self) -> Vec<(String, String)> {
        let titled = self
            .0
            .iter()
            .filter_map(|file| Some((name(file)?, gate::title(&file.text)?)));
        titled.collect()
    }

    /// Every fault of the documents at once, each with its place; `admits` tells those of a text.
    pub(crate) fn check(&self, admits: impl Fn(&str) -> Result<(), Vec<ApiError>>) -> Result<(), Failure> {
        let faults = self.0.iter().flat_map(|file| {
            let errors = admits(&file.text).err().unwrap_or_default();
            errors
                .into_iter()
                .map(move |error| fault(&file.path.display().to_string(), &error))
        });
        let mut faults: Vec<String> = faults.collect();
        if faults.is_empty() {
            return Ok(());
        }
        let more = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        if more > 0 {
            faults.push(format!("error: and {more} more"));
        }
        Err(Failure::setup(faults.join("\n")))
    }

    fn saved(&self) -> Vec<Saved> {
        let named = self.0.iter().filter_map(|file| Some((name(file)?, file)));
        named.map(|(name, file)| Saved::new(name, file.text.clone())).collect()
    }
}

/// What a file's document is called: the file's name without its ending.
fn name(file: &SourceFile) -> Option<String> {
    let name = file.path.file_stem()?.to_str()?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
    (!name.is_empty() && name.chars().all(fits)).then(|| name.to_owned())
}

fn fault(place: &str, error: &ApiError) -> String {
    match error.locations.first() {
        Some((line, column)) => format!("error: {place}:{line}:{column}: {}", error.message),
        None => format!("error: {place}: {}", error.message),
    }
}

/// Trusts a folder's documents. All of them have to fit the definition.
pub(super) fn trust(files: &DocumentFiles, current: &Current) -> Result<(), Failure> {
    let api = current.newest();
    files.check(|text| api.admits(text))?;
    current.trust(files.saved());
    tracing::info!("{} saved queries can be asked for by name", files.len());
    Ok(())
}

/// Trusts what a folder comes to hold, until `shutdown`. Where a document does not fit, those from
/// before stay.
pub(super) async fn follow(mut watch: Watch<DocumentFiles>, current: Current, shutdown: CancellationToken) {
    while let Some(changed) = shutdown.run_until_cancelled(watch.changed()).await {
        if let Err(failure) = changed.and_then(|files| trust(&files, &current)) {
            tracing::error!(
                "the changed saved queries are refused, those from before go on: {}",
                failure.bare()
            );
            current.refuse_documents(
                "the changed saved queries are refused, those from before go on; the log has every fault",
            );
        }
    }
}

/// Tells which documents do not fit a new definition. They are answered with what is wrong with
/// them.
pub(super) fn tell_unfit(current: &Current) {
    for (saved, errors) in current.unfit_documents() {
        for error in errors {
            tracing::warn!(
                "a saved query does not fit the changed definition: {}",
                fault(&saved.name, &error)
            );
        }
    }
}
