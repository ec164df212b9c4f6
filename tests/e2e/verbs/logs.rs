//! `logs`: the last lines, and those to come.

use std::{fs, io::Read, process::Stdio};

use nix::sys::signal::Signal;
use rpm_tests::{Puppet, Rpm, Running, wait_until};

/// An app that has written `lines` numbered lines to each stream.
fn writer(rpm: &Rpm, name: &str, lines: usize) -> Puppet {
    let puppet = Puppet::start(rpm, name, "");
    puppet.does(&format!(
        "for i in $(seq {lines}); do echo out $i; echo err $i >&2; done; echo end; echo end >&2"
    ));
    let ended = |stream: &str| rpm.log(&format!("{name}-{stream}")).ends_with("end\n");
    wait_until("the lines", || ended("out") && ended("error"));
    puppet
}

#[test]
fn the_last_lines_of_each_file() {
    let rpm = Rpm::new();
    let _web = writer(&rpm, "web", 30);
    let output = rpm.ok("logs web --nostream");
    output
        .says("[TAILING] Tailing last 15 lines for [web] process (change the value with --lines option)")
        .says(&format!("{}/logs/web-out.log last 15 lines:", rpm.home().display()))
        .says(&format!("{}/logs/web-error.log last 15 lines:", rpm.home().display()))
        .says("0|web      | out 17\n")
        .says("0|web      | out 30\n0|web      | end\n")
        .says("0|web      | err 30\n")
        .says_nothing_of("out 16\n");
    rpm.ok("logs web --nostream --lines 3")
        .says("last 3 lines:")
        .says("out 29\n")
        .says_nothing_of("out 28\n");
    let none = rpm.ok("logs web --nostream --lines 0");
    assert_eq!(none.stdout, "");
}

#[test]
fn all_means_the_daemons_own_too() {
    let rpm = Rpm::new();
    let _web = writer(&rpm, "web", 1);
    let _api = writer(&rpm, "api", 1);
    rpm.ok("logs --nostream")
        .says("[TAILING] Tailing last 15 lines for [all] processes (change the value with --lines option)")
        .says("RPM        | ")
        .says("0|web      | out 1\n")
        .says("1|api      | err 1\n");
}

#[test]
fn one_stream_can_be_chosen() {
    let rpm = Rpm::new();
    let _web = writer(&rpm, "web", 2);
    rpm.ok("logs web --nostream --out").says("out 2\n").says_nothing_of("err 2");
    rpm.ok("logs web --nostream --err").says("err 2\n").says_nothing_of("out 2");
}

#[test]
fn raw_lines_have_no_prefix_and_keep_their_stream() {
    let rpm = Rpm::new();
    let _web = writer(&rpm, "web", 2);
    let output = rpm.ok("logs web --nostream --raw --lines 2");
    output.says("out 2\nend\n").complains("err 2\nend\n");
    assert!(!output.stdout.contains('|') && !output.stdout.contains("err 2"), "{output}");
}

#[test]
fn a_target_may_be_an_id_a_namespace_or_an_expression() {
    let rpm = Rpm::new();
    let web = Puppet::start(&rpm, "web", "--namespace front");
    let api = Puppet::start(&rpm, "api", "");
    web.does("echo from web");
    api.does("echo from api");
    wait_until("the lines", || rpm.log("web-out") == "from web\n" && rpm.log("api-out") == "from api\n");
    for target in ["0", "web", "front", "/^w/"] {
        rpm.ok(["logs", target, "--nostream"]).says("from web\n").says_nothing_of("from api");
    }
}

#[test]
fn an_unknown_app_has_no_lines() {
    let rpm = Rpm::new();
    rpm.ok("logs nobody --nostream").says("[TAILING]");
    let _web = writer(&rpm, "web", 1);
    rpm.ok("logs nobody --nostream").says("[TAILING]").says_nothing_of("out 1");
}

#[test]
fn lines_may_be_long_and_the_last_unfinished() {
    let rpm = Rpm::new();
    let web = Puppet::start(&rpm, "web", "");
    web.does("head -c 100000 /dev/zero | tr '\\0' x; echo; printf unfinished");
    wait_until("the lines", || rpm.log("web-out").ends_with("\nunfinished"));
    let output = rpm.ok("logs web --nostream --lines 2");
    output.says(&format!("| {}\n", "x".repeat(100_000))).says("| unfinished\n");
}

#[test]
fn new_lines_are_followed() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 1);
    let logs = rpm.start("logs");
    logs.shows("| end");
    web.does("echo fresh; echo wrong >&2");
    logs.shows_where("both lines", |text| {
        text.lines().any(|line| line.starts_with("0|web") && line.ends_with("| fresh"))
            && text.lines().any(|line| line.starts_with("0|web") && line.ends_with("| wrong"))
    });
}

#[test]
fn nothing_is_lost_or_repeated_between_history_and_stream() {
    let rpm = Rpm::new();
    let web = Puppet::start(&rpm, "web", "");
    web.does("echo line 0");
    wait_until("a line", || !rpm.log("web-out").is_empty());
    web.does("for i in $(seq 3000); do echo line $i; done");
    let logs = rpm.start("logs web --raw --out --lines 100000");
    logs.shows("line 3000\n");
    let shown = logs.stdout();
    let lines: Vec<_> = shown.lines().filter(|line| line.starts_with("line ")).collect();
    let expected: Vec<_> = (0..=3000).map(|i| format!("line {i}")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn an_emptied_file_is_followed() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 50);
    let logs = rpm.start("logs web");
    logs.shows("| end");
    rpm.ok("flush web");
    web.does("echo after the flush");
    logs.shows("| after the flush\n");
    fs::write(rpm.home().join("logs/web-out.log"), "").unwrap();
    web.does("echo again");
    logs.shows("| again\n");
}

#[test]
fn a_renamed_file_is_followed() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 1);
    let logs = rpm.start("logs web");
    logs.shows("| end");
    let log = rpm.home().join("logs/web-out.log");
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    // The app still has the old file.
    web.does("echo into the old");
    logs.shows("| into the old\n");
    web.does("echo and once more");
    logs.shows("| and once more\n");
    rpm.ok("restart web");
    web.does("echo into the new");
    logs.shows("| into the new\n");
    assert_eq!(rpm.log("web-out"), "into the new\n");
}

#[test]
fn an_app_that_is_started_later_is_followed() {
    let rpm = Rpm::new();
    let _web = writer(&rpm, "web", 1);
    let logs = rpm.start("logs");
    logs.shows("| end");
    let late = Puppet::start(&rpm, "late", "");
    late.does("echo here I am");
    logs.shows_where("the new app's line", |text| {
        text.lines().any(|line| line.starts_with("1|late") && line.ends_with("| here I am"))
    });
}

#[test]
fn times_can_be_shown() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 1);
    let logs = rpm.start("logs web --timestamp YYYY+");
    logs.shows("| end");
    web.does("echo dated");
    logs.shows_where("a date before the prefix", |text| {
        text.lines().any(|line| {
            line.starts_with("20") && line[4..].starts_with("+ 0|web") && line.ends_with("| dated")
        })
    });
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 1);
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let mut command = rpm.command("logs web");
    command.stdout(Stdio::from(pipe));
    let mut logs = Running::start(command);
    let mut byte = [0];
    reader.read_exact(&mut byte).unwrap();
    drop(reader);
    wait_until("the end of logs", || {
        web.does("echo more");
        logs.has_ended()
    });
    logs.output().ends_with(0).says_nothing_of("panic");
}

#[test]
fn an_interrupt_ends_it_and_nothing_else() {
    let rpm = Rpm::new();
    let web = writer(&rpm, "web", 1);
    let mut logs = rpm.start("logs web");
    logs.shows("| end");
    logs.signal(Signal::SIGINT);
    wait_until("the end of logs", || logs.has_ended());
    assert_eq!(rpm.entry("web").status(), "online");
    drop(web);
}

#[test]
fn what_an_app_writes_cannot_act_on_the_terminal_by_its_name() {
    let rpm = Rpm::new();
    rpm.ok(["start", "fails.sh", "--name", "a\u{1b}[2Jb", "--no-autorestart"]);
    rpm.wait_status("a\u{1b}[2Jb", "stopped");
    let output = rpm.ok("logs --nostream");
    output.says("failing").says_nothing_of("\u{1b}[2J");
}
