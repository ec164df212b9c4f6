//! Apps that are restarted when files change.

use std::{collections::HashSet, sync::Arc};

use rpm_core::{AppSpec, Cause, ProcessId, Watch, protocol::Failure};

use super::God;
use crate::{
    machine::{Event, Phase},
    table::{Process, Replies},
    watch::{Changed, Own, Target},
};

impl God {
    /// A declaration came, went or changed: what is watched is looked at again before the loop waits.
    ///
    /// Without a watched app that costs nothing. `asking` is answered in full when the files are watched.
    pub(crate) fn rewatch(&mut self, watched: bool, asking: Option<&Replies>) {
        if watched || self.watcher.is_active() {
            self.watcher.touch(asking);
        }
    }

    /// Tells the watcher what is to be watched, if that may have changed.
    pub(super) fn sync_watcher(&mut self) {
        let Some(asking) = self.watcher.take_stale() else { return };
        let targets: HashSet<_> = self.table.iter().filter_map(|process| Target::of(&process.spec)).collect();
        let mut files = HashSet::new();
        if !targets.is_empty() {
            for process in self.table.iter() {
                let logs = &process.logs;
                let paths =
                    [Some(&logs.out), Some(&logs.error), logs.combined.as_ref(), Some(&process.pid_file)];
                files.extend(paths.into_iter().flatten().cloned());
            }
        }
        self.watcher.set(targets, Own::new(&self.home, files), asking);
    }

    /// Restarts an app whose files have changed.
    pub(super) fn files_changed(&mut self, changed: &Changed) {
        if self.is_ending() {
            return;
        }
        let Changed { app, path } = changed;
        let printable = rpm_core::name::printable;
        tracing::info!(
            "Change detected on path {} for app {} - restarting",
            printable(path),
            printable(&app.name)
        );
        let ids: Vec<_> = self
            .table
            .iter()
            .filter(|process| process.spec.key() == *app)
            .map(|process| process.id)
            .collect();
        for id in ids {
            let Some(process) = self.table.get_mut(id).filter(|process| !process.spec.watch.is_off()) else {
                continue;
            };
            match process.life.phase {
                // It may have read the old files: restarted as soon as it is up.
                Phase::Launching(_) => process.outdated = true,
                // Its next run reads the new files.
                Phase::Starting | Phase::Stopping { .. } => {}
                _ => self.post(id, Event::Restart(Cause::Watch.into())),
            }
        }
    }

    /// Stops watching a process, as PM2 does before each stop; what it watched is remembered for
    /// [`God::toggle_watch`].
    pub(crate) fn unwatch(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id).filter(|process| !process.spec.watch.is_off()) else {
            return;
        };
        let spec = Arc::make_mut(&mut process.spec);
        process.unwatched = Some(std::mem::take(&mut spec.watch));
        process.outdated = false;
        self.rewatch(true, None);
    }

    /// Watches those of `ids` that are not watched, and the others no longer.
    pub(crate) fn toggle_watch(&mut self, ids: &[ProcessId], replies: &Replies) -> Result<(), Failure> {
        let on = |process: &Process| {
            let mut spec = AppSpec::clone(&process.spec);
            spec.watch = process.unwatched.clone().unwrap_or(Watch::All);
            spec
        };
        let off = |process: &&Process| process.spec.watch.is_off();
        let specs: Vec<_> = ids
            .iter()
            .filter_map(|&id| self.table.get(id))
            .filter(off)
            .map(|process| (process.id, on(process)))
            .collect();
        for (_, spec) in &specs {
            check_watch(spec)?;
        }
        for &id in ids {
            self.unwatch(id);
        }
        for (id, spec) in specs {
            if let Some(process) = self.table.get_mut(id) {
                process.unwatched = None;
                process.spec = Arc::new(spec);
                self.rewatch(true, Some(replies));
            }
        }
        Ok(())
    }
}

/// Refuses what cannot be watched.
pub(crate) fn check_watch(spec: &AppSpec) -> Result<(), Failure> {
    Target::of(spec)
        .map_or(Ok(()), |target| target.check())
        .map_err(|error| Failure::BadRequest(error.to_string()))
}
