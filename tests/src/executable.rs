//! The executable under test.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

/// The `rpm` that tests run: `RPM_BIN` where that is set, else built now from the sources that are there.
///
/// Cargo builds an executable for the integration tests of its own package only. So that no test runs a stale one,
/// this asks cargo once for each test binary; where nothing has changed that takes a moment.
pub fn executable() -> &'static Path {
    static EXECUTABLE: LazyLock<PathBuf> = LazyLock::new(|| match env::var_os("RPM_BIN") {
        Some(path) => PathBuf::from(path).canonicalize().expect("RPM_BIN names an executable"),
        None => build(),
    });
    &EXECUTABLE
}

/// Builds it with the profile and into the directory of this test binary.
fn build() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    // <target>/<profile>/deps/<me>
    let mut above = me.ancestors().skip(2);
    let profile = above.next().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = match profile {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--package=rpm-cli", "--bin=rpm", "--message-format=json-render-diagnostics"])
        .arg(format!("--profile={profile}"))
        .current_dir(crate::repository())
        .stderr(Stdio::inherit());
    if let Some(target) = above.next() {
        command.arg("--target-dir").arg(target);
    }
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "rpm does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "rpm")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo tells where the executable is")
}
