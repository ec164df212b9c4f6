//! The channel of one worker: lines both ways, and descriptors to it.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use rpm_core::{Balance, ProcessId};
use rustix::{
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, Interest, ReadBuf},
    net::UnixStream,
    sync::mpsc::{self, OwnedPermit, error::SendError},
};

use super::{ListenerId, WorkerId, lines::Lines, wire};
use crate::ipc::{Heard, Received};

/// Bytes on their way to a worker from which on nothing more is read from it: who asks and never listens to the
/// answers only stops itself.
const FULL: usize = 256 << 10;

/// Reads from one worker before the others have their turn.
const TURN: usize = 16;

/// A line on its way, and what it carries.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub bytes: Vec<u8>,
    pub sent: usize,
    pub handle: Option<Arc<OwnedFd>>,
}

/// A handle that the worker has not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sent {
    /// A connection, by the number that its answer will repeat.
    Connection(u64),
    /// A socket that it shares.
    Socket,
}

/// A connection that was handed over and not answered.
#[derive(Debug)]
pub(super) struct Handover {
    pub seq: u64,
    pub listener: ListenerId,
    pub connection: Arc<OwnedFd>,
    pub at: Instant,
}

type Room = Pin<Box<dyn Future<Output = Result<OwnedPermit<Received>, SendError<()>>> + Send>>;

/// How reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing more is there for now, or may be taken.
    Pause,
    /// It had its turn; there may be more.
    More,
    /// The channel is closed.
    End,
}

/// One worker.
pub(super) struct Worker {
    pub id: WorkerId,
    pub process: ProcessId,
    pub run: u64,
    pub balance: Balance,
    pub channel: UnixStream,
    pub lines: Lines,
    pub outgoing: VecDeque<Outgoing>,
    outgoing_bytes: usize,
    /// Handles in the order in which they will be confirmed.
    pub sent: VecDeque<Sent>,
    /// Connections in the order in which they were handed over.
    pub handovers: VecDeque<Handover>,
    /// What the daemon has to say to the app.
    messages: mpsc::Receiver<Vec<u8>>,
    inbox: mpsc::Sender<Received>,
    /// What the daemon has to be told.
    heard: VecDeque<Heard>,
    room: Option<Room>,
    /// The kernel holds too many descriptors that are on their way somewhere: to be tried again a little later.
    pub stalled: bool,
    /// It takes no connections any more.
    pub leaving: bool,
    /// The daemon has seen its end: what it said before is still read.
    pub ended: bool,
}

/// What a [`Worker`] is made of.
pub(super) struct Parts {
    pub id: WorkerId,
    pub process: ProcessId,
    pub run: u64,
    pub balance: Balance,
    pub channel: UnixStream,
    pub messages: mpsc::Receiver<Vec<u8>>,
    pub inbox: mpsc::Sender<Received>,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { id, process, run, balance, channel, messages, inbox } = parts;
        Self {
            id,
            process,
            run,
            balance,
            channel,
            lines: Lines::default(),
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            sent: VecDeque::new(),
            handovers: VecDeque::new(),
            messages,
            inbox,
            heard: VecDeque::new(),
            room: None,
            stalled: false,
            leaving: false,
            ended: false,
        }
    }

    /// Queues a line.
    pub(super) fn say(&mut self, bytes: Vec<u8>) {
        self.queue(bytes, None);
    }

    /// Queues a line that carries a descriptor.
    pub(super) fn give(&mut self, bytes: Vec<u8>, handle: Arc<OwnedFd>, sent: Sent) {
        self.sent.push_back(sent);
        self.queue(bytes, Some(handle));
    }

    /// Queues a connection: together with one before that has not left yet.
    pub(super) fn hand(&mut self, handover: Handover, key: &str) {
        let before = self.outgoing.back_mut().filter(|outgoing| outgoing.sent == 0);
        if let Some(before) = before
            && matches!(self.sent.back(), Some(Sent::Connection(_)))
            && before.handle.is_some()
        {
            wire::announce_another(&mut before.bytes);
        }
        let line = wire::connection(handover.seq, key);
        self.give(line, Arc::clone(&handover.connection), Sent::Connection(handover.seq));
        self.handovers.push_back(handover);
    }

    pub(super) fn queue(&mut self, bytes: Vec<u8>, handle: Option<Arc<OwnedFd>>) {
        self.outgoing_bytes += bytes.len();
        self.outgoing.push_back(Outgoing { bytes, sent: 0, handle });
    }

    /// Has the daemon told; at once, or when it has room.
    pub(super) fn tell(&mut self, heard: Heard) {
        self.heard.push_back(heard);
    }

    /// Takes what the daemon has to say to the app.
    pub(super) fn take_messages(&mut self, cx: &mut Context<'_>) {
        while self.outgoing_bytes < FULL {
            match self.messages.poll_recv(cx) {
                Poll::Ready(Some(line)) => self.say(line),
                Poll::Ready(None) => {
                    self.ended = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    /// Takes all that the daemon has to say by now.
    pub(super) fn take_all_messages(&mut self) {
        while let Ok(line) = self.messages.try_recv() {
            self.say(line);
        }
    }

    /// Passes on what the daemon has to be told, as far as it has room.
    pub(super) fn report(&mut self, cx: &mut Context<'_>) {
        while let Some(heard) = self.heard.pop_front() {
            let received = Received { id: self.process, run: self.run, what: heard };
            let permit = match self.room.take() {
                None => self.inbox.clone().try_reserve_owned().ok(),
                Some(mut room) => match room.as_mut().poll(cx) {
                    Poll::Ready(Ok(permit)) => Some(permit),
                    // The daemon ends.
                    Poll::Ready(Err(_)) => return,
                    Poll::Pending => {
                        self.room = Some(room);
                        self.heard.push_front(received.what);
                        return;
                    }
                },
            };
            match permit {
                Some(permit) => {
                    permit.send(received);
                }
                None => {
                    self.heard.push_front(received.what);
                    self.room = Some(Box::pin(self.inbox.clone().reserve_owned()));
                }
            }
        }
    }

    /// Whether the daemon knows all, or is no longer there.
    pub(super) fn has_reported(&self) -> bool {
        self.heard.is_empty() || self.inbox.is_closed()
    }

    /// Writes what it takes. An error is the end of the channel, which reading finds, too.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        self.stalled = false;
        while let Some(outgoing) = self.outgoing.front_mut() {
            if self.channel.poll_write_ready(cx).is_pending() {
                return;
            }
            let channel = &self.channel;
            match channel.try_io(Interest::WRITABLE, || send(channel, outgoing)) {
                Ok(length) => {
                    outgoing.handle = None;
                    outgoing.sent += length;
                    self.outgoing_bytes -= length;
                    if outgoing.sent == outgoing.bytes.len() {
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) => {
                    self.stalled = true;
                    return;
                }
                Err(_) => {
                    self.outgoing.clear();
                    self.outgoing_bytes = 0;
                }
            }
        }
    }

    /// Reads what is there, a turn at most, and gives it to `take`.
    pub(super) fn read<E>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        mut take: impl FnMut(&mut Self, &[u8]) -> Result<(), E>,
    ) -> Result<Turn, E> {
        for _ in 0..TURN {
            if self.outgoing_bytes > FULL || !self.heard.is_empty() {
                return Ok(Turn::Pause);
            }
            // Remembers, unlike `try_read`, that a read which did not fill the buffer has taken all.
            let mut space = ReadBuf::new(buffer);
            match Pin::new(&mut self.channel).poll_read(cx, &mut space) {
                // What somebody else holds open says nothing any more.
                Poll::Pending => return Ok(if self.ended { Turn::End } else { Turn::Pause }),
                Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                    let length = space.filled().len();
                    take(self, &buffer[..length])?;
                }
                Poll::Ready(_) => return Ok(Turn::End),
            }
        }
        Ok(Turn::More)
    }
}

fn send(channel: &UnixStream, outgoing: &Outgoing) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let handle = outgoing.handle.as_ref().map(|handle| [handle.as_fd()]);
    if let Some(handle) = &handle {
        control.push(SendAncillaryMessage::ScmRights(handle));
    }
    let bytes = IoSlice::new(&outgoing.bytes[outgoing.sent..]);
    Ok(sendmsg(channel, &[bytes], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
}
