//! What can go wrong between a client and the daemon, and what to do about it.

use std::{io, path::PathBuf};

use nix::unistd::{Uid, User};
use rpm_core::{frame::FrameError, protocol::Failure};

/// Why no connection could be made, although there may be a daemon.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket or its home belongs to someone else.
    #[error(
        "permission denied on {}, which belongs to {owner}: run this as {owner}, or set {variable} to a directory of your own",
        socket.display()
    )]
    Denied {
        /// The daemon's socket.
        socket: PathBuf,
        /// Whose it is.
        owner: String,
        /// The environment variable that names another home.
        variable: &'static str,
    },
    /// The daemon or its home belongs to a user that this one does not trust.
    #[error(
        "{} belongs to {owner}: run this as {owner}, set {variable} to a directory of your own, or set PM2_SOCKET_USER to {owner} if you trust its daemon with your environment",
        socket.display()
    )]
    Stranger {
        /// The daemon's socket.
        socket: PathBuf,
        /// Whose it is.
        owner: String,
        /// The environment variable that names another home.
        variable: &'static str,
    },
    /// The path does not fit into a socket's address.
    #[error("{} is too long for a socket ({} bytes, at most 107): set {variable} to a shorter path", socket.display(), socket.as_os_str().len())]
    TooLong {
        /// The daemon's socket.
        socket: PathBuf,
        /// The environment variable that names another home.
        variable: &'static str,
    },
    /// The daemon of the original PM2 runs in this home, so that a second owner would run every app twice.
    #[error(
        "PM2's own daemon runs in {} and manages the apps there: end it first with that installation's `pm2 kill` (after `pm2 save`), or use another home",
        home.display()
    )]
    OtherOwner {
        /// The directory in which `rpc.sock` answers.
        home: PathBuf,
    },
    /// Anything else.
    #[error("cannot connect to {}: {source}", socket.display())]
    Io {
        /// The daemon's socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a daemon could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There may be one, but it cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The home could not be made.
    #[error("cannot create {}: {source}", path.display())]
    Home {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program could not be run again.
    #[error("cannot run the daemon: {0}")]
    Run(#[source] io::Error),
    /// The daemon ended, or said why it cannot work.
    #[error("the daemon did not start: {reason} (see {})", log.display())]
    NotReady {
        /// What it said.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// It said that it is ready and yet nobody listens.
    #[error("the daemon started and does not listen on {} (see {})", socket.display(), log.display())]
    Gone {
        /// Where it should listen.
        socket: PathBuf,
        /// Its log.
        log: PathBuf,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon answered that it could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The daemon speaks another version of the protocol.
    #[error(
        "the daemon is version {theirs} and this is version {ours}, which do not understand each other: end it with the program that started it (`kill`), or with `kill {pid}`"
    )]
    OtherVersion {
        /// Version of this program.
        ours: &'static str,
        /// Version of the daemon.
        theirs: String,
        /// The daemon's pid.
        pid: i32,
    },
    /// The daemon accepts and does not answer.
    #[error("the daemon{} does not answer on {}: end it with `kill -9`, its processes go on", named(*.pid), socket.display())]
    Hung {
        /// Its socket.
        socket: PathBuf,
        /// Its pid, if the system tells.
        pid: Option<i32>,
    },
    /// The connection ended before the answer did.
    #[error("the daemon closed the connection before it had answered (see {})", log.display())]
    Closed {
        /// The daemon's log.
        log: PathBuf,
    },
    /// A frame that could not be read or written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error("the connection to the daemon failed: {0}")]
    Io(#[from] io::Error),
}

fn named(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// The name of a user, or the number if it has none.
pub(crate) fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}
