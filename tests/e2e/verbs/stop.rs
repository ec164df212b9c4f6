//! `stop`, and what every verb that takes targets makes of them.

use rpm_tests::Rpm;

/// Three processes: two of `web` in the namespace `front`, one of `jobs`.
fn three() -> Rpm {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web --namespace front -i 2");
    rpm.ok("start forever.sh --name jobs");
    rpm
}

#[test]
fn a_stopped_process_stays_in_the_list() {
    let rpm = Rpm::new();
    let pid = rpm.forever("web", "").pid();
    let output = rpm.ok("stop web");
    output
        .says("[RPM] Applying action stopProcessId on app [web](ids: [ 0 ])")
        .says("[RPM] [web](0) ✓")
        .says("│ stopped ");
    assert_eq!(output.stderr, "");
    let entry = rpm.entry("web");
    assert_eq!((entry.status(), entry.pid(), entry.restarts()), ("stopped", 0, 0));
    assert!(!rpm.processes().contains(&pid), "it is gone when the verb has ended");
}

#[test]
fn it_can_be_stopped_again() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("stop web");
    rpm.ok("stop web").says("[RPM] [web](0) ✓");
    assert_eq!(rpm.entry("web").status(), "stopped");
}

#[test]
fn a_target_may_be_a_name() {
    let rpm = three();
    rpm.ok("stop web").says("on app [web](ids: [ 0, 1 ])");
    assert_eq!(rpm.statuses(), ["web:stopped", "web:stopped", "jobs:online"]);
}

#[test]
fn a_target_may_be_an_id() {
    let rpm = three();
    rpm.ok("stop 1").says("on app [1](ids: [ '1' ])").says("[RPM] [web](1) ✓");
    assert_eq!(rpm.statuses(), ["web:online", "web:stopped", "jobs:online"]);
}

#[test]
fn a_target_may_be_a_namespace() {
    let rpm = three();
    rpm.ok("stop front");
    assert_eq!(rpm.statuses(), ["web:stopped", "web:stopped", "jobs:online"]);
}

#[test]
fn a_target_may_be_all() {
    let rpm = three();
    rpm.ok("stop all").says("on app [all](ids: [ 0, 1, 2 ])");
    assert_eq!(rpm.statuses(), ["web:stopped", "web:stopped", "jobs:stopped"]);
}

#[test]
fn a_target_may_be_a_regular_expression() {
    let rpm = three();
    rpm.ok("stop /^j.b/");
    assert_eq!(rpm.statuses(), ["web:online", "web:online", "jobs:stopped"]);
    rpm.fails("stop /nobody/").complains("[RPM][WARN] No process found");
    rpm.fails("stop /(/").complains("regular expression");
}

#[test]
fn a_target_may_be_the_script() {
    let rpm = Rpm::new();
    rpm.script("a.sh", "exec sleep 1000000");
    rpm.ok("start a.sh --name web");
    rpm.ok("stop ./a.sh");
    assert_eq!(rpm.statuses(), ["web:stopped"]);
}

#[test]
fn a_target_may_be_a_file() {
    let rpm = three();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'jobs'\nscript = 'forever.sh'\n[[apps]]\nname = 'absent'\nscript = 'forever.sh'\n",
    );
    rpm.run("stop eco.toml");
    assert_eq!(rpm.statuses(), ["web:online", "web:online", "jobs:stopped"]);
}

#[test]
fn targets_are_served_in_order_up_to_the_first_error() {
    let rpm = three();
    rpm.ok("stop 0 jobs");
    assert_eq!(rpm.statuses(), ["web:stopped", "web:online", "jobs:stopped"]);
    rpm.ok("start all");
    rpm.fails("stop jobs nobody web").complains("[RPM][ERROR] Process or Namespace nobody not found");
    assert_eq!(rpm.statuses(), ["web:online", "web:online", "jobs:stopped"]);
}

#[test]
fn what_is_not_there_is_named() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    for verb in ["stop", "restart", "delete"] {
        rpm.fails([verb, "nobody"]).complains("[RPM][ERROR] Process or Namespace nobody not found");
    }
    for verb in ["stop", "delete"] {
        rpm.fails([verb, "99"]).complains("[RPM][ERROR] 99 : id unknown");
    }
    rpm.fails("restart 99").complains("id unknown");
    rpm.fails("stop").complains("error: missing required argument");
}

#[test]
fn an_empty_list_has_nothing_to_stop() {
    let rpm = Rpm::new();
    for verb in ["stop", "restart", "delete"] {
        rpm.fails([verb, "all"]).complains("[RPM][WARN] No process found");
    }
}

#[test]
fn a_schedule_outlives_a_stop_and_that_is_said() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "web", "--cron", "0 0 1 1 *"]);
    rpm.ok("stop web").says("[RPM][WARN] App web stopped but CRON RESTART is still UP 0 0 1 1 *");
}
