//! Logs that are rotated: when the kernel says that they were written to, by their schedule, and when a setting says so.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::DateTime;
use nix::sys::inotify::AddWatchFlags;
use rpm_core::{
    Selector,
    protocol::{Failure, Reply},
};
use tokio::sync::mpsc;

use super::{God, reply};
use crate::{
    clock::Now,
    inotify::Inotify,
    logs::{Form, Log, LogPaths, Look, Moved, Pace, Report, Writer, begin_look, begin_reload},
    settings::Rotation,
    table::{Process, Replies},
};

/// What the daemon knows of its logs' sizes, and what it waits for.
pub(crate) struct Rotator {
    /// `None` while logs are not rotated.
    rotation: Option<Arc<Rotation>>,
    /// Tells of the first write into each directory, once. There is none before the first app runs.
    inotify: Option<Inotify>,
    /// The directories of which it does.
    heard: HashSet<PathBuf>,
    pace: Pace,
    /// What the last look found, and when, on the monotonic clock.
    sizes: (u64, HashMap<PathBuf, u64>),
    /// When the schedule fires next, milliseconds since the epoch.
    tick: Option<i64>,
    /// It has fired during a look.
    all_due: bool,
    /// A thread is at work on the files. There is one at a time.
    is_busy: bool,
    /// Meanwhile somebody has asked for logs to be opened anew.
    reload_due: bool,
    /// Who wants to know when they are.
    waiting: Vec<Replies>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Rotator {
    /// With the settings of the home.
    pub(super) fn new(rotation: Option<Rotation>, reports: mpsc::UnboundedSender<Report>) -> Self {
        let mut rotator = Self {
            rotation: None,
            inotify: None,
            heard: HashSet::new(),
            pace: Pace::new(0),
            sizes: (0, HashMap::new()),
            tick: None,
            all_due: false,
            is_busy: false,
            reload_due: false,
            waiting: Vec::new(),
            reports,
        };
        rotator.set(rotation, Now::read());
        rotator
    }

    fn set(&mut self, rotation: Option<Rotation>, now: Now) {
        self.rotation = rotation.map(Arc::new);
        self.inotify = None;
        self.heard.clear();
        self.plan(now.wall);
    }

    /// Computes the next tick of the schedule.
    pub(super) fn plan(&mut self, wall: i64) {
        self.tick = self.rotation.as_ref().and_then(|rotation| {
            let after = DateTime::from_timestamp_millis(wall)?;
            let next = rotation.schedule.as_ref()?.next_after(after, rotation.zone)?;
            Some(next.timestamp_millis())
        });
    }

    /// When the schedule fires next, milliseconds since the epoch.
    pub(super) fn tick(&self) -> Option<i64> {
        self.tick
    }

    /// Whether files are being moved just now.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// When the next look is due, on the monotonic clock.
    pub(super) fn due(&self) -> Option<u64> {
        self.pace.due()
    }

    /// Somebody is about to write to these.
    pub(super) fn expect(&mut self, logs: &LogPaths) {
        if self.rotation.is_none() || !self.pace.is_listening() {
            return;
        }
        for log in paths(logs) {
            if let Some(directory) = log.parent().filter(|directory| !self.heard.contains(*directory)) {
                if let Err(error) = listen(&mut self.inotify, directory) {
                    tracing::warn!("logs in {} are not rotated by size: {error}", directory.display());
                }
                self.heard.insert(directory.to_owned());
            }
        }
    }

    /// Waits for the first write into one of the directories.
    pub(super) async fn written(&self) -> io::Result<()> {
        let Some(inotify) = &self.inotify else { return std::future::pending().await };
        loop {
            let events = inotify.events().await?;
            if events.iter().any(|event| event.mask.intersects(AddWatchFlags::IN_MODIFY)) {
                return Ok(());
            }
        }
    }

    /// Takes in what a look found.
    fn looked(&mut self, found: Vec<(PathBuf, u64)>, now: u64) {
        let Some(rotation) = &self.rotation else { return };
        let (then, before) = &self.sizes;
        let passed = now.saturating_sub(*then);
        let left = |(path, size): &(PathBuf, u64)| {
            let grown = size.checked_sub(*before.get(path)?).filter(|&grown| grown > 0)?;
            let left = rotation.max_size.0.saturating_sub(*size);
            Some(left.saturating_mul(passed) / grown)
        };
        let left = found.iter().filter_map(left).min();
        self.pace.looked(rotation.interval, left, now);
        self.sizes = (now, found.into_iter().collect());
        self.heard.clear();
    }
}

fn listen(inotify: &mut Option<Inotify>, directory: &Path) -> io::Result<()> {
    let inotify = match inotify {
        Some(inotify) => inotify,
        None => inotify.insert(Inotify::new()?),
    };
    inotify.add(directory, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ONESHOT)?;
    Ok(())
}

/// The files among the logs of a process.
fn paths(logs: &LogPaths) -> impl Iterator<Item = &PathBuf> {
    let all = [Some(&logs.out), Some(&logs.error), logs.combined.as_ref()];
    all.into_iter().flatten().filter(|path| *path != Path::new("/dev/null"))
}

impl God {
    /// An app has written something.
    pub(super) fn logs_written(&mut self, heard: io::Result<()>) {
        if let Err(error) = heard {
            tracing::error!("logs are not rotated by size: {error}");
            self.rotator.inotify = None;
        }
        self.rotator.pace.written(Now::read().mono);
    }

    /// Looks at the sizes of all logs; rotates those that are due, or `all`.
    pub(super) fn look_at_logs(&mut self, all: bool) {
        let Some(rotation) = self.rotator.rotation.clone() else { return };
        if self.rotator.is_busy {
            self.rotator.all_due |= all;
            return;
        }
        let mut logs = self.logs_where(|process| rotation.modules || !process.spec.is_module());
        logs.push(Log { path: self.home.daemon_log(), pumped: false });
        let look = Look { logs, rotation, directory: self.home.logs_dir(), plan: self.home.cut_plan(), all };
        match begin_look(look, self.rotator.reports.clone()) {
            Ok(()) => {
                self.rotator.is_busy = true;
                self.rotator.pace.look();
            }
            Err(error) => {
                tracing::error!("logs are not rotated: {error}");
                self.logs_looked_at(Vec::new());
            }
        }
    }

    /// Rotates the logs of the selected processes, whatever their size.
    pub(super) fn rotate_logs(&mut self, selector: &Selector) -> Result<(), Failure> {
        let ids = self.table.resolve(selector)?;
        if self.rotator.is_busy {
            return Err(Failure::Io("logs are being rotated just now: try again".to_owned()));
        }
        let logs = self.logs_where(|process| ids.contains(&process.id));
        let set = self.rotator.rotation.clone();
        let is_set = set.is_some();
        let rotation = set.unwrap_or_else(|| Arc::new(Rotation::usual(self.home.persona())));
        let look =
            Look { logs, rotation, directory: self.home.logs_dir(), plan: self.home.cut_plan(), all: true };
        begin_look(look, self.rotator.reports.clone()).map_err(|error| Failure::Io(error.to_string()))?;
        self.rotator.is_busy = true;
        if is_set {
            self.rotator.pace.look();
        }
        Ok(())
    }

    /// The logs of these processes, each once.
    fn logs_where(&self, wanted: impl Fn(&&Process) -> bool) -> Vec<Log> {
        // One that the app writes itself stays that, whoever else writes there.
        let mut logs: BTreeMap<&Path, bool> = BTreeMap::new();
        for process in self.table.iter().filter(wanted) {
            let pumped = Form::of(&process.spec, process.id, process.logs.combined.is_some()).is_some();
            for path in paths(&process.logs) {
                let known = logs.entry(path).or_insert(pumped);
                *known &= pumped;
            }
        }
        logs.into_iter().map(|(path, pumped)| Log { path: path.to_owned(), pumped }).collect()
    }

    /// Takes in what the thread that rotates says.
    pub(super) fn logs_reported(&mut self, report: Report) {
        match report {
            Report::Moved(path, moved) => {
                let writes = |process: &&Process| paths(&process.logs).any(|log| *log == path);
                for process in self.table.iter().filter(writes) {
                    reopen(process, Some(&moved));
                }
            }
            Report::Done(sizes) => {
                self.rotator.is_busy = false;
                self.logs_looked_at(sizes);
            }
            Report::Reloaded(failed) => {
                self.rotator.is_busy = false;
                self.logs_reloaded(failed);
            }
        }
        if !self.rotator.is_busy && std::mem::take(&mut self.rotator.reload_due) {
            self.reload_direct_logs();
        }
    }

    fn logs_looked_at(&mut self, sizes: Vec<(PathBuf, u64)>) {
        self.rotator.looked(sizes, Now::read().mono);
        let Self { rotator, table, .. } = self;
        for process in table.iter().filter(|process| process.life.run().is_some()) {
            rotator.expect(&process.logs);
        }
        if std::mem::take(&mut self.rotator.all_due) {
            self.look_at_logs(true);
        }
    }

    /// Rotates all logs if the schedule says so.
    pub(super) fn fire_rotation(&mut self, wall: i64, clock_jumped: bool) {
        if self.rotator.tick.is_some_and(|tick| tick <= wall) {
            self.look_at_logs(true);
            self.rotator.plan(wall);
        } else if clock_jumped {
            self.rotator.plan(wall);
        }
    }

    /// Reads the settings of rotation again.
    pub(super) fn set_rotation(&mut self, rotation: Option<Rotation>) {
        self.rotator.set(rotation, Now::read());
        // A new limit may have been passed long ago.
        self.look_at_logs(false);
    }

    /// Opens the logs anew, as after somebody moved them away; those who wait for that are told when it is done.
    pub(super) fn reload_logs(&mut self, waiting: Option<Replies>) {
        tracing::info!("Reloading logs...");
        for process in self.table.iter() {
            reopen(process, None);
        }
        self.rotator.waiting.extend(waiting);
        if self.rotator.is_busy {
            self.rotator.reload_due = true;
        } else {
            self.reload_direct_logs();
        }
    }

    /// Those that apps write themselves.
    fn reload_direct_logs(&mut self) {
        let mut writers = Vec::new();
        let runs = self.table.iter().chain(self.table.retired());
        for process in runs.filter(|process| process.pumps.is_none() && !process.spec.disable_logs) {
            let second = process.second.as_ref().map(|(pid, _)| *pid);
            for pid in process.life.run().map(|run| run.pid).into_iter().chain(second) {
                for (descriptor, log) in [(1, &process.logs.out), (2, &process.logs.error)] {
                    writers.push(Writer { log: log.clone(), pid, descriptor });
                }
            }
        }
        match begin_reload(writers, self.home.cut_plan(), self.rotator.reports.clone()) {
            Ok(()) => self.rotator.is_busy = true,
            Err(error) => self.logs_reloaded(vec![error.to_string()]),
        }
    }

    fn logs_reloaded(&mut self, failed: Vec<String>) {
        for reason in failed {
            tracing::warn!("{reason}");
            for waiting in &self.rotator.waiting {
                reply(waiting, Reply::Note(reason.clone()));
            }
        }
        if !self.rotator.reload_due {
            self.rotator.waiting.clear();
        }
    }
}

fn reopen(process: &Process, moved: Option<&Moved>) {
    if let Some(pumps) = &process.pumps {
        pumps.out.reopen(moved.cloned());
        pumps.error.reopen(moved.cloned());
    }
}
