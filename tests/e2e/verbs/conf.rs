//! `set`, `get`, `unset`, `multiset`, `conf`: the configuration in `module_conf.json`.

use std::{fs, os::unix::fs::PermissionsExt};

use rpm_tests::Rpm;

#[test]
fn what_is_set_is_shown_and_restarts_its_app() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("set web:k v")
        .says("[RPM] Module web restarted")
        .says("[RPM] Setting changed")
        .says("Module: web\n$ rpm set web:k v\n");
    assert_eq!(rpm.entry("web").restarts(), 1);
    let environ = rpm.entry("web").environ();
    assert_eq!((environ["k"].as_str(), environ["web"].as_str()), ("v", "{\"k\":\"v\"}"));
    rpm.ok("get web:k").says("Value for module web key k: v\n");
    rpm.ok("get web")
        .says("Module: web\n$ rpm set web:k v\nModules configuration. Copy/Paste line to edit values.\n");
    rpm.ok("config web:z 5").says("$ rpm set web:z 5");
    rpm.ok("conf anything at").says("$ rpm set web:k v\n$ rpm set web:z 5\n");
    let file = rpm.home().join("module_conf.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "{\n    \"web\": {\n        \"k\": \"v\",\n        \"z\": \"5\"\n    }\n}"
    );
    rpm.ok("unset web:k").says_nothing_of("web:k");
    rpm.fails("get web:k");
    rpm.ok("unset all");
    assert_eq!(rpm.ok("conf").stdout, "");
}

#[test]
fn what_was_set_is_there_from_the_first_start() {
    let rpm = Rpm::new();
    rpm.ok("set web:k v");
    rpm.forever("web", "");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = \"web\"\nscript = \"forever.sh\"\nenv = { k = \"declared\", j = \"x\" }\n",
    );
    let environ = |rpm: &Rpm| rpm.entry("web").environ();
    assert_eq!((environ(&rpm)["k"].as_str(), environ(&rpm)["web"].as_str()), ("v", "{\"k\":\"v\"}"));
    rpm.ok("delete web");
    rpm.ok("start eco.toml");
    assert_eq!((environ(&rpm)["k"].as_str(), environ(&rpm)["j"].as_str()), ("v", "x"));
}

#[test]
fn without_a_daemon_the_file_is_enough() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("conf").stdout, "");
    rpm.ok(["multiset", "x:y 1 x:z -2"]).says("Module: x\n$ rpm set x:y 1\n$ rpm set x:z -2\n");
    rpm.ok("set top value");
    rpm.ok("get top").says("value\n");
    rpm.fails(["multiset", "x:y"]).complains("no value for \"x:y\"");
    rpm.fails(["set", ":", "x"]).complains("is no key");
    rpm.fails("get nothing");
    assert!(rpm.daemon().is_none());
}

#[test]
fn a_damaged_file_is_told_and_kept() {
    let rpm = Rpm::new();
    rpm.ok("set a:b c");
    let file = rpm.home().join("module_conf.json");
    fs::write(&file, "{\"a\": {").unwrap();
    rpm.fails("set a:b d").complains("module_conf.json: expected a JSON object");
    rpm.fails("conf").complains("module_conf.json: expected a JSON object");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\": {");
}

#[test]
fn a_value_that_cannot_be_read_is_not_stored_and_one_that_is_there_costs_its_own_key() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let refused = rpm.fails("set pm2-logrotate:compress yes");
    refused.complains("pm2-logrotate:compress: \"yes\"").complains("expected true or false");
    rpm.fails("multiset \"a:b 1 pm2-logrotate:retain some\"").complains("a number of files, or all");
    rpm.fails("config rpm:history_runs many").complains("a number of runs");
    assert!(!rpm.home().join("module_conf.json").exists());
    // Somebody wrote it into the file.
    std::fs::write(rpm.home().join("module_conf.json"), r#"{"pm2-logrotate": {"compress": "yes"}}"#).unwrap();
    rpm.ok("set pm2-logrotate:max_size 1K");
    rpm.ok("set pm2-logrotate:workerInterval 1");
    rpm.run("doctor").says("pm2-logrotate:compress: \"yes\"");
    rpm.ok("set other:compress yes");
    rpm.script("writer.sh", "seq -w 10000\nwhile :; do read -rt 60; done");
    rpm.ok("start writer.sh --name writer");
    let rotated = || {
        let logs = std::fs::read_dir(rpm.home().join("logs")).unwrap();
        logs.flatten().any(|log| log.file_name().to_string_lossy().starts_with("writer-out__"))
    };
    rpm_tests::wait_until("a rotated log", rotated);
    rpm.ok("unset pm2-logrotate:compress");
    rpm.run("doctor").says_nothing_of("compress");
    rpm.ok("kill");
}
