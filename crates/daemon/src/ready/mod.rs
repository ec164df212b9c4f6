//! Whether a run is up: what it says (`sd_notify`, its log) or what it answers (TCP, HTTP).
//!
//! [`Signs`] are made before the run, so that nothing of it is missed, and watched until it has shown what its
//! declaration says, or has had its time. IPC is heard by [`crate::ipc`], not here.

mod log;
mod notify;
mod probe;

use std::{io, path::PathBuf, time::Duration};

use rpm_core::{AppSpec, ProcessId, Ready};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

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
        let is_notified = app.ready == Some(Ready::Notify) || app.watchdog.is_some();
        let notify = is_notified.then(|| Notify::open(id, run, app.uid)).transpose()?;
        let tails = match app.ready {
            Some(Ready::Log(_)) => logs.into_iter().map(Tail::at_end).collect(),
            _ => Vec::new(),
        };
        Ok(Self { notify, tails, tasks: Vec::new() })
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
        let limit = Duration::from_millis(app.listen_timeout.unwrap_or(AppSpec::DEFAULT_LISTEN_TIMEOUT).0);
        if let Some(notify) = self.notify.take() {
            let watchdog = app.watchdog.map(|limit| Duration::from_millis(limit.0));
            let heeds_ready = app.ready == Some(Ready::Notify);
            self.begin(notify.listen(listener.clone(), heeds_ready, watchdog));
        }
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

    fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Task(tokio::spawn(task).abort_handle()));
    }
}

enum Sign {
    Tcp(rpm_core::ready::Address),
    Http(rpm_core::ready::Url),
    Line(regex_lite::Regex, Vec<Tail>),
}
