//! One process of a step: its output line by line, and its end.

use std::{
    io::{self, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, pidfd_open},
};

use super::Cancel;

/// When a process is ended from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limit {
    /// Its own time.
    pub(crate) timeout: Option<Instant>,
    /// The time of the job and of the run.
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancels: Vec<Cancel>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

/// Between the signals: first it is asked to end, then told.
const GRACE: Duration = Duration::from_millis(2500);

/// GitHub's runner uses these, too.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL];

/// A line of more bytes is cut.
const MAX_LINE: usize = 1 << 20;

/// Runs a command in a process group of its own and gives what it writes, on either stream, line by line.
///
/// What it leaves running in the background goes on, as it does on GitHub between steps.
pub(crate) fn run(command: &mut Command, limit: &Limit, on_line: &mut dyn FnMut(&str)) -> io::Result<End> {
    let (reader, writer) = io::pipe()?;
    command.process_group(0).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the writing end, which has to be closed for the end of the output to be seen.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let end = follow(&mut child, reader, limit, on_line);
    if end.is_err() {
        // Nobody would wait for it.
        kill(&child, Signal::SIGKILL);
        child.wait()?;
    }
    end
}

fn kill(child: &Child, signal: Signal) {
    // It may have ended by now; its group cannot be another's, because it has not been waited for.
    _ = killpg(Pid::from_raw(child.id() as i32), signal);
}

fn follow(
    child: &mut Child,
    mut output: PipeReader,
    limit: &Limit,
    on_line: &mut dyn FnMut(&str),
) -> io::Result<End> {
    let pid = rustix::process::Pid::from_child(child);
    let exit = pidfd_open(pid, PidfdFlags::empty())?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let mut lines = Lines::default();
    let mut is_open = true;
    let mut ending: Option<Ending> = None;
    loop {
        if ending.is_none() {
            ending = limit.reached().map(|end| Ending { end, next: Instant::now(), sent: 0 });
        }
        if let Some(ending) = &mut ending {
            ending.proceed(child);
        }
        let next = ending.as_ref().map_or_else(|| limit.next(), Ending::next);
        let cancels = if ending.is_none() { limit.cancels.as_slice() } else { &[] };
        let output_fd = is_open.then(|| output.as_fd());
        wait(exit.as_fd(), output_fd, cancels, next)?;
        if is_open {
            is_open = lines.read(&mut output, on_line)?;
        }
        if let Some(status) = child.try_wait()? {
            if is_open {
                is_open = lines.read(&mut output, on_line)?;
            }
            lines.finish(on_line);
            if is_open {
                discard(output);
            }
            return Ok(ending.map_or(End::Exited(status), |ending| ending.end));
        }
    }
}

/// Somebody in the background holds the other end, and shall not be ended by a broken pipe.
fn discard(mut output: PipeReader) {
    if rustix::io::ioctl_fionbio(&output, false).is_ok() {
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    }
}

/// A process that is being ended.
struct Ending {
    end: End,
    next: Instant,
    sent: usize,
}

impl Ending {
    /// Sends the next signal if it is time.
    fn proceed(&mut self, child: &Child) {
        while let Some(signal) = SIGNALS.get(self.sent).filter(|_| Instant::now() >= self.next) {
            kill(child, *signal);
            self.sent += 1;
            self.next = Instant::now() + GRACE;
        }
    }

    fn next(&self) -> Option<Instant> {
        (self.sent < SIGNALS.len()).then_some(self.next)
    }
}

impl Limit {
    /// Why it is time to end, if it is.
    pub(crate) fn reached(&self) -> Option<End> {
        let is_over = |time: Option<Instant>| time.is_some_and(|time| Instant::now() >= time);
        if is_over(self.deadline) || self.cancels.iter().any(Cancel::is_cancelled) {
            return Some(End::Cancelled);
        }
        is_over(self.timeout).then_some(End::TimedOut)
    }

    fn next(&self) -> Option<Instant> {
        [self.timeout, self.deadline].into_iter().flatten().min()
    }
}

/// Waits until there is something to do.
fn wait(
    exit: BorrowedFd<'_>,
    output: Option<BorrowedFd<'_>>,
    cancels: &[Cancel],
    until: Option<Instant>,
) -> io::Result<()> {
    let watched =
        [Some(exit), output].into_iter().flatten().chain(cancels.iter().filter_map(Cancel::descriptor));
    let mut watched: Vec<_> = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    // A time too far for the kernel's type is never reached.
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut watched, left.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Bytes that become lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Reads all that is there. Whether more can come.
    fn read(&mut self, output: &mut PipeReader, on_line: &mut dyn FnMut(&str)) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.push(&buffer[..count], on_line),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn push(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(&str)) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.0.extend_from_slice(part);
            self.emit(on_line);
        }
        self.0.extend_from_slice(last);
        if self.0.len() > MAX_LINE {
            self.emit(on_line);
        }
    }

    fn emit(&mut self, on_line: &mut dyn FnMut(&str)) {
        let line = std::mem::take(&mut self.0);
        let line = String::from_utf8_lossy(&line);
        on_line(line.strip_suffix('\r').unwrap_or(&line));
    }

    fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if !self.0.is_empty() {
            self.emit(on_line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: &Limit) -> (End, Vec<String>) {
        let mut lines = Vec::new();
        let end =
            run(Command::new("sh").args(["-c", script]), limit, &mut |line| lines.push(line.to_owned()));
        (end.unwrap(), lines)
    }

    #[test]
    fn both_streams_are_read_to_the_end() {
        let (end, lines) = sh("echo a; echo b >&2; printf 'c\\r\\nd'; exit 3", &Limit::default());
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)));
        assert_eq!(lines, ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_is_left_in_the_background_is_not_waited_for() {
        let (end, lines) = sh("sleep 60 & echo $!", &Limit::default());
        assert!(matches!(end, End::Exited(status) if status.success()));
        killpg_of(&lines[0]);
    }

    /// The background process of a test ends with it.
    fn killpg_of(pid: &str) {
        let pid = Pid::from_raw(pid.parse().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    }

    #[test]
    fn the_whole_group_is_ended_when_it_is_time() {
        let limit = Limit { timeout: Some(Instant::now()), ..Limit::default() };
        let (end, _) = sh("sleep 60; sleep 60", &limit);
        assert!(matches!(end, End::TimedOut));
        let cancel = Cancel::default();
        let limit = Limit { cancels: vec![cancel.clone()], ..Limit::default() };
        let mut lines = Vec::new();
        let end = run(Command::new("sh").args(["-c", "echo up; sleep 60"]), &limit, &mut |line| {
            lines.push(line.to_owned());
            cancel.cancel();
        });
        assert!(matches!(end, Ok(End::Cancelled)));
        assert_eq!(lines, ["up"]);
    }
}
