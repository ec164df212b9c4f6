//! Node's cluster mode: the daemon is the primary of each app's workers, with no Node process in between.
//!
//! Each app in cluster mode has one task (`primary`) that holds its listening sockets and the channels of its workers.
//! A worker asks it for what its servers want to listen on; the connections are handed over one by one, or the socket
//! is shared. The sockets belong to the app, not to a worker: that is why a reload loses no connection.
//!
//! All descriptors of the mode are in that task: the listening sockets, the channels, and connections on their way.

mod bind;
mod lines;
mod packed;
mod primary;
mod ring;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

use std::{
    fs,
    future::poll_fn,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rpm_core::{Balance, Home, ProcessId};
use serde::{Deserialize, Serialize};
use tokio::{net::UnixStream, sync::mpsc};

pub(crate) use self::{
    bind::{Bound, SocketFile, SocketKind, tcp, unix},
    packed::Packed,
};
use self::{primary::Primary, worker::Parts};
use crate::ipc::{self, Channel, Received};

/// The variable by which Node knows that it is a worker; `cluster.worker.id`.
pub(crate) const VARIABLE: &str = "NODE_UNIQUE_ID";

/// What is loaded into each worker before its app.
const PRELOAD: &str = include_str!("preload.cjs");

/// How long a worker may leave a connection unanswered before it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One worker of an app: one run of one of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct WorkerId(pub(crate) u32);

/// One thing that an app listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct ListenerId(u32);

/// What the primary is told to do.
enum Order {
    /// There is a new worker.
    Join(Box<Parts>),
    /// A worker gets no connections any more.
    Rest(WorkerId),
    /// The same, and it is to finish what it has; its servers close after this time.
    Drain(WorkerId, Duration),
}

/// The primary of one app. Its sockets are closed when this is dropped.
pub(crate) struct Cluster {
    orders: mpsc::UnboundedSender<Order>,
    workers: u32,
    /// The state of its task, which is whole between any two steps of the task.
    primary: Arc<Mutex<Primary>>,
}

/// The place of one worker in its cluster.
#[derive(Debug)]
pub(crate) struct Membership {
    worker: WorkerId,
    orders: mpsc::WeakUnboundedSender<Order>,
}

/// What a new worker needs.
#[derive(Debug)]
pub(crate) struct Joined {
    pub worker: WorkerId,
    pub channel: Channel,
    /// Its end of the channel.
    pub theirs: OwnedFd,
}

impl Cluster {
    /// Begins the work. Must be called within a runtime.
    pub(crate) fn start() -> Self {
        Self::with_patience(PATIENCE)
    }

    fn with_patience(patience: Duration) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        Self::of(Primary::new(inbox, patience), orders, 0)
    }

    fn of(primary: Primary, orders: mpsc::UnboundedSender<Order>, workers: u32) -> Self {
        let primary = Arc::new(Mutex::new(primary));
        let state = Arc::clone(&primary);
        tokio::spawn(poll_fn(move |cx| lock(&state).poll(cx)));
        Self { orders, workers, primary }
    }

    /// Whether it has told all there is to tell.
    pub(crate) fn is_settled(&self) -> bool {
        lock(&self.primary).is_settled()
    }

    /// Stops it, so that it can be packed.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held { primary: lock(&self.primary), workers: self.workers }
    }

    /// Makes a place for run `run` of process `process`. What it says goes to `inbox`.
    pub(crate) fn join(
        &mut self,
        (process, run): (ProcessId, u64),
        balance: Balance,
        inbox: mpsc::Sender<Received>,
    ) -> io::Result<Joined> {
        self.workers += 1;
        let worker = WorkerId(self.workers);
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (outbox, messages) = mpsc::channel(ipc::OUTBOX);
        let channel = UnixStream::from_std(ours)?;
        let parts = Parts { id: worker, process, run, balance, channel, messages, inbox };
        let _ = self.orders.send(Order::Join(Box::new(parts)));
        let membership = Membership::new(worker, &self.orders);
        Ok(Joined { worker, channel: Channel::of_worker(outbox, membership), theirs: theirs.into() })
    }
}

/// A primary that stands still.
pub(crate) struct Held<'a> {
    primary: MutexGuard<'a, Primary>,
    workers: u32,
}

impl Held<'_> {
    /// What the next image needs of it.
    pub(crate) fn pack(&mut self) -> Packed {
        self.primary.pack(self.workers)
    }

    /// The descriptors that must stay open.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.primary.fds()
    }
}

/// A step of the task that panicked ends the daemon, so what it leaves does not matter.
fn lock(primary: &Mutex<Primary>) -> MutexGuard<'_, Primary> {
    primary.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Membership {
    fn new(worker: WorkerId, orders: &mpsc::UnboundedSender<Order>) -> Self {
        Self { worker, orders: orders.downgrade() }
    }

    /// Gives the worker no more connections.
    pub(crate) fn rest(&self) {
        self.order(Order::Rest(self.worker));
    }

    /// Gives the worker no more connections, and has it finish those that it has. Its servers are closed `after`
    /// some time, in which connections that are kept alive end with their next answer.
    pub(crate) fn drain(&self, after: Duration) {
        self.order(Order::Drain(self.worker, after));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.send(order);
        }
    }
}

/// The arguments by which Node loads our part of a worker. The file is written anew unless it is there as it must be.
pub(crate) fn preload(home: &Home) -> io::Result<[String; 2]> {
    let path: PathBuf = home.state_dir().join("cluster-worker.cjs");
    if fs::read(&path).ok().as_deref() != Some(PRELOAD.as_bytes()) {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        let fresh = path.with_extension("new");
        fs::write(&fresh, PRELOAD)?;
        fs::rename(&fresh, &path)?;
    }
    Ok(["--require".to_owned(), path.to_string_lossy().into_owned()])
}

/// For the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn read_line(bytes: &[u8]) {
    let _ = wire::read(bytes);
}
