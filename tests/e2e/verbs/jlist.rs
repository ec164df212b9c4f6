//! `jlist`: what third-party tools read.

use std::time::{SystemTime, UNIX_EPOCH};

use rpm_tests::Rpm;
use serde_json::{Value, json};

#[test]
fn without_a_daemon_it_is_an_empty_array() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("jlist").stdout, "[]");
}

#[test]
fn the_fields_that_tools_read_are_there() {
    let rpm = Rpm::new();
    rpm.write("package.json", r#"{ "version": "3.1.4" }"#);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    rpm.forever("web", "--namespace front -i 1");
    // Between two programs a process has no memory for a moment.
    let entry = rpm.wait_where("web", "its memory", |entry| {
        entry.0["monit"]["memory"].as_u64().is_some_and(|memory| memory > 0)
    });
    let text = |path: &std::path::Path| json!(path.to_str().unwrap());

    assert_eq!(entry.0["name"], "web");
    assert_eq!(entry.0["pm_id"], 0);
    assert!(entry.pid() > 0);
    assert!(entry.0["monit"]["cpu"].is_number());
    for (field, value) in [
        ("name", json!("web")),
        ("namespace", json!("front")),
        ("pm_id", json!(0)),
        ("status", json!("online")),
        ("restart_time", json!(0)),
        ("unstable_restarts", json!(0)),
        ("exec_mode", json!("fork_mode")),
        ("exec_interpreter", json!("bash")),
        ("pm_exec_path", text(&rpm.path("forever.sh"))),
        ("pm_cwd", text(&rpm.dir())),
        ("pm_out_log_path", text(&rpm.home().join("logs/web-out-0.log"))),
        ("pm_err_log_path", text(&rpm.home().join("logs/web-error-0.log"))),
        ("pm_pid_path", text(&rpm.home().join("pids/web-0.pid"))),
        ("instances", json!(1)),
        ("NODE_APP_INSTANCE", json!(0)),
        ("instance_var", json!("NODE_APP_INSTANCE")),
        ("autorestart", json!(true)),
        ("autostart", json!(true)),
        ("watch", json!(false)),
        ("version", json!("3.1.4")),
    ] {
        assert_eq!(entry.get(field), &value, "{field}");
    }
    for field in ["pm_uptime", "created_at"] {
        let at = entry.number(field);
        assert!((before..before + 60_000).contains(&at), "{field} is {at}, the test began at {before}");
    }
    assert!(entry.text("unique_id").len() > 8);
    assert!(entry.get("username").is_string() || entry.get("username").is_null());
    assert_eq!(entry.get("env")["HOME"], json!(rpm.home().parent().unwrap().to_str().unwrap()));
    assert!(entry.get("exit_code").is_null(), "it has not ended yet");
}

#[test]
fn it_is_one_line_by_id() {
    let rpm = Rpm::new();
    rpm.forever("b", "");
    rpm.forever("a", "");
    let output = rpm.ok("jlist");
    assert!(!output.stdout.contains('\n'));
    let list: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&list[0]["pm_id"], &list[1]["pm_id"]), (&json!(0), &json!(1)));
}

#[test]
fn a_stopped_process_uses_nothing() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("stop web");
    let entry = rpm.entry("web");
    assert_eq!(entry.pid(), 0);
    let monit = &entry.0["monit"];
    assert_eq!((monit["memory"].as_u64(), monit["cpu"].as_f64()), (Some(0), Some(0.0)), "{monit}");
}
