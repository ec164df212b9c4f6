//! `kill`: the end of all.

use rpm_tests::{Rpm, wait_until};

#[test]
fn processes_and_daemon_end() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("b", "");
    let daemon = rpm.daemon().unwrap();
    rpm.ok("kill")
        .says("[RPM] Applying action deleteProcessId on app [all](ids: [ 0, 1 ])")
        .says("[RPM] [a](0) ✓")
        .says("[RPM] [b](1) ✓")
        .says("[RPM] [v] All Applications Stopped")
        .says("[RPM] [v] RPM Daemon Stopped");
    rpm.wait_daemon_gone(daemon);
    assert!(rpm.processes().is_empty());
    assert!(!rpm.socket().exists() && rpm.daemon().is_none(), "socket and pid file are gone");
    assert!(!rpm.home().join("dump.rpm").exists(), "kill saves nothing");
}

#[test]
fn it_is_no_failure_when_nothing_runs() {
    let rpm = Rpm::new();
    rpm.ok("kill").says("[RPM] [v] RPM Daemon Stopped");
    assert!(rpm.processes().is_empty());
}

#[test]
fn a_new_daemon_begins_empty() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.ok("kill");
    assert!(rpm.jlist().is_empty());
    assert_eq!(rpm.forever("b", "").id(), 0);
}

#[test]
fn two_at_once_both_end() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    let (one, other) = (rpm.start("kill"), rpm.start("kill"));
    one.output().ends_with(0);
    other.output().ends_with(0);
    wait_until("all to end", || rpm.processes().is_empty());
}

#[test]
fn a_positional_argument_is_refused() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.fails("kill a");
    assert_eq!(rpm.statuses(), ["a:online"]);
}
