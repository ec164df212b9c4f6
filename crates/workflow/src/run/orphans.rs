//! What the steps of a job have left running: it ends with the job, as on GitHub.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The variable by which the processes of a job are known.
pub(super) const MARK: &str = "RUNNER_TRACKING_ID";

/// Kills every process that carries the mark. How many there were.
pub(super) fn end(mark: &str) -> usize {
    let variable = format!("{MARK}={mark}");
    let mut ended = 0;
    // A process that starts others while it is looked for is met again.
    loop {
        let found: Vec<_> = marked(&variable);
        if found.is_empty() || ended > 10_000 {
            return ended;
        }
        for pid in found {
            ended += 1;
            // It may have ended by now.
            _ = kill(pid, Signal::SIGKILL);
        }
    }
}

fn marked(variable: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            carries(&entry.path(), variable).then(|| Pid::from_raw(pid))
        })
        .collect()
}

/// Whether a process has a variable. One that has ended and is not waited for has none any more.
fn carries(process: &Path, variable: &str) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}
