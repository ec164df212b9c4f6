//! Reloads that fail, or are cut off, of programs that overlap.

use std::collections::BTreeSet;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Entry, Rpm, wait_until};

/// Declares `app` with this script, which says `up` when it is; the environment tells the declarations apart.
fn declare(rpm: &Rpm, instances: u32, script: &str) {
    rpm.write(
        "app.toml",
        &format!(
            "[[apps]]\nname = 'app'\nscript = '{script}.sh'\nreload = 'overlap'\nready = 'log:up'\n\
             listen_timeout = '1h'\nkill_timeout = 50\ninstances = {instances}\nenv = {{ WHAT = '{script}' }}\n"
        ),
    );
}

fn scripts(rpm: &Rpm) {
    for name in ["good", "better"] {
        rpm.script(&format!("{name}.sh"), "#!/bin/sh\necho up\nexec sleep 1000000\n");
    }
    rpm.script("broken.sh", "#!/bin/sh\nexit 3\n");
    rpm.script("stuck.sh", "#!/bin/sh\nexec sleep 1000000\n");
}

fn pids(rpm: &Rpm) -> BTreeSet<i32> {
    rpm.jlist().iter().map(Entry::pid).collect()
}

/// What each process is, after all that run have crashed.
fn what_runs_after_a_crash(rpm: &Rpm) -> BTreeSet<String> {
    let before = pids(rpm);
    for &pid in &before {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    wait_until("the next runs", || {
        let list = rpm.jlist();
        list.iter().all(|entry| entry.status() == "online" && !before.contains(&entry.pid()))
    });
    rpm.jlist().iter().map(|entry| entry.environ()["WHAT"].clone()).collect()
}

fn only(what: &str) -> BTreeSet<String> {
    BTreeSet::from([what.to_owned()])
}

#[test]
fn what_was_declared_before_a_failure_is_what_runs_after_a_crash() {
    let rpm = Rpm::new();
    scripts(&rpm);
    declare(&rpm, 2, "good");
    rpm.ok("start app.toml");
    let before = pids(&rpm);
    declare(&rpm, 2, "broken");
    rpm.fails("reload app.toml").complains("not reloaded, pid ").says("not reloaded because 0 failed: 1");
    assert_eq!(pids(&rpm), before);
    assert_eq!(what_runs_after_a_crash(&rpm), only("good"));
    // The next daemon knows it, too.
    rpm.fails("reload app.toml");
    rpm.lose_daemon();
    rpm.ok("ping");
    assert_eq!(what_runs_after_a_crash(&rpm), only("good"));
    declare(&rpm, 2, "better");
    rpm.ok("reload app.toml");
    assert_eq!(what_runs_after_a_crash(&rpm), only("better"));
}

#[test]
fn one_of_both_is_left_when_the_daemon_is_killed_in_the_middle() {
    let rpm = Rpm::new();
    scripts(&rpm);
    declare(&rpm, 1, "good");
    rpm.ok("start app.toml");
    let old = rpm.entry("app").pid();
    declare(&rpm, 1, "stuck");
    let reload = rpm.start("reload app.toml");
    wait_until("the new one", || rpm.children().len() == 2);
    rpm.lose_daemon();
    drop(reload.output());
    rpm.ok("ping");
    wait_until("the end of the new one", || rpm.children() == BTreeSet::from([old]));
    let entry = rpm.entry("app");
    assert_eq!((entry.pid(), entry.status(), entry.restarts()), (old, "online", 0));
    assert_eq!(what_runs_after_a_crash(&rpm), only("good"));
    assert_eq!(rpm.children(), pids(&rpm));
}
