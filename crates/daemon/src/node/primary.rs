//! The primary of one app: what Node's own primary does, for as long as the app has processes.
//!
//! One task that holds the listening sockets and the channels of the workers. Whatever a worker does, it harms at
//! worst itself: what it sends is limited, what it breaks ends it, and connections that it has not taken go to another.
//! A connection is accepted when a worker can take it, and not before: the others wait in the kernel.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::poll_fn,
    os::fd::OwnedFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use rpm_core::Balance;
use rustix::{
    io::Errno,
    net::{SocketFlags, accept_with},
};
use serde_json::Value;
use tokio::{
    io::unix::AsyncFd,
    sync::mpsc,
    time::{Sleep, sleep_until},
};

use super::{
    ListenerId, Order, WorkerId,
    bind::{Bound, SocketFile, SocketKind, bind, sockname},
    lines::TooLong,
    ring::Ring,
    wire::{self, Endpoint, Malformed, Query, Said},
    worker::{Handover, Sent, Turn, Worker},
};
use crate::{ipc::Heard, readable, told};

/// Bytes read from a channel at once.
const CHUNK: usize = 64 << 10;

/// How a connection is accepted. Not to block is a property that it keeps in the worker, where libuv counts on it.
const ACCEPTED: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Connections accepted before the workers have their turn.
const ACCEPTS: usize = 64;

/// Most sockets that the workers of an app listen on.
const MAX_LISTENERS: usize = 256;

/// Maximum cost of what the servers of all workers share, see [`told::cost`].
const MAX_DATA: usize = 64 << 10;

/// How long one that refused a connection gets none.
const REFUSAL: Duration = Duration::from_millis(20);

/// How long nothing is accepted when the daemon has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How long a socket that no worker uses is kept while the app runs: a worker that is started anew asks again.
const ABANDONED: Duration = Duration::from_secs(10);

/// What the app's workers share.
#[derive(Debug)]
pub(super) struct Listener {
    pub endpoint: Endpoint,
    key: String,
    pub socket: Socket,
    /// The file of a Unix socket.
    pub file: Option<SocketFile>,
    /// As it is told to workers; null for a Unix socket.
    sockname: Value,
    /// What the servers of all workers share.
    pub data: Value,
    /// The workers that use it; in turn, if connections are handed over.
    pub ring: Ring,
    /// Accepted connections that nobody has taken: a worker refused them, or died.
    pub waiting: VecDeque<Arc<OwnedFd>>,
    /// Nothing is accepted before this.
    paused: Option<Instant>,
    /// Since when no worker uses it.
    abandoned: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Socket {
    /// Accepted from here, and handed over one by one. Waited for only while somebody could take a connection:
    /// otherwise each one that comes would wake the daemon for nothing.
    Balanced(Arc<OwnedFd>, Option<AsyncFd<Arc<OwnedFd>>>),
    /// Each worker has it.
    Shared(Arc<OwnedFd>, SocketKind),
}

/// Why a worker is given up.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("it confirmed a handle that it was not sent")]
    UnknownHandle,
    #[error("it answered to connection {0}, which it was not handed")]
    UnknownConnection(u64),
    #[error("it has not answered to a connection for {} s", .0.as_secs())]
    Silent(Duration),
}

/// The state of the task.
pub(super) struct Primary {
    orders: mpsc::UnboundedReceiver<Order>,
    pub workers: BTreeMap<WorkerId, Worker>,
    pub listeners: BTreeMap<ListenerId, Listener>,
    by_endpoint: HashMap<Endpoint, ListenerId>,
    pub next_listener: u32,
    pub next_seq: u64,
    /// How long a worker may leave a connection unanswered.
    patience: Duration,
    /// When something is to be looked at although nothing happens.
    wake: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    buffer: Vec<u8>,
}

impl Primary {
    pub(super) fn new(orders: mpsc::UnboundedReceiver<Order>, patience: Duration) -> Self {
        Self {
            orders,
            workers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            by_endpoint: HashMap::new(),
            next_listener: 0,
            next_seq: 0,
            patience,
            wake: None,
            timer: None,
            buffer: vec![0; CHUNK],
        }
    }

    /// Takes in a listener that another image had.
    pub(super) fn adopt(&mut self, id: ListenerId, mut listener: Listener, now: Instant) {
        if listener.ring.is_empty() {
            listener.abandoned = Some(now);
            self.wake_at(now + ABANDONED);
        }
        self.by_endpoint.insert(listener.endpoint.clone(), id);
        self.listeners.insert(id, listener);
    }

    /// Does what there is to be done. Ready when nobody can give it orders any more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while let Poll::Ready(order) = self.orders.poll_recv(cx) {
                match order {
                    Some(order) => self.obey(order),
                    None => return Poll::Ready(()),
                }
            }
            let mut more = self.serve(cx);
            more |= self.distribute(cx);
            for worker in self.workers.values_mut() {
                worker.flush(cx);
                worker.report(cx);
                if worker.stalled {
                    let soon = Instant::now() + REFUSAL;
                    self.wake = Some(self.wake.map_or(soon, |at| at.min(soon)));
                }
            }
            more |= self.wait(cx).is_ready();
            if !more {
                return Poll::Pending;
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Join(parts) => {
                self.workers.insert(parts.id, Worker::new(*parts));
            }
            Order::Rest(id) => self.leave(id),
            Order::Drain(id, after) => {
                self.leave(id);
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.say(wire::drain(after.as_millis() as u64));
                }
            }
        }
    }

    /// A worker gets no connections from now on.
    fn leave(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.leaving = true;
        }
        self.withdraw(id);
    }

    /// Takes a worker out of all rings.
    fn withdraw(&mut self, id: WorkerId) {
        let now = Instant::now();
        let mut abandoned = false;
        for listener in self.listeners.values_mut() {
            if listener.ring.remove(id) && listener.ring.is_empty() {
                listener.abandoned = Some(now);
                abandoned = true;
            }
        }
        if abandoned {
            self.wake_at(now + ABANDONED);
        }
    }

    /// Hears the workers. True if one may have more to say.
    fn serve(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut said = Vec::new();
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        for id in ids {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            worker.report(cx);
            worker.take_messages(cx);
            let turn = worker.read(cx, &mut buffer, |worker, bytes| {
                worker.lines.feed(bytes, |line| {
                    said.push(wire::read(line)?);
                    Ok::<_, Fault>(())
                })
            });
            let mut outcome = turn.map(|turn| {
                more |= turn == Turn::More;
                turn == Turn::End
            });
            for said in said.drain(..) {
                if let Err(fault) = self.heard(id, said) {
                    outcome = Err(fault);
                    break;
                }
            }
            said.clear();
            match outcome {
                Ok(false) => {}
                Ok(true) => self.part(id, None),
                Err(fault) => self.part(id, Some(&fault)),
            }
        }
        self.buffer = buffer;
        more
    }

    /// Takes in one thing that a worker said.
    fn heard(&mut self, id: WorkerId, said: Said) -> Result<(), Fault> {
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        match said {
            Said::App(message) => worker.tell(Heard::Message(message)),
            // Node sends nothing more until it is confirmed. The handle itself nobody asked for; it was closed.
            Said::Handle(message) => {
                worker.say(wire::handle_ack());
                worker.tell(Heard::Message(message));
            }
            Said::Online => worker.tell(Heard::Booted),
            Said::Listening => worker.tell(Heard::Listening),
            Said::HandleAck => {
                worker.sent.pop_front().ok_or(Fault::UnknownHandle)?;
            }
            Said::HandleNack => match worker.sent.pop_front().ok_or(Fault::UnknownHandle)? {
                // It has no descriptor left.
                Sent::Connection(seq) => self.answered(id, seq, false)?,
                Sent::Socket => return Err(Fault::UnknownHandle),
            },
            Said::Answer { seq, accepted } => self.answered(id, seq, accepted)?,
            Said::Taken(seqs) => {
                for seq in seqs {
                    self.answered(id, seq, true)?;
                }
            }
            Said::Leaving(seq) => {
                worker.say(wire::farewell(seq));
                self.leave(id);
            }
            Said::Close(key) => self.closed(id, &key),
            Said::Query(query) => {
                if !worker.leaving {
                    self.listen(id, &query);
                }
            }
            Said::Other => {}
        }
        Ok(())
    }

    /// A worker answered to a connection.
    fn answered(&mut self, id: WorkerId, seq: u64, accepted: bool) -> Result<(), Fault> {
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        let place = worker.handovers.iter().position(|handover| handover.seq == seq);
        let handover = place.and_then(|place| worker.handovers.remove(place));
        let Some(Handover { listener, connection, .. }) = handover else {
            return Err(Fault::UnknownConnection(seq));
        };
        // Who answers at once has not confirmed the handle before.
        if worker.sent.front() == Some(&Sent::Connection(seq)) {
            worker.sent.pop_front();
        }
        let resumes = (!accepted).then(|| Instant::now() + REFUSAL);
        if let Some(listener) = self.listeners.get_mut(&listener) {
            listener.ring.answered(id, resumes);
            if !accepted {
                listener.waiting.push_back(connection);
            }
        }
        if let Some(resumes) = resumes {
            self.wake_at(resumes);
        }
        Ok(())
    }

    /// A server of a worker was closed.
    fn closed(&mut self, id: WorkerId, key: &str) {
        let leaving = self.workers.get(&id).is_none_or(|worker| worker.leaving);
        let found = self.listeners.iter_mut().find(|(_, listener)| listener.key == key);
        let Some((&number, listener)) = found else { return };
        if listener.ring.remove(id) && listener.ring.is_empty() {
            if leaving {
                listener.abandoned = Some(Instant::now());
                self.wake_at(Instant::now() + ABANDONED);
            } else {
                // The app wants the port to be free.
                self.close(number);
            }
        }
    }

    fn close(&mut self, number: ListenerId) {
        if let Some(listener) = self.listeners.remove(&number) {
            self.by_endpoint.remove(&listener.endpoint);
        }
    }

    /// A server of a worker wants to listen.
    fn listen(&mut self, id: WorkerId, query: &Query) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let known = self.by_endpoint.get(&query.endpoint).copied();
        let number = match known {
            Some(number) => number,
            // Each one takes a descriptor of the daemon.
            None if self.listeners.len() >= MAX_LISTENERS => {
                worker.say(wire::refuses(query.seq, "", Errno::MFILE.raw_os_error()));
                return;
            }
            None => match Listener::new(self.next_listener, query, worker.balance) {
                Ok(listener) => {
                    let number = ListenerId(self.next_listener);
                    self.next_listener += 1;
                    self.by_endpoint.insert(query.endpoint.clone(), number);
                    self.listeners.insert(number, listener);
                    number
                }
                Err(errno) => {
                    worker.say(wire::refuses(query.seq, "", errno.raw_os_error()));
                    return;
                }
            },
        };
        let Some(listener) = self.listeners.get_mut(&number) else { return };
        if listener.ring.contains(id) {
            worker.say(wire::refuses(query.seq, &listener.key, Errno::ADDRINUSE.raw_os_error()));
            return;
        }
        listener.abandoned = None;
        listener.ring.add(id);
        if listener.data.is_null() && told::cost(&query.data, MAX_DATA).is_some() {
            listener.data = query.data.clone();
        }
        match &listener.socket {
            Socket::Balanced(..) => {
                worker.say(wire::listens(query.seq, &listener.key, &listener.sockname, &listener.data));
            }
            Socket::Shared(socket, kind) => {
                let line = wire::shares(query.seq, &listener.key, &listener.data, (*kind).into());
                worker.give(line, Arc::clone(socket), Sent::Socket);
            }
        }
    }

    /// Hands over what has come. True if more may have.
    fn distribute(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        let now = Instant::now();
        let Self { listeners, workers, next_seq, patience, .. } = self;
        let mut wake = None;
        for (&number, listener) in listeners.iter_mut() {
            for turn in 0.. {
                if turn == ACCEPTS {
                    more = true;
                    break;
                }
                let Some(id) = listener.ring.next(now) else {
                    listener.disregard();
                    break;
                };
                let connection = match listener.waiting.pop_front() {
                    Some(connection) => connection,
                    None => match listener.accept(cx, now) {
                        Poll::Ready(connection) => connection,
                        Poll::Pending => break,
                    },
                };
                let Some(worker) = workers.get_mut(&id) else { break };
                listener.ring.handed(id);
                *next_seq += 1;
                let handover = Handover { seq: *next_seq, listener: number, connection, at: now };
                worker.hand(handover, &listener.key);
                wake = Some(now + *patience);
            }
            let paused = listener.paused.filter(|&until| until > now);
            wake = [wake, paused].into_iter().flatten().min();
        }
        if let Some(at) = wake {
            self.wake_at(at);
        }
        more
    }

    /// A worker is gone, or given up. What it has not taken goes to others.
    fn part(&mut self, id: WorkerId, fault: Option<&Fault>) {
        self.withdraw(id);
        let Some(mut worker) = self.workers.remove(&id) else { return };
        for handover in worker.handovers.drain(..).rev() {
            if let Some(listener) = self.listeners.get_mut(&handover.listener) {
                listener.waiting.push_front(handover.connection);
            }
        }
        worker.tell(match fault {
            Some(fault) => Heard::Failed(fault.to_string()),
            None => Heard::Closed,
        });
        tokio::spawn(poll_fn(move |cx| {
            worker.report(cx);
            if worker.has_reported() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }

    /// Ready when it is time to look at what only time changes; that is then done.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.wake else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at.into())));
        if timer.deadline().into_std() != at {
            timer.as_mut().reset(at.into());
        }
        ready!(timer.as_mut().poll(cx));
        self.wake = None;
        self.timer = None;
        self.look(Instant::now());
        Poll::Ready(())
    }

    /// Gives up who has not answered for too long, and closes what nobody uses.
    fn look(&mut self, now: Instant) {
        let mut silent = Vec::new();
        for worker in self.workers.values() {
            if let Some(oldest) = worker.handovers.front() {
                let until = oldest.at + self.patience;
                if until <= now {
                    silent.push(worker.id);
                } else {
                    self.wake = Some(self.wake.map_or(until, |at| at.min(until)));
                }
            }
        }
        for id in silent {
            self.part(id, Some(&Fault::Silent(self.patience)));
        }
        let in_use = self.listeners.values().any(|listener| !listener.ring.is_empty());
        let mut over = Vec::new();
        for (&number, listener) in &self.listeners {
            if let Some(since) = listener.abandoned {
                let until = since + ABANDONED;
                if until > now {
                    self.wake = Some(self.wake.map_or(until, |at| at.min(until)));
                } else if in_use {
                    // The app listens elsewhere now.
                    over.push(number);
                } else {
                    // The app is between two runs. Who comes meanwhile waits.
                    let later = now + ABANDONED;
                    self.wake = Some(self.wake.map_or(later, |at| at.min(later)));
                }
            }
        }
        for number in over {
            self.close(number);
        }
    }
}

impl Listener {
    fn new(number: u32, query: &Query, balance: Balance) -> Result<Self, Errno> {
        Ok(Self::over(number, query.endpoint.clone(), bind(query)?, balance))
    }

    /// What listens on a socket that is bound.
    pub(super) fn over(number: u32, endpoint: Endpoint, bound: Bound, balance: Balance) -> Self {
        let sockname = sockname(&bound.fd);
        let fd = Arc::new(bound.fd);
        let socket = match (balance, bound.kind) {
            (Balance::RoundRobin, SocketKind::Connections) => Socket::Balanced(fd, None),
            // There are no connections of datagrams to hand over.
            (_, kind) => Socket::Shared(fd, kind),
        };
        Self {
            endpoint,
            key: number.to_string(),
            socket,
            file: bound.file,
            sockname,
            data: Value::Null,
            ring: Ring::default(),
            waiting: VecDeque::new(),
            paused: None,
            abandoned: None,
        }
    }

    /// Nobody takes connections for now: they wait in the kernel.
    fn disregard(&mut self) {
        if let Socket::Balanced(_, watch) = &mut self.socket {
            *watch = None;
        }
    }

    /// The next connection.
    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Arc<OwnedFd>> {
        let Socket::Balanced(socket, watch) = &mut self.socket else { return Poll::Pending };
        if self.paused.is_some_and(|until| until > now) {
            return Poll::Pending;
        }
        self.paused = None;
        loop {
            let mut ready = match watch {
                Some(watch) => match watch.poll_read_ready(cx) {
                    Poll::Ready(Ok(ready)) => Some(ready),
                    Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
                },
                None => None,
            };
            let error = match (accept_with(&*socket, ACCEPTED), &mut ready) {
                (Ok(connection), _) => return Poll::Ready(Arc::new(connection)),
                (Err(Errno::AGAIN), Some(ready)) => {
                    ready.clear_ready();
                    continue;
                }
                (Err(Errno::AGAIN), None) => match readable::watch(Arc::clone(socket)) {
                    Ok(fresh) => {
                        *watch = Some(fresh);
                        continue;
                    }
                    Err(error) => error,
                },
                // It went away before anybody took it.
                (Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO), _) => continue,
                (Err(error), _) => error.into(),
            };
            // No descriptor or memory is left: trying at once again would only burn CPU.
            tracing::error!("cannot accept a connection: {error}");
            self.paused = Some(now + EXHAUSTED);
            return Poll::Pending;
        }
    }
}
