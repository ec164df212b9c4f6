//! What is appended to one file, also when the file is rotated, emptied, removed or not there yet.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use rpm_core::cut::{ATTRIBUTE, Cut};
use rustix::fs::fgetxattr;

/// A line without an end is given away when it has become this long.
const LONGEST_LINE: usize = 1 << 20;

/// Follows one path.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    open: Option<Open>,
    /// The beginning of a line whose end is not written yet.
    unfinished: Vec<u8>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Device and number: the same path may become another file.
    identity: (u64, u64),
    position: u64,
}

impl Mark {
    /// The end of a file.
    pub(crate) fn of(meta: &fs::Metadata) -> Self {
        Self { identity: (meta.dev(), meta.ino()), position: meta.len() }
    }
}

#[derive(Debug)]
struct Open {
    file: File,
    mark: Mark,
    /// How much had been cut off the file's beginning when it was read to that place.
    cut: u64,
}

impl Open {
    fn at(file: File, position: u64) -> io::Result<Self> {
        let mark = Mark { position, ..Mark::of(&file.metadata()?) };
        let cut = read_cut(&file).bytes;
        Ok(Self { file, mark, cut })
    }
}

impl Follower {
    /// Follows a file that need not be there.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, open: None, unfinished: Vec::new() }
    }

    /// Follows a file from a place in it, and from the beginning if it has become another.
    pub(crate) fn from_mark(path: PathBuf, mark: Mark) -> io::Result<Self> {
        match File::open(&path) {
            Ok(file) => {
                let open = Open::at(file, mark.position)?;
                let same = open.mark.identity == mark.identity;
                Ok(Self { open: same.then_some(open), ..Self::new(path) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::new(path)),
            Err(error) => Err(error),
        }
    }

    /// Goes on where `file`, which was opened at the path, was read to.
    pub(crate) fn resume(path: PathBuf, file: File, position: u64) -> io::Result<Self> {
        Ok(Self { open: Some(Open::at(file, position)?), ..Self::new(path) })
    }

    /// Gives every line that was finished since the last look to `print`, without its break.
    ///
    /// After a rotation the rest of the old file comes first, then the new one from its beginning; where the beginning
    /// of the file was cut off, it goes on at the same line. An emptied file is read from its beginning; so is one that
    /// is not there now and comes later.
    pub(crate) fn look(&mut self, mut print: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            if let Some(open) = &mut self.open {
                read_new(&self.path, open, &mut self.unfinished, &mut print)?;
            }
            let identity = match fs::metadata(&self.path) {
                Ok(meta) => (meta.dev(), meta.ino()),
                // Whoever has it open may still write to it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.open.as_ref().is_some_and(|open| open.mark.identity == identity) {
                return Ok(());
            }
            // The old file may have grown between the two looks.
            if let Some(open) = &mut self.open {
                read_new(&self.path, open, &mut self.unfinished, &mut print)?;
            }
            finish(&mut self.unfinished, &mut print);
            match File::open(&self.path) {
                Ok(file) => self.open = Some(Open::at(file, 0)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads what is new in one file.
fn read_new(
    path: &Path,
    open: &mut Open,
    unfinished: &mut Vec<u8>,
    print: &mut impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut block = vec![0; 64 << 10];
    loop {
        let cut = read_cut(&open.file);
        if cut.under_way {
            // Its end changes the attribute, which wakes us.
            return Ok(());
        }
        if cut.bytes != open.cut {
            catch_up(path, open, &cut, unfinished, print)?;
        }
        if open.file.metadata()?.len() < open.mark.position {
            finish(unfinished, print);
            open.mark.position = 0;
        }
        let length = open.file.read_at(&mut block, open.mark.position)?;
        if read_cut(&open.file) != cut {
            // It was cut while it was read: that may have been another place.
            continue;
        }
        if length == 0 {
            return Ok(());
        }
        open.mark.position += length as u64;
        take(&block[..length], unfinished, print);
    }
}

/// Finds the place again after the beginning of the file was cut off. What was not read yet is in the archive.
fn catch_up(
    path: &Path,
    open: &mut Open,
    cut: &Cut,
    unfinished: &mut Vec<u8>,
    print: &mut impl FnMut(&[u8]),
) -> io::Result<()> {
    let gone = cut.bytes.saturating_sub(open.cut);
    open.cut = cut.bytes;
    let missed = (gone + cut.blank).saturating_sub(open.mark.position);
    if gone == 0 || missed == 0 {
        open.mark.position -= gone;
        return Ok(());
    }
    // It may be compressed or removed by now.
    if let Ok(mut archive) = File::open(path.with_file_name(&cut.archive)) {
        let length = archive.metadata()?.len();
        archive.seek(SeekFrom::Start(length.saturating_sub(missed)))?;
        let mut block = vec![0; 64 << 10];
        loop {
            let length = archive.read(&mut block)?;
            if length == 0 {
                break;
            }
            take(&block[..length], unfinished, print);
        }
    }
    open.mark.position = cut.blank;
    Ok(())
}

/// What was cut off a file so far.
fn read_cut(file: &File) -> Cut {
    let mut text = [0; 512];
    let length = fgetxattr(file, ATTRIBUTE, &mut text[..]).unwrap_or(0);
    std::str::from_utf8(&text[..length]).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Gives each line that ends in `rest` to `print`, and keeps the beginning of the next.
fn take(mut rest: &[u8], unfinished: &mut Vec<u8>, print: &mut impl FnMut(&[u8])) {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        if unfinished.is_empty() {
            print(&rest[..end]);
        } else {
            unfinished.extend_from_slice(&rest[..end]);
            finish(unfinished, print);
        }
        rest = &rest[end + 1..];
    }
    unfinished.extend_from_slice(rest);
    if unfinished.len() > LONGEST_LINE {
        finish(unfinished, print);
    }
}

/// Gives away what there is of a line.
fn finish(unfinished: &mut Vec<u8>, print: &mut impl FnMut(&[u8])) {
    if !unfinished.is_empty() {
        print(unfinished);
        unfinished.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write, path::Path};

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn look(follower: &mut Follower) -> Vec<String> {
        let mut lines = Vec::new();
        follower.look(|line| lines.push(String::from_utf8(line.to_vec()).unwrap())).unwrap();
        lines
    }

    struct Case {
        directory: tempfile::TempDir,
        follower: Follower,
    }

    impl Case {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let follower = Follower::new(directory.path().join("log"));
            Self { directory, follower }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn append(&self, text: &str) {
            append(&self.path("log"), text);
        }

        fn look(&mut self) -> Vec<String> {
            look(&mut self.follower)
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn lines_are_given_when_they_are_whole() {
        let mut case = Case::new();
        case.append("a\nb");
        assert_eq!(case.look(), ["a"]);
        case.append("c\n\nd\n");
        assert_eq!(case.look(), ["bc", "", "d"]);
        assert_eq!(case.look(), NOTHING);
    }

    #[test]
    fn a_file_may_come_later() {
        let mut case = Case::new();
        assert_eq!(case.look(), NOTHING);
        case.append("a\n");
        assert_eq!(case.look(), ["a"]);
    }

    #[test]
    fn it_goes_on_where_the_tail_ended() {
        let case = Case::new();
        case.append("old\n");
        let mut follower =
            Follower::resume(case.path("log"), File::open(case.path("log")).unwrap(), 4).unwrap();
        assert_eq!(look(&mut follower), NOTHING);
        case.append("new\n");
        assert_eq!(look(&mut follower), ["new"]);
    }

    #[test]
    fn a_mark_is_good_for_its_own_file_only() {
        let mut case = Case::new();
        case.append("before\n");
        let mark = Mark::of(&fs::metadata(case.path("log")).unwrap());
        case.append("after\n");
        case.follower = Follower::from_mark(case.path("log"), mark).unwrap();
        assert_eq!(case.look(), ["after"]);
        fs::rename(case.path("log"), case.path("log.1")).unwrap();
        case.append("another file\n");
        case.follower = Follower::from_mark(case.path("log"), mark).unwrap();
        assert_eq!(case.look(), ["another file"]);
        fs::remove_file(case.path("log")).unwrap();
        case.follower = Follower::from_mark(case.path("log"), mark).unwrap();
        case.append("x\n");
        assert_eq!(case.look(), ["x"]);
    }

    #[test]
    fn a_rotation_loses_no_line() {
        let mut case = Case::new();
        case.append("a\n");
        assert_eq!(case.look(), ["a"]);
        case.append("b\nunfinished");
        fs::rename(case.path("log"), case.path("log.1")).unwrap();
        append(&case.path("log.1"), " end\n");
        case.append("c\n");
        assert_eq!(case.look(), ["b", "unfinished end", "c"]);
        case.append("d\n");
        assert_eq!(case.look(), ["d"]);
    }

    #[test]
    fn the_old_file_is_read_while_there_is_no_new_one() {
        let mut case = Case::new();
        case.append("a\n");
        assert_eq!(case.look(), ["a"]);
        fs::rename(case.path("log"), case.path("log.1")).unwrap();
        append(&case.path("log.1"), "b\n");
        assert_eq!(case.look(), ["b"]);
        fs::remove_file(case.path("log.1")).unwrap();
        assert_eq!(case.look(), NOTHING);
        case.append("c\n");
        assert_eq!(case.look(), ["c"]);
    }

    #[test]
    fn an_emptied_file_is_read_from_its_beginning() {
        let mut case = Case::new();
        case.append("a long line\nunfinished");
        assert_eq!(case.look(), ["a long line"]);
        File::create(case.path("log")).unwrap();
        case.append("b\n");
        assert_eq!(case.look(), ["unfinished", "b"]);
    }

    /// What the daemon does to a log that its app writes itself: `blocks` bytes go, and the rest of the line at the
    /// cut becomes blank.
    fn cut(case: &Case, blocks: usize, blank: usize, before: u64) {
        let log = case.path("log");
        let content = fs::read(&log).unwrap();
        fs::write(case.path("log__1"), &content[..blocks + blank]).unwrap();
        let rest = &content[blocks + blank..];
        let blanks = if blank > 0 { format!("{}\n", " ".repeat(blank - 1)) } else { String::new() };
        fs::write(&log, [blanks.as_bytes(), rest].concat()).unwrap();
        let bytes = before + blocks as u64;
        let cut = Cut { bytes, blank: blank as u64, under_way: false, archive: "log__1".into() };
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&log, ATTRIBUTE, cut.to_string().as_bytes(), flags).unwrap();
    }

    #[test]
    fn a_cut_neither_doubles_nor_loses_a_line() {
        let mut case = Case::new();
        case.append("aaa\nbbb\nccc\n");
        assert_eq!(case.look(), ["aaa", "bbb", "ccc"]);
        // In the middle of `bbb`, all of which was read.
        cut(&case, 5, 3, 0);
        case.append("ddd\n");
        assert_eq!(case.look(), ["ddd"]);
        // What was not read yet is in the archive, and the line at the cut is there once.
        case.append("eee\nfff\n");
        cut(&case, 14, 1, 5);
        assert_eq!(case.look(), ["eee", "fff"]);
        case.append("ggg\n");
        assert_eq!(case.look(), ["ggg"]);
    }

    #[test]
    fn a_line_across_the_cut_is_whole() {
        let mut case = Case::new();
        case.append("aaa\nbb");
        assert_eq!(case.look(), ["aaa"]);
        case.append("b\nccc\n");
        cut(&case, 5, 3, 0);
        assert_eq!(case.look(), ["bbb", "ccc"]);
    }

    #[test]
    fn a_line_without_end_is_given_away_at_last() {
        let mut case = Case::new();
        case.append(&"x".repeat(LONGEST_LINE + 1));
        assert_eq!(case.look().len(), 1);
        case.append("y\n");
        assert_eq!(case.look(), ["y"]);
    }
}
