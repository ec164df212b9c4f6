//! Whether a run is up: what it says (`sd_notify`, its log) or what it answers (TCP, HTTP).
//!
//! [`Signs`] are made before the run, so that nothing of it is missed, and watched until it has shown what its
//! declaration says, or has had its time. IPC is heard by [`crate::ipc`], not here.

mod log;
mod notify;
pub(crate) mod probe;

use std::{io, os::fd::BorrowedFd, path::PathBuf, time::Duration};

use rpm_core::{AppSpec, ProcessId, Ready};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

pub(crate) use self::notify::Packed;
use self::{log::Tail, notify::Notify};
use crate::ipc::{Heard, Received};

/// Where the word about a run goes.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub id: ProcessId,
    pub run: u64,
    pub inbox: mpsc::Sender<Received>,
}

impl Listener {
    async fn tell(&self, what: Heard) {
        // An error is the end of the daemon.
        let _ = self.inbox.send(Received { id: self.id, run: self.run, what }).await;
    }
}

/// What is watched of one run; no longer once this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    notify: Option<Notify>,
    tails: Vec<Tail>,
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Signs {
    /// Prepares for the next run of `app`, whose output goes to `logs`. Must be called within a runtime.
    pub(crate) fn prepare(
        app: &AppSpec,
        (id, run): (ProcessId, u64),
        logs: impl IntoIterator<Item = PathBuf>,
    ) -> io::Result<Self> {
        let notify = Self::are_notified(app).then(|| Notify::open(id, run, app.uid)).transpose()?;
        let tails = match app.ready {
            Some(Ready::Log(_)) => logs.into_iter().map(Tail::at_end).collect(),
            _ => Vec::new(),
        };
        Ok(Self { notify, tails, tasks: Vec::new() })
    }

    /// Whether runs of `app` have a socket for notifications.
    pub(crate) fn are_notified(app: &AppSpec) -> bool {
        app.ready == Some(Ready::Notify) || app.watchdog.is_some()
    }

    /// What the run has to know.
    pub(crate) fn environment(&self, app: &AppSpec) -> Vec<(&'static str, String)> {
        let Some(notify) = &self.notify else { return Vec::new() };
        let watchdog = app.watchdog.map(|limit| ("WATCHDOG_USEC", (limit.0 * 1000).to_string()));
        [("NOTIFY_SOCKET", notify.name())].into_iter().chain(watchdog).collect()
    }

    /// Begins to watch. Of one that runs beside another for a while, what it answers to may be answered by the other:
    /// it is asked only after `delay`.
    pub(crate) fn watch(&mut self, app: &AppSpec, listener: &Listener, delay: Duration) {
        self.listen(app, listener);
        self.look(app, listener, delay);
    }

    /// Goes on to look for what shows that a run of the image before this one is up. `logs` are its logs, each with the
    /// place where what the run has written begins.
    pub(crate) fn look_again(&mut self, app: &AppSpec, listener: &Listener, logs: Vec<(PathBuf, u64)>) {
        self.tails = logs.into_iter().map(|(path, at)| Tail::at(path, at)).collect();
        self.look(app, listener, Duration::ZERO);
    }

    fn look(&mut self, app: &AppSpec, listener: &Listener, delay: Duration) {
        let limit = Duration::from_millis(app.listen_timeout.unwrap_or(AppSpec::DEFAULT_LISTEN_TIMEOUT).0);
        let sign = match app.ready.clone() {
            Some(Ready::Tcp(address)) => Sign::Tcp(address),
            Some(Ready::Http(url)) => Sign::Http(url),
            Some(Ready::Log(pattern)) => match pattern.regex() {
                Some(regex) => Sign::Line(regex, std::mem::take(&mut self.tails)),
                None => return,
            },
            Some(Ready::Ipc | Ready::Notify) | None => return,
        };
        let listener = listener.clone();
        self.begin(async move {
            let shown = async {
                match sign {
                    Sign::Tcp(address) => {
                        tokio::time::sleep(delay).await;
                        probe::tcp(&address).await;
                    }
                    Sign::Http(url) => {
                        tokio::time::sleep(delay).await;
                        probe::http(&url).await;
                    }
                    Sign::Line(regex, tails) => log::line(&regex, tails).await,
                }
            };
            if timeout(limit, shown).await.is_ok() {
                listener.tell(Heard::Ready).await;
            }
        });
    }

    fn listen(&mut self, app: &AppSpec, listener: &Listener) {
        if let Some(notify) = self.notify.clone() {
            let watchdog = app.watchdog.map(|limit| Duration::from_millis(limit.0));
            let heeds_ready = app.ready == Some(Ready::Notify);
            self.begin(notify.listen(listener.clone(), heeds_ready, watchdog));
        }
    }

    /// Goes on listening to a run of an earlier daemon. `value` is what it has as `NOTIFY_SOCKET`.
    pub(crate) fn again(app: &AppSpec, value: &str, listener: &Listener) -> io::Result<Self> {
        Ok(Self::of(Notify::again(value, app.uid)?, app, listener))
    }

    /// Goes on listening to a run of the image before this one.
    pub(crate) fn unpack(packed: Packed, app: &AppSpec, listener: &Listener) -> io::Result<Self> {
        Ok(Self::of(Notify::unpack(packed)?, app, listener))
    }

    fn of(notify: Notify, app: &AppSpec, listener: &Listener) -> Self {
        let mut signs = Self { notify: Some(notify), tails: Vec::new(), tasks: Vec::new() };
        signs.listen(app, listener);
        signs
    }

    /// What the next image needs to go on.
    pub(crate) fn pack(&self) -> Option<Packed> {
        self.notify.as_ref().map(Notify::pack)
    }

    /// The descriptor that [`Self::pack`] names.
    pub(crate) fn packed_fd(&self) -> Option<BorrowedFd<'_>> {
        self.notify.as_ref().map(Notify::fd)
    }

    fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Task(tokio::spawn(task).abort_handle()));
    }
}

enum Sign {
    Tcp(rpm_core::ready::Address),
    Http(rpm_core::ready::Url),
    Line(regex_lite::Regex, Vec<Tail>),
}

/// For the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn read_datagram(bytes: &[u8]) {
    let _ = notify::read(bytes);
}
