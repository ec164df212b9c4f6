//! The socket: turns frames into requests for the god, and its replies into frames.
//!
//! A connection is a task of its own. Whatever a client sends, or fails to send, ends that connection at worst.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use interprocess::{
    local_socket::{
        GenericFilePath, Listener as SyncListener, ListenerOptions, ToFsName, tokio::Stream,
        traits::tokio::Listener as _,
    },
    os::unix::{local_socket::ListenerOptionsExt, uds_local_socket},
};
use rpm_core::{
    Home, frame,
    protocol::{Failure, Hello, PROTOCOL, Reply, Request},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    replies,
    table::Replies,
    traffic::{Entry, Traffic},
};

pub(crate) use interprocess::local_socket::tokio::Listener;

/// How long a client may take for the rest of a frame that it began, and for its hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// Replies that may wait for a client. One that lets more pile up is cut off.
const BACKLOG: usize = 16_384;

/// Bytes of replies that are worth a write of their own: small ones go together, large ones do not pile up.
const FULL: usize = 256 << 10;

/// How long what is said waits for what follows.
const GATHER: Duration = Duration::from_millis(5);

/// A request and where its replies go.
pub(crate) struct Call {
    pub request: Request,
    pub replies: Replies,
}

/// Binds the home's socket, for its owner alone. A socket that a dead daemon left is replaced: the caller holds
/// the home's lock.
pub(crate) fn bind(home: &Home) -> io::Result<OwnedFd> {
    match std::fs::remove_file(home.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    ListenerOptions::new()
        .name(home.socket().to_fs_name::<GenericFilePath>()?)
        .reclaim_name(false)
        .mode(0o600)
        .create_sync()
        .map(|SyncListener::UdSocket(listener)| listener.into())
}

/// The listener over the home's socket. Must be called within a runtime.
pub(crate) fn listener(socket: OwnedFd) -> io::Result<Listener> {
    uds_local_socket::tokio::Listener::try_from(socket).map(Listener::UdSocket)
}

/// Accepts clients for ever, on the latest of `listeners`.
pub(crate) async fn serve(
    mut listeners: mpsc::UnboundedReceiver<Listener>,
    mut listener: Listener,
    calls: mpsc::Sender<Call>,
    traffic: Arc<Traffic>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(next) = listeners.recv() => {
                listener = next;
                continue;
            }
        };
        match accepted {
            Ok(stream) => {
                let (calls, traffic) = (calls.clone(), Arc::clone(&traffic));
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &calls, &traffic).await {
                        tracing::debug!("a connection ended: {error}");
                    }
                });
            }
            Err(error) => {
                // Most likely no descriptor is free: trying at once again would only burn CPU.
                tracing::error!("cannot accept a client: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error("the client took too long")]
    Slow(#[from] tokio::time::error::Elapsed),
}

async fn converse(stream: Stream, calls: &mpsc::Sender<Call>, traffic: &Arc<Traffic>) -> Result<(), Broken> {
    let allowed = is_allowed(&stream);
    let mut talk = Talk { stream: BufReader::new(stream), unsent: Vec::new() };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    talk.say(&Hello { protocol: PROTOCOL, version: version.clone(), pid: std::process::id() as i32 })?;
    if !allowed {
        return talk.conclude(Failure::NotYours).await;
    }
    // Counted from here on: a client that has our hello takes it that its request may have begun.
    let mut greeting = Some(traffic.listen());
    talk.flush_unless_spoken_to().await?;
    let read = tokio::select! {
        biased;
        read = timeout(PATIENCE, talk.read::<Hello>()) => read?,
        () = traffic.dismisses() => return talk.conclude(Failure::Replaced).await,
    };
    let theirs = match read {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return Ok(()),
        Err(broken) => return talk.refuse(broken).await,
    };
    loop {
        talk.flush_unless_spoken_to().await?;
        let listening = greeting.take().unwrap_or_else(|| traffic.listen());
        let read = tokio::select! {
            biased;
            read = talk.read::<Request>() => read,
            () = traffic.dismisses() => return talk.conclude(Failure::Replaced).await,
        };
        let request = match read {
            Ok(None) => return Ok(()),
            // Another version can ask for one thing: to take this one's place.
            Ok(Some(request @ Request::Update { .. })) => request,
            Ok(Some(_)) | Err(_) if theirs.protocol != PROTOCOL => {
                return talk.conclude(Failure::OtherProtocol(version)).await;
            }
            Ok(Some(request)) => request,
            Err(broken) => return talk.refuse(broken).await,
        };
        let _counted = if request.holds_up_update() {
            match traffic.enter().await {
                Entry::Admitted(counted) => Some(counted),
                Entry::Dismissed(_counted) => return talk.conclude(Failure::Replaced).await,
            }
        } else {
            None
        };
        drop(listening);
        // A client that has no hello when the connection ends takes it that nothing was done, and asks the next daemon.
        if !request.only_looks() {
            talk.flush().await?;
        }
        let (replies, mut answers) = mpsc::channel(BACKLOG);
        if calls.send(Call { request, replies }).await.is_err() {
            return talk.conclude(Failure::Ending).await;
        }
        // Most answers are there after the god's next turn.
        tokio::task::yield_now().await;
        if !talk.answer(&mut answers).await? {
            return Ok(());
        }
    }
}

/// The daemon's side of a connection.
///
/// Each write wakes the client, which then takes CPU from what is being started or stopped for it. So what is said waits
/// a moment for what follows, and most answers go out in one write; where nothing is changed, the hello goes with them.
struct Talk {
    stream: BufReader<Stream>,
    /// Frames that are not written yet.
    unsent: Vec<u8>,
}

impl Talk {
    fn say(&mut self, message: &impl serde::Serialize) -> Result<(), Broken> {
        Ok(frame::append(&mut self.unsent, message)?)
    }

    /// Says `reply`; one that is longer than a frame, in pieces or without what makes it long.
    fn say_in_pieces(&mut self, reply: Reply) -> Result<(), Broken> {
        match self.say(&reply) {
            Err(Broken::Frame(frame::FrameError::TooLong(length))) => {
                tracing::warn!(
                    "a reply of {length} bytes is over the limit of a frame: it is split or shortened"
                );
                replies::shorter(reply).into_iter().try_for_each(|piece| self.say_in_pieces(piece))
            }
            outcome => outcome,
        }
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.stream.write_all(&self.unsent).await?;
        self.unsent.clear();
        Ok(())
    }

    /// Writes what is unsent, unless the client speaks meanwhile: then it goes with the answer.
    async fn flush_unless_spoken_to(&mut self) -> Result<(), Broken> {
        if !self.unsent.is_empty() && timeout(GATHER, self.stream.fill_buf()).await.is_err() {
            self.flush().await?;
        }
        Ok(())
    }

    /// The last word.
    async fn conclude(&mut self, failure: Failure) -> Result<(), Broken> {
        self.say(&Reply::Failed(failure))?;
        self.flush().await
    }

    async fn refuse(&mut self, broken: Broken) -> Result<(), Broken> {
        if let Broken::Frame(error) = &broken {
            self.conclude(Failure::BadRequest(error.to_string())).await?;
        }
        Err(broken)
    }

    /// Passes replies on until all is said. False if the client went away first.
    async fn answer(&mut self, answers: &mut mpsc::Receiver<Reply>) -> Result<bool, Broken> {
        let mut batch = Vec::new();
        let mut byte = [0];
        // What is there already goes at once if there is nothing to go with it: a hello may not wait for a slow answer.
        let mut due = Some(Instant::now());
        loop {
            // A client that only listens is noticed when it goes: it has nothing to say until it has its answer.
            let more = tokio::select! {
                biased;
                more = answers.recv_many(&mut batch, 256) => more,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.flush().await?;
                    due = None;
                    continue;
                }
                gone = self.stream.read(&mut byte) => match gone? {
                    0 => return Ok(false),
                    _ => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
                },
            };
            let mut ended = false;
            for reply in batch.drain(..) {
                ended |= matches!(reply, Reply::End | Reply::Failed(_));
                self.say_in_pieces(reply)?;
                if self.unsent.len() > FULL {
                    self.flush().await?;
                }
            }
            if !ended && (more == 0 || answers.is_closed() && answers.is_empty()) {
                self.say(&Reply::End)?;
                ended = true;
            }
            if ended {
                self.flush().await?;
                return Ok(true);
            }
            due = due.or_else(|| Some(Instant::now() + GATHER));
        }
    }

    /// The next message, or `None` at the end. A client may be silent between frames for as long as it likes, but not
    /// within one.
    async fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, Broken> {
        let stream = &mut self.stream;
        let mut header = [0; frame::HEADER];
        if stream.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        let payload = timeout(PATIENCE, async {
            stream.read_exact(&mut header[1..]).await?;
            let length = frame::payload_length(header)?;
            // Grows as bytes arrive: a claim alone costs nothing.
            let mut payload = Vec::new();
            stream.take(length as u64).read_to_end(&mut payload).await?;
            if payload.len() < length {
                return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(payload)
        })
        .await??;
        Ok(Some(frame::decode(&payload)?))
    }
}

/// The daemon's own user, and root.
fn is_allowed(stream: &Stream) -> bool {
    use interprocess::local_socket::traits::StreamCommon as _;
    let peer = stream.peer_creds().ok().and_then(|creds| creds.euid());
    peer.is_some_and(|user| user == 0 || user == nix::unistd::geteuid().as_raw())
}
