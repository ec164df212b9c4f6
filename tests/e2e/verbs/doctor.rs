//! `doctor`

use std::{fs, os::unix::fs::PermissionsExt};

use rpm_tests::Rpm;

#[test]
fn a_home_in_order_is_told_to_be() {
    let rpm = Rpm::new();
    rpm.ok("doctor").says("the first app brings one up");
    rpm.forever("web", "");
    rpm.ok("save");
    let told = rpm.ok("doctor");
    told.says("it answers, and has 1 processes").says("1 of 1 saved processes would be started");
    told.says_nothing_of("bad ");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let rpm = Rpm::new();
    let script = rpm.script("gone.sh", "#!/bin/sh\nexec sleep 1000\n");
    rpm.ok("start gone.sh --name gone");
    fs::remove_file(script).unwrap();
    fs::set_permissions(rpm.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let told = rpm.fails("doctor");
    told.says("gone: its script").says("chmod 700").says("no list was saved");
    let json: serde_json::Value = serde_json::from_str(&rpm.run("doctor --json").stdout).unwrap();
    assert_eq!(json["schema"], 1);
    let levels: Vec<_> =
        json["findings"].as_array().unwrap().iter().map(|f| f["level"].as_str().unwrap()).collect();
    assert!(levels.contains(&"bad") && levels.contains(&"warning"), "{json:#}");
}

#[test]
fn a_daemon_that_died_is_noticed_and_not_replaced() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let daemon = rpm.lose_daemon();
    rpm.run("doctor").says("nobody looks after what it had started");
    assert_eq!(rpm.daemon(), Some(daemon), "the doctor only looks");
    assert_eq!(rpm.entry("web").status(), "online");
}
