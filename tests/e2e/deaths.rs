//! The daemon dies while it writes the journal, at one place after the other, and the next one too: nothing is lost,
//! and nobody runs twice.
//!
//! The record that would exceed a length of the file ends the daemon, cut off in the middle or before its first byte.

use std::{collections::BTreeSet, fs};

use nix::sys::signal::Signal;
use rpm_tests::{
    Rpm, Running, command_line,
    death::{self, Doomed},
    signal, wait_until,
};

/// A program that is up when it says so, and has a child that outlives it unless somebody ends that, too.
const APP: &str = "#!/bin/bash\nsetsid sleep 1000000 &\necho up\nwhile :; do read -rt 60; done\n";

/// How far apart the places are: one or two in each record.
const STEP: u64 = 190;

/// Both processes of the app as it runs now.
fn pair(rpm: &Rpm) -> Option<BTreeSet<i32>> {
    let entry = rpm.entry("app");
    let children = rpm.children();
    let is_whole = entry.status() == "online" && children.len() == 2 && children.contains(&entry.pid());
    is_whole.then_some(children)
}

fn journal_size(rpm: &Rpm) -> u64 {
    fs::metadata(rpm.home().join("state/journal")).unwrap().len()
}

/// The journal, which may have so many bytes.
fn journal_of(rpm: &Rpm, bytes: u64) -> death::Limit {
    death::Limit { file: rpm.home().join("state/journal"), bytes }
}

/// `verb` restarts the app, which is declared with `attributes` beside the usual.
fn die_everywhere(attributes: &str, verb: &str) {
    let rpm = Rpm::new();
    rpm.script("app.sh", APP);
    let app = r#""name": "app", "script": "app.sh", "kill_timeout": 50, "listen_timeout": 60000"#;
    // The journal is to be longer than all that the daemon writes beside it.
    let fill = "x".repeat(40000);
    rpm.write("app.json", &format!(r#"{{"apps": [{{{app}, "env": {{"FILL": "{fill}"}} {attributes}}}]}}"#));
    rpm.ok("start app.json");
    for place in 0.. {
        wait_until(format!("one of each at place {place}"), || pair(&rpm).is_some());
        let before = pair(&rpm).unwrap();
        let first = rpm.daemon().unwrap();
        let doomed = Doomed::new(first, journal_of(&rpm, journal_size(&rpm) + place * STEP));
        let is_done = rpm.run(verb).code == Some(0);
        if is_done && pair(&rpm).is_some() && rpm.daemon() == Some(first) {
            drop(doomed);
            assert!(place >= 5, "it died at {place} places only");
            assert!(pair(&rpm).unwrap().is_disjoint(&before));
            return;
        }
        rpm.wait_daemon_gone(first);
        // The next one has written what it found when it dies, and perhaps a little more.
        death::run_doomed(&rpm.command("ping"), journal_of(&rpm, journal_size(&rpm) + place * 70 % 300));
        for second in rpm.processes().into_iter().filter(|&pid| command_line(pid).contains("__daemon")) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(second), nix::sys::signal::SIGKILL);
            rpm.wait_daemon_gone(second);
        }
    }
}

#[test]
fn during_a_restart() {
    die_everywhere("", "restart app");
}

#[test]
fn during_a_reload_that_overlaps() {
    die_everywhere(r#", "reload": "overlap", "ready": "log:up""#, "reload app");
}

/// Kills the daemon as soon as the journal has `record`.
fn kill_at(rpm: &Rpm, record: &str) {
    let daemon = rpm.daemon().unwrap();
    let journal = rpm.home().join("state/journal");
    wait_until(record, || fs::read_to_string(&journal).is_ok_and(|text| text.contains(record)));
    signal(daemon, Signal::SIGKILL);
    rpm.wait_daemon_gone(daemon);
}

/// Kills the daemon when it has noted the new run of a reload.
fn die_in_reload(rpm: &Rpm) {
    let reload = Running::start(rpm.command("reload app"));
    kill_at(rpm, r#""new":{"pid""#);
    drop(reload.output());
}

/// Starts `script`, whose new run in a reload has long to show that it lives.
fn start_overlapping(rpm: &Rpm, script: &str) {
    rpm.script("app.sh", script);
    let app = r#"{"name": "app", "script": "app.sh", "reload": "overlap", "min_uptime": 3600000}"#;
    rpm.write("app.json", &format!(r#"{{"apps": [{app}]}}"#));
    rpm.ok("start app.json");
}

#[test]
fn a_reload_whose_runs_have_both_ended_names_neither() {
    let rpm = Rpm::new();
    start_overlapping(&rpm, "while :; do read -rt 60; done");
    let old = rpm.entry("app").pid();
    die_in_reload(&rpm);
    let runs: Vec<i32> = rpm.children().into_iter().collect();
    assert!(runs.len() == 2 && runs.contains(&old), "{runs:?}");
    // The new run has not been up for long enough: the reload goes on.
    rpm.ok("ping");
    assert_eq!((rpm.entry("app").pid(), rpm.children().len()), (old, 2));
    let daemon = rpm.daemon().unwrap();
    signal(daemon, Signal::SIGKILL);
    rpm.wait_daemon_gone(daemon);
    for run in runs {
        signal(run, Signal::SIGKILL);
    }
    wait_until("the end of both runs", || rpm.children().is_empty());
    rpm.ok("ping");
    rpm.wait_where("app", "a run that lives", |entry| {
        entry.status() == "online" && rpm.children().contains(&entry.pid())
    });
    rpm.ok("stop app");
    assert_eq!(rpm.entry("app").status(), "stopped");
    rpm.ok("kill");
}

#[test]
fn a_helper_that_leads_a_session_is_not_taken_for_a_run() {
    let rpm = Rpm::new();
    start_overlapping(&rpm, "setsid sleep 1000000 &\necho up\nwhile :; do read -rt 60; done");
    die_in_reload(&rpm);
    wait_until("both families", || rpm.children().len() == 4);
    // Both runs end while there is no daemon, and leave what they have started.
    let is_helper = |pid: &i32| command_line(*pid).contains("sleep 1000000");
    for run in rpm.children().into_iter().filter(|pid| !is_helper(pid)) {
        signal(run, Signal::SIGKILL);
    }
    wait_until("the helpers alone", || rpm.children().iter().all(is_helper));
    rpm.ok("ping");
    rpm.wait_where("app", "a run that is none of them", |entry| {
        entry.status() == "online" && rpm.children().contains(&entry.pid()) && !is_helper(&entry.pid())
    });
    rpm.ok("delete app");
    assert!(rpm.children().is_empty());
    rpm.ok("kill");
}

#[test]
fn workers_that_a_dead_daemon_takes_along_in_a_reload_are_started() {
    let rpm = Rpm::new();
    rpm.write("idle.js", "setInterval(() => {}, 1000000);");
    let app = r#"{"name": "app", "script": "idle.js", "exec_mode": "cluster", "min_uptime": 3600000, "max_restarts": 1}"#;
    rpm.write("app.json", &format!(r#"{{"apps": [{app}]}}"#));
    rpm.ok("start app.json");
    die_in_reload(&rpm);
    wait_until("the end of the workers", || rpm.children().is_empty());
    rpm.ok("ping");
    // Neither end is an unstable restart, of which one is too many.
    rpm.wait_where("app", "a worker that lives", |entry| {
        entry.status() == "online" && rpm.children().contains(&entry.pid())
    });
    rpm.ok("delete app");
    rpm.ok("kill");
}

#[test]
fn while_ticks_are_made_up_for_each_is_followed_once() {
    const APPS: usize = 60;
    let rpm = Rpm::new();
    // It lives until the next daemon looks.
    rpm.script("task.sh", "echo ran\nwhile :; do read -rt 60; done");
    let app = |number| {
        format!(
            r#"{{"name": "t{number}", "script": "task.sh", "cron_restart": "0 0 1 1 *", "cron_only": true,
                "cron_catch_up": true, "autorestart": false}}"#
        )
    };
    let apps: Vec<String> = (0..APPS).map(app).collect();
    rpm.write("app.json", &format!(r#"{{"apps": [{}]}}"#, apps.join(",")));
    rpm.ok("start app.json");
    let daemon = rpm.daemon().unwrap();
    signal(daemon, Signal::SIGKILL);
    rpm.wait_daemon_gone(daemon);
    let ticks: Vec<String> = (0..APPS).map(|number| format!(r#""t{number}":0"#)).collect();
    fs::write(rpm.home().join("state/ticks"), format!("{{{}}}", ticks.join(","))).unwrap();
    let ran = || -> Vec<usize> {
        (0..APPS).map(|number| rpm.log(&format!("t{number}-out")).lines().count()).collect()
    };
    let journal = rpm.home().join("state/journal");
    let followed = || fs::read_to_string(&journal).map_or(0, |text| text.matches("\"ticked\"").count());
    // Each daemon follows at least one tick more, and dies in the middle of the rest.
    while ran().contains(&0) {
        let before = followed();
        let look = Running::start(rpm.command("ping"));
        wait_until("one more", || followed() > before || !ran().contains(&0));
        let daemon = rpm.daemon().unwrap();
        signal(daemon, Signal::SIGKILL);
        rpm.wait_daemon_gone(daemon);
        drop(look.output());
    }
    // The next daemon has nothing left to do.
    rpm.ok("list");
    assert_eq!(ran(), [1; APPS]);
    rpm.ok("kill");
}

#[test]
fn a_task_that_ended_before_the_next_daemon_looks_runs_once() {
    let rpm = Rpm::new();
    // Longer than all that the daemon writes beside its journal.
    let fill = "x".repeat(40000);
    rpm.script("task.sh", "echo ran");
    rpm.write(
        "task.json",
        &format!(
            r#"{{"apps": [{{"name": "task", "script": "task.sh", "autorestart": false, "cron_restart": "0 0 1 1 *",
                "env": {{"FILL": "{fill}"}}}}]}}"#
        ),
    );
    rpm.ok("start task.json");
    rpm.wait_status("task", "stopped");
    let ran = || rpm.log("task-out").lines().count();
    let mut runs = ran();
    let mut deaths = 0;
    for place in 0.. {
        let first = rpm.daemon().unwrap();
        let doomed = Doomed::new(first, journal_of(&rpm, journal_size(&rpm) + place * 50));
        let is_done = rpm.run("start task").code == Some(0);
        drop(doomed);
        if is_done && rpm.daemon() == Some(first) {
            rpm.wait_status("task", "stopped");
            assert!(deaths >= 5, "it died at {deaths} places only");
            break;
        }
        rpm.wait_daemon_gone(first);
        // What it had started ends before the next daemon looks.
        wait_until("the end of the task", || rpm.children().is_empty());
        let text = fs::read_to_string(rpm.home().join("state/journal")).unwrap();
        let was_asked = text.lines().any(|line| line.starts_with("{\"ordered\"") && line.contains("\"sum\""));
        rpm.ok("ping");
        rpm.wait_where("task", "its end", |entry| entry.status() == "stopped" && rpm.children().is_empty());
        rpm.ok("list");
        runs += usize::from(was_asked);
        deaths += usize::from(was_asked);
        assert_eq!(ran(), runs, "at place {place}");
        let marks = fs::read_dir(rpm.home().join("state/begun")).map_or(0, Iterator::count);
        assert_eq!(marks, 0);
    }
    rpm.ok("kill");
}
