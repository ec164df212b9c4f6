//! `logs`: the last lines of logs, then what is written to them.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rpm_client::{ClientError, Connection};
use rpm_core::{
    ProcessInfo, Selector,
    protocol::{EventKind, Failure as Refusal, Reply, Request},
};

use super::{Invocation, Verb};
use crate::{
    context::Context,
    failure::Failure,
    logs::{
        follow::Follower,
        print::{Form, Lines, Printer},
        source::{self, Source, Streams},
        tail::tail,
        watch::{Wake, Watch},
    },
    output::Output,
    render::style::Style,
};

pub(super) const VERB: Verb =
    Verb { name: "logs", aliases: &["log"], about: "Show logs, and follow them", takes_options: false, run };

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
struct Logs {
    /// Whose logs: id, name, namespace, /regex/ or `all`.
    #[arg(value_name = "id|name|namespace", default_value = "all")]
    target: String,
    /// How many of the last lines of each file.
    #[arg(long, value_name = "n", default_value_t = 15)]
    lines: usize,
    /// Show the last lines only.
    #[arg(long)]
    nostream: bool,
    /// Lines without whose they are; standard error goes to standard error.
    #[arg(long)]
    raw: bool,
    /// Standard error only.
    #[arg(long)]
    err: bool,
    /// Standard output only.
    #[arg(long)]
    out: bool,
    /// New lines as JSON, and what happens to processes.
    #[arg(long, conflicts_with_all = ["raw", "format"])]
    json: bool,
    /// New lines as `key=value` fields.
    #[arg(long, conflicts_with = "raw")]
    format: bool,
    /// Date before each new line, in day.js tokens.
    #[arg(long, value_name = "format", num_args = 0..=1, default_missing_value = "YYYY-MM-DD-HH:mm:ss")]
    timestamp: Option<String>,
}

impl Logs {
    fn form(&self) -> Form {
        match (self.json, self.format, self.raw) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Fields,
            (.., true) => Form::Raw,
            _ => Form::Labelled,
        }
    }

    /// How many of the last lines are shown: a program that reads JSON or fields is told of new lines only.
    fn count(&self) -> usize {
        if self.json || self.format { 0 } else { self.lines }
    }
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, logs) = invocation.read::<Logs>()?;
    let (sender, wakes) = mpsc::channel();
    // Watching begins before the first file is read: what is written in between is seen by both.
    let watch = if logs.nostream {
        None
    } else {
        Some(Watch::new(sender.clone()).map_err(|error| cannot_watch(&error))?)
    };
    let printer = Printer::new(context.out.paint, logs.form(), logs.timestamp.clone());
    let mut session = Session {
        context,
        logs,
        printer,
        watch,
        followed: HashMap::new(),
        lines: Lines::default(),
        listening: false,
    };
    let mut sources = session.sources()?;
    if !session.logs.nostream {
        session.listen(&sender);
        report_unread(sender.clone());
    }
    source::freshest_last(&mut sources);
    if session.shows_daemon_log() {
        sources.insert(0, source::of_daemon(&session.context.home));
    }
    session.show_last(sources);
    if !session.logs.nostream {
        session.follow(&wakes, &sender);
    }
    Ok(())
}

/// One call of the verb.
struct Session<'a> {
    context: Context<'a>,
    logs: Logs,
    printer: Printer,
    watch: Option<Watch>,
    followed: HashMap<PathBuf, (Source, Follower)>,
    lines: Lines,
    /// Whether the daemon's events come.
    listening: bool,
}

impl Session<'_> {
    /// The files of the processes that are meant, as of now.
    fn sources(&mut self) -> Result<Vec<Source>, Failure> {
        let Some(mut connection) = self.context.connect()? else { return Ok(Vec::new()) };
        let selector = Some(&self.logs.target).filter(|target| *target != "all");
        let selector = selector.map(|target| self.context.selector(target));
        let both = self.logs.out == self.logs.err;
        let streams = Streams { out: both || self.logs.out, error: both || self.logs.err };
        Ok(source::of_processes(&selected(&mut connection, selector)?, streams))
    }

    fn shows_daemon_log(&self) -> bool {
        let Logs { target, raw, err, out, .. } = &self.logs;
        (target == "all" && !raw && !err && !out) || target == self.context.persona().title()
    }

    /// Prints the last lines of each file, and keeps it to be followed.
    fn show_last(&mut self, sources: Vec<Source>) {
        let (count, paint) = (self.logs.count(), self.context.out.paint);
        if count > 0 {
            let target = &self.logs.target;
            let plural = if target == "all" { "es" } else { "" };
            let header = format!(
                "[TAILING] Tailing last {count} lines for [{target}] process{plural} (change the value with --lines option)"
            );
            self.context.out.line(&paint.paint(Style::BOLD_GREY, &rpm_core::name::printable(&header)));
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
                Ok(follower) => self.keep(source, follower),
                Err(error) => unreadable(self.context.out, &source, &error),
            }
        }
    }

    fn tail(&mut self, source: &Source, file: &mut File) -> io::Result<u64> {
        let count = self.logs.count();
        if count == 0 {
            return Ok(file.metadata()?.len());
        }
        let heading = format!("{} last {count} lines:", source.path.display());
        let heading = self.context.out.paint.paint(Style::GREY, &rpm_core::name::printable(&heading));
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

    fn keep(&mut self, source: Source, follower: Follower) {
        self.watch_file(&source.path);
        self.followed.insert(source.path.clone(), (source, follower));
    }

    /// Prints what is written, until nobody reads any more.
    fn follow(mut self, wakes: &Receiver<Wake>, sender: &Sender<Wake>) {
        // A daemon that is started later, or again, writes it once it listens.
        let pid_file = self.context.home.daemon_pid();
        self.watch_file(&pid_file);
        self.look_at_all();
        while let Ok(wake) = wakes.recv() {
            match wake {
                Wake::Changed(path) if path == pid_file => self.listen(sender),
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
                    self.listen(sender);
                }
                Wake::Unread => return,
            }
            if self.context.out.is_broken() {
                return;
            }
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

    fn look_at_all(&mut self) {
        let mut paths: Vec<_> = self.followed.keys().cloned().collect();
        paths.sort_unstable();
        for path in &paths {
            self.look_at(path);
        }
    }

    /// Follows processes that were not there before, or are called otherwise now.
    fn look_for_more(&mut self) {
        // A daemon that ends between two questions is told by its connection.
        let Ok(sources) = self.sources() else { return };
        for source in sources {
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

    /// Has the events of the daemon sent to `wakes`, if there is one.
    fn listen(&mut self, wakes: &Sender<Wake>) {
        if !self.listening
            && let Ok(Some(connection)) = self.context.connect()
        {
            let wakes = wakes.clone();
            thread::spawn(move || pass_events_on(connection, &wakes));
            self.listening = true;
        }
    }
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

/// Sends what happens to processes to `wakes`, until the daemon or the receiver is gone.
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

/// Wakes when the reader of standard output goes, which no write would tell while there is nothing to write.
fn report_unread(wakes: Sender<Wake>) {
    thread::spawn(move || {
        let stdout = io::stdout();
        loop {
            // Errors and hang-ups are told without being asked for.
            let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => {
                    let _ = wakes.send(Wake::Unread);
                    return;
                }
                Err(_) => return,
            }
        }
    });
}

fn unreadable(out: &mut Output, source: &Source, error: &io::Error) {
    out.error(&format!("cannot read {}: {error}", source.path.display()));
}

fn cannot_watch(error: &notify::Error) -> Failure {
    Failure::Error(format!("cannot watch files: {error}"))
}
