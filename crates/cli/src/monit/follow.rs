//! Following the log files of one process, on a thread of its own.

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use ratatui::{style::Style, text::Line};
use rpm_core::name::printable;

use super::{Input, ansi, log::KEPT, model::style_of};
use crate::logs::{
    follow::Follower,
    source::{Source, freshest_last},
    tail::tail,
    watch::{Wake, Watch},
};

/// Lines of each file that were there before.
const LAST: usize = 200;

/// Files that are followed. Dropping it ends that.
pub(super) struct Following {
    mailbox: Mailbox,
    /// Its end ends the thread.
    _watch: Option<Watch>,
}

impl Following {
    /// Follows files, and sends [`Input::Logged`] when there are lines to be taken.
    pub(super) fn start(mut sources: Vec<Source>, inputs: &Sender<Input>) -> Self {
        let mailbox = Mailbox { lines: Arc::default(), inputs: inputs.clone() };
        let (sender, wakes) = mpsc::channel();
        // Watching begins before the first file is read: what is written in between is seen by both.
        let watch = Watch::new(sender).and_then(|mut watch| {
            sources.iter().try_for_each(|source| watch.add(&source.path))?;
            Ok(watch)
        });
        let watch =
            watch.map_err(|error| mailbox.complain(&format!("cannot watch the log files: {error}"))).ok();
        freshest_last(&mut sources);
        let reader = mailbox.clone();
        thread::spawn(move || read(sources, &wakes, &reader));
        Self { mailbox, _watch: watch }
    }

    /// What has been read since the last time.
    pub(super) fn take(&self) -> Vec<Line<'static>> {
        self.mailbox.lock().drain(..).collect()
    }
}

/// Lines that were read and not yet taken: never more than are kept, however slow the terminal is.
#[derive(Clone)]
struct Mailbox {
    lines: Arc<Mutex<VecDeque<Line<'static>>>>,
    inputs: Sender<Input>,
}

impl Mailbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Line<'static>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, batch: Batch) {
        if batch.lines.is_empty() {
            return;
        }
        let mut lines = self.lock();
        // Otherwise whoever takes them has been told already.
        let is_first = lines.is_empty();
        lines.extend(batch.lines.into_iter().map(|(style, line)| ansi::line(&line, style)));
        let surplus = lines.len().saturating_sub(KEPT);
        lines.drain(..surplus);
        drop(lines);
        if is_first {
            // Nobody is left to tell when the screen is closed.
            let _ = self.inputs.send(Input::Logged);
        }
    }

    fn complain(&self, message: &str) {
        let mut batch = Batch::default();
        batch.push(Style::new().yellow(), printable(message).as_bytes());
        self.put(batch);
    }
}

/// The last lines of one look.
#[derive(Default)]
struct Batch {
    lines: VecDeque<(Style, Vec<u8>)>,
}

impl Batch {
    fn push(&mut self, style: Style, line: &[u8]) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((style, line.to_vec()));
    }
}

fn read(sources: Vec<Source>, wakes: &Receiver<Wake>, mailbox: &Mailbox) {
    let mut followed = Vec::with_capacity(sources.len());
    for source in sources {
        match last(&source, mailbox) {
            Ok(follower) => followed.push((source, follower)),
            Err(error) => complain(mailbox, &source, &error),
        }
    }
    while let Ok(wake) = wakes.recv() {
        let mut changed = HashSet::new();
        let mut is_lost = false;
        for wake in std::iter::once(wake).chain(wakes.try_iter()) {
            match wake {
                Wake::Changed(path) => _ = changed.insert(path),
                _ => is_lost = true,
            }
        }
        for (source, follower) in &mut followed {
            if is_lost || changed.contains(&source.path) {
                let (mut batch, style) = (Batch::default(), style_of(source));
                let looked = follower.look(|line| batch.push(style, line));
                mailbox.put(batch);
                if let Err(error) = looked {
                    complain(mailbox, source, &error);
                }
            }
        }
    }
}

/// Reads the last lines of a file, which need not be there.
fn last(source: &Source, mailbox: &Mailbox) -> io::Result<Follower> {
    let mut file = match File::open(&source.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Follower::new(source.path.clone()));
        }
        opened => opened?,
    };
    let (mut batch, style) = (Batch::default(), style_of(source));
    let end = tail(&mut file, LAST, |line| batch.push(style, line))?;
    mailbox.put(batch);
    Follower::resume(source.path.clone(), file, end)
}

fn complain(mailbox: &Mailbox, source: &Source, error: &io::Error) {
    mailbox.complain(&format!("cannot read {}: {error}", source.path.display()));
}
