//! Steps in words, for a person. Knows English; decides nothing.

use super::{Change, Condition, Loss, Step, Touch};

impl Step {
    /// `+` something is new, `-` something goes, `~` something becomes something else.
    pub fn sign(&self) -> char {
        match self.change {
            Change::NewType
            | Change::NewField { .. }
            | Change::NewRollup
            | Change::NewLinks
            | Change::NewIndex
            | Change::Searched { .. }
            | Change::History
            | Change::Widened { .. } => '+',
            Change::RemovedType
            | Change::RemovedField
            | Change::RemovedLinks
            | Change::RemovedIndex
            | Change::RemovedListIndex
            | Change::NotSearched
            | Change::NoHistory
            | Change::ForgetsPast => '-',
            _ => '~',
        }
    }

    /// A short name of the change, for programs.
    pub fn code(&self) -> &'static str {
        match self.change {
            Change::NewType => "NEW_TYPE",
            Change::RenamedType { .. } => "RENAMED_TYPE",
            Change::RemovedType => "REMOVED_TYPE",
            Change::NewKey => "NEW_KEY",
            Change::NewField { .. } => "NEW_FIELD",
            Change::NewRollup => "NEW_ROLLUP",
            Change::Recomputed => "RECOMPUTED",
            Change::RenamedField { .. } => "RENAMED_FIELD",
            Change::RemovedField => "REMOVED_FIELD",
            Change::Cast { .. } => "CAST",
            Change::Emptied { .. } => "EMPTIED",
            Change::Narrowed { .. } => "NARROWED",
            Change::Widened { .. } => "WIDENED",
            Change::Required => "REQUIRED",
            Change::Nullable => "NULLABLE",
            Change::NewLinks => "NEW_LINKS",
            Change::RenamedLinks { .. } => "RENAMED_LINKS",
            Change::RemovedLinks => "REMOVED_LINKS",
            Change::Respelled => "RESPELLED",
            Change::EmptiedLinks => "EMPTIED_LINKS",
            Change::NewIndex => "NEW_INDEX",
            Change::RemovedIndex | Change::RemovedListIndex => "REMOVED_INDEX",
            Change::Unique => "UNIQUE",
            Change::NotUnique => "NOT_UNIQUE",
            Change::Searched { .. } => "SEARCHED",
            Change::NotSearched => "NOT_SEARCHED",
            Change::SearchedIn { .. } => "SEARCHED_IN",
            Change::History => "HISTORY",
            Change::NoHistory => "NO_HISTORY",
            Change::HistoryAnew => "HISTORY_ANEW",
            Change::ForgetsPast => "FORGETS_PAST",
        }
    }

    /// The type, or the field with its type.
    pub fn subject(&self) -> String {
        match self.shown() {
            None if self.field.as_deref() == Some("_rows") => {
                format!("{} (how many rows each group has)", self.entity)
            }
            None if self.field.is_some() => format!("{} (what sums and means go on from)", self.entity),
            Some(fields) if fields.contains(',') => format!("{}({fields})", self.entity),
            Some(field) => format!("{}.{field}", self.entity),
            None => self.entity.clone(),
        }
    }

    /// The field, unless no definition names it: a type of groups counts the rows of each.
    pub fn shown(&self) -> Option<&str> {
        self.field.as_deref().filter(|field| !field.starts_with('_'))
    }

    /// What happens, without its subject.
    pub fn words(&self) -> String {
        match &self.change {
            Change::NewType => "new type".to_owned(),
            Change::RenamedType { from } | Change::RenamedField { from } | Change::RenamedLinks { from } => {
                format!("renamed, was {from}")
            }
            Change::RemovedType => "type removed".to_owned(),
            Change::NewKey => "the key changes: all rows are harvested again".to_owned(),
            Change::NewField { required: false } => "new field".to_owned(),
            Change::NewField { required: true } => "new required field: rows without it are harvested again".to_owned(),
            Change::NewRollup if self.field.is_none() => "new type, computed of what is stored".to_owned(),
            Change::NewRollup => "new field, computed of what is stored".to_owned(),
            Change::Recomputed => "computed in another way: anew of what is stored".to_owned(),
            Change::RemovedField => "field removed".to_owned(),
            Change::Cast { from, to } => format!("{from} becomes {to}, values are kept"),
            Change::Emptied { from, to } if from == to => format!("{to} is stored in another way now: harvested again"),
            Change::Emptied { from, to } if to.ends_with(" @rollup") => {
                format!("{from} becomes {to}: computed of what is stored")
            }
            Change::Emptied { from, to } => format!("{from} becomes {to}: harvested again"),
            Change::Narrowed { gone } => format!("no longer {}", gone.join(", ")),
            Change::Widened { new } => format!("new members {}", new.join(", ")),
            Change::Required => "becomes required: rows without it are harvested again".to_owned(),
            Change::Nullable => "may be null now".to_owned(),
            Change::NewLinks => "new links".to_owned(),
            Change::RemovedLinks => "links removed".to_owned(),
            Change::Respelled => "stored under names that no database keeps for itself".to_owned(),
            Change::EmptiedLinks => "the links lead elsewhere now: harvested again".to_owned(),
            Change::NewIndex => "indexed".to_owned(),
            Change::RemovedIndex | Change::RemovedListIndex => "no longer indexed".to_owned(),
            Change::Unique => "becomes unique: repeated values are harvested again".to_owned(),
            Change::NotUnique => "no longer unique".to_owned(),
            Change::Searched { language: None } => "its words are searched".to_owned(),
            Change::Searched {
                language: Some(language),
            } => format!("its words are searched, in {}", language.name()),
            Change::SearchedIn {
                language: Some(language),
            } => format!("its words are searched in {} now", language.name()),
            Change::SearchedIn { language: None } => "its words are searched as they are written now".to_owned(),
            Change::NotSearched => "its words are no longer searched".to_owned(),
            Change::History => "its past is kept from now on".to_owned(),
            Change::NoHistory => "its past is no longer kept".to_owned(),
            Change::HistoryAnew => "its past begins anew: what was kept does not fit".to_owned(),
            Change::ForgetsPast => "its past values go with it".to_owned(),
        }
    }
}

impl Touch {
    /// What `rows` rows lose, as in `12 rows are removed`.
    pub fn words(&self, rows: u64) -> String {
        let (row, are) = if rows == 1 { ("row", "is") } else { ("rows", "are") };
        match (self.loss, &self.when) {
            (Loss::Row, Condition::Null(_)) => format!("{rows} {row} without a value {are} removed"),
            (Loss::Row, Condition::Repeated(_)) => format!("{rows} {row} with a repeated value {are} removed"),
            (Loss::Row, _) => format!("{rows} {row} {are} removed"),
            (Loss::Value, _) => format!("the value of {rows} {row} is removed"),
            (Loss::Version, _) if rows == 1 => "1 version is removed".to_owned(),
            (Loss::Version, _) => format!("{rows} versions are removed"),
            (Loss::PastValue, _) if rows == 1 => "the value of 1 version is removed".to_owned(),
            (Loss::PastValue, _) => format!("the value of {rows} versions is removed"),
            (Loss::Links, _) if rows == 1 => "1 link is removed".to_owned(),
            (Loss::Links, _) => format!("{rows} links are removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column that no definition has is told by what it is for.
    #[test]
    fn no_name_of_ours_is_shown() {
        let step = |field: Option<&str>| Step {
            change: Change::NewRollup,
            entity: "ByKind".to_owned(),
            field: field.map(str::to_owned),
            touch: None,
            refill: None,
        };
        for (field, subject, shown) in [
            (Some("sales"), "ByKind.sales", Some("sales")),
            (Some("a,b"), "ByKind(a,b)", Some("a,b")),
            (Some("_rows"), "ByKind (how many rows each group has)", None),
            (Some("_total_mean"), "ByKind (what sums and means go on from)", None),
            (None, "ByKind", None),
        ] {
            let step = step(field);
            assert_eq!((step.subject().as_str(), step.shown()), (subject, shown));
        }
    }
}
