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

/// A daemon that was killed leaves `task` with a schedule whose last tick nobody has seen.
fn missed_a_tick(rpm: &Rpm) {
    assert!(
        std::fs::read_to_string(rpm.home().join("state/ticks")).unwrap().contains("\"task\":"),
        "what is seen is noted"
    );
    std::fs::write(rpm.home().join("state/ticks"), "{\"task\":0}").unwrap();
}

#[test]
fn a_tick_that_no_daemon_saw_is_made_up_for_once() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo ran");
    let schedule = ["--cron", "0 0 1 1 *", "--cron-catch-up", "--cron-only", "--no-autorestart"];
    rpm.ok([&["start", "task.sh", "--name", "task"], &schedule[..]].concat().as_slice());
    rpm.ok("start task.sh --name other --no-autorestart --no-autostart");
    rpm.ok("save");
    assert_eq!(rpm.entry("task").status(), "stopped");
    rpm.ok("kill");
    missed_a_tick(&rpm);
    rpm.ok("resurrect");
    wait_until("the run that was missed", || rpm.log("task-out") == "ran\n");
    rpm.wait_status("task", "stopped");
    // Once: neither the next list that comes back nor the next daemon does it again.
    rpm.ok("kill");
    rpm.ok("resurrect");
    rpm.ok("restart other");
    assert_eq!(rpm.log("task-out"), "ran\n");
    let daemon = rpm.daemon().unwrap();
    kill_nine(daemon);
    rpm.wait_daemon_gone(daemon);
    missed_a_tick(&rpm);
    rpm.ok("list");
    wait_until("another that was missed", || rpm.log("task-out") == "ran\nran\n");
    rpm.ok("delete task");
    wait_until("nothing is remembered", || !rpm.home().join("state/ticks").exists());
}

fn kill_nine(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
}

#[test]
fn what_runs_by_its_schedule_alone_is_not_run_by_a_start() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo ran");
    let file = |cron: &str| {
        let rest = "autorestart = false\ncron_only = true";
        rpm.write(
            "eco.toml",
            &format!("[[apps]]\nname = \"task\"\nscript = \"task.sh\"\ncron = \"{cron}\"\n{rest}\n"),
        );
    };
    file("0 0 1 1 *");
    rpm.ok("start eco.toml").says("App [task] launched");
    rpm.ok("start eco.toml");
    rpm.ok("reload eco.toml");
    rpm.ok("scale task 2");
    assert_eq!(
        (rpm.statuses(), rpm.log("task-out")),
        (vec!["task:stopped".into(), "task:stopped".into()], String::new())
    );
    // Whoever wants it now says so.
    rpm.ok("restart 0");
    wait_until("a run by hand", || rpm.log("task-out") == "ran\n");
    file(EVERY_SECOND);
    rpm.ok("start eco.toml");
    wait_until("a run by the schedule", || rpm.log("task-out").lines().count() >= 2);
}

#[test]
fn a_tick_can_be_skipped_or_queued_while_a_run_lasts() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo begins; until [ -e $1 ]; do sleep 0.02; done; echo ends");
    rpm.script("clock.sh", "echo tick");
    let task = ["start", "task.sh", "--no-autorestart", "--cron", EVERY_SECOND];
    for (name, overlap) in [("skips", "skip"), ("queues", "queue")] {
        rpm.ok([&task[..], &["--name", name, "--cron-overlap", overlap, "--", name]].concat().as_slice());
    }
    let clock = ["start", "clock.sh", "--name", "clock", "--no-autorestart", "--cron", EVERY_SECOND];
    rpm.ok(clock.as_slice());
    wait_until("some ticks", || rpm.log("clock-out").lines().count() >= 3);
    assert_eq!((rpm.log("skips-out"), rpm.log("queues-out")), ("begins\n".into(), "begins\n".into()));
    assert_eq!((rpm.entry("skips").restarts(), rpm.entry("queues").restarts()), (0, 0));
    // The tick that was queued is followed as soon as the run has ended.
    rpm.ok("restart queues --cron-restart 0");
    assert_eq!(rpm.log("queues-out"), "begins\nbegins\n");
    rpm.ok("stop skips");
}

#[test]
fn jitter_puts_a_tick_off_and_is_shown() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "echo ran");
    let daily = ["start", "task.sh", "--cron", "0 0 * * *", "--cron-timezone", "UTC", "--no-autorestart"];
    rpm.ok([&daily[..], &["--name", "plain"]].concat().as_slice());
    rpm.ok([&daily[..], &["--name", "jittered", "--cron-jitter", "6h"]].concat().as_slice());
    rpm.ok("describe plain").says("T00:00:00.000Z");
    let shown = rpm.ok("describe jittered").stdout;
    assert!(!shown.contains("T00:00:00.000Z"), "{shown}");
    assert_eq!(rpm.entry("jittered").get("cron_jitter"), 21_600_000);
    assert!(rpm.entry("plain").get("cron_jitter").is_null());
}
