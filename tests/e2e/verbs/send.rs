//! `sendSignal`, `send`, `attach`, `trigger` and `inspect`: things said to processes that go on running.

use std::{io::Write, process::Stdio};

use rpm_tests::{Rpm, Running, wait_until};

#[test]
fn a_signal_reaches_the_main_process() {
    let rpm = Rpm::new();
    rpm.script(
        "traps.sh",
        "#!/bin/bash\ntrap 'echo got usr2' USR2\necho ready\nwhile :; do sleep 1000000 & wait; done\n",
    );
    rpm.ok("start traps.sh --name web");
    let before = rpm.entry("web");
    wait_until("the trap", || rpm.entry("web").log("out").contains("ready"));
    rpm.ok("sendSignal SIGUSR2 web")
        .says("[RPM] Sending signal to process name web")
        .says("successfully sent signal SIGUSR2 to process name web")
        .says("│ web");
    wait_until("the signal", || rpm.entry("web").log("out").contains("got usr2"));
    rpm.ok("sendSignal SIGUSR2 0").says("successfully sent signal SIGUSR2 to process id 0");
    assert_eq!(rpm.entry("web").pid(), before.pid());
    rpm.fails("sendSignal SIGNOPE web").complains("Unknown signal: SIGNOPE");
    rpm.fails("sendSignal SIGUSR2 nobody").complains("Unknown process name");
    rpm.fails("sendSignal SIGUSR2 55").complains("55 id unknown");
}

const ECHO: &str = "#!/bin/bash\nwhile read -r line; do echo \"got $line\"; done\n";

#[test]
fn a_line_reaches_standard_input() {
    let rpm = Rpm::new();
    rpm.script("echo.sh", ECHO);
    rpm.ok("start echo.sh");
    rpm.ok(["send", "0", "hello world"]).says("│ echo");
    wait_until("the line", || rpm.entry("echo").log("out") == "got hello world\n");
    rpm.fails(["send", "5", "x"]).complains("[RPM][ERROR] Error: Process with ID <5> unknown.");
    rpm.fails("send 0").complains("missing required argument `line'");
    rpm.ok("stop echo");
    rpm.fails(["send", "0", "x"]).complains("Process with ID <0> offline.");
}

#[test]
fn attach_is_a_conversation() {
    let rpm = Rpm::new();
    rpm.script("echo.sh", ECHO);
    rpm.ok("start echo.sh");
    let mut command = rpm.command("attach 0");
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut typed = running.typing();
    writeln!(typed, "one").unwrap();
    running.shows("got one\n");
    writeln!(typed, "two").unwrap();
    running.shows("got two\n");
    assert!(!running.has_ended());
    drop(typed);
    running.output().ends_with(0);
    rpm.fails("attach echo").complains("pm_id must be a process number (not a process name)");
    rpm.fails("attach 9").complains("9 : id unknown");
}

#[test]
fn actions_of_a_node_app_are_triggered() {
    let rpm = Rpm::new();
    rpm.write(
        "acts.js",
        "process.send({ type: 'axm:action', data: { action_name: 'hello', arity: 0 } });\n\
         process.on('message', m => (m === 'hello' || m.msg === 'hello') &&\n\
           process.send({ type: 'axm:reply', data: { action_name: 'hello', return: { got: m.opts || null } } }));\n",
    );
    rpm.fails("trigger all hello")
        .complains("Not any process has received a command (offline or unexistent)");
    rpm.ok("start acts.js --name a");
    rpm.forever("plain", "");
    wait_until("the action", || rpm.run("trigger a hello").code == Some(0));
    rpm.ok("trigger a hello").says("1 processes have received command hello\n[a:0:default]={\"got\":null}\n");
    rpm.ok("trigger all hello x")
        .says("1 processes have received command hello\n[a:0:default]={\"got\":\"x\"}\n");
    rpm.fails("trigger a nope").complains("Not any process has received a command");
    rpm.fails("trigger 0 nope").complains("Action doesn't exist nope for a");
    rpm.fails("trigger nobody hello").complains("Not any process has received a command");
    rpm.ok("inspect a").says("Unable to activate inspect mode on a !!!");
}
