//! A definition's files on the disk. Knows which files make a definition; reads none of their
//! meaning.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::Failure;
use crate::definition::{SourceFile, TEXT_MAX};

/// The files of a folder that belong to its definition have names that end so.
const EXTENSION: &str = "graphql";
/// Files of a definition; one for each type is far below, and a folder of queries was meant for
/// something else.
const FILES_MAX: usize = 1_000;

/// What files are read for, in the words of an error.
#[derive(Clone, Copy)]
struct Purpose {
    noun: &'static str,
    flag: &'static str,
}

const DEFINITION: Purpose = Purpose {
    noun: "definition",
    flag: "--schema",
};
const DOCUMENTS: Purpose = Purpose {
    noun: "saved queries",
    flag: "--documents",
};

/// A definition as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefinitionFiles {
    /// In the order of their names.
    pub files: Vec<SourceFile>,
    /// Relative `file:` sources begin here: the folder of the file, or the definition itself when
    /// it is a folder.
    pub folder: PathBuf,
}

impl DefinitionFiles {
    /// Reads one file, or those of a folder: not of its sub-folders, and no hidden ones, which are
    /// an editor's own.
    pub(crate) fn read(path: &Path) -> Result<DefinitionFiles, Failure> {
        if path.is_dir() {
            let files = all(path, DEFINITION)?;
            if files.is_empty() {
                return Err(Failure::setup(format!(
                    "error: the folder {} holds no definition: no file in it has a name that ends in .{EXTENSION} \
                     (sub-folders are not read); give the definition's place with --schema",
                    path.display()
                )));
            }
            return Ok(DefinitionFiles {
                files,
                folder: path.to_owned(),
            });
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(DefinitionFiles {
            files: vec![file(path, DEFINITION)?],
            folder,
        })
    }
}

/// Whether a file of a definition's folder is a part of it.
pub(super) fn belongs(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// The saved queries of a folder, by name; there need not be one.
pub(super) fn documents(folder: &Path) -> Result<Vec<SourceFile>, Failure> {
    all(folder, DOCUMENTS)
}

fn all(folder: &Path, purpose: Purpose) -> Result<Vec<SourceFile>, Failure> {
    let paths = in_folder(folder, purpose)?;
    paths.iter().map(|path| file(path, purpose)).collect()
}

/// The paths of a folder's files, by name: byte by byte, so that the order is the same on every
/// machine.
fn in_folder(folder: &Path, purpose: Purpose) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, purpose, &error))? {
        let path = entry.map_err(|error| unreadable(folder, purpose, &error))?.path();
        // A name alone makes no file: folders and pipes may have it, too. A link that leads nowhere
        // is a fault.
        if !belongs(&path) || path.metadata().is_ok_and(|known| !known.is_file()) {
            continue;
        }
        if paths.len() == FILES_MAX {
            return Err(Failure::setup(format!(
                "error: the folder {} holds more than {FILES_MAX} files whose names end in .{EXTENSION}; give the {} \
                 a folder of its own",
                folder.display(),
                purpose.noun
            )));
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

fn file(path: &Path, purpose: Purpose) -> Result<SourceFile, Failure> {
    // Whoever opens a pipe to read waits until somebody writes.
    let known = path.metadata().map_err(|error| unreadable(path, purpose, &error))?;
    if !known.is_file() {
        return Err(unreadable(
            path,
            purpose,
            &io::Error::other("it is neither a file nor a folder"),
        ));
    }
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(|error| unreadable(path, purpose, &error))?;
    let most = TEXT_MAX as u64 + 1;
    opened
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, purpose, &error))?;
    if bytes.len() > TEXT_MAX {
        return Err(Failure::setup(format!(
            "error: {} is larger than {TEXT_MAX} bytes; does it belong to the {}?",
            path.display(),
            purpose.noun
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let error = format!("it is not UTF-8 text (the byte at {at} begins no character)");
        unreadable(path, purpose, &io::Error::new(io::ErrorKind::InvalidData, error))
    })?;
    Ok(SourceFile {
        path: path.to_owned(),
        text,
    })
}

fn unreadable(path: &Path, purpose: Purpose, error: &io::Error) -> Failure {
    let Purpose { noun, flag } = purpose;
    Failure::setup(format!(
        "error: cannot read the {noun} {}: {error}; give its place with {flag}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
        folder
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let folder = folder(&[
            ("b.graphql", b"b"),
            ("a.graphql", b"a"),
            ("B.graphql", b"B"),
            (".#a.graphql", b"an editor's"),
            ("notes.md", b"not ours"),
            ("graphql", b"not ours"),
        ]);
        std::fs::create_dir(folder.path().join("c.graphql")).expect("a folder of such a name");
        std::fs::create_dir(folder.path().join("queries")).expect("a folder");
        std::fs::write(folder.path().join("queries/c.graphql"), "{ items }").expect("a file");
        let read = DefinitionFiles::read(folder.path()).expect("a definition");
        let texts: Vec<&str> = read.files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["B", "a", "b"]);
        assert_eq!(read.folder, folder.path());
        let one = DefinitionFiles::read(&folder.path().join("b.graphql")).expect("a definition");
        assert_eq!((one.files.len(), one.folder.as_path()), (1, folder.path()));
        let relative = DefinitionFiles::read(Path::new("Cargo.toml")).expect("some text");
        assert_eq!(relative.folder, Path::new("."));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let empty = folder(&[("a.gql", b"type A { id: ID! }")]);
        let binary = folder(&[("a.graphql", b"type \xff")]);
        let huge = folder(&[("a.graphql", &vec![b'#'; TEXT_MAX + 1])]);
        let absent = empty.path().join("absent.graphql");
        for (path, part) in [
            (empty.path(), "no file in it"),
            (binary.path(), "the byte at 5"),
            (huge.path(), "larger than"),
            (absent.as_path(), "absent.graphql"),
        ] {
            let failure = DefinitionFiles::read(path).expect_err(part);
            let told = format!("{failure:?}");
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
