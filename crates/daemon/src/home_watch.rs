//! The home while its daemon lives: what the daemon needs in it may be removed, or all of it, or moved away.
//!
//! The kernel tells of that; nothing is polled. A directory that is being removed loses one file after the other, so the
//! daemon looks when that is over.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::inotify::AddWatchFlags;
use rpm_core::Home;

use crate::{
    clock::Now,
    files::{Place, place},
    inotify::Inotify,
};

/// How long after a change the home is looked at, milliseconds.
const CALM: u64 = 500;

/// How long until another daemon that holds the lock of a home made again is asked once more, milliseconds.
const RETRY: u64 = 1_000;

/// Watches the directory, and remembers what is this daemon's in it.
pub(crate) struct HomeWatch {
    root: PathBuf,
    state: PathBuf,
    inotify: Option<Inotify>,
    /// The directory, and the file of the socket.
    directory: Option<Place>,
    socket: Option<Place>,
    /// When to look, on the monotonic clock.
    due: Option<u64>,
    /// It is not where it was, and the daemon's log says so.
    is_lost: bool,
}

/// What is left of the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All that belongs to the daemon.
    Whole,
    /// The directory, but not all that was in it.
    Robbed,
    /// Another directory, where it was.
    Another,
    /// Nothing.
    Gone,
}

impl HomeWatch {
    /// Watches `home`, in which this daemon has its socket. Must be called within a runtime.
    pub(crate) fn new(home: &Home) -> Self {
        let inotify =
            Inotify::new().inspect_err(|error| tracing::warn!("the home is not watched: {error}")).ok();
        let mut watch = Self {
            root: home.root().to_owned(),
            state: home.state_dir(),
            inotify,
            directory: None,
            socket: None,
            due: None,
            is_lost: false,
        };
        watch.remember(home);
        watch
    }

    /// What is there now is this daemon's.
    pub(crate) fn remember(&mut self, home: &Home) {
        if self.is_lost {
            // What the directory above it tells is of no interest any more.
            self.inotify = Inotify::new().ok();
        }
        (self.directory, self.socket) = (place_of(home.root()), place_of(&home.socket()));
        (self.due, self.is_lost) = (None, false);
        let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        self.watch(&self.root, gone | AddWatchFlags::IN_MOVED_FROM);
        self.watch(&self.state, gone);
    }

    fn watch(&self, path: &Path, mask: AddWatchFlags) {
        if let Some(inotify) = &self.inotify
            && let Err(error) = inotify.add(path, mask | AddWatchFlags::IN_ONLYDIR)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{} is not watched: {error}", path.display());
        }
    }

    /// Returns when it is time for a [`Self::look`]. Can be dropped at any time.
    pub(crate) async fn calls(&mut self) {
        loop {
            let pause = self.due.map(|due| Duration::from_millis(due.saturating_sub(Now::read().mono)));
            let events = async {
                match &self.inotify {
                    Some(inotify) => inotify.events().await.map(drop),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = events => {
                    if heard.is_err() {
                        self.inotify = None;
                    }
                    self.due = Some(Now::read().mono + CALM);
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => return,
            }
        }
    }

    /// Looks again soon: what was found could not be mended.
    pub(crate) fn retry(&mut self) {
        self.due = Some(Now::read().mono + RETRY);
    }

    /// What is left of the home.
    pub(crate) fn look(&mut self, home: &Home) -> Found {
        self.due = None;
        let directory = place_of(home.root());
        if directory.is_none() {
            return Found::Gone;
        }
        if self.is_lost || directory != self.directory {
            return Found::Another;
        }
        let is_there = |path: PathBuf| path.symlink_metadata().is_ok();
        let is_whole = place_of(&home.socket()) == self.socket
            && [home.daemon_pid(), home.daemon_lock(), home.journal(), home.identity()]
                .into_iter()
                .all(is_there);
        if is_whole { Found::Whole } else { Found::Robbed }
    }

    /// The directory is not where it was. Returns whether that is news. A directory that is made there again is told of.
    pub(crate) fn lose(&mut self) -> bool {
        if let Some(parent) = self.root.parent() {
            self.watch(parent, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        }
        !std::mem::replace(&mut self.is_lost, true)
    }

    /// Whether the socket at its path is the one that this daemon has made.
    pub(crate) fn has_socket(&self, home: &Home) -> bool {
        self.socket.is_some() && place_of(&home.socket()) == self.socket
    }
}

/// Where the file or directory at `path` is. The home itself may be reached through a link.
fn place_of(path: &Path) -> Option<Place> {
    fs::metadata(path).ok().map(|meta| place(&meta))
}
