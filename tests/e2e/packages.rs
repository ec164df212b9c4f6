//! Packages of npm, unchanged, in cluster mode. They are there where `npm ci` was run in `tests/cluster-packages`.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, Stdio},
};

use rpm_tests::{Entry, Load, Rpm, get, repository, wait_for};

/// Where the packages are; `None`, and a word about it, where they are not installed.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was not tested")]
fn packages() -> Option<PathBuf> {
    let directory = repository().join("tests/cluster-packages");
    if directory.join("node_modules").is_dir() {
        return Some(directory);
    }
    eprintln!("skipped: run `npm ci` in tests/cluster-packages");
    None
}

/// Starts two workers of `name`, and gives the port that they share.
fn start(rpm: &Rpm, name: &str) -> Option<u16> {
    let script = packages()?.join(format!("{name}.js"));
    rpm.ok(["start", script.to_str().unwrap(), "--name", "web", "-i", "2"]);
    let mut ports: Vec<u16> = wait_for("the ports", || {
        let port = |entry: &Entry| entry.log("out").lines().last()?.strip_prefix("listening ")?.parse().ok();
        rpm.jlist().iter().map(port).collect()
    });
    ports.dedup();
    assert_eq!(ports.len(), 1, "{ports:?}");
    Some(ports[0])
}

fn pids(rpm: &Rpm) -> BTreeSet<i32> {
    rpm.jlist().iter().map(Entry::pid).collect()
}

/// A server of plain HTTP: both workers answer, and a reload fails no request.
fn serves_http(name: &str) {
    let rpm = Rpm::new();
    let Some(port) = start(&rpm, name) else { return };
    let answers: BTreeSet<i32> = (0..6).map(|_| get(port, "/").unwrap().parse().unwrap()).collect();
    assert_eq!(answers, pids(&rpm));
    let load = Load::start(port, 4);
    load.more(20);
    rpm.ok("reload web");
    load.more(20);
    assert_eq!(load.failures(), [""; 0]);
}

/// A server of messages: each of four clients is answered, two by each worker.
fn answers_messages(name: &str) {
    let rpm = Rpm::new();
    let Some(port) = start(&rpm, name) else { return };
    for _ in 0..2 {
        let clients = Command::new("node")
            .args(["clients.js", name, &port.to_string()])
            .current_dir(repository().join("tests/cluster-packages"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&clients.stdout).into_owned();
        assert!(clients.status.success(), "{said}{}", String::from_utf8_lossy(&clients.stderr));
        let answers: Vec<(i32, &str)> = said
            .lines()
            .map(|line| line.split_once(' ').map(|(pid, text)| (pid.parse().unwrap(), text)).unwrap())
            .collect();
        assert_eq!(answers.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(answers.iter().map(|(pid, _)| *pid).collect::<BTreeSet<_>>(), pids(&rpm));
        rpm.ok("reload web");
    }
}

#[test]
fn express() {
    serves_http("express");
}

#[test]
fn fastify() {
    serves_http("fastify");
}

#[test]
fn ws() {
    answers_messages("ws");
}

#[test]
fn socket_io() {
    answers_messages("socket.io");
}
