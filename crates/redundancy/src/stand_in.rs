//! A web server of tests, which answers what it is told.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// One answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer(String),
    /// It takes the request, and never answers.
    Silent,
    /// A byte now and then.
    Slow,
    /// It closes the connection.
    HangUp,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        let length = if status == 304 || status == 204 {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        Self::Answer(format!("HTTP/1.1 {status} Whatever\r\n{length}Connection: close\r\n\r\n{body}"))
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer(text) => Self::Answer(text.replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1)),
            other => other,
        }
    }
}

/// The server: a reply for each connection, in order. It goes on until the test ends.
pub(crate) struct StandIn {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    pub(crate) fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        thread::spawn(move || {
            // Those that get no answer are held open.
            let mut held = Vec::new();
            for reply in replies {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let request = request(&mut stream);
                heard.lock().unwrap().push(request);
                match reply {
                    Reply::Answer(text) => stream.write_all(text.as_bytes()).unwrap(),
                    Reply::Silent => held.push(stream),
                    Reply::Slow => {
                        // The other side gives up.
                        thread::spawn(move || {
                            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
                            loop {
                                stream.write_all(b" ")?;
                                thread::sleep(std::time::Duration::from_millis(20));
                            }
                            #[expect(unreachable_code, reason = "it tells the type of `?`")]
                            Ok::<(), std::io::Error>(())
                        });
                    }
                    Reply::HangUp => drop(stream),
                }
            }
            thread::park();
            drop(held);
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request, with its body.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let shown = String::from_utf8_lossy(&text).to_lowercase();
        if let Some(end) = shown.find("\r\n\r\n") {
            let length =
                shown.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if text.len() >= end + 4 + length.unwrap_or(0) {
                return String::from_utf8(text).unwrap();
            }
        }
        match stream.read(&mut chunk).unwrap_or(0) {
            0 => return String::from_utf8_lossy(&text).into_owned(),
            length => text.extend_from_slice(&chunk[..length]),
        }
    }
}
