//! The ecosystem files and start scripts of this repository, run for real in a copy of them.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use rpm_tests::{Entry, LIMIT, Rpm, Running, executable, repository, within};

/// A home whose working directory holds the repository's scripts and ecosystem files.
fn copy() -> Rpm {
    let rpm = Rpm::new();
    for part in ["scripts", "ecosystem"] {
        let copied = Command::new("cp").arg("-R").arg(repository().join(part)).arg(rpm.dir()).status();
        assert!(copied.unwrap().success());
    }
    rpm
}

/// A command of `rpm` with reports below the working directory.
fn reporting(rpm: &Rpm, mut command: Command) -> Command {
    command.env("TASK_REPORT_DIR", rpm.path("out"));
    command
}

/// The list, once every task has ended, which each has to do well.
fn ended(rpm: &Rpm, tasks: usize) -> Vec<Entry> {
    // Each is a node of its own: a small machine needs its time for them.
    let list = within(LIMIT * 4, || {
        let list = rpm.jlist();
        assert_eq!(list.len(), tasks);
        list.iter().all(|entry| entry.status() == "stopped").then_some(list)
    });
    let list = list.expect("all tasks end");
    for entry in &list {
        assert_eq!(entry.get("exit_code"), 0, "{}: {}{}", entry.name(), entry.log("out"), entry.log("err"));
    }
    list
}

/// The report of a task says what its exit code says.
fn reported(path: &Path) {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(report["status"], "ok", "{}", path.display());
}

#[test]
fn all_226_tasks_run_and_end_well() {
    let rpm = copy();
    let start = reporting(&rpm, rpm.command("start ecosystem/ecosystem.complete.toml"));
    Running::start(start).output().ends_with(0);
    let list = ended(&rpm, 226);
    for entry in &list {
        reported(&rpm.path(&format!("out/{}.json", entry.name())));
        assert!(entry.get("cron_restart").is_string(), "{} will run again", entry.name());
    }
    assert_eq!(fs::read_dir(rpm.path("out")).unwrap().count(), 226);
    let rows = rpm.ok("status").stdout.lines().filter(|line| line.contains("│ stopped ")).count();
    assert_eq!(rows, 226);
}

#[test]
fn with_max_parallel_no_more_tasks_run_at_a_time_and_all_end_well() {
    let rpm = copy();
    let file = rpm.path("ecosystem/ecosystem.complete.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("max_parallel = 4\n{text}")).unwrap();
    let start = reporting(&rpm, rpm.command("start ecosystem/ecosystem.complete.toml"));
    Running::start(start).output().ends_with(0).says("set rpm:max_parallel 4");
    ended(&rpm, 226);
    let log = fs::read_to_string(rpm.home().join("rpm.log")).unwrap();
    let (mut running, mut most, mut ran) = (0, 0, HashSet::new());
    for line in log.lines() {
        let Some((_, event)) = line.split_once(": App [") else { continue };
        if let Some(app) = event.strip_suffix("] online") {
            running += 1;
            most = most.max(running);
            ran.insert(app);
        } else if event.contains("] exited with") {
            running -= 1;
        }
    }
    // Some may have run twice: schedules come round meanwhile.
    assert_eq!((most, ran.len()), (4, 226));
}

#[test]
fn the_start_script_begins_afresh() {
    let rpm = copy();
    rpm.forever("stranger", "");
    let mut command = Command::new("sh");
    command.arg(rpm.path("scripts/start-minimal.sh")).current_dir("/").env_clear();
    command.envs(rpm.command("list").get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
        .env("YES", "1")
        .env("RPM", executable())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::start(reporting(&rpm, command))
        .output()
        .ends_with(0)
        .says("Successfully saved")
        .says("│ git-health ");
    for entry in ended(&rpm, 5) {
        reported(&rpm.path(&format!("out/{}.json", entry.name())));
    }
}
