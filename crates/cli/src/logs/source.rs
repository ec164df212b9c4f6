//! Which files are shown, and as whose.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rpm_core::{Home, ProcessInfo, name::printable, protocol::ProcessRef};

/// A stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
    /// The daemon's own log.
    Daemon,
}

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) stream: Stream,
    /// `0|web`, before each line.
    pub(crate) label: String,
    /// Whose it is; `None` for the daemon's.
    pub(crate) process: Option<ProcessRef>,
}

impl Source {
    /// The name of the app; the daemon goes by its label.
    pub(crate) fn app(&self) -> &str {
        self.process.as_ref().map_or(&self.label, |process| &process.name)
    }
}

/// Which streams are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(crate) out: bool,
    pub(crate) error: bool,
}

/// The files of these processes, each once: instances that share a file share its lines, too.
pub(crate) fn of_processes(processes: &[ProcessInfo], streams: Streams) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for process in processes {
        let label = format!("{}|{}", process.summary.id, printable(&process.summary.name));
        let wanted = [
            (streams.out, Stream::Out, &process.out_log),
            (streams.error, Stream::Error, &process.error_log),
        ];
        for (_, stream, path) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            if keeps_lines(path) && sources.iter().all(|source| source.path != *path) {
                let (id, name) = (process.summary.id, process.summary.name.to_string());
                let process = Some(ProcessRef { id, name });
                sources.push(Source { path: path.clone(), stream, label: label.clone(), process });
            }
        }
    }
    sources
}

/// Whether what was written there can be read again: of a device, or of a pipe that somebody else empties, it cannot.
fn keeps_lines(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |meta| meta.is_file())
}

/// The daemon's own log.
pub(crate) fn of_daemon(home: &Home) -> Source {
    let label = home.persona().title().to_owned();
    Source { path: home.daemon_log(), stream: Stream::Daemon, label, process: None }
}

/// Sorts by the moment of the last line, so that the freshest stands at the end.
pub(crate) fn freshest_last(sources: &mut [Source]) {
    sources.sort_by_cached_key(|source| {
        fs::metadata(&source.path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    });
}

#[cfg(test)]
mod tests {
    use rpm_core::{Persona, Status};

    use super::*;
    use crate::render::sample::info;

    #[test]
    fn shared_files_are_shown_once_and_null_never() {
        let (mut first, second, mut third) = (
            info(0, "web", Status::Online),
            info(1, "web", Status::Online),
            info(2, "quiet", Status::Online),
        );
        third.out_log = "/dev/null".into();
        first.error_log = "/var/log/web-error-0.log".into();
        let both = Streams { out: true, error: true };
        let sources = of_processes(&[first.clone(), second, third], both);
        let shown: Vec<_> =
            sources.iter().map(|source| (source.label.as_str(), source.path.to_str().unwrap())).collect();
        assert_eq!(
            shown,
            [
                ("0|web", "/home/me/.rpm/logs/web-out.log"),
                ("0|web", "/var/log/web-error-0.log"),
                ("1|web", "/home/me/.rpm/logs/web-error.log"),
                ("2|quiet", "/home/me/.rpm/logs/quiet-error.log"),
            ]
        );
        assert_eq!(of_processes(&[first], Streams { out: false, error: true }).len(), 1);
    }

    #[test]
    fn the_file_written_last_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        let mut sources: Vec<_> = ["new", "old", "none"]
            .iter()
            .zip([20, 10, 0])
            .map(|(name, age)| {
                let path = directory.path().join(name);
                if age > 0 {
                    let file = fs::File::create(&path).unwrap();
                    file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age)).unwrap();
                }
                Source { path, ..of_daemon(&home) }
            })
            .collect();
        freshest_last(&mut sources);
        let order: Vec<_> = sources.iter().map(|source| source.path.file_name().unwrap()).collect();
        assert_eq!(order, ["none", "old", "new"]);
    }
}
