//! `restart`: the same process again, perhaps with something changed.

use std::os::unix::process::CommandExt;

use rpm_tests::{Rpm, Running, wait_until};
use serde_json::json;

#[test]
fn a_running_process_is_replaced_and_counted() {
    let rpm = Rpm::new();
    let before = rpm.forever("web", "");
    let output = rpm.ok("restart web");
    output
        .says("[RPM] Applying action restartProcessId on app [web](ids: [ 0 ])")
        .says("[RPM] [web](0) ✓")
        .says("Use --update-env to update environment variables");
    let after = rpm.entry("web");
    assert_eq!((after.id(), after.status(), after.restarts()), (0, "online", 1));
    assert_ne!(before.pid(), after.pid());
    assert!(!rpm.processes().contains(&before.pid()));
}

#[test]
fn a_stopped_process_is_started_and_not_counted() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("stop web");
    rpm.ok("restart web");
    let entry = rpm.entry("web");
    assert_eq!((entry.status(), entry.restarts()), ("online", 0));
}

#[test]
fn all_are_restarted() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("b", "");
    rpm.ok("restart all");
    assert!(rpm.jlist().iter().all(|entry| entry.restarts() == 1 && entry.status() == "online"));
}

#[test]
fn the_environment_changes_only_when_asked() {
    let rpm = Rpm::new();
    let run = |line: &str, colour: &str| {
        let mut command = rpm.command(line);
        command.env("COLOUR", colour);
        Running::start(command).output().ends_with(0);
        rpm.entry("web").environ()["COLOUR"].clone()
    };
    assert_eq!(run("start forever.sh --name web", "red"), "red");
    assert_eq!(run("restart web", "blue"), "red");
    assert_eq!(run("restart web --update-env", "blue"), "blue");
    assert_eq!(run("restart web", "green"), "blue");
}

#[test]
fn options_replace_attributes() {
    let rpm = Rpm::new();
    rpm.script("args.sh", "echo \"<$*>\"; exec sleep 1000000");
    rpm.ok("start args.sh --name web --restart-delay 50 -- one");
    rpm.ok("restart web --kill-timeout 321 -- two three");
    let entry = rpm.entry("web");
    assert_eq!((entry.number("kill_timeout"), entry.number("restart_delay")), (321, 50));
    assert_eq!(entry.get("args"), &json!(["two", "three"]));
    wait_until("both runs' output", || rpm.log("web-out") == "<one>\n<two three>\n");
    rpm.ok("restart web --name site");
    assert_eq!(rpm.statuses(), ["site:online"]);
}

#[test]
fn a_schedule_can_be_changed_and_taken_off() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "web", "--cron", "0 0 1 1 *"]);
    rpm.ok(["restart", "web", "--cron-restart", "0 0 2 2 *"]);
    assert_eq!(rpm.entry("web").text("cron_restart"), "0 0 2 2 *");
    rpm.ok("restart web --cron-restart 0");
    assert!(rpm.entry("web").get("cron_restart").is_null());
}

#[test]
fn a_file_restarts_its_apps_and_starts_those_that_are_missing() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("stranger", "");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'a'\nscript = 'forever.sh'\n[[apps]]\nname = 'b'\nscript = 'forever.sh'\n",
    );
    rpm.ok("restart eco.toml");
    let restarts: Vec<_> =
        rpm.jlist().iter().map(|entry| (entry.name().to_owned(), entry.restarts())).collect();
    assert_eq!(restarts, [("a".into(), 1), ("stranger".into(), 0), ("b".into(), 0)]);
}

#[test]
fn called_pm2_the_shell_of_update_env_wins() {
    let rpm = Rpm::new();
    rpm.write(
        "web.json",
        r#"{ "name": "web", "script": "forever.sh", "env": { "X": "file", "Y": "file" } }"#,
    );
    for (program, expected) in [("pm2", "shell"), ("rpm", "file")] {
        let run = |words: &str| {
            let mut command = rpm.command(words);
            command.arg0(program).env("PM2_HOME", rpm.path("pm2-home")).env("X", "shell");
            let output = Running::start(command).output();
            output.ends_with(0);
            output.stdout
        };
        let seen = || {
            let list: serde_json::Value = serde_json::from_str(&run("jlist")).unwrap();
            let pid = list[0]["pid"].as_i64().unwrap();
            let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
            let of =
                |name: &str| environ.split('\0').find_map(|it| it.strip_prefix(name)).unwrap().to_owned();
            (of("X="), of("Y="))
        };
        run("start web.json");
        assert_eq!(seen(), ("file".into(), "file".into()));
        run("restart web --update-env");
        assert_eq!(seen(), (expected.into(), "file".into()), "{program}");
        run("restart web");
        assert_eq!(seen(), (expected.into(), "file".into()), "{program} goes on with it");
        run("restart web.json --update-env");
        assert_eq!(seen(), ("file".into(), "file".into()), "the file says it again");
        run("kill");
    }
}

#[test]
fn a_profile_needs_a_file() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.fails("restart web --env production")
        .complains("[RPM][ERROR] Using --env [env] without passing the ecosystem");
}

#[test]
fn two_restarts_at_once_leave_one_process() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let all: Vec<_> = (0..6).map(|_| rpm.start("restart web")).collect();
    for running in all {
        running.output().ends_with(0);
    }
    let entry = rpm.entry("web");
    assert_eq!(entry.status(), "online");
    wait_until("one process to be left", || rpm.children().into_iter().eq([entry.pid()]));
}
