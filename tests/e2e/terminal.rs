//! A terminal: nothing of it reaches the daemon or its children, and its end is not theirs.

use std::{fs, os::fd::OwnedFd, process::Stdio};

use nix::pty::openpty;
use rpm_tests::{Rpm, Running};

/// Session and controlling terminal of a process (0 is none), see proc(5).
fn session_and_terminal(pid: i32) -> (i32, i32) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<i32> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .skip(1)
        .take(4)
        .map(|n| n.parse().unwrap())
        .collect();
    (fields[2], fields[3])
}

fn descriptors(pid: i32) -> Vec<String> {
    (0..3)
        .map(|fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn daemon_and_children_leave_it() {
    let rpm = Rpm::new();
    let pty = openpty(None, None).unwrap();
    let slave = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
    // A shell in a session of its own, whose terminal it is, as a login would be.
    let mut command = rpm.command_under("setsid", &["--ctty", "--wait"], "start forever.sh --name web");
    command.stdin(slave(&pty.slave)).stdout(slave(&pty.slave)).stderr(slave(&pty.slave));
    Running::start(command).output().ends_with(0);

    let (daemon, web) = (rpm.daemon().unwrap(), rpm.entry("web").pid());
    for pid in [daemon, web] {
        assert_eq!(session_and_terminal(pid), (pid, 0), "{pid} leads a session without a terminal");
        assert!(descriptors(pid).iter().all(|target| !target.contains("/pts/")), "{:?}", descriptors(pid));
    }
    assert_eq!(descriptors(daemon)[0], "/dev/null");
    // The window is closed.
    drop(pty);
    assert_eq!(rpm.statuses(), ["web:online"]);
    assert_eq!((rpm.daemon(), rpm.entry("web").pid()), (Some(daemon), web));
}

#[test]
fn it_survives_the_end_of_its_starters_group() {
    let rpm = Rpm::new();
    // As a shell does with a job, or a terminal with its foreground: a signal to the whole group.
    let script = "\"$@\"; kill -TERM 0; sleep 1000000";
    let args = ["--wait", "sh", "-c", script, "sh"];
    let command = rpm.command_under("setsid", &args, "start forever.sh --name web");
    Running::start(command).output();
    assert_eq!(rpm.statuses(), ["web:online"]);
}
