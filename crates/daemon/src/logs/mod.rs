//! The log files of processes: where they are, and how a child's output gets there.
//!
//! A child writes its log itself, through a descriptor in append mode: the daemon is not in the way, and its death
//! loses nothing. Only an app that wants a date before each line writes into a pipe, which the pump empties.

mod archives;
mod cut;
mod file;
mod form;
mod last;
mod pace;
mod paths;
mod pump;
mod reload;
mod rotate;
mod spool;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

pub(crate) use archives::log_of_archive;
pub(crate) use cut::repair as repair_cut;
pub(crate) use form::{Form, Stream};
pub(crate) use last::Ends;
pub(crate) use pace::Pace;
pub(crate) use paths::{LogPaths, pid_file};
pub(crate) use pump::{Pump, Pumping};
pub(crate) use reload::Writer;
pub(crate) use rotate::{Log, Look, Moved, Report, begin as begin_look, begin_reload};

/// A log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("log file {path}: {error}")]
pub(crate) struct LogError {
    pub path: PathBuf,
    #[source]
    pub error: io::Error,
}

/// Opens a log for appending; creates it, and the directories above it, where they are missing. Where it is no file,
/// writes do not wait.
pub(crate) fn open(path: &Path) -> Result<File, LogError> {
    let open = || file::open(path, OpenOptions::new().append(true).create(true).mode(mode_beside(path)));
    open()
        .or_else(|error| match path.parent() {
            Some(parent) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent)?;
                open()
            }
            _ => Err(error),
        })
        .map_err(|error| LogError { path: path.to_owned(), error })
}

/// The mode of a new file at `path`: closed to other users where its directory is. So what stands in the home of the
/// persona `rpm` remains closed if it is moved, and what PM2 has made for tools of others remains open to them.
pub(crate) fn mode_beside(path: &Path) -> u32 {
    let directory = path.parent().and_then(|directory| directory.metadata().ok());
    let is_closed = directory.is_some_and(|directory| directory.permissions().mode().trailing_zeros() >= 6);
    if is_closed { 0o600 } else { 0o644 }
}

/// Opens a log that is there for reading. Where it is no file, reads do not wait.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    file::open(path, OpenOptions::new().read(true))
}

/// Empties a log. Writers in append mode go on at its new end. What is no file has nothing to be emptied.
pub(crate) fn truncate(path: &Path) -> Result<(), LogError> {
    let empty = || {
        let file = file::open(path, OpenOptions::new().write(true))?;
        if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
    };
    match empty() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

fn open_for_child(path: &Path) -> Result<File, LogError> {
    file::for_child(open(path)?).map_err(|error| LogError { path: path.to_owned(), error })
}

/// Takes what is written to it nowhere.
fn nowhere() -> Result<OwnedFd, LogError> {
    let null = OpenOptions::new().write(true).open("/dev/null");
    null.map(Into::into).map_err(|error| LogError { path: "/dev/null".into(), error })
}

/// The two descriptors that a child writes to.
pub(crate) struct Output {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

impl Output {
    /// Straight into the files, of which it is told where they end; one descriptor for both where they are the same.
    pub(crate) fn direct(paths: &LogPaths) -> Result<(Self, Ends), LogError> {
        let stdout = open_for_child(&paths.out)?;
        let (stderr, ends) = if paths.out == paths.error {
            let stderr = stdout.try_clone().map_err(|error| LogError { path: paths.error.clone(), error })?;
            (stderr, Ends::of_files(&stdout, None))
        } else {
            let stderr = open_for_child(&paths.error)?;
            let ends = Ends::of_files(&stdout, Some(&stderr));
            (stderr, ends)
        };
        Ok((Self { stdout: stdout.into(), stderr: stderr.into() }, ends))
    }

    /// Nowhere. The files are there all the same, as in PM2.
    pub(crate) fn none(paths: &LogPaths) -> Result<Self, LogError> {
        open(&paths.out)?;
        open(&paths.error)?;
        Ok(Self { stdout: nowhere()?, stderr: nowhere()? })
    }
}
