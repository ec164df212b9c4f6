//! Schedules, with ticks that come every second.

use rpm_tests::{Rpm, wait_until};

const EVERY_SECOND: &str = "*/1 * * * * *";

#[test]
fn a_task_runs_again_at_every_tick() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo ran");
    rpm.ok(["start", "task.sh", "--name", "task", "--no-autorestart", "--cron", EVERY_SECOND]);
    wait_until("three runs", || rpm.log("task-out").lines().count() >= 3);
}

#[test]
fn a_tick_restarts_what_runs() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "web", "--cron", EVERY_SECOND]);
    let first = rpm.entry("web").pid();
    let after =
        rpm.wait_where("web", "restarted", |entry| entry.restarts() >= 2 && entry.status() == "online");
    assert_ne!(first, after.pid());
}

#[test]
fn a_tick_starts_what_was_stopped() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "web", "--cron", EVERY_SECOND]);
    rpm.ok("stop web");
    rpm.wait_status("web", "online");
}

#[test]
fn a_tick_starts_what_is_errored() {
    let rpm = Rpm::new();
    let limits = ["--max-restarts", "1", "--min-uptime", "3600000"];
    let words = [&["start", "fails.sh", "--name", "loop", "--cron", EVERY_SECOND], &limits[..]].concat();
    rpm.ok(words.as_slice());
    rpm.wait_status("loop", "errored");
    wait_until("runs after that", || rpm.log("loop-error").lines().count() >= 3);
}

#[test]
fn a_schedule_that_is_taken_off_fires_no_more() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo ran");
    rpm.ok(["start", "task.sh", "--name", "off", "--no-autorestart", "--cron", EVERY_SECOND]);
    rpm.ok(["start", "task.sh", "--name", "on", "--no-autorestart", "--cron", EVERY_SECOND]);
    rpm.ok("restart off --cron-restart 0");
    rpm.wait_status("off", "stopped");
    let runs = |name: &str| rpm.log(&format!("{name}-out")).lines().count();
    let (off, on) = (runs("off"), runs("on"));
    // The other's ticks are the clock.
    wait_until("two ticks", || runs("on") >= on + 2);
    assert_eq!(runs("off"), off);
}

#[test]
fn files_have_five_fields_or_six_and_a_time_zone() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "seconds"
        script = "true"
        autorestart = false
        cron_restart = "*/1 * * * * *"
        [[apps]]
        name = "yearly"
        script = "forever.sh"
        cron_restart = "30 4 1 1 *"
        cron_timezone = "Asia/Tokyo"
        [[apps]]
        name = "hourly"
        script = "forever.sh"
        cron_restart = "@hourly"
        [[apps]]
        name = "never"
        script = "forever.sh"
        cron_restart = "0"
        "#,
    );
    rpm.ok("start eco.toml");
    let spawned = rpm.wait_status("seconds", "stopped").number("pm_uptime");
    rpm.wait_where("seconds", "run again", |entry| entry.number("pm_uptime") > spawned);
    // Half past four in Tokyo, the day before in Greenwich.
    rpm.ok("describe yearly").says("-12-31T19:30:00");
    assert_eq!(rpm.entry("hourly").text("cron_restart"), "@hourly");
    assert!(rpm.entry("never").get("cron_restart").is_null());
}
