//! Output that needs work on every line.
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
use tokio::{
    net::unix::pipe::{self, Receiver},
    sync::mpsc,
};

use super::{Form, LogError, Stream};

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
    /// Makes the FIFO if need be and begins to empty it into `logs`. Must be called within a runtime.
    pub(crate) fn start(
        fifo: PathBuf,
        stream: Stream,
        form: Form,
        logs: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, LogError> {
        let failed = |error| LogError { path: fifo.clone(), error };
        make_fifo(&fifo).map_err(failed)?;
        // Open for writing as well: without a child there is no end of file to wake for.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).map_err(failed)?;
        let sink = Sink::new(stream, form, logs)?;
        let (end, ended) = mpsc::channel(1);
        tokio::spawn(run(receiver, sink, ended));
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

async fn run(receiver: Receiver, mut sink: Sink, mut ended: mpsc::Receiver<()>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            biased;
            ready = receiver.readable() => if ready.is_err() { return },
            _ = ended.recv() => {
                drain(&receiver, &mut sink, &mut chunk);
                return;
            }
        }
        drain(&receiver, &mut sink, &mut chunk);
    }
}

/// Writes out what the FIFO holds now. One chunk at a time, so that a flood does not keep the daemon from its work.
fn drain(receiver: &Receiver, sink: &mut Sink, chunk: &mut [u8]) {
    if let Ok(length) = receiver.try_read(chunk) {
        sink.write(&chunk[..length]);
    }
}

/// Brings chunks into the app's form and into its files.
struct Sink {
    stream: Stream,
    form: Form,
    logs: Vec<Log>,
    /// The next byte begins a line.
    at_start: bool,
    buffer: Vec<u8>,
}

struct Log {
    path: PathBuf,
    file: File,
    failing: bool,
}

impl Sink {
    fn new(stream: Stream, form: Form, paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, LogError> {
        let open = |path: PathBuf| Ok(Log { file: super::open(&path)?, path, failing: false });
        let logs = paths.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { stream, form, logs, at_start: true, buffer: Vec::new() })
    }

    fn write(&mut self, chunk: &[u8]) {
        self.buffer.clear();
        self.at_start =
            self.form.write(chunk, self.stream, &chrono::Local::now(), self.at_start, &mut self.buffer);
        for log in &mut self.logs {
            match log.file.write_all(&self.buffer) {
                Ok(()) => log.failing = false,
                // A full disk: say so once, and go on reading, so that the app is not blocked.
                Err(error) if !log.failing => {
                    log.failing = true;
                    tracing::error!(
                        "log file {}: {error}: lines are lost until this ends",
                        log.path.display()
                    );
                }
                Err(_) => {}
            }
        }
    }
}
