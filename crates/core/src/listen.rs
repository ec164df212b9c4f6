//! Sockets that the daemon holds for an app.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A socket that the daemon opens for an app and that each run of it inherits (`LISTEN_FDS`), with the name under which
/// the app finds it (`LISTEN_FDNAMES`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen {
    /// Without colons, which separate the names.
    pub name: Option<String>,
    /// Where it listens.
    pub place: Place,
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A TCP port. The unspecified IPv6 address means IPv4, too.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text names no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected \"127.0.0.1:3000\", \"[::1]:3000\", \"3000\" (all addresses) or \"unix:/path\", with \"NAME=\" before \
     it if the app is to find it by a name, found {0:?}"
)]
pub struct BadListen(pub String);

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        let bad = || BadListen(text.to_owned());
        // A path may have an equals sign, a name no colon.
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if !name.contains([':', '/']) => (Some(name), place),
            _ => (None, text),
        };
        let is_name = |name: &str| !name.is_empty() && name.len() < 256 && !name.contains(char::is_control);
        if name.is_some_and(|name| !is_name(name)) {
            return Err(bad());
        }
        let place = match place.strip_prefix("unix:") {
            Some("") => return Err(bad()),
            Some(path) => Place::Unix(path.into()),
            None => {
                let all = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
                let port = place.strip_prefix(':').unwrap_or(place);
                let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
                let address = match port {
                    Some(port) => port.parse().ok().map(|port| SocketAddr::new(all, port)),
                    None => place.parse().ok(),
                };
                Place::Tcp(address.ok_or_else(bad)?)
            }
        };
        Ok(Self { name: name.map(str::to_owned), place })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => self.place.fmt(f),
            Some(name) => write!(f, "{name}={}", self.place),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = BadListen;

    fn try_from(text: String) -> Result<Self, BadListen> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for (text, shown) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            ("[::1]:3000", "[::1]:3000"),
            ("3000", "[::]:3000"),
            (":3000", "[::]:3000"),
            ("unix:/run/a=b.sock", "unix:/run/a=b.sock"),
            ("web=0.0.0.0:0", "web=0.0.0.0:0"),
            ("admin=unix:/run/x", "admin=unix:/run/x"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), shown);
            assert_eq!(shown.parse(), Ok(listen));
        }
    }

    #[test]
    fn what_names_no_socket_is_refused() {
        for text in [
            "",
            ":",
            "localhost:80",
            "127.0.0.1",
            "70000",
            "127.0.0.1:70000",
            "unix:",
            "=80",
            "a\n=80",
            "tcp:80",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
    }
}
