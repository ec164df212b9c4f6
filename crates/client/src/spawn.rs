//! Starting the daemon where there is none: exactly one, however many clients want it at once.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{DirBuilderExt, OpenOptionsExt},
            net::UnixStream,
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, Flock, FlockArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};
use rpm_core::{
    Home, ProcessId,
    protocol::{DAEMON_VERB, NOTIFY_SOCKET},
    summed,
};

use crate::{ConnectError, Connection, SpawnError};

/// The variable with the number of the descriptor on which the daemon says that it listens.
pub const READY_FD: &str = "RPM_READY_FD";

/// What it says there. Anything else is the reason why it cannot work.
pub const READY: &str = "ready\n";

/// A daemon that has much to adopt may take its time; one that takes longer than this hangs.
const READY_LIMIT_MS: u16 = 30_000;

/// Connects to the daemon of `home`; `None` when there is none.
///
/// Where a daemon died its successor is started first: what it takes over is there, even if nobody looks after it.
pub fn connect(home: &Home) -> Result<Option<Connection>, SpawnError> {
    match Connection::connect(home)? {
        Some(connection) => Ok(Some(connection.starting_successors())),
        None => {
            refuse_other_owner(home.root())?;
            if !has_died(home) {
                return Ok(None);
            }
            connect_or_spawn(home, || {}).map(|(connection, _)| Some(connection))
        }
    }
}

/// Fails if the daemon of the original PM2 runs in the directory `home`: its `rpc.sock` accepts a connection. The file
/// alone proves nothing, because a daemon that was killed leaves it.
pub fn refuse_other_owner(home: &Path) -> Result<(), ConnectError> {
    match UnixStream::connect(home.join("rpc.sock")) {
        Ok(_) => Err(ConnectError::OtherOwner { home: home.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Whether a daemon of `home` has left its journal, and the system was not started again since.
fn has_died(home: &Home) -> bool {
    let Ok(boot) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else { return false };
    let mut first = String::new();
    let read = File::open(home.journal()).and_then(|file| BufReader::new(file).read_line(&mut first));
    // What a damaged line says is nothing to go by: a daemon reads what the others say.
    let is_damaged = summed::is_summed(first.as_bytes()) && summed::content(first.as_bytes()).is_none();
    read.is_ok() && (first.contains(boot.trim()) || is_damaged)
}

/// Connects to the daemon of `home`, and starts one if there is none.
///
/// `announce` is called just before a daemon is started. Gives the connection and whether one was started.
pub fn connect_or_spawn(home: &Home, announce: impl FnOnce()) -> Result<(Connection, bool), SpawnError> {
    let found = |connection: Connection, started| Ok((connection.starting_successors(), started));
    if let Some(connection) = Connection::connect(home)? {
        return found(connection, false);
    }
    prepare_home(home)?;
    // Whoever else wants a daemon waits here, and then finds it.
    let _lock = lock(&home.spawn_lock())?;
    if let Some(connection) = Connection::connect(home)? {
        return found(connection, false);
    }
    announce();
    spawn(home)?;
    match Connection::connect(home)? {
        Some(connection) => found(connection, true),
        None => Err(SpawnError::Gone { socket: home.socket(), log: home.daemon_log() }),
    }
}

/// Makes the directories that must be there before a daemon is, closed to other users. Everything that writes into the
/// home begins here, so that it fails in a home that the daemon of the original PM2 owns.
pub fn prepare_home(home: &Home) -> Result<(), SpawnError> {
    crate::trust::home(home)?;
    if Connection::connect(home)?.is_none() {
        refuse_other_owner(home.root())?;
    }
    let is_new = !home.root().exists();
    let mut directories = vec![home.root().to_owned(), home.state_dir()];
    if is_new {
        directories.extend([home.logs_dir(), home.pids_dir()]);
    }
    for path in directories {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| SpawnError::Home { path, source })?;
    }
    Ok(())
}

/// Opens a file of the home, never through a link.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

fn lock(path: &Path) -> Result<Flock<File>, SpawnError> {
    let failed = |source: io::Error| SpawnError::Home { path: path.to_owned(), source };
    let file = append_to(path).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))
}

fn spawn(home: &Home) -> Result<(), SpawnError> {
    let log_path = home.daemon_log();
    let failed = |source: io::Error| SpawnError::Home { path: log_path.clone(), source };
    let log = append_to(&log_path).map_err(failed)?;
    let log_copy = log.try_clone().map_err(failed)?;
    let (ours, theirs) = ready_pipe().map_err(|errno| SpawnError::Run(errno.into()))?;

    let mut command = Command::new(std::env::current_exe().map_err(SpawnError::Run)?);
    // The persona is in the name.
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    let mut child = command
        .arg(DAEMON_VERB)
        .env(home.persona().home_variable(), home.root())
        .env(READY_FD, theirs.as_raw_fd().to_string())
        // It is no part of the service that this may have been started by, and none of the app that may have called this:
        // it would end with that.
        .env_remove(NOTIFY_SOCKET)
        .env_remove(Home::ID_VARIABLE)
        .env_remove(ProcessId::VARIABLE)
        // A daemon must not hold the directory in which it happened to be started.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_copy)
        .spawn()
        .map_err(SpawnError::Run)?;
    // The end of the file tells of a daemon that died, once nobody but it holds the writing end.
    drop(theirs);
    match await_ready(ours) {
        Ok(said) if said == READY => Ok(()),
        outcome => {
            let reason = match outcome {
                Ok(said) if said.trim().is_empty() => match child.wait() {
                    Ok(status) => format!("it ended with {status}"),
                    Err(error) => error.to_string(),
                },
                Ok(said) => said.trim().to_owned(),
                Err(error) => error.to_string(),
            };
            Err(SpawnError::NotReady { reason, log: home.daemon_log() })
        }
    }
}

/// A pipe whose writing end the child inherits.
fn ready_pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok((ours, theirs))
}

/// What the daemon says before it closes its end.
fn await_ready(pipe: OwnedFd) -> io::Result<String> {
    let mut said = Vec::new();
    let mut pipe = File::from(pipe);
    loop {
        let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(&pipe), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::from(READY_LIMIT_MS)) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it is not ready after 30 s")),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        let mut chunk = [0; 512];
        match pipe.read(&mut chunk)? {
            0 => break,
            length => said.extend_from_slice(&chunk[..length]),
        }
        if said == READY.as_bytes() {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}
