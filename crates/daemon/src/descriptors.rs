//! How many files the daemon may have open, and what it does when those are all.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::libc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are kept for seeing and ending the trees of processes.
const RESERVE: usize = 16;

/// The daemon's own limit of descriptors: as high as the system allows, while children have the one that the daemon was
/// started with (a program that uses `select` cannot have more than 1024).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    own: Rlimit,
    childrens: Rlimit,
}

impl Limit {
    /// Raises the limit. `childrens` is that of the children, if it is not the present one.
    pub(crate) fn raise(childrens: Option<u64>) -> Self {
        let present = getrlimit(Resource::Nofile);
        let own = Rlimit { current: present.maximum, ..present };
        let childrens = Rlimit { current: childrens.or(present.current), ..present };
        if own != present
            && let Err(error) = setrlimit(Resource::Nofile, own)
        {
            tracing::warn!("no more than {:?} descriptors: {error}", present.current);
        }
        Self { own, childrens }
    }

    /// That of the children; `None` is none.
    pub(crate) fn childrens(&self) -> Option<u64> {
        self.childrens.current
    }

    /// Does `act` under the limit of the children, which a child that it starts inherits.
    pub(crate) fn as_children<T>(&self, act: impl FnOnce() -> T) -> T {
        if self.own == self.childrens {
            return act();
        }
        // Neither is above the hard limit, so neither is refused.
        let _ = setrlimit(Resource::Nofile, self.childrens);
        let outcome = act();
        let _ = setrlimit(Resource::Nofile, self.own);
        outcome
    }
}

/// Descriptors that are there for what must not fail for want of one.
#[derive(Debug, Default)]
pub(crate) struct Reserve(Vec<OwnedFd>);

impl Reserve {
    /// Does `act` with these descriptors free.
    pub(crate) fn lend<T>(&mut self, act: impl FnOnce() -> T) -> T {
        self.0.clear();
        let outcome = act();
        self.fill();
        outcome
    }

    /// Takes back what is missing, as far as there is any.
    pub(crate) fn fill(&mut self) {
        while self.0.len() < RESERVE {
            let another = match self.0.first() {
                Some(first) => first.as_fd().try_clone_to_owned(),
                None => File::open("/dev/null").map(Into::into),
            };
            let Ok(another) = another else { return };
            self.0.push(another);
        }
    }
}

/// Whether the system only lacks something that it will have again: descriptors, processes, memory.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM))
}
