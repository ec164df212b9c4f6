//! Knowing the processes of one test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, process,
};

/// The variable that a test's commands, the daemon and all that it starts inherit.
pub const VARIABLE: &str = "RPM_TEST";

/// The entry of the environment by which the processes of one test are known, wherever they have gone: to another
/// group, another session, another parent.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The value of the variable.
    pub value: String,
}

impl Mark {
    /// A mark that nothing else has, on this machine, at this time.
    pub fn new(directory: &std::path::Path) -> Self {
        Self { value: format!("{}:{}", process::id(), directory.display()) }
    }

    /// The live processes that carry it.
    pub fn pids(&self) -> BTreeSet<i32> {
        fs::read_dir("/proc")
            .expect("/proc is mounted")
            .filter_map(|found| found.ok()?.file_name().to_str()?.parse().ok())
            .filter(|&pid| self.is_on(pid))
            .collect()
    }

    /// Whether a live process carries it. A zombie has no environment: it has ended, whenever its parent looks.
    pub(crate) fn is_on(&self, pid: i32) -> bool {
        let entry = format!("{VARIABLE}={}", self.value);
        // Byte by byte: this looks at every process of the machine.
        environ(pid).split(|&b| b == 0).any(|variable| variable == entry.as_bytes())
    }
}

fn environ(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

/// The environment that a process was started with, from the kernel; empty where there is no such process.
pub(crate) fn environment(pid: i32) -> BTreeMap<String, String> {
    environ(pid)
        .split(|&b| b == 0)
        .filter_map(|variable| {
            let variable = String::from_utf8_lossy(variable);
            let (name, value) = variable.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// What a process was started as, for messages.
pub fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " "))
}
