//! The socket: turns frames into requests for the god, and its replies into frames.
//!
//! A connection is a task of its own. Whatever a client sends, or fails to send, ends that connection at worst.

use std::{io, os::fd::OwnedFd, time::Duration};

use interprocess::{
    local_socket::{
        GenericFilePath, Listener as SyncListener, ListenerOptions, ToFsName,
        tokio::{Listener, Stream},
        traits::tokio::Listener as _,
    },
    os::unix::{local_socket::ListenerOptionsExt, uds_local_socket},
};
use rpm_core::{
    Home, frame,
    protocol::{Failure, Hello, PROTOCOL, Reply, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use crate::table::Replies;

/// How long a client may take for the rest of a frame that it began, and for its hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// Replies that may wait for a client. One that lets more pile up is cut off.
const BACKLOG: usize = 16_384;

/// Bytes of replies that are worth a write of their own: small ones go together, large ones do not pile up.
const FULL: usize = 256 << 10;

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

/// Accepts clients for ever.
pub(crate) async fn serve(listener: Listener, calls: mpsc::Sender<Call>) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let calls = calls.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &calls).await {
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

async fn converse(mut stream: Stream, calls: &mpsc::Sender<Call>) -> Result<(), Broken> {
    let hello = Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id() as i32,
    };
    write(&mut stream, &hello).await?;
    if !is_allowed(&stream) {
        return write(&mut stream, &Reply::Failed(Failure::NotYours)).await;
    }
    let theirs = match timeout(PATIENCE, read::<Hello>(&mut stream)).await? {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return Ok(()),
        Err(broken) => return refuse(&mut stream, broken).await,
    };
    loop {
        let request = match read::<Request>(&mut stream).await {
            Ok(None) => return Ok(()),
            // Another version can ask for one thing: to take this one's place.
            Ok(Some(request @ Request::Update { .. })) => request,
            Ok(Some(_)) | Err(_) if theirs.protocol != PROTOCOL => {
                return write(&mut stream, &Reply::Failed(Failure::OtherProtocol(hello.version))).await;
            }
            Ok(Some(request)) => request,
            Err(broken) => return refuse(&mut stream, broken).await,
        };
        let (replies, mut answers) = mpsc::channel(BACKLOG);
        if calls.send(Call { request, replies }).await.is_err() {
            return write(&mut stream, &Reply::Failed(Failure::Ending)).await;
        }
        if !answer(&mut stream, &mut answers).await? {
            return Ok(());
        }
    }
}

/// Passes replies on until all is said. False if the client went away first.
async fn answer(stream: &mut Stream, answers: &mut mpsc::Receiver<Reply>) -> Result<bool, Broken> {
    let mut batch = Vec::new();
    let mut byte = [0];
    loop {
        // A client that only listens is noticed when it goes: it has nothing to say until it has its answer.
        let more = tokio::select! {
            biased;
            more = answers.recv_many(&mut batch, 256) => more,
            gone = stream.read(&mut byte) => match gone? {
                0 => return Ok(false),
                _ => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            },
        };
        let mut ended = more == 0;
        let mut frames = Vec::new();
        for reply in batch.drain(..) {
            ended |= matches!(reply, Reply::End | Reply::Failed(_));
            frames.extend(frame::encode(&reply)?);
            if frames.len() > FULL {
                stream.write_all(&frames).await?;
                frames.clear();
            }
        }
        if more == 0 {
            frames.extend(frame::encode(&Reply::End)?);
        }
        stream.write_all(&frames).await?;
        if ended {
            return Ok(true);
        }
    }
}

async fn refuse(stream: &mut Stream, broken: Broken) -> Result<(), Broken> {
    if let Broken::Frame(error) = &broken {
        write(stream, &Reply::Failed(Failure::BadRequest(error.to_string()))).await?;
    }
    Err(broken)
}

/// The daemon's own user, and root.
fn is_allowed(stream: &Stream) -> bool {
    use interprocess::local_socket::traits::StreamCommon as _;
    let peer = stream.peer_creds().ok().and_then(|creds| creds.euid());
    peer.is_some_and(|user| user == 0 || user == nix::unistd::geteuid().as_raw())
}

async fn write(stream: &mut Stream, message: &impl serde::Serialize) -> Result<(), Broken> {
    Ok(stream.write_all(&frame::encode(message)?).await?)
}

/// The next message, or `None` at the end. A client may be silent between frames for as long as it likes, but not
/// within one.
async fn read<T: serde::de::DeserializeOwned>(stream: &mut Stream) -> Result<Option<T>, Broken> {
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
