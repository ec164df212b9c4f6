//! Output on its way from a FIFO to a log, kept so that it arrives once even if the daemon is killed in between.
//!
//! Between taking bytes out of a FIFO and writing them in their form to a log there is always a moment at which they are
//! in neither. So they are moved by one system call into a file (`raw`), and what is about to be written stands in
//! another (`ready`), with the place in the log at which it will begin. A daemon that finds them sees how far the one
//! before it came: without `ready` nothing of `raw` is in the log; with it, the log itself tells how much is.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
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
}

/// What was about to be written when the daemon died.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// Where it was to begin in each log.
    pub places: Vec<u64>,
    pub bytes: Vec<u8>,
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
        Ok(Self { raw: open(&raw_path)?, ready: open(&ready_path)?, raw_path, ready_path })
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

    /// Notes what is about to be written, and where.
    pub(super) fn announce(&self, ready: &Ready) -> io::Result<()> {
        self.ready.write_all_at(&ready.encode(), 0)
    }

    /// What was announced and not confirmed.
    pub(super) fn ready(&self) -> io::Result<Option<Ready>> {
        let mut text = vec![0; self.ready.metadata()?.len() as usize];
        self.ready.read_exact_at(&mut text, 0)?;
        Ok(Ready::decode(&text))
    }

    /// All that was taken is in the logs.
    pub(super) fn confirm(&self) -> io::Result<()> {
        // In this order: `ready` without `raw` is checked against the log, `raw` without `ready` would be written again.
        self.raw.set_len(0)?;
        self.ready.set_len(0)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.raw_path);
        let _ = fs::remove_file(&self.ready_path);
    }
}

impl Ready {
    /// Numbers of 8 bytes: how many places, the places, how many bytes; then the bytes.
    fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.bytes.len() + 8 * (self.places.len() + 2));
        let numbers = [self.places.len() as u64].into_iter().chain(self.places.iter().copied());
        for number in numbers.chain([self.bytes.len() as u64]) {
            text.extend_from_slice(&number.to_le_bytes());
        }
        text.extend_from_slice(&self.bytes);
        text
    }

    /// `None` of what is not whole: then it was not begun to be written either.
    fn decode(text: &[u8]) -> Option<Self> {
        let (numbers, _) = text.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let count = usize::try_from(numbers.next()?).ok().filter(|&count| count <= text.len() / 8)?;
        let places: Vec<u64> = numbers.by_ref().take(count).collect();
        let length = usize::try_from(numbers.next()?).ok()?;
        let bytes = text.get(8 * (count + 2)..)?;
        (places.len() == count && bytes.len() == length && length > 0)
            .then(|| Self { places, bytes: bytes.to_vec() })
    }

    /// How many of the bytes stand at `place` in the file.
    pub(super) fn written(&self, log: &Path, place: u64) -> io::Result<usize> {
        let file = File::open(log)?;
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

    proptest! {
        #[test]
        fn only_what_is_whole_counts(places: Vec<u64>, bytes in prop::collection::vec(any::<u8>(), 1..99), cut: prop::sample::Index) {
            let ready = Ready { places, bytes };
            let text = ready.encode();
            prop_assert_eq!(Ready::decode(&text[..cut.index(text.len())]), None);
            prop_assert_eq!(Ready::decode(&text), Some(ready));
        }

        #[test]
        fn garbage_is_nothing(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ready::decode(&text);
        }
    }

    #[test]
    fn the_log_tells_how_far_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let ready = Ready { places: vec![4], bytes: b"hello".to_vec() };
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
