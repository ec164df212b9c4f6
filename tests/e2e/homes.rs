//! Homes that are copied, moved, spelled otherwise or nested.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use nix::sys::signal::Signal;
use rpm_tests::{Output, Rpm, Running, signal, wait_until};

/// A verb for the home at `path`.
fn at(rpm: &Rpm, path: &Path, verb: &str) -> Output {
    let mut command = rpm.command(verb);
    command.env("RPM_HOME", path);
    Running::start(command).output()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn a_copy_takes_nothing_over_from_a_home_that_is_there() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (copied, children) = (rpm.path("copied"), rpm.children());
    copy(&rpm.home(), &copied);
    // While the first daemon lives, and when it has died.
    for _ in 0..2 {
        assert_eq!(at(&rpm, &copied, "jlist").stdout.trim(), "[]");
        let ended = at(&rpm, &copied, "kill");
        ended.ends_with(0);
        let log = std::fs::read_to_string(copied.join("rpm.log")).unwrap();
        assert!(log.contains("is a copy of"), "{log}");
        assert_eq!(rpm.children(), children);
        rpm.lose_daemon();
        std::fs::remove_dir_all(&copied).unwrap();
        copy(&rpm.home(), &copied);
        rpm.ok("ping");
    }
    assert_eq!(rpm.entry("web").status(), "online");
    rpm.ok("kill");
}

#[test]
fn what_was_moved_or_restored_goes_on() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (home, moved, children) = (rpm.home(), rpm.path("moved"), rpm.children());
    rpm.lose_daemon();
    std::fs::rename(&home, &moved).unwrap();
    let pid = format!("\"pid\":{},", children.first().unwrap());
    at(&rpm, &moved, "jlist").says("\"online\"").says(&pid);
    assert_eq!(rpm.children(), children);
    // Killed again, and put back from a copy.
    let daemon: i32 = std::fs::read_to_string(moved.join("rpm.pid")).unwrap().parse().unwrap();
    signal(daemon, Signal::SIGKILL);
    rpm.wait_daemon_gone(daemon);
    copy(&moved, &home);
    std::fs::remove_dir_all(&moved).unwrap();
    assert_eq!(rpm.entry("web").pid(), *children.first().unwrap());
    rpm.ok("kill");
    assert!(rpm.children().is_empty());
}

#[test]
fn all_of_a_tree_is_found_by_another_spelling_of_the_home() {
    let rpm = Rpm::new();
    rpm.script("app.sh", "(setsid sleep 1000000 &)\nwhile :; do read -rt 60; done");
    rpm.ok("start app.sh --name app");
    wait_until("both", || rpm.children().len() == 2);
    let link = rpm.path("link");
    symlink(rpm.home(), &link).unwrap();
    rpm.lose_daemon();
    at(&rpm, &link, "stop app").ends_with(0);
    assert!(rpm.children().is_empty());
    rpm.ok("kill");
}

#[test]
fn apps_of_a_daemon_that_an_app_started_are_not_its_processes() {
    let rpm = Rpm::new();
    let inner = rpm.path("inner");
    rpm.script("idle.sh", "while :; do read -rt 60; done");
    let rpm_path = rpm_tests::executable().display();
    let link = rpm.path("pm2");
    symlink(rpm_tests::executable(), &link).unwrap();
    rpm.script(
        "outer.sh",
        &format!(
            "[ -x {rpm_path} ] && PM2_HOME={} ./pm2 start idle.sh --name inner\necho started\nwhile :; do read -rt 60; done",
            inner.display()
        ),
    );
    rpm.ok("start outer.sh --name outer");
    wait_until("the inner app", || rpm.log("outer-out").contains("started"));
    rpm.lose_daemon();
    rpm.ok("delete outer");
    let pm2 = |verb: &str| {
        let mut command = Command::new(&link);
        command.args(verb.split(' ')).env_clear().current_dir(rpm.dir()).env("PM2_HOME", &inner);
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", rpm.dir());
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let list = pm2("jlist");
    assert!(list.contains("\"online\"") && list.contains("\"inner\""), "{list}");
    pm2("kill");
    rpm.ok("kill");
}

/// The daemon of the home, by its own log.
fn wait_log(rpm: &Rpm, text: &str) {
    wait_until(text, || rpm.log("rpm").contains(text));
}

#[test]
fn what_is_removed_from_a_home_is_made_again() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (daemon, children) = (rpm.daemon(), rpm.children());
    for name in ["rpm.sock", "rpm.pid", "state/daemon.lock", "state/journal"] {
        std::fs::remove_file(rpm.home().join(name)).unwrap();
        wait_until(format!("{name} to be there"), || rpm.home().join(name).exists());
    }
    std::fs::remove_dir_all(rpm.home().join("state")).unwrap();
    wait_until("the state", || rpm.home().join("state/journal").exists());
    // All of it: the socket, the lock and the journal are those of the daemon that lived on.
    wait_until("an answer", || rpm.run("ping").code == Some(0));
    rpm.lose_daemon();
    assert_eq!(rpm.entry("web").pid(), *children.first().unwrap());
    assert_ne!(rpm.daemon(), daemon);
    rpm.ok("kill");
}

#[test]
fn a_home_that_is_removed_and_made_again_is_that_of_the_daemon_that_lives() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (daemon, children) = (rpm.daemon().unwrap(), rpm.children());
    std::fs::remove_dir_all(rpm.home()).unwrap();
    // Nothing is started twice, whatever comes first: the daemon that lives, or another that refuses.
    wait_until("the same daemon", || {
        rpm.run("start forever.sh --name other");
        assert!(rpm.children().is_superset(&children));
        assert!(rpm.children().len() <= 2, "{:?}", rpm.children());
        rpm.daemon() == Some(daemon) && rpm.run("ping").code == Some(0)
    });
    assert_eq!(rpm.entry("web").pid(), *children.first().unwrap());
    rpm.ok("kill");
    assert!(rpm.children().is_empty());
}

#[test]
fn a_home_that_is_moved_away_leaves_its_daemon_and_comes_back() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (home, moved, daemon, children) = (rpm.home(), rpm.path("moved"), rpm.daemon(), rpm.children());
    std::fs::rename(&home, &moved).unwrap();
    wait_until("the daemon to notice", || {
        std::fs::read_to_string(moved.join("rpm.log"))
            .is_ok_and(|log| log.contains("was removed or moved away"))
    });
    rpm.run("doctor").says(&format!("(pid {}) of the home that was at", daemon.unwrap()));
    std::fs::rename(&moved, &home).unwrap();
    wait_log(&rpm, "is complete again");
    assert_eq!((rpm.daemon(), rpm.children()), (daemon, children));
    rpm.ok("kill");
}

#[test]
fn what_a_removed_home_has_left_is_not_started_a_second_time() {
    let rpm = Rpm::new();
    let web = rpm.forever("web", "");
    rpm.lose_daemon();
    std::fs::remove_dir_all(rpm.home()).unwrap();
    let refused = rpm.fails("start forever.sh --name web");
    refused.complains("1 processes of the home that was at").complains(&format!("kill {}", web.pid()));
    rpm.run("doctor").says("of the home that was at");
    assert_eq!(rpm.children().len(), 1);
    signal(web.pid(), Signal::SIGKILL);
    wait_until("its end", || rpm.children().is_empty());
    rpm.forever("web", "");
    rpm.ok("kill");
}
