//! One log a part: lines of operational data for people, with secrets masked.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rpm_core::{Bytes, name::printable};

use crate::{Part, config::Files, mask::Mask, moment::Moment};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Info,
    Warn,
    Error,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The log of one part.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    part: Part,
    path: PathBuf,
    bound: Bytes,
    mask: Arc<Mask>,
    /// Whether this is the log of the companion itself, whose standard output is a log, too.
    is_companion: bool,
}

impl Log {
    pub(crate) fn new(part: Part, files: &Files, mask: Arc<Mask>, is_companion: bool) -> Self {
        Self { part, path: path(part, files), bound: files.max_log_size.value, mask, is_companion }
    }

    /// The text without secrets and without what would act on a terminal.
    pub(crate) fn clean(&self, text: &str) -> String {
        printable(&self.mask.masked(text)).into_owned()
    }

    /// Writes a line: here, and for the companion on standard output, where `rpm logs` shows it. For a verb that is
    /// standard error: its standard output is for data.
    pub(crate) fn write(&self, severity: Severity, text: &str) {
        let line = format!("{} {:<5} {}: {}\n", Moment::now(), severity.word(), self.part, self.clean(text));
        let written = self.append(&line);
        let mut shown: Box<dyn Write> =
            if self.is_companion { Box::new(io::stdout().lock()) } else { Box::new(io::stderr().lock()) };
        // There is nowhere left to tell of a stream that cannot be written to.
        let _ = shown.write_all(line.as_bytes());
        if let Err(error) = written {
            let _ = writeln!(shown, "cannot write {}: {error}", self.path.display());
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        if fs::metadata(&self.path).is_ok_and(|meta| meta.len() > self.bound.0) {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        OpenOptions::new().create(true).append(true).open(&self.path)?.write_all(line.as_bytes())
    }
}

/// Where the log of a part is.
pub(crate) fn path(part: Part, files: &Files) -> PathBuf {
    files.logs.join(format!("{part}.log"))
}

/// Replaces a file as a whole or not at all. Whoever reads it sees the old text or the new one.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Several threads of one program may write the same file.
    name.push(format!(".{}-{:?}.new", std::process::id(), std::thread::current().id()));
    let fresh = directory.join(name);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(mode);
    let write = || {
        options.open(&fresh)?.write_all(text)?;
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| {
        // The error that is told is the first one.
        let _ = fs::remove_file(&fresh);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_masked_and_a_large_log_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Files { logs: directory.path().join("logs"), ..Files::default() };
        files.max_log_size.value = Bytes(10);
        let mask = Arc::new(Mask::new(std::iter::empty(), ["hunter22".to_owned()]));
        let log = Log::new(Part::Github, &files, mask, true);
        log.write(Severity::Warn, "no hunter22\x1b[2J");
        log.write(Severity::Info, "second");
        let read = |name: &str| fs::read_to_string(files.logs.join(name)).unwrap();
        let first = read("github.log.1");
        assert!(first.ends_with(" WARN  github: no ***\\u{1b}[2J\n"), "{first}");
        assert!(read("github.log").ends_with(" INFO  github: second\n"));
    }
}
