//! `pid`: pids and nothing else.

use rpm_tests::Rpm;

#[test]
fn one_pid_a_line() {
    let rpm = Rpm::new();
    let a = rpm.forever("a", "").pid();
    rpm.ok("start forever.sh --name b -i 2");
    let all: Vec<_> = rpm.jlist().iter().map(|entry| entry.pid().to_string()).collect();
    assert_eq!(rpm.ok("pid").stdout, format!("{}\n", all.join("\n")));
    assert_eq!(rpm.ok("pid a").stdout, format!("{a}\n"));
    assert_eq!(rpm.ok("pid b").stdout, format!("{}\n", all[1..].join("\n")));
    rpm.ok("stop a");
    assert_eq!(rpm.ok("pid a").stdout, "0\n");
}

#[test]
fn nothing_is_an_empty_line() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("pid").stdout, "\n");
    rpm.forever("a", "");
    assert_eq!(rpm.ok("pid nobody").stdout, "\n");
}
