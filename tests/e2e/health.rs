//! Health checks: what they tell, and what follows.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use rpm_tests::{Rpm, wait_until};

fn declare(rpm: &Rpm, health: &str, more: &str) {
    rpm.write(
        "app.toml",
        &format!("[[apps]]\nname = 'app'\nscript = 'forever.sh'\nhealth = {{ {health} }}\n{more}"),
    );
}

fn state(rpm: &Rpm) -> String {
    rpm.entry("app").get("health_state")["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_does_not_answer_any_more_is_restarted() {
    let rpm = Rpm::new();
    declare(
        &rpm,
        "command = 'echo not yet >&2; test -e well', interval = 20, retries = 2, start_period = '60s'",
        "",
    );
    rpm.ok("start app.toml");
    let before = rpm.entry("app");
    wait_until("a failure", || rpm.entry("app").get("health_state")["failures"].as_i64() > Some(0));
    assert_eq!(state(&rpm), "starting", "it may start for a minute");
    rpm.ok("list").says(" health ").says("starting");
    rpm.write("well", "");
    wait_until("health", || state(&rpm) == "healthy");
    rpm.ok("describe app").says("│ health ").says("healthy since ");
    std::fs::remove_file(rpm.path("well")).unwrap();
    rpm.wait_where("app", "a restart", |entry| entry.restarts() == 1 && entry.status() == "online");
    let after = rpm.entry("app");
    assert_ne!(after.pid(), before.pid());
    assert!(rpm.log("rpm").contains("App [app:0] is unhealthy: it ended with code 1: not yet"));
    // The next run has time to start again.
    wait_until("a failure", || rpm.entry("app").get("health_state")["failures"].as_i64() > Some(2));
    assert_eq!((state(&rpm).as_str(), rpm.entry("app").restarts()), ("starting", 1));
    rpm.ok("stop app");
    assert!(rpm.entry("app").get("health_state").is_null(), "nobody asks what does not run");
    rpm.forever("plain", "");
    rpm.ok("delete app");
    rpm.ok("list").says_nothing_of("health");
}

#[test]
fn a_port_is_asked_and_a_report_changes_nothing_else() {
    let rpm = Rpm::new();
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    declare(
        &rpm,
        &format!("tcp = {port}, interval = 20, retries = 1, start_period = 0, on_failure = 'report'"),
        "",
    );
    rpm.ok("start app.toml");
    let before = rpm.entry("app");
    wait_until("health", || state(&rpm) == "healthy");
    drop(server);
    wait_until("the end of it", || state(&rpm) == "unhealthy");
    rpm.ok("describe app").says("failure").says("refused");
    let again = TcpListener::bind(("127.0.0.1", port)).unwrap();
    wait_until("health", || state(&rpm) == "healthy");
    drop(again);
    let after = rpm.entry("app");
    assert_eq!((after.pid(), after.restarts()), (before.pid(), 0));
}

#[test]
fn the_status_of_an_answer_counts() {
    let rpm = Rpm::new();
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let status = Arc::new(AtomicU16::new(503));
    let told = Arc::clone(&status);
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health?x HTTP/1.1\r\n"));
            let _ = write!(stream, "HTTP/1.1 {} x\r\n\r\n", told.load(Ordering::Relaxed));
        }
    });
    declare(
        &rpm,
        &format!(
            "http = 'http://127.0.0.1:{port}/health?x', interval = 20, retries = 1, start_period = 0, on_failure = 'report'"
        ),
        "",
    );
    rpm.ok("start app.toml");
    wait_until("the outcome", || state(&rpm) == "unhealthy");
    assert!(
        rpm.entry("app").get("health_state")["error"].as_str().unwrap().ends_with("/health?x answered 503")
    );
    status.store(204, Ordering::Relaxed);
    wait_until("health", || state(&rpm) == "healthy");
    assert!(rpm.entry("app").get("health_state").get("error").is_none());
}

#[test]
fn a_check_that_hangs_is_ended_with_all_that_it_started() {
    let rpm = Rpm::new();
    rpm.script(
        "check.sh",
        "#!/bin/sh\nsleep 1000 &\necho $! > one\nsetsid sleep 1000 &\necho $! > two\nwait\n",
    );
    // Long enough that the check gets to where it hangs, also on a busy machine.
    declare(
        &rpm,
        "command = 'exec ./check.sh', interval = '60s', timeout = '2s', retries = 1, start_period = 0, on_failure = 'report'",
        "",
    );
    rpm.ok("start app.toml");
    wait_until("the outcome", || state(&rpm) == "unhealthy");
    assert_eq!(rpm.entry("app").get("health_state")["error"], "no answer after 2000 ms (timeout)");
    for file in ["one", "two"] {
        let pid = rpm.read(file);
        wait_until("its end", || !Path::new(&format!("/proc/{}", pid.trim())).exists());
    }
    // One that is on its way when the app is stopped goes with it.
    rpm.write("one", "");
    rpm.ok("restart app");
    wait_until("the check", || !rpm.read("one").is_empty());
    rpm.ok("stop app");
    let pid = rpm.read("one");
    wait_until("its end", || !Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn checks_go_on_under_the_next_daemon() {
    let rpm = Rpm::new();
    declare(&rpm, "command = 'test -e well', interval = 20, retries = 2, start_period = '60s'", "");
    rpm.write("well", "");
    rpm.ok("start app.toml");
    let before = rpm.entry("app");
    wait_until("health", || state(&rpm) == "healthy");
    rpm.ok("update");
    wait_until("health", || state(&rpm) == "healthy");
    rpm.lose_daemon();
    rpm.ok("ping");
    wait_until("health", || state(&rpm) == "healthy");
    assert_eq!(rpm.entry("app").pid(), before.pid());
    std::fs::remove_file(rpm.path("well")).unwrap();
    rpm.wait_where("app", "a restart", |entry| entry.restarts() == 1);
}

#[test]
fn a_reload_keeps_the_old_run_until_the_new_one_is_up() {
    let rpm = Rpm::new();
    rpm.script("slow.sh", "#!/bin/sh\nwhile ! test -e go; do sleep 0.01; done\necho up\nexec sleep 1000\n");
    rpm.write("go", "");
    rpm.write("well", "");
    rpm.write(
        "app.toml",
        "[[apps]]\nname = 'app'\nscript = 'slow.sh'\nready = 'log:up'\nlisten_timeout = '60s'\nreload = 'overlap'\n\
         health = { command = 'test -e well', interval = 20, retries = 2, on_failure = 'reload' }\n",
    );
    rpm.ok("start app.toml");
    let before = rpm.entry("app");
    wait_until("health", || state(&rpm) == "healthy");
    std::fs::remove_file(rpm.path("go")).unwrap();
    std::fs::remove_file(rpm.path("well")).unwrap();
    wait_until("the outcome", || state(&rpm) == "unhealthy");
    wait_until("a second run", || rpm.children().len() == 2);
    assert_eq!((rpm.entry("app").pid(), rpm.entry("app").status()), (before.pid(), "online"));
    rpm.write("well", "");
    rpm.write("go", "");
    let after = rpm.wait_where("app", "another run", |entry| entry.pid() != before.pid() && entry.pid() > 0);
    assert_eq!(after.restarts(), 1);
    wait_until("health", || state(&rpm) == "healthy");
}

#[test]
fn what_cannot_work_is_refused_before_anything_starts() {
    let rpm = Rpm::new();
    for (health, place, reason) in [
        ("tcp = 65536", "app.toml:4:18", "expected a port from 1 to 65535"),
        ("http = 'http:///x'", "app.toml:4:19", "no host"),
        ("tcp = 80, retires = 3", "app.toml:4:22", "did you mean `retries`?"),
    ] {
        declare(&rpm, health, "");
        rpm.fails("start app.toml").complains(place).complains(reason);
    }
    assert!(rpm.processes().is_empty());
}
