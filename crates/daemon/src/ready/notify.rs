//! systemd's way of telling a supervisor: datagrams to the socket that `NOTIFY_SOCKET` names (`sd_notify(3)`).
//!
//! Each run has a socket of its own, so nobody has to find out who sent what. Its name is in the abstract namespace: apps
//! that run as other users reach it, too. So the sender's user is looked at.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram as StdDatagram},
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rpm_core::ProcessId;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};
use serde::{Deserialize, Serialize};
use tokio::{
    io::Interest,
    net::UnixDatagram,
    time::{Instant, timeout_at},
};

use super::Listener;
use crate::{inherited, ipc::Heard};

/// Longest datagram that is read; `sd_notify` allows 4 KiB of environment-like lines in practice.
const MAX_DATAGRAM: usize = 16 << 10;

/// How often another name is tried.
const ATTEMPTS: u32 = 8;

/// Longest status that is kept.
const MAX_STATUS: usize = 1024;

/// The socket of one run.
#[derive(Clone, Debug)]
pub(super) struct Notify {
    socket: Arc<UnixDatagram>,
    name: String,
    /// Whose datagrams are heeded besides root's and the daemon's own.
    user: Option<u32>,
    /// The daemon's log says that a stranger sent to it: once, or strangers could fill the disk.
    warned: Arc<AtomicBool>,
}

/// The socket of one run, for the next image of the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub fd: RawFd,
    name: String,
    user: Option<u32>,
}

/// What a datagram says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    ready: bool,
    stopping: bool,
    status: Option<String>,
    watchdog: Option<Watchdog>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Watchdog {
    Alive,
    /// It asks to be treated as if it had fallen silent.
    Trigger,
    Limit(Duration),
}

impl Notify {
    /// Must be called within a runtime.
    pub(super) fn open(id: ProcessId, run: u64, user: Option<u32>) -> io::Result<Self> {
        // Abstract names are free for all users. One that can be guessed could be taken before.
        let mut attempts = 0;
        loop {
            // Hashing nothing with keys that the system chose at random.
            let random = RandomState::new().build_hasher().finish();
            match Self::bind(format!("rpm/{}/{id}.{run}.{random:016x}", std::process::id()), user) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < ATTEMPTS => {
                    attempts += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The socket of a run that knows it by this value of `NOTIFY_SOCKET`: the daemon that held it is gone.
    pub(super) fn again(value: &str, user: Option<u32>) -> io::Result<Self> {
        let name = value.strip_prefix('@').ok_or(io::ErrorKind::InvalidInput)?;
        Self::bind(name.to_owned(), user)
    }

    fn bind(name: String, user: Option<u32>) -> io::Result<Self> {
        let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        sockopt::set_socket_passcred(&socket, true)?;
        Self::over(socket, name, user)
    }

    fn over(socket: StdDatagram, name: String, user: Option<u32>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(UnixDatagram::from_std(socket)?), name, user, warned: Arc::default() })
    }

    /// What the next image of the daemon needs of it.
    pub(super) fn pack(&self) -> Packed {
        Packed { fd: self.socket.as_raw_fd(), name: self.name.clone(), user: self.user }
    }

    /// The descriptor that [`Self::pack`] names.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes over what another image has packed. Its descriptor must be taken over by nobody else.
    pub(super) fn unpack(packed: Packed) -> io::Result<Self> {
        Self::over(inherited::take(packed.fd)?.into(), packed.name, packed.user)
    }

    /// The value of `NOTIFY_SOCKET`.
    pub(super) fn name(&self) -> String {
        format!("@{}", self.name)
    }

    /// Hears it until the run ends. `READY=1` counts if `heeds_ready`; once up it may not be silent for `watchdog`.
    pub(super) async fn listen(self, listener: Listener, heeds_ready: bool, watchdog: Option<Duration>) {
        let mut limit = watchdog;
        let mut due: Option<Instant> = None;
        loop {
            let datagram = match due {
                None => Ok(self.receive().await),
                Some(due) => timeout_at(due, self.receive()).await,
            };
            let Ok(datagram) = datagram else {
                let seconds = limit.unwrap_or_default().as_secs_f32();
                let reason = format!("it sent no WATCHDOG=1 for {seconds} s (watchdog)");
                return listener.tell(Heard::Failed(reason)).await;
            };
            let Some(news) = datagram.map(|datagram| read(&datagram)) else { continue };
            if let Some(status) = news.status {
                listener.tell(Heard::Status(status)).await;
            }
            if news.ready && heeds_ready {
                listener.tell(Heard::Ready).await;
            }
            match news.watchdog {
                Some(Watchdog::Trigger) => {
                    let reason = "it sent WATCHDOG=trigger".to_owned();
                    return listener.tell(Heard::Failed(reason)).await;
                }
                Some(Watchdog::Limit(new)) if limit.is_some() => limit = Some(new),
                _ => {}
            }
            if news.ready || news.watchdog.is_some() {
                due = limit.map(|limit| Instant::now() + limit);
            }
            if news.stopping {
                (limit, due) = (None, None);
            }
        }
    }

    /// The next datagram, `None` if it is of somebody who has no say, or the socket failed.
    async fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let received = self.socket.async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let length = recvmsg(&*self.socket, &mut parts, &mut control, flags)?.bytes;
            let user = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.uid.as_raw()),
                _ => None,
            });
            Ok((length, user))
        });
        let (length, sender) = received.await.ok()?;
        let sender = sender?;
        let me = nix::unistd::geteuid().as_raw();
        if sender != 0 && sender != me && Some(sender) != self.user {
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!("notifications of user {sender} for {} are ignored", self.name);
            }
            return None;
        }
        buffer.truncate(length);
        Some(buffer)
    }
}

pub(super) fn read(datagram: &[u8]) -> News {
    let mut news = News::default();
    for line in String::from_utf8_lossy(datagram).lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => news.ready = true,
            Some(("STOPPING", "1")) => news.stopping = true,
            Some(("STATUS", status)) => news.status = Some(status.chars().take(MAX_STATUS).collect()),
            Some(("WATCHDOG", "1")) => news.watchdog = Some(Watchdog::Alive),
            Some(("WATCHDOG", "trigger")) => news.watchdog = Some(Watchdog::Trigger),
            Some(("WATCHDOG_USEC", limit)) => {
                let limit = limit.parse().ok().filter(|&limit: &u64| limit > 0);
                news.watchdog = limit.map(|limit| Watchdog::Limit(Duration::from_micros(limit)));
            }
            _ => {}
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;

    proptest! {
        #[test]
        fn any_datagram_is_read(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            lines in prop::collection::vec("(READY|STATUS|WATCHDOG|WATCHDOG_USEC|STOPPING)=(1|0|-1|[0-9]{1,25}|trigger|\\PC{0,9})\n?", 0..6),
        ) {
            let news = read(&[&*bytes, b"\n", lines.concat().as_bytes()].concat());
            prop_assert!(news.status.is_none_or(|status| status.chars().count() <= MAX_STATUS));
        }
    }

    #[test]
    fn datagrams_are_lines() {
        let news = read(b"READY=1\nSTATUS=all is well\nMAINPID=4\n\xff=\nWATCHDOG=1\n");
        let status = Some("all is well".to_owned());
        assert_eq!(news, News { ready: true, stopping: false, status, watchdog: Some(Watchdog::Alive) });
        assert_eq!(read(b"READY=0\nready=1\nWATCHDOG_USEC=0"), News::default());
        assert_eq!(
            read(b"WATCHDOG_USEC=1500000").watchdog,
            Some(Watchdog::Limit(Duration::from_millis(1500)))
        );
    }

    #[tokio::test]
    async fn no_two_runs_have_a_name_that_can_be_guessed() {
        let names: Vec<_> = (0..2).map(|_| Notify::open(7.into(), 3, None).unwrap()).collect();
        assert_ne!(names[0].name(), names[1].name());
        assert!(names[0].name().len() > format!("@rpm/{}/7.3.", std::process::id()).len() + 15);
    }

    #[tokio::test]
    async fn what_a_run_says_is_heard_and_its_silence_too() {
        let (inbox, mut heard) = mpsc::channel(8);
        let notify = Notify::open(7.into(), 3, None).unwrap();
        let address = SocketAddr::from_abstract_name(notify.name().trim_start_matches('@')).unwrap();
        let listener = Listener { id: 7.into(), run: 3, inbox };
        tokio::spawn(notify.listen(listener, true, Some(Duration::from_millis(20))));
        let app = StdDatagram::unbound().unwrap();
        app.connect_addr(&address).unwrap();
        app.send(b"STATUS=loading").unwrap();
        app.send(b"READY=1\nWATCHDOG=1").unwrap();
        assert_eq!(heard.recv().await.unwrap().what, Heard::Status("loading".into()));
        let ready = heard.recv().await.unwrap();
        assert_eq!((ready.id, ready.run, ready.what), (7.into(), 3, Heard::Ready));
        let Heard::Failed(reason) = heard.recv().await.unwrap().what else { panic!() };
        assert!(reason.contains("WATCHDOG"), "{reason}");
    }
}
