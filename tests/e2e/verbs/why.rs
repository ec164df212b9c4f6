//! `why`: the story of a process.

use rpm_tests::{Rpm, wait_for};
use serde_json::Value;

#[test]
fn a_loop_that_pauses_tells_what_it_said_and_when_it_is_tried_again() {
    let rpm = Rpm::new();
    rpm.script("web.sh", "#!/bin/sh\necho listening; echo 'no database' >&2; exit 5\n");
    rpm.ok("start web.sh --restart-delay 600000 --max-restarts 16");
    rpm.wait_status("web", "waiting restart");
    let story = rpm.ok("why web");
    story
        .says(" web (0) ")
        .says("(restart_delay: 10 m 0 s): 1 unstable run in a row, given up at 16")
        .says(": code 5, after ")
        .says("it was restarted after a pause (restart_delay)")
        .says("| no database")
        .says("| listening");
    let told: Value = serde_json::from_str(&rpm.ok("why web --json").stdout).unwrap();
    let web = &told["processes"][0];
    assert_eq!((&told["schema"], &web["status"]), (&1.into(), &"waiting restart".into()));
    assert_eq!(web["last_run"]["last_words"]["error"][0], "no database");
    assert!(web["pause_ends"].as_i64() > web["last_run"]["ended"].as_i64(), "{web}");
}

#[test]
fn one_that_was_given_up_says_so() {
    let rpm = Rpm::new();
    rpm.script("web.sh", "#!/bin/sh\nexit 5\n");
    rpm.run("start web.sh --max-restarts 2");
    rpm.wait_status("web", "errored");
    rpm.ok("why web")
        .says("errored: 2 unstable restarts in a row, the last with code 5")
        .says("it was given up (errored)")
        .says("min_uptime");
}

#[test]
fn a_failure_before_the_last_run_is_not_forgotten() {
    let rpm = Rpm::new();
    let first = rpm.forever("web", "").pid();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGSEGV).unwrap();
    rpm.wait_where("web", "restarted", |entry| entry.restarts() == 1 && entry.pid() != 0);
    rpm.ok("restart web");
    rpm.ok("why web")
        .says("online (pid")
        .says("started by: restart")
        .says("it was restarted by hand")
        .says("the last run that failed was another")
        .says("signal SIGSEGV")
        .says("restarted at once (autorestart)");
    rpm.ok("delete web");
    let told = wait_for("its end", || {
        Some(rpm.ok("why web")).filter(|output| output.stdout.contains("it was deleted"))
    });
    told.says("it is not in the list");
    rpm.fails("why nobody").complains("nobody doesn't exist");
}

#[test]
fn describe_shows_the_last_five_runs() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\nexit 1\n");
    rpm.forever("web", "");
    rpm.ok("describe web").says_nothing_of("Last runs");
    rpm.ok("start task.sh --no-autorestart");
    rpm.wait_status("task", "stopped");
    for _ in 0..5 {
        rpm.run("run task --wait").ends_with(1);
    }
    let output = rpm.ok("describe task");
    assert_eq!(output.says("Last runs").stdout.matches("│ code 1").count(), 6, "five, and the last exit");
}
