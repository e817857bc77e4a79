//! What a run tells beside its counts. Plain data.

/// What a person should know of a run that came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Told {
    /// Why rows of the upstream may be missing: then the run is not called complete.
    pub doubt: Option<String>,
    pub notes: Vec<String>,
    /// Its pages contradicted each other, and some of what they said may only have been remembered:
    /// the next run reads all of them in full.
    #[serde(default)]
    pub reread: bool,
}
