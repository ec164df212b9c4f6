//! The IPC channel of a child: Node's protocol, a value of JSON on each line, both ways.
//!
//! The child has its end as descriptor 3, or after the sockets that it is given, and learns of it from
//! `NODE_CHANNEL_FD`, which Node takes out of the environment again. Programs that know nothing of it are not bothered.

use std::{io, os::fd::OwnedFd};

use rpm_core::ProcessId;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use crate::node::Membership;

/// The entries by which Node finds its end, after `sockets` other descriptors.
pub(crate) fn environment(sockets: usize) -> [(&'static str, String); 2] {
    [("NODE_CHANNEL_FD", (3 + sockets).to_string()), ("NODE_CHANNEL_SERIALIZATION_MODE", "json".to_owned())]
}

/// Longest line that is taken from a child. A longer one ends its channel: nobody else may suffer.
const MAX_LINE: u64 = 16 << 20;

/// Messages that may wait for a child that does not read.
pub(crate) const OUTBOX: usize = 1024;

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
pub(crate) struct Channel {
    outbox: mpsc::Sender<Vec<u8>>,
    /// It is the channel of a worker.
    membership: Option<Membership>,
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
        ours.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        let (outbox, mut messages) = mpsc::channel::<Vec<u8>>(OUTBOX);
        tokio::spawn(async move {
            let mut writer = writer;
            while let Some(line) = messages.recv().await {
                if writer.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            if let Err(error) = listen(BufReader::with_capacity(1024, reader), id, run, &inbox).await {
                tracing::warn!("IPC channel of process {id}: {error}");
            }
        });
        Ok((Self { outbox, membership: None }, theirs.into()))
    }

    /// The channel of a worker, which its cluster keeps. What is put into `outbox` is sent.
    pub(crate) fn of_worker(outbox: mpsc::Sender<Vec<u8>>, membership: Membership) -> Self {
        Self { outbox, membership: Some(membership) }
    }

    /// Its place in a cluster.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Sends `message`. False if the child does not listen, or has let too much pile up.
    pub(crate) fn send(&self, message: &Value) -> bool {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        self.outbox.try_send(line).is_ok()
    }
}

async fn listen(
    mut reader: impl AsyncBufReadExt + Unpin,
    id: ProcessId,
    run: u64,
    inbox: &mpsc::Sender<Received>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line of many megabytes is rare: its memory is not kept.
        line.shrink_to(4 << 10);
        let length = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && length as u64 >= MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line over 16 MiB"));
        }
        let message = match serde_json::from_slice(&line) {
            Ok(message) => message,
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        if inbox.send(Received { id, run, what: Heard::Message(message) }).await.is_err() {
            return Ok(());
        }
    }
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
