//! `scale`: more or fewer processes of an app.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, wait_for, wait_until};

fn ids(rpm: &Rpm) -> Vec<i64> {
    rpm.jlist().iter().map(rpm_tests::Entry::id).collect()
}

#[test]
fn processes_are_added_and_taken_away() {
    let rpm = Rpm::new();
    let first = rpm.forever("web", "-i 1").pid();
    rpm.ok("scale web 3").says("[RPM] Scaling up application");
    assert_eq!(ids(&rpm), [0, 1, 2]);
    rpm.ok("scale web +2");
    assert_eq!(ids(&rpm), [0, 1, 2, 3, 4]);
    assert_eq!(rpm.jlist()[0].pid(), first, "those that are there are left alone");
    // Those with the lowest ids go, as in PM2.
    rpm.ok("scale web 2");
    assert_eq!(ids(&rpm), [3, 4]);
    rpm.ok("scale web 3");
    let numbers: Vec<_> = rpm.jlist().iter().map(|entry| entry.number("NODE_APP_INSTANCE")).collect();
    assert_eq!(numbers, [3, 4, 0], "a free number is used again");
    rpm.ok("scale web 0");
    assert!(rpm.jlist().is_empty());
}

#[test]
fn what_cannot_be_done_is_said() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.fails("scale web 1").complains("[RPM][ERROR] Nothing to do");
    rpm.fails("scale nobody 2").complains("[RPM][ERROR] Application nobody not found");
    rpm.fails("scale web many");
    rpm.fails("scale web -1");
    assert_eq!(ids(&rpm), [0]);
}

#[test]
fn those_that_are_ending_count_no_more() {
    let rpm = Rpm::new();
    rpm.script("slow.sh", "#!/bin/bash\ntrap : INT\nuntil [ -e over ]; do sleep 0.02; done\n");
    rpm.ok("start slow.sh -i 3 --kill-timeout 60000 --no-autorestart");
    let down = rpm.start("scale slow 2");
    let is_leaving = |entry: &rpm_tests::Entry| entry.status() == "stopping";
    let leaving = wait_for("one to be on its way out", || rpm.jlist().into_iter().find(is_leaving));
    rpm.ok("scale slow 3");
    kill(Pid::from_raw(leaving.pid()), Signal::SIGKILL).unwrap();
    drop(down.output());
    assert_eq!(rpm.statuses(), ["slow:online"; 3]);
    rpm.write("over", "");
    wait_until("all to end", || rpm.children().is_empty());
}
