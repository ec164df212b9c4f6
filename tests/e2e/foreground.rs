//! `pm2-runtime`, `pm2-dev` and `--no-daemon`: a daemon that lives as long as its command.

use std::{fs, os::unix::process::CommandExt, path::PathBuf, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, Running, Words, wait_until};
use serde_json::Value;

/// Writes a line to each stream and stays; says farewell to a signal.
const APP: &str = "#!/bin/bash
trap 'echo farewell; kill $!; exit 0' INT
echo hello
echo oops >&2
while :; do sleep 1000000 & wait; done
";

fn command(rpm: &Rpm, program: &str, words: impl Words) -> Command {
    let mut command = rpm.command(words);
    command.arg0(program);
    command
}

fn called(rpm: &Rpm, program: &str, words: impl Words) -> Running {
    Running::start(command(rpm, program, words))
}

/// The home of the program.
fn home(rpm: &Rpm, name: &str) -> PathBuf {
    rpm.home().parent().unwrap().join(name)
}

fn daemon(rpm: &Rpm) -> i32 {
    fs::read_to_string(home(rpm, ".pm2").join("pm2.pid")).unwrap().parse().unwrap()
}

#[test]
fn a_container_shows_its_app_and_ends_with_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let rpm = Rpm::new();
        rpm.script("app.sh", APP);
        let container = called(&rpm, "pm2-runtime", "app.sh");
        container.shows("hello\n");
        container.signal(signal);
        let output = container.output();
        output.ends_with(0).says("hello\n").says("App [app:0] online").says("farewell\n").complains("oops\n");
        output.says_nothing_of("[PM2]").says_nothing_of("│");
        assert!(rpm.processes().is_empty(), "the apps and the daemon end with it");
        assert!(!home(&rpm, ".pm2").join("pm2.sock").exists());
    }
}

#[test]
fn lines_have_the_form_that_was_asked_for() {
    let rpm = Rpm::new();
    rpm.script("app.sh", APP);
    for (option, line) in [
        ("--raw", "hello"),
        ("--formatted", "0|app  | hello"),
        ("--format", "app=app id=0 type=out message=hello"),
        ("--json", "\"type\":\"out\",\"process_id\":0,\"app_name\":\"app\"}"),
    ] {
        let container = called(&rpm, "pm2-docker", &format!("start app.sh {option}"));
        container.shows(&format!("{line}\n"));
        container.signal(Signal::SIGTERM);
        let output = container.output();
        output.ends_with(0);
        if option == "--json" {
            let lines: Vec<Value> =
                output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let events: Vec<_> = lines.iter().filter(|line| line["type"] == "process_event").collect();
            assert!(events.iter().all(|event| event["app_name"] == "app"), "{events:?}");
            assert!(events.iter().any(|event| event["status"] == "exit"), "{events:?}");
        }
    }
}

#[test]
fn a_container_ends_when_no_app_is_left() {
    let rpm = Rpm::new();
    rpm.script("brief.sh", "#!/bin/bash\necho done\n");
    let container = called(&rpm, "pm2-runtime", "brief.sh --no-autorestart --auto-exit-interval 20");
    let output = container.output();
    output.ends_with(2).says("done\n");
    output.says("0 application online, retry = 3\n").says("0 application online, retry = 0\n");
    assert!(rpm.processes().is_empty());

    let container =
        called(&rpm, "pm2-runtime", "brief.sh --no-autorestart --auto-exit-interval 20 --no-auto-exit");
    container.shows("App [brief:0] exited with code 0");
    container.signal(Signal::SIGTERM);
    container.output().ends_with(0).says_nothing_of("retry");
}

#[test]
fn a_container_runs_the_apps_of_a_file() {
    let rpm = Rpm::new();
    rpm.script("app.sh", APP);
    let apps = r#"{ "apps": [
        { "name": "a", "script": "app.sh", "env": { "X": "1" }, "env_prod": { "X": "2" } },
        { "name": "b", "script": "app.sh", "out_file": "kept/b.log" },
        { "name": "c", "script": "app.sh" } ] }"#;
    rpm.write("apps.json", apps);
    let words = "apps.json --formatted --only a,b --env prod --unheard-of";
    let container = called(&rpm, "pm2-runtime", words);
    container.shows("0|a | hello\n");
    container.shows("1|b | hello\n");
    let list = Running::start(command(&rpm, "pm2", "jlist")).output().stdout;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["pm2_env"]["env"]["X"], "2");
    // Whoever ends the daemon ends the container.
    Running::start(command(&rpm, "pm2", "kill")).output().ends_with(0);
    container.output().ends_with(0);
    assert_eq!(rpm.read("kept/b.log"), "hello\nfarewell\n");
}

#[test]
fn what_cannot_be_started_is_told() {
    let rpm = Rpm::new();
    called(&rpm, "pm2-runtime", "nothing.sh").output().ends_with(1).complains("Script not found");
    called(&rpm, "pm2-runtime", "nothing.json").output().ends_with(1).complains("nothing.json not found");
    assert!(rpm.processes().is_empty());
    called(&rpm, "pm2-runtime", "").output().ends_with(1).says("Usage: pm2-runtime");
    called(&rpm, "pm2-runtime", "--help").output().ends_with(0).says("--no-auto-exit");
    called(&rpm, "pm2-runtime", "--version").output().ends_with(0);
}

#[test]
fn a_daemon_that_dies_is_replaced() {
    let rpm = Rpm::new();
    rpm.script("app.sh", APP);
    let container = called(&rpm, "pm2-runtime", "app.sh");
    container.shows("hello\n");
    let (first, app) = (daemon(&rpm), rpm.children());
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    wait_until("the news", || {
        container.stderr().contains("the daemon has died; another takes its place") && daemon(&rpm) != first
    });
    assert_eq!(rpm.children(), app, "it goes on under the next one");
    container.signal(Signal::SIGTERM);
    let output = container.output();
    output.ends_with(0).says("farewell\n");
    assert_eq!(output.stdout.matches("hello").count(), 1);
    assert!(rpm.processes().is_empty());
}

#[test]
fn the_first_process_of_a_container_takes_orphans_in() {
    let rpm = Rpm::new();
    let isolated = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(isolated).arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not let us be the first process");
        return;
    }
    // Who enters the container from outside is no child of the daemon, and leaves an orphan to process 1.
    rpm.script("app.sh", APP);
    let link = rpm.path("pm2-runtime");
    std::os::unix::fs::symlink(rpm_tests::executable(), &link).unwrap();
    let mut unshare = rpm.command("");
    unshare = {
        let mut command = Command::new("unshare");
        command.args(isolated).arg(&link).arg("app.sh").current_dir(rpm.dir());
        command.env_clear().envs(unshare.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    };
    let container = Running::start(unshare);
    container.shows("hello\n");
    let first =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children", pid = container.pid())).unwrap();
    let first: i32 = first.trim().parse().unwrap();
    let enter = |line: &str| {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &first.to_string(),
            "--user",
            "--preserve-credentials",
            "--pid",
            "--mount",
        ]);
        command.args(["bash", "-c", line]).status().unwrap()
    };
    assert!(enter("(sleep 0.01 & ) ; exit 0").success());
    let zombies = || {
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        children.split_whitespace().count()
    };
    wait_until("process 1 having the daemon as its only child", || zombies() == 1);
    kill(Pid::from_raw(first), Signal::SIGTERM).unwrap();
    container.output().ends_with(0).says("farewell\n");
}

#[test]
fn without_a_daemon_all_ends_with_the_command() {
    let rpm = Rpm::new();
    rpm.script("app.sh", APP);
    let running = rpm.start("start app.sh --no-daemon");
    running.shows("rpm launched in no-daemon mode");
    running.shows("[RPM] [--no-daemon] Continue to stream logs\n");
    running.shows("0|app  | hello\n");
    rpm.forever("more", "");
    running.shows("App [more:1] online");
    // A second one only looks on.
    let onlooker = rpm.start("start more --no-daemon");
    onlooker.shows("[RPM] [--no-daemon] Exit on target RPM exit pid=");
    onlooker.signal(Signal::SIGINT);
    onlooker.output().ends_with(0);
    assert_eq!(rpm.statuses(), ["app:online", "more:online"]);
    running.signal(Signal::SIGTERM);
    running.output().ends_with(0).says("farewell\n");
    assert!(rpm.processes().is_empty());

    rpm.fails("start nothing.sh --no-daemon").complains("Script not found");
    assert!(rpm.processes().is_empty());
}

#[test]
fn an_app_is_restarted_while_it_is_written() {
    let rpm = Rpm::new();
    fs::create_dir(rpm.path("src")).unwrap();
    rpm.script("src/app.sh", "#!/bin/bash\necho run $restart_time\nexec sleep 1000000\n");
    let mut command =
        command(&rpm, "pm2-dev", ["app.sh", "--post-exec", "echo up again", "--ignore", "notes"]);
    let command = {
        command.current_dir(rpm.path("src"));
        // The home is its own, whatever is said elsewhere: it is removed in the end.
        command.env("PM2_HOME", rpm.path("precious"));
        command
    };
    let dev = Running::start(command);
    dev.shows("0|app  | run 0\n");
    rpm.write("src/notes", "nothing to see");
    rpm.write("src/more", "something else");
    dev.shows("0|app  | run 1\n");
    dev.shows("up again\n");
    dev.signal(Signal::SIGINT);
    dev.output().ends_with(0);
    assert!(!home(&rpm, ".pm2-dev").exists() && !rpm.path("precious").exists());
    assert!(rpm.processes().is_empty());
}
