//! Taking connections.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, runtime, task};

use super::answer::{Answer, Never};

/// Who connects and asks nothing does not keep the connection longer.
const HEADER_LIMIT: Duration = Duration::from_secs(20);
/// Where no more connections can be taken, some may end meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers requests at `address` with what `answer` says, until the process ends. `ready` is told the address.
///
/// One thread: `answer` is never called twice at a time.
pub(crate) fn listen(
    address: SocketAddr,
    ready: impl FnOnce(SocketAddr),
    answer: impl Fn(&Request<Incoming>) -> Answer + 'static,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = Rc::new(answer);
    task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(address).await?;
        ready(listener.local_addr()?);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let answer = Rc::clone(&answer);
            task::spawn_local(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&request);
                    async { Ok::<_, Never>(answer) }
                });
                // A connection that breaks is nobody's failure but the other side's.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_LIMIT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
