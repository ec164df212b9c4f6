//! From the start of the daemon to its end.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::{
        fd::{OwnedFd, RawFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::{
    libc::{O_NOFOLLOW, O_NONBLOCK},
    sys::prctl,
    unistd::{close, setsid},
};
use rpm_core::{Home, Persona, protocol::Reply};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use tokio::{sync::mpsc, time::timeout};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format::Writer};

use crate::{
    cgroup,
    descriptors::Limit,
    files::place,
    god::{God, Inheritance, Over},
    handover::{Handover, Lifeline},
    identity::{Identity, Origin},
    journal::{Journal, JournalError},
    logs::repair_cut,
    server, service,
    squatters::Squatters,
    traffic::Traffic,
};

/// Requests that may wait for the god. More only wait on their sockets.
const CALLS: usize = 256;

/// How long the last answers may take on their way when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the daemon could not work.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// There is one already.
    #[error("another daemon owns {0}")]
    Taken(PathBuf),
    /// Something of the home could not be made.
    #[error("{path}: {error}")]
    Home {
        /// Which file or directory.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// What it would start runs already.
    #[error("{0}: {1}")]
    Squatters(String, String),
    /// What the daemon before has left cannot be taken over.
    #[error("{0}")]
    Past(String),
    /// The system refused something that it gives to everybody.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Is the daemon of `home` until it is told to end. `ready` is the number of an inherited descriptor on which it
/// says that it listens, or why it cannot.
pub fn run(home: &Home, ready: Option<RawFd>) -> Result<(), DaemonError> {
    close_inherited(&ready.into_iter().collect::<Vec<_>>());
    let mut ready = ready.and_then(Readiness::take);
    let outcome = live(home, None, &mut ready);
    if let (Err(error), Some(ready)) = (&outcome, ready) {
        ready.say(&error.to_string());
    }
    outcome
}

/// Goes on as the daemon of `home` in the place of another program, which has left what is behind the descriptor of
/// the number `handover`.
pub fn take_over(home: &Home, handover: RawFd) -> Result<(), DaemonError> {
    let handover = Handover::read(handover)?;
    close_inherited(&handover.numbers());
    live(home, Some(handover), &mut None)
}

/// Whether this program could take the place of a daemon of `home` that hands over in `format`.
pub fn check(home: &Home, format: u32) -> Result<(), DaemonError> {
    if !Handover::reads(format) {
        return Err(DaemonError::Past(format!("this version reads no handover of format {format}")));
    }
    Ok(Journal::check(home)?)
}

fn live(home: &Home, handover: Option<Handover>, ready: &mut Option<Readiness>) -> Result<(), DaemonError> {
    // Fails only if it leads a session already, which is as good.
    let _ = setsid();
    let pid_file = home.daemon_pid();
    let lifeline = match &handover {
        Some(handover) => handover.lifeline()?,
        None => {
            let lock = claim(home)?;
            if let Some(squatters) = Squatters::of(home)? {
                return Err(DaemonError::Squatters(squatters.what(home), squatters.way_out()));
            }
            Lifeline { lock, listener: server::bind(home).map_err(at(&home.socket()))? }
        }
    };
    make_directories(home).map_err(at(home.root()))?;
    log_to_stderr(home.persona().title());
    if service::is_one()
        && let Err(error) = cgroup::settle()
    {
        tracing::warn!("the kernel will not hold apps to limits on memory and CPU: {error}");
    }
    let limit = Limit::raise(handover.as_ref().and_then(|handover| handover.files));
    if let Err(error) = repair_cut(&home.cut_plan()) {
        tracing::error!(
            "{}: {error}: a log that was being rotated is left as it is",
            home.cut_plan().display()
        );
    }
    let (identity, origin) = Identity::establish(home).map_err(at(&home.identity()))?;
    if let Origin::CopyOf(first) = origin {
        set_aside(home, &first)?;
    }
    let (journal, past) = Journal::open(home)?;
    // Orphans of our trees come to us, so that a stop can find them and no zombie is left.
    if let Err(errno) = prctl::set_child_subreaper(true) {
        tracing::warn!("cannot adopt orphans: {errno}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = server::listener(lifeline.listener.try_clone()?)?;
        // For others to read; a full disk is no reason to be no daemon.
        if let Err(error) = write_pid(&pid_file) {
            tracing::warn!("{}: {error}", pid_file.display());
        }
        tracing::info!(
            "{} {} is up: home {}, pid {}",
            home.persona().title(),
            env!("CARGO_PKG_VERSION"),
            home.root().display(),
            std::process::id()
        );
        let (calls, inbox) = mpsc::channel(CALLS);
        let traffic = Traffic::new();
        let (listeners, more_listeners) = mpsc::unbounded_channel();
        let server = tokio::spawn(server::serve(more_listeners, listener, calls, Arc::clone(&traffic)));
        let is_ready = || {
            if let Some(ready) = ready.take() {
                ready.say("ready");
            }
        };
        let inheritance =
            Inheritance { identity, listeners, lifeline, journal, past, handover, limit, traffic };
        let Over { waiting, owns_home } = God::run(home.clone(), inheritance, inbox, is_ready).await?;
        server.abort();
        if owns_home {
            let _ = fs::remove_file(home.socket());
            let _ = fs::remove_file(&pid_file);
        }
        tracing::info!("ended");
        for replies in waiting {
            if replies.try_send(Reply::End).is_ok() {
                // Closed by the connection once it is written.
                let _ = timeout(FAREWELL, replies.closed()).await;
            }
        }
        Ok(())
    })
}

/// Puts the journal of a home that is a copy out of the way: what it names are processes of the first one.
fn set_aside(home: &Home, first: &Path) -> Result<(), DaemonError> {
    let journal = home.journal();
    let copied = journal.with_extension("copied");
    match fs::rename(&journal, &copied) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(at(&journal))?,
    }
    tracing::warn!(
        "{} is a copy of {}, whose processes stay with that: nothing was taken over, and `resurrect` starts what was saved \
         (what the daemon there knew lies in {})",
        home.root().display(),
        first.display(),
        copied.display()
    );
    Ok(())
}

/// Makes the directories for files of apps.
pub(crate) fn make_directories(home: &Home) -> io::Result<()> {
    for directory in [home.logs_dir(), home.pids_dir()] {
        make_directory(&directory, home.persona())
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
    }
    Ok(())
}

/// Makes a directory for files of apps. The persona `rpm` closes it to other users, even where it is there already.
/// Under PM2, tools of other users may rely on its mode: that of a home which the client has made is closed by it.
fn make_directory(path: &Path, persona: Persona) -> io::Result<()> {
    if persona != Persona::Rpm {
        return fs::create_dir_all(path);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let meta = fs::symlink_metadata(path)?;
    if meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes this daemon's pid, never through a link.
pub(crate) fn write_pid(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    options.open(path)?.write_all(std::process::id().to_string().as_bytes())
}

impl From<JournalError> for DaemonError {
    fn from(error: JournalError) -> Self {
        Self::Past(error.to_string())
    }
}

fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> DaemonError {
    let path = path.to_owned();
    |error| DaemonError::Home { path, error }
}

/// Makes this the one daemon of the home, for as long as the file that this gives is open.
fn claim(home: &Home) -> Result<OwnedFd, DaemonError> {
    lock(home).map_err(at(&home.daemon_lock()))?.ok_or_else(|| DaemonError::Taken(home.root().to_owned()))
}

/// The lock of the home; `None` if another daemon has it.
pub(crate) fn lock(home: &Home) -> io::Result<Option<OwnedFd>> {
    let file = open_lock(&home.daemon_lock())?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file.into())),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether `lock` is the lock of the home: the file may have been removed since.
pub(crate) fn is_locked_by(home: &Home, lock: &OwnedFd) -> bool {
    let held = lock.try_clone().map(File::from).and_then(|file| file.metadata());
    let there = fs::symlink_metadata(home.daemon_lock());
    matches!((held, there), (Ok(held), Ok(there)) if place(&held) == place(&there))
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(O_NOFOLLOW).open(path)
}

/// Closes whatever else the starter had open: its lock or pipe must not be held for as long as the daemon and its
/// children live.
fn close_inherited(kept: &[RawFd]) {
    // The list is complete before anything is closed: reading the directory needs a descriptor, too.
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && !kept.contains(fd)) {
        let _ = close(fd);
    }
}

/// The pipe to whoever started the daemon.
struct Readiness(File);

impl Readiness {
    /// Takes over the inherited descriptor; children must not get it.
    fn take(fd: RawFd) -> Option<Self> {
        let pipe = OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}")).ok()?;
        close(fd).ok()?;
        Some(Self(pipe))
    }

    /// One line, and the end of the file. Nobody may be there to read it any more.
    fn say(mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }
}

/// The daemon's own log, which its starter has put on standard error: PM2's form, `<date>: RPM log: <message>`.
fn log_to_stderr(title: &'static str) {
    let subscriber = tracing_subscriber::fmt()
        // On a full disk it would say on standard error that it cannot write there, and panic when it cannot.
        .log_internal_errors(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::stderr)
        .event_format(Pm2Line { title })
        .finish();
    // A second daemon in one process (a test) keeps the first one's.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Lines of PM2's form.
struct Pm2Line {
    title: &'static str,
}

impl<S, N> FormatEvent<S, N> for Pm2Line
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let word = match *event.metadata().level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warning",
            _ => "log",
        };
        let date = chrono::Local::now().format("%Y-%m-%dT%H:%M:%S");
        write!(writer, "{date}: {} {word}: ", self.title)?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
