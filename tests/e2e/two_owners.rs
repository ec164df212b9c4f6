//! A home in which the daemon of the original PM2 runs: a second owner would run every app twice.

use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

use rpm_tests::{Rpm, wait_until};

const REASON: &str = "PM2's own daemon runs in";

/// A home in which `rpc.sock` answers.
fn owned() -> (Rpm, UnixListener) {
    let rpm = Rpm::new();
    fs::create_dir(rpm.home()).unwrap();
    let listener = UnixListener::bind(rpm.home().join("rpc.sock")).unwrap();
    (rpm, listener)
}

/// Closes the socket. A child that another test has just forked may hold a copy of it until it executes its program.
fn close(listener: UnixListener, socket: &Path) {
    drop(listener);
    wait_until("the socket to answer no more", || UnixStream::connect(socket).is_err());
}

fn files(rpm: &Rpm) -> Vec<String> {
    let names =
        fs::read_dir(rpm.home()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn what_changes_anything_refuses() {
    let (rpm, _listener) = owned();
    rpm.write("apps.json", r#"{ "apps": [{ "name": "web", "script": "forever.sh" }] }"#);
    let verbs = [
        "start forever.sh",
        "start apps.json",
        "startOrRestart apps.json",
        "startOrReload apps.json",
        "restart apps.json",
        "reload apps.json",
        "apply apps.json",
        "restart web",
        "stop all",
        "delete all",
        "scale web 2",
        "resurrect",
        "save",
        "cleardump",
        "update",
        "kill",
        "set web:key value",
        "unset web:key",
        "flush",
        "reset all",
        "reloadLogs",
        "serve .",
        "start forever.sh --no-daemon",
    ];
    for verb in verbs {
        rpm.fails(verb).complains(REASON);
    }
    assert_eq!(files(&rpm), ["rpc.sock"], "nothing was written");
}

#[test]
fn lists_say_nothing_on_standard_output() {
    let (rpm, _listener) = owned();
    for verb in ["ls", "ls --json", "ls -m", "ls --watch", "jlist", "prettylist", "pid", "id web", "ping"] {
        let output = rpm.fails(verb);
        output.complains(REASON);
        assert_eq!(output.stdout, "", "{verb}");
    }
}

#[test]
fn the_socket_of_a_daemon_that_is_gone_stands_in_no_way() {
    let (rpm, listener) = owned();
    close(listener, &rpm.home().join("rpc.sock"));
    rpm.forever("web", "");
    assert_eq!(rpm.statuses(), ["web:online"]);
}

#[test]
fn a_daemon_of_ours_is_asked_as_ever() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let _listener = UnixListener::bind(rpm.home().join("rpc.sock")).unwrap();
    rpm.ok("set web:key value");
    rpm.ok("stop web");
}

#[test]
fn import_asks_the_home_that_the_dump_comes_from() {
    let rpm = Rpm::new();
    let dump = rpm.write("theirs/dump.pm2", "[]");
    let listener = UnixListener::bind(rpm.path("theirs/rpc.sock")).unwrap();
    std::os::unix::fs::symlink(&dump, rpm.path("elsewhere")).unwrap();
    for file in ["theirs/dump.pm2", "elsewhere"] {
        rpm.fails(&format!("import {file}")).complains(REASON);
    }
    assert!(!rpm.home().exists(), "no daemon was started");
    close(listener, &rpm.path("theirs/rpc.sock"));
    rpm.ok("import theirs/dump.pm2");
}
