//! Files that cannot be started: one message that names the place, exit code 1, and nothing runs.
//!
//! A few of each kind: the loader has a table of its own.

use std::fs;

use rpm_tests::{Output, Rpm};

/// Starts `text` as a file together with a good app, which must not be started.
#[track_caller]
fn refused(rpm: &Rpm, text: &str) -> Output {
    rpm.write("bad.toml", &format!("[[apps]]\nname = 'good'\nscript = 'forever.sh'\n{text}"));
    let output = rpm.fails("start bad.toml");
    output.says_nothing_of("panic").says_nothing_of("launched");
    assert!(rpm.processes().is_empty(), "nothing was started, not even a daemon: {output}");
    output
}

#[test]
fn a_missing_file() {
    let rpm = Rpm::new();
    let output = rpm.fails("start absent.toml");
    output.complains("absent.toml").says_nothing_of("panic");
    assert!(rpm.processes().is_empty());
}

#[test]
fn a_directory_and_what_cannot_be_read() {
    let rpm = Rpm::new();
    fs::create_dir(rpm.path("folder.toml")).unwrap();
    rpm.fails("start folder.toml").complains("folder.toml");
    fs::write(rpm.path("binary.toml"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    rpm.fails("start binary.toml").complains("binary.toml");
    assert!(rpm.processes().is_empty());
}

#[test]
fn not_toml() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = = 'x'\n").complains("bad.toml:5:8");
}

#[test]
fn a_wrong_type() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'x'\nscript = 'forever.sh'\nautorestart = 'maybe'\n")
        .complains("bad.toml:7:15")
        .complains("autorestart");
}

#[test]
fn a_bad_schedule() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'x'\nscript = 'forever.sh'\ncron_restart = '99 * * * *'\n")
        .complains("bad.toml:7:16")
        .complains("99");
}

#[test]
fn a_bad_unit() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'x'\nscript = 'forever.sh'\nmin_uptime = '5 parsecs'\n")
        .complains("bad.toml:7:14")
        .complains("min_uptime");
}

#[test]
fn a_bad_signal() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'x'\nscript = 'forever.sh'\nkill_signal = 'SIGNOTHING'\n")
        .complains("bad.toml:7:15")
        .complains("SIGNOTHING");
}

#[test]
fn a_script_that_is_not_there() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'x'\nscript = 'absent.js'\n")
        .complains("bad.toml:6:10")
        .complains("absent.js");
}

#[test]
fn a_name_twice() {
    let rpm = Rpm::new();
    refused(&rpm, "[[apps]]\nname = 'good'\nscript = 'signals.js'\n")
        .complains("bad.toml:5:8")
        .complains("good");
}

#[test]
fn a_wrong_shape() {
    let rpm = Rpm::new();
    rpm.write("bad.toml", "apps = 'none'\n");
    rpm.fails("start bad.toml").complains("bad.toml:1:8");
    rpm.write("bad.toml", "x = 1\n");
    rpm.fails("start bad.toml").complains("bad.toml");
    assert!(rpm.processes().is_empty());
}

#[test]
fn an_unknown_attribute_is_reported_with_a_suggestion_and_no_obstacle() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", "[[apps]]\nname = 'x'\nscript = 'forever.sh'\nmax_restart = 3\n");
    let output = rpm.ok("start eco.toml");
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(text.contains("eco.toml:4:1") && text.contains("max_restarts"), "{output}");
    assert_eq!(rpm.statuses(), ["x:online"]);
}

#[test]
fn an_interpreter_that_is_not_installed_fails_its_app_only() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'bad'\nscript = 'forever.sh'\ninterpreter = 'no-such-thing'\n\
         [[apps]]\nname = 'good'\nscript = 'forever.sh'\n",
    );
    let output = rpm.run("start eco.toml");
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(text.contains("no-such-thing"), "the reason is told: {output}");
    assert_eq!(rpm.statuses(), ["bad:errored", "good:online"]);
}

#[test]
fn a_program_that_cannot_be_executed_is_errored() {
    let rpm = Rpm::new();
    rpm.write("plain", "no program\n");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'bad'\nscript = './plain'\ninterpreter = 'none'\n\
         [[apps]]\nname = 'good'\nscript = 'forever.sh'\n",
    );
    rpm.run("start eco.toml");
    assert_eq!(rpm.statuses(), ["bad:errored", "good:online"]);
    assert_eq!(rpm.entry("bad").pid(), 0);
}

#[test]
fn options_of_the_command_line_are_checked_alike() {
    let rpm = Rpm::new();
    for (option, value) in [
        ("--cron", "not a schedule"),
        ("--min-uptime", "soon"),
        ("--kill-signal", "SIGNOTHING"),
        ("--max-restarts", "-3"),
        ("-i", "many"),
    ] {
        let output = rpm.fails(["start", "forever.sh", option, value]);
        output.says_nothing_of("panic");
        assert!(!output.stderr.is_empty() || !output.stdout.is_empty(), "{output}");
    }
    assert!(rpm.processes().is_empty());
}
