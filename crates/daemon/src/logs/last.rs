//! What a run has said last, from its logs.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use nix::libc::O_NONBLOCK;
use rpm_history::{
    Words,
    words::{BYTES, last_lines},
};
use serde::{Deserialize, Serialize};

use super::{LogPaths, cut::read_mark};

/// Where the logs ended when a run began, counted from the first byte that was ever written there: what was cut off by
/// rotation included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    out: u64,
    error: u64,
}

impl Ends {
    /// Where they end now.
    pub(crate) fn of(logs: &LogPaths) -> Self {
        // One that cannot be read has nothing to be told of.
        let end = |path| Log::open(path).map_or(0, |log| log.cut + log.length);
        Self { out: end(&logs.out), error: if logs.error == logs.out { 0 } else { end(&logs.error) } }
    }

    /// The last lines that came since.
    pub(crate) fn words(self, logs: &LogPaths) -> Words {
        let lines = |path, from| Log::open(path).and_then(|log| log.last(from)).unwrap_or_default();
        let out = lines(&logs.out, self.out);
        let error = if logs.error == logs.out { Vec::new() } else { lines(&logs.error, self.error) };
        Words { out, error }
    }
}

/// A plain file: what else an app may write to cannot be read a second time, or would keep the daemon waiting.
struct Log {
    file: File,
    length: u64,
    /// Bytes that are no longer at its beginning.
    cut: u64,
    /// Bytes at its beginning that are blank.
    blank: u64,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let cut = read_mark(&file);
        Ok(Self { length: meta.len(), cut: cut.bytes, blank: cut.blank, file })
    }

    /// The last lines behind the place `from`.
    fn last(&self, from: u64) -> io::Result<Vec<String>> {
        // Behind its end: it was emptied since, or is another file.
        let from = if from > self.cut + self.length { 0 } else { from.saturating_sub(self.cut) };
        let from = from.max(self.blank).max(self.length.saturating_sub(BYTES as u64));
        let mut bytes = vec![0; self.length.saturating_sub(from) as usize];
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], from + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        Ok(last_lines(&bytes[..read]))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::PathBuf};

    use super::*;

    fn logs(directory: &tempfile::TempDir) -> LogPaths {
        let path = |name| directory.path().join(name);
        LogPaths { out: path("out"), error: path("error"), combined: None }
    }

    fn append(path: &PathBuf, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn only_what_the_run_said_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        append(&logs.out, "of another run\n");
        let ends = Ends::of(&logs);
        assert!(ends.words(&logs).is_empty());
        append(&logs.out, "one\ntwo");
        append(&logs.error, "three\n");
        let words = ends.words(&logs);
        assert_eq!((words.out, words.error), (vec!["one".into(), "two".into()], vec!["three".into()]));
    }

    #[test]
    fn a_log_that_was_emptied_or_cut_meanwhile_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        append(&logs.out, &"of another run\n".repeat(1_000));
        let ends = Ends::of(&logs);
        fs::write(&logs.out, "after\n").unwrap();
        assert_eq!(ends.words(&logs).out, ["after"]);
        // As rotation leaves it: the mark tells how much is gone.
        append(&logs.out, &"of another run\n".repeat(10_000));
        let ends = Ends::of(&logs);
        append(&logs.out, "mine\n");
        let (archive, plan) = (directory.path().join("archive"), directory.path().join("plan"));
        if super::super::cut::rotate(&logs.out, &archive, &plan).unwrap() {
            assert_eq!(ends.words(&logs).out, ["mine"]);
        }
    }

    #[test]
    fn a_flood_is_told_by_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        let ends = Ends::of(&logs);
        append(&logs.out, &"x".repeat(100_000));
        append(&logs.error, &"line\n".repeat(10_000));
        let words = ends.words(&logs);
        assert_eq!((words.out[0].len(), words.error.len()), (BYTES, rpm_history::words::LINES));
    }

    #[test]
    fn what_is_no_file_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let logs = LogPaths { out: "/dev/null".into(), error: directory.path().join("fifo"), combined: None };
        nix::unistd::mkfifo(&logs.error, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Ends::of(&logs).words(&logs).is_empty());
    }
}
