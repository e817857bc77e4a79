//! Faults as a person reads them: the sentence, the place, the line with a caret, the hint. Knows
//! text; knows no rules.

use std::fmt::Write;

use super::{Fault, SourceFile, files::locate};

/// Characters of a source line that are shown: a line of megabytes would hide the message.
const LINE_CHARS: usize = 160;

/// Renders faults of the definition that these files make, one after another; `color` adds ANSI
/// colours.
pub fn render(files: &[SourceFile], faults: &[Fault], color: bool) -> String {
    let mut out = String::new();
    let paint = Paint { color };
    for fault in faults {
        one(&mut out, files, fault, &paint);
        out.push('\n');
    }
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let summary = match named(files, faults) {
        names if names.is_empty() => count,
        names => format!("{names}: {count}"),
    };
    out.push_str(&paint.bold(&summary));
    out.push('\n');
    out
}

/// The files that faults are in; a definition of one file is named in any case.
fn named(files: &[SourceFile], faults: &[Fault]) -> String {
    if let [only] = files {
        return only.path.display().to_string();
    }
    let faulty = faults
        .iter()
        .filter_map(|fault| Some(&locate(files, fault.span.clone()?)?.0.path));
    let mut names: Vec<String> = faulty.map(|path| path.display().to_string()).collect();
    names.dedup();
    names.join(", ")
}

fn one(out: &mut String, files: &[SourceFile], fault: &Fault, paint: &Paint) {
    let head = format!("{}: {}", paint.red("error"), paint.bold(&fault.message));
    out.push_str(&head);
    out.push('\n');
    let mut width = 1;
    if let Some((file, span)) = fault.span.clone().and_then(|span| locate(files, span)) {
        width = excerpt(out, file, span, ("-->", fault.label.as_deref()), paint);
    }
    if let Some((span, label)) = &fault.other
        && let Some((file, span)) = locate(files, span.clone())
    {
        width = excerpt(out, file, span, (":::", Some(label)), paint);
    }
    if let Some(hint) = &fault.hint {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:width$} {} hint: {hint}", "", paint.blue("="));
    }
}

/// Writes the place and its line, with an arrow before and a label at the caret; gives the width of
/// the line number.
fn excerpt(
    out: &mut String,
    file: &SourceFile,
    span: super::Span,
    (arrow, label): (&str, Option<&str>),
    paint: &Paint,
) -> usize {
    let place = Place::of(&file.text, span);
    let number = place.line.to_string();
    let width = number.len();
    let bar = paint.blue("|");
    let path = file.path.display();
    let _ = writeln!(
        out,
        "{:width$}{} {path}:{number}:{}",
        "",
        paint.blue(arrow),
        place.column
    );
    let _ = writeln!(out, "{:width$} {bar}", "");
    let _ = writeln!(out, "{} {bar} {}", paint.blue(&number), place.shown);
    let carets = format!(
        "{}{}",
        "^".repeat(place.carets),
        label.map(|label| format!(" {label}")).unwrap_or_default()
    );
    let _ = writeln!(
        out,
        "{:width$} {bar} {}{}",
        "",
        " ".repeat(place.before),
        paint.red(&carets)
    );
    width
}

/// Where a span begins, and what of its line is shown.
struct Place {
    /// Counted from 1.
    line: usize,
    /// Counted from 1, in characters.
    column: usize,
    shown: String,
    /// Characters of the shown line before the carets.
    before: usize,
    carets: usize,
}

impl Place {
    fn of(text: &str, span: super::Span) -> Place {
        let start = boundary(text, span.start);
        let end = boundary(text, span.end).max(start);
        let (above, _) = text.split_at(start);
        let line_start = above.rfind('\n').map_or(0, |at| at + 1);
        let line = text
            .get(line_start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or("");
        let column = text.get(line_start..start).map_or(0, |before| before.chars().count());
        // A span over several lines is marked to the end of its first.
        let line_end = line_start + line.len();
        let marked = text
            .get(start..end.min(line_end))
            .map_or(0, |marked| marked.chars().count());
        let cut = column.saturating_sub(LINE_CHARS / 2);
        let shown: String = line
            .chars()
            .skip(cut)
            .take(LINE_CHARS)
            .map(|letter| if letter == '\t' { ' ' } else { letter })
            .collect();
        let before = column - cut;
        Place {
            line: above.matches('\n').count() + 1,
            column: column + 1,
            carets: marked.clamp(1, LINE_CHARS.saturating_sub(before).max(1)),
            shown,
            before,
        }
    }
}

/// The last character boundary at or before a byte, within the text.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

struct Paint {
    color: bool,
}

impl Paint {
    fn in_color(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn red(&self, text: &str) -> String {
        self.in_color("1;31", text)
    }

    fn blue(&self, text: &str) -> String {
        self.in_color("1;34", text)
    }

    fn bold(&self, text: &str) -> String {
        self.in_color("1", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let text = "ab\ncäd ef\n";
        for (span, line, column, carets) in [
            (0..2, 1, 1, 2),
            (3..4, 2, 1, 1),
            (4..6, 2, 2, 1),
            (8..10, 2, 5, 2),
            (8..99, 2, 5, 2),
            (5..5, 2, 2, 1),
            (99..100, 3, 1, 1),
        ] {
            let place = Place::of(text, span.clone());
            assert_eq!(
                (place.line, place.column, place.carets),
                (line, column, carets),
                "{span:?}"
            );
        }
    }

    #[test]
    fn colours_are_only_added() {
        let file = SourceFile {
            path: "a.graphql".into(),
            text: "type A".to_owned(),
        };
        let faults = [Fault::at(5..6, "no fields").label("here").hint("add one")];
        let files = [file];
        let plain = render(&files, &faults, false);
        assert_eq!(
            plain,
            "error: no fields\n --> a.graphql:1:6\n  |\n1 | type A\n  |      ^ here\n  = hint: add one\n\na.graphql: 1 fault\n"
        );
        let mut painted = render(&files, &faults, true);
        for code in ["1;31", "1;34", "1", "0"] {
            painted = painted.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(painted, plain);
    }
}
