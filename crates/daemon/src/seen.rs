//! Which ticks were seen: those that came while no daemon ran can be made up for (`cron_catch_up`).
//!
//! One file of the home, an app a line, written when a tick of such an app has fired. It outlives the daemon, and what
//! `kill` and a boot leave of the list.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The last tick that was seen of each app that asks for it, milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct Seen {
    path: PathBuf,
    ticks: BTreeMap<String, i64>,
    changed: bool,
}

impl Seen {
    /// Reads the file at `path`; what cannot be read was not seen.
    pub(crate) fn load(path: PathBuf) -> Self {
        let ticks = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!("{}: {error}: no tick is made up for", path.display());
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::error!("{}: {error}: no tick is made up for", path.display());
                BTreeMap::new()
            }
        };
        Self { path, ticks, changed: false }
    }

    /// Until when the ticks of `app` were seen, if that is known.
    pub(crate) fn until(&self, app: &str) -> Option<i64> {
        self.ticks.get(app).copied()
    }

    /// The ticks of `app` were seen until `time`.
    pub(crate) fn note(&mut self, app: &str, time: i64) {
        if self.ticks.get(app).is_none_or(|seen| *seen < time) {
            self.ticks.insert(app.to_owned(), time);
            self.changed = true;
        }
    }

    /// Nobody asks for the ticks of `app` any more.
    pub(crate) fn forget(&mut self, app: &str) {
        self.changed |= self.ticks.remove(app).is_some();
    }

    /// Writes what is new, as a whole or not at all. Nothing waits for the disk.
    pub(crate) fn store(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        if let Err(error) = self.write(&self.path.with_extension("new")) {
            tracing::error!(
                "{}: {error}: ticks that are missed now may not be made up for",
                self.path.display()
            );
        }
    }

    fn write(&self, fresh: &Path) -> io::Result<()> {
        if self.ticks.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        fs::write(fresh, serde_json::to_vec(&self.ticks)?)?;
        fs::rename(fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_to_the_next_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks");
        let mut seen = Seen::load(path.clone());
        seen.store();
        assert!(!path.exists(), "nobody asked for it");
        seen.note("a", 5);
        seen.note("b", 7);
        seen.note("b", 6);
        seen.store();
        let mut seen = Seen::load(path.clone());
        assert_eq!((seen.until("a"), seen.until("b"), seen.until("c")), (Some(5), Some(7), None));
        seen.forget("a");
        seen.store();
        assert_eq!(Seen::load(path.clone()).until("a"), None);
        seen.forget("b");
        seen.store();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_damaged_says_nothing_and_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks");
        fs::write(&path, "{\"a\": 5, \"b").unwrap();
        let mut seen = Seen::load(path.clone());
        assert_eq!(seen.until("a"), None);
        seen.note("a", 9);
        seen.store();
        assert_eq!(Seen::load(path).until("a"), Some(9));
    }
}
