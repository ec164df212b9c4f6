//! Sockets as Node's own primary binds them, and its errors.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt, net::UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{
        self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType,
        sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wire::{Endpoint, HandleKind, Query};

/// What Node passes to `listen` when the app does not say.
const BACKLOG: i32 = 511;

/// Longest path that fits into the address of a Unix socket, its NUL included.
const MAX_PATH: usize = 108;

/// A socket that is bound; one of connections listens.
#[derive(Debug)]
pub(crate) struct Bound {
    pub fd: OwnedFd,
    pub kind: SocketKind,
    /// The file of a Unix socket, which goes when this does.
    pub file: Option<SocketFile>,
}

/// What comes to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SocketKind {
    Connections,
    Datagrams,
}

impl From<SocketKind> for HandleKind {
    fn from(kind: SocketKind) -> Self {
        match kind {
            SocketKind::Connections => Self::Stream,
            SocketKind::Datagrams => Self::Datagram,
        }
    }
}

/// A file that is removed with its socket.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Binds what a worker asks for.
pub(super) fn bind(query: &Query) -> Result<Bound, Errno> {
    let backlog = query.backlog.unwrap_or(BACKLOG);
    match &query.endpoint {
        Endpoint::Tcp { address: Some(address), port, .. } => {
            tcp(address_of(address, *port)?, query.ipv6_only, backlog)
        }
        // All addresses: of both families where there is IPv6.
        Endpoint::Tcp { address: None, port, .. } => {
            let all = |address: IpAddr| tcp(SocketAddr::new(address, *port), query.ipv6_only, backlog);
            all(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| all(Ipv4Addr::UNSPECIFIED.into()))
        }
        Endpoint::Udp { address, port, v6, .. } => {
            let unspecified = if *v6 { "::" } else { "0.0.0.0" };
            udp(address_of(address.as_deref().unwrap_or(unspecified), *port)?, query)
        }
        Endpoint::Unix(path) => {
            let bound = unix(Path::new(path), backlog)?;
            let more = [(query.readable_all, 0o444), (query.writable_all, 0o222)];
            let more = more.into_iter().filter_map(|(wanted, bits)| wanted.then_some(bits)).sum::<u32>();
            if more != 0 {
                let mode = fs::metadata(path).map_err(|error| errno(&error))?.permissions().mode();
                fs::set_permissions(path, fs::Permissions::from_mode(mode | more))
                    .map_err(|error| errno(&error))?;
            }
            Ok(bound)
        }
        Endpoint::Descriptor(_) => Err(Errno::INVAL),
    }
}

/// A numeric address. Names are looked up by the worker: the daemon must not wait for a name server.
fn address_of(address: &str, port: u16) -> Result<SocketAddr, Errno> {
    if let Ok(address) = address.parse() {
        return Ok(SocketAddr::new(address, port));
    }
    // `fe80::1%eth0`: with the number of an interface.
    let numeric = address.split_once('%').is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok());
    let mut found = numeric.then(|| (address, port).to_socket_addrs().ok()).flatten();
    found.as_mut().and_then(Iterator::next).ok_or(Errno::INVAL)
}

fn socket(address: SocketAddr, kind: SocketType, v6_only: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let fd = net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&fd, v6_only)?;
    }
    Ok(fd)
}

/// A socket that listens for TCP connections.
pub(crate) fn tcp(address: SocketAddr, v6_only: bool, backlog: i32) -> Result<Bound, Errno> {
    let fd = socket(address, SocketType::STREAM, v6_only)?;
    set_socket_reuseaddr(&fd, true)?;
    net::bind(&fd, &address)?;
    net::listen(&fd, backlog)?;
    Ok(Bound { fd, kind: SocketKind::Connections, file: None })
}

fn udp(address: SocketAddr, query: &Query) -> Result<Bound, Errno> {
    let fd = socket(address, SocketType::DGRAM, query.ipv6_only)?;
    if query.reuse_address {
        set_socket_reuseaddr(&fd, true)?;
    }
    net::bind(&fd, &address)?;
    Ok(Bound { fd, kind: SocketKind::Datagrams, file: None })
}

/// A Unix socket that listens. One that somebody left behind, and that nobody listens on, is replaced.
pub(crate) fn unix(path: &Path, backlog: i32) -> Result<Bound, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Reached through its directory where the path is too long for an address.
    let directory = (path.as_os_str().len() >= MAX_PATH)
        .then(|| {
            let parent = path.parent().unwrap_or(Path::new("/"));
            rustix::fs::open(parent, OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())
        })
        .transpose()?;
    let short = match (&directory, path.file_name()) {
        (Some(directory), Some(name)) => {
            Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name)
        }
        _ => path.to_owned(),
    };
    if short.as_os_str().as_bytes().len() >= MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    let address = SocketAddrUnix::new(&short)?;
    let bound = net::bind(&fd, &address).or_else(|error| {
        let is_left_behind = error == Errno::ADDRINUSE
            && fs::symlink_metadata(path)
                .is_ok_and(|meta| std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()))
            && UnixStream::connect(&short)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
        if !is_left_behind {
            return Err(error);
        }
        fs::remove_file(path).map_err(|error| errno(&error))?;
        net::bind(&fd, &address)
    });
    // As libuv has it.
    bound.map_err(|error| if error == Errno::NOENT { Errno::ACCESS } else { error })?;
    let file = Some(SocketFile(path.to_owned()));
    net::listen(&fd, backlog)?;
    Ok(Bound { fd, kind: SocketKind::Connections, file })
}

/// Where a socket is bound, as Node tells it; null for a Unix socket.
pub(super) fn sockname(fd: impl AsFd) -> Value {
    match net::getsockname(fd).ok().and_then(|address| SocketAddr::try_from(address).ok()) {
        Some(SocketAddr::V4(address)) => {
            json!({ "address": address.ip().to_string(), "family": "IPv4", "port": address.port() })
        }
        Some(SocketAddr::V6(address)) => {
            json!({ "address": with_zone(&address), "family": "IPv6", "port": address.port() })
        }
        None => Value::Null,
    }
}

fn with_zone(address: &SocketAddrV6) -> String {
    match address.scope_id() {
        0 => address.ip().to_string(),
        zone => format!("{}%{zone}", address.ip()),
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn query(endpoint: Endpoint) -> Query {
        Query {
            seq: 1,
            endpoint,
            ipv6_only: false,
            reuse_address: false,
            backlog: None,
            readable_all: false,
            writable_all: false,
            data: Value::Null,
        }
    }

    fn on(address: Option<&str>, port: u16) -> Result<Bound, Errno> {
        bind(&query(Endpoint::Tcp { address: address.map(str::to_owned), port, nth: 0 }))
    }

    #[test]
    fn any_free_port_is_told_and_a_taken_one_refused() {
        let bound = on(Some("127.0.0.1"), 0).unwrap();
        let name = sockname(&bound.fd);
        let port = u16::try_from(name["port"].as_u64().unwrap()).unwrap();
        assert_eq!((&name["address"], &name["family"]), (&json!("127.0.0.1"), &json!("IPv4")));
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(on(Some("127.0.0.1"), port).unwrap_err(), Errno::ADDRINUSE);
        drop(bound);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn no_address_is_every_address() {
        let bound = on(None, 0).unwrap();
        let port = u16::try_from(sockname(&bound.fd)["port"].as_u64().unwrap()).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn no_name_is_looked_up() {
        for address in ["localhost", "example.com", "x%lo", "", "127.0.0.1:80"] {
            assert_eq!(on(Some(address), 0).unwrap_err(), Errno::INVAL, "{address}");
        }
        assert_eq!(bind(&query(Endpoint::Descriptor(3))).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn a_unix_socket_goes_with_its_listener_and_may_have_a_long_path() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        for path in [directory.path().join("s"), deep.join("s")] {
            let bound = unix(&path, 5).unwrap();
            assert!(path.exists());
            assert_eq!(sockname(&bound.fd), Value::Null);
            assert_eq!(unix(&path, 5).unwrap_err(), Errno::ADDRINUSE);
            drop(bound);
            assert!(!path.exists());
        }
        assert_eq!(unix(&directory.path().join("no/s"), 5).unwrap_err(), Errno::ACCESS);
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let mut open = query(Endpoint::Unix(path.to_str().unwrap().to_owned()));
        open.writable_all = true;
        let bound = bind(&open).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o222, 0o222);
        drop(bound);
        fs::write(&path, "precious").unwrap();
        assert_eq!(unix(&path, 5).unwrap_err(), Errno::ADDRINUSE);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
