//! The daemon as a service of systemd: it is told apart by the socket on which it says that it is up.

use std::{fs, os::unix::net::UnixDatagram};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{LIMIT, Rpm, Running, signal, wait_until};

/// Starts the daemon as systemd does, and waits until it says that it is up.
fn boot(rpm: &Rpm) -> (Running, UnixDatagram) {
    let path = rpm.path("notify");
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = rpm.command("__daemon");
    command.env("NOTIFY_SOCKET", &path);
    let daemon = Running::start(command);
    assert_eq!(heard(&socket), "READY=1");
    (daemon, socket)
}

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn what_was_saved_is_up_before_the_service_is() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.forever("resting", "");
    rpm.ok("stop resting");
    rpm.ok("save");
    rpm.ok("kill");
    let (daemon, socket) = boot(&rpm);
    rpm.wait_status("web", "online");
    assert_eq!(rpm.statuses(), ["web:online", "resting:stopped"]);
    let environ = fs::read_to_string(format!("/proc/{}/environ", rpm.entry("web").pid())).unwrap();
    assert!(!environ.contains("NOTIFY_SOCKET"), "{environ}");
    // The machine goes down: what is there now comes back, not what was saved before.
    rpm.ok("delete resting");
    signal(rpm.daemon().unwrap(), Signal::SIGTERM);
    assert_eq!(heard(&socket), "STOPPING=1");
    daemon.output().ends_with(0);
    assert!(rpm.children().is_empty());
    let (daemon, _socket) = boot(&rpm);
    rpm.wait_status("web", "online");
    assert_eq!(rpm.statuses(), ["web:online"]);
    rpm.ok("kill");
    daemon.output().ends_with(0);
}

#[test]
fn a_service_whose_daemon_died_takes_over_and_starts_nothing() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("save");
    rpm.ok("delete web");
    let kept = rpm.forever("kept", "");
    let old = rpm.daemon().unwrap();
    signal(old, Signal::SIGKILL);
    rpm.wait_daemon_gone(old);
    let (daemon, _socket) = boot(&rpm);
    assert_eq!(rpm.statuses(), ["kept:online"]);
    assert_eq!(rpm.entry("kept").pid(), kept.pid());
    rpm.ok("kill");
    daemon.output().ends_with(0);
}

#[test]
fn a_service_without_a_list_is_up_all_the_same() {
    let rpm = Rpm::new();
    let (daemon, _socket) = boot(&rpm);
    assert!(rpm.jlist().is_empty());
    wait_until("its log", || rpm.log("rpm").contains("is up"));
    assert!(!rpm.log("rpm").contains("error"), "{}", rpm.log("rpm"));
    // A second one does not get the home, and says so.
    rpm.fails("__daemon").complains("another daemon");
    rpm.ok("kill");
    daemon.output().ends_with(0);
}

#[test]
fn what_a_shutdown_had_deleted_when_the_machine_went_down_comes_back() {
    let rpm = Rpm::new();
    rpm.script("slow.sh", "[ -e ran ] || trap '' INT\ntouch ran\nwhile :; do read -rt 60; done");
    rpm.ok("start slow.sh --name slow --kill-timeout 3600000");
    rpm.forever("quick", "");
    let (daemon, children) = (rpm.daemon().unwrap(), rpm.children());
    signal(daemon, Signal::SIGTERM);
    let journal = rpm.home().join("state/journal");
    wait_until("the end of one", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"forgotten\""))
    });
    signal(daemon, Signal::SIGKILL);
    for child in children {
        let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
    }
    rpm.wait_daemon_gone(daemon);
    // The boot after that one has another name.
    let text = fs::read_to_string(&journal).unwrap();
    let (_, records) = text.split_once('\n').unwrap();
    fs::write(
        &journal,
        format!("{{\"header\":{{\"format\":1,\"boot\":\"before\",\"next_id\":2}}}}\n{records}"),
    )
    .unwrap();
    let (daemon, _socket) = boot(&rpm);
    wait_until("both to run", || rpm.statuses() == ["slow:online", "quick:online"]);
    rpm.ok("kill");
    daemon.output().ends_with(0);
}
