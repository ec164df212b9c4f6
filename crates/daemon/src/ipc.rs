//! The IPC channel of a child: Node's protocol, a value of JSON on each line, both ways.
//!
//! The child has its end as descriptor 3 and learns of it from `NODE_CHANNEL_FD`, which Node takes out of the
//! environment again. Programs that know nothing of it are not bothered.

use std::{io, os::fd::OwnedFd};

use rpm_core::ProcessId;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::mpsc,
};

/// The child's descriptor of its end.
pub(crate) const CHILD_FD: i32 = 3;

/// The entries by which Node finds its end.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] =
    [("NODE_CHANNEL_FD", "3"), ("NODE_CHANNEL_SERIALIZATION_MODE", "json")];

/// Longest line that is taken from a child. A longer one ends its channel: nobody else may suffer.
const MAX_LINE: u64 = 16 << 20;

/// Messages that may wait for a child that does not read.
const OUTBOX: usize = 1024;

/// Something came over the channel of a run.
#[derive(Debug)]
pub(crate) struct Received {
    pub id: ProcessId,
    /// Which of its runs said it.
    pub run: u64,
    pub message: Value,
}

/// The daemon's end of one channel. The child sees the end of it when this is dropped.
#[derive(Debug)]
pub(crate) struct Channel {
    outbox: mpsc::Sender<Vec<u8>>,
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
        Ok((Self { outbox }, theirs.into()))
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
        if inbox.send(Received { id, run, message }).await.is_err() {
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
        assert_eq!((first.id, first.run, first.message), (3.into(), 7, json!("ready")));
        assert_eq!(received.recv().await.unwrap().message, json!({ "type": "x" }));
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
