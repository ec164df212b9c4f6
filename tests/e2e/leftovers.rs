//! What a run leaves whose main process ends by itself.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use rpm_tests::{Rpm, signal, wait_until};

/// Leaves one process in its group and one in a session of its own.
const LEAVING: &str = "sleep 1000000 &\nsetsid sleep 1000000 &\nexit 3";

/// Starts a task, declared with `attributes` beside the usual.
fn start(rpm: &Rpm, script: &str, attributes: &str) {
    rpm.script("task.sh", script);
    rpm.write(
        "task.json",
        &format!(
            r#"{{"apps": [{{"name": "task", "script": "task.sh", "autorestart": false {attributes}}}]}}"#
        ),
    );
    rpm.ok("start task.json");
}

/// What a task has left that has ended: two processes, if they live.
fn left(rpm: &Rpm, attributes: &str) -> BTreeSet<i32> {
    start(rpm, LEAVING, attributes);
    rpm.wait_status("task", "stopped");
    rpm.children()
}

#[test]
fn it_ends_with_the_run() {
    let rpm = Rpm::new();
    assert_eq!(left(&rpm, ""), BTreeSet::new());
    assert_eq!(rpm.entry("task").number("exit_code"), 3);
    rpm.ok("kill");
}

#[test]
fn a_restart_follows_when_it_has_ended() {
    let rpm = Rpm::new();
    // The second run finds what the first one has left, if it is there.
    let script = "[ -e left ] && kill -0 $(cat left) && echo both\necho run\nsleep 1000000 &\necho $! > left\n[ -e twice ] && wait\ntouch twice";
    rpm.script("app.sh", script);
    rpm.ok("start app.sh --name app");
    wait_until("the second run", || rpm.log("app-out").matches("run").count() == 2);
    assert!(!rpm.log("app-out").contains("both"));
    rpm.wait_where("app", "one that lives", |entry| entry.status() == "online" && entry.restarts() == 1);
    rpm.ok("kill");
}

#[test]
fn a_death_of_the_daemon_meanwhile_changes_nothing() {
    let rpm = Rpm::new();
    start(
        &rpm,
        "trap '' INT\nsetsid sh -c 'trap \"\" INT; sleep 1000000' &\nexit 0",
        r#", "kill_timeout": 3600000"#,
    );
    rpm.wait_status("task", "stopping");
    rpm.lose_daemon();
    rpm.ok("ping");
    rpm.wait_status("task", "stopping");
    for child in rpm.children() {
        signal(child, Signal::SIGKILL);
    }
    rpm.wait_status("task", "stopped");
    rpm.ok("kill");
}

#[test]
fn it_ends_too_where_the_main_process_ended_without_a_daemon() {
    let rpm = Rpm::new();
    rpm.script("app.sh", "setsid sleep 1000000 &\nwhile :; do read -rt 60; done");
    rpm.ok("start app.sh --name app");
    wait_until("both", || rpm.children().len() == 2);
    let (before, main) = (rpm.children(), rpm.entry("app").pid());
    rpm.lose_daemon();
    signal(main, Signal::SIGKILL);
    wait_until("its end", || rpm.children().len() == 1);
    rpm.ok("ping");
    wait_until("a family of its own", || rpm.children().len() == 2 && rpm.children().is_disjoint(&before));
    rpm.ok("kill");
}

#[test]
fn it_stays_where_trees_are_not_ended() {
    let rpm = Rpm::new();
    let left = left(&rpm, r#", "treekill": false"#);
    assert_eq!(left.len(), 2);
    rpm.ok("delete task");
    assert_eq!(rpm.children(), left);
    for child in left {
        signal(child, Signal::SIGKILL);
    }
    rpm.ok("kill");
}

#[test]
fn as_pm2_it_survives_until_its_process_is_stopped() {
    for verb in ["stop task", "delete task", "delete all", "kill"] {
        let rpm = Rpm::pm2();
        assert_eq!(left(&rpm, "").len(), 2, "{verb}");
        rpm.ok(verb);
        wait_until(format!("the end of what was left after {verb}"), || rpm.children().is_empty());
        rpm.ok("kill");
    }
}

#[test]
fn as_pm2_the_time_limit_of_a_task_reaches_it() {
    let rpm = Rpm::pm2();
    start(&rpm, "sleep 1000000 &\nexit 0", r#", "task_timeout": 300"#);
    rpm.wait_status("task", "stopped");
    wait_until("the end of what was left", || rpm.children().is_empty());
    rpm.ok("kill");
}
