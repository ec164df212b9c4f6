//! `reset`: counters at zero.

use rpm_tests::Rpm;

#[test]
fn counters_begin_anew_and_the_process_goes_on() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("restart web");
    let before = rpm.entry("web");
    rpm.ok("reset web").says("[RPM] Resetting meta for process id 0");
    let after = rpm.entry("web");
    assert_eq!((before.restarts(), after.restarts()), (1, 0));
    assert_eq!(before.pid(), after.pid());
    rpm.ok("restart web");
    rpm.ok("reset all");
    assert_eq!(rpm.entry("web").restarts(), 0);
}

#[test]
fn an_unknown_name_is_named() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.fails("reset nobody").complains("Unknown process name");
}
