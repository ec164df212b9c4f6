//! A daemon that has no descriptor to spare.

use std::{fs, process::Command};

use rpm_tests::{Raw, Rpm, wait_until};
use serde_json::{Value, json};

/// Sets how many files process `pid` may have open: `soft`, or `soft:hard`.
fn limit(pid: i32, limit: &str) {
    let limited = Command::new("prlimit")
        .args([format!("--pid={pid}"), format!("--nofile={limit}")])
        .status()
        .expect("prlimit is part of util-linux");
    assert!(limited.success());
}

/// The limits of process `pid`, soft and hard.
fn limits(pid: i32) -> (String, String) {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.split_whitespace().skip(3);
    let mut next = || words.next().unwrap().to_owned();
    (next(), next())
}

/// Leaves the daemon so many descriptors.
fn leave(rpm: &Rpm, spare: usize) -> i32 {
    let daemon = rpm.daemon().unwrap();
    let open = fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().count();
    limit(daemon, &format!("{}:", open + spare));
    daemon
}

/// Does something to all processes over a connection that is there already.
fn act(client: &mut Raw, action: &str) -> Vec<Value> {
    client.ask(&json!({ "act": { "action": action, "target": { "text": "all", "cwd": "/" } } }))
}

#[test]
fn a_tree_is_ended_whole_by_a_daemon_without_descriptors() {
    let rpm = Rpm::new();
    for spare in 0..4 {
        rpm.ok("start family.js --name family --kill-timeout 300");
        wait_until("six processes", || rpm.children().len() == 6);
        let mut client = Raw::greet(&rpm);
        let daemon = leave(&rpm, spare);
        act(&mut client, "stop");
        assert!(rpm.children().is_empty(), "{spare} to spare: {:?}", rpm.children());
        limit(daemon, "1024:");
        assert_eq!(rpm.statuses(), ["family:stopped"]);
        rpm.ok("delete family");
    }
}

#[test]
fn what_cannot_be_started_for_want_of_descriptors_is_started_when_there_are_some() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let mut client = Raw::greet(&rpm);
    let daemon = leave(&rpm, 0);
    // What is kept for stops is not lent to starts.
    let told = act(&mut client, "restart");
    let told = told.iter().find(|reply| reply.get("acted").is_some()).unwrap();
    assert_eq!(told["acted"]["status"], "launching", "{told}");
    assert!(told["acted"]["error"].as_str().unwrap().contains("Too many open files"), "{told}");
    limit(daemon, "1024:");
    let entry = rpm.wait_status("web", "online");
    // Counted as the restart that was asked for, and not for each attempt.
    assert_eq!((entry.restarts(), rpm.children().into_iter().collect::<Vec<_>>()), (1, vec![entry.pid()]));
}

#[test]
fn the_daemon_may_open_more_than_its_children() {
    let rpm = Rpm::new();
    let start = rpm.command_under("prlimit", &["--nofile=300:900"], "start forever.sh --name web");
    rpm_tests::Running::start(start).output().ends_with(0);
    let both = |rpm: &Rpm| (limits(rpm.daemon().unwrap()), limits(rpm.entry("web").pid()));
    let text = |soft: &str| (soft.to_owned(), "900".to_owned());
    assert_eq!(both(&rpm), (text("900"), text("300")));
    // Its next image knows that, too.
    rpm.ok("update");
    rpm.ok("restart web");
    assert_eq!(both(&rpm), (text("900"), text("300")));
}
