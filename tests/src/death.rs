//! Deaths in the middle of a write: a process is traced, and killed as soon as a file would grow beyond a limit. The file
//! then ends at that limit, as if the system had stopped there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::{
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// The file, and the bytes that it may have.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What the process writes, also while it is called `.new`.
    pub file: PathBuf,
    /// It may become so long.
    pub bytes: u64,
}

/// A process under a limit, until this value is dropped.
pub struct Doomed {
    pid: Pid,
    is_pardoned: Arc<AtomicBool>,
    tracer: Option<JoinHandle<()>>,
}

impl Doomed {
    /// Kills `pid` when it would exceed the limit.
    pub fn new(pid: i32, limit: Limit) -> Self {
        let pid = Pid::from_raw(pid);
        let is_pardoned = Arc::new(AtomicBool::new(false));
        let pardon = Arc::clone(&is_pardoned);
        let (attached, is_attached) = std::sync::mpsc::channel();
        // A tracer is a thread.
        let tracer = thread::spawn(move || {
            ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD).expect("it is a process of this test");
            ptrace::interrupt(pid).expect("it is traced");
            let _ = attached.send(());
            trace(&limit, |_| pardon.load(Ordering::Relaxed));
        });
        is_attached.recv().expect("the tracer says so");
        Self { pid, is_pardoned, tracer: Some(tracer) }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.is_pardoned.store(true, Ordering::Relaxed);
        // Wakes the tracer; a daemon ignores it.
        let _ = kill(self.pid, Signal::SIGUSR1);
        if let Some(tracer) = self.tracer.take() {
            let _ = tracer.join();
        }
    }
}

/// Runs `command` to its end; whatever it starts is killed when it would exceed the limit.
pub fn run_doomed(command: &Command, limit: Limit) {
    // It waits until it is traced.
    let mut shell = Command::new("sh");
    shell.args(["-c", "read -r _; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().expect("a test has a directory"));
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let tracer = thread::spawn(move || {
        let mut child = shell.spawn().expect("there is a shell");
        let pid = Pid::from_raw(child.id() as i32);
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE;
        ptrace::seize(pid, options).expect("it is a child of this test");
        ptrace::interrupt(pid).expect("it is traced");
        child.stdin.take().expect("it is piped").write_all(b"\n").expect("it reads");
        trace(
            &limit,
            |status| matches!(status, WaitStatus::Exited(ended, _) | WaitStatus::Signaled(ended, ..) if *ended == pid),
        );
        // The tracer has collected its end already, unless it stopped early.
        let _ = child.wait();
    });
    tracer.join().expect("the tracer does not fail");
}

/// Follows the processes that this thread traces until `is_over` says so or none is left; the rest goes on untraced when
/// the thread ends.
fn trace(limit: &Limit, is_over: impl Fn(&WaitStatus) -> bool) {
    // Only what this thread has started or traces: the children of other tests are theirs.
    let mine = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    while let Ok(status) = waitpid(None, Some(mine)) {
        if is_over(&status) {
            return;
        }
        let (pid, signal) = match status {
            WaitStatus::PtraceSyscall(pid) => {
                if exceed(pid, limit).unwrap_or(false) {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        // It may have been killed meanwhile.
        let _ = ptrace::syscall(pid, signal);
    }
}

/// Whether a stopped process is about to write more than the limit allows. Then the part that fits has been written for it.
fn exceed(pid: Pid, limit: &Limit) -> io::Result<bool> {
    if ptrace::syscall_info(pid)?.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(false);
    }
    let call = fs::read_to_string(format!("/proc/{pid}/syscall"))?;
    let mut words = call.split_whitespace();
    if words.next().and_then(|number| number.parse().ok()) != Some(libc::SYS_write) {
        return Ok(false);
    }
    let mut argument = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
    let (Some(fd), Some(address), Some(count)) = (argument(), argument(), argument()) else {
        return Ok(false);
    };
    let fd = format!("/proc/{pid}/fd/{fd}");
    if !is_limited(&fs::read_link(&fd)?, &limit.file) {
        return Ok(false);
    }
    let length = fs::metadata(&fd)?.len();
    if length + count <= limit.bytes {
        return Ok(false);
    }
    let mut fitting = vec![0; limit.bytes.saturating_sub(length) as usize];
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut fitting, address)?;
    OpenOptions::new().append(true).open(&fd)?.write_all(&fitting)?;
    Ok(true)
}

/// Whether `written` is the file itself or the one that is to take its place.
fn is_limited(written: &Path, file: &Path) -> bool {
    written == file || written == file.with_extension("new")
}
