//! `env_file`, references in `env`, secrets, and what of it would change.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Raw, Rpm, Running};
use serde_json::json;

const APP: &str = "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv_file = '.env'\n";

#[test]
fn a_file_is_read_at_each_start() {
    let rpm = Rpm::new();
    rpm.write(
        ".env",
        "# first\nexport COLOUR=red\nURL=\"http://${HOST:-localhost}/${COLOUR}\"\nRAW='${X}'\n",
    );
    rpm.write("eco.toml", &format!("{APP}env = {{ RAW = '$${{Y}}', OWN = '1' }}\n"));
    rpm.ok("start eco.toml");
    let environ = rpm.entry("web").environ();
    for (name, value) in [("COLOUR", "red"), ("URL", "http://localhost/red"), ("RAW", "$${Y}"), ("OWN", "1")]
    {
        assert_eq!(environ.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(rpm.entry("web").get("env")["URL"], "http://localhost/red", "jlist shows it");
    rpm.write(".env", "COLOUR=blue\n");
    rpm.ok("restart web");
    let environ = rpm.entry("web").environ();
    assert_eq!(environ["COLOUR"], "blue");
    assert!(!environ.contains_key("URL"), "what is no longer in the file is gone");
    // So it is after a death of the daemon, and of the app under the next one.
    let before = rpm.entry("web");
    rpm.lose_daemon();
    rpm.write(".env", "COLOUR=green\n");
    rpm.ok("ping");
    assert_eq!(
        (rpm.entry("web").pid(), rpm.entry("web").get("env")["COLOUR"].clone()),
        (before.pid(), json!("blue"))
    );
    kill(Pid::from_raw(before.pid()), Signal::SIGKILL).unwrap();
    rpm_tests::wait_until("another run", || {
        let now = rpm.entry("web");
        now.status() == "online" && now.pid() != before.pid()
    });
    assert_eq!(rpm.entry("web").environ()["COLOUR"], "green");
    rpm.ok("save");
    rpm.ok("delete web");
    rpm.write(".env", "COLOUR=white\n");
    rpm.ok("resurrect");
    assert_eq!(rpm.entry("web").environ()["COLOUR"], "white");
}

#[test]
fn a_file_that_is_missing_or_wrong_is_named() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", APP);
    let path = rpm.path(".env").display().to_string();
    rpm.fails("start eco.toml").complains("eco.toml:4:12").complains(&format!("env_file: {path}: "));
    assert!(rpm.processes().is_empty());
    rpm.write(".env", "TOKEN='hunter2");
    let output = rpm.fails("start eco.toml");
    output.complains(&format!("{path}:1:7: the quote")).says_nothing_of("hunter2");
    rpm.write(".env", "TOKEN=1");
    rpm.ok("start eco.toml");
    fs::remove_file(rpm.path(".env")).unwrap();
    rpm.fails("restart web").complains(&format!("env_file {path} is not there"));
    assert_eq!(rpm.entry("web").status(), "errored");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv_file = { path = '.env', required = false }\n",
    );
    rpm.ok("start eco.toml");
    assert_eq!(rpm.entry("web").status(), "online");
    rpm.write(".env", "A=1\nB=${NOBODY}\n");
    rpm.fails("restart web").complains("B: ${NOBODY} is not set");
}

#[test]
fn what_is_declared_may_refer_to_the_shell_and_to_files() {
    let rpm = Rpm::new();
    rpm.write(".env", "PASS=a$b\n");
    rpm.write(
        "eco.toml",
        &format!(
            "{APP}expand_env = true\nfilter_env = true\nenv = {{ PATH = '/x:${{PATH}}', URL = '${{WHO}}:${{PASS}}' }}\n"
        ),
    );
    let mut command = rpm.command("start eco.toml");
    command.env("WHO", "me").env("COLOUR", "red");
    Running::start(command).output().ends_with(0);
    let environ = rpm.entry("web").environ();
    assert_eq!(environ["URL"], "me:a$b");
    assert_eq!(environ["PATH"], format!("/x:{}", std::env::var("PATH").unwrap()));
    assert!(!environ.contains_key("COLOUR"), "filter_env keeps back what nothing refers to");
}

#[test]
fn secrets_are_shown_to_nobody_who_does_not_ask_for_them() {
    let rpm = Rpm::new();
    rpm.write(".env", "FILE_TOKEN=hunter3\n");
    rpm.write(
        "eco.toml",
        &format!(
            "{APP}secret = ['KEY', '*_TOKEN']\nenv = {{ KEY = 'hunter1', PLAIN = 'seen' }}\n\
             env_staging = {{ KEY = 'hunter2' }}\n"
        ),
    );
    let mut command = rpm.command("start eco.toml");
    command.env("SHELL_TOKEN", "hunter4");
    Running::start(command).output().ends_with(0);
    let environ = rpm.entry("web").environ();
    assert_eq!(
        (&*environ["KEY"], &*environ["FILE_TOKEN"], &*environ["SHELL_TOKEN"]),
        ("hunter1", "hunter3", "hunter4")
    );
    rpm.ok("save");
    let raw = format!("{:?}", Raw::greet(&rpm).ask(&json!({ "describe": null })));
    assert!(raw.contains("********") && !raw.contains("hunter"), "{raw}");
    for verb in
        ["env 0", "jlist", "prettylist", "describe web", "report", "list -m", "env 0 --diff --update-env"]
    {
        let output = rpm.run(verb);
        output.says_nothing_of("hunter");
    }
    rpm.ok("env 0").says("KEY: ********\n").says("PLAIN: seen\n").says("FILE_TOKEN: ********\n");
    rpm.write("eco2.toml", &rpm.read("eco.toml").replace("hunter1", "hunter5"));
    rpm.run("apply eco2.toml --dry-run").says("env.KEY").says_nothing_of("hunter");
    assert!(!rpm.log("rpm").contains("hunter"));
    for verb in ["env 0 --reveal", "jlist --reveal", "prettylist --reveal"] {
        let output = rpm.ok(verb);
        for secret in ["hunter1", "hunter3", "hunter4"] {
            output.says(secret);
        }
    }
    // Nothing was lost by masking: neither by a comparison nor in the dump.
    rpm.ok("apply eco.toml --dry-run").says("Nothing to do");
    rpm.ok("delete web");
    rpm.ok("resurrect");
    assert_eq!(rpm.entry("web").environ()["KEY"], "hunter1");
}

#[test]
fn a_diff_tells_what_a_restart_would_change() {
    let rpm = Rpm::new();
    rpm.write(".env", "A=1\nB=1\nKEY=hunter1\n");
    rpm.write("eco.toml", &format!("{APP}secret = 'KEY'\n"));
    rpm.ok("start eco.toml");
    assert_eq!(rpm.ok("env 0 --diff").stdout, "");
    rpm.write(".env", "A=2\nC=3\nKEY=hunter2\n");
    let diff = rpm.run("env 0 --diff");
    diff.ends_with(2);
    assert_eq!(diff.stdout, "- A: 1\n+ A: 2\n- B: 1\n+ C: 3\n- KEY: ********\n+ KEY: ********\n");
    rpm.run("env 0 --diff --reveal").says("- KEY: hunter1\n+ KEY: hunter2\n");
    rpm.ok("restart web");
    assert_eq!(rpm.ok("env 0 --diff").stdout, "");
    let mut command = rpm.command("env 0 --diff --update-env");
    command.env("SHAPE", "round");
    let diff = Running::start(command).output();
    diff.ends_with(2);
    diff.says("+ SHAPE: round\n");
    fs::remove_file(rpm.path(".env")).unwrap();
    rpm.fails("env 0 --diff").complains(".env is not there");
    rpm.ok("stop web");
    rpm.fails("env 0 --diff").complains("offline");
}
