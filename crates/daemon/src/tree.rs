//! The processes that belong to one of ours, and signals to them.
//!
//! A child leads a session and group of its own. What it starts may leave that group, and may outlive its parent:
//! then it becomes a child of the daemon (a 'subreaper'), and its environment tells whose it was.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::signal::{kill, killpg},
    unistd::Pid,
};
use rpm_core::Signal;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open, pidfd_send_signal};

use crate::procfs::{Kinship, Stat, environ};

/// Whose tree it is.
pub(crate) struct Owner<'a> {
    /// The main process.
    pub pid: i32,
    /// Processes that may be its orphans although they are no children of this daemon.
    pub strays: Vec<&'a Stat>,
    /// Whether an environment is one that its whole tree inherits, and no other.
    pub is_its: &'a dyn Fn(&[u8]) -> bool,
    /// Orphans that were born later, in clock ticks since boot, are of another tree with the same environment.
    pub before: Option<u64>,
}

/// A process held by a descriptor, so that its pid cannot come to mean another.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub pid: i32,
    /// In the group of the main process: reached by a signal to the group.
    pub in_group: bool,
    pidfd: Arc<OwnedFd>,
}

impl Member {
    /// Takes hold of the main process of a run that an earlier daemon began, unless it has ended.
    pub(crate) fn main(pid: i32, birth: u64) -> io::Result<Option<Self>> {
        Self::hold(pid, pid, |stat| stat.start == birth)
    }

    /// Takes hold of a process of which `is_meant` is true, unless it has ended. The error is that this cannot be said.
    fn hold(pid: i32, group: i32, is_meant: impl Fn(&Stat) -> bool) -> io::Result<Option<Self>> {
        let Some(before) = Stat::find(pid)?.filter(|stat| stat.is_alive() && is_meant(stat)) else {
            return Ok(None);
        };
        let Some(raw) = rustix::process::Pid::from_raw(pid) else { return Ok(None) };
        let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Between the look and the open the pid may have been given to a stranger.
        let same = Stat::find(pid)?.is_some_and(|now| now.start == before.start && now.is_alive());
        Ok(same.then(|| Self { pid, in_group: before.pgrp == group, pidfd: Arc::new(pidfd) }))
    }

    /// Signals it; a process that has ended is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal.as_nix() as i32) {
            let _ = pidfd_send_signal(self.pidfd.as_fd(), signal);
        }
    }

    /// A copy of its descriptor `number`; where the system allows to look into it.
    pub(crate) fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        Ok(pidfd_getfd(self.pidfd.as_fd(), number, PidfdGetfdFlags::empty())?)
    }

    /// A descriptor that becomes readable when it ends.
    pub(crate) fn pidfd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.pidfd)
    }
}

/// What was found of a tree.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub members: Vec<Member>,
    /// The system lacked the means to see or to hold all of it.
    pub is_partial: bool,
}

impl Found {
    fn add(&mut self, held: io::Result<Option<Member>>) {
        match held {
            Ok(member) => self.members.extend(member),
            Err(_) => self.is_partial = true,
        }
    }
}

/// All live processes of `owner` but its main process: what descends from it, and those of `orphans`, children of this
/// daemon that it did not start, which are its. `is_main` tells the main processes of others.
pub(crate) fn members(
    kinship: &Kinship,
    orphans: &[i32],
    owner: &Owner<'_>,
    is_main: impl Fn(i32) -> bool,
) -> io::Result<Found> {
    let mut pids = kinship.descendants(owner.pid)?;
    let daemon = std::process::id() as i32;
    for orphan in orphans.iter().copied().filter(|&pid| pid != owner.pid && !is_main(pid)) {
        let Some(stat) = Stat::find(orphan)? else { continue };
        let is_early = owner.before.is_none_or(|before| stat.start < before);
        if stat.session == owner.pid
            || (is_early && environ(orphan)?.is_some_and(|environ| (owner.is_its)(&environ)))
        {
            pids.push(orphan);
            pids.extend(kinship.descendants(orphan)?);
        }
    }
    // A pid that was given to a stranger meanwhile has another parent.
    let is_kin = |stat: &Stat| stat.ppid == owner.pid || stat.ppid == daemon || pids.contains(&stat.ppid);
    let mut found = Found::default();
    for &pid in &pids {
        found.add(Member::hold(pid, owner.pid, is_kin));
    }
    for stray in owner.strays.iter().filter(|stray| stray.pid != owner.pid && !is_main(stray.pid)) {
        if !pids.contains(&stray.pid) {
            found.add(Member::hold(stray.pid, owner.pid, |stat| stat.start == stray.start));
        }
    }
    Ok(found)
}

/// Signals the group that `leader` leads, itself included. A group that is gone is no error.
///
/// Safe against reuse of the pid as long as the leader was not reaped, or members of its group live.
pub(crate) fn signal_group(leader: i32, signal: Signal) -> io::Result<()> {
    match killpg(Pid::from_raw(leader), signal.as_nix()) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Signals one child of ours that was not taken in yet.
pub(crate) fn signal_child(pid: i32, signal: Signal) -> io::Result<()> {
    Ok(kill(Pid::from_raw(pid), signal.as_nix())?)
}

/// Whether anybody, a zombie perhaps, is in the group that `leader` led.
pub(crate) fn group_exists(leader: i32) -> bool {
    killpg(Pid::from_raw(leader), None) != Err(Errno::ESRCH)
}
