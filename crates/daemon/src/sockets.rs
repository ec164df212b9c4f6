//! Listening sockets that the daemon holds for apps, so that they outlive each run: systemd's protocol.
//!
//! A run finds them as descriptors from 3 on (`sd_listen_fds(3)`): `LISTEN_FDS` is their number, `LISTEN_PID` its own
//! pid, `LISTEN_FDNAMES` their names with colons between them. They are opened when the first process of the app is
//! started, and closed when none is left that runs.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

use rpm_core::{AppKey, AppSpec, Listen, listen::Place, name::printable};

use rustix::{
    io::Errno,
    net::{SocketAddrUnix, getsockname},
};
use serde::{Deserialize, Serialize};

use crate::{
    handover::HandedApp,
    inherited,
    node::{self, Bound, SocketFile, SocketKind},
    table::Table,
    tree::Member,
};

/// The first descriptor that carries a socket.
const FIRST: i32 = 3;

/// Connections that may wait while nobody accepts.
const BACKLOG: i32 = 4096;

/// A socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {error}")]
pub(crate) struct ListenError {
    place: Place,
    #[source]
    error: std::io::Error,
}

/// The sockets of all apps.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    apps: HashMap<AppKey, Vec<(Place, Bound)>>,
}

impl Sockets {
    /// Copies of what a run of `app` is given, in the order of its declaration. What is not open yet is opened, and what
    /// `app` no longer declares is closed.
    ///
    /// `heir` is a run that an earlier daemon has started: it has the sockets which that daemon held.
    pub(crate) fn of(&mut self, app: &AppSpec, heir: Option<&Member>) -> Result<Vec<OwnedFd>, ListenError> {
        if app.listen.is_empty() {
            self.apps.remove(&app.key());
            return Ok(Vec::new());
        }
        let held = self.apps.entry(app.key()).or_default();
        held.retain(|(place, _)| app.listen.iter().any(|listen| listen.place == *place));
        let mut copies = Vec::with_capacity(app.listen.len());
        for (number, Listen { place, .. }) in (FIRST..).zip(&app.listen) {
            let failed = |error| ListenError { place: place.clone(), error };
            let index = match held.iter().position(|(known, _)| known == place) {
                Some(index) => index,
                None => {
                    let inherited = heir.and_then(|heir| inherit(heir, number, place));
                    let bound = inherited.map_or_else(|| open(place), Ok);
                    // As systemd gives them: whoever accepts waits.
                    let blocking = |bound: Bound| rustix::io::ioctl_fionbio(&bound.fd, false).map(|()| bound);
                    let bound = bound.and_then(blocking).map_err(|errno| failed(errno.into()))?;
                    held.push((place.clone(), bound));
                    held.len() - 1
                }
            };
            copies.push(held[index].1.fd.try_clone().map_err(failed)?);
        }
        Ok(copies)
    }

    /// Closes what is held for `app`.
    pub(crate) fn close(&mut self, app: &AppSpec) {
        self.apps.remove(&app.key());
    }
}

fn open(place: &Place) -> Result<Bound, Errno> {
    match place {
        Place::Tcp(address) => node::tcp(*address, false, BACKLOG),
        Place::Unix(path) => node::unix(path, BACKLOG),
    }
}

/// The socket that `heir` has as descriptor `number`, if it is one for `place`.
fn inherit(heir: &Member, number: i32, place: &Place) -> Option<Bound> {
    let fd = heir.descriptor(number).ok()?;
    let name = getsockname(&fd).ok()?;
    let (is_it, file) = match place {
        Place::Tcp(wanted) => {
            let found = SocketAddr::try_from(name).ok()?;
            (found.ip() == wanted.ip() && [0, found.port()].contains(&wanted.port()), None)
        }
        Place::Unix(path) => {
            let found = SocketAddrUnix::try_from(name).ok()?;
            (found.path_bytes() == Some(path.as_os_str().as_bytes()), Some(path))
        }
    };
    is_it.then(|| {
        let file = file.map(|path| SocketFile::new(path.clone()));
        Bound { fd, kind: SocketKind::Connections, file }
    })
}

/// The sockets of one app, for the next image of the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    app: HandedApp,
    sockets: Vec<(Place, RawFd, Option<PathBuf>)>,
}

impl Packed {
    /// The descriptors that it names.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.sockets.iter().map(|(_, fd, _)| *fd)
    }
}

impl Sockets {
    /// What the next image needs of them.
    pub(crate) fn pack(&self) -> Vec<Packed> {
        let socket = |(place, bound): &(Place, Bound)| {
            (place.clone(), bound.fd.as_raw_fd(), bound.file.as_ref().map(SocketFile::path))
        };
        let app = |(app, held): (&AppKey, &Vec<_>)| Packed {
            app: HandedApp::Pair(app.clone()),
            sockets: held.iter().map(socket).collect(),
        };
        self.apps.iter().map(app).collect()
    }

    /// The descriptors that [`Self::pack`] names.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.apps.values().flatten().map(|(_, bound)| bound.fd.as_fd())
    }

    /// Takes over what another image has packed. Its descriptors must be taken over by nobody else.
    pub(crate) fn unpack(packed: Vec<Packed>, table: &Table) -> io::Result<Self> {
        let mut sockets = Self::default();
        for Packed { app, sockets: held } in packed {
            let bound = |(place, fd, file): (Place, RawFd, Option<PathBuf>)| {
                let fd = inherited::take(fd)?;
                Ok((place, Bound { fd, kind: SocketKind::Connections, file: file.map(SocketFile::new) }))
            };
            sockets.apps.insert(app.key(table), held.into_iter().map(bound).collect::<io::Result<_>>()?);
        }
        Ok(sockets)
    }
}

/// The variables that tell a run what it was given; `LISTEN_PID` is set when its pid is known (see [`crate::launch`](mod@crate::launch)).
pub(crate) fn environment(app: &AppSpec) -> Vec<(&'static str, String)> {
    if app.listen.is_empty() {
        return Vec::new();
    }
    let name = |listen: &Listen| match &listen.name {
        Some(name) => name.clone(),
        None => printable(&app.name).replace(':', "_"),
    };
    let names: Vec<String> = app.listen.iter().map(name).collect();
    vec![("LISTEN_FDS", app.listen.len().to_string()), ("LISTEN_FDNAMES", names.join(":"))]
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd,
    };

    use rpm_core::Interpreter;

    use super::*;

    fn app(listen: &[&str]) -> AppSpec {
        let mut app = AppSpec::new("a:b", "/a".into(), Interpreter::None, "/".into());
        app.listen = listen.iter().map(|text| text.parse().unwrap()).collect();
        app
    }

    fn port(fd: &OwnedFd) -> u16 {
        TcpListener::from(fd.try_clone().unwrap()).local_addr().unwrap().port()
    }

    #[test]
    fn sockets_outlive_runs_and_go_with_the_declaration_or_the_app() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let unix = format!("admin=unix:{}", path.display());
        let mut sockets = Sockets::default();
        let first = sockets.of(&app(&["127.0.0.1:0", &unix]), None).unwrap();
        let again = sockets.of(&app(&["127.0.0.1:0", &unix]), None).unwrap();
        assert_eq!(port(&first[0]), port(&again[0]));
        assert_ne!(first[0].as_raw_fd(), again[0].as_raw_fd());
        let port = port(&first[0]);
        drop((first, again));
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        sockets.of(&app(&[&unix]), None).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert!(path.exists());
        sockets.close(&app(&[]));
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = taken.local_addr().unwrap().to_string();
        let error = Sockets::default().of(&app(&[&place]), None).unwrap_err().to_string();
        assert!(error.contains(&place) && error.contains("in use"), "{error}");
    }

    #[test]
    fn names_have_no_colon() {
        let told = environment(&app(&["127.0.0.1:0", "admin=127.0.0.1:0"]));
        assert_eq!(told, [("LISTEN_FDS", "2".to_owned()), ("LISTEN_FDNAMES", "a_b:admin".to_owned())]);
        assert_eq!(environment(&app(&[])), []);
    }
}
