//! Another program takes the daemon's place: the same process goes on with a new image.
//!
//! Before anything is given up, the other program is asked whether it could take over: it reads the journal and knows the
//! form of the handover. Whatever fails up to the last system call, this daemon goes on.

use std::{
    ffi::CString,
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::execv,
};
use rpm_core::{
    Home,
    protocol::{DAEMON_VERB, Failure},
};
use tokio::sync::mpsc;

use super::{God, refuse};
use crate::{
    handover::{CHECK, FIT, HANDOVER_FD, Handed, HandedApp, Handover, Passing},
    ipc::Channel,
    machine::Phase,
    node::{self, Cluster},
    ready::{Listener, Signs},
    sockets::Sockets,
    table::Replies,
};

/// How long the other program may take to say whether it could, milliseconds.
const PATIENCE: u16 = 10_000;

/// How long requests that have begun hold up a replacement. A stop may take minutes; it goes on under the next image.
const REQUESTS: Duration = Duration::from_secs(5);

/// A replacement that was asked for.
pub(super) struct Update {
    executable: PathBuf,
    replies: Replies,
    /// The program could take over, and requests that have begun may take until then to finish.
    fit_until: Option<Instant>,
}

impl Update {
    /// When it is due whatever is under way.
    pub(super) fn patient_until(&self) -> Option<Instant> {
        self.fit_until.filter(|&until| until > Instant::now())
    }
}

/// What the program said.
pub(super) type Checked = Result<(), String>;

impl God {
    /// Begins to replace the daemon by `executable`.
    pub(crate) fn update(&mut self, executable: PathBuf, replies: Replies) {
        if self.is_ending() {
            return refuse(&replies, Failure::Ending);
        }
        if self.update.is_some() {
            return refuse(&replies, Failure::NotReplaced("it is being replaced already".to_owned()));
        }
        tracing::info!("to be replaced by {}", executable.display());
        let (checked, home, program) = (self.checked.clone(), self.home.clone(), executable.clone());
        // Not in the loop: the program may hang.
        let thread = std::thread::Builder::new().name("check".into()).spawn(move || {
            let _ = checked.send(check(&program, &home));
        });
        self.update = Some(Update { executable, replies, fit_until: None });
        if let Err(error) = thread {
            self.update_checked(Err(error.to_string()));
        }
    }

    /// The other program has said whether it could.
    pub(super) fn update_checked(&mut self, checked: Checked) {
        match checked {
            Ok(()) => {
                if let Some(update) = &mut self.update {
                    update.fit_until = Some(Instant::now() + REQUESTS);
                    self.traffic.close();
                }
            }
            Err(reason) => self.stay(reason),
        }
    }

    /// Hands over, once nothing is half done. Returns if that is not to be, or has failed.
    pub(super) fn hand_over_if_due(&mut self, inbox: &mut mpsc::Receiver<crate::ipc::Received>) {
        let Some(until) = self.update.as_ref().and_then(|update| update.fit_until) else { return };
        let is_due = self.queue.is_empty()
            && self.growths.is_empty()
            && !self.rotator.is_busy()
            && self.leftovers.is_empty()
            && self.table.retired().next().is_none()
            && !self.table.iter().any(|process| process.second.is_some())
            && self.clusters.values().all(Cluster::is_settled);
        if !is_due {
            return;
        }
        // What was heard is not in the channels any more.
        while let Ok(received) = inbox.try_recv() {
            self.hear(received);
        }
        let is_impatient = until <= Instant::now();
        if !self.queue.is_empty() || !(self.traffic.is_cleared() || is_impatient) {
            return;
        }
        // The next image checks anew.
        self.end_checks();
        if let Err(error) = self.hand_over() {
            self.stay(error.to_string());
            let ids: Vec<_> = self.table.iter().map(|process| process.id).collect();
            for id in ids {
                self.attend_health(id);
            }
        }
    }

    /// Becomes the other program. Returns only if that fails.
    fn hand_over(&self) -> io::Result<()> {
        let Some(update) = &self.update else { return Ok(()) };
        let handed = self.table.iter().filter_map(|process| {
            Some(Handed {
                id: process.id,
                pid: process.life.run()?.pid,
                channel: process.run.channel.as_ref().and_then(Channel::pack),
                notify: process.run.signs.pack(),
                told: process.run.told.clone(),
            })
        });
        let mut held: Vec<_> =
            self.clusters.iter().map(|(app, cluster)| (app.clone(), cluster.hold())).collect();
        let clusters =
            held.iter_mut().map(|(app, cluster)| (HandedApp::Pair(app.clone()), cluster.pack())).collect();
        let (sockets, files) = (self.sockets.pack(), self.limit.childrens());
        let handover = Handover::new(&self.lifeline, handed.collect(), clusters, sockets, files);
        let memory = handover.write()?;
        let channels = self.table.iter().filter_map(|process| process.run.channel.as_ref()?.packed_fd());
        let fds = [self.lifeline.lock.as_fd(), self.lifeline.listener.as_fd(), memory.as_fd()];
        let clusters = held.iter().flat_map(|(_, cluster)| cluster.fds());
        let held_for_apps = self.sockets.fds();
        let notify = self.table.iter().filter_map(|process| process.run.signs.packed_fd());
        let apps = channels.chain(notify).chain(clusters).chain(held_for_apps);
        let _passing = Passing::of(fds.into_iter().chain(apps))?;
        let text =
            |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let program = text(update.executable.as_os_str().as_bytes())?;
        // The persona is in the name.
        let name = std::env::args_os().next().unwrap_or_else(|| update.executable.clone().into_os_string());
        let argument = format!("{HANDOVER_FD}={}", memory.as_raw_fd());
        let argv = [text(name.as_bytes())?, text(DAEMON_VERB.as_bytes())?, text(argument.as_bytes())?];
        match execv(&program, &argv) {
            Ok(never) => match never {},
            Err(errno) => Err(errno.into()),
        }
    }

    /// Goes on as before.
    fn stay(&mut self, reason: String) {
        tracing::error!("not replaced: {reason}");
        self.traffic.open();
        if let Some(update) = self.update.take() {
            refuse(&update.replies, Failure::NotReplaced(reason));
        }
    }

    /// Takes over what the image before this one has handed on, after [`God::recover`].
    pub(super) fn take_over(&mut self, handover: Handover) {
        for handed in handover.processes {
            let Handed { id, pid, channel, notify, told } = handed;
            let Some(process) = self.table.get_mut(id) else { continue };
            if process.life.run().is_none_or(|run| run.pid != pid) {
                continue;
            }
            process.run.told = told;
            let listener = Listener { id, run: process.run.number, inbox: self.messages.clone() };
            if let Some(packed) = notify {
                match Signs::unpack(packed, &process.spec, &listener) {
                    Ok(signs) => process.run.signs = signs,
                    Err(error) => tracing::error!("notifications of process {id}: {error}"),
                }
            }
            if let Some(packed) = channel {
                match Channel::unpack(packed, id, process.run.number, self.messages.clone()) {
                    Ok(channel) => process.run.channel = Some(channel),
                    Err(error) => tracing::error!("IPC channel of process {id}: {error}"),
                }
            }
            if let Phase::Launching(_) = process.life.phase {
                let logs = process.run.log_ends.map(|ends| ends.places(&process.logs));
                process.run.signs.look_again(&process.spec, &listener, logs.unwrap_or_default());
            }
        }
        for (app, packed) in handover.clusters {
            let app = app.key(&self.table);
            let run = |id| self.table.get(id).map(|process| process.run.number);
            match packed.unpack(run, &self.messages, node::PATIENCE) {
                Ok((cluster, channels)) => {
                    self.clusters.insert(app, cluster);
                    for (id, channel) in channels {
                        if let Some(process) = self.table.get_mut(id) {
                            process.run.channel = Some(channel);
                        }
                    }
                }
                Err(error) => {
                    tracing::error!("the cluster of {}: {error}", rpm_core::name::printable(&app.name));
                }
            }
        }
        match Sockets::unpack(handover.sockets, &self.table) {
            Ok(sockets) => self.sockets = sockets,
            Err(error) => tracing::error!("sockets that are held for apps: {error}"),
        }
        tracing::info!("took the place of the daemon before, with {} processes", self.table.iter().count());
    }
}

/// Asks a program whether it could take the daemon's place.
fn check(program: &Path, home: &Home) -> Checked {
    let failed = |error: io::Error| format!("{}: {error}", program.display());
    let name = std::env::args_os().next().unwrap_or_else(|| program.as_os_str().to_owned());
    let mut child = std::os::unix::process::CommandExt::arg0(&mut Command::new(program), name)
        .args([DAEMON_VERB, CHECK, &Handover::format().to_string()])
        .env(home.persona().home_variable(), home.root())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = Vec::new();
    let mut output = child.stdout.take().ok_or("it has no standard output")?;
    // Whoever says something says it at once.
    let wait = || poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE));
    // A child of the daemon may end meanwhile, and the signal come to this thread.
    let answers = std::iter::repeat_with(wait).find(|outcome| *outcome != Err(Errno::EINTR));
    if answers != Some(Ok(1)) {
        let _ = child.kill();
        return Err(format!("{} does not answer", program.display()));
    }
    output.read_to_end(&mut said).map_err(failed)?;
    if said == FIT.as_bytes() {
        return Ok(());
    }
    let mut reason = String::new();
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_string(&mut reason);
    }
    let reason = reason.lines().next().unwrap_or("it is no rpm that can take over");
    Err(format!("{}: {}", program.display(), rpm_core::name::printable(reason)))
}
