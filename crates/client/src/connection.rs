//! One connection to a daemon.

use std::{
    io::{self, Read, Write},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use interprocess::local_socket::{
    GenericFilePath, Stream, ToFsName,
    traits::{Stream as _, StreamCommon},
};
use rpm_core::{
    Home,
    frame::{self, HEADER},
    protocol::{Failure, Hello, PROTOCOL, Reply, Request},
};
use rustix::{buffer::spare_capacity, io::Errno};

use crate::{
    error::{ClientError, ConnectError, user_name},
    trust,
};

/// This program's version, as it says in its hello.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A daemon that lives says hello within this time, however busy it is. An answer may take longer: a stop waits
/// for the process to end.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// The pause before the daemon that takes another one's place is asked.
const AGAIN: Duration = Duration::from_millis(5);

/// What is received at once, at most: the list of some hundred processes.
const RECEIVED: usize = 32 << 10;

/// Longest path of a socket on Linux, less the final zero.
const MAX_SOCKET_PATH: usize = 107;

/// A connection to the daemon of one home.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    home: Home,
    /// Where the daemon dies before it was asked anything, another one may be started.
    may_start: bool,
    /// How long the daemon's hello may take; `None` once it has come. Ours travels with the first request, which
    /// saves a verb one round trip.
    hello_within: Option<Duration>,
    /// What has come, and how much of it was read.
    received: Vec<u8>,
    taken: usize,
}

impl Connection {
    /// Connects to the daemon of `home`; `None` when there is none.
    pub fn connect(home: &Home) -> Result<Option<Self>, ConnectError> {
        Self::connect_within(home, HELLO_LIMIT)
    }

    pub(crate) fn connect_within(home: &Home, limit: Duration) -> Result<Option<Self>, ConnectError> {
        let socket = home.socket();
        let variable = home.persona().home_variable();
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ConnectError::TooLong { socket, variable });
        }
        match open(&socket) {
            Ok(stream) => Ok(Some(Self {
                stream: trusted(home, stream)?,
                home: home.clone(),
                may_start: false,
                hello_within: Some(limit),
                received: Vec::new(),
                taken: 0,
            })),
            Err(error) => match error.kind() {
                // Refused: the file of a daemon that died.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                io::ErrorKind::PermissionDenied => {
                    Err(ConnectError::Denied { owner: owner(&socket, home.root()), socket, variable })
                }
                _ => Err(ConnectError::Io { socket, source: error }),
            },
        }
    }

    /// This connection, which starts a successor of the daemon where one is needed.
    pub(crate) fn starting_successors(self) -> Self {
        Self { may_start: true, ..self }
    }

    /// Asks. The replies must be read to their end before the next request is sent.
    pub fn request(&mut self, request: &Request) -> Result<Replies<'_>, ClientError> {
        let is_first = self.hello_within.is_some();
        match self.send(request) {
            // It was about to die, or to make place for another: nothing was asked of it yet.
            Err(ClientError::Closed { .. }) if is_first => {
                let successor = if self.may_start {
                    crate::connect(&self.home).ok().flatten()
                } else {
                    Self::connect(&self.home).ok().flatten()
                };
                if let Some(successor) = successor {
                    *self = successor;
                }
                self.send(request)?;
            }
            outcome => outcome?,
        }
        let request = request.clone();
        Ok(Replies { connection: self, request, is_begun: false, ended: false })
    }

    /// Writes a request, after our hello if it is the first, and then reads theirs.
    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut frames = Vec::new();
        if self.hello_within.is_some() {
            let pid = std::process::id() as i32;
            frame::append(&mut frames, &Hello { protocol: PROTOCOL, version: VERSION.to_owned(), pid })?;
        }
        frame::append(&mut frames, request)?;
        if let Some(limit) = self.hello_within {
            self.stream.set_send_timeout(Some(limit))?;
        }
        match self.stream.write_all(&frames) {
            // A daemon that refuses us says why and closes, perhaps before it has read all: the reason comes below.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(self.broken(error)),
            _ => {}
        }
        if let Some(limit) = self.hello_within {
            self.read_hello(limit, matches!(request, Request::Update { .. }))?;
            self.hello_within = None;
        }
        Ok(())
    }

    /// Waits until the daemon has closed the connection, as it does when it has ended.
    pub fn wait_closed(mut self) {
        let mut byte = [0];
        while matches!(self.stream.read(&mut byte), Ok(1..)) {}
    }

    /// A daemon of another version can be asked for one thing: to give its place away.
    fn read_hello(&mut self, limit: Duration, any_version: bool) -> Result<(), ClientError> {
        self.stream.set_recv_timeout(Some(limit))?;
        let payload = self.read_frame()?;
        self.stream.set_recv_timeout(None)?;
        match frame::decode::<Hello>(&self.received[payload.clone()]) {
            Ok(hello) if hello.protocol == PROTOCOL || any_version => Ok(()),
            Ok(hello) => {
                Err(ClientError::OtherVersion { ours: VERSION, theirs: hello.version, pid: hello.pid })
            }
            // Who is refused at the door gets the reason instead of a hello.
            Err(malformed) => match frame::decode::<Reply>(&self.received[payload]) {
                Ok(Reply::Failed(failure)) => Err(failure.into()),
                _ => Err(malformed.into()),
            },
        }
    }

    /// Where the payload of the next frame lies in what was received.
    fn read_frame(&mut self) -> Result<Range<usize>, ClientError> {
        self.receive(HEADER).map_err(|error| self.broken(error))?;
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.received[self.taken..self.taken + HEADER]);
        let length = frame::payload_length(header)?;
        self.receive(HEADER + length).map_err(|error| self.broken(error))?;
        let begin = self.taken + HEADER;
        self.taken = begin + length;
        Ok(begin..self.taken)
    }

    /// Waits until so many bytes are there that were not read yet.
    fn receive(&mut self, bytes: usize) -> io::Result<()> {
        if self.received.len() - self.taken < bytes {
            self.received.drain(..self.taken);
            self.taken = 0;
        }
        let Stream::UdSocket(socket) = &self.stream;
        while self.received.len() - self.taken < bytes {
            self.received.reserve(RECEIVED.max(bytes - self.received.len()));
            match rustix::io::read(socket, spare_capacity(&mut self.received)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn broken(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                ClientError::Closed { log: self.home.daemon_log() }
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let pid = self.stream.peer_creds().ok().and_then(|peer| peer.pid());
                ClientError::Hung { socket: self.home.socket(), pid }
            }
            _ => error.into(),
        }
    }
}

/// The replies to one request, until the daemon says that all is said.
///
/// [`Reply::End`] ends the iteration, [`Reply::Failed`] is its last item as [`ClientError::Failed`]. Where the daemon is
/// replaced meanwhile, the next one is asked again if that does no harm.
#[derive(Debug)]
pub struct Replies<'a> {
    connection: &'a mut Connection,
    request: Request,
    /// Part of the answer was given, and must not be given again.
    is_begun: bool,
    ended: bool,
}

impl Iterator for Replies<'_> {
    type Item = Result<Reply, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.read() {
                Ok(Reply::End) => self.ended = true,
                Ok(Reply::Failed(Failure::Replaced)) if self.ask_again() => {}
                Ok(Reply::Failed(failure)) => {
                    self.ended = true;
                    return Some(Err(failure.into()));
                }
                Ok(reply) => {
                    // A subscription reports what happens, and not what there is.
                    self.is_begun |= self.request != Request::Subscribe;
                    return Some(Ok(reply));
                }
                Err(ClientError::Closed { .. })
                    if !self.is_begun && self.request.is_repeatable() && self.ask_again() => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Replies<'_> {
    fn read(&mut self) -> Result<Reply, ClientError> {
        let payload = self.connection.read_frame()?;
        Ok(frame::decode::<Reply>(&self.connection.received[payload])?)
    }

    /// Asks the next daemon. False if there is none within [`HELLO_LIMIT`].
    fn ask_again(&mut self) -> bool {
        let deadline = Instant::now() + HELLO_LIMIT;
        while Instant::now() < deadline {
            // The one that is about to be replaced may still take connections.
            std::thread::sleep(AGAIN);
            let Ok(Some(next)) = Connection::connect(&self.connection.home) else { return false };
            let may_start = self.connection.may_start;
            *self.connection = Connection { may_start, ..next };
            match self.connection.send(&self.request) {
                Ok(()) => return true,
                Err(ClientError::Closed { .. }) => {}
                Err(_) => return false,
            }
        }
        false
    }
}

/// `stream`, if neither the home nor what listens there is a stranger's.
fn trusted(home: &Home, stream: Stream) -> Result<Stream, ConnectError> {
    trust::home(home)?;
    trust::daemon(home, &stream)?;
    Ok(stream)
}

fn open(socket: &Path) -> io::Result<Stream> {
    Stream::connect(socket.to_fs_name::<GenericFilePath>()?)
}

/// Whose the socket is; if its directory is closed to us, whose the directory is.
fn owner(socket: &Path, home: &Path) -> String {
    let metadata = [socket, home].into_iter().find_map(|path: &Path| std::fs::metadata(path).ok());
    metadata.map_or_else(|| "another user".to_owned(), |metadata| user_name(metadata.uid()))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use rpm_core::Persona;

    use super::*;

    /// A home in which a thread plays the daemon for one connection.
    struct Fake {
        directory: tempfile::TempDir,
        daemon: thread::JoinHandle<()>,
    }

    impl Fake {
        fn new(play: impl FnOnce(std::os::unix::net::UnixStream) + Send + 'static) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(directory.path().join("rpm.sock")).unwrap();
            let daemon = thread::spawn(move || play(listener.accept().unwrap().0));
            Self { directory, daemon }
        }

        fn connect(&self, limit: Duration) -> Connection {
            let home = Home::new(self.directory.path().to_owned(), Persona::Rpm);
            Connection::connect_within(&home, limit).unwrap().unwrap()
        }

        fn ask(self) -> Vec<Result<Reply, ClientError>> {
            let replies = match self.connect(HELLO_LIMIT).request(&Request::Ping) {
                Ok(replies) => replies.collect(),
                Err(error) => vec![Err(error)],
            };
            self.daemon.join().unwrap();
            replies
        }
    }

    fn read_frame(stream: &mut impl Read) -> Vec<u8> {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).unwrap();
        let mut payload = vec![0; frame::payload_length(header).unwrap()];
        stream.read_exact(&mut payload).unwrap();
        payload
    }

    fn hello(protocol: u32) -> Vec<u8> {
        frame::encode(&Hello { protocol, version: "9.9.9".to_owned(), pid: 7 }).unwrap()
    }

    fn reply(reply: &Reply) -> Vec<u8> {
        frame::encode(reply).unwrap()
    }

    #[test]
    fn who_did_not_ask_for_a_daemon_starts_no_successor() {
        let fake = Fake::new(drop);
        let home = Home::new(fake.directory.path().to_owned(), Persona::Rpm);
        // What a daemon of this boot leaves when it is killed.
        std::fs::create_dir_all(home.state_dir()).unwrap();
        std::fs::copy("/proc/sys/kernel/random/boot_id", home.journal()).unwrap();
        let mut connection = fake.connect(HELLO_LIMIT);
        assert!(matches!(connection.request(&Request::Ping), Err(ClientError::Closed { .. })));
        assert!(!home.spawn_lock().exists());
    }

    #[test]
    fn several_requests_share_one_hello() {
        let fake = Fake::new(|mut stream| {
            assert_eq!(frame::decode::<Hello>(&read_frame(&mut stream)).unwrap().protocol, PROTOCOL);
            stream.write_all(&hello(PROTOCOL)).unwrap();
            for _ in 0..2 {
                assert_eq!(frame::decode::<Request>(&read_frame(&mut stream)).unwrap(), Request::Ping);
                // In pieces, as a socket may deliver it.
                for byte in [reply(&Reply::Pong), reply(&Reply::End)].concat() {
                    stream.write_all(&[byte]).unwrap();
                }
            }
        });
        let mut connection = fake.connect(HELLO_LIMIT);
        for _ in 0..2 {
            let replies = connection.request(&Request::Ping).unwrap();
            assert_eq!(replies.map(Result::unwrap).collect::<Vec<_>>(), [Reply::Pong]);
        }
        fake.daemon.join().unwrap();
    }

    #[test]
    fn a_failure_is_the_last_item() {
        let replies = Fake::new(|mut stream| {
            read_frame(&mut stream);
            read_frame(&mut stream);
            let answer = [hello(PROTOCOL), reply(&Reply::Pong), reply(&Reply::Failed(Failure::NoProcess))];
            stream.write_all(&answer.concat()).unwrap();
        })
        .ask();
        assert!(matches!(
            replies.as_slice(),
            [Ok(Reply::Pong), Err(ClientError::Failed(Failure::NoProcess))]
        ));
    }

    #[test]
    fn a_refusal_at_the_door_tells_its_reason() {
        let replies = Fake::new(|mut stream| {
            stream.write_all(&reply(&Reply::Failed(Failure::NotYours))).unwrap();
        })
        .ask();
        assert!(matches!(replies.as_slice(), [Err(ClientError::Failed(Failure::NotYours))]));
    }

    #[test]
    fn another_protocol_names_both_versions() {
        let replies = Fake::new(|mut stream| stream.write_all(&hello(PROTOCOL + 1)).unwrap()).ask();
        let Err(error) = &replies[0] else { panic!("{replies:?}") };
        let text = error.to_string();
        assert!(text.contains("9.9.9") && text.contains(VERSION) && text.contains("kill 7"), "{text}");
    }

    #[test]
    fn a_daemon_that_hangs_is_named() {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let fake = Fake::new(move |_stream| wait.recv().unwrap_or_default());
        let mut connection = fake.connect(Duration::from_millis(20));
        let error = connection.request(&Request::List).unwrap_err();
        drop(done);
        fake.daemon.join().unwrap();
        let pid = std::process::id() as i32;
        assert!(matches!(error, ClientError::Hung { pid: Some(named), .. } if named == pid), "{error}");
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error() {
        let replies = Fake::new(|mut stream| {
            read_frame(&mut stream);
            read_frame(&mut stream);
            stream.write_all(&hello(PROTOCOL)).unwrap();
            stream.write_all(&reply(&Reply::Pong)[..5]).unwrap();
        })
        .ask();
        assert!(matches!(replies.as_slice(), [Err(ClientError::Closed { .. })]));
    }

    #[test]
    fn no_daemon_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        assert!(Connection::connect(&home).unwrap().is_none());
        drop(UnixListener::bind(home.socket()).unwrap());
        assert!(Connection::connect(&home).unwrap().is_none(), "the socket of a daemon that died");
        let deep = Home::new(directory.path().join("x".repeat(120)), Persona::Pm2);
        assert!(matches!(
            Connection::connect(&deep),
            Err(ConnectError::TooLong { variable: "PM2_HOME", .. })
        ));
    }
}
