//! What follows the end of a process: the restart rules, seen from outside.

use std::collections::BTreeSet;

use rpm_tests::{Puppet, Rpm, wait_until};

#[test]
fn what_ends_is_started_again() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    let before = rpm.entry("web");
    puppet.does("exit 3");
    let after =
        rpm.wait_where("web", "restarted", |entry| entry.restarts() == 1 && entry.status() == "online");
    assert_ne!(before.pid(), after.pid());
    assert_eq!(after.number("exit_code"), 3);
    puppet.does("exit 0");
    rpm.wait_where("web", "restarted after code 0", |entry| entry.restarts() == 2);
}

#[test]
fn a_crash_loop_ends_after_sixteen_runs() {
    let rpm = Rpm::new();
    // However slow the machine is, each run is a short one.
    rpm.ok("start fails.sh --name loop --min-uptime 3600000 -- 4");
    let entry = rpm.wait_status("loop", "errored");
    assert_eq!((entry.restarts(), entry.pid(), entry.number("exit_code")), (15, 0, 4));
    assert_eq!(entry.log("err"), "failing\n".repeat(16));
    assert!(rpm.log("rpm").contains("errored"), "the daemon's log tells");
}

#[test]
fn an_errored_app_can_be_started_again() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--max-restarts 2 --min-uptime 3600000");
    puppet.does("exit 1\nexit 1");
    assert_eq!(rpm.wait_status("web", "errored").restarts(), 1);
    rpm.ok("restart web");
    assert_eq!(rpm.entry("web").status(), "online");
    // Its account begins anew.
    puppet.does("exit 1");
    rpm.wait_where("web", "restarted", |entry| entry.restarts() == 2 && entry.status() == "online");
    puppet.does("exit 1");
    rpm.wait_status("web", "errored");
}

#[test]
fn max_restarts_is_the_limit_of_short_runs() {
    let rpm = Rpm::new();
    rpm.ok("start fails.sh --name loop --max-restarts 3 --min-uptime 3600000");
    let entry = rpm.wait_status("loop", "errored");
    assert_eq!((entry.restarts(), entry.log("err").lines().count()), (2, 3));
}

#[test]
fn a_run_longer_than_min_uptime_is_stable() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--max-restarts 2 --min-uptime 100");
    for _ in 0..4 {
        puppet.does("sleep 0.15; exit 1");
    }
    rpm.wait_where("web", "restarted four times", |entry| {
        entry.restarts() == 4 && entry.status() == "online"
    });
}

#[test]
fn a_restart_waits_for_its_delay() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "slow", "--restart-delay 3600000");
    puppet.does("exit 1");
    let entry = rpm.wait_status("slow", "waiting restart");
    assert_eq!((entry.pid(), entry.restarts()), (0, 0));
    // Nobody has to wait for it.
    rpm.ok("restart slow");
    assert_eq!(rpm.entry("slow").status(), "online");
    puppet.does("exit 1");
    rpm.wait_status("slow", "waiting restart");
    rpm.ok("stop slow");
    assert_eq!(rpm.entry("slow").status(), "stopped");

    let quick = Puppet::start(&rpm, "quick", "--restart-delay 20");
    quick.does("exit 1");
    rpm.wait_where("quick", "back", |entry| entry.restarts() == 1 && entry.status() == "online");
}

#[test]
fn a_waiting_app_can_be_deleted() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "slow", "--restart-delay 3600000");
    puppet.does("exit 1");
    rpm.wait_status("slow", "waiting restart");
    rpm.ok("delete slow");
    assert!(rpm.jlist().is_empty());
}

#[test]
fn delays_grow() {
    let rpm = Rpm::new();
    rpm.ok("start fails.sh --name loop --exp-backoff-restart-delay 10");
    let mut seen = BTreeSet::new();
    wait_until("growing delays", || {
        seen.insert(rpm.entry("loop").number("prev_restart_delay"));
        seen.last() >= Some(&73)
    });
    // Half as much again each time, as in PM2.
    let series = std::iter::successors(Some(10), |delay| Some((delay * 3 / 2).min(15_000))).take(30);
    let series: BTreeSet<i64> = std::iter::once(0).chain(series).collect();
    assert!(seen.is_subset(&series), "{seen:?}");
    assert!(rpm.entry("loop").restarts() >= 5);
}

#[test]
fn some_exit_codes_end_it() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--stop-exit-codes 3");
    puppet.does("exit 4");
    rpm.wait_where("web", "restarted", |entry| entry.restarts() == 1 && entry.status() == "online");
    puppet.does("exit 3");
    let entry = rpm.wait_status("web", "stopped");
    assert_eq!((entry.restarts(), entry.number("exit_code"), entry.pid()), (1, 3, 0));
}

#[test]
fn a_task_ends() {
    let rpm = Rpm::new();
    rpm.ok("start true --name good --no-autorestart");
    rpm.ok("start fails.sh --name bad --no-autorestart -- 9");
    assert_eq!(rpm.wait_status("good", "stopped").number("exit_code"), 0);
    let bad = rpm.wait_status("bad", "stopped");
    assert_eq!((bad.number("exit_code"), bad.restarts()), (9, 0));
}

#[test]
fn a_death_by_signal_is_followed_by_a_restart_and_told_as_such() {
    let rpm = Rpm::new();
    // PM2's 0 for such a death would match.
    let puppet = Puppet::start(&rpm, "web", "--stop-exit-codes 0");
    puppet.does("kill -KILL $$");
    rpm.wait_where("web", "restarted", |entry| entry.restarts() == 1 && entry.status() == "online");
    assert!(rpm.log("rpm").contains("SIGKILL"), "{}", rpm.log("rpm"));
}

#[test]
fn a_stop_during_a_crash_loop_wins() {
    let rpm = Rpm::new();
    rpm.ok("start fails.sh --name loop --restart-delay 1");
    rpm.ok("stop loop");
    let stopped = rpm.entry("loop");
    assert_eq!((stopped.status(), stopped.pid()), ("stopped", 0));
    wait_until("the last run to end", || rpm.children().is_empty());
    assert_eq!(rpm.entry("loop").restarts(), stopped.restarts());
}

#[test]
fn what_is_no_longer_there_cannot_be_restarted() {
    let rpm = Rpm::new();
    rpm.script("gone.sh", "#!/bin/sh\nexec sleep 1000000");
    rpm.script("there/left.sh", "exec sleep 1000000");
    rpm.ok("start gone.sh --interpreter none");
    rpm.ok("start left.sh --cwd there");
    std::fs::remove_file(rpm.path("gone.sh")).unwrap();
    std::fs::remove_dir_all(rpm.path("there")).unwrap();
    for name in ["gone", "left"] {
        let output = rpm.fails(["restart", name]);
        assert!(output.stderr.contains(name), "the reason names it: {output}");
        assert_eq!(rpm.entry(name).status(), "errored");
    }
}

/// Whatever two verbs meet, and in whatever order: each gets an answer, nothing runs twice, nothing is lost.
#[test]
fn any_two_verbs_at_once_agree() {
    let rpm = Rpm::new();
    rpm.forever("bystander", "");
    let verbs = ["start web", "stop web", "restart web", "delete web", "scale web 2"];
    for (i, one) in verbs.iter().enumerate() {
        for other in &verbs[i..] {
            rpm.run("delete web");
            rpm.ok("start forever.sh --name web");
            for running in [one, other].map(|line| rpm.start(*line)) {
                let output = running.output();
                assert!(matches!(output.code, Some(0 | 1)), "{output}");
            }
            wait_until(format!("agreement after `{one}` and `{other}`"), || {
                let list = rpm.jlist();
                let at_rest = list.iter().all(|entry| match entry.status() {
                    "online" => entry.pid() > 0,
                    "stopped" => entry.pid() == 0,
                    _ => false,
                });
                let pids =
                    list.iter().map(rpm_tests::Entry::pid).filter(|&pid| pid > 0).collect::<BTreeSet<_>>();
                at_rest && pids == rpm.children()
            });
        }
    }
}

#[test]
fn the_attributes_of_a_file_mean_the_same() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "limited"
        script = "fails.sh"
        max_restarts = 2
        min_uptime = "1h"
        [[apps]]
        name = "coded"
        script = "fails.sh"
        args = ["5"]
        stop_exit_codes = [5, 6]
        [[apps]]
        name = "delayed"
        script = "fails.sh"
        restart_delay = 3600000
        "#,
    );
    rpm.ok("start eco.toml");
    assert_eq!(rpm.wait_status("limited", "errored").restarts(), 1);
    assert_eq!(rpm.wait_status("coded", "stopped").restarts(), 0);
    rpm.wait_status("delayed", "waiting restart");
}
