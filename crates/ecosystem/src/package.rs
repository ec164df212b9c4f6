//! The version of an app: the one in the `package.json` nearest above its script.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rpm_core::bounded;

/// The largest `package.json` that is looked at, as in the daemon.
const MAX_PACKAGE: u64 = 1 << 20;

/// Versions by directory: apps mostly share one, so that each file is read once.
#[derive(Default)]
pub(crate) struct Packages(HashMap<PathBuf, Option<String>>);

impl Packages {
    /// The version that holds in a directory. A `package.json` that cannot be read is passed over, as in PM2.
    pub(crate) fn version(&mut self, directory: &Path) -> Option<String> {
        if let Some(known) = self.0.get(directory) {
            return known.clone();
        }
        let version = match read(&directory.join("package.json")) {
            Some(package) => package.get("version").and_then(|version| version.as_str()).map(str::to_owned),
            None => directory.parent().and_then(|parent| self.version(parent)),
        };
        self.0.insert(directory.to_owned(), version.clone());
        version
    }
}

fn read(path: &Path) -> Option<serde_json::Value> {
    let bytes = bounded::read(path, MAX_PACKAGE).ok()?;
    serde_json::from_str(str::from_utf8(&bytes).ok()?.trim_start_matches('\u{feff}')).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_readable_package_counts() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("a/b/c")).unwrap();
        fs::create_dir_all(at("a/bad")).unwrap();
        fs::write(at("a/package.json"), "\u{feff}{\"version\": \"1.2.3\"}").unwrap();
        fs::write(at("a/b/package.json"), "{}").unwrap();
        fs::write(at("a/bad/package.json"), "{").unwrap();
        let mut packages = Packages::default();
        assert_eq!(packages.version(&at("a")).as_deref(), Some("1.2.3"));
        assert_eq!(packages.version(&at("a/bad")).as_deref(), Some("1.2.3"));
        assert_eq!(packages.version(&at("a/b/c")), None, "the nearest one has none");
        fs::remove_file(at("a/package.json")).unwrap();
        assert_eq!(packages.version(&at("a/bad")).as_deref(), Some("1.2.3"), "it is read once");
    }
}
