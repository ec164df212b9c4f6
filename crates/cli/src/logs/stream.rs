//! The output of some processes from now on, without what was written before.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender},
};

use rpm_core::ProcessInfo;

use super::{
    follow::Follower,
    print::{Lines, Printer},
    source::{Source, Streams, of_processes},
    watch::{Wake, Watch},
};
use crate::output::Output;

/// The logs of some processes.
pub(crate) struct Stream {
    followed: HashMap<PathBuf, (Source, Follower)>,
    _watch: Watch,
}

impl Stream {
    /// Begins at the present end of each log; changes wake whoever receives from `wakes`.
    pub(crate) fn begin(processes: &[ProcessInfo], wakes: Sender<Wake>) -> Result<Self, String> {
        let failed = |error: notify::Error| format!("cannot watch files: {error}");
        let mut watch = Watch::new(wakes).map_err(failed)?;
        let mut followed = HashMap::new();
        for source in of_processes(processes, Streams { out: true, error: true }) {
            watch.add(&source.path).map_err(failed)?;
            let follower = at_end(&source.path)
                .map_err(|error| format!("cannot read {}: {error}", source.path.display()))?;
            followed.insert(source.path.clone(), (source, follower));
        }
        Ok(Self { followed, _watch: watch })
    }

    /// Prints what is written, until nobody reads any more.
    pub(crate) fn run(mut self, wakes: &Receiver<Wake>, printer: &mut Printer, out: &mut Output) {
        let mut lines = Lines::default();
        while let Ok(wake) = wakes.recv() {
            match wake {
                Wake::Unread => {
                    self.look(None, printer, &mut lines, out);
                    return;
                }
                Wake::Changed(path) => self.look(Some(path), printer, &mut lines, out),
                Wake::Lost => self.look(None, printer, &mut lines, out),
                Wake::Listening | Wake::Process(_) | Wake::DaemonGone | Wake::Signal(_) | Wake::Child => {}
            }
            if out.is_broken() {
                return;
            }
        }
    }

    /// Prints what is new in one file, or in all.
    fn look(&mut self, path: Option<PathBuf>, printer: &mut Printer, lines: &mut Lines, out: &mut Output) {
        let chosen: Vec<_> = match path {
            Some(path) => self.followed.get_mut(&path).into_iter().collect(),
            None => self.followed.values_mut().collect(),
        };
        for (source, follower) in chosen {
            let looked = follower.look(|line| {
                printer.new_line(lines, source, line);
                if lines.is_full() {
                    lines.write(out);
                }
            });
            lines.write(out);
            if let Err(error) = looked {
                out.error(&format!("cannot read {}: {error}", source.path.display()));
            }
        }
    }
}

fn at_end(path: &std::path::Path) -> io::Result<Follower> {
    match std::fs::File::open(path) {
        Ok(file) => {
            let end = file.metadata()?.len();
            Follower::resume(path.to_owned(), file, end)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Follower::new(path.to_owned())),
        Err(error) => Err(error),
    }
}
