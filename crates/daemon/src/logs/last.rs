//! What a run has said last, from its logs.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rpm_core::cut::Cut;
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
        let end = |path| Log::open(path).map_or(0, |log| log.extent.end());
        Self { out: end(&logs.out), error: if logs.error == logs.out { 0 } else { end(&logs.error) } }
    }

    /// Where these end now; there is none for errors where both streams have one.
    pub(crate) fn of_files(out: &File, error: Option<&File>) -> Self {
        let end = |file| Extent::of(file).map_or(0, |extent| extent.end());
        Self { out: end(out), error: error.map_or(0, end) }
    }

    /// Where in each of the present files begins what came since.
    pub(crate) fn places(self, logs: &LogPaths) -> Vec<(PathBuf, u64)> {
        let place =
            |path: &PathBuf, from| (path.clone(), Log::open(path).map_or(0, |log| log.extent.place(from)));
        let error = (logs.error != logs.out).then(|| place(&logs.error, self.error));
        [place(&logs.out, self.out)].into_iter().chain(error).collect()
    }

    /// The last lines that came since: before those of the next run, if there is one already.
    pub(crate) fn words(self, logs: &LogPaths, next: Option<Self>) -> Words {
        let lines = |path, from, until: Option<u64>| {
            // Emptied before the next run began.
            let from = if until.is_some_and(|until| until < from) { 0 } else { from };
            Log::open(path).and_then(|log| log.last(from, until)).unwrap_or_default()
        };
        let out = lines(&logs.out, self.out, next.map(|next| next.out));
        if logs.error == logs.out {
            return Words { out, error: Vec::new() };
        }
        Words { out, error: lines(&logs.error, self.error, next.map(|next| next.error)) }
    }
}

/// What of all that was ever written to a plain file is there. What else an app may write to cannot be read a second
/// time, or would keep the daemon waiting.
struct Extent {
    length: u64,
    cut: Cut,
}

impl Extent {
    fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self { length: meta.len(), cut: read_mark(file) })
    }

    /// Where it ends, counted from the first byte that was ever written.
    fn end(&self) -> u64 {
        self.cut.bytes + self.length
    }

    /// Where in the file is what was written as the byte `from`.
    fn place(&self, from: u64) -> u64 {
        // Behind its end: it was emptied since, or is another file.
        let place = if from > self.end() { 0 } else { from.saturating_sub(self.cut.bytes) };
        place.max(self.cut.blank)
    }
}

struct Log {
    file: File,
    extent: Extent,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = super::open_to_read(path)?;
        Ok(Self { extent: Extent::of(&file)?, file })
    }

    /// The last lines behind the place `from`, and before `until`.
    fn last(&self, from: u64, until: Option<u64>) -> io::Result<Vec<String>> {
        let extent = &self.extent;
        let until = until.filter(|&until| until <= extent.end());
        let length = until.map_or(extent.length, |until| until.saturating_sub(extent.cut.bytes));
        let from = extent.place(from).max(length.saturating_sub(BYTES as u64));
        let mut bytes = vec![0; length.saturating_sub(from) as usize];
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
    use std::{
        fs::{self, OpenOptions},
        io::Write,
    };

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
        assert!(ends.words(&logs, None).is_empty());
        append(&logs.out, "one\ntwo");
        append(&logs.error, "three\n");
        let words = ends.words(&logs, None);
        assert_eq!((words.out, words.error), (vec!["one".into(), "two".into()], vec!["three".into()]));
    }

    #[test]
    fn what_the_next_run_said_is_not_told() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        let ends = Ends::of(&logs);
        append(&logs.out, "one\n");
        append(&logs.error, "two\n");
        let next = Ends::of(&logs);
        append(&logs.out, "of the next\n");
        let words = ends.words(&logs, Some(next));
        assert_eq!((words.out, words.error), (vec!["one".into()], vec!["two".into()]));
        assert_eq!(next.words(&logs, None).out, ["of the next"]);
        // The log was emptied while it ran.
        fs::write(&logs.out, "b\n").unwrap();
        let next = Ends::of(&logs);
        append(&logs.out, "of the next\n");
        assert_eq!(Ends { out: 4, error: 0 }.words(&logs, Some(next)).out, ["b"]);
    }

    #[test]
    fn a_log_that_was_emptied_or_cut_meanwhile_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        append(&logs.out, &"of another run\n".repeat(1_000));
        let ends = Ends::of(&logs);
        fs::write(&logs.out, "after\n").unwrap();
        assert_eq!(ends.words(&logs, None).out, ["after"]);
        // As rotation leaves it: the mark tells how much is gone.
        append(&logs.out, &"of another run\n".repeat(10_000));
        let ends = Ends::of(&logs);
        append(&logs.out, "mine\n");
        let (archive, plan) = (directory.path().join("archive"), directory.path().join("plan"));
        if super::super::cut::rotate(&logs.out, &archive, &plan).unwrap() {
            assert_eq!(ends.words(&logs, None).out, ["mine"]);
        }
    }

    #[test]
    fn a_flood_is_told_by_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(&directory);
        let ends = Ends::of(&logs);
        append(&logs.out, &"x".repeat(100_000));
        append(&logs.error, &"line\n".repeat(10_000));
        let words = ends.words(&logs, None);
        assert_eq!((words.out[0].len(), words.error.len()), (BYTES, rpm_history::words::LINES));
    }

    #[test]
    fn what_is_no_file_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let logs = LogPaths { out: "/dev/null".into(), error: directory.path().join("fifo"), combined: None };
        nix::unistd::mkfifo(&logs.error, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Ends::of(&logs).words(&logs, None).is_empty());
    }
}
