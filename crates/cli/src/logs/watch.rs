//! Being woken when files change: by the kernel, never by looking again and again.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::mpsc::Sender,
};

use nix::sys::signal::Signal;
use notify::{EventKind, INotifyWatcher, RecursiveMode, Watcher};

use super::follow::Mark;
use Wake::{Changed, Lost};

/// Why a follower wakes.
#[derive(Debug)]
pub(crate) enum Wake {
    /// A file was written to, created, renamed or removed.
    Changed(PathBuf),
    /// The kernel had more to tell than it could keep: anything may have changed.
    Lost,
    /// From now on the daemon tells what happens to processes.
    Listening,
    /// Something happened to a process.
    Process(rpm_core::protocol::Event),
    /// The connection to the daemon ended.
    DaemonGone,
    /// Nobody reads any more.
    Unread,
    /// A signal for us.
    Signal(Signal),
    /// A child has ended.
    Child,
}

/// Watches the directories of files: a directory tells of files that are not there yet, too.
pub(crate) struct Watch {
    watcher: INotifyWatcher,
    directories: HashSet<PathBuf>,
    /// The files that were there when their directory came under watch, and how long they were.
    known: HashMap<PathBuf, Mark>,
}

impl Watch {
    /// Wakes whoever receives from the other end of `wakes`.
    pub(crate) fn new(wakes: Sender<Wake>) -> notify::Result<Self> {
        let tell = move |event: notify::Result<notify::Event>| {
            // The receiver may be gone already; then nobody needs to know.
            let _ = match event {
                Ok(event) if event.need_rescan() => wakes.send(Lost),
                Ok(event) if matters(event.kind) => {
                    event.paths.into_iter().try_for_each(|path| wakes.send(Changed(path)))
                }
                Ok(_) => Ok(()),
                Err(_) => wakes.send(Lost),
            };
        };
        let watcher = INotifyWatcher::new(tell, notify::Config::default())?;
        Ok(Self { watcher, directories: HashSet::new(), known: HashMap::new() })
    }

    /// Watches what happens to `file`, once its directory is there.
    pub(crate) fn add(&mut self, file: &Path) -> notify::Result<()> {
        let Some(directory) = file.parent().filter(|directory| !self.directories.contains(*directory)) else {
            return Ok(());
        };
        if !directory.exists() {
            return Ok(());
        }
        self.watcher.watch(directory, RecursiveMode::NonRecursive)?;
        self.directories.insert(directory.to_owned());
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        self.known
            .extend(entries.filter_map(|entry| Some((entry.path(), Mark::of(&entry.metadata().ok()?)))));
        Ok(())
    }

    /// Where the news of a file begin that is followed from now on. What was written before the watch began is none.
    pub(crate) fn news_of(&self, file: &Path) -> Option<Mark> {
        self.known.get(file).copied()
    }
}

/// Whether it can mean that there is something to read. To read a file is an event, too. A new attribute may be the
/// end of a rotation.
fn matters(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(_))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc, time::Duration};

    use super::*;

    /// Waits until a change of `path` is told, which fails only if it never is.
    fn await_change(wakes: &mpsc::Receiver<Wake>, path: &Path) {
        loop {
            match wakes.recv_timeout(Duration::from_secs(30)) {
                Ok(Changed(changed)) if changed == path => return,
                Ok(_) => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    #[test]
    fn changes_of_files_wake() {
        let directory = tempfile::tempdir().unwrap();
        // The kernel tells the path that was watched.
        let (log, rotated) = (directory.path().join("log"), directory.path().join("log.1"));
        let (sender, wakes) = mpsc::channel();
        let mut watch = Watch::new(sender).unwrap();
        watch.add(&log).unwrap();
        fs::write(&log, "a\n").unwrap();
        await_change(&wakes, &log);
        fs::rename(&log, &rotated).unwrap();
        await_change(&wakes, &rotated);
        fs::write(&log, "b\n").unwrap();
        await_change(&wakes, &log);
        fs::remove_file(&log).unwrap();
        await_change(&wakes, &log);
    }

    #[test]
    fn a_directory_that_is_missing_can_be_added_later() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("later/log");
        let (sender, wakes) = mpsc::channel();
        let mut watch = Watch::new(sender).unwrap();
        watch.add(&log).unwrap();
        fs::create_dir(directory.path().join("later")).unwrap();
        watch.add(&log).unwrap();
        fs::write(&log, "a\n").unwrap();
        await_change(&wakes, &log);
    }

    #[test]
    fn reading_wakes_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let (log, other) = (directory.path().join("log"), directory.path().join("other"));
        fs::write(&log, "a\n").unwrap();
        let (sender, wakes) = mpsc::channel();
        let mut watch = Watch::new(sender).unwrap();
        watch.add(&log).unwrap();
        fs::read(&log).unwrap();
        fs::write(&other, "").unwrap();
        let first = wakes.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(matches!(&first, Changed(path) if *path == other), "{first:?}");
    }
}
