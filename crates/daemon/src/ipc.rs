//! The IPC channel of a child: Node's protocol, a value of JSON on each line, both ways.
//!
//! The child has its end as descriptor 3, or after the sockets that it is given, and learns of it from
//! `NODE_CHANNEL_FD`, which Node takes out of the environment again. Programs that know nothing of it are not bothered.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rpm_core::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    net::UnixStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use crate::{inherited, node::Membership};

/// The entries by which Node finds its end, after `sockets` other descriptors.
pub(crate) fn environment(sockets: usize) -> [(&'static str, String); 2] {
    [("NODE_CHANNEL_FD", (3 + sockets).to_string()), ("NODE_CHANNEL_SERIALIZATION_MODE", "json".to_owned())]
}

/// Longest line that is taken from a child. A longer one ends its channel. In memory a line may take 16 times its length,
/// and as JSON of ours four times, which fits into a frame.
pub(crate) const MAX_LINE: usize = 4 << 20;

/// Bytes that may wait for a child that does not read.
const BACKLOG: usize = 4 << 20;

/// Messages that may wait for a worker that does not read.
pub(crate) const OUTBOX: usize = 1024;

/// Bytes that are read at once.
const CHUNK: usize = 4 << 10;

/// Something came from a run, or is known of it.
#[derive(Debug)]
pub(crate) struct Received {
    pub id: ProcessId,
    /// Which of its runs it is.
    pub run: u64,
    pub what: Heard,
}

/// What can be heard from a run.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message of the app.
    Message(Value),
    /// A worker of a cluster: Node has started, and the app is about to.
    Booted,
    /// A worker of a cluster listens.
    Listening,
    /// A worker of a cluster has closed its channel.
    Closed,
    /// It shows that it is up, as its declaration says it would.
    Ready,
    /// What it says about itself (`STATUS=`).
    Status(String),
    /// It cannot go on, for this reason.
    Failed(String),
}

/// The daemon's end of one channel. The child sees the end of it when this is dropped.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Of an app that is no worker.
    Own(Tasks),
    /// Of a worker, which its cluster keeps. What is put into the outbox is sent.
    OfWorker(mpsc::Sender<Vec<u8>>, Membership),
}

/// Both directions of a channel.
#[derive(Debug)]
pub(crate) struct Tasks {
    wire: Arc<Wire>,
    tasks: [JoinHandle<()>; 2],
}

/// What both directions share. Between any two steps of theirs it is whole: see [`Channel::pack`].
#[derive(Debug)]
struct Wire {
    stream: UnixStream,
    /// What has come and was not passed on: at most one line that is not whole, or waits for its place.
    incoming: Mutex<Vec<u8>>,
    /// What waits until the child reads.
    outgoing: Mutex<Vec<u8>>,
    wake: Notify,
}

/// A channel on its way from one image of the daemon to the next.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub fd: RawFd,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Channel {
    /// A channel, and the child's end of it. What the child says goes to `inbox`, marked with `id` and `run`. Must
    /// be called within a runtime.
    pub(crate) fn open(
        id: ProcessId,
        run: u64,
        inbox: mpsc::Sender<Received>,
    ) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self::over(ours.into(), Vec::new(), Vec::new(), id, run, inbox)?, theirs.into()))
    }

    /// A channel that another image has packed. Its descriptor must be taken over by nobody else.
    pub(crate) fn unpack(
        packed: Packed,
        id: ProcessId,
        run: u64,
        inbox: mpsc::Sender<Received>,
    ) -> io::Result<Self> {
        Self::over(inherited::take(packed.fd)?, packed.incoming, packed.outgoing, id, run, inbox)
    }

    fn over(
        fd: OwnedFd,
        incoming: Vec<u8>,
        outgoing: Vec<u8>,
        id: ProcessId,
        run: u64,
        inbox: mpsc::Sender<Received>,
    ) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        let wire = Arc::new(Wire {
            stream: UnixStream::from_std(stream)?,
            incoming: Mutex::new(incoming),
            outgoing: Mutex::new(outgoing),
            wake: Notify::new(),
        });
        let reader = Arc::clone(&wire);
        let reading = tokio::spawn(async move {
            if let Err(error) = reader.listen(id, run, &inbox).await {
                tracing::warn!("IPC channel of process {id}: {error}");
            }
        });
        let writer = Arc::clone(&wire);
        let writing = tokio::spawn(async move {
            // The reader notices the end, and tells.
            let _ = writer.speak().await;
        });
        Ok(Self::Own(Tasks { wire, tasks: [reading, writing] }))
    }

    /// The channel of a worker.
    pub(crate) fn of_worker(outbox: mpsc::Sender<Vec<u8>>, membership: Membership) -> Self {
        Self::OfWorker(outbox, membership)
    }

    /// Its place in a cluster.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        match self {
            Self::Own(_) => None,
            Self::OfWorker(_, membership) => Some(membership),
        }
    }

    /// Sends `message`. False if the child does not listen, or has let too much pile up.
    pub(crate) fn send(&self, message: &Value) -> bool {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        match self {
            Self::Own(own) => own.send(&line),
            Self::OfWorker(outbox, _) => outbox.try_send(line).is_ok(),
        }
    }

    /// What the next image needs of it, and the descriptor that must stay open. It must not run on meanwhile.
    pub(crate) fn pack(&self) -> Option<Packed> {
        match self {
            Self::Own(own) => Some(own.pack()),
            Self::OfWorker(..) => None,
        }
    }

    /// The descriptor that [`Self::pack`] names.
    pub(crate) fn packed_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Own(own) => Some(own.wire.stream.as_fd()),
            Self::OfWorker(..) => None,
        }
    }
}

impl Tasks {
    fn send(&self, line: &[u8]) -> bool {
        let mut outgoing = lock(&self.wire.outgoing);
        let is_open = !self.tasks.iter().any(JoinHandle::is_finished);
        if !is_open || outgoing.len() > BACKLOG {
            return false;
        }
        outgoing.extend_from_slice(line);
        self.wire.wake.notify_one();
        true
    }

    fn pack(&self) -> Packed {
        Packed {
            fd: self.wire.stream.as_raw_fd(),
            incoming: lock(&self.wire.incoming).clone(),
            outgoing: lock(&self.wire.outgoing).clone(),
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Wire {
    async fn listen(&self, id: ProcessId, run: u64, inbox: &mpsc::Sender<Received>) -> io::Result<()> {
        let mut searched = 0;
        loop {
            // A line stays where it is until it was passed on.
            while let Some(message) = self.first_line(searched)? {
                let Ok(place) = inbox.reserve().await else { return Ok(()) };
                place.send(Received { id, run, what: Heard::Message(message.1) });
                lock(&self.incoming).drain(..message.0);
                searched = 0;
            }
            searched = lock(&self.incoming).len();
            if searched > MAX_LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a line over {} MiB", MAX_LINE >> 20),
                ));
            }
            self.stream.readable().await?;
            let mut incoming = lock(&self.incoming);
            // A line of many megabytes is rare: its memory is not kept.
            if incoming.is_empty() {
                incoming.shrink_to(CHUNK);
            }
            incoming.resize(searched + CHUNK, 0);
            let read = self.stream.try_read(&mut incoming[searched..]);
            incoming.truncate(searched + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The first line and its length, if it is whole. Its end is not before `searched`.
    fn first_line(&self, searched: usize) -> io::Result<Option<(usize, Value)>> {
        let incoming = lock(&self.incoming);
        let end = incoming.iter().skip(searched).position(|&byte| byte == b'\n').map(|end| searched + end);
        let Some(end) = end else { return Ok(None) };
        let message = serde_json::from_slice(&incoming[..end])?;
        Ok(Some((end + 1, message)))
    }

    async fn speak(&self) -> io::Result<()> {
        loop {
            if lock(&self.outgoing).is_empty() {
                self.wake.notified().await;
                continue;
            }
            self.stream.writable().await?;
            let mut outgoing = lock(&self.outgoing);
            match self.stream.try_write(&outgoing) {
                Ok(written) => _ = outgoing.drain(..written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// There is one thread, and nothing panics while it holds this: a poisoned lock is as good.
fn lock(buffer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn lines_go_both_ways_and_garbage_ends_only_the_channel() {
        let (inbox, mut received) = mpsc::channel(8);
        let (channel, theirs) = Channel::open(3.into(), 7, inbox).unwrap();
        let mut child = std::os::unix::net::UnixStream::from(theirs);
        child.write_all(b"\"ready\"\n{\"type\":\"x\"}\n").unwrap();
        let first = received.recv().await.unwrap();
        assert_eq!((first.id, first.run, first.what), (3.into(), 7, Heard::Message(json!("ready"))));
        assert_eq!(received.recv().await.unwrap().what, Heard::Message(json!({ "type": "x" })));
        assert!(channel.send(&json!("shutdown")));
        tokio::task::yield_now().await;
        let mut line = [0; 11];
        tokio::task::spawn_blocking(move || {
            child.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"\"shutdown\"\n");
            child.write_all(b"no json\n\"more\"\n").unwrap();
        })
        .await
        .unwrap();
        assert!(received.recv().await.is_none());
    }
}
