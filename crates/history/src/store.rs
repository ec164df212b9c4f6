//! Lines in files, of which the oldest go.
//!
//! A directory of segments with growing numbers. The last is appended to, a write for whatever is new, without waiting
//! for the disk; when it is full the next is begun and the oldest is removed. Readers need no lock: a line is there or
//! is not, and what a power cut left of one ends where the next begins.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// Full segments that are kept beside the one that is appended to.
const KEPT: u64 = 8;

/// Bytes read at once of a segment whose lines are counted.
const CHUNK: usize = 64 << 10;

/// The most of one segment that is read. Only somebody else can have made it longer.
const LONGEST: u64 = 256 << 20;

/// What a store holds at least, once it is full; at most an eighth more. Zero lines are no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// In lines.
    pub lines: u64,
    /// In bytes, whichever is less.
    pub bytes: u64,
}

impl Bound {
    fn is_full(self, segment: &Segment) -> bool {
        segment.lines >= self.lines.div_ceil(KEPT) || segment.bytes >= self.bytes.div_ceil(KEPT)
    }
}

/// A store could not be written to or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct StoreError {
    /// What of it.
    pub path: PathBuf,
    /// Why not.
    pub error: io::Error,
}

/// A store that is written to.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    bound: Bound,
    /// The segment that is appended to; opened when there is something to append.
    last: Option<Segment>,
    /// Whole lines on their way.
    pending: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    lines: u64,
    bytes: u64,
}

impl Store {
    /// The store in `directory`. Touches nothing yet.
    pub fn new(directory: PathBuf, bound: Bound) -> Self {
        Self { directory, bound, last: None, pending: Vec::new() }
    }

    /// Keeps more or less from now on.
    pub fn set_bound(&mut self, bound: Bound) {
        self.bound = bound;
    }

    /// Whether it keeps anything.
    pub fn is_on(&self) -> bool {
        self.bound.lines > 0
    }

    /// Where whole lines are to be put; [`Self::flush`] takes them to the file.
    pub fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Writes what is pending, at once. What could not be written is given up: the disk is full, or the like, and the
    /// daemon has other things to do.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let outcome = if self.is_on() { self.append() } else { Ok(()) };
        self.pending.clear();
        if self.pending.capacity() > CHUNK {
            self.pending.shrink_to(0);
        }
        if outcome.is_err() {
            self.last = None;
        }
        outcome
    }

    fn append(&mut self) -> Result<(), StoreError> {
        let mut segment = match self.last.take() {
            Some(segment) => segment,
            None => self.open_last()?,
        };
        if self.bound.is_full(&segment) {
            segment = self.begin(segment.number + 1)?;
        }
        let at = |error| StoreError { path: segment.path.clone(), error };
        if let Err(error) = segment.file.write_all(&self.pending) {
            // Half a line would cost the next one, too.
            let _ = segment.file.set_len(segment.bytes);
            return Err(at(error));
        }
        segment.bytes += self.pending.len() as u64;
        segment.lines += memchr::memchr_iter(b'\n', &self.pending).count() as u64;
        self.last = Some(segment);
        Ok(())
    }

    /// The segment with the highest number; the first if there is none.
    fn open_last(&self) -> Result<Segment, StoreError> {
        match segments(&self.directory)?.pop() {
            Some((number, path)) => {
                let at = |error| StoreError { path: path.clone(), error };
                let file = open(&path, OpenOptions::new().read(true).append(true)).map_err(at)?;
                if file.metadata().map_err(at)?.len() >= self.bound.bytes.div_ceil(KEPT) {
                    // Full, and perhaps so large that counting would take a while.
                    return self.begin(number + 1);
                }
                let (lines, bytes, is_whole) = count(&file).map_err(at)?;
                let mut segment = Segment { number, path: path.clone(), file, lines, bytes };
                if !is_whole {
                    segment.file.write_all(b"\n").map_err(at)?;
                    segment.bytes += 1;
                }
                Ok(segment)
            }
            None => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
                made.map_err(|error| StoreError { path: self.directory.clone(), error })?;
                self.begin(1)
            }
        }
    }

    /// Begins a segment, and removes those that are too old.
    fn begin(&self, number: u64) -> Result<Segment, StoreError> {
        let path = self.directory.join(format!("{number:010}"));
        let at = |error| StoreError { path: path.clone(), error };
        let file = open(&path, OpenOptions::new().append(true).create(true).mode(0o600)).map_err(at)?;
        for (old, path) in segments(&self.directory)? {
            if old + KEPT < number {
                fs::remove_file(&path).map_err(|error| StoreError { path, error })?;
            }
        }
        Ok(Segment { number, path, file, lines: 0, bytes: 0 })
    }
}

/// Opens a plain file. What else stands there is none of ours, and might block whoever opens it.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file: move it away"))
    }
}

/// How many lines and bytes there are, and whether the last line has its end.
fn count(file: &File) -> io::Result<(u64, u64, bool)> {
    let (mut lines, mut at, mut last) = (0, 0, b'\n');
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read_at(&mut chunk, at)?;
        let Some(end) = chunk[..length].last() else { return Ok((lines, at, last == b'\n')) };
        last = *end;
        lines += memchr::memchr_iter(b'\n', &chunk[..length]).count() as u64;
        at += length as u64;
    }
}

/// The segments in `directory`, the oldest first. What has another name is no segment; a directory that is not there
/// has none.
fn segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let at = |error| StoreError { path: directory.to_owned(), error };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        let name = entry.file_name();
        let digits = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = digits.and_then(|name| name.parse::<u64>().ok()).filter(|&n| n < u64::MAX / 2) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads the lines of the store in `directory`, without their ends, the latest first, until `take` says that it has
/// enough.
pub fn read_back(directory: &Path, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    for (_, path) in segments(directory)?.into_iter().rev() {
        bytes.clear();
        match read(&path, &mut bytes) {
            Ok(()) => {}
            // Removed meanwhile, because it was the oldest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError { path, error }),
        }
        let mut end = bytes.len();
        while end > 0 {
            let start = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |newline| newline + 1);
            if start < end && !take(&bytes[start..end]) {
                return Ok(());
            }
            end = start.saturating_sub(1);
        }
    }
    Ok(())
}

fn read(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut file = open(path, OpenOptions::new().read(true))?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    file.take(LONGEST).read_to_end(bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn store(directory: &TempDir, lines: u64) -> Store {
        Store::new(directory.path().join("runs"), Bound { lines, bytes: u64::MAX })
    }

    fn add(store: &mut Store, lines: &[&str]) {
        for line in lines {
            store.pending().extend_from_slice(line.as_bytes());
            store.pending().push(b'\n');
        }
        store.flush().unwrap();
    }

    /// All lines, the oldest first.
    fn lines(directory: &TempDir) -> Vec<String> {
        let mut lines = Vec::new();
        read_back(&directory.path().join("runs"), |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            true
        })
        .unwrap();
        lines.reverse();
        lines
    }

    fn last(directory: &TempDir) -> PathBuf {
        segments(&directory.path().join("runs")).unwrap().pop().unwrap().1
    }

    #[test]
    fn nothing_is_there_until_something_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store(&directory, 100);
        store.flush().unwrap();
        assert!(!directory.path().join("runs").exists());
        assert!(lines(&directory).is_empty());
        add(&mut store, &["a", "b"]);
        assert_eq!(lines(&directory), ["a", "b"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path().join("runs")), 0o700);
        assert_eq!(mode(&last(&directory)), 0o600);
    }

    #[test]
    fn the_oldest_go_and_the_bound_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..1_000 {
            // Also over daemons that come and go.
            let mut store = store(&directory, 80);
            add(&mut store, &[&number.to_string()]);
            let count = lines(&directory).len();
            assert!(count > number.min(80) && count <= 90, "{count} of {number}");
        }
        assert_eq!(lines(&directory).last().unwrap(), "999");
        let directory = tempfile::tempdir().unwrap();
        let bound = Bound { lines: u64::MAX, bytes: 800 };
        let mut by_size = Store::new(directory.path().join("runs"), bound);
        for _ in 0..100 {
            add(&mut by_size, &["x".repeat(49).as_str()]);
        }
        let count = lines(&directory).len() * 50;
        assert!((800..=900).contains(&count), "{count}");
    }

    #[test]
    fn none_are_kept_where_none_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        add(&mut store(&directory, 0), &["a"]);
        assert!(!directory.path().join("runs").exists());
    }

    #[test]
    fn a_cut_at_any_byte_costs_the_last_line_at_most() {
        let whole = "first\nsecond\nthird\n";
        for length in 0..=whole.len() {
            let directory = tempfile::tempdir().unwrap();
            add(&mut store(&directory, 100), &["first", "second", "third"]);
            let file = OpenOptions::new().write(true).open(last(&directory)).unwrap();
            file.set_len(length as u64).unwrap();
            add(&mut store(&directory, 100), &["next"]);
            let kept = whole[..length].matches('\n').count();
            let found = lines(&directory);
            let expected = ["first", "second", "third"];
            assert_eq!(found[..kept], expected[..kept], "cut at {length}");
            assert_eq!(found.last().unwrap(), "next");
            assert!(found.len() <= kept + 2, "{found:?}");
        }
    }

    #[test]
    fn what_stands_in_the_way_is_told_and_goes_by() {
        let directory = tempfile::tempdir().unwrap();
        let runs = directory.path().join("runs");
        fs::create_dir_all(runs.join("0000000007")).unwrap();
        fs::write(runs.join("notes.txt"), "mine").unwrap();
        let mut store = store(&directory, 100);
        store.pending().extend_from_slice(b"lost\n");
        let error = store.flush().unwrap_err().to_string();
        assert!(error.contains("0000000007"), "{error}");
        fs::remove_dir(runs.join("0000000007")).unwrap();
        add(&mut store, &["a"]);
        assert_eq!(lines(&directory), ["a"]);
        assert_eq!(fs::read_to_string(runs.join("notes.txt")).unwrap(), "mine");
    }

    proptest! {
        #[test]
        fn whatever_a_segment_holds_the_next_line_is_whole(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
            let directory = tempfile::tempdir().unwrap();
            add(&mut store(&directory, 100), &["a"]);
            fs::write(last(&directory), &garbage).unwrap();
            add(&mut store(&directory, 100), &["next"]);
            prop_assert_eq!(lines(&directory).pop().unwrap(), "next");
        }
    }
}
