//! Where output ends: closed pipes, full devices, terminals that are none.

use std::{fs::File, process::Stdio};

use rpm_tests::{Output, Rpm, Running};

/// Runs a verb whose reader has gone before it says anything.
fn unread(rpm: &Rpm, line: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = rpm.command(line);
    command.stdout(Stdio::from(writer));
    Running::start(command).output()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    for line in ["list", "jlist", "describe web", "env 0", "logs --nostream", "pid", "--help"] {
        let output = unread(&rpm, line);
        output.ends_with(0);
        assert_eq!(output.stderr, "", "{output}");
    }
}

#[test]
fn the_work_is_done_though_nobody_reads() {
    let rpm = Rpm::new();
    unread(&rpm, "start forever.sh --name a").ends_with(0);
    unread(&rpm, "start forever.sh --name b").ends_with(0);
    unread(&rpm, "stop all").ends_with(0);
    assert_eq!(rpm.statuses(), ["a:stopped", "b:stopped"]);
    unread(&rpm, "kill").ends_with(0);
}

#[test]
fn a_device_that_takes_nothing_is_a_failure() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let mut command = rpm.command("list");
    command.stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    let output = Running::start(command).output();
    output.ends_with(1).complains("[RPM][ERROR]").says_nothing_of("panic");
}

#[test]
fn standard_output_is_data() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let output = rpm.ok("jlist");
    assert!(output.stdout.starts_with('[') && output.stdout.ends_with(']') && output.stderr.is_empty());
}

#[test]
fn colours_are_asked_for() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let colours = |variable: Option<(&str, &str)>, line: &str| {
        let mut command = rpm.command(line);
        command.envs(variable);
        Running::start(command).output().stdout.contains("\u{1b}[")
    };
    assert!(!colours(None, "list"));
    assert!(colours(Some(("FORCE_COLOR", "1")), "list"));
    assert!(!colours(Some(("FORCE_COLOR", "1")), "list --no-color"));
}
