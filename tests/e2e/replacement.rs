//! `update`: another program takes the daemon's place, and nobody notices.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, wait_until};

#[test]
fn the_daemon_is_replaced_in_place_and_its_children_stay_its_children() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("start forever.sh --name code --no-autorestart");
    rpm.ok("restart web");
    let (daemon, before) = (rpm.daemon(), rpm.jlist());
    let processes = rpm.children();
    rpm.ok("update").says("RPM updated");
    assert_eq!((rpm.daemon(), rpm.children()), (daemon, processes));
    let facts = |list: &[rpm_tests::Entry]| {
        list.iter()
            .map(|entry| (entry.id(), entry.pid(), entry.restarts(), entry.number("pm_uptime")))
            .collect::<Vec<_>>()
    };
    assert_eq!(facts(&rpm.jlist()), facts(&before));
    assert!(rpm.log("rpm").contains("took the place"), "{}", rpm.log("rpm"));
    // It is their parent: it learns how they end.
    kill(Pid::from_raw(rpm.entry("code").pid()), Signal::SIGUSR1).unwrap();
    rpm.wait_status("code", "stopped");
    assert!(rpm.log("rpm").contains("[code:1] exited with signal SIGUSR1"), "{}", rpm.log("rpm"));
    rpm.ok("restart web");
    assert_eq!(rpm.children(), BTreeSet::from([rpm.entry("web").pid()]));
}

#[test]
fn messages_cross_a_replacement() {
    let rpm = Rpm::new();
    rpm.write(
        "echo.js",
        "process.on('message', (m) => console.log('got ' + m));\n\
         process.on('disconnect', () => console.log('cut'));\n\
         setInterval(() => {}, 1e9); process.send('ready');\n"
            .replace("\\\n", "\n")
            .as_str(),
    );
    rpm.ok("start echo.js --wait-ready --listen-timeout 60000 --shutdown-with-message --kill-timeout 60000");
    let pid = rpm.entry("echo").pid();
    for _ in 0..3 {
        rpm.ok("update");
    }
    assert_eq!(rpm.entry("echo").pid(), pid);
    let stop = rpm.start("stop echo");
    // The message that asks it to end comes over the channel of the first image.
    wait_until("the message", || rpm.entry("echo").log("out").contains("got shutdown"));
    assert!(!rpm.entry("echo").log("out").contains("cut"));
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    stop.output().ends_with(0);
}

#[test]
fn a_program_that_cannot_take_over_changes_nothing() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (daemon, pid) = (rpm.daemon(), rpm.entry("web").pid());
    let journal = rpm.home().join("state/journal");
    let good = fs::read_to_string(&journal).unwrap();
    // The state is of a format that the new program cannot read.
    let (_, records) = good.split_once('\n').unwrap();
    fs::write(&journal, format!("{{\"header\":{{\"format\":99}}}}\n{records}")).unwrap();
    rpm.fails("update").complains("the old one goes on").complains("format 99");
    fs::write(&journal, &good).unwrap();
    assert_eq!((rpm.daemon(), rpm.entry("web").pid()), (daemon, pid));
    rpm.ok("restart web");
    assert_eq!(rpm.daemon(), daemon);
}

#[test]
fn a_stop_goes_on_under_the_next_image() {
    let rpm = Rpm::new();
    let script = "#!/bin/bash\ntrap 'echo asked >> asked' INT\n: > up\nwhile :; do sleep 0.05; done\n";
    let path = rpm.write("slow.sh", &script.replace("\\\n", "\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    rpm.ok("start slow.sh --kill-timeout 60000");
    wait_until("it to be up", || rpm.path("up").exists());
    let stop = rpm.start("stop slow");
    wait_until("it to be asked", || rpm.path("asked").exists());
    rpm.ok("update");
    drop(stop);
    assert_eq!(rpm.entry("slow").status(), "stopping");
    kill(Pid::from_raw(rpm.entry("slow").pid()), Signal::SIGKILL).unwrap();
    rpm.wait_status("slow", "stopped");
    assert_eq!(rpm.read("asked"), "asked\n", "it was asked once");
}

#[test]
fn many_replacements_lose_no_line() {
    let rpm = Rpm::new();
    rpm.write(
        "count.js",
        "const fs = require('fs'); let t = ''; for (let i = 0; i < 100000; i++) t += 'line ' + i + '\\n';\n\
         let at = 0; while (at < t.length) at += fs.writeSync(1, t.slice(at, at + 30011)); setInterval(() => {}, 1e9);\n",
    );
    rpm.ok("start count.js --time");
    let log = || rpm.entry("count").log("out");
    while log().lines().count() < 100_000 {
        rpm.ok("update");
    }
    let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(log().lines().map(number).eq(0..100_000));
}

#[test]
fn verbs_that_are_under_way_end_well_while_the_daemon_is_replaced() {
    let rpm = Rpm::new();
    for name in ["a", "b", "c", "d"] {
        rpm.forever(name, "");
    }
    let daemon = rpm.daemon();
    let verbs =
        ["restart a", "stop b", "start b", "reload c", "restart d", "list", "jlist", "describe a", "save"];
    std::thread::scope(|scope| {
        let workers: Vec<_> = verbs
            .iter()
            .map(|verb| {
                let rpm = &rpm;
                scope.spawn(move || (0..6).map(|_| rpm.run(*verb)).collect::<Vec<_>>())
            })
            .collect();
        let updater = scope.spawn(|| {
            for _ in 0..6 {
                rpm.ok("update");
            }
        });
        updater.join().unwrap();
        for output in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
            output.ends_with(0);
        }
    });
    assert_eq!(rpm.daemon(), daemon);
    // Each was asked once: no restart was lost or done twice.
    for (name, restarts) in [("a", 6), ("c", 6), ("d", 6)] {
        assert_eq!(rpm.entry(name).restarts(), restarts, "{name}");
    }
}

#[test]
fn who_waits_goes_on_waiting_while_the_daemon_is_replaced() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let mut wait = rpm.start("wait web --for stopped");
    wait.has_asked();
    rpm.ok("update");
    assert!(!wait.has_ended());
    rpm.ok("stop web");
    wait.output().ends_with(0);
}
