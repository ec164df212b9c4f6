//! Output on its way from a FIFO to a log, kept so that it arrives once even if the daemon is killed in between.
//!
//! Between taking bytes out of a FIFO and writing them in their form to a log there is always a moment at which they are
//! in neither. So they are moved by one system call into a file (`raw`), and what is about to be written stands in
//! another (`ready`), with the place in the log at which it will begin. A daemon that finds them sees how far the one
//! before it came: without an announcement no more of `raw` is in the log than `ready` says; with one, the log itself
//! tells how much is. Which file the log is stands there as well: it may have been moved away, and is written to until
//! the end of a line.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirEntryExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use nix::{
    errno::Errno,
    fcntl::{SpliceFFlags, splice},
};
use tokio::net::unix::pipe::Receiver;

/// The files of one stream.
#[derive(Debug)]
pub(super) struct Spool {
    raw: File,
    ready: File,
    raw_path: PathBuf,
    ready_path: PathBuf,
    /// What `ready` begins with.
    files: Vec<Identity>,
    done: usize,
}

/// What the first number of `ready` has beside the number of logs. The first version of it had no files.
const WITH_FILES: u64 = 1 << 63;

/// What is known of the daemon before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The files that it wrote to; none if that is not known.
    pub files: Vec<Identity>,
    /// So many bytes of `raw` are in the logs.
    pub done: usize,
    pub ready: Option<Ready>,
}

/// What was about to be written when the daemon died.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// Where it was to begin in each log.
    pub places: Vec<u64>,
    /// So many bytes of `raw` are in the logs once this is.
    pub done: usize,
    pub bytes: Vec<u8>,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    /// Nanoseconds since the epoch, since numbers of inodes are used again; 0 where the file system does not know.
    born: u64,
}

impl Identity {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        let born = meta.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self { inode: meta.ino(), born: born.map_or(0, |born| born.as_nanos() as u64) }
    }

    /// The path of this file in the directory of `path`.
    pub(super) fn find_beside(self, path: &Path) -> Option<PathBuf> {
        let entries = fs::read_dir(path.parent()?).ok()?.flatten();
        let mut same = entries.filter(|entry| entry.ino() == self.inode);
        same.find_map(|entry| (Self::of(&entry.metadata().ok()?) == self).then(|| entry.path()))
    }
}

impl Spool {
    /// The spool beside `fifo`, with what another daemon may have left in it.
    pub(super) fn open(fifo: &Path) -> io::Result<Self> {
        let open = |path: &Path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(nix::libc::O_NOFOLLOW)
                .open(path)
        };
        let (raw_path, ready_path) = (fifo.with_extension("raw"), fifo.with_extension("ready"));
        let (raw, ready) = (open(&raw_path)?, open(&ready_path)?);
        Ok(Self { raw, ready, raw_path, ready_path, files: Vec::new(), done: 0 })
    }

    /// Moves up to `most` bytes out of the FIFO. They are in `chunk` then, too. Zero if there are none.
    ///
    /// Where the disk is full they are only in `chunk`: an app must not wait for space.
    pub(super) fn take(&self, fifo: &Receiver, chunk: &mut [u8]) -> io::Result<usize> {
        let mut place = 0;
        match splice(fifo, None, &self.raw, Some(&mut place), chunk.len(), SpliceFFlags::SPLICE_F_NONBLOCK) {
            Ok(length) => {
                self.raw.read_exact_at(&mut chunk[..length], 0)?;
                // The runtime learns only from its own attempts that the FIFO is empty.
                if length < chunk.len() {
                    let _ = fifo.try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                }
                Ok(length)
            }
            Err(Errno::EAGAIN) => fifo.try_io(|| Err(io::ErrorKind::WouldBlock.into())),
            Err(_) => fifo.try_read(chunk),
        }
    }

    /// What was taken and is not in the logs.
    pub(super) fn raw(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.raw.metadata()?.len() as usize];
        self.raw.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Notes which files are written to from here on, and that so many bytes of `raw` are in the logs. What was announced
    /// is done with.
    pub(super) fn begin(&mut self, files: Vec<Identity>, done: usize) -> io::Result<()> {
        (self.files, self.done) = (files, done);
        // So few bytes are written all at once, also by a daemon that is killed.
        let head = encode_head(&self.files, done, 0, 0);
        self.ready.write_all_at(&head, 0)?;
        self.ready.set_len(head.len() as u64)
    }

    /// Notes what is about to be written, and where.
    pub(super) fn announce(&self, ready: &Ready) -> io::Result<()> {
        let mut text = encode_head(&self.files, self.done, ready.done, ready.bytes.len());
        text.extend(ready.places.iter().flat_map(|place| place.to_le_bytes()));
        text.extend_from_slice(&ready.bytes);
        self.ready.write_all_at(&text, 0)
    }

    /// What the daemon before has noted and not confirmed.
    pub(super) fn note(&self) -> io::Result<Note> {
        let mut text = vec![0; self.ready.metadata()?.len() as usize];
        self.ready.read_exact_at(&mut text, 0)?;
        Ok(Note::decode(&text).unwrap_or_default())
    }

    /// All that was taken is in the logs.
    pub(super) fn confirm(&mut self) -> io::Result<()> {
        // In this order: `ready` without `raw` is checked against the log, `raw` without `ready` would be written again.
        self.raw.set_len(0)?;
        if self.done > 0 {
            let files = std::mem::take(&mut self.files);
            return self.begin(files, 0);
        }
        // What is cut off is no announcement any more.
        self.ready.set_len(head_length(self.files.len()) as u64)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.raw_path);
        let _ = fs::remove_file(&self.ready_path);
    }
}

/// Numbers of 8 bytes: how many logs, two for each file, what is done, what will be done, how many bytes are announced.
/// Then come the places, and the bytes.
fn encode_head(files: &[Identity], done: usize, then: usize, length: usize) -> Vec<u8> {
    let files_of = files.iter().flat_map(|file| [file.inode, file.born]);
    let numbers = [files.len() as u64 | WITH_FILES].into_iter().chain(files_of);
    let numbers = numbers.chain([done as u64, then as u64, length as u64]);
    numbers.flat_map(u64::to_le_bytes).collect()
}

/// The length of the head for so many files.
fn head_length(files: usize) -> usize {
    8 * (2 * files + 4)
}

impl Note {
    /// `None` of what has no whole head.
    fn decode(text: &[u8]) -> Option<Self> {
        let (numbers, _) = text.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let first = numbers.next()?;
        let count = usize::try_from(first & !WITH_FILES).ok().filter(|&count| count <= text.len() / 8)?;
        let mut next = || numbers.next();
        if first & WITH_FILES == 0 {
            let places: Vec<u64> = (0..count).map_while(|_| next()).collect();
            let length = usize::try_from(next()?).ok()?;
            let bytes = text.get(8 * (count + 2)..)?;
            let is_whole = places.len() == count && bytes.len() == length && length > 0;
            let ready = is_whole.then(|| Ready { places, done: usize::MAX, bytes: bytes.to_vec() });
            return Some(Self { ready, ..Self::default() });
        }
        let file = |_| Some(Identity { inode: next()?, born: next()? });
        let files: Vec<_> = (0..count).map_while(file).collect();
        let (done, then, length) = (next()? as usize, next()? as usize, next()? as usize);
        let places: Vec<u64> = (0..count).map_while(|_| next()).collect();
        let bytes = text.get(head_length(count) + 8 * count..).unwrap_or_default();
        // What is not whole was not begun to be written either.
        let is_whole = places.len() == count && bytes.len() == length && length > 0;
        let ready = is_whole.then(|| Ready { places, done: then, bytes: bytes.to_vec() });
        Some(Self { files, done, ready })
    }
}

impl Ready {
    /// How many of the bytes stand at `place` in the file.
    pub(super) fn written(&self, log: &Path, place: u64) -> io::Result<usize> {
        let file = super::open_to_read(log)?;
        let length = file.metadata()?.len().saturating_sub(place).min(self.bytes.len() as u64) as usize;
        let mut there = vec![0; length];
        file.read_exact_at(&mut there, place)?;
        // Something else stands there if the log was emptied or rotated meanwhile.
        Ok(if self.bytes.starts_with(&there) { length } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spool() -> (tempfile::TempDir, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(&directory.path().join("0.out")).unwrap();
        (directory, spool)
    }

    proptest! {
        #[test]
        fn only_what_is_whole_counts(
            logs in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..3),
            bytes in prop::collection::vec(any::<u8>(), 1..99),
            done in 0usize..99,
            cut: prop::sample::Index,
        ) {
            let (_directory, mut spool) = spool();
            let files: Vec<_> = logs.iter().map(|&(inode, born, _)| Identity { inode, born }).collect();
            let ready = Ready { places: logs.iter().map(|log| log.2).collect(), done: done + 1, bytes };
            spool.begin(files.clone(), done).unwrap();
            let head = head_length(files.len());
            prop_assert_eq!(spool.ready.metadata().unwrap().len(), head as u64);
            spool.announce(&ready).unwrap();
            let mut text = vec![0; spool.ready.metadata().unwrap().len() as usize];
            spool.ready.read_exact_at(&mut text, 0).unwrap();
            let cut = Note::decode(&text[..cut.index(text.len())]).unwrap_or_default();
            prop_assert_eq!(&cut.ready, &None);
            prop_assert!(cut.files.is_empty() || cut.files == files && cut.done == done);
            prop_assert_eq!(spool.note().unwrap(), Note { files: files.clone(), done, ready: Some(ready) });
            spool.confirm().unwrap();
            prop_assert_eq!(spool.note().unwrap(), Note { files, done: 0, ready: None });
        }

        #[test]
        fn garbage_is_nothing(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Note::decode(&text);
        }
    }

    #[test]
    fn what_the_first_version_announced_is_read() {
        let numbers = [2, 17, 4, 5].map(u64::to_le_bytes).concat();
        let note = Note::decode(&[&numbers[..], b"hello"].concat()).unwrap();
        let ready = Ready { places: vec![17, 4], done: usize::MAX, bytes: b"hello".to_vec() };
        assert_eq!(note, Note { ready: Some(ready), ..Note::default() });
        assert_eq!(Note::decode(&[&numbers[..], b"hell"].concat()).unwrap(), Note::default());
    }

    #[test]
    fn a_file_is_found_by_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let [log, moved] = ["a.log", "a__1.log"].map(|name| directory.path().join(name));
        fs::write(&log, "").unwrap();
        let file = Identity::of(&fs::metadata(&log).unwrap());
        assert_eq!(file.find_beside(&log), Some(log.clone()));
        fs::rename(&log, &moved).unwrap();
        fs::write(&log, "").unwrap();
        assert_eq!(file.find_beside(&log), Some(moved.clone()));
        fs::remove_file(moved).unwrap();
        assert_eq!(file.find_beside(&log), None);
    }

    #[test]
    fn the_log_tells_how_far_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let ready = Ready { places: vec![4], done: 5, bytes: b"hello".to_vec() };
        for (text, written) in [
            ("old\n", 0),
            ("old\nhel", 3),
            ("old\nhello", 5),
            ("old\nhellomore", 5),
            ("", 0),
            ("old\nother", 0),
        ] {
            fs::write(&log, text).unwrap();
            assert_eq!(ready.written(&log, 4).unwrap(), written, "{text:?}");
        }
    }
}
