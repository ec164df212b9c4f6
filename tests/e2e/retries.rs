//! Tasks that fail: time limits, and further tries.

use rpm_tests::{Rpm, wait_until};

#[test]
fn a_task_that_lasts_too_long_is_stopped_with_its_tree() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo begins; sh -c 'sleep 1000' & sleep 1000");
    rpm.ok("start task.sh --name task --no-autorestart --task-timeout 100");
    let entry = rpm.wait_status("task", "errored");
    assert_eq!(rpm.log("task-out"), "begins\n");
    wait_until("the tree is gone", || rpm.children().is_empty());
    assert_eq!(entry.restarts(), 0);
    rpm.ok("describe task").says("it ran longer than 100 ms (task_timeout)");
}

#[test]
fn a_task_that_fails_is_tried_again() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo tried | tee -a tries; [ $(wc -l < tries) -ge 3 ]");
    rpm.ok("start task.sh --name task --no-autorestart --retries 5 --retry-delay 10");
    let entry = rpm.wait_where("task", "well at the third try", |entry| entry.status() == "stopped");
    assert_eq!((rpm.log("task-out").lines().count(), entry.restarts()), (3, 2));
    assert_eq!(entry.get("exit_code"), 0);
}

#[test]
fn the_last_try_is_the_last_and_a_start_begins_anew() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo tried; exit 3");
    rpm.ok("start task.sh --name task --no-autorestart --retries 2 --retry-delay 10");
    rpm.wait_status("task", "errored");
    assert_eq!(rpm.log("task-out").lines().count(), 3);
    rpm.ok("describe task").says("3 tries failed, the last with code 3");
    rpm.run("restart task");
    wait_until("three more", || rpm.log("task-out").lines().count() == 6);
    rpm.wait_status("task", "errored");
}

#[test]
fn limits_and_tries_outlive_the_daemon() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo tried; sleep 1000");
    rpm.ok("start task.sh --name task --no-autorestart --task-timeout 1s --retries 1 --retry-delay 10");
    rpm.lose_daemon();
    rpm.ok("list");
    rpm.wait_status("task", "errored");
    assert_eq!(rpm.log("task-out"), "tried\ntried\n");
}
