//! One look at the logs: which of them are due, and what is to be done with those. On a thread of its own, which is
//! there as long as that takes: files of gigabytes are copied and compressed without the event loop waiting for it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc as blocking},
    time::Duration,
};

use chrono::Utc;
use flate2::{Compression, write::GzEncoder};
use rpm_core::dayjs;
use tokio::sync::mpsc;

use super::{
    archives, cut,
    reload::{Writer, reload},
};
use crate::settings::Rotation;

/// How long the pumps may take to open their logs anew before an archive is taken to be complete.
const REOPENING: Duration = Duration::from_secs(10);

/// A log that may be due.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub path: PathBuf,
    /// The daemon writes it, not the app itself.
    pub pumped: bool,
}

/// What is to be done.
pub(crate) struct Look {
    pub logs: Vec<Log>,
    pub rotation: Arc<Rotation>,
    /// Where the home's logs are.
    pub directory: PathBuf,
    /// The plan of the cut that is under way.
    pub plan: PathBuf,
    /// Whatever the sizes are: the schedule's tick.
    pub all: bool,
}

/// What the thread tells the event loop.
#[derive(Debug)]
pub(crate) enum Report {
    /// A pumped log was moved away: whoever writes to this path opens it anew, and then drops the other.
    Moved(PathBuf, Moved),
    /// The look has ended. The sizes are those of now.
    Done(Vec<(PathBuf, u64)>),
    /// Logs were opened anew, but for these reasons some were not.
    Reloaded(Vec<String>),
}

/// Kept by the pumps until they have let go of the file that was moved.
pub(crate) type Moved = blocking::Sender<()>;

/// Begins a look. Reports go to `reports`, [`Report::Done`] last.
pub(crate) fn begin(look: Look, reports: mpsc::UnboundedSender<Report>) -> io::Result<()> {
    std::thread::Builder::new().name("logs".into()).spawn(move || {
        let sizes = look.run(&reports);
        let _ = reports.send(Report::Done(sizes));
    })?;
    Ok(())
}

/// Begins to open logs anew that their writers hold open. Then comes [`Report::Reloaded`].
pub(crate) fn begin_reload(
    writers: Vec<Writer>,
    plan: PathBuf,
    reports: mpsc::UnboundedSender<Report>,
) -> io::Result<()> {
    std::thread::Builder::new().name("logs".into()).spawn(move || {
        let _ = reports.send(Report::Reloaded(reload(&writers, &plan)));
    })?;
    Ok(())
}

impl Look {
    fn run(&self, reports: &mpsc::UnboundedSender<Report>) -> Vec<(PathBuf, u64)> {
        let mut rotated = false;
        for log in &self.logs {
            let size = size(&log.path);
            if size > 0 && (self.all || self.is_due(size)) {
                match self.rotate(log, reports) {
                    Ok(moved) => rotated |= moved,
                    Err(error) => {
                        tracing::error!("log file {} cannot be rotated: {error}", log.path.display());
                    }
                }
            }
        }
        if rotated {
            let paths: Vec<_> = self.logs.iter().map(|log| log.path.clone()).collect();
            let budget = self.rotation.max_total.map(|budget| budget.0);
            if let Err(error) = archives::prune(&paths, self.rotation.retain, &self.directory, budget) {
                tracing::error!("rotated logs cannot be removed: {error}");
            }
        }
        self.logs.iter().map(|log| (log.path.clone(), size(&log.path))).collect()
    }

    fn is_due(&self, size: u64) -> bool {
        let limit = self.rotation.max_size.0;
        limit > 0 && size >= limit
    }

    /// Moves what is in one log to an archive. False if there was too little.
    fn rotate(&self, log: &Log, reports: &mpsc::UnboundedSender<Report>) -> io::Result<bool> {
        let date = dayjs::format(&self.rotation.date_format, &self.rotation.zone.local(Utc::now()));
        let archive = archives::free_name(&log.path, &date)?;
        let mut complete = true;
        if log.pumped {
            fs::rename(&log.path, &archive)?;
            let (moved, reopened) = blocking::channel();
            if reports.send(Report::Moved(log.path.clone(), moved)).is_ok() {
                // Ends when the last pump has dropped its end. Nothing is ever sent.
                complete = reopened.recv_timeout(REOPENING) == Err(blocking::RecvTimeoutError::Disconnected);
            }
        } else if !cut::rotate(&log.path, &archive, &self.plan)? {
            return Ok(false);
        }
        tracing::info!("log file {} rotated to {}", log.path.display(), archive.display());
        // A line that has not ended yet is still on its way to the archive.
        if self.rotation.compress && complete {
            compress(&archive)?;
        }
        Ok(true)
    }
}

/// The size of a file; 0 if there is none, or if it is none.
fn size(path: &Path) -> u64 {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map_or(0, |meta| meta.len())
}

/// Replaces an archive by a compressed one, which is there in whole or not at all.
fn compress(archive: &Path) -> io::Result<()> {
    let mut source = File::open(archive)?;
    let meta = source.metadata()?;
    let compressed = archives::compressed(archive);
    let unfinished = compressed.with_extension("gz.tmp");
    // One that lies there is of nobody.
    let _ = fs::remove_file(&unfinished);
    let target = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    target.set_permissions(meta.permissions())?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    let written = io::copy(&mut source, &mut encoder)
        .and_then(|_| encoder.finish())
        .and_then(|mut target| {
            target.flush()?;
            target.set_modified(meta.modified()?)
        })
        .and_then(|()| fs::rename(&unfinished, &compressed));
    if let Err(error) = written {
        fs::remove_file(&unfinished)?;
        return Err(error);
    }
    fs::remove_file(archive)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use rpm_core::{Bytes, Home, Persona};

    use super::*;

    struct Case {
        directory: tempfile::TempDir,
        rotation: Rotation,
    }

    impl Case {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let home = Home::new(directory.path().to_owned(), Persona::Rpm);
            let mut rotation = Rotation::usual(home.persona());
            rotation.max_size = Bytes(10_000);
            Self { directory, rotation }
        }

        fn look(&self, names: &[&str], pumped: bool, all: bool) {
            let (sender, mut reports) = mpsc::unbounded_channel();
            let log = |name: &&str| Log { path: self.directory.path().join(name), pumped };
            let look = Look {
                logs: names.iter().map(log).collect(),
                rotation: Arc::new(self.rotation.clone()),
                directory: self.directory.path().to_owned(),
                plan: self.directory.path().join("plan"),
                all,
            };
            begin(look, sender).unwrap();
            while let Some(Report::Moved(..)) = reports.blocking_recv() {}
        }

        fn fill(&self, name: &str, bytes: usize) {
            fs::write(self.directory.path().join(name), "0123456\n".repeat(bytes / 8)).unwrap();
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn only_what_is_due_is_rotated() {
        let mut case = Case::new();
        case.rotation.date_format = "[D]".into();
        case.fill("small.log", 9_000);
        case.fill("large.log", 20_000);
        case.look(&["small.log", "large.log", "none.log"], true, false);
        assert_eq!(case.names(), ["large__D.log", "small.log"]);
        case.look(&["small.log"], true, true);
        assert_eq!(case.names(), ["large__D.log", "small__D.log"]);
        case.rotation.max_size = Bytes(0);
        case.fill("large.log", 20_000);
        case.look(&["large.log"], true, false);
        assert_eq!(case.names().len(), 3);
    }

    #[test]
    fn names_do_not_clash_and_the_oldest_go() {
        let mut case = Case::new();
        case.rotation.date_format = "[D]".into();
        case.rotation.retain = Some(2);
        for _ in 0..5 {
            case.fill("a.log", 20_000);
            case.look(&["a.log"], true, false);
        }
        assert_eq!(case.names(), ["a__D.3.log", "a__D.4.log"]);
    }

    #[test]
    fn the_budget_is_for_all_together() {
        let mut case = Case::new();
        case.rotation.date_format = "[D]".into();
        case.rotation.max_total = Some(Bytes(50_000));
        // Of an app that is no more.
        case.fill("gone__D.log", 20_000);
        let gone = File::options().write(true).open(case.directory.path().join("gone__D.log")).unwrap();
        gone.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        for _ in 0..2 {
            for name in ["a.log", "b.log"] {
                case.fill(name, 20_000);
            }
            case.look(&["a.log", "b.log"], true, false);
        }
        assert_eq!(case.names(), ["a__D.1.log", "b__D.1.log"]);
    }

    #[test]
    fn archives_are_compressed_in_whole() {
        let mut case = Case::new();
        case.rotation.compress = true;
        case.rotation.date_format = "[D]".into();
        for _ in 0..2 {
            case.fill("a.log", 20_000);
            case.look(&["a.log"], true, false);
        }
        assert_eq!(case.names(), ["a__D.1.log.gz", "a__D.log.gz"]);
        let mut text = String::new();
        let file = File::open(case.directory.path().join("a__D.log.gz")).unwrap();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456\n".repeat(2500));
    }
}
