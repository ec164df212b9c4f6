//! `ping`: is there a daemon?

use rpm_tests::Rpm;

#[test]
fn a_daemon_answers() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    assert_eq!(rpm.ok("ping").stdout.trim_end(), "{ msg: 'pong' }");
}

#[test]
fn nobody_answers_where_there_is_none() {
    let rpm = Rpm::new();
    rpm.fails("ping").says_nothing_of("pong");
    assert!(rpm.processes().is_empty(), "asking starts none");
}
