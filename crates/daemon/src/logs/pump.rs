//! Output that needs work on every line.
//!
//! The child writes into a FIFO, which it holds open for reading and writing: a daemon that dies is neither a
//! SIGPIPE nor a lost line, because the next one opens the FIFO and goes on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio::{
    net::unix::pipe::{self, Receiver},
    sync::mpsc,
};

use super::{Form, LogError, Moved, Stream};

/// Bytes taken from a pipe at once: what a pipe of the usual size can hold.
const CHUNK: usize = 64 << 10;

/// One stream on its way from a FIFO to a log file. Ends when it is dropped, after what the FIFO still holds.
#[derive(Debug)]
pub(crate) struct Pump {
    fifo: PathBuf,
    /// Has the logs opened anew. It ends the pump by being dropped.
    control: mpsc::UnboundedSender<Option<Moved>>,
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
        let (control, orders) = mpsc::unbounded_channel();
        tokio::spawn(run(receiver, sink, orders));
        Ok(Self { fifo, control })
    }

    /// Opens the logs anew, at the end of a line. Then it drops `moved`.
    pub(crate) fn reopen(&self, moved: Option<Moved>) {
        // It ends only after this.
        let _ = self.control.send(moved);
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

async fn run(receiver: Receiver, mut sink: Sink, mut orders: mpsc::UnboundedReceiver<Option<Moved>>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            // Orders first: an app that never pauses must not keep them away.
            biased;
            order = orders.recv() => match order {
                Some(moved) => sink.reopen(moved),
                None => {
                    drain(&receiver, &mut sink, &mut chunk);
                    return;
                }
            },
            ready = receiver.readable() => match ready {
                Ok(()) => drain(&receiver, &mut sink, &mut chunk),
                Err(_) => return,
            },
        }
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
    /// The logs are to be opened anew at the end of the line.
    reopening: Vec<Option<Moved>>,
    buffer: Vec<u8>,
}

struct Log {
    path: PathBuf,
    file: File,
    failing: bool,
}

impl Log {
    /// Opens the file at the path anew. Where that fails, the old one serves on.
    fn open(&mut self) {
        match super::open(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => tracing::error!("{error}"),
        }
    }
}

impl Sink {
    fn new(stream: Stream, form: Form, paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, LogError> {
        let open = |path: PathBuf| Ok(Log { file: super::open(&path)?, path, failing: false });
        let logs = paths.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { stream, form, logs, at_start: true, reopening: Vec::new(), buffer: Vec::new() })
    }

    fn write(&mut self, chunk: &[u8]) {
        let end = chunk.iter().position(|&byte| byte == b'\n');
        match end.filter(|_| !self.reopening.is_empty()) {
            Some(end) => {
                let (line, rest) = chunk.split_at(end + 1);
                self.append(line);
                self.open_all();
                self.append(rest);
            }
            None => self.append(chunk),
        }
    }

    /// Opens the logs anew, now or at the end of the line.
    fn reopen(&mut self, moved: Option<Moved>) {
        self.reopening.push(moved);
        if self.at_start {
            self.open_all();
        }
    }

    fn open_all(&mut self) {
        self.logs.iter_mut().for_each(Log::open);
        self.reopening.clear();
    }

    fn append(&mut self, chunk: &[u8]) {
        self.buffer.clear();
        self.at_start =
            self.form.write(chunk, self.stream, &chrono::Local::now(), self.at_start, &mut self.buffer);
        for log in &mut self.logs {
            // Removed by somebody: nobody would ever read what goes there.
            if log.file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                log.open();
            }
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
