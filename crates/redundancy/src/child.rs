//! Programs that are run with limits of time and memory: whatever they do, this returns, and their process group is
//! gone then.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, poll},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use rpm_core::Bytes;

use crate::stop::{Stop, timeout};

/// What a program may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time until it is killed.
    pub time: Duration,
    /// Resident memory of the program itself, looked at again and again while it runs.
    pub memory: Option<Bytes>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut,
    /// It had this much.
    OutOfMemory(Bytes),
    /// The companion itself is to end.
    Stopped,
}

/// How a program ended and the last that it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub end: End,
    pub stdout: String,
    pub stderr: String,
}

/// Of each stream so much is kept, from its end.
const KEPT: usize = 64 << 10;

/// How often memory is looked at.
const MEMORY_LOOK: Duration = Duration::from_millis(20);

/// Runs a program to its end, in a process group of its own and without standard input.
pub(crate) fn run(command: &mut Command, limits: Limits, stop: &Stop) -> io::Result<Outcome> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let end = supervise(&mut child, limits, stop);
    // Also those that it left behind. An error says that there are none.
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    let status = child.wait()?;
    let (end, streams) = end?;
    let end = end.unwrap_or(End::Exited(status));
    let [stdout, stderr] = streams.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Outcome { end, stdout, stderr })
}

/// Waits; `None` if it ended by itself.
fn supervise(child: &mut Child, limits: Limits, stop: &Stop) -> io::Result<(Option<End>, [Vec<u8>; 2])> {
    let deadline = Instant::now() + limits.time;
    let pid = rustix::process::Pid::from_child(child);
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let mut streams = [Stream::new(child.stdout.take())?, Stream::new(child.stderr.take())?];
    let end = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Some(End::TimedOut);
        }
        let pause = if limits.memory.is_some() { left.min(MEMORY_LOOK) } else { left };
        let mut polled = vec![
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.descriptor(), PollFlags::POLLIN),
        ];
        polled.extend(streams.iter().filter_map(Stream::poll));
        match poll(&mut polled, timeout(pause)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |index: usize| polled.get(index).is_some_and(|fd| fd.any() == Some(true));
        let (has_ended, is_stopped) = (is_ready(0), is_ready(1));
        drop(polled);
        for stream in &mut streams {
            stream.read()?;
        }
        if has_ended {
            break None;
        }
        if is_stopped {
            break Some(End::Stopped);
        }
        if let (Some(limit), Some(used)) = (limits.memory, resident(child.id()))
            && used > limit
        {
            break Some(End::OutOfMemory(used));
        }
    };
    Ok((end, streams.map(|stream| stream.kept)))
}

/// Resident memory of a process.
fn resident(pid: u32) -> Option<Bytes> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(Bytes(pages * rustix::param::page_size() as u64))
}

/// One stream of a program, read as it comes.
struct Stream {
    source: Option<File>,
    kept: Vec<u8>,
}

impl Stream {
    fn new(source: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let source = source.map(|source| File::from(source.into()));
        if let Some(source) = &source {
            fcntl(source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { source, kept: Vec::new() })
    }

    fn poll(&self) -> Option<PollFd<'_>> {
        self.source.as_ref().map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN))
    }

    /// Takes what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8 << 10];
        while let Some(source) = &mut self.source {
            match source.read(&mut chunk) {
                Ok(0) => self.source = None,
                Ok(length) => {
                    self.kept.extend_from_slice(&chunk[..length]);
                    if self.kept.len() > 2 * KEPT {
                        self.kept.drain(..self.kept.len() - KEPT);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The last line of a text that says something, for messages.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, time: Duration, memory: Option<Bytes>) -> Outcome {
        let stop = Stop::never().unwrap();
        run(Command::new("sh").args(["-c", script]), Limits { time, memory }, &stop).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_it_said_and_how_it_ended_is_told() {
        let outcome = shell("echo out; echo err >&2; exit 3", LONG, None);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
        assert!(matches!(outcome.end, End::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn what_never_ends_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; sleep 1000", path.display());
        let outcome = shell(&script, Duration::from_millis(300), None);
        assert_eq!(outcome.end, End::TimedOut);
        let Ok(pid) = fs::read_to_string(&path) else { return };
        let limit = Instant::now() + LONG;
        loop {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            assert!(Instant::now() < limit, "it was killed: {stat}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_flood_of_output_is_kept_from_its_end() {
        let outcome = shell("seq 1 200000", LONG, None);
        assert!(outcome.stdout.len() <= 2 * KEPT && outcome.stdout.ends_with("\n200000\n"));
    }

    #[test]
    fn more_memory_than_allowed_ends_it() {
        let script = "node -e 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))'";
        let outcome = shell(&format!("exec {script}"), LONG, Some(Bytes(200 << 20)));
        assert!(matches!(outcome.end, End::OutOfMemory(_)), "{outcome:?}");
    }
}
