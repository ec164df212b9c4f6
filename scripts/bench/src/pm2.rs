//! Finding PM2, or fetching it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    failure::{Failure, Outcome, at, doing},
    system::find_program,
};

/// What `--install-pm2` installs: the version that rpm is compatible with.
pub(crate) const VERSION: &str = "7.0.4";

/// A PM2 to compare with.
pub(crate) struct Pm2 {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
    /// Where it was installed, until the end of this run.
    _installed: Option<TempDir>,
}

impl Pm2 {
    /// The one of this path.
    pub(crate) fn given(program: &Path) -> Outcome<Self> {
        let program = program.canonicalize().map_err(at(program))?;
        let version = version(&program).unwrap_or_else(|| "of unknown version".to_owned());
        Ok(Self { program, version, _installed: None })
    }

    /// The one in `PATH`. `rpm` may be linked there by that name, and is not it.
    pub(crate) fn in_path(rpm: &Path) -> Outcome<Option<Self>> {
        let Some(program) = find_program("pm2") else { return Ok(None) };
        let found = Self::given(&program)?;
        Ok((rpm.canonicalize().ok().as_ref() != Some(&found.program)).then_some(found))
    }

    /// Fetches it from npm into a temporary directory.
    pub(crate) fn install() -> Outcome<Self> {
        let directory = tempfile::tempdir().map_err(doing("making a temporary directory"))?;
        let output = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
            .arg(directory.path())
            .arg(format!("pm2@{VERSION}"))
            .stdin(Stdio::null())
            .output()
            .map_err(doing("npm install"))?;
        if !output.status.success() {
            return Err(Failure::Command {
                command: format!("npm install pm2@{VERSION}"),
                outcome: output.status.to_string(),
                said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        let found = Self::given(&directory.path().join("node_modules/.bin/pm2"))?;
        Ok(Self { _installed: Some(directory), ..found })
    }
}

/// From the manifest of the package: to ask the program itself would start a daemon.
fn version(program: &Path) -> Option<String> {
    let manifest = program.parent()?.parent()?.join("package.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    Some(manifest.get("version")?.as_str()?.to_owned())
}
