//! `update`, `cleardump`, `reloadLogs`.

use std::fs;

use rpm_tests::Rpm;

#[test]
fn a_new_daemon_runs_what_the_old_one_ran() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.forever("idle", "");
    rpm.ok("stop idle");
    let daemon = rpm.daemon();
    rpm.ok("update")
        .says("Be sure to have the latest version installed before doing this procedure.")
        .says(">>>>>>>>>> RPM updated");
    assert_eq!(rpm.daemon(), daemon, "the same process goes on");
    assert_eq!(rpm.statuses(), ["web:online", "idle:stopped"]);
}

#[test]
fn without_a_daemon_one_is_started() {
    let rpm = Rpm::new();
    rpm.ok("update").says(">>>>>>>>>> RPM updated");
    assert!(rpm.daemon().is_some() && rpm.jlist().is_empty());
}

#[test]
fn the_saved_list_can_be_emptied() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("save");
    let dump = rpm.home().join("dump.rpm");
    rpm.ok("cleardump").says(&format!("[RPM] Successfully created {}", dump.display()));
    assert_eq!(fs::read_to_string(&dump).unwrap(), "[]");
    rpm.ok("delete all");
    rpm.ok("resurrect");
    assert!(rpm.jlist().is_empty());
    rpm.fails("cleardump now");
}

#[test]
fn logs_are_reopened() {
    let rpm = Rpm::new();
    rpm.ok("reloadLogs").says("Reloading all logs...\nAll logs reloaded\n");
    rpm.forever("web", "");
    rpm.ok("reloadLogs").says("All logs reloaded");
}
