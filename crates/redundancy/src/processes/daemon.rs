//! The daemon: what it says of the watched processes, and what it is asked to do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rpm_client::{ClientError, Connection};
use rpm_core::{
    AppSpec, Bytes, Exit, Home, ProcessInfo, Selector, Status,
    protocol::{Act, Action, Existing, Reply, Request, StartApps},
};
use rpm_ecosystem::{Caller, EnvChange, Options};

use super::{Deed, Kind, Process, Processes, Run, Seen, State};
use crate::{config::Pm2, moment::Moment, watch::World};

/// A daemon and the files that declare what it should run.
pub(crate) struct Daemon {
    home: Home,
    caller: Caller,
    settings: Pm2,
    /// The machine's memory, which a process without a limit may use.
    machine: Bytes,
    files: BTreeMap<PathBuf, Declared>,
}

/// What a file declared when it was last read.
struct Declared {
    stamp: Option<(SystemTime, u64)>,
    apps: Result<Vec<AppSpec>, String>,
    /// What the file changes in the environment that its apps inherit.
    env: EnvChange,
}

impl World<Processes> for Daemon {
    fn look(&mut self, _: &Processes, _: Moment) -> Seen {
        let faults = self.read_files();
        match self.connect().and_then(|mut daemon| all(&mut daemon)) {
            Ok(table) => Seen::There { processes: self.watched(&table), faults },
            Err(reason) => Seen::Away(reason),
        }
    }

    fn perform(&mut self, deed: &Deed) -> Result<String, String> {
        match deed {
            Deed::Spawn => {
                rpm_client::connect_or_spawn(&self.home, || {}).map_err(|error| error.to_string())?;
                Ok("started".to_owned())
            }
            Deed::Start(name) => {
                let of_file = |path: &'_ PathBuf| {
                    Some((path.clone(), self.apps(path).find(|app| app.name == *name)?.clone()))
                };
                let declared = self.settings.ecosystem_files.iter().find_map(of_file);
                let (path, app) = declared.ok_or("no file declares it any more")?;
                self.start(&path, vec![app]).map(|_| "started".to_owned())
            }
            Deed::Restart { name, ids } if ids.is_empty() => self.act(Action::Restart, name).map(|()| done()),
            Deed::Restart { ids, .. } => {
                ids.iter().try_for_each(|id| self.act(Action::Restart, &id.to_string()))?;
                Ok(done())
            }
            Deed::Rotate(name) => {
                self.ask(&Request::RotateLogs(selector(name)))?;
                Ok("asked for".to_owned())
            }
            Deed::StartAnew => self.start_anew(),
        }
    }
}

fn done() -> String {
    "done".to_owned()
}

fn selector(word: &str) -> Selector {
    Selector::new(word, "/")
}

/// All that is in the table.
fn all(daemon: &mut Connection) -> Result<Vec<ProcessInfo>, String> {
    let mut table = Vec::new();
    let replies = daemon.request(&Request::Describe(None)).map_err(|error| error.to_string())?;
    for reply in replies {
        match reply {
            Ok(Reply::Processes(more)) => table.extend(more),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(table)
}

impl Daemon {
    pub(crate) fn new(home: Home, caller: Caller, settings: Pm2) -> Self {
        let pages = nix::unistd::sysconf(nix::unistd::SysconfVar::_PHYS_PAGES).ok().flatten().unwrap_or(0);
        let machine = Bytes(u64::try_from(pages).unwrap_or(0) * rustix::param::page_size() as u64);
        Self { home, caller, settings, machine, files: BTreeMap::new() }
    }

    fn connect(&self) -> Result<Connection, String> {
        match Connection::connect(&self.home) {
            Ok(Some(daemon)) => Ok(daemon),
            Ok(None) => Err(format!("nobody listens on {}", self.home.socket().display())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the ecosystem files that have changed. What is wrong with them.
    fn read_files(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for path in &self.settings.ecosystem_files {
            let stamp = fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())));
            // One that is wrong may be right without having changed: a script has come.
            if self.files.get(path).is_none_or(|known| known.stamp != stamp || known.apps.is_err()) {
                let (apps, env) = load(path, &self.caller);
                self.files.insert(path.clone(), Declared { stamp, apps, env });
            }
            if let Some(Declared { apps: Err(fault), .. }) = self.files.get(path) {
                faults.push(fault.clone());
            }
        }
        faults
    }

    /// The apps of all files, in order.
    fn declared(&self) -> impl Iterator<Item = &AppSpec> {
        self.settings.ecosystem_files.iter().flat_map(|path| self.apps(path))
    }

    /// The apps of one file.
    fn apps(&self, path: &Path) -> impl Iterator<Item = &AppSpec> {
        self.files.get(path).and_then(|file| file.apps.as_ref().ok()).into_iter().flatten()
    }

    fn watched(&self, table: &[ProcessInfo]) -> Vec<Process> {
        let mut names: Vec<&str> = self.settings.processes.iter().map(String::as_str).collect();
        names.extend(self.declared().map(|app| app.name.as_str()));
        let is_of = |info: &&ProcessInfo| {
            self.settings.namespaces.iter().any(|namespace| *namespace == info.summary.namespace)
        };
        let of_namespaces = table.iter().filter(is_of);
        names.extend(of_namespaces.map(|info| info.summary.name.as_str()));
        names.sort_unstable();
        names.dedup();
        let process = |name: &str| {
            let instances: Vec<_> = table.iter().filter(|info| info.summary.name == name).collect();
            let most =
                |of: &dyn Fn(&ProcessInfo) -> f64| instances.iter().map(|info| of(info)).fold(0.0, f64::max);
            Process {
                name: name.to_owned(),
                state: self.state(name, &instances),
                kind: instances.first().map_or(Kind::Service, |info| kind(info)),
                runs: instances.iter().map(|info| run(info)).collect(),
                cpu: most(&|info| f64::from(info.summary.cpu)),
                memory: most(&|info| self.memory(info)),
                log: instances.iter().map(|info| largest_log(info)).max().unwrap_or_default(),
            }
        };
        names.into_iter().map(process).collect()
    }

    fn state(&self, name: &str, instances: &[&ProcessInfo]) -> State {
        if instances.is_empty() {
            return State::Absent { declared: self.declared().any(|app| app.name == name) };
        }
        if let Some((run, status)) = instances.iter().find_map(|info| failed_run(info)) {
            return State::Failed { run, status };
        }
        let down: Vec<_> = instances.iter().filter(|info| is_down(info)).collect();
        if let Some(first) = down.first() {
            let status = ended_with(first);
            let status = if instances.len() > 1 {
                format!("{status} ({} of {} instances)", down.len(), instances.len())
            } else {
                status
            };
            return State::Down { ids: down.iter().map(|info| info.summary.id.0).collect(), status };
        }
        let of = |wanted: fn(Status) -> bool| instances.iter().find(|info| wanted(info.summary.status));
        if let Some(info) = of(|status| {
            let ways = [
                Status::Launching,
                Status::Stopping,
                Status::WaitingRestart,
                Status::Queued,
                Status::Waiting,
            ];
            ways.contains(&status)
        }) {
            State::Moving(info.summary.status.to_string())
        } else if of(|status| status == Status::Online).is_some() {
            State::Online
        } else {
            State::Resting
        }
    }

    /// Percent of what it may have.
    fn memory(&self, info: &ProcessInfo) -> f64 {
        let limit = info.spec.max_memory_restart.unwrap_or(self.machine).0.max(1);
        info.summary.memory.0 as f64 * 100.0 / limit as f64
    }

    /// Asks, and hears the answers to their end.
    fn ask(&self, request: &Request) -> Result<Vec<Reply>, String> {
        let mut daemon = self.connect()?;
        let replies = daemon.request(request).and_then(Iterator::collect::<Result<Vec<_>, ClientError>>);
        replies.map_err(|error| error.to_string())
    }

    fn act(&self, action: Action, target: &str) -> Result<(), String> {
        let act = Act { action, target: selector(target), env: None, patch: serde_json::Map::new() };
        failure(&self.ask(&Request::Act(act))?)
    }

    /// Starts apps of the file at `path`.
    fn start(&self, path: &Path, apps: Vec<AppSpec>) -> Result<usize, String> {
        let count = apps.len();
        let mut env = self.caller.env.clone();
        if let Some(file) = self.files.get(path) {
            file.env.apply(&mut env);
        }
        let start = StartApps { apps, env, existing: Existing::Restart, update_env: false };
        failure(&self.ask(&Request::Start(start))?).map(|()| count)
    }

    /// Stops everything, starts the apps of all files in order, then what else had been running. The process that
    /// does this is left alone.
    fn start_anew(&mut self) -> Result<String, String> {
        let mut daemon = match self.connect() {
            Err(_) if self.settings.start_daemon => {
                rpm_client::connect_or_spawn(&self.home, || {}).map_err(|error| error.to_string())?.0
            }
            connected => connected?,
        };
        let table = all(&mut daemon)?;
        let me = std::process::id() as i32;
        let own = table.iter().find(|info| info.summary.pid == me).map(|info| info.summary.name.clone());
        let others = || table.iter().filter(|info| own.as_ref() != Some(&info.summary.name));
        let ran: Vec<_> = others().filter(|info| info.summary.pid > 0).map(|info| &info.summary).collect();
        let mut faults = self.read_files();
        for process in &ran {
            faults.extend(self.act(Action::Stop, &process.id.to_string()).err());
        }
        let mut started = 0;
        for path in &self.settings.ecosystem_files {
            let Some(Declared { apps: Ok(apps), .. }) = self.files.get(path) else { continue };
            let apps: Vec<_> =
                apps.iter().filter(|app| own.as_deref() != Some(app.name.as_str())).cloned().collect();
            match self.start(path, apps) {
                Ok(count) => started += count,
                Err(error) => faults.push(format!("{}: {error}", path.display())),
            }
        }
        let declared = |name: &str| self.declared().any(|app| app.name == name);
        let rest: Vec<_> = ran.iter().filter(|process| !declared(&process.name)).collect();
        for process in &rest {
            faults.extend(self.act(Action::Start, &process.id.to_string()).err());
        }
        let files = self.settings.ecosystem_files.len();
        let (stopped, rest) = (ran.len(), rest.len());
        let text = format!("stopped {stopped}, started {started} apps of {files} files and {rest} others");
        if faults.is_empty() { Ok(text) } else { Err(format!("{text}; {}", faults.join("; "))) }
    }
}

/// What was not possible, of all that was answered.
fn failure(replies: &[Reply]) -> Result<(), String> {
    let errors: Vec<_> = replies
        .iter()
        .filter_map(|reply| match reply {
            Reply::Acted(acted) => {
                acted.error.as_ref().map(|error| format!("{}: {error}", acted.process.name))
            }
            _ => None,
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

fn load(path: &Path, caller: &Caller) -> (Result<Vec<AppSpec>, String>, EnvChange) {
    match rpm_ecosystem::load(path, &Options::default(), caller) {
        Ok(loaded) => (Ok(loaded.apps), loaded.env),
        Err(error) => (Err(error.report().to_string()), EnvChange::default()),
    }
}

fn kind(info: &ProcessInfo) -> Kind {
    match (info.spec.autorestart, &info.spec.cron_restart) {
        (true, _) => Kind::Service,
        (false, None) => Kind::Task,
        (false, Some(_)) => Kind::Scheduled,
    }
}

/// The present run of a process, or the one that its restart is awaited of.
fn run(info: &ProcessInfo) -> Run {
    let summary = &info.summary;
    let waits = u32::from(summary.status == Status::WaitingRestart);
    Run {
        id: summary.id.0,
        pid: summary.pid,
        ended: summary.restart_time.saturating_add(waits),
        began: Moment(summary.pm_uptime),
        cause: info.why.cause,
    }
}

fn ended_with(info: &ProcessInfo) -> String {
    match (&info.summary.status, info.exit, &info.error) {
        (status, _, Some(error)) => format!("{status} ({error})"),
        (status, Some(exit), None) => format!("{status} ({exit})"),
        (status, None, None) => status.to_string(),
    }
}

/// Whether a run that ended like this went well.
fn went_well(info: &ProcessInfo, exit: Exit) -> bool {
    matches!(exit, Exit::Code(code) if code == 0 || info.spec.stop_exit_codes.contains(&code))
}

/// The last run of a scheduled task that is over, by its number, if it failed.
fn failed_run(info: &ProcessInfo) -> Option<(u32, String)> {
    if kind(info) != Kind::Scheduled {
        return None;
    }
    let has_failed = match info.exit {
        // It ended while no daemon was there to see how.
        None | Some(Exit::Unknown) => info.summary.status == Status::Errored,
        Some(exit) => !went_well(info, exit),
    };
    let is_over = u32::from(info.summary.pid == 0);
    let status = match (info.exit, &info.error) {
        (_, Some(error)) => error.clone(),
        (Some(exit), None) => exit.to_string(),
        (None, None) => info.summary.status.to_string(),
    };
    has_failed.then(|| (info.summary.restart_time.saturating_add(is_over), status))
}

/// Whether it should run and does not. What is meant to end and has ended well is not down, and neither is a task
/// that waits for its next tick.
fn is_down(info: &ProcessInfo) -> bool {
    let has_done_its_work = info.exit.is_some_and(|exit| match exit {
        Exit::Code(0) => !info.spec.autorestart || info.spec.stop_exit_codes.contains(&0),
        exit => went_well(info, exit),
    });
    match info.summary.status {
        Status::Errored => true,
        Status::Stopped => !has_done_its_work && kind(info) != Kind::Scheduled,
        _ => false,
    }
}

fn largest_log(info: &ProcessInfo) -> Bytes {
    let logs = [Some(&info.out_log), Some(&info.error_log), info.combined_log.as_ref()];
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
    Bytes(logs.into_iter().flatten().map(size).max().unwrap_or(0))
}
