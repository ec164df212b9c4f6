//! `flush`: emptied logs.

use rpm_tests::{Puppet, Rpm, wait_until};

fn two() -> (Rpm, Puppet, Puppet) {
    let rpm = Rpm::new();
    let (a, b) = (Puppet::start(&rpm, "a", ""), Puppet::start(&rpm, "b", ""));
    for puppet in [&a, &b] {
        puppet.does("echo out; echo err >&2");
    }
    let written = || ["a-out", "a-error", "b-out", "b-error"].iter().all(|log| rpm.log(log).len() == 4);
    wait_until("the logs", written);
    (rpm, a, b)
}

#[test]
fn all_logs_are_emptied_and_written_on() {
    let (rpm, a, _b) = two();
    let logs = rpm.home().join("logs");
    rpm.ok("flush")
        .says(&format!("[RPM] Flushing {}", rpm.home().join("rpm.log").display()))
        .says("[RPM] Flushing:")
        .says(&format!("[RPM] {}", logs.join("a-out.log").display()))
        .says(&format!("[RPM] {}", logs.join("b-error.log").display()))
        .says("[RPM] Logs flushed");
    for log in ["a-out", "a-error", "b-out", "b-error"] {
        assert_eq!(rpm.log(log), "");
    }
    assert!(!rpm.log("rpm").contains("is up"));
    a.does("echo more");
    // At the beginning, not behind a hole.
    wait_until("a new line", || rpm.log("a-out") == "more\n");
}

#[test]
fn one_app_is_emptied() {
    let (rpm, _a, _b) = two();
    rpm.ok("flush a").says("[RPM] Logs flushed").says_nothing_of("b-out.log");
    assert_eq!((rpm.log("a-out"), rpm.log("a-error")), (String::new(), String::new()));
    assert_eq!(rpm.log("b-out"), "out\n");
    rpm.ok("flush 1");
    assert_eq!(rpm.log("b-out"), "");
}

#[test]
fn an_unknown_name_flushes_nothing() {
    let (rpm, _a, _b) = two();
    rpm.ok("flush nobody").says("[RPM] Logs flushed");
    assert_eq!(rpm.log("a-out"), "out\n");
}
