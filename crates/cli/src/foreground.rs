//! A daemon in the foreground: what its apps write is shown, signals end them, and orphans are taken in, as it is the
//! duty of the first process of a container.
//!
//! The daemon is a child in a session of its own, so that a Ctrl-C reaches the apps through us alone. Should it die,
//! another takes its place.

mod left;
mod signals;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use rpm_client::Connection;
use rpm_core::{
    AppSpec, CombinedLog, Home, LogTarget, Persona, ProcessId,
    protocol::{Event, EventKind, Request},
};

use self::{left::AutoExit, signals::Signals};
use crate::{
    context::{self, Context},
    failure::Failure,
    logs::{
        print::{Form, Printer},
        session::{self, Session, Wish},
        source::Streams,
        watch::{Wake, Watch},
    },
};

/// How it goes on when all is started.
pub(crate) struct Manner {
    /// How lines are shown.
    pub(crate) form: Form,
    /// day.js tokens of the date before each line.
    pub(crate) timestamp: Option<String>,
    /// The daemon's own log is shown as well.
    pub(crate) daemon: bool,
    /// The time before anything is started.
    pub(crate) delay: Duration,
    /// The time between two looks whether an app is left; `None` to stay whatever they do.
    pub(crate) auto_exit: Option<Duration>,
    /// What a shell runs whenever an app is up again, and whether its output is shown.
    pub(crate) after_restart: Option<(String, bool)>,
}

impl Default for Manner {
    /// That of `--no-daemon`.
    fn default() -> Self {
        Self {
            form: Form::Labelled,
            timestamp: Some("HH:mm:ss".to_owned()),
            daemon: true,
            delay: Duration::ZERO,
            auto_exit: None,
            after_restart: None,
        }
    }
}

/// Starts a daemon, has `start` start apps, and stays until they are ended. `start` is to tell of each app before it
/// is started.
pub(crate) fn run(
    context: &mut Context,
    manner: Manner,
    start: impl FnOnce(&mut Context, &mut dyn FnMut(&AppSpec)) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Before there is a thread that could take them.
    let signals = Signals::hold().map_err(|errno| Failure::Error(format!("cannot hold signals: {errno}")))?;
    if context.persona() == Persona::Rpm || context.persona() == Persona::Pm2 {
        let word = context.persona().word();
        context.out.line(&format!(
            "{word} launched in no-daemon mode (you can add DEBUG=\"*\" env variable to get more messages)"
        ));
    }
    rpm_client::prepare_home(&context.home)?;
    let (sender, wakes) = mpsc::channel();
    let mut watch = Watch::new(sender.clone()).map_err(|error| cannot_watch(&error))?;
    // From here on every line is news.
    watch.add(&context.home.daemon_log()).map_err(|error| cannot_watch(&error))?;
    signals.tell(sender.clone());
    if wait(manner.delay, &wakes) {
        return Ok(());
    }
    let is_ours = context.connect()?.is_none();
    session::listen(context.connect_or_spawn()?, sender.clone());
    watch.add(&context.home.logs_dir().join("any")).map_err(|error| cannot_watch(&error))?;
    let daemon = is_ours.then(|| daemon_of(&context.home)).flatten();
    let started = start(context, &mut |app| expect(&mut watch, app));
    if started.is_err() {
        if is_ours {
            end(&context.home, daemon);
        }
        return started;
    }
    let Manner { form, timestamp, daemon: shows_daemon, auto_exit, after_restart, .. } = manner;
    let mut printer = Printer::new(context.out.paint, form, timestamp);
    printer.labels_daemon = false;
    let streams = Streams { out: true, error: true };
    let wish = Wish { target: "all".to_owned(), streams, daemon: shows_daemon, count: 0 };
    let ends = is_ours || matches!(context.persona(), Persona::Runtime | Persona::Dev);
    let mut session = Session::new(context, wish, printer, Some(watch), sender);
    session.listening = true;
    session.expect_daemon();
    session.look_for_more();
    let foreground = Foreground {
        session,
        daemon,
        ends,
        ending: false,
        auto_exit: auto_exit.map(AutoExit::new),
        ended: HashSet::new(),
        after_restart,
    };
    foreground.stay(&wakes)
}

/// The end of what `--no-daemon` starts: the list, and what comes next.
pub(crate) fn announce(context: &mut Context, connection: Option<&mut Connection>) -> Result<(), Failure> {
    context.show_list(connection)?;
    context.out.info("[--no-daemon] Continue to stream logs");
    let pid = daemon_of(&context.home).unwrap_or_default();
    context.out.info(&format!("[--no-daemon] Exit on target {} exit pid={pid}", context.persona().title()));
    Ok(())
}

/// Waits, unless a signal says that all is over; whether one did.
fn wait(delay: Duration, wakes: &Receiver<Wake>) -> bool {
    let until = Instant::now() + delay;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if matches!(wakes.recv_timeout(left), Ok(Wake::Signal(signal)) if signal != Signal::SIGUSR2) {
            return true;
        }
    }
    false
}

/// The pid of the daemon that runs.
fn daemon_of(home: &Home) -> Option<i32> {
    fs::read_to_string(home.daemon_pid()).ok()?.trim().parse().ok()
}

/// Watches where an app is going to write, so that its first line is seen.
fn expect(watch: &mut Watch, app: &AppSpec) {
    let combined = match &app.log_file {
        Some(CombinedLog::At(target)) => Some(target),
        _ => None,
    };
    for target in [app.out_file.as_ref(), app.error_file.as_ref(), combined].into_iter().flatten() {
        let LogTarget::File(path) = target else { continue };
        let directory = path.parent().map_or(Ok(()), fs::create_dir_all);
        // What stands against it, the daemon tells when it opens the file.
        let _ = directory.map(|()| watch.add(path));
    }
}

/// Has the daemon end, and all that it keeps.
fn end(home: &Home, daemon: Option<i32>) {
    let asked = Connection::connect(home).ok().flatten().is_some_and(|mut connection| {
        // The answer is complete when all has ended.
        connection.request(&Request::Kill).is_ok_and(|replies| replies.into_iter().all(|reply| reply.is_ok()))
    });
    if let (false, Some(pid)) = (asked, daemon) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

fn cannot_watch(error: &notify::Error) -> Failure {
    Failure::Error(format!("cannot watch files: {error}"))
}

/// What goes on in the foreground.
struct Foreground<'c, 'a> {
    session: Session<'c, 'a>,
    /// The daemon, if it is a child of ours.
    daemon: Option<i32>,
    /// Whether the daemon ends with us.
    ends: bool,
    /// It has been asked to.
    ending: bool,
    auto_exit: Option<AutoExit>,
    /// Processes whose run ended: the next one is a restart.
    ended: HashSet<ProcessId>,
    after_restart: Option<(String, bool)>,
}

impl Foreground<'_, '_> {
    fn stay(mut self, wakes: &Receiver<Wake>) -> Result<(), Failure> {
        let outcome = self.live(wakes);
        self.session.look_at_all();
        let context = &mut *self.session.context;
        if context.persona() == Persona::Dev {
            // All that was in it is over.
            let _ = fs::remove_dir_all(context.home.root());
        }
        outcome
    }

    fn live(&mut self, wakes: &Receiver<Wake>) -> Result<(), Failure> {
        let mut code = 0;
        while self.daemon.is_some() || self.session.listening {
            let wake = match self.auto_exit.as_ref().and_then(AutoExit::due) {
                None => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => wakes.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match wake {
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if self.nobody_is_left()? {
                        // The ends that follow are no reason to look again.
                        self.auto_exit = None;
                        code = 2;
                        self.end();
                    }
                }
                Ok(Wake::Signal(Signal::SIGUSR2)) => self.reload_logs()?,
                Ok(Wake::Signal(_)) if self.ends => self.end(),
                Ok(Wake::Signal(_)) => break,
                Ok(Wake::Child) => {
                    if self.daemon_ended()? {
                        self.daemon = None;
                    }
                }
                // All that it had to tell came before.
                Ok(Wake::DaemonGone) if self.ending || self.daemon.is_none() => {
                    self.session.listening = false;
                }
                Ok(wake) => {
                    if let Wake::Process(event) = &wake {
                        self.note(event);
                    }
                    self.session.take(wake);
                }
            }
        }
        if code == 0 { Ok(()) } else { Err(Failure::Exit(code)) }
    }

    /// Something happened to a process.
    fn note(&mut self, event: &Event) {
        if let EventKind::Exit(_) = event.what {
            self.ended.insert(event.process.id);
        }
        match event.what {
            EventKind::Exit(_) | EventKind::Errored | EventKind::Stopped | EventKind::Deleted => {
                if let Some(auto_exit) = &mut self.auto_exit {
                    auto_exit.expect_look();
                }
            }
            EventKind::Online if self.ended.remove(&event.process.id) => {
                if let Some((line, is_shown)) = &self.after_restart {
                    let output = || if *is_shown { Stdio::inherit() } else { Stdio::null() };
                    let mut command = Command::new("sh");
                    command.args(["-c", line]).stdin(Stdio::null()).stdout(output()).stderr(output());
                    // It is taken in with all others.
                    if let Err(error) = command.spawn() {
                        self.session.context.out.error(&format!("cannot run {line:?}: {error}"));
                    }
                }
            }
            EventKind::Online
            | EventKind::Created
            | EventKind::Restart
            | EventKind::Healthy
            | EventKind::Unhealthy => {}
        }
    }

    /// Looks whether an app is left; whether that is given up.
    fn nobody_is_left(&mut self) -> Result<bool, Failure> {
        let context = &mut *self.session.context;
        let processes = match context.connect()? {
            Some(mut connection) => context::processes(&mut connection, None)?,
            None => Vec::new(),
        };
        let Some(auto_exit) = &mut self.auto_exit else { return Ok(false) };
        let verdict = auto_exit.look(&processes);
        if let Some(tries) = verdict.tries_left {
            // In the form of the daemon's own lines.
            let date = chrono::Local::now().format("%Y-%m-%dT%H:%M:%S");
            let title = context.persona().title();
            context.out.line(&format!("{date}: {title} log: 0 application online, retry = {tries}"));
        }
        Ok(verdict.is_over)
    }

    fn reload_logs(&mut self) -> Result<(), Failure> {
        if let Some(mut connection) = self.session.context.connect()? {
            for reply in connection.request(&Request::ReloadLogs)? {
                reply?;
            }
        }
        Ok(())
    }

    /// Has the daemon end, once; meanwhile the last words of the apps are shown.
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ending, true) {
            let (home, daemon) = (self.session.context.home.clone(), self.daemon);
            thread::spawn(move || end(&home, daemon));
        }
    }

    /// Takes in the children that have ended; whether the daemon was one, and nothing is to follow.
    fn daemon_ended(&mut self) -> Result<bool, Failure> {
        let mut ended = BTreeMap::new();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => _ = ended.insert(pid.as_raw(), code == 0),
                Ok(WaitStatus::Signaled(pid, ..)) => _ = ended.insert(pid.as_raw(), false),
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let Some(is_clean) = self.daemon.and_then(|daemon| ended.get(&daemon).copied()) else {
            return Ok(false);
        };
        if is_clean || self.ending {
            return Ok(true);
        }
        let context = &mut *self.session.context;
        context.out.alert("the daemon has died; another takes its place");
        drop(context.connect_or_spawn()?);
        self.daemon = daemon_of(&context.home);
        self.session.listen();
        Ok(false)
    }
}
