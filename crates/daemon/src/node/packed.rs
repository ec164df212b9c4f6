//! A primary on its way from one image of the daemon to the next: no connection is lost, not even one that is being
//! handed over.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rpm_core::{Balance, ProcessId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{net::UnixStream, sync::mpsc};

use super::{
    Cluster, ListenerId, Membership, Order, WorkerId,
    bind::{Bound, SocketFile, SocketKind},
    primary::{Listener, Primary, Socket},
    ring::Ring,
    wire::Endpoint,
    worker::{Handover, Outgoing, Parts, Sent, Worker},
};
use crate::{
    inherited,
    ipc::{self, Channel, Received},
};

/// One primary. The descriptors that it names must be taken over by nobody else.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    /// How many workers it has had.
    workers_given: u32,
    next_listener: u32,
    next_seq: u64,
    listeners: Vec<PackedListener>,
    workers: Vec<PackedWorker>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PackedListener {
    id: ListenerId,
    endpoint: Endpoint,
    fd: RawFd,
    kind: SocketKind,
    balance: Balance,
    file: Option<PathBuf>,
    data: Value,
    /// Each worker, with its unanswered connections.
    ring: Vec<(WorkerId, usize)>,
    waiting: Vec<RawFd>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PackedWorker {
    id: WorkerId,
    process: ProcessId,
    balance: Balance,
    fd: RawFd,
    /// The beginning of a line.
    incoming: Vec<u8>,
    outgoing: Vec<(Vec<u8>, Option<RawFd>)>,
    sent: Vec<Sent>,
    handovers: Vec<(u64, ListenerId, RawFd)>,
    leaving: bool,
}

impl Packed {
    /// The descriptors that it names.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        let listeners = self
            .listeners
            .iter()
            .flat_map(|listener| [listener.fd].into_iter().chain(listener.waiting.iter().copied()));
        let workers = self.workers.iter().flat_map(|worker| {
            let handles = worker.outgoing.iter().filter_map(|(_, handle)| *handle);
            let handovers = worker.handovers.iter().map(|(_, _, fd)| *fd);
            [worker.fd].into_iter().chain(handles).chain(handovers)
        });
        listeners.chain(workers)
    }

    /// Makes the primary that it was, and the channels of its workers. `runs` tells which run of a process is the
    /// present one. Must be called within a runtime.
    pub(crate) fn unpack(
        self,
        runs: impl Fn(ProcessId) -> Option<u64>,
        inbox: &mpsc::Sender<Received>,
        patience: Duration,
    ) -> io::Result<(Cluster, Vec<(ProcessId, Channel)>)> {
        let (orders, received) = mpsc::unbounded_channel::<Order>();
        let mut primary = Primary::new(received, patience);
        primary.next_listener = self.next_listener;
        primary.next_seq = self.next_seq;
        let mut taken = Taken::default();
        let now = Instant::now();
        for listener in self.listeners {
            let PackedListener { id, endpoint, fd, kind, balance, file, data, ring, waiting } = listener;
            let bound = Bound { fd: inherited::take(fd)?, kind, file: file.map(SocketFile::new) };
            let mut listener = Listener::over(id.0, endpoint.clone(), bound, balance);
            listener.data = data;
            listener.ring = Ring::packed(ring);
            listener.waiting = waiting.into_iter().map(|fd| taken.get(fd)).collect::<io::Result<_>>()?;
            primary.adopt(id, listener, now);
        }
        let mut channels = Vec::new();
        for worker in self.workers {
            let stream = std::os::unix::net::UnixStream::from(inherited::take(worker.fd)?);
            let Some(run) = runs(worker.process) else { continue };
            let (outbox, messages) = mpsc::channel(ipc::OUTBOX);
            let (id, process) = (worker.id, worker.process);
            channels.push((process, Channel::of_worker(outbox, Membership::new(id, &orders))));
            let channel = UnixStream::from_std(stream)?;
            let parts =
                Parts { id, process, run, balance: worker.balance, channel, messages, inbox: inbox.clone() };
            let mut unpacked = Worker::new(parts);
            unpacked.leaving = worker.leaving;
            unpacked.lines.resume(worker.incoming);
            unpacked.sent = worker.sent.into();
            for (bytes, handle) in worker.outgoing {
                let handle = handle.map(|fd| taken.get(fd)).transpose()?;
                unpacked.queue(bytes, handle);
            }
            for (seq, listener, fd) in worker.handovers {
                let connection = taken.get(fd)?;
                unpacked.handovers.push_back(Handover { seq, listener, connection, at: now });
            }
            primary.workers.insert(id, unpacked);
        }
        Ok((Cluster::of(primary, orders, self.workers_given), channels))
    }
}

/// Connections by their numbers: one may stand in two places.
#[derive(Default)]
struct Taken(HashMap<RawFd, Arc<OwnedFd>>);

impl Taken {
    fn get(&mut self, number: RawFd) -> io::Result<Arc<OwnedFd>> {
        if let Some(known) = self.0.get(&number) {
            return Ok(Arc::clone(known));
        }
        let fd = Arc::new(inherited::take(number)?);
        self.0.insert(number, Arc::clone(&fd));
        Ok(fd)
    }
}

impl Primary {
    /// What the next image needs of it. It must not run on meanwhile.
    pub(super) fn pack(&mut self, workers_given: u32) -> Packed {
        let listeners = self.listeners.iter().map(|(&id, listener)| {
            let (fd, kind, balance) = match &listener.socket {
                Socket::Balanced(fd, _) => (fd.as_raw_fd(), SocketKind::Connections, Balance::RoundRobin),
                Socket::Shared(fd, kind) => (fd.as_raw_fd(), *kind, Balance::Shared),
            };
            PackedListener {
                id,
                endpoint: listener.endpoint.clone(),
                fd,
                kind,
                balance,
                file: listener.file.as_ref().map(SocketFile::path),
                data: listener.data.clone(),
                ring: listener.ring.pack(),
                waiting: listener.waiting.iter().map(AsRawFd::as_raw_fd).collect(),
            }
        });
        let listeners = listeners.collect();
        let workers = self.workers.values_mut().map(|worker| {
            worker.take_all_messages();
            let outgoing = |outgoing: &Outgoing| {
                (outgoing.bytes[outgoing.sent..].to_vec(), outgoing.handle.as_ref().map(AsRawFd::as_raw_fd))
            };
            PackedWorker {
                id: worker.id,
                process: worker.process,
                balance: worker.balance,
                fd: worker.channel.as_raw_fd(),
                incoming: worker.lines.rest().to_vec(),
                outgoing: worker.outgoing.iter().map(outgoing).collect(),
                sent: worker.sent.iter().copied().collect(),
                handovers: worker
                    .handovers
                    .iter()
                    .map(|handover| (handover.seq, handover.listener, handover.connection.as_raw_fd()))
                    .collect(),
                leaving: worker.leaving,
            }
        });
        let workers = workers.collect();
        let Self { next_listener, next_seq, .. } = *self;
        Packed { workers_given, next_listener, next_seq, listeners, workers }
    }

    /// The descriptors that [`Self::pack`] names.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = Vec::new();
        for listener in self.listeners.values() {
            fds.push(match &listener.socket {
                Socket::Balanced(fd, _) | Socket::Shared(fd, _) => fd.as_fd(),
            });
            fds.extend(listener.waiting.iter().map(AsFd::as_fd));
        }
        for worker in self.workers.values() {
            fds.push(worker.channel.as_fd());
            fds.extend(worker.outgoing.iter().filter_map(|outgoing| Some(outgoing.handle.as_ref()?.as_fd())));
            fds.extend(worker.handovers.iter().map(|handover| handover.connection.as_fd()));
        }
        fds
    }

    /// Whether the daemon knows all that it has to be told.
    pub(super) fn is_settled(&self) -> bool {
        self.workers.values().all(Worker::has_reported)
    }
}
