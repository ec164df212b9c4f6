//! Output that needs work on every line.
//!
//! The child writes into a FIFO, which it holds open for reading and writing: a daemon that dies is neither a
//! SIGPIPE nor a lost line, because the next one opens the FIFO and goes on.

use std::{
    convert::Infallible,
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
    spool::{Identity, Note, Ready, Spool},
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

/// The pumps of a daemon.
#[derive(Debug)]
pub(crate) struct Pumping {
    /// Each pump has a copy until it has ended.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl Pumping {
    /// No pumps.
    pub(crate) fn new() -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self { alive, ended }
    }

    /// Waits until each pump, all of which were dropped, has written what its FIFO held.
    pub(crate) async fn end(self) {
        let Self { alive, mut ended } = self;
        drop(alive);
        let None = ended.recv().await;
    }
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
        pumping: &Pumping,
        fifo: PathBuf,
        (stream, form): (Stream, Form),
        logs: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, LogError> {
        let failed = |error| LogError { path: fifo.clone(), error };
        make_fifo(&fifo).map_err(failed)?;
        // Open for writing as well: without a child there is no end of file to wake for.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).map_err(failed)?;
        let spool = Spool::open(&fifo).map_err(failed)?;
        let sink = Sink::new(stream, form, logs, spool)?;
        let (control, orders) = mpsc::unbounded_channel();
        let alive = pumping.alive.clone();
        tokio::spawn(async move {
            run(receiver, sink, orders).await;
            drop(alive);
        });
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
                    drain_all(&receiver, &mut sink, &mut chunk);
                    let _ = done.send(());
                }
                None => return drain_all(&receiver, &mut sink, &mut chunk),
            },
            ready = receiver.readable() => match ready {
                Ok(()) => _ = drain(&receiver, &mut sink, &mut chunk),
                Err(_) => return,
            },
        }
    }
}

/// Writes out all that the FIFO holds now; what is written to it meanwhile may be left.
fn drain_all(receiver: &Receiver, sink: &mut Sink, chunk: &mut [u8]) {
    for _ in 0..WHOLE_PIPE {
        if !drain(receiver, sink, chunk) {
            break;
        }
    }
}

/// Writes out what the FIFO holds now. One chunk at a time, so that a flood does not keep the daemon from its work.
/// False if it holds nothing.
fn drain(receiver: &Receiver, sink: &mut Sink, chunk: &mut [u8]) -> bool {
    match sink.spool.take(receiver, chunk) {
        Ok(length @ 1..) => {
            sink.write(&chunk[..length], 0);
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
        let note = spool.note().unwrap_or_else(|error| {
            tracing::error!("what was on its way to a log: {error}");
            Note::default()
        });
        let open = |path: PathBuf| Ok(Log { file: super::open(&path)?, path, failing: false, lost: 0 });
        let logs = paths.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let reopening = Vec::new();
        let mut sink = Self { stream, form, logs, at_start: true, reopening, spool, failing: false };
        if let Err(error) = sink.resume(note) {
            tracing::error!("what was on its way to a log: {error}");
        }
        Ok(sink)
    }

    /// Goes on from where another daemon was killed.
    fn resume(&mut self, note: Note) -> io::Result<()> {
        let mut files: Vec<PathBuf> = self.logs.iter().map(|log| log.path.clone()).collect();
        for ((log, file), &last) in self.logs.iter_mut().zip(&mut files).zip(&note.files) {
            if Identity::of(&log.file.metadata()?) == last {
                continue;
            }
            // It was moved away, and is written to until the end of the line.
            if let Some(moved) = last.find_beside(&log.path) {
                log.file = super::open(&moved).map_err(io::Error::other)?;
                *file = moved;
                self.reopening.push(None);
            }
        }
        let mut done = note.done;
        if let Some(ready) = note.ready {
            for ((log, file), &place) in self.logs.iter_mut().zip(&files).zip(&ready.places) {
                let written = ready.written(file, place)?;
                log.write(&ready.bytes[written..]);
            }
            done = ready.done;
        }
        self.at_start = files.first().is_none_or(|file| ends_a_line(file));
        if self.at_start && !self.reopening.is_empty() {
            self.open_all(done);
        } else {
            self.begin(done);
        }
        let raw = self.spool.raw()?;
        if done < raw.len() {
            self.write(&raw, done);
            return Ok(());
        }
        self.spool.confirm()
    }

    /// Brings what was taken to the logs, but for what is `done`.
    fn write(&mut self, chunk: &[u8], mut done: usize) {
        let end = chunk[done..].iter().position(|&byte| byte == b'\n').filter(|_| !self.reopening.is_empty());
        if let Some(end) = end {
            // What follows goes to other files.
            let next = done + end + 1;
            self.append(&chunk[done..next], next, done);
            self.open_all(next);
            done = next;
        }
        if done < chunk.len() {
            self.append(&chunk[done..], chunk.len(), done);
        }
        // Said when it was announced.
        let _ = self.spool.confirm();
    }

    /// Opens the logs anew, now or at the end of the line.
    fn reopen(&mut self, moved: Option<Moved>) {
        self.reopening.push(moved);
        if self.at_start {
            self.open_all(0);
        }
    }

    /// Opens the logs anew. So much of what was taken is in the old ones.
    fn open_all(&mut self, done: usize) {
        self.logs.iter_mut().for_each(Log::open);
        self.begin(done);
        self.reopening.clear();
    }

    /// Notes which files the logs are now.
    fn begin(&mut self, done: usize) {
        let identity = |log: &Log| log.file.metadata().ok().map(|meta| Identity::of(&meta));
        let files = self.logs.iter().map_while(identity).collect();
        let begun = self.spool.begin(files, done);
        self.report(begun);
    }

    fn formed(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut formed = Vec::with_capacity(chunk.len() * 2);
        self.at_start =
            self.form.write(chunk, self.stream, &chrono::Local::now(), self.at_start, &mut formed);
        formed
    }

    /// Writes to all logs. Then so much of what was taken is there that was `done` before and will be `then`.
    fn append(&mut self, chunk: &[u8], then: usize, done: usize) {
        let bytes = self.formed(chunk);
        let mut renewed = false;
        for log in &mut self.logs {
            // Removed by somebody: nobody would ever read what goes there.
            if log.file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                log.open();
                renewed = true;
            }
        }
        if renewed {
            self.begin(done);
        }
        let places = self.logs.iter().map(|log| log.file.metadata().map_or(0, |meta| meta.len())).collect();
        let ready = Ready { places, done: then, bytes };
        let announced = self.spool.announce(&ready);
        self.report(announced);
        for log in &mut self.logs {
            log.write(&ready.bytes);
        }
    }

    /// Says once that the spool cannot be written.
    fn report(&mut self, outcome: io::Result<()>) {
        let was_failing = std::mem::replace(&mut self.failing, outcome.is_err());
        if let Err(error) = outcome
            && !was_failing
        {
            tracing::error!("{error}: lines may be lost if the daemon dies before this ends");
        }
    }
}

/// Whether what is appended to the file begins a line.
fn ends_a_line(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let file = super::open_to_read(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, file.metadata()?.len().saturating_sub(1))?;
        Ok(byte[0])
    };
    last().map_or(true, |byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use rpm_core::{AppSpec, Interpreter, ProcessId};

    use super::*;

    /// A log that is moved away in the middle of a line, by a daemon that dies.
    struct Case {
        directory: tempfile::TempDir,
    }

    impl Case {
        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }

        /// What a daemon begins with.
        fn sink(&self) -> Sink {
            let mut app = AppSpec::new("a", "/bin/x".into(), Interpreter::None, "/".into());
            app.log_date_format = Some("[at]".to_owned());
            let form = Form::of(&app, ProcessId(0), false).unwrap();
            let spool = Spool::open(&self.path("0.out")).unwrap();
            Sink::new(Stream::Out, form, [self.path("a.log")], spool).unwrap()
        }

        fn begun() -> (Self, Sink) {
            let case = Self { directory: tempfile::tempdir().unwrap() };
            let mut sink = case.sink();
            sink.write(b"one\ntw", 0);
            fs::rename(case.path("a.log"), case.path("a__D.log")).unwrap();
            (case, sink)
        }

        fn ends(&self) {
            assert_eq!(self.text("a__D.log"), "at: one\nat: two\n");
            assert_eq!(self.text("a.log"), "at: three\n");
            assert_eq!(self.text("0.raw"), "");
        }
    }

    /// Its files stay as they are.
    fn dies(sink: Sink) {
        std::mem::forget(sink);
    }

    #[test]
    fn a_line_ends_in_the_log_in_which_it_began() {
        let (case, sink) = Case::begun();
        dies(sink);
        let mut next = case.sink();
        next.write(b"o\nthree\n", 0);
        case.ends();
    }

    #[test]
    fn what_was_announced_is_looked_for_in_the_log_that_was_moved() {
        for is_renewed in [false, true] {
            let (case, mut sink) = Case::begun();
            fs::write(case.path("0.raw"), "o\nthree\n").unwrap();
            sink.reopening.push(None);
            sink.append(b"o\n", 2, 0);
            if is_renewed {
                sink.open_all(2);
            }
            dies(sink);
            dies(case.sink());
            case.ends();
        }
    }

    #[tokio::test]
    async fn what_a_large_pipe_holds_is_written_before_the_daemon_ends() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("a.log");
        let mut app = AppSpec::new("a", "/bin/x".into(), Interpreter::None, "/".into());
        app.log_date_format = Some("[at]".to_owned());
        let form = Form::of(&app, ProcessId(0), false).unwrap();
        let pumping = Pumping::new();
        let fifo = directory.path().join("fifo");
        let pump = Pump::start(&pumping, fifo, (Stream::Out, form), [log.clone()]).unwrap();
        let mut writer = pump.open_for_child().unwrap();
        rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
        let lines = "line\n".repeat(100_000);
        writer.write_all(lines.as_bytes()).unwrap();
        drop(pump);
        pumping.end().await;
        assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 100_000);
    }
}
