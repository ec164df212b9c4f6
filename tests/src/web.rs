//! Asking web servers, and asking them without a pause.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::wait::{LIMIT, wait_until};

/// A connection that is used for one request after the other, for as long as the server keeps it.
#[derive(Debug)]
pub struct Client {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of a server on this machine; it does not connect yet.
    pub fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// The body of the answer. An error is also an answer other than 200, or half of one.
    pub fn get(&mut self, path: &str) -> io::Result<String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_read_timeout(Some(LIMIT))?;
                BufReader::new(stream)
            }
        };
        write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {head:?}")));
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let (true, Some(length)) = (head.starts_with("http/1.1 200"), length) else {
            return Err(io::Error::other(head));
        };
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        if !head.contains("\r\nconnection: close\r\n") {
            self.stream = Some(stream);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// One answer on a connection of its own.
pub fn get(port: u16, path: &str) -> io::Result<String> {
    Client::new(port).get(path)
}

/// Clients that ask without a pause: half of them on connections that they keep, half on a new one each time.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Begins to ask.
    pub fn start(port: u16, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |number: usize| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || {
                let mut kept = Client::new(port);
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = if number.is_multiple_of(2) { kept.get("/") } else { get(port, "/") };
                    match answer {
                        Ok(_) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => failures.push(format!("client {number}: {error}")),
                    }
                }
                failures
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, answered, clients }
    }

    /// Waits until so many more requests were answered.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        wait_until(format!("{count} more answers"), || self.answered.load(Ordering::Relaxed) >= goal);
    }

    /// Ends it: what went wrong, request by request.
    pub fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.clients.into_iter().map(|client| client.join().expect("it does not panic"));
        ended.flatten().collect()
    }
}
