//! The version of an app: the one in the `package.json` nearest above its script.

use std::path::Path;

use rpm_core::{AppSpec, protocol::SERVE_VERB};
use serde::Deserialize;

use crate::environment::read_file;

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    version: serde_json::Value,
}

/// Returns the version of `app` as it is on disk now. Our own static server has none.
pub(crate) fn version(app: &AppSpec) -> Option<String> {
    if app.args.first().is_some_and(|first| first == SERVE_VERB) {
        return None;
    }
    // The nearest one counts, even if it names no version. One that cannot be read is passed over, as in PM2.
    let package = app.script.ancestors().skip(1).find_map(read)?;
    package.version.as_str().map(str::to_owned)
}

fn read(directory: &Path) -> Option<Package> {
    let text = read_file(&directory.join("package.json")).ok()?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rpm_core::Interpreter;

    use super::*;

    #[test]
    fn the_nearest_readable_package_counts() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        let version_of = |script: &str| {
            version(&AppSpec::new("a", at(script), Interpreter::None, directory.path().to_owned()))
        };
        fs::create_dir_all(at("a/b/c")).unwrap();
        fs::create_dir_all(at("a/bad")).unwrap();
        fs::write(at("a/package.json"), "\u{feff}{\"version\": \"1.2.3\"}").unwrap();
        fs::write(at("a/b/package.json"), "{}").unwrap();
        fs::write(at("a/bad/package.json"), "{").unwrap();
        assert_eq!(version_of("a/x.js").as_deref(), Some("1.2.3"));
        assert_eq!(version_of("a/bad/x.js").as_deref(), Some("1.2.3"));
        assert_eq!(version_of("a/b/c/x.js"), None, "the nearest one has none");
        fs::write(at("a/package.json"), "{\"version\": \"2.0.0\"}").unwrap();
        assert_eq!(version_of("a/x.js").as_deref(), Some("2.0.0"), "a new release is there");
        let mut server = AppSpec::new("s", at("a/rpm"), Interpreter::None, directory.path().to_owned());
        server.args = vec![SERVE_VERB.to_owned()];
        assert_eq!(version(&server), None);
    }
}
