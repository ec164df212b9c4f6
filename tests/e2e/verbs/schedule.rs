//! `schedule`: what runs when.

use rpm_tests::{Rpm, repository};
use serde_json::Value;

fn data(rpm: &Rpm, words: &str) -> Value {
    let data: Value = serde_json::from_str(&rpm.ok(words).stdout).unwrap();
    assert_eq!(data["schema"], 1);
    data
}

#[test]
fn all_226_tasks_are_planned() {
    let rpm = Rpm::new();
    let file = repository().join("ecosystem/ecosystem.complete.toml");
    rpm.ok(["start", file.to_str().unwrap(), "--no-autostart"]);
    rpm.ok("set rpm:max_parallel 4");
    let shown = rpm.ok("schedule").stdout;
    assert!(shown.contains("At most 4 tasks run at once") && shown.contains("Starts per hour"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("│ ")).count(), 227, "{shown}");
    let wide = shown.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
    let data = data(&rpm, "schedule --hours 168 --json");
    let number = |value: &Value| value.as_u64().unwrap();
    let apps = data["apps"].as_array().unwrap();
    assert_eq!((apps.len(), &data["max_parallel"]), (226, &4.into()));
    let nexts: Vec<_> = apps.iter().filter_map(|app| app["next"].as_i64()).collect();
    assert!(nexts.len() > 200 && nexts.is_sorted());
    let load: u64 = data["load"].as_array().unwrap().iter().map(|hour| number(&hour["runs"])).sum();
    assert_eq!(load, apps.iter().map(|app| number(&app["runs"])).sum::<u64>());
    assert!(data["collisions"][0]["apps"].as_array().unwrap().len() > 10);
    assert_eq!(data["missed"], Value::Array(vec![]), "nobody was there before");
}

#[test]
fn what_has_no_schedule_is_not_told_and_hours_are_checked() {
    let rpm = Rpm::new();
    assert_eq!(data(&rpm, "schedule --json")["apps"], Value::Array(vec![]));
    assert!(rpm.daemon().is_none(), "looking starts none");
    rpm.forever("web", "");
    rpm.ok("schedule").says("No app has a schedule");
    rpm.ok([
        "start",
        "forever.sh",
        "--name",
        "nightly",
        "--cron",
        "30 4 * * *",
        "--cron-timezone",
        "Asia/Tokyo",
    ]);
    let data = data(&rpm, "schedule --json");
    assert_eq!((&data["apps"][0]["name"], &data["apps"][0]["runs"]), (&"nightly".into(), &1.into()));
    assert_eq!(data["apps"][0]["timezone"], "Asia/Tokyo");
    assert_eq!(data["apps"][0]["next"].as_i64().unwrap().rem_euclid(86_400_000), 70_200_000);
    rpm.fails("schedule --hours 0");
    rpm.fails("schedule --hours many");
}
