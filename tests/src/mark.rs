//! Knowing the processes of one test.

use std::{collections::BTreeSet, fs, process};

/// The variable that a test's commands, the daemon and all that it starts inherit.
pub(crate) const VARIABLE: &str = "RPM_TEST";

/// The entry of the environment by which the processes of one test are known, wherever they have gone: to another
/// group, another session, another parent.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) value: String,
}

impl Mark {
    /// A mark that nothing else has, on this machine, at this time.
    pub(crate) fn new(directory: &std::path::Path) -> Self {
        Self { value: format!("{}:{}", process::id(), directory.display()) }
    }

    /// The live processes that carry it. A zombie has no environment and is none of them.
    pub(crate) fn pids(&self) -> BTreeSet<i32> {
        let entry = format!("{VARIABLE}={}", self.value);
        fs::read_dir("/proc")
            .expect("/proc is mounted")
            .filter_map(|found| found.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                    environ.split(|&b| b == 0).any(|variable| variable == entry.as_bytes())
                })
            })
            .collect()
    }
}

/// What a process was started as, for messages.
pub fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " "))
}
