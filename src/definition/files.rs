//! The files of a definition, and one space of places over all of them. Knows texts; opens nothing.
//!
//! A definition may be several files, but a place in it stays one byte range: that of the texts
//! laid end to end, a line break between them. So nothing that reads a definition has to carry the
//! name of a file about.

use std::path::PathBuf;

use super::Span;

/// What stands between two files. A last line without an end does not run into the next file's
/// first.
const BETWEEN: &str = "\n";

/// One file of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As the user named it; shown in diagnostics.
    pub path: PathBuf,
    pub text: String,
}

/// The whole text: a span of a definition is a byte range of it.
pub(super) fn joined(files: &[SourceFile]) -> String {
    let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
    texts.join(BETWEEN)
}

/// Each file with the place where it begins.
pub(super) fn with_starts(files: &[SourceFile]) -> impl Iterator<Item = (usize, &SourceFile)> {
    files.iter().scan(0, |next, file| {
        let start = *next;
        *next += file.text.len() + BETWEEN.len();
        Some((start, file))
    })
}

/// The file in which a span begins, and the span within that file.
pub(super) fn locate(files: &[SourceFile], span: Span) -> Option<(&SourceFile, Span)> {
    let (start, file) = with_starts(files)
        .take_while(|(start, _)| *start <= span.start)
        .last()?;
    Some((file, span.start - start..span.end.saturating_sub(start)))
}

/// Where the lines of a definition begin, for places that are told while it is at work.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    starts: Vec<usize>,
    /// The names of the files, without their folders, each with the place where it begins.
    files: Vec<(usize, String)>,
}

impl Lines {
    pub(crate) fn of(files: &[SourceFile]) -> Lines {
        let name = |file: &SourceFile| file.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let text = joined(files);
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines {
            starts: std::iter::once(0).chain(ends).collect(),
            files: with_starts(files)
                .map(|(start, file)| (start, name(file).unwrap_or_default()))
                .collect(),
        }
    }

    /// `schema.graphql:12:20` of a place in the whole text; the column counts bytes.
    pub(crate) fn place(&self, at: usize) -> Option<String> {
        let (start, name) = self.files.iter().rev().find(|(start, _)| *start <= at)?;
        let line = |at: usize| self.starts.partition_point(|start| *start <= at);
        let column = at - self.starts.get(line(at).checked_sub(1)?)?;
        Some(format!("{name}:{}:{}", line(at) - line(*start) + 1, column + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_belong_to_their_file() {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.to_owned(),
        };
        let files = [file("a", "one"), file("b", ""), file("c", "two")];
        let text = joined(&files);
        assert_eq!(text, "one\n\ntwo");
        for (span, path, own) in [
            (0..1, "a", 0..1),
            (3..3, "a", 3..3),
            (4..4, "b", 0..0),
            (5..8, "c", 0..3),
            (8..99, "c", 3..94),
        ] {
            let found = locate(&files, span.clone()).map(|(file, span)| (file.path.display().to_string(), span));
            assert_eq!(found, Some((path.to_owned(), own)), "{span:?}");
        }
        assert!(locate(&[], 0..0).is_none());
        let lines = Lines::of(&[file("a", "one\ntwo"), file("dir/b", "\nthree")]);
        for (at, place) in [(0, "a:1:1"), (5, "a:2:2"), (8, "b:1:1"), (11, "b:2:3")] {
            assert_eq!(lines.place(at).as_deref(), Some(place), "{at}");
        }
        assert_eq!(Lines::default().place(0), None);
    }
}
