//! Asking an app whether it is up. It is asked again and again, ever less often.

use std::{io, time::Duration};

use rpm_core::ready::{Address, Url};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// The first pause between two questions; each is half as long again as the one before, up to the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of an answer is read for its status.
const STATUS_LINE: u64 = 64;

/// Waits until somebody accepts a connection there.
pub(super) async fn tcp(address: &Address) {
    until(|| async { connect(address).await.map(|_| true) }).await;
}

/// Waits until a GET is answered with a status from 200 to 399.
pub(super) async fn http(url: &Url) {
    until(|| get(url)).await;
}

/// Whether somebody accepts a connection there now; the error says why not.
pub(crate) async fn ask_tcp(address: &Address) -> Result<(), String> {
    connect(address).await.map(drop).map_err(|error| format!("{address}: {error}"))
}

/// Whether a GET is answered with a status from 200 to 399 now; the error says how else.
pub(crate) async fn ask_http(url: &Url) -> Result<(), String> {
    match answer(url).await {
        Ok(Some(status)) if is_good(status) => Ok(()),
        Ok(Some(status)) => Err(format!("{url} answered {status}")),
        Ok(None) => Err(format!("{url} answered what is not HTTP")),
        Err(error) => Err(format!("{url}: {error}")),
    }
}

async fn until<F: Future<Output = io::Result<bool>>>(mut ask: impl FnMut() -> F) {
    let mut pause = PAUSE;
    while !matches!(timeout(PATIENCE, ask()).await, Ok(Ok(true))) {
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Without a host: this machine, by either protocol.
async fn connect(address: &Address) -> io::Result<TcpStream> {
    match &address.host {
        None => match TcpStream::connect(("127.0.0.1", address.port)).await {
            Err(_) => TcpStream::connect(("::1", address.port)).await,
            connected => connected,
        },
        Some(host) => {
            // Numeric addresses are not looked up.
            match host.parse::<std::net::IpAddr>() {
                Ok(ip) => TcpStream::connect((ip, address.port)).await,
                Err(_) if host == "localhost" => {
                    Box::pin(connect(&Address { host: None, port: address.port })).await
                }
                Err(_) => TcpStream::connect((host.as_str(), address.port)).await,
            }
        }
    }
}

async fn get(url: &Url) -> io::Result<bool> {
    Ok(answer(url).await?.is_some_and(is_good))
}

fn is_good(status: u16) -> bool {
    (200..400).contains(&status)
}

/// The status of the answer to a GET.
async fn answer(url: &Url) -> io::Result<Option<u16>> {
    let mut stream = connect(&url.address).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: rpm\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path, url.authority
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE).read_to_end(&mut answer).await?;
    Ok(status(&answer))
}

/// The status in the first line of an answer.
fn status(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|&byte| byte == b'\r').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    version.strip_prefix("HTTP/1.")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 503 x"), Some(503));
        for answer in ["", "HTTP/1.1", "HTTP/1.1 ", "HTTP/2 200\r\n", "SSH-2.0-x 200\r\n", "\u{ff}"] {
            assert_eq!(status(answer.as_bytes()), None, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_is_asked_until_it_is_well() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let url: rpm_core::Ready = format!("http://{address}/health").parse().unwrap();
        let rpm_core::Ready::Http(url) = url else { panic!() };
        let answers = async {
            for answer in ["HTTP/1.1 503 no\r\n\r\n", "garbage", "HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = server.accept().await.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        tokio::join!(http(&url), answers);
        let rpm_core::Ready::Tcp(place) = format!("tcp:{}", address.port()).parse().unwrap() else {
            panic!()
        };
        tcp(&place).await;
    }
}
