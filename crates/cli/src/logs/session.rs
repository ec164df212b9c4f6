//! The logs of some processes and of those that join them: the last lines, and what is written from now on.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender},
    thread,
};

use rpm_client::{ClientError, Connection};
use rpm_core::{
    ProcessInfo, Selector,
    name::printable,
    protocol::{EventKind, Failure as Refusal, Reply, Request},
};

use super::{
    follow::Follower,
    print::{Lines, Printer},
    source::{self, Source, Streams},
    tail::tail,
    watch::{Wake, Watch},
};
use crate::{context::Context, failure::Failure, output::Output, render::style::Style};

/// What is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Whose logs, as it was typed.
    pub(crate) target: String,
    pub(crate) streams: Streams,
    /// The daemon's own log as well.
    pub(crate) daemon: bool,
    /// How many of the last lines of each file.
    pub(crate) count: usize,
}

/// The logs that are meant, as far as they are known.
pub(crate) struct Session<'c, 'a> {
    pub(crate) context: &'c mut Context<'a>,
    wish: Wish,
    printer: Printer,
    /// `None` where nothing is followed.
    watch: Option<Watch>,
    wakes: Sender<Wake>,
    followed: HashMap<PathBuf, (Source, Follower)>,
    lines: Lines,
    /// Whether the daemon's events come.
    pub(crate) listening: bool,
}

impl<'c, 'a> Session<'c, 'a> {
    /// Changes that `watch` sees must wake `wakes`.
    pub(crate) fn new(
        context: &'c mut Context<'a>,
        wish: Wish,
        printer: Printer,
        watch: Option<Watch>,
        wakes: Sender<Wake>,
    ) -> Self {
        let (followed, lines) = (HashMap::new(), Lines::default());
        Self { context, wish, printer, watch, wakes, followed, lines, listening: false }
    }

    /// The files of the processes that are meant, as of now.
    fn sources(&mut self) -> Result<Vec<Source>, Failure> {
        let Some(mut connection) = self.context.connect()? else { return Ok(Vec::new()) };
        let selector = Some(&self.wish.target).filter(|target| *target != "all");
        let selector = selector.map(|target| self.context.selector(target));
        Ok(source::of_processes(&selected(&mut connection, selector)?, self.wish.streams))
    }

    /// Prints the last lines of each file. What is written to them from now on is seen.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        let mut sources = self.sources()?;
        if self.watch.is_some() {
            self.listen();
        }
        source::freshest_last(&mut sources);
        if self.wish.daemon {
            sources.insert(0, source::of_daemon(&self.context.home));
        }
        self.show_last(sources);
        Ok(())
    }

    /// Prints the last lines of each file, and keeps it to be followed.
    fn show_last(&mut self, sources: Vec<Source>) {
        let (count, paint) = (self.wish.count, self.context.out.paint);
        if count > 0 {
            let target = &self.wish.target;
            let plural = if target == "all" { "es" } else { "" };
            let header = format!(
                "[TAILING] Tailing last {count} lines for [{target}] process{plural} (change the value with --lines option)"
            );
            self.context.out.line(&paint.paint(Style::BOLD_GREY, &printable(&header)));
        }
        for source in sources {
            let follower = match File::open(&source.path) {
                Ok(mut file) => self
                    .tail(&source, &mut file)
                    .and_then(|end| Follower::resume(source.path.clone(), file, end)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(Follower::new(source.path.clone()))
                }
                Err(error) => Err(error),
            };
            match follower {
                Ok(follower) => {
                    self.watch_file(&source.path);
                    self.followed.insert(source.path.clone(), (source, follower));
                }
                Err(error) => unreadable(self.context.out, &source, &error),
            }
        }
    }

    fn tail(&mut self, source: &Source, file: &mut File) -> io::Result<u64> {
        let count = self.wish.count;
        if count == 0 {
            return Ok(file.metadata()?.len());
        }
        let heading = format!("{} last {count} lines:", source.path.display());
        let heading = self.context.out.paint.paint(Style::GREY, &printable(&heading));
        self.context.out.line(&heading);
        let Self { printer, lines, context, .. } = self;
        let mut any = false;
        let end = tail(file, count, |line| {
            any = true;
            printer.old(lines, source, line);
            if lines.is_full() {
                lines.write(context.out);
            }
        })?;
        lines.write(context.out);
        if any {
            context.out.line("");
        }
        Ok(end)
    }

    fn watch_file(&mut self, path: &Path) {
        if let Some(watch) = &mut self.watch
            && let Err(error) = watch.add(path)
        {
            self.context.out.error(&format!("cannot watch {}: {error}", path.display()));
        }
    }

    /// Prints what is written, until nobody reads any more.
    pub(crate) fn follow(mut self, wakes: &Receiver<Wake>) {
        self.expect_daemon();
        self.look_at_all();
        while let Ok(wake) = wakes.recv() {
            if matches!(wake, Wake::Unread) {
                return;
            }
            self.take(wake);
            if self.context.out.is_broken() {
                return;
            }
        }
    }

    /// A daemon that is started later, or again, is listened to.
    pub(crate) fn expect_daemon(&mut self) {
        // It writes this file once it listens.
        let pid_file = self.context.home.daemon_pid();
        self.watch_file(&pid_file);
    }

    /// Prints what it is that woke us.
    pub(crate) fn take(&mut self, wake: Wake) {
        match wake {
            Wake::Changed(path) if path == self.context.home.daemon_pid() => self.listen(),
            Wake::Changed(path) => self.look_at(&path),
            Wake::Lost => self.look_at_all(),
            Wake::Process(event) => {
                self.printer.event(&mut self.lines, &event);
                self.lines.write(self.context.out);
                if matches!(event.what, EventKind::Created | EventKind::Online) {
                    self.look_for_more();
                }
            }
            Wake::Listening => self.look_for_more(),
            Wake::DaemonGone => {
                self.listening = false;
                self.listen();
            }
            Wake::Unread | Wake::Signal(_) | Wake::Child => {}
        }
    }

    fn look_at(&mut self, path: &Path) {
        let Some((source, follower)) = self.followed.get_mut(path) else { return self.look_at_moved(path) };
        let (printer, lines, out) = (&mut self.printer, &mut self.lines, &mut *self.context.out);
        let looked = follower.look(|line| {
            printer.new_line(lines, source, line);
            if lines.is_full() {
                lines.write(out);
            }
        });
        lines.write(out);
        if let Err(error) = looked {
            unreadable(out, source, &error);
        }
    }

    /// What is written under another name may be a log that was renamed: its app still writes to it until it is
    /// started again.
    fn look_at_moved(&mut self, written: &Path) {
        let is_moved = |path: &&PathBuf| path.parent() == written.parent() && !path.exists();
        let moved: Vec<_> = self.followed.keys().filter(is_moved).cloned().collect();
        for path in &moved {
            self.look_at(path);
        }
    }

    /// Prints what is new in every file.
    pub(crate) fn look_at_all(&mut self) {
        let mut paths: Vec<_> = self.followed.keys().cloned().collect();
        paths.sort_unstable();
        for path in &paths {
            self.look_at(path);
        }
    }

    /// Follows processes that were not there before, or are called otherwise now.
    pub(crate) fn look_for_more(&mut self) {
        // A daemon that ends between two questions is told by its connection.
        let Ok(sources) = self.sources() else { return };
        let daemon = self.wish.daemon.then(|| source::of_daemon(&self.context.home));
        for source in daemon.into_iter().chain(sources) {
            let path = source.path.clone();
            if let Some((known, _)) = self.followed.get_mut(&path) {
                *known = source;
                continue;
            }
            self.watch_file(&path);
            let mark = self.watch.as_ref().and_then(|watch| watch.news_of(&path));
            let follower = match mark {
                Some(mark) => Follower::from_mark(path.clone(), mark),
                None => Ok(Follower::new(path.clone())),
            };
            match follower {
                Ok(follower) => _ = self.followed.insert(path.clone(), (source, follower)),
                Err(error) => unreadable(self.context.out, &source, &error),
            }
            self.look_at(&path);
        }
    }

    /// Has the events of the daemon wake us, if there is one.
    pub(crate) fn listen(&mut self) {
        if !self.listening
            && let Ok(Some(connection)) = self.context.connect()
        {
            listen(connection, self.wakes.clone());
            self.listening = true;
        }
    }
}

/// Has the events of the daemon sent to `wakes`, until either is gone.
pub(crate) fn listen(connection: Connection, wakes: Sender<Wake>) {
    thread::spawn(move || pass_events_on(connection, &wakes));
}

/// The processes of a selector, which may be none.
fn selected(connection: &mut Connection, selector: Option<Selector>) -> Result<Vec<ProcessInfo>, Failure> {
    let mut processes = Vec::new();
    for reply in connection.request(&Request::Describe(selector))? {
        match reply {
            Ok(Reply::Processes(more)) => processes.extend(more),
            Ok(_)
            | Err(ClientError::Failed(
                Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(processes)
}

fn pass_events_on(mut connection: Connection, wakes: &Sender<Wake>) {
    if let Ok(replies) = connection.request(&Request::Subscribe) {
        // Who was started before the daemon knew of us is told by no event.
        let mut told = wakes.send(Wake::Listening);
        for reply in replies {
            if let Ok(Reply::Event(event)) = reply {
                told = wakes.send(Wake::Process(event));
            }
            if told.is_err() {
                return;
            }
        }
    }
    let _ = wakes.send(Wake::DaemonGone);
}

fn unreadable(out: &mut Output, source: &Source, error: &io::Error) {
    out.error(&format!("cannot read {}: {error}", source.path.display()));
}
