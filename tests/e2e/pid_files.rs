//! Pid files: of processes and of the daemon.

use std::fs;

use rpm_tests::{Puppet, Rpm, wait_until};

fn pids(rpm: &Rpm) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(rpm.home().join("pids"))
        .unwrap()
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_pid_file_lives_as_long_as_its_process() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "a_b", "");
    let file = rpm.home().join("pids/a-b-0.pid");
    let holds = |pid: i32| fs::read_to_string(&file).ok() == Some(pid.to_string());
    assert!(holds(rpm.entry("a_b").pid()));
    puppet.does("exit 1");
    let entry = rpm.wait_where("a_b", "restarted", |entry| entry.restarts() == 1 && entry.pid() > 0);
    assert!(holds(entry.pid()));
    rpm.ok("stop a_b");
    assert!(pids(&rpm).is_empty());
    rpm.ok("start a_b");
    assert_eq!(pids(&rpm), ["a-b-0.pid"]);
    rpm.ok("delete a_b");
    assert!(pids(&rpm).is_empty());
}

#[test]
fn each_instance_has_its_own() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web -i 2");
    assert_eq!(pids(&rpm), ["web-0.pid", "web-1.pid"]);
}

#[test]
fn a_task_leaves_none() {
    let rpm = Rpm::new();
    rpm.ok("start true --name task --no-autorestart");
    rpm.wait_status("task", "stopped");
    wait_until("no pid file", || pids(&rpm).is_empty());
}

#[test]
fn the_daemons_is_a_bare_number() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let text = fs::read_to_string(rpm.home().join("rpm.pid")).unwrap();
    assert_eq!(text, rpm.daemon().unwrap().to_string());
    assert!(rpm.processes().contains(&rpm.daemon().unwrap()));
}
