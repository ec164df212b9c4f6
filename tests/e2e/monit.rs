//! `monit`: the full screen, driven in a terminal as a person would.

use std::os::unix::process::ExitStatusExt;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Puppet, Rpm, Terminal, wait_until};

const WIDE: (u16, u16) = (160, 50);

/// Waits until the terminal is as it was before.
#[track_caller]
fn is_given_back(terminal: &Terminal, before: &nix::sys::termios::Termios) {
    wait_until("the usual screen and cursor", || !terminal.is_taken());
    assert_eq!(terminal.settings(), *before);
}

#[test]
fn processes_are_shown_chosen_and_restarted() {
    let rpm = Rpm::new();
    let web = Puppet::start(&rpm, "web", "");
    rpm.forever("api", "");
    rpm.forever("worker", "--namespace jobs");
    web.does("echo before the beginning");
    wait_until("the line", || rpm.log("web-out") == "before the beginning\n");

    let mut terminal = Terminal::run(&rpm, "monit", WIDE);
    terminal.shows("3 processes · 3 online");
    terminal.shows("before the beginning");
    assert!(terminal.is_taken());
    for name in ["web", "api", "worker"] {
        assert!(terminal.screen().contains(name), "{}", terminal.screen());
    }

    terminal.types("/work");
    terminal.shows("Processes 1/3 · by id · /work");
    terminal.shows("Logs · 2|worker");
    assert!(!terminal.screen().contains("api"), "{}", terminal.screen());
    terminal.types("\x15web\r");
    terminal.shows("Logs · 0|web");
    // Metadata of the one that is selected.
    terminal
        .shows_where("its script", |screen| screen.contains("script path") && screen.contains("puppet.sh"));
    web.does("echo hello there; echo oh dear >&2");
    terminal.shows("hello there");
    terminal.shows("oh dear");

    let before = rpm.entry("web").pid();
    terminal.types("r");
    terminal.shows("[web](0) restarted ✓");
    assert_ne!(rpm.entry("web").pid(), before);
    web.does("echo second life");
    terminal.shows("second life");

    // The first Esc clears the filter, the next one quits.
    terminal.types("\x1b");
    terminal.shows("Processes 3 · by id");
    terminal.types("j");
    terminal.shows("Logs · 1|api");
    terminal.types("s");
    terminal.shows("2 online · 1 stopped");
    terminal.types("S");
    terminal.shows("3 processes · 3 online");
    terminal.types("\x1b");
    assert!(terminal.ends().success());
}

#[test]
fn the_terminal_is_given_back() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    for keys in ["q", "\x1b", "\x03", "/web\x03", "?\x03"] {
        let mut terminal = Terminal::run(&rpm, "dash", (80, 24));
        // Both are open before the program has begun.
        let before = Terminal::run(&rpm, "ping", (80, 24)).settings();
        terminal.shows("1 process · 1 online");
        assert_ne!(terminal.settings(), before);
        terminal.types(keys);
        assert!(terminal.ends().success(), "{keys:?}");
        is_given_back(&terminal, &before);
    }
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let before = Terminal::run(&rpm, "ping", (80, 24)).settings();
        let mut terminal = Terminal::run(&rpm, "imonit", (80, 24));
        terminal.shows("1 process · 1 online");
        kill(Pid::from_raw(terminal.pid()), signal).unwrap();
        assert_eq!(terminal.ends().signal(), Some(signal as i32));
        is_given_back(&terminal, &before);
    }
}

#[test]
fn a_delete_is_asked_for() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.forever("api", "");
    let terminal = Terminal::run(&rpm, "monit", (80, 24));
    terminal.shows("2 processes");
    terminal.types("d");
    terminal.shows("delete [web](0)?");
    terminal.types("n");
    terminal.shows_where("no question", |screen| !screen.contains("delete [web](0)?"));
    terminal.types("dy");
    terminal.shows("[web](0) deleted ✓");
    terminal.shows("1 process · 1 online");
    assert_eq!(rpm.statuses(), ["api:online"]);
}

#[test]
fn a_daemon_may_come_and_go() {
    let rpm = Rpm::new();
    let terminal = Terminal::run(&rpm, "monit", (80, 24));
    terminal.shows("no daemon runs in");
    terminal.shows("trying again");
    assert_eq!(rpm.daemon(), None, "none is started");
    rpm.forever("web", "");
    terminal.shows("1 process · 1 online");
    rpm.ok("kill");
    terminal.shows("trying again");
    rpm.forever("api", "");
    terminal.shows("Logs · 0|api");
}

#[test]
fn another_size_is_another_layout() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let terminal = Terminal::run(&rpm, "monit", (60, 15));
    terminal.shows(" Processes  Logs  Usage  Metrics  Metadata");
    terminal.types("\x1b[Z");
    terminal.shows("script path");
    terminal.resize(WIDE);
    terminal.shows_where("all panes", |screen| {
        ["╭ Processes 1", "╭ Logs · 0|web", "╭ Usage", "╭ Metrics", "╭ Metadata"]
            .iter()
            .all(|title| screen.contains(title))
    });
}

#[test]
fn what_apps_write_does_not_act_on_the_screen() {
    let rpm = Rpm::new();
    let web = Puppet::start(&rpm, "web", "");
    let terminal = Terminal::run(&rpm, "monit", (80, 24));
    terminal.shows("Logs · 0|web");
    web.does(r"printf '\033[2J\033[?1049l\033]0;title\007harm\033[31mless\n'");
    terminal.shows("harmless");
    assert!(terminal.is_taken());
    terminal.shows("1 process · 1 online");
}

#[test]
fn without_a_terminal_it_says_so() {
    let rpm = Rpm::new();
    let output = rpm.fails("monit");
    output.complains("monit needs a terminal that can be drawn on: `rpm list` prints the processes once");
    assert_eq!((output.stdout.as_str(), rpm.daemon()), ("", None));
}
