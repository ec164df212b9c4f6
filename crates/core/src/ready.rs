//! How an app shows that it is up.

use std::{fmt, str::FromStr};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// What has to happen until a run of an app counts as up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ready {
    /// It says `ready` on its IPC channel (`process.send('ready')`); PM2's `wait_ready`.
    Ipc,
    /// It says `READY=1` on the socket that `NOTIFY_SOCKET` names, as `sd_notify` does.
    Notify,
    /// Somebody accepts TCP connections there.
    Tcp(Address),
    /// A GET is answered with a status from 200 to 399.
    Http(Url),
    /// A line of its output matches.
    Log(Pattern),
}

/// A host and a port. Without a host it is this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// A name or an address, without brackets.
    pub host: Option<String>,
    /// Never 0.
    pub port: u16,
}

/// `http://host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    /// Where to connect to.
    pub address: Address,
    /// What stands in `Host`: the host as it was written, and the port if there was one.
    pub authority: String,
    /// Begins with a slash.
    pub path: String,
}

/// A regular expression that compiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// For matching.
    pub fn regex(&self) -> Option<Regex> {
        Regex::new(&self.0).ok()
    }
}

/// Why a text does not say how an app shows that it is up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReady {
    /// It begins with no known word.
    #[error(
        "expected \"ipc\", \"notify\", \"tcp:PORT\", \"http://HOST:PORT/PATH\" or \"log:REGEX\", found {0:?}"
    )]
    Kind(String),
    /// The port is no number from 1 to 65535.
    #[error("expected a port from 1 to 65535, found {0:?}")]
    Port(String),
    /// There is no host.
    #[error("expected http://HOST:PORT/PATH, found no host in {0:?}")]
    Host(String),
    /// Something that would break the request.
    #[error("expected a URL without blanks and control characters, found {0:?}")]
    Blank(String),
    /// TLS is not spoken.
    #[error("https is not understood: expected http://HOST:PORT/PATH, found {0:?}")]
    Https(String),
    /// The pattern does not compile.
    #[error("expected a regular expression, {pattern:?} is none: {reason}")]
    Regex {
        /// What was written.
        pattern: String,
        /// Why not.
        reason: String,
    },
}

impl FromStr for Ready {
    type Err = BadReady;

    fn from_str(text: &str) -> Result<Self, BadReady> {
        match text.split_once(':') {
            None if text == "ipc" => Ok(Self::Ipc),
            None if text == "notify" => Ok(Self::Notify),
            Some(("tcp", address)) => address.parse().map(Self::Tcp),
            Some(("http", rest)) => {
                // Both `http:URL` and a plain URL.
                let url = if rest.starts_with("//") { text } else { rest };
                url.parse().map(Self::Http)
            }
            Some(("https", _)) => Err(BadReady::Https(text.to_owned())),
            Some(("log", pattern)) => pattern.parse().map(Self::Log),
            _ => Err(BadReady::Kind(text.to_owned())),
        }
    }
}

impl FromStr for Address {
    type Err = BadReady;

    fn from_str(text: &str) -> Result<Self, BadReady> {
        let (host, port) = text.rsplit_once(':').map_or((None, text), |(host, port)| (Some(host), port));
        let number = port.parse().ok().filter(|&port: &u16| port != 0 && is_digits(text, port));
        let port = number.ok_or_else(|| BadReady::Port(port.to_owned()))?;
        let host = host.map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        Ok(Self { host: host.filter(|host| !host.is_empty()), port })
    }
}

/// Whether `text` ends with the plain digits of `port`: `+80` is none.
fn is_digits(text: &str, port: u16) -> bool {
    text.ends_with(&port.to_string()) && !text.contains('+')
}

impl FromStr for Url {
    type Err = BadReady;

    fn from_str(text: &str) -> Result<Self, BadReady> {
        if text.starts_with("https:") {
            return Err(BadReady::Https(text.to_owned()));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| BadReady::Host(text.to_owned()))?;
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadReady::Blank(text.to_owned()));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let address: Address =
            if has_port { authority.parse()? } else { format!("{authority}:80").parse()? };
        if address.host.is_none() {
            return Err(BadReady::Host(text.to_owned()));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { address, authority: authority.to_owned(), path })
    }
}

impl FromStr for Pattern {
    type Err = BadReady;

    fn from_str(pattern: &str) -> Result<Self, BadReady> {
        match Regex::new(pattern) {
            Ok(_) => Ok(Self(pattern.to_owned())),
            Err(error) => Err(BadReady::Regex { pattern: pattern.to_owned(), reason: error.to_string() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => write!(f, "{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// Text on the wire.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = BadReady;

            fn try_from(text: String) -> Result<Self, BadReady> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(Address, Url, Ready);

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipc => f.write_str("ipc"),
            Self::Notify => f.write_str("notify"),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Http(url) => url.fmt(f),
            Self::Log(pattern) => write!(f, "log:{}", pattern.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for text in [
            "ipc",
            "notify",
            "tcp:3000",
            "tcp:db.internal:5432",
            "tcp:[::1]:80",
            "http://127.0.0.1:3000/health?x=1",
            "http://[::1]:3000/",
            "log:listening on \\d+",
        ] {
            let ready: Ready = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(ready.to_string(), text);
        }
        let Ok(Ready::Http(url)) = "http:http://localhost".parse() else { panic!() };
        let address = Address { host: Some("localhost".into()), port: 80 };
        assert_eq!((url.address, &*url.authority, &*url.path), (address, "localhost", "/"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "expected \"ipc\""),
            ("soon", "expected \"ipc\""),
            ("tcp", "expected \"ipc\""),
            ("tcp:", "port from 1 to 65535"),
            ("tcp:0", "port from 1 to 65535"),
            ("tcp:65536", "port from 1 to 65535"),
            ("tcp:+80", "port from 1 to 65535"),
            ("http:", "no host"),
            ("http://", "no host"),
            ("http:///health", "no host"),
            ("http://:3000/", "no host"),
            ("http://h:99999/", "port from 1 to 65535"),
            ("http://h/a b", "without blanks"),
            ("http://h/\r\nX: y", "without blanks"),
            ("https://h/", "https"),
            ("log:(", "regular expression"),
        ] {
            let error = text.parse::<Ready>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
