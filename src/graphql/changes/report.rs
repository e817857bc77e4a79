//! Changes as a person or a program reads them. Knows how they are written; judges none.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Change, Changes, Severity};

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Severity; 3] = [Severity::Breaking, Severity::Dangerous, Severity::Safe];

    pub fn name(self) -> &'static str {
        match self {
            Severity::Breaking => "breaking",
            Severity::Dangerous => "dangerous",
            Severity::Safe => "safe",
        }
    }
}

impl Changes {
    /// How many changes are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|change| change.severity == severity).count()
    }

    /// One line for each change, and one that counts them.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for change in &self.list {
            let Change {
                severity,
                coordinate,
                message,
                ..
            } = change;
            // A reason may have several lines, a change has one.
            let message = message.lines().collect::<Vec<_>>().join(" ");
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:<9}  {coordinate}: {message}", severity.name());
        }
        let _ = match self.list.len() {
            0 => writeln!(out, "no changes"),
            1 => writeln!(out, "1 change: {}", self.counted()),
            more => writeln!(out, "{more} changes: {}", self.counted()),
        };
        out
    }

    /// `1 breaking, 0 dangerous, 12 safe`.
    pub fn counted(&self) -> String {
        let counts = Severity::ALL.map(|severity| format!("{} {}", self.count(severity), severity.name()));
        counts.join(", ")
    }

    /// One JSON document with the counts and the changes.
    pub fn json(&self) -> String {
        let changes = self.list.iter().map(|change| {
            json!({
                "severity": change.severity.name(),
                "coordinate": change.coordinate,
                "kind": change.kind,
                "message": change.message,
            })
        });
        let mut document = serde_json::Map::new();
        for severity in Severity::ALL {
            document.insert(severity.name().to_owned(), json!(self.count(severity)));
        }
        document.insert("changes".to_owned(), changes.collect());
        format!("{:#}\n", Value::Object(document))
    }
}
