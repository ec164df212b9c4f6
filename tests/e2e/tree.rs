//! Stopping means the whole tree, wherever its members have gone.

use std::collections::BTreeSet;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, wait_for, wait_until};

/// `family.js`, its five descendants among them one in a session of its own and one whose parent has ended.
fn family(rpm: &Rpm, options: &str) -> BTreeSet<i32> {
    rpm.ok(&format!("start family.js --name family --kill-timeout 300 {options}"));
    whole(rpm, 0)
}

/// The family, once it is complete; `strays` others may live.
fn whole(rpm: &Rpm, strays: usize) -> BTreeSet<i32> {
    wait_for("six processes", || {
        let names: Vec<_> = rpm.children().into_iter().map(rpm_tests::command_line).collect();
        let sleeps = names.iter().filter(|name| name.contains(" sleep 1000000")).count();
        (names.len() == 6 + strays && sleeps >= 4).then(|| rpm.children())
    })
}

#[test]
fn stop_ends_every_descendant() {
    let rpm = Rpm::new();
    family(&rpm, "");
    rpm.ok("stop family");
    assert_eq!(rpm.entry("family").status(), "stopped");
    assert!(rpm.children().is_empty(), "{:?}", rpm.children());
}

#[test]
fn restart_ends_every_descendant_of_the_run_before() {
    let rpm = Rpm::new();
    let before = family(&rpm, "");
    rpm.ok("restart family");
    let after = whole(&rpm, 0);
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
}

#[test]
fn delete_and_kill_end_every_descendant() {
    let rpm = Rpm::new();
    family(&rpm, "");
    rpm.ok("delete family");
    assert!(rpm.children().is_empty());
    family(&rpm, "");
    rpm.ok("kill");
    assert!(rpm.children().is_empty());
}

#[test]
fn what_a_crash_left_behind_ends_before_the_next_run() {
    let rpm = Rpm::new();
    let before = family(&rpm, "");
    kill(Pid::from_raw(rpm.entry("family").pid()), Signal::SIGKILL).unwrap();
    rpm.wait_where("family", "restarted", |entry| entry.restarts() == 1 && entry.status() == "online");
    assert!(rpm.children().is_disjoint(&before));
    rpm.ok("stop family");
    assert!(rpm.children().is_empty());
}

#[test]
fn as_pm2_what_a_crash_left_behind_ends_with_the_next_stop() {
    let rpm = Rpm::pm2();
    let before = family(&rpm, "");
    kill(Pid::from_raw(rpm.entry("family").pid()), Signal::SIGKILL).unwrap();
    rpm.wait_where("family", "restarted", |entry| entry.restarts() == 1 && entry.status() == "online");
    let both = whole(&rpm, before.len() - 1);
    assert!(both.len() > before.len());
    rpm.ok("stop family");
    assert!(rpm.children().is_empty());
}

#[test]
fn another_apps_processes_are_left_alone() {
    let rpm = Rpm::new();
    let other = rpm.forever("other", "").pid();
    rpm.ok("start family.js --name family --kill-timeout 300");
    whole(&rpm, 1);
    rpm.ok("stop family");
    assert!(rpm.children().into_iter().eq([other]));
}

#[test]
fn a_polite_app_gets_one_sigint() {
    let rpm = Rpm::new();
    rpm.ok("start signals.js --name web");
    wait_until("the handlers", || rpm.log("web-out") == "ready\n");
    rpm.ok("stop web");
    assert_eq!(rpm.log("web-out"), "ready\nSIGINT\n");
    assert_eq!(rpm.entry("web").number("exit_code"), 0);
}

#[test]
fn a_stubborn_app_is_killed_after_its_kill_timeout() {
    let rpm = Rpm::new();
    rpm.ok("start signals.js --name web --kill-timeout 200 -- stubborn");
    wait_until("the handlers", || rpm.log("web-out") == "ready\n");
    rpm.ok("stop web");
    assert_eq!(rpm.log("web-out"), "ready\nSIGINT\n", "one signal, and then the end");
    assert!(rpm.log("rpm").contains("SIGKILL"), "{}", rpm.log("rpm"));
    assert!(rpm.children().is_empty());
}

#[test]
fn kill_timeout_is_a_limit_and_not_a_pause() {
    let rpm = Rpm::new();
    rpm.ok("start signals.js --name web --kill-timeout 3600000");
    wait_until("the handlers", || rpm.log("web-out") == "ready\n");
    // Would not end within the limit of a verb.
    rpm.ok("stop web");
}

#[test]
fn the_signal_can_be_chosen() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "term"
        script = "signals.js"
        kill_signal = "SIGTERM"
        [[apps]]
        name = "usr2"
        script = "signals.js"
        kill_signal = "SIGUSR2"
        "#,
    );
    rpm.ok("start eco.toml");
    wait_until("the handlers", || rpm.log("term-out") == "ready\n" && rpm.log("usr2-out") == "ready\n");
    rpm.ok("stop all");
    assert_eq!(rpm.log("term-out"), "ready\nSIGTERM\n");
    assert_eq!(rpm.log("usr2-out"), "ready\nSIGUSR2\n");
}

#[test]
fn a_second_stop_meets_the_first() {
    let rpm = Rpm::new();
    rpm.ok("start signals.js --name web --kill-timeout 300 -- stubborn");
    wait_until("the handlers", || rpm.log("web-out") == "ready\n");
    let (one, other) = (rpm.start("stop web"), rpm.start("delete web"));
    one.output();
    other.output().ends_with(0);
    assert!(rpm.jlist().is_empty() && rpm.children().is_empty());
}
