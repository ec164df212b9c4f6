//! The daemon itself: when there is one, that there is one, and how it ends.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use nix::sys::signal::Signal;
use rpm_tests::{Rpm, Running, signal, wait_until};

/// The processes of this test that are daemons.
fn daemons(rpm: &Rpm) -> Vec<String> {
    let lines = rpm.processes().into_iter().map(rpm_tests::command_line);
    lines.filter(|line| line.contains("__daemon")).collect()
}

#[test]
fn looking_starts_none() {
    let rpm = Rpm::new();
    for line in [
        "list",
        "jlist",
        "ls",
        "ps",
        "status",
        "pid",
        "id web",
        "describe web",
        "env 0",
        "logs --nostream",
        "ping",
        "stop all",
        "restart all",
        "delete all",
        "reset all",
        "save",
        "flush",
        "scale web 2",
        "kill",
        "--version",
    ] {
        rpm.run(line).says_nothing_of("Spawning").says_nothing_of("panic");
        assert!(rpm.processes().is_empty(), "after {line}");
    }
    assert!(!rpm.home().exists(), "and leaves nothing on disk");
}

#[test]
fn twenty_starts_at_once_make_one() {
    let rpm = Rpm::new();
    let all: Vec<_> = (0..20).map(|i| rpm.start(&format!("start forever.sh --name app-{i}"))).collect();
    let spawned = all
        .into_iter()
        .map(|running| {
            let output = running.output();
            output.ends_with(0).says("[RPM] Done.");
            usize::from(output.stdout.contains("[RPM] Spawning RPM daemon"))
        })
        .sum::<usize>();
    assert_eq!(spawned, 1);
    assert_eq!(daemons(&rpm).len(), 1, "{:?}", daemons(&rpm));
    let list = rpm.jlist();
    assert_eq!(list.len(), 20);
    assert!(list.iter().all(|entry| entry.status() == "online"));
}

#[test]
fn a_home_has_one_daemon() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let daemon = rpm.daemon();
    // One that is started by hand sees the first and leaves.
    let output = rpm.run("__daemon");
    assert_ne!(output.code, Some(0), "{output}");
    assert_eq!(rpm.daemon(), daemon);
    assert_eq!(rpm.statuses(), ["web:online"]);
}

#[test]
fn two_homes_know_nothing_of_each_other() {
    let (one, other) = (Rpm::new(), Rpm::new());
    one.forever("a", "");
    other.forever("b", "");
    assert_eq!((one.statuses(), other.statuses()), (vec!["a:online".into()], vec!["b:online".into()]));
    one.ok("kill");
    assert_eq!(other.statuses(), ["b:online"]);
}

#[test]
fn home_and_socket_are_the_owners_alone() {
    let rpm = Rpm::new();
    let command = rpm.command_under("sh", &["-c", "umask 0; exec \"$@\"", "sh"], "start forever.sh");
    Running::start(command).output().ends_with(0);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&rpm.home()), mode(&rpm.socket())), (0o700, 0o600));
}

#[test]
fn sigterm_saves_the_list_and_stops_all() {
    let rpm = Rpm::new();
    rpm.forever("web", "--namespace front");
    rpm.ok("start forever.sh --name two -i 2");
    rpm.ok("stop web");
    let before = rpm.statuses();
    let daemon = rpm.daemon().unwrap();
    signal(daemon, Signal::SIGTERM);
    rpm.wait_daemon_gone(daemon);
    assert!(rpm.processes().is_empty(), "it has ended after its processes");
    assert!(!rpm.socket().exists() && rpm.daemon().is_none());
    rpm.ok("resurrect");
    assert_eq!(rpm.statuses(), before);
}

#[test]
fn sigint_and_sigquit_do_the_same_and_sighup_nothing() {
    for ending in [Signal::SIGINT, Signal::SIGQUIT] {
        let rpm = Rpm::new();
        rpm.forever("web", "");
        let daemon = rpm.daemon().unwrap();
        signal(daemon, Signal::SIGHUP);
        assert_eq!(rpm.statuses(), ["web:online"]);
        signal(daemon, ending);
        rpm.wait_daemon_gone(daemon);
        assert!(rpm.processes().is_empty() && rpm.home().join("dump.rpm").exists());
    }
}

#[test]
fn last_words_outlive_a_sigterm() {
    let rpm = Rpm::new();
    rpm.ok("start signals.js --name web --time");
    wait_until("the handlers", || rpm.log("web-out").ends_with(": ready\n"));
    let daemon = rpm.daemon().unwrap();
    signal(daemon, Signal::SIGTERM);
    rpm.wait_daemon_gone(daemon);
    assert!(rpm.log("web-out").ends_with(": SIGINT\n"), "{}", rpm.log("web-out"));
}

#[test]
fn what_a_dead_daemon_left_is_no_obstacle() {
    let rpm = Rpm::new();
    fs::create_dir(rpm.home()).unwrap();
    drop(UnixListener::bind(rpm.socket()).unwrap());
    // A pid that is somebody else's by now.
    fs::write(rpm.home().join("rpm.pid"), "1").unwrap();
    assert!(rpm.jlist().is_empty());
    rpm.forever("web", "");
    assert_ne!(rpm.daemon(), Some(1));
    assert_eq!(rpm.statuses(), ["web:online"]);
}

#[test]
fn a_home_that_cannot_be_is_named() {
    let rpm = Rpm::new();
    rpm.write("file", "");
    let with_home = |home: &str| {
        let mut command = rpm.command("start forever.sh");
        command.env("RPM_HOME", home);
        let output = Running::start(command).output();
        output.ends_with(1).says_nothing_of("panic");
        output
    };
    with_home(rpm.path("file").to_str().unwrap()).complains("file");
    let long = rpm.path(&"x".repeat(150));
    with_home(long.to_str().unwrap()).complains("too long").complains("RPM_HOME");
    let mut command = rpm.command("list");
    command.env_remove("RPM_HOME").env_remove("HOME");
    Running::start(command).output().ends_with(1).complains("RPM_HOME");
    assert!(rpm.processes().is_empty());
}

#[test]
fn a_relative_home_is_below_the_directory() {
    let rpm = Rpm::new();
    let run = |line: &str| {
        let mut command = rpm.command(line);
        command.env("RPM_HOME", "here");
        let output = Running::start(command).output();
        output.ends_with(0);
        output
    };
    run("start forever.sh --name web");
    assert!(rpm.path("here/rpm.sock").exists());
    run("list").says("web");
    run("kill");
}

#[test]
fn it_holds_nothing_of_its_starters() {
    let rpm = Rpm::new();
    // A script under a lock (`flock`), or in a pipeline: neither may go on until the daemon ends.
    let args = ["-c", "exec 7>\"$0\"; exec \"$@\""];
    let lock = rpm.write("lock", "");
    let args = [&args[..], &[lock.to_str().unwrap()]].concat();
    Running::start(rpm.command_under("bash", &args, "start forever.sh --name web")).output().ends_with(0);
    for pid in rpm.processes() {
        for found in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            assert_ne!(fs::read_link(found.unwrap().path()).ok(), Some(lock.clone()), "{pid}");
        }
    }
}

#[test]
fn it_holds_no_directory() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("delete web");
    let cwd = fs::read_link(format!("/proc/{}/cwd", rpm.daemon().unwrap())).unwrap();
    assert!(!cwd.starts_with(rpm.dir()), "{}", cwd.display());
}

#[test]
fn its_log_tells_what_happened() {
    let rpm = Rpm::new();
    rpm.ok("start fails.sh --name web --no-autorestart -- 7");
    rpm.wait_status("web", "stopped");
    let log = rpm.log("rpm");
    assert!(log.contains("App [web:0] online") && log.contains("App [web:0] exited with code 7"), "{log}");
}

#[test]
fn starts_and_kills_may_meet() {
    let rpm = Rpm::new();
    for _ in 0..5 {
        rpm.run("start forever.sh --name web");
        let all = ["kill", "start forever.sh --name other", "kill", "start forever.sh --name third"];
        for running in all.map(|line| rpm.start(line)) {
            let output = running.output();
            assert!(matches!(output.code, Some(0 | 1)), "{output}");
            output.says_nothing_of("panic");
        }
        assert!(daemons(&rpm).len() <= 1, "{:?}", daemons(&rpm));
        rpm.ok("kill");
    }
}

#[test]
fn called_pm2_it_is_pm2() {
    let rpm = Rpm::new();
    let home = rpm.path("pm2-home");
    let pm2 = |line: &str| {
        let mut command = rpm.command_under("bash", &["-c", "exec -a pm2 \"$@\"", "bash"], line);
        command.env("PM2_HOME", &home);
        let output = Running::start(command).output();
        output.ends_with(0);
        output
    };
    pm2("start forever.sh --name web")
        .says(&format!("[PM2] Spawning PM2 daemon with pm2_home={}", home.display()))
        .says("[PM2] Done.");
    assert!(home.join("logs/web-out.log").exists() && home.join("pm2.pid").exists());
    assert!(rpm.jlist().is_empty(), "the other persona has another home");
    pm2("save").says("dump.pm2");
    pm2("kill").says("[PM2] [v] PM2 Daemon Stopped");
}
