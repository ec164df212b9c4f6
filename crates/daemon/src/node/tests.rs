//! A primary and workers that do what Node does, or do not.

use std::{
    io::{BufRead, BufReader, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::TcpStream,
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
    time::Duration,
};

use rpm_core::{Balance, ProcessId};
use rustix::{
    fs::{OFlags, fcntl_getfl},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot},
};

use super::{ring::DEPTH, *};
use crate::ipc::Heard;

/// A primary on a thread of its own.
struct World {
    handle: Handle,
    cluster: Cluster,
    inbox: mpsc::Sender<Received>,
    heard: mpsc::Receiver<Received>,
    /// Ends the thread.
    _end: oneshot::Sender<()>,
}

/// The other end of one channel.
struct Worker {
    stream: UnixStream,
    lines: Vec<u8>,
    handles: Vec<OwnedFd>,
    channel: Option<Channel>,
    seq: u64,
}

impl World {
    fn new(patience: Duration) -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                send.send((Handle::current(), Cluster::with_patience(patience))).unwrap();
                let _ = ended.await;
            });
        });
        let (handle, cluster) = receive.recv().unwrap();
        let (inbox, heard) = mpsc::channel(4);
        Self { handle, cluster, inbox, heard, _end: end }
    }

    fn worker(&mut self, id: u32) -> Worker {
        let _guard = self.handle.enter();
        let run = (ProcessId(id), 1);
        let joined = self.cluster.join(run, Balance::RoundRobin, self.inbox.clone()).unwrap();
        let stream = UnixStream::from(joined.theirs);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Worker { stream, lines: vec![], handles: vec![], channel: Some(joined.channel), seq: 0 }
    }

    /// What the daemon is told next, and of whom.
    fn hears(&mut self) -> (u32, Heard) {
        let received = self.heard.blocking_recv().unwrap();
        (received.id.0, received.what)
    }

    /// Why a worker was given up.
    fn hears_failure(&mut self, id: u32) -> String {
        loop {
            if let (of, Heard::Failed(reason)) = self.hears() {
                assert_eq!(of, id);
                return reason;
            }
        }
    }
}

impl Worker {
    fn say(&mut self, message: &Value) {
        self.stream.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    /// The next message, and what it carries.
    fn hear(&mut self) -> (Value, Option<OwnedFd>) {
        while !self.lines.contains(&b'\n') {
            let mut bytes = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let length = recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::empty()).unwrap().bytes;
            assert_ne!(length, 0, "the channel is closed");
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.handles.extend(fds);
                }
            }
            self.lines.extend(&bytes[..length]);
        }
        let end = self.lines.iter().position(|&byte| byte == b'\n').unwrap();
        let line: Vec<u8> = self.lines.drain(..=end).collect();
        let mut message: Value = serde_json::from_slice(&line).unwrap();
        if message["cmd"] != "NODE_HANDLE" {
            return (message, None);
        }
        (message["msg"].take(), Some(self.handles.remove(0)))
    }

    /// Listens on any free port; the key and the port.
    fn listen(&mut self) -> (String, u16) {
        self.seq += 1;
        self.say(&json!({
            "cmd": "NODE_CLUSTER", "act": "queryServer", "seq": self.seq, "index": 0, "data": null,
            "address": "127.0.0.1", "port": 0, "addressType": 4, "fd": null, "flags": 0, "backlog": 511,
        }));
        let (answer, handle) = self.hear();
        assert_eq!((&answer["ack"], &answer["errno"]), (&json!(self.seq), &json!(0)), "{answer}");
        assert!(handle.is_none());
        let port = answer["sockname"]["port"].as_u64().unwrap();
        (answer["key"].as_str().unwrap().to_owned(), u16::try_from(port).unwrap())
    }

    /// The next connection, unanswered.
    fn connection(&mut self) -> (u64, TcpStream) {
        let (seq, connection, _) = self.connection_of_group();
        (seq, connection)
    }

    /// The same, and whether another one follows at once.
    fn connection_of_group(&mut self) -> (u64, TcpStream, bool) {
        let (message, handle) = self.hear();
        assert_eq!(message["act"], "newconn", "{message}");
        let handle = handle.unwrap();
        // libuv does not set this itself, and would block the worker in a write.
        assert!(fcntl_getfl(&handle).unwrap().contains(OFlags::NONBLOCK));
        (message["seq"].as_u64().unwrap(), handle.into(), message["more"] == 1)
    }

    fn answer(&mut self, seq: u64, accepted: bool) {
        self.say(&json!({ "cmd": "NODE_HANDLE_ACK" }));
        self.say(&json!({ "cmd": "NODE_CLUSTER", "ack": seq, "accepted": accepted }));
    }

    /// Takes the next connection and serves it.
    fn serve(&mut self, text: &str) {
        let (seq, mut connection) = self.connection();
        self.answer(seq, true);
        connection.write_all(text.as_bytes()).unwrap();
    }
}

fn ask(port: u16) -> impl FnOnce() -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

const LONG: Duration = Duration::from_mins(10);

#[test]
fn connections_go_round_and_what_is_told_arrives() {
    let mut world = World::new(LONG);
    let (mut a, mut b) = (world.worker(1), world.worker(2));
    let (key, port) = a.listen();
    assert_eq!(b.listen(), (key, port));
    a.say(&json!({ "cmd": "NODE_CLUSTER", "act": "listening", "seq": 9 }));
    assert_eq!(world.hears(), (1, Heard::Listening));
    b.say(&json!("ready"));
    assert_eq!(world.hears(), (2, Heard::Message(json!("ready"))));
    for _ in 0..3 {
        let answer = ask(port);
        b.serve("b");
        assert_eq!(answer(), "b");
        let answer = ask(port);
        a.serve("a");
        assert_eq!(answer(), "a");
    }
    assert!(a.channel.as_ref().unwrap().send(&json!({ "for": "the app" })));
    assert_eq!(a.hear().0, json!({ "for": "the app" }));
}

#[test]
fn what_a_worker_refuses_or_does_not_receive_goes_to_another() {
    let refuse: fn(&mut Worker, u64) = |worker, seq| worker.answer(seq, false);
    // It has no descriptor left.
    let lose: fn(&mut Worker, u64) = |worker, _| worker.say(&json!({ "cmd": "NODE_HANDLE_NACK" }));
    for spurn in [refuse, lose] {
        let mut world = World::new(LONG);
        let (mut a, mut b) = (world.worker(1), world.worker(2));
        let (_, port) = b.listen();
        a.listen();
        let answer = ask(port);
        let (seq, connection) = a.connection();
        drop(connection);
        spurn(&mut a, seq);
        b.serve("b");
        assert_eq!(answer(), "b");
    }
}

#[test]
fn what_a_dead_worker_had_not_taken_goes_to_another() {
    let mut world = World::new(LONG);
    let (mut a, mut b) = (world.worker(1), world.worker(2));
    let (_, port) = b.listen();
    a.listen();
    let first = ask(port);
    let (seq, mut taken) = a.connection();
    a.answer(seq, true);
    taken.write_all(b"a").unwrap();
    drop(taken);
    assert_eq!(first(), "a");
    let second = ask(port);
    b.serve("b");
    assert_eq!(second(), "b");
    let third = ask(port);
    a.connection();
    // It dies in the middle of the hand-over.
    drop(a);
    b.serve("b again");
    assert_eq!(third(), "b again");
    assert_eq!(world.hears(), (1, Heard::Closed));
}

#[test]
fn what_comes_together_is_announced_and_may_be_answered_together() {
    let mut world = World::new(LONG);
    let mut a = world.worker(1);
    let (_, port) = a.listen();
    let answers: Vec<_> = (0..2 * DEPTH).map(|_| ask(port)).collect();
    let mut seqs: Vec<_> = (0..DEPTH).map(|_| a.connection()).collect();
    for (_, connection) in &mut seqs {
        connection.write_all(b"first").unwrap();
    }
    // The others have waited in the kernel for this.
    let taken: Vec<_> = seqs.drain(..).map(|(seq, _)| seq).collect();
    a.say(&json!({ "cmd": "NODE_RPM", "act": "taken", "seqs": taken }));
    let group: Vec<_> = (0..DEPTH).map(|_| a.connection_of_group()).collect();
    let more: Vec<_> = group.iter().map(|(_, _, more)| *more).collect();
    assert_eq!(more, [true, true, true, false]);
    // It dies with these: they go to another, and none of those that it had taken does.
    drop((a, group));
    let mut b = world.worker(2);
    b.listen();
    let mut texts = vec![];
    for answer in answers {
        if texts.len() >= DEPTH {
            b.serve("second");
        }
        texts.push(answer());
    }
    assert_eq!(texts, ["first", "first", "first", "first", "second", "second", "second", "second"]);
}

#[test]
fn one_that_does_not_answer_is_given_up() {
    let mut world = World::new(Duration::from_secs(1));
    let (mut a, mut b) = (world.worker(1), world.worker(2));
    let (_, port) = b.listen();
    a.listen();
    let answer = ask(port);
    drop(a.connection());
    assert!(world.hears_failure(1).contains("has not answered"));
    b.serve("b");
    assert_eq!(answer(), "b");
}

#[test]
fn whoever_breaks_the_protocol_is_given_up_alone() {
    for (broken, reason) in [
        (&b"{\"cmd\":\"NODE_CLUSTER\",\n"[..], "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"{\"cmd\":\"NODE_HANDLE_ACK\"}\n", "not sent"),
        (b"{\"cmd\":\"NODE_CLUSTER\",\"ack\":1,\"accepted\":true}\n", "connection 1"),
        (b"{\"cmd\":\"NODE_RPM\",\"act\":\"taken\",\"seqs\":[7]}\n", "connection 7"),
        (b"{\"cmd\":\"NODE_RPM\",\"act\":\"taken\",\"seqs\":[-7]}\n", "no JSON"),
    ] {
        let mut world = World::new(LONG);
        let (mut a, mut b) = (world.worker(1), world.worker(2));
        let (_, port) = b.listen();
        a.stream.write_all(broken).unwrap();
        let failure = world.hears_failure(1);
        assert!(failure.contains(reason), "{failure}");
        let mut rest = String::new();
        BufReader::new(&a.stream).read_line(&mut rest).unwrap();
        assert_eq!(rest, "", "its channel is closed");
        let answer = ask(port);
        b.serve("b");
        assert_eq!(answer(), "b");
    }
}

#[test]
fn one_that_floods_and_never_listens_fills_no_memory() {
    let mut world = World::new(LONG);
    let (mut a, mut b, mut c) = (world.worker(1), world.worker(2), world.worker(3));
    a.stream.set_nonblocking(true).unwrap();
    let question = json!({
        "cmd": "NODE_CLUSTER", "act": "queryServer", "seq": 1, "index": 0, "address": "no address", "port": 1,
        "addressType": 4,
    });
    let question = format!("{question}\n").repeat(64);
    // Until the daemon takes no more: the answers wait for somebody to read them.
    let mut refusals = 0;
    while refusals < 1_000 {
        match a.stream.write(question.as_bytes()) {
            // Half a question does not matter: it only has to go on.
            Ok(0) => break,
            Ok(_) => refusals = 0,
            Err(_) => {
                refusals += 1;
                thread::yield_now();
            }
        }
    }
    // The daemon's own inbox is full as well: of messages that nobody has taken.
    for _ in 0..20 {
        b.say(&json!("flood"));
    }
    let (_, port) = c.listen();
    for _ in 0..3 {
        let answer = ask(port);
        c.serve("c");
        assert_eq!(answer(), "c");
    }
}

#[test]
fn a_socket_outlives_its_workers_and_is_closed_when_the_app_closes_it() {
    let mut world = World::new(LONG);
    let mut a = world.worker(1);
    let (key, port) = a.listen();
    drop(a);
    assert_eq!(world.hears(), (1, Heard::Closed));
    let answer = ask(port);
    let mut b = world.worker(1);
    assert_eq!(b.listen(), (key.clone(), port), "the port stayed its own");
    b.serve("b");
    assert_eq!(answer(), "b");
    b.say(&json!({ "cmd": "NODE_CLUSTER", "act": "close", "key": key, "seq": 5 }));
    b.say(&json!("closed"));
    assert_eq!(world.hears(), (1, Heard::Message(json!("closed"))));
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
}

#[test]
fn one_that_drains_gets_nothing_more_and_its_farewell_is_answered() {
    let mut world = World::new(LONG);
    let (mut a, mut b) = (world.worker(1), world.worker(2));
    let (key, port) = a.listen();
    b.listen();
    let channel = a.channel.take().unwrap();
    channel.membership().unwrap().drain(Duration::from_millis(7));
    assert_eq!(a.hear().0, json!({ "cmd": "NODE_RPM", "act": "drain", "after": 7 }));
    for _ in 0..3 {
        let answer = ask(port);
        b.serve("b");
        assert_eq!(answer(), "b");
    }
    a.say(&json!({ "cmd": "NODE_CLUSTER", "act": "close", "key": key, "seq": 1 }));
    a.say(&json!({ "cmd": "NODE_CLUSTER", "act": "exitedAfterDisconnect", "seq": 2 }));
    assert_eq!(a.hear().0, json!({ "cmd": "NODE_CLUSTER", "ack": 2 }));
    drop(a);
    assert_eq!(world.hears(), (1, Heard::Closed));
    drop(channel);
}
