//! The daemon dies while it writes the journal, at one place after the other, and the next one too: nothing is lost,
//! and nobody runs twice.
//!
//! It dies by its limit of the size of files: the record that would pass it ends the daemon (SIGXFSZ), cut off in the
//! middle or before its first byte.

use std::{collections::BTreeSet, fs, process::Command};

use rpm_tests::{Rpm, Running, command_line, wait_until};

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

fn limit_files(daemon: i32, limit: &str) {
    let args = [format!("--pid={daemon}"), format!("--fsize={limit}:")];
    assert!(Command::new("prlimit").args(args).status().expect("it is part of util-linux").success());
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
        limit_files(first, &format!("{}", journal_size(&rpm) + place * STEP));
        let is_done = rpm.run(verb).code == Some(0);
        if is_done && pair(&rpm).is_some() && rpm.daemon() == Some(first) {
            limit_files(first, "unlimited");
            assert!(place >= 5, "it died at {place} places only");
            assert!(pair(&rpm).unwrap().is_disjoint(&before));
            return;
        }
        rpm.wait_daemon_gone(first);
        // The next one has written what it found when it dies, and perhaps a little more.
        let limit = format!("--fsize={}", journal_size(&rpm) + place * 70 % 300);
        drop(Running::start(rpm.command_under("prlimit", &[&limit], "ping")).output());
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
