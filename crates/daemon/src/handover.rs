//! What one image of the daemon hands to the next when it is replaced in place.
//!
//! The process stays the same: its children stay its children, and the descriptors named here stay open. Everything
//! else is in the journal, as if the daemon had died.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use rpm_core::{AppKey, ProcessId, app::DEFAULT_NAMESPACE, process::Told};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::{inherited, ipc, node, ready, sockets, table::Table};

/// Raised when an older program would misread it.
const FORMAT: u32 = 1;

/// The variable with the number of the descriptor that the handover is read from.
pub const HANDOVER_FD: &str = "RPM_HANDOVER_FD";

/// The argument of the daemon's verb that asks a program whether it could take over, and its answer.
pub const CHECK: &str = "check";

/// What a program says that could.
pub const FIT: &str = "fit\n";

/// Descriptors without which there is no daemon of the home.
#[derive(Debug)]
pub(crate) struct Lifeline {
    /// Holds the lock of the home.
    pub lock: OwnedFd,
    /// The socket that clients connect to.
    pub listener: OwnedFd,
}

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    format: u32,
    lock: RawFd,
    listener: RawFd,
    pub processes: Vec<Handed>,
    /// The primaries of apps in cluster mode.
    #[serde(default)]
    pub clusters: Vec<(HandedApp, node::Packed)>,
    /// The sockets that are held for apps.
    #[serde(default)]
    pub sockets: Vec<sockets::Packed>,
    /// How many files children may have open, where the daemon itself may have more.
    #[serde(default)]
    pub files: Option<u64>,
}

/// The app to which something belongs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum HandedApp {
    Pair(AppKey),
    /// What an earlier version says: the apps of one name, in whatever namespaces, had it together.
    Name(String),
}

impl HandedApp {
    /// Whose it is in this version; of several apps the first one's.
    pub(crate) fn key(self, table: &Table) -> AppKey {
        match self {
            Self::Pair(key) => key,
            Self::Name(name) => {
                let process = table.iter().find(|process| process.spec.name == name);
                let namespace = process.map_or(DEFAULT_NAMESPACE, |process| &process.spec.namespace);
                AppKey { namespace: namespace.to_owned(), name }
            }
        }
    }
}

/// What belongs to one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handed {
    pub id: ProcessId,
    pub pid: i32,
    pub channel: Option<ipc::Packed>,
    /// The socket of its notifications.
    #[serde(default)]
    pub notify: Option<ready::Packed>,
    pub told: Told,
}

impl Handover {
    pub(crate) fn new(
        lifeline: &Lifeline,
        processes: Vec<Handed>,
        clusters: Vec<(HandedApp, node::Packed)>,
        sockets: Vec<sockets::Packed>,
        files: Option<u64>,
    ) -> Self {
        let (lock, listener) = (lifeline.lock.as_raw_fd(), lifeline.listener.as_raw_fd());
        Self { format: FORMAT, lock, listener, processes, clusters, sockets, files }
    }

    /// Writes it into memory that outlives this image.
    pub(crate) fn write(&self) -> io::Result<OwnedFd> {
        let mut memory = File::from(memfd_create("handover", MemfdFlags::CLOEXEC)?);
        memory.write_all(&serde_json::to_vec(self)?)?;
        memory.seek(SeekFrom::Start(0))?;
        Ok(memory.into())
    }

    /// Reads what stands behind the descriptor of this number.
    pub(crate) fn read(number: RawFd) -> io::Result<Self> {
        let mut text = Vec::new();
        File::from(inherited::take(number)?).read_to_end(&mut text)?;
        let handover: Self = serde_json::from_slice(&text)?;
        if handover.format == FORMAT {
            Ok(handover)
        } else {
            Err(io::Error::other(format!("the daemon before handed over in format {}", handover.format)))
        }
    }

    /// Whether a program of this version reads what one of `format` hands over.
    pub(crate) fn reads(format: u32) -> bool {
        format == FORMAT
    }

    /// The format of this version.
    pub(crate) fn format() -> u32 {
        FORMAT
    }

    /// The descriptors that it names, this image's included.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let channels = self.processes.iter().filter_map(|handed| Some(handed.channel.as_ref()?.fd));
        let notify = self.processes.iter().filter_map(|handed| Some(handed.notify.as_ref()?.fd));
        let clusters = self.clusters.iter().flat_map(|(_, cluster)| cluster.numbers());
        let sockets = self.sockets.iter().flat_map(sockets::Packed::numbers);
        [self.lock, self.listener]
            .into_iter()
            .chain(channels)
            .chain(notify)
            .chain(clusters)
            .chain(sockets)
            .collect()
    }

    /// Takes over what no process owns.
    pub(crate) fn lifeline(&self) -> io::Result<Lifeline> {
        Ok(Lifeline { lock: inherited::take(self.lock)?, listener: inherited::take(self.listener)? })
    }
}

/// Marks descriptors for the next image, and takes that back where it did not come to be.
#[derive(Debug)]
pub(crate) struct Passing<'a>(Vec<BorrowedFd<'a>>);

impl<'a> Passing<'a> {
    pub(crate) fn of(fds: impl IntoIterator<Item = BorrowedFd<'a>>) -> io::Result<Self> {
        let passing = Self(fds.into_iter().collect());
        for fd in &passing.0 {
            inherited::pass_on(fd.as_fd(), true)?;
        }
        Ok(passing)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        for fd in &self.0 {
            let _ = inherited::pass_on(fd.as_fd(), false);
        }
    }
}
