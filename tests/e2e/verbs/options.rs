//! Global options that no other file is about.

use rpm_tests::{Puppet, Rpm, wait_until};

#[test]
fn attach_shows_what_is_written_from_then_on() {
    let rpm = Rpm::new();
    let puppet = Puppet::new(&rpm, "web");
    let running = rpm.start("start puppet.sh --name web --attach -- web.pipe");
    running.shows("[RPM] Log streaming apps id: 0, exit with Ctrl-C");
    puppet.does("echo hello");
    running.shows("0|web  | hello\n");
    drop(running);
    assert_eq!(rpm.entry("web").status(), "online");
}

#[test]
fn attributes_of_the_daemon_can_be_options() {
    let rpm = Rpm::new();
    rpm.ok(
        "start forever.sh --name web --max-memory-restart 100M --listen-timeout 5000 --shutdown-with-message \
         --no-treekill --log-type json --no-vizion --no-pmx --disable-logs -p web.pid --ignore-watch a --ignore-watch b",
    );
    let entry = rpm.entry("web");
    assert_eq!(entry.number("max_memory_restart"), 104_857_600);
    assert_eq!(entry.number("listen_timeout"), 5000);
    for (field, value) in
        [("shutdown_with_message", true), ("treekill", false), ("vizion", false), ("pmx", false)]
    {
        assert_eq!(entry.get(field), value, "{field}");
    }
    assert_eq!(entry.get("ignore_watch").as_array().unwrap(), &["a", "b"]);
    assert_eq!(rpm.read("web-0.pid"), entry.pid().to_string());
    rpm.fails("start forever.sh --name x --max-memory-restart much").complains("max_memory_restart");
    rpm.fails("start forever.sh --name x --uid nobody-of-that-name").complains("nobody-of-that-name");
    assert_eq!(rpm.jlist().len(), 1);
}

#[test]
fn watching_is_switched_over_by_restart() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    for watching in ["enabled", "disabled"] {
        rpm.ok("restart web --watch").says(watching);
    }
    assert_eq!(rpm.entry("web").restarts(), 2);
}

#[test]
fn only_some_extensions_are_watched() {
    let rpm = Rpm::new();
    rpm.write("a.log", "");
    rpm.write("a.js", "");
    rpm.ok("start forever.sh --name web --watch --ext js,sh");
    let ignored = rpm.entry("web").get("ignore_watch").to_string();
    assert!(
        ignored.contains("a.log") && !ignored.contains("a.js") && !ignored.contains("forever.sh"),
        "{ignored}"
    );
    rpm.write("a.js", "changed");
    wait_until("the restart", || rpm.entry("web").restarts() == 1);
}

#[test]
fn what_was_declared_can_be_written_and_started_again() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web -w --kill-timeout 5000 --no-autorestart -- a b")
        .says(&format!("[RPM] Writing configuration to {}", rpm.path("web-rpm.json").display()));
    rpm.ok("delete web");
    rpm.ok("start web-rpm.json");
    let entry = rpm.entry("web");
    assert_eq!(entry.number("kill_timeout"), 5000);
    assert_eq!(entry.get("autorestart"), false);
    assert_eq!(entry.get("args").as_array().unwrap(), &["a", "b"]);
}
