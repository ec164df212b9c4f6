//! `scale`: more or fewer processes of an app.

use std::os::unix::process::CommandExt;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, Running, wait_for, wait_until};

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
    // Those with the highest instance numbers go.
    rpm.ok("scale web 2");
    assert_eq!(ids(&rpm), [0, 1]);
    assert_eq!(numbers(&rpm), [0, 1]);
    rpm.ok("delete 0");
    rpm.ok("scale web 3");
    assert_eq!(numbers(&rpm), [1, 0, 2], "a free number is used again");
    rpm.ok("scale web 1");
    assert_eq!(numbers(&rpm), [0], "the number counts, not the id");
    rpm.ok("scale web 0");
    assert!(rpm.jlist().is_empty());
}

fn numbers(rpm: &Rpm) -> Vec<i64> {
    rpm.jlist().iter().map(|entry| entry.number("NODE_APP_INSTANCE")).collect()
}

#[test]
fn called_pm2_those_with_the_lowest_ids_go() {
    let rpm = Rpm::new();
    let pm2 = |words: &str| {
        let mut command = rpm.command(words);
        command.arg0("pm2").env("PM2_HOME", rpm.path("pm2-home"));
        let output = Running::start(command).output();
        output.ends_with(0);
        output.stdout
    };
    pm2("start forever.sh --name web -i 3");
    pm2("scale web 1");
    let left: serde_json::Value = serde_json::from_str(&pm2("jlist")).unwrap();
    let ids: Vec<_> = left.as_array().unwrap().iter().map(|entry| entry["pm_id"].clone()).collect();
    assert_eq!(ids, [2]);
    rpm.write(
        "many.json",
        r#"{ "name": "task", "script": "forever.sh", "instances": 501, "cron_only": true, "cron": "0 0 1 1 *" }"#,
    );
    pm2("start many.json");
    let all: serde_json::Value = serde_json::from_str(&pm2("jlist")).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(502), "many go on without a question");
    pm2("kill");
}

#[test]
fn one_limit_holds_for_every_entry() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let daemon = rpm.daemon();
    for number in ["65536", "99999999", "+65535", "4294967295", "+4294967295"] {
        rpm.fails(&format!("scale web {number}")).complains("at most 65535");
    }
    rpm.fails("start forever.sh --name more -i 65536").complains("a number up to 65535");
    rpm.write("many.json", r#"{ "apps": [{ "name": "more", "script": "forever.sh", "instances": 65536 }] }"#);
    for verb in ["start", "restart", "apply"] {
        rpm.fails(&format!("{verb} many.json")).complains("a number up to 65535");
    }
    assert_eq!(ids(&rpm), [0]);
    assert_eq!(rpm.daemon(), daemon);
}

#[test]
fn very_many_processes_have_to_be_confirmed() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.write("many.json", r#"{ "apps": [{ "name": "more", "script": "forever.sh", "instances": 501 }] }"#);
    for verb in ["scale web 501", "scale web +500", "start forever.sh --name more -i 501", "start many.json"]
    {
        rpm.fails(verb).complains("would have 501 processes: add --force");
    }
    rpm.fails("apply many.json").complains("would have 501 processes: add --force");
    assert_eq!(ids(&rpm), [0]);
}

#[test]
fn the_daemon_answers_while_it_creates_many() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "task", "--cron", "0 0 1 1 *", "--no-autorestart"]);
    let scaling = rpm.start("scale task 20000 --force");
    let count = || rpm.jlist().len();
    wait_until("a list of the first ones", || count() > 500);
    assert!(count() < 20_000, "the answer came while most were still to be created");
    rpm.ok("scale task 3");
    drop(scaling.output());
    wait_until("the later request to count", || ids(&rpm).len() == 3);
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
