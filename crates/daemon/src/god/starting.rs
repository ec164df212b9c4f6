//! Starting a run: what it is given, and what is kept of it.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    libc::{O_NOFOLLOW, O_NONBLOCK},
};
use rpm_core::{AppSpec, Home, ProcessId, Ready, process::Told};

use super::God;
use crate::{
    begun::Begun,
    cgroup::Group,
    child_env::{self, Facts},
    descriptors,
    environment::{self, EnvError},
    ipc::{self, Channel},
    journal::NotDeclared,
    logs::{self, Ends, Form, LogError, Output, Pump, Pumping, Stream},
    machine::Event,
    node::{self, Cluster, Joined},
    package,
    procfs::Stat,
    ready::{Listener, Signs},
    sockets::{self, ListenError},
    spawn::{self, SpawnError},
    table::{Attached, Process, Pumps},
};

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    NotDeclared(#[from] NotDeclared),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Environment(#[from] EnvError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("a pipe or channel: {0}")]
    System(#[from] io::Error),
    #[error("it is no longer in the table")]
    Forgotten,
}

impl StartError {
    /// Whether it can be expected to succeed later, with nothing changed.
    fn is_shortage(&self) -> bool {
        match self {
            Self::NotDeclared(_) => return true,
            Self::Log(LogError { error, .. }) if is_storage_shortage(error) => return true,
            _ => {}
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let code = match error.downcast_ref::<io::Error>() {
                Some(error) => return descriptors::is_shortage(error),
                None => error.downcast_ref::<Errno>(),
            };
            if let Some(errno) = code {
                return descriptors::is_shortage(&io::Error::from(*errno));
            }
            cause = error.source();
        }
        false
    }
}

/// Whether a file could not be opened because its file system is full or closed for writing, or the quota is used up: an
/// administrator mends that, not a new declaration.
fn is_storage_shortage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl God {
    /// Starts a run of a process; beside the present one, if there is one.
    pub(super) fn spawn(&mut self, id: ProcessId) -> Event {
        match self.try_spawn(id) {
            Ok(pid) => {
                self.table.own(pid, id);
                if self.table.get(id).is_some_and(Process::needs_checks) {
                    self.expect_checks();
                }
                Event::Spawned { pid }
            }
            Err(error) => {
                if self.table.get(id).is_some_and(|process| Begun::marks(&process.spec)) {
                    self.begun.remove(id);
                }
                Event::SpawnFailed { reason: error.to_string(), is_shortage: error.is_shortage() }
            }
        }
    }

    /// Reads the version of the app again: a new release may lie where the last run was started. Instances that shared
    /// their declaration go on sharing it.
    fn update_version(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        let version = package::version(&process.spec);
        if version == process.spec.version {
            return;
        }
        let (from, to) = &self.new_version;
        let shared = to
            .upgrade()
            .filter(|to| std::ptr::eq(from.as_ptr(), Arc::as_ptr(&process.spec)) && to.version == version);
        let former = Arc::clone(&process.spec);
        process.spec = shared.unwrap_or_else(|| {
            let mut spec = AppSpec::clone(&process.spec);
            spec.version = version;
            Arc::new(spec)
        });
        self.new_version = (Arc::downgrade(&former), Arc::downgrade(&process.spec));
    }

    fn try_spawn(&mut self, id: ProcessId) -> Result<i32, StartError> {
        self.journal.check_declared(id)?;
        self.update_version(id);
        let confinement = self.confine(id);
        let Some(process) = self.table.get_mut(id) else { return Err(StartError::Forgotten) };
        let is_second = process.life.run().is_some();
        let resolved = environment::resolve(&process.spec, &process.base_env)?;
        let (Output { stdout, stderr }, log_ends) = prepare_output(process, &self.home, &self.pumping)?;
        self.rotator.expect(&process.logs);
        process.runs += 1;
        process.outdated = false;
        let number = process.runs;
        let spec = &process.spec;
        let restart_time = process.life.restart_time + u32::from(is_second);
        let sockets = self.sockets.of(spec, process.run.adopted.as_ref())?;
        let mut handed = sockets::environment(spec);
        let mut node_args = Vec::new();
        let (channel, theirs) = if spec.is_cluster() {
            let cluster = self.clusters.entry(spec.key()).or_insert_with(Cluster::start);
            let joined = cluster.join((id, number), spec.cluster_balance, self.messages.clone())?;
            let Joined { worker, channel, theirs } = joined;
            handed.push((node::VARIABLE, worker.0.to_string()));
            node_args.extend(node::preload(&self.home)?);
            (Some(channel), Some(theirs))
        } else if speaks_ipc(spec) {
            let (ours, theirs) = Channel::open(id, number, self.messages.clone())?;
            (Some(ours), Some(theirs))
        } else {
            (None, None)
        };
        if theirs.is_some() {
            handed.extend(ipc::environment(sockets.len()));
        }
        let logs = [process.logs.out.clone(), process.logs.error.clone()];
        let mut signs = Signs::prepare(spec, (id, number), logs)?;
        handed.extend(signs.environment(spec));
        let facts = Facts {
            home: &self.home,
            identity: &self.identity,
            id,
            instance: process.instance,
            unique_id: &process.unique_id,
            restart_time,
            increment: process.increment,
            handed,
        };
        let env = child_env::compose(&process.base_env, spec, resolved.as_ref(), &facts);
        let stdin = spawn::endless_input()?;
        let node_args = &node_args;
        let pid = spawn::spawn(&spawn::Command {
            app: spec,
            env: &env,
            stdin,
            stdout,
            stderr,
            node_args,
            sockets,
            channel: theirs,
            limit: self.limit,
            mark: Begun::marks(spec).then(|| self.begun.prepare(id)).flatten(),
            group: confinement.group().map(Group::path),
        })?;
        let delay = if is_second { process.policy.min_uptime } else { 0 };
        let listener = Listener { id, run: number, inbox: self.messages.clone() };
        signs.watch(spec, &listener, Duration::from_millis(delay));
        let birth = Stat::read(pid).map(|stat| stat.start);
        let told = Told::default();
        let resolved = resolved.map(Box::new);
        let run = Attached {
            number,
            pid: Some(pid),
            birth,
            log_ends,
            adopted: None,
            restart_time,
            channel,
            told,
            says_too_much: false,
            signs,
            resolved,
            confinement,
            sample: None,
        };
        if is_second {
            process.second = Some((pid, run));
        } else {
            process.stopping = None;
            process.run = run;
            process.show_pid(pid);
        }
        Ok(pid)
    }
}

impl Process {
    /// Writes the pid file.
    pub(super) fn show_pid(&mut self, pid: i32) {
        self.shown_pid = match write_pid_file(self, pid) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("pid file {}: {error}", self.pid_file.display());
                false
            }
        };
    }
}

/// Whether a run gets an IPC channel: Node and Bun do, and what says that it uses one.
fn speaks_ipc(app: &AppSpec) -> bool {
    let is_bun = Path::new(app.interpreter.as_str()).file_name().is_some_and(|name| name == "bun");
    app.interpreter.is_node() || is_bun || app.readiness() == Some(Ready::Ipc) || app.shutdown_with_message
}

/// Where the next run writes to, and where its logs end now, if it has some.
fn prepare_output(
    process: &mut Process,
    home: &Home,
    pumping: &Pumping,
) -> Result<(Output, Option<Ends>), LogError> {
    prepare_pumps(process, home, pumping)?;
    match &process.pumps {
        Some(pumps) => {
            let stdout = pumps.out.open_for_child()?.into();
            let stderr = pumps.error.open_for_child()?.into();
            Ok((Output { stdout, stderr }, Some(Ends::of(&process.logs))))
        }
        None if process.spec.disable_logs => Ok((Output::none(&process.logs)?, None)),
        None => Output::direct(&process.logs).map(|(output, ends)| (output, Some(ends))),
    }
}

/// The pumps of a process whose lines need work; they are kept from run to run.
pub(super) fn prepare_pumps(process: &mut Process, home: &Home, pumping: &Pumping) -> Result<(), LogError> {
    let form = Form::of(&process.spec, process.id, process.logs.combined.is_some());
    let Some(form) = form.filter(|_| !process.spec.disable_logs) else {
        process.pumps = None;
        return Ok(());
    };
    let current = process.pumps.take().filter(|pumps| pumps.logs == process.logs && pumps.form == form);
    let pumps = match current {
        Some(pumps) => pumps,
        None => {
            let start = |stream: Stream, log: &Path| {
                let fifo = home.fifo(process.id, stream.name());
                let logs = [log.to_owned()].into_iter().chain(process.logs.combined.clone());
                Pump::start(pumping, fifo, (stream, form.clone()), logs)
            };
            Pumps {
                out: start(Stream::Out, &process.logs.out)?,
                error: start(Stream::Error, &process.logs.error)?,
                logs: process.logs.clone(),
                form: form.clone(),
            }
        }
    };
    process.pumps = Some(pumps);
    Ok(())
}

fn write_pid_file(process: &Process, pid: i32) -> io::Result<()> {
    // Where it stands others may have put something in its place.
    let write = || {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).custom_flags(O_NOFOLLOW | O_NONBLOCK);
        options.mode(logs::mode_beside(&process.pid_file));
        options.open(&process.pid_file)?.write_all(pid.to_string().as_bytes())
    };
    write().or_else(|error| match process.pid_file.parent() {
        Some(parent) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(parent)?;
            write()
        }
        _ => Err(error),
    })
}
