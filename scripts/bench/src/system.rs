//! What the kernel tells of processes, from `/proc`, and programs from `PATH`.

use std::{env, fs, path::Path, path::PathBuf};

use nix::unistd::{AccessFlags, access};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::failure::{Failure, Outcome};

/// What a process has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    /// Times that one of its threads left a CPU, voluntarily or not: each but the first was preceded by a wake-up.
    pub(crate) context_switches: u64,
    /// CPU used, user and system, in clock ticks.
    pub(crate) cpu_ticks: u64,
}

/// What `pid` has done so far, in all its threads.
pub(crate) fn activity(pid: i32) -> Outcome<Activity> {
    let gone = || Failure::Unexpected(format!("process {pid} ended while it was measured"));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| gone())?;
    let mut context_switches = 0;
    for thread in threads.flatten() {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        for field in ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"] {
            context_switches += status_field(&status, field).unwrap_or_default();
        }
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| gone())?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field behind it.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace()).ok_or_else(gone)?;
    let cpu_ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Activity { context_switches, cpu_ticks })
}

/// Resident memory of `pid`, bytes; what it shares with others (its program's file) included.
pub(crate) fn resident_memory(pid: i32) -> Outcome<u64> {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|status| status_field(&status, "VmRSS"))
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| Failure::Unexpected(format!("process {pid} ended while it was measured")))
}

/// How many descriptors `pid` has open.
pub(crate) fn open_descriptors(pid: i32) -> Outcome<usize> {
    let gone = |_| Failure::Unexpected(format!("process {pid} ended while it was measured"));
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).map_err(gone)?.count())
}

/// The number behind `name` in `/proc/<pid>/status`.
fn status_field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value.split_ascii_whitespace().next()?.parse().ok()
    })
}

/// Whether `pid` has not ended; a zombie has.
pub(crate) fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with(['Z', 'X'])))
        .is_some_and(|ended| !ended)
}

/// Kills every process that was started with `entry` (`NAME=value`) in its environment. Gives how many there were.
pub(crate) fn kill_all_with(entry: &str) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).filter(|&pid| kill_if_it_has(pid, entry)).count()
}

/// The descriptor comes first: whoever is read of is who is signalled, also when the pid is given anew meanwhile.
fn kill_if_it_has(pid: Pid, entry: &str) -> bool {
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    environ.split(|&b| b == 0).any(|variable| variable == entry.as_bytes())
        && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

/// The first executable of this name in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let runs = |file: &PathBuf| file.is_file() && access(file.as_path(), AccessFlags::X_OK).is_ok();
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(runs)
}

/// One line about the machine.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let model = model.map_or("unknown model", |(_, model)| model);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores ({model}), Linux {}, load {load}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_itself_is_a_process() {
        let me = std::process::id() as i32;
        assert!(is_alive(me) && !is_alive(i32::MAX));
        assert!(resident_memory(me).unwrap() > 100_000);
        let before = activity(me).unwrap();
        std::thread::yield_now();
        let after = activity(me).unwrap();
        assert!(after.context_switches >= before.context_switches && after.cpu_ticks >= before.cpu_ticks);
        assert!(activity(i32::MAX).is_err());
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "VmRSS:\t    1234 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(status_field(status, "VmRSS"), Some(1234));
        assert_eq!(status_field(status, "voluntary_ctxt_switches"), Some(5));
        assert_eq!(status_field(status, "nonvoluntary_ctxt_switches"), Some(7));
        assert_eq!(status_field(status, "ctxt_switches"), None);
    }

    #[test]
    fn only_processes_with_the_entry_are_killed() {
        let sleep = |value: &str| {
            std::process::Command::new("sleep").arg("1000").env("RPM_BENCH_TEST", value).spawn().unwrap()
        };
        let me = std::process::id();
        let (mut ours, mut other) = (sleep(&format!("{me}-a")), sleep(&format!("{me}-b")));
        // The kernel lets a spawn return a moment before the new program's environment can be read.
        let environment = format!("/proc/{}/environ", ours.id());
        while fs::read(&environment).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let killed = kill_all_with(&format!("RPM_BENCH_TEST={me}-a"));
        let other_lived = is_alive(other.id() as i32);
        for child in [&mut ours, &mut other] {
            // One that has ended already is no error.
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!((killed, other_lived), (1, true));
    }
}
