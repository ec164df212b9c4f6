//! A client that speaks to the socket byte by byte, and shares no code with the real one.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use serde_json::{Value, json};

use crate::{Rpm, wait::LIMIT};

/// A connection to a test's daemon.
#[derive(Debug)]
pub struct Raw(UnixStream);

impl Raw {
    /// Connects, and says nothing.
    pub fn connect(rpm: &Rpm) -> Self {
        let stream = UnixStream::connect(rpm.socket()).expect("the daemon listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        Self(stream)
    }

    /// Connects and exchanges greetings.
    pub fn greet(rpm: &Rpm) -> Self {
        let mut raw = Self::connect(rpm);
        raw.say(&Self::hello());
        let hello = raw.hear().expect("a hello");
        assert_eq!(hello["protocol"], 1, "{hello}");
        raw
    }

    /// The greeting of a client of this version.
    pub fn hello() -> Value {
        json!({ "protocol": 1, "version": "test", "pid": std::process::id() })
    }

    /// `message` as the bytes of a frame.
    pub fn frame(message: &Value) -> Vec<u8> {
        let payload = message.to_string().into_bytes();
        let length = u32::try_from(payload.len()).expect("a test's message is short");
        [length.to_le_bytes().to_vec(), payload].concat()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Sends a message.
    pub fn say(&mut self, message: &Value) {
        self.send(&Self::frame(message)).expect("the daemon listens");
    }

    /// The next message; `None` when the daemon has closed the connection.
    pub fn hear(&mut self) -> Option<Value> {
        let mut header = [0; 4];
        self.read(&mut header)?;
        let mut payload = vec![0; u32::from_le_bytes(header) as usize];
        self.read(&mut payload)?;
        Some(serde_json::from_slice(&payload).expect("the daemon speaks JSON"))
    }

    /// Sends a request and returns all replies to it, the last one too.
    pub fn ask(&mut self, request: &Value) -> Vec<Value> {
        self.say(request);
        let mut replies = Vec::new();
        while let Some(reply) = self.hear() {
            let is_last = reply == "end" || reply.get("failed").is_some();
            replies.push(reply);
            if is_last {
                break;
            }
        }
        replies
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.0.read_exact(buffer) {
            Ok(()) => Some(()),
            // Closed, or closed with something of ours still unread.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) =>
            {
                None
            }
            Err(error) => panic!("the daemon neither answered nor closed the connection: {error}"),
        }
    }
}
