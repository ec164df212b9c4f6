//! The messages of Node's cluster protocol: a value of JSON on each line.
//!
//! Seen in Node 18 to 24 (`lib/internal/cluster/*.js`, `lib/internal/child_process.js`). Messages whose `cmd` begins
//! with `NODE_` are Node's own, all others the app's. Nothing here trusts a worker: what is no JSON, or Node's own and
//! of the wrong shape, is an error, and what is not known is left alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the `cmd` of Node's own messages begins with.
const INTERNAL: &str = "NODE_";

/// Such a message as Node writes it, its `cmd` first: by far the most frequent.
const INTERNAL_LINE: &[u8] = b"{\"cmd\":\"NODE_";

/// `UV_TCP_IPV6ONLY` and `UV_UDP_IPV6ONLY`.
const IPV6_ONLY: u32 = 1;

/// `UV_UDP_REUSEADDR`.
const REUSE_ADDRESS: u32 = 4;

/// What a worker says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// Something of the app's own.
    App(Value),
    /// The last handle has arrived.
    HandleAck,
    /// The last message that was to carry a handle came without one.
    HandleNack,
    /// It sent a handle of its own, with this message.
    Handle(Value),
    /// Node has started; the app is about to.
    Online,
    /// A server wants to listen.
    Query(Box<Query>),
    /// A server listens.
    Listening,
    /// A server was closed; the key that it was given.
    Close(String),
    /// It disconnects by itself and waits for the answer to this number.
    Leaving(u64),
    /// The answer to a connection.
    Answer { seq: u64, accepted: bool },
    /// These connections were taken; from [`super::PRELOAD`].
    Taken(Vec<u64>),
    /// Something of Node's that is of no consequence.
    Other,
}

/// A server's wish to listen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    /// To be repeated in the answer.
    pub seq: u64,
    pub endpoint: Endpoint,
    /// Only for IPv6.
    pub ipv6_only: bool,
    pub reuse_address: bool,
    /// Connections that may wait; Node's own number without one.
    pub backlog: Option<i32>,
    /// Whether everybody may read from, or write to, a Unix socket.
    pub readable_all: bool,
    pub writable_all: bool,
    /// What its servers share, such as keys of TLS tickets.
    pub data: Value,
}

/// Where a server listens. Workers that mean the same share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Endpoint {
    /// An address, or none for all of them.
    Tcp { address: Option<String>, port: u16, nth: u64 },
    /// IPv6, or IPv4.
    Udp { address: Option<String>, port: u16, v6: bool, nth: u64 },
    /// A path.
    Unix(String),
    /// A descriptor of the worker's primary, which here is nobody that it could know.
    Descriptor(i64),
}

/// What a worker sent that it must not send.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it sent what is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it asked for port {0}")]
    Port(i64),
    #[error("it asked for an address of a kind that Node has not")]
    Kind,
    #[error("its {0} lacks {1}")]
    Lacks(&'static str, &'static str),
}

#[derive(Deserialize)]
struct Internal<'a> {
    #[serde(borrow)]
    cmd: Cow<'a, str>,
    #[serde(borrow, default)]
    act: Option<Cow<'a, str>>,
    #[serde(default)]
    ack: Option<u64>,
    #[serde(default)]
    accepted: bool,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    seqs: Vec<u64>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(default)]
    msg: Option<Value>,
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    address: Option<Cow<'a, str>>,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default, rename = "addressType")]
    kind: Value,
    #[serde(default)]
    fd: Option<i64>,
    #[serde(default)]
    flags: Option<u32>,
    /// `false`, or a number.
    #[serde(default)]
    backlog: Value,
    #[serde(default, rename = "readableAll")]
    readable_all: Option<bool>,
    #[serde(default, rename = "writableAll")]
    writable_all: Option<bool>,
    #[serde(default)]
    data: Value,
}

/// What `line` says.
pub(super) fn read(line: &[u8]) -> Result<Said, Malformed> {
    if line.starts_with(INTERNAL_LINE) {
        return internal(serde_json::from_slice(line)?);
    }
    let value: Value = serde_json::from_slice(line)?;
    let is_internal = value.get("cmd").and_then(Value::as_str).is_some_and(|cmd| cmd.starts_with(INTERNAL));
    if is_internal { internal(serde_json::from_slice(line)?) } else { Ok(Said::App(value)) }
}

fn internal(message: Internal<'_>) -> Result<Said, Malformed> {
    Ok(match &*message.cmd {
        "NODE_HANDLE_ACK" => Said::HandleAck,
        "NODE_HANDLE_NACK" => Said::HandleNack,
        "NODE_HANDLE" => Said::Handle(message.msg.unwrap_or_default()),
        "NODE_CLUSTER" => match (message.act.as_deref(), message.ack) {
            (Some("online"), _) => Said::Online,
            (Some("listening"), _) => Said::Listening,
            (Some("queryServer"), _) => Said::Query(Box::new(query(message)?)),
            (Some("close"), _) => Said::Close(message.key.unwrap_or_default().into_owned()),
            (Some("exitedAfterDisconnect"), _) => {
                Said::Leaving(message.seq.ok_or(Malformed::Lacks("farewell", "seq"))?)
            }
            (None, Some(seq)) => Said::Answer { seq, accepted: message.accepted },
            _ => Said::Other,
        },
        "NODE_RPM" if message.act.as_deref() == Some("taken") => Said::Taken(message.seqs),
        _ => Said::Other,
    })
}

fn query(message: Internal<'_>) -> Result<Query, Malformed> {
    let seq = message.seq.ok_or(Malformed::Lacks("queryServer", "seq"))?;
    let address = message.address.map(Cow::into_owned).filter(|address| !address.is_empty());
    let asked = message.port.unwrap_or(0);
    let port = || u16::try_from(asked).map_err(|_| Malformed::Port(asked));
    let udp = match message.kind.as_str() {
        Some("udp4") => Some(false),
        Some("udp6") => Some(true),
        Some(_) => return Err(Malformed::Kind),
        None => None,
    };
    let endpoint = match (message.fd.filter(|&fd| fd >= 0), udp, address) {
        (Some(fd), _, _) => Endpoint::Descriptor(fd),
        (None, Some(v6), address) => Endpoint::Udp { address, port: port()?, v6, nth: message.index },
        (None, None, Some(path)) if asked < 0 => Endpoint::Unix(path),
        // A second server of one worker on the same port is refused, as by Node; one on any free port gets its own.
        (None, None, address) => {
            let port = port()?;
            Endpoint::Tcp { address, port, nth: if port == 0 { message.index } else { 0 } }
        }
    };
    let flags = message.flags.unwrap_or(0);
    Ok(Query {
        seq,
        endpoint,
        ipv6_only: flags & IPV6_ONLY != 0,
        reuse_address: flags & REUSE_ADDRESS != 0,
        backlog: message.backlog.as_i64().filter(|&backlog| backlog > 0).map(|n| n.min(65_535) as i32),
        readable_all: message.readable_all.unwrap_or(false),
        writable_all: message.writable_all.unwrap_or(false),
        data: message.data,
    })
}

/// Whether a handle is a socket of datagrams, for Node to know what to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandleKind {
    Stream,
    Datagram,
}

/// The answer to a [`Query`] when connections are handed over one by one. `sockname` is null for a Unix socket.
pub(super) fn listens(seq: u64, key: &str, sockname: &Value, data: &Value) -> Vec<u8> {
    let mut message = json!({ "cmd": "NODE_CLUSTER", "errno": 0, "key": key, "ack": seq, "data": data });
    if !sockname.is_null() {
        message["sockname"] = sockname.clone();
    }
    line(&message)
}

/// The answer to a [`Query`] that carries the socket itself.
pub(super) fn shares(seq: u64, key: &str, data: &Value, kind: HandleKind) -> Vec<u8> {
    let kind = match kind {
        HandleKind::Stream => "net.Native",
        HandleKind::Datagram => "dgram.Native",
    };
    let message = json!({ "cmd": "NODE_CLUSTER", "errno": 0, "key": key, "ack": seq, "data": data });
    line(&json!({ "cmd": "NODE_HANDLE", "type": kind, "msg": message }))
}

/// The answer to a [`Query`] that could not be met; `errno` is positive.
pub(super) fn refuses(seq: u64, key: &str, errno: i32) -> Vec<u8> {
    line(&json!({ "cmd": "NODE_CLUSTER", "errno": -errno, "key": key, "ack": seq, "data": null }))
}

/// The line that carries a connection. Written by hand: this is done for each one.
pub(super) fn connection(seq: u64, key: &str) -> Vec<u8> {
    format!(
        "{{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\
         \"msg\":{{\"cmd\":\"NODE_CLUSTER\",\"act\":\"newconn\",\"key\":\"{key}\",\"seq\":{seq},\"more\":0}}}}\n"
    )
    .into_bytes()
}

/// Notes in such a line that another one follows at once, for [`super::PRELOAD`] to take them together.
pub(super) fn announce_another(connection: &mut [u8]) {
    if let Some(more) = connection.iter_mut().rev().nth("0}}\n".len() - 1) {
        *more = b'1';
    }
}

/// What is said to one that leaves.
pub(super) fn farewell(seq: u64) -> Vec<u8> {
    line(&json!({ "cmd": "NODE_CLUSTER", "ack": seq }))
}

/// A handle that came was taken; without this Node would send nothing more.
pub(super) fn handle_ack() -> Vec<u8> {
    line(&json!({ "cmd": "NODE_HANDLE_ACK" }))
}

/// Has a worker finish what it is doing and close its servers `after` milliseconds; understood by [`super::PRELOAD`].
pub(super) fn drain(after: u64) -> Vec<u8> {
    line(&json!({ "cmd": "NODE_RPM", "act": "drain", "after": after }))
}

fn line(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_of_any_bytes_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..100)) {
            _ = read(&line);
            _ = read(&[INTERNAL_LINE, &line].concat());
        }

        /// Something else in each of its entries.
        #[test]
        fn a_query_that_was_changed_is_read_or_refused(
            key in prop::sample::select(vec!["act", "index", "address", "port", "addressType", "flags", "backlog", "seq", "fd"]),
            value in "-?[0-9]{1,25}|\"\\PC{0,6}\"|null|true|\\[\\]|\\{\\}|1e400|-1e400|0.5",
        ) {
            let mut entries = vec![
                ("act", "\"queryServer\""), ("index", "0"), ("address", "\"::1\""), ("port", "80"),
                ("addressType", "6"), ("flags", "0"), ("backlog", "511"), ("seq", "1"),
            ];
            entries.retain(|(other, _)| *other != key);
            entries.push((key, &*value));
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            _ = read(format!("{{\"cmd\":\"NODE_CLUSTER\",{}}}", entries.join(",")).as_bytes());
        }
    }

    fn said(line: &str) -> Said {
        read(line.as_bytes()).unwrap()
    }

    /// Lines as Node 20 writes them.
    #[test]
    fn what_node_writes_is_understood() {
        let query = said(
            r#"{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":null,"address":"127.0.0.1","port":3456,"addressType":4,"flags":0,"backlog":false,"seq":1}"#,
        );
        let Said::Query(query) = query else { panic!("{query:?}") };
        let address = Some("127.0.0.1".to_owned());
        assert_eq!((query.seq, query.backlog), (1, None));
        assert_eq!(query.endpoint, Endpoint::Tcp { address, port: 3456, nth: 0 });
        let answer = r#"{"cmd":"NODE_CLUSTER","ack":7,"accepted":true,"seq":9}"#;
        assert_eq!(said(answer), Said::Answer { seq: 7, accepted: true });
        assert_eq!(said(r#"{"cmd":"NODE_CLUSTER","act":"online","seq":0}"#), Said::Online);
        assert_eq!(said(r#"{"cmd":"NODE_HANDLE_ACK"}"#), Said::HandleAck);
        assert_eq!(said(r#"{"seq":4,"act":"exitedAfterDisconnect","cmd":"NODE_CLUSTER"}"#), Said::Leaving(4));
        assert_eq!(said(r#"{"cmd":"NODE_CLUSTER","act":"of the future","seq":3}"#), Said::Other);
        assert_eq!(said(r#"{"cmd":"NODE_DEBUG_ENABLED"}"#), Said::Other);
        assert_eq!(said(r#"{"cmd":"NODE_RPM","act":"taken","seqs":[7,8]}"#), Said::Taken(vec![7, 8]));
    }

    #[test]
    fn a_connection_is_carried_by_one_line_of_json() {
        let mut line = connection(12, "3");
        for more in [0, 1] {
            let text = String::from_utf8(line.clone()).unwrap();
            let inner =
                json!({ "cmd": "NODE_CLUSTER", "act": "newconn", "key": "3", "seq": 12, "more": more });
            let whole = json!({ "cmd": "NODE_HANDLE", "type": "net.Native", "msg": inner });
            assert_eq!(serde_json::from_str::<Value>(text.strip_suffix('\n').unwrap()).unwrap(), whole);
            announce_another(&mut line);
        }
    }

    #[test]
    fn endpoints_are_told_apart() {
        let ask = |rest: &str| {
            let line = format!(r#"{{"cmd":"NODE_CLUSTER","act":"queryServer","seq":1,"index":2,{rest}}}"#);
            match read(line.as_bytes()) {
                Ok(Said::Query(query)) => Ok(query.endpoint),
                Ok(other) => panic!("{other:?}"),
                Err(malformed) => Err(malformed.to_string()),
            }
        };
        assert_eq!(
            ask(r#""address":null,"port":80,"addressType":4"#),
            Ok(Endpoint::Tcp { address: None, port: 80, nth: 0 })
        );
        assert_eq!(
            ask(r#""address":"::1","port":0,"addressType":6"#),
            Ok(Endpoint::Tcp { address: Some("::1".into()), port: 0, nth: 2 })
        );
        assert_eq!(
            ask(r#""address":"/tmp/s","port":-1,"addressType":-1"#),
            Ok(Endpoint::Unix("/tmp/s".into()))
        );
        assert_eq!(
            ask(r#""address":"0.0.0.0","port":53,"addressType":"udp4","fd":-1"#),
            Ok(Endpoint::Udp { address: Some("0.0.0.0".into()), port: 53, v6: false, nth: 2 })
        );
        assert_eq!(
            ask(r#""address":null,"port":null,"addressType":null,"fd":3"#),
            Ok(Endpoint::Descriptor(3))
        );
        assert!(ask(r#""address":null,"port":70000,"addressType":4"#).unwrap_err().contains("70000"));
        assert!(ask(r#""address":null,"port":1,"addressType":"sctp""#).is_err());
    }

    #[test]
    fn what_an_app_sends_is_its_own() {
        assert_eq!(said("\"ready\""), Said::App(json!("ready")));
        assert_eq!(said(r#"{"cmd":"start"}"#), Said::App(json!({ "cmd": "start" })));
        assert_eq!(said(r#"{"cmd":5}"#), Said::App(json!({ "cmd": 5 })));
        for line in ["", "{", "{\"cmd\":\"NODE_CLUSTER\",\"ack\":\"x\"}", "\u{0}", "NODE_"] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
