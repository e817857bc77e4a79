//! What a run tells beside its counts. Plain data.

/// What a person should know of a run that came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    /// Why rows of the upstream may be missing: then the run is not called complete.
    pub doubt: Option<String>,
    pub notes: Vec<String>,
}
