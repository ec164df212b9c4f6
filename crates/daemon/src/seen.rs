//! Which ticks were seen: those that came while no daemon ran can be made up for (`cron_catch_up`).
//!
//! One file of the home, an app a line, written when a tick of such an app has fired. It outlives the daemon, and what
//! `kill` and a boot leave of the list.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rpm_core::{AppKey, app::DEFAULT_NAMESPACE};

/// The last tick that was seen of each app that asks for it, milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct Seen {
    path: PathBuf,
    ticks: BTreeMap<String, i64>,
    /// An earlier version wrote the file: a bare name means the apps of that name in all namespaces.
    is_earlier: bool,
    changed: bool,
}

/// An entry of each file that tells the apps of one name from each other.
const PAIRS: &str = "\0";

impl Seen {
    /// Reads the file at `path`; what cannot be read was not seen.
    pub(crate) fn load(path: PathBuf) -> Self {
        let mut ticks: BTreeMap<String, i64> = match fs::read(&path) {
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
        let is_earlier = ticks.remove(PAIRS).is_none();
        Self { path, ticks, is_earlier, changed: false }
    }

    /// Until when the ticks of `app` were seen, if that is known. Earlier versions noted its name alone.
    pub(crate) fn until(&self, app: &AppKey) -> Option<i64> {
        let earlier = || self.ticks.get(&app.name).filter(|_| self.is_earlier);
        self.ticks.get(&entry(app)).or_else(earlier).copied()
    }

    /// The ticks of `app` were seen until `time`.
    pub(crate) fn note(&mut self, app: &AppKey, time: i64) {
        let entry = entry(app);
        if self.ticks.get(&entry).is_none_or(|seen| *seen < time) {
            self.ticks.insert(entry, time);
            self.changed = true;
        }
    }

    /// No process asks for the ticks of `app` any more.
    pub(crate) fn forget(&mut self, app: &AppKey) {
        self.changed |= self.ticks.remove(&entry(app)).is_some();
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
        let mut ticks = self.ticks.clone();
        ticks.insert(PAIRS.to_owned(), 0);
        fs::write(fresh, serde_json::to_vec(&ticks)?)?;
        fs::rename(fresh, &self.path)
    }
}

/// The key of `app` in the file: its name, below its namespace unless that is the default one.
fn entry(app: &AppKey) -> String {
    if app.namespace == DEFAULT_NAMESPACE {
        app.name.clone()
    } else {
        format!("{}\0{}", app.namespace, app.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppKey {
        AppKey { namespace: DEFAULT_NAMESPACE.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn what_was_seen_is_known_to_the_next_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks");
        let mut seen = Seen::load(path.clone());
        seen.store();
        assert!(!path.exists(), "nobody asked for it");
        seen.note(&app("a"), 5);
        seen.note(&app("b"), 7);
        seen.note(&app("b"), 6);
        seen.store();
        let mut seen = Seen::load(path.clone());
        assert_eq!(
            (seen.until(&app("a")), seen.until(&app("b")), seen.until(&app("c"))),
            (Some(5), Some(7), None)
        );
        seen.forget(&app("a"));
        seen.store();
        assert_eq!(Seen::load(path.clone()).until(&app("a")), None);
        seen.forget(&app("b"));
        seen.store();
        assert!(!path.exists());
    }

    #[test]
    fn apps_of_one_name_are_apart_and_what_an_earlier_version_saw_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks");
        fs::write(&path, "{\"a\": 5}").unwrap();
        let mut seen = Seen::load(path.clone());
        let other = AppKey { namespace: "other".to_owned(), ..app("a") };
        assert_eq!((seen.until(&app("a")), seen.until(&other)), (Some(5), Some(5)));
        seen.note(&app("a"), 7);
        seen.note(&other, 8);
        seen.store();
        let seen = Seen::load(path);
        assert_eq!((seen.until(&app("a")), seen.until(&other)), (Some(7), Some(8)));
        let third = AppKey { namespace: "third".to_owned(), ..app("a") };
        assert_eq!(seen.until(&third), None, "what an earlier version saw of the name was of others");
    }

    #[test]
    fn a_file_that_is_damaged_says_nothing_and_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks");
        fs::write(&path, "{\"a\": 5, \"b").unwrap();
        let mut seen = Seen::load(path.clone());
        assert_eq!(seen.until(&app("a")), None);
        seen.note(&app("a"), 9);
        seen.store();
        assert_eq!(Seen::load(path).until(&app("a")), Some(9));
    }
}
