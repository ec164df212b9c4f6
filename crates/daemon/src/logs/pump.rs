//! Output that needs work on every line: a date is put before it.
//!
//! The child writes into a FIFO, which it holds open for reading and writing: a daemon that dies is neither a
//! SIGPIPE nor a lost line, because the next one opens the FIFO and goes on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use rpm_core::dayjs;
use tokio::{
    net::unix::pipe::{self, Receiver},
    sync::mpsc,
};

use super::LogError;

/// Bytes taken from a pipe at once: what a pipe of the usual size can hold.
const CHUNK: usize = 64 << 10;

/// One stream on its way from a FIFO to a log file. Ends when it is dropped, after what the FIFO still holds.
#[derive(Debug)]
pub(crate) struct Pump {
    fifo: PathBuf,
    /// Closed by dropping.
    _end: mpsc::Sender<()>,
}

impl Pump {
    /// Makes the FIFO if need be and begins to empty it into `log`. Must be called within a runtime.
    pub(crate) fn start(fifo: PathBuf, log: PathBuf, date_format: String) -> Result<Self, LogError> {
        let failed = |error| LogError { path: fifo.clone(), error };
        make_fifo(&fifo).map_err(failed)?;
        // Open for writing as well: without a child there is no end of file to wake for.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).map_err(failed)?;
        let writer = DatedWriter::new(log, date_format)?;
        let (end, ended) = mpsc::channel(1);
        tokio::spawn(run(receiver, writer, ended));
        Ok(Self { fifo, _end: end })
    }

    /// The end that a child writes to.
    pub(crate) fn open_for_child(&self) -> Result<File, LogError> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&self.fifo)
            .map_err(|error| LogError { path: self.fifo.clone(), error })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // The pipe lives on in its open descriptors; what it holds is still read.
        let _ = fs::remove_file(&self.fifo);
    }
}

/// A FIFO at `path`, of the owner alone. Anything else that stands there is replaced.
fn make_fifo(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_fifo() => return Ok(()),
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    Ok(())
}

async fn run(receiver: Receiver, mut writer: DatedWriter, mut ended: mpsc::Receiver<()>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            biased;
            ready = receiver.readable() => if ready.is_err() { return },
            _ = ended.recv() => {
                drain(&receiver, &mut writer, &mut chunk);
                return;
            }
        }
        drain(&receiver, &mut writer, &mut chunk);
    }
}

/// Writes out what the FIFO holds now. One chunk at a time, so that a flood does not keep the daemon from its work.
fn drain(receiver: &Receiver, writer: &mut DatedWriter, chunk: &mut [u8]) {
    if let Ok(length) = receiver.try_read(chunk) {
        writer.write(&chunk[..length]);
    }
}

/// Puts a date before each line.
struct DatedWriter {
    path: PathBuf,
    log: File,
    date_format: String,
    /// The next byte begins a line.
    at_start: bool,
    buffer: Vec<u8>,
    failing: bool,
}

impl DatedWriter {
    fn new(path: PathBuf, date_format: String) -> Result<Self, LogError> {
        let log = super::open(&path)?;
        Ok(Self { path, log, date_format, at_start: true, buffer: Vec::new(), failing: false })
    }

    fn write(&mut self, chunk: &[u8]) {
        let date = format!("{}: ", dayjs::format(&self.date_format, &chrono::Local::now()));
        self.buffer.clear();
        self.at_start = prefix_lines(chunk, date.as_bytes(), self.at_start, &mut self.buffer);
        let written = self.log.write_all(&self.buffer);
        match written {
            Ok(()) => self.failing = false,
            // A full disk: say so once, and go on reading, so that the app is not blocked.
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!("log file {}: {error}: lines are lost until this ends", self.path.display());
            }
            Err(_) => {}
        }
    }
}

/// Appends `chunk` to `out` with `prefix` before each line. `at_start` tells whether the chunk begins a line; the
/// answer tells it of the next chunk.
fn prefix_lines(chunk: &[u8], prefix: &[u8], mut at_start: bool, out: &mut Vec<u8>) -> bool {
    for line in chunk.split_inclusive(|&b| b == b'\n') {
        if at_start {
            out.extend_from_slice(prefix);
        }
        out.extend_from_slice(line);
        at_start = line.ends_with(b"\n");
    }
    at_start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixed(chunks: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut at_start = true;
        for chunk in chunks {
            at_start = prefix_lines(chunk, b"D: ", at_start, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_has_one_date() {
        assert_eq!(prefixed(&[b"a\nb\n"]), "D: a\nD: b\n");
        assert_eq!(prefixed(&[b"a", b"b\n", b"c"]), "D: ab\nD: c");
        assert_eq!(prefixed(&[b"\n\n"]), "D: \nD: \n");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_is_cut(text in "[ab\n]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let (a, b) = text.split_at(cut);
            prop_assert_eq!(prefixed(&[a.as_bytes(), b.as_bytes()]), prefixed(&[text.as_bytes()]));
            prop_assert_eq!(prefixed(&[text.as_bytes()]).replace("D: ", ""), text);
        }
    }
}
