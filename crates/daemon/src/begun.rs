//! Marks of tasks that have begun.
//!
//! A task may end before the daemon that started it has noted its pid. If the daemon dies in between, nothing of the run is
//! left to be found, and the next daemon would do the work again. The child itself therefore makes a file before it
//! executes its program; the file goes when the run stands in the journal.

use std::{
    collections::HashSet,
    ffi::CString,
    fs::{self, DirBuilder},
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::PathBuf,
    time::UNIX_EPOCH,
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};
use rpm_core::{AppSpec, Home, ProcessId};

use crate::{clock::Now, machine::Phase, table::Process};

/// The directory of the marks.
#[derive(Debug)]
pub(crate) struct Begun {
    directory: PathBuf,
}

impl Begun {
    pub(crate) fn new(home: &Home) -> Self {
        Self { directory: home.begun() }
    }

    /// Whether a second run of the same work would do harm: what is kept up runs again when it has ended in any case.
    pub(crate) fn marks(app: &AppSpec) -> bool {
        !app.autorestart
    }

    fn path(&self, id: ProcessId) -> PathBuf {
        self.directory.join(id.to_string())
    }

    /// The file that the child is to make; `None` where that cannot be: the run matters more than its mark.
    pub(crate) fn prepare(&self, id: ProcessId) -> Option<CString> {
        match access(&self.directory, AccessFlags::W_OK) {
            Err(Errno::ENOENT) => DirBuilder::new().mode(0o700).create(&self.directory).ok()?,
            outcome => outcome.ok()?,
        }
        CString::new(self.path(id).as_os_str().as_bytes()).ok()
    }

    /// The run that `id` was about to begin has begun: when.
    pub(crate) fn when(&self, id: ProcessId) -> Option<Now> {
        let modified = fs::symlink_metadata(self.path(id)).ok()?.modified().ok()?;
        let wall = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let now = Now::read();
        let age = now.wall.saturating_sub(wall).max(0);
        Some(Now { wall: now.wall - age, mono: now.mono.saturating_sub(age as u64) })
    }

    /// Its run is in the journal, or did not begin.
    pub(crate) fn remove(&self, id: ProcessId) {
        let _ = fs::remove_file(self.path(id));
    }

    /// The whole journal was written: only what is being started may still need its mark.
    pub(crate) fn retain_starting<'a>(&self, processes: impl Iterator<Item = &'a Process>) {
        let Ok(marks) = fs::read_dir(&self.directory) else { return };
        let marks: Vec<PathBuf> = marks.flatten().map(|mark| mark.path()).collect();
        if marks.is_empty() {
            return;
        }
        let kept: HashSet<PathBuf> = processes
            .filter(|process| process.life.phase == Phase::Starting)
            .map(|process| self.path(process.id))
            .collect();
        for mark in marks.iter().filter(|mark| !kept.contains(*mark)) {
            let _ = fs::remove_file(mark);
        }
    }
}
