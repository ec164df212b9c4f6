//! A command that runs, and what it said.

use std::{
    fmt, fs,
    io::Read,
    process::{Child, ChildStdin, Command},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait::{LIMIT, within};

/// A command that runs in the background. It is killed when it goes out of scope.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    /// Starts `command`, whose output streams must be piped.
    pub fn start(mut command: Command) -> Self {
        let words: Vec<_> =
            command.get_args().map(|word| word.to_string_lossy().escape_debug().to_string()).collect();
        let line = format!("rpm {}", words.join(" "));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let stdout = Stream::collect(child.stdout.take());
        let stderr = Stream::collect(child.stderr.take());
        Self { line, child, stdout, stderr }
    }

    /// Its standard input, which must be piped; it ends where this goes out of scope.
    #[track_caller]
    pub fn typing(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is piped, and asked for once")
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// What it has written to standard output by now.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error by now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard output holds `text`.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.shows_where(text, |stdout| stdout.contains(text));
    }

    /// Waits until `condition` holds for standard output.
    #[track_caller]
    pub fn shows_where(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let shown = within(LIMIT, || condition(&self.stdout()).then_some(())).is_some();
        assert!(shown, "`{}` never showed {what:?}, but\n{}\n{}", self.line, self.stdout(), self.stderr());
    }

    /// Waits until it has asked the daemon: it has a connection, and sleeps until the answer comes.
    #[track_caller]
    pub fn has_asked(&self) {
        let directory = format!("/proc/{}", self.pid());
        let asked = within(LIMIT, || {
            let mut open = fs::read_dir(format!("{directory}/fd")).ok()?.flatten();
            let is_socket = |link: fs::DirEntry| {
                fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
            };
            let stat = fs::read_to_string(format!("{directory}/stat")).ok()?;
            (open.any(is_socket) && stat.rsplit_once(") ")?.1.starts_with('S')).then_some(())
        });
        assert!(asked.is_some(), "`{}` never asked\n{}\n{}", self.line, self.stdout(), self.stderr());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it runs");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_some()
    }

    /// Its end: that of the process, and of everybody who could write to its output.
    pub fn output(mut self) -> Output {
        let ended = within(LIMIT * 2, || {
            let status = self.child.try_wait().expect("it is a child")?;
            (self.stdout.has_ended() && self.stderr.has_ended()).then_some(status)
        });
        let Some(status) = ended else {
            panic!(
                "`{}` did not end, or somebody still holds its output:\n{}\n{}",
                self.line,
                self.stdout(),
                self.stderr()
            );
        };
        Output { line: self.line.clone(), code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One stream of output, read by a thread so that the other cannot block.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn collect(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::default();
        let sink: Arc<Mutex<Vec<u8>>> = Arc::clone(&bytes);
        let reader = stream.map(|mut stream| {
            thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut chunk) {
                    sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Output {
    line: String,
    /// The exit code; `None` for a death by signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// It ended with `code`.
    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Self {
        assert!(self.code == Some(code), "expected exit code {code} of {self}");
        self
    }

    /// Standard output holds `text`.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "expected {text:?} on standard output of {self}");
        self
    }

    /// Standard error holds `text`.
    #[track_caller]
    pub fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected {text:?} on standard error of {self}");
        self
    }

    /// Neither stream holds `text`.
    #[track_caller]
    pub fn says_nothing_of(&self, text: &str) -> &Self {
        let held = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!held, "expected nothing of {text:?} from {self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "`{}` (ended with {code})", self.line)?;
        write!(f, "\n--- stdout\n{}--- stderr\n{}---", self.stdout, self.stderr)
    }
}
