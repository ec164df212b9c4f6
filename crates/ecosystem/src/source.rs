//! The text of a file, and where in it something stands.

use std::{
    fmt,
    io::{self, ErrorKind},
    iter,
    ops::Range,
    path::{Path, PathBuf},
};

use rpm_core::bounded;

use crate::{LoadError, Problem};

/// The largest file that is read.
pub(crate) const MAX_FILE: u64 = 64 << 20;

/// Bytes of a [`Source`].
pub type Span = Range<usize>;

/// A file that was read: what problems point into. `Debug` keeps the text to itself, because it may hold secrets.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// `text`, as if it had been read from `path`. A byte order mark is no part of it.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let lines = iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), text, lines }
    }

    /// Reads `path`, relative to `cwd`. Messages show it as it was given.
    pub(crate) fn read(path: &Path, cwd: &Path) -> Result<Self, LoadError> {
        let bytes = bounded::read(&cwd.join(path), MAX_FILE).map_err(|error| unreadable(path, &error))?;
        Self::decode(path, bytes)
    }

    /// What was read from `path`.
    pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<Self, LoadError> {
        String::from_utf8(bytes).map(|text| Self::new(path, text)).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            // Replacement characters come after the valid part, so that `at` is the same place in both.
            let source = Self::new(path, String::from_utf8_lossy(error.as_bytes()));
            let problem = Problem::error(format!("expected UTF-8 text, found the byte 0x{byte:02x}"));
            LoadError::new(Some(source), vec![problem.at(Some(at..at))])
        })
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a line begins, counted from 1; the end of the text where there are fewer.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// Line and column of a byte, counted from 1; columns are characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The part of a span that is on its first line: a table that goes on for pages is pointed at, not shown.
    pub(crate) fn first_line(&self, span: &Span) -> Span {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        start..self.text[start..end].find('\n').map_or(end, |newline| start + newline)
    }

    /// Where the character begins in which a byte is.
    fn boundary(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        (0..=offset).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or_default()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    let shown = path.display();
    LoadError::from(Problem::error(match error.kind() {
        ErrorKind::NotFound => format!("File {shown} not found"),
        ErrorKind::IsADirectory => format!("File {shown} is a directory: expected a file that declares apps"),
        _ => format!("File {shown} cannot be read: {error}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a.toml", "eins\nzwölf = 1\n");
        let at = |needle: &str| source.position(source.text().find(needle).unwrap());
        assert_eq!(at("eins"), (1, 1));
        assert_eq!(at("zw"), (2, 1));
        assert_eq!(at("="), (2, 7));
        assert_eq!(source.position(source.text().len()), (3, 1));
        assert_eq!(source.position(usize::MAX), (3, 1));
        assert_eq!(source.position(8), (2, 3), "inside the ö");
    }
}
