//! Output that needs work on every line.
//!
//! The child writes into a FIFO, which it holds open for reading and writing: a daemon that dies is neither a
//! SIGPIPE nor a lost line, because the next one opens the FIFO and goes on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio::{
    net::unix::pipe::{self, Receiver},
    sync::{mpsc, oneshot},
};

use super::{
    Form, LogError, Moved, Stream,
    spool::{Ready, Spool},
};

/// Bytes taken from a pipe at once: what a pipe of the usual size can hold.
const CHUNK: usize = 64 << 10;

/// Reads that empty a pipe of the largest size that its writers can give it, and one more.
const WHOLE_PIPE: usize = 17;

/// What a pump can be told.
enum Order {
    /// To open the logs anew at the end of a line, and then to drop this.
    Reopen(Option<Moved>),
    /// To bring what the pipe holds to the log, and then to say so.
    Settle(oneshot::Sender<()>),
}

/// One stream on its way from a FIFO to a log file. Ends when it is dropped, after what the FIFO still holds.
#[derive(Debug)]
pub(crate) struct Pump {
    fifo: PathBuf,
    /// It ends the pump by being dropped.
    control: mpsc::UnboundedSender<Order>,
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
        let spool = Spool::open(&fifo).map_err(failed)?;
        let sink = Sink::new(stream, form, logs, spool)?;
        let (control, orders) = mpsc::unbounded_channel();
        tokio::spawn(run(receiver, sink, orders));
        Ok(Self { fifo, control })
    }

    /// Opens the logs anew, at the end of a line. Then it drops `moved`.
    pub(crate) fn reopen(&self, moved: Option<Moved>) {
        // It ends only after this.
        let _ = self.control.send(Order::Reopen(moved));
    }

    /// Comes when all that is in the pipe now is in the logs.
    pub(crate) fn settled(&self) -> oneshot::Receiver<()> {
        let (done, settled) = oneshot::channel();
        let _ = self.control.send(Order::Settle(done));
        settled
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

async fn run(receiver: Receiver, mut sink: Sink, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            // Orders first: an app that never pauses must not keep them away.
            biased;
            order = orders.recv() => match order {
                Some(Order::Reopen(moved)) => sink.reopen(moved),
                Some(Order::Settle(done)) => {
                    for _ in 0..WHOLE_PIPE {
                        if !drain(&receiver, &mut sink, &mut chunk) {
                            break;
                        }
                    }
                    let _ = done.send(());
                }
                None => {
                    drain(&receiver, &mut sink, &mut chunk);
                    return;
                }
            },
            ready = receiver.readable() => match ready {
                Ok(()) => _ = drain(&receiver, &mut sink, &mut chunk),
                Err(_) => return,
            },
        }
    }
}

/// Writes out what the FIFO holds now. One chunk at a time, so that a flood does not keep the daemon from its work.
/// False if it holds nothing.
fn drain(receiver: &Receiver, sink: &mut Sink, chunk: &mut [u8]) -> bool {
    match sink.spool.take(receiver, chunk) {
        Ok(length @ 1..) => {
            sink.write(&chunk[..length]);
            true
        }
        _ => false,
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
    spool: Spool,
    /// The disk is full, or the like.
    failing: bool,
}

struct Log {
    path: PathBuf,
    file: File,
    failing: bool,
    /// Bytes that could not be written since it fails.
    lost: u64,
}

impl Log {
    /// Appends. Where that fails it is said once, and the lines are counted out: the app is not blocked.
    fn write(&mut self, bytes: &[u8]) {
        match self.file.write_all(bytes) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::warn!(
                    "log file {}: written again, {} bytes were lost",
                    self.path.display(),
                    self.lost
                );
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                self.lost += bytes.len() as u64;
                if !self.failing {
                    self.failing = true;
                    let path = self.path.display();
                    tracing::error!("log file {path}: {error}: lines are lost until this ends");
                }
            }
        }
    }

    /// Opens the file at the path anew. Where that fails, the old one serves on.
    fn open(&mut self) {
        match super::open(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => tracing::error!("{error}"),
        }
    }
}

impl Sink {
    /// Opens the logs, and brings there what an earlier daemon had taken and not written.
    fn new(
        stream: Stream,
        form: Form,
        paths: impl IntoIterator<Item = PathBuf>,
        spool: Spool,
    ) -> Result<Self, LogError> {
        let open = |path: PathBuf| Ok(Log { file: super::open(&path)?, path, failing: false, lost: 0 });
        let logs = paths.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let at_start = logs.first().is_none_or(|log| ends_a_line(&log.path));
        let mut sink = Self { stream, form, logs, at_start, reopening: Vec::new(), spool, failing: false };
        if let Err(error) = sink.resume() {
            tracing::error!("what was on its way to a log: {error}");
        }
        Ok(sink)
    }

    /// Goes on from where another daemon was killed.
    fn resume(&mut self) -> io::Result<()> {
        if let Some(ready) = self.spool.ready()? {
            for (log, &place) in self.logs.iter_mut().zip(&ready.places) {
                let written = ready.written(&log.path, place)?;
                log.write(&ready.bytes[written..]);
            }
            self.at_start = self.logs.first().is_none_or(|log| ends_a_line(&log.path));
            return self.spool.confirm();
        }
        let raw = self.spool.raw()?;
        if !raw.is_empty() {
            self.write(&raw);
        }
        Ok(())
    }

    fn write(&mut self, chunk: &[u8]) {
        let end = chunk.iter().position(|&byte| byte == b'\n').filter(|_| !self.reopening.is_empty());
        match end {
            // What follows goes to other files: each part is a step of its own.
            Some(end) => {
                let (line, rest) = chunk.split_at(end + 1);
                let line = self.formed(line);
                for log in &mut self.logs {
                    log.write(&line);
                }
                self.open_all();
                let rest = self.formed(rest);
                self.append(rest);
            }
            None => {
                let formed = self.formed(chunk);
                self.append(formed);
            }
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

    fn formed(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut formed = Vec::with_capacity(chunk.len() * 2);
        self.at_start =
            self.form.write(chunk, self.stream, &chrono::Local::now(), self.at_start, &mut formed);
        formed
    }

    /// Writes to all logs. What is in the spool is done with then.
    fn append(&mut self, bytes: Vec<u8>) {
        for log in &mut self.logs {
            // Removed by somebody: nobody would ever read what goes there.
            if log.file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                log.open();
            }
        }
        let places = self.logs.iter().map(|log| log.file.metadata().map_or(0, |meta| meta.len())).collect();
        let ready = Ready { places, bytes };
        let announced = self.spool.announce(&ready);
        for log in &mut self.logs {
            log.write(&ready.bytes);
        }
        match announced.and_then(|()| self.spool.confirm()) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!("{error}: lines may be lost if the daemon dies before this ends");
            }
            Err(_) => _ = self.spool.confirm(),
        }
    }
}

/// Whether what is appended to the file begins a line.
fn ends_a_line(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let file = File::open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, file.metadata()?.len().saturating_sub(1))?;
        Ok(byte[0])
    };
    last().map_or(true, |byte| byte == b'\n')
}
