//! `max_parallel`: tasks that wait for a place.

use rpm_tests::{Rpm, wait_until};

/// A task that says that it runs, and ends when the file `go` is there.
const TASK: &str = "echo begins; until [ -e go ]; do sleep 0.02; done; echo ends";

/// `names` as tasks of a file with `head` above them.
fn tasks(rpm: &Rpm, head: &str, names: &[&str]) {
    rpm.script("task.sh", TASK);
    let app = |name: &&str| {
        let namespace = name.trim_end_matches(char::is_numeric);
        format!(
            "[[apps]]\nname = \"{name}\"\nnamespace = \"{namespace}\"\nscript = \"task.sh\"\nautorestart = false\n"
        )
    };
    let apps: String = names.iter().map(app).collect();
    rpm.write("eco.toml", &format!("{head}\n{apps}"));
}

/// The names of those that have this status.
fn with_status(rpm: &Rpm, status: &str) -> Vec<String> {
    let list = rpm.jlist();
    let mut names: Vec<_> =
        list.iter().filter(|entry| entry.status() == status).map(|entry| entry.name().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn tasks_above_the_number_wait_and_a_start_does_not() {
    let rpm = Rpm::new();
    tasks(&rpm, "max_parallel = 2", &["a1", "a2", "a3", "a4"]);
    rpm.ok("start eco.toml").says("set rpm:max_parallel 2").says("App [a4] launched");
    assert_eq!(with_status(&rpm, "online"), ["a1", "a2"]);
    assert_eq!(with_status(&rpm, "queued"), ["a3", "a4"]);
    rpm.ok("list").says("queued");
    // What is not meant to end needs no place.
    rpm.forever("web", "");
    rpm.write("go", "");
    for name in ["a1", "a2", "a3", "a4"] {
        rpm.wait_status(name, "stopped");
        assert_eq!(rpm.log(&format!("{name}-out")), "begins\nends\n");
    }
}

#[test]
fn one_that_waits_can_be_stopped_started_and_deleted() {
    let rpm = Rpm::new();
    tasks(&rpm, "max_parallel = 1", &["a1", "a2", "a3"]);
    rpm.ok("start eco.toml");
    rpm.ok("stop a2");
    assert_eq!(rpm.entry("a2").status(), "stopped");
    rpm.ok("restart a3");
    assert_eq!((rpm.entry("a3").status(), rpm.entry("a3").restarts()), ("queued", 0));
    rpm.ok("start a2");
    rpm.ok("delete a3");
    assert_eq!(
        (with_status(&rpm, "online"), with_status(&rpm, "queued")),
        (vec!["a1".into()], vec!["a2".into()])
    );
    // One that is stopped makes room.
    rpm.ok("stop a1");
    rpm.wait_status("a2", "online");
    rpm.ok("kill");
}

#[test]
fn a_namespace_has_its_own_number_and_settings_change_it() {
    let rpm = Rpm::new();
    let head = "max_parallel = 3\n[namespaces.a]\nmax_parallel = 1";
    tasks(&rpm, head, &["a1", "a2", "a3", "b1", "b2", "b3"]);
    rpm.ok("start eco.toml");
    assert_eq!(with_status(&rpm, "online"), ["a1", "b1", "b2"]);
    rpm.ok("set rpm:namespaces:a:max_parallel 2");
    assert_eq!(with_status(&rpm, "queued"), ["a2", "a3", "b3"]);
    rpm.ok("set rpm:max_parallel 4");
    rpm.wait_status("a2", "online");
    rpm.ok("unset rpm:max_parallel");
    rpm.wait_status("b3", "online");
    assert_eq!(with_status(&rpm, "queued"), ["a3"]);
    rpm.fails("set rpm:max_parallel many").complains("rpm:max_parallel");
}

#[test]
fn a_number_set_while_tasks_run_counts_them() {
    let rpm = Rpm::new();
    tasks(&rpm, "", &["a1", "a2", "a3"]);
    rpm.ok("start eco.toml --only a1,a2");
    rpm.ok("set rpm:max_parallel 2");
    rpm.ok("start eco.toml --only a3");
    assert_eq!(rpm.entry("a3").status(), "queued");
    rpm.ok("stop a1");
    rpm.wait_status("a3", "online");
}

#[test]
fn the_queue_outlives_the_daemon() {
    let rpm = Rpm::new();
    tasks(&rpm, "max_parallel = 1", &["a1", "a2", "a3"]);
    rpm.ok("start eco.toml");
    let (daemon, running) = (rpm.daemon().unwrap(), rpm.entry("a1").pid());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGKILL).unwrap();
    rpm.wait_daemon_gone(daemon);
    // Another takes over.
    rpm.ok("restart a3");
    assert_eq!(rpm.entry("a1").pid(), running);
    assert_eq!(with_status(&rpm, "queued"), ["a2", "a3"]);
    rpm.ok("update");
    assert_eq!((rpm.entry("a1").pid(), with_status(&rpm, "queued").len()), (running, 2));
    rpm.write("go", "");
    wait_until("all have run", || with_status(&rpm, "stopped").len() == 3);
    assert_eq!(rpm.log("a3-out"), "begins\nends\n");
}

#[test]
fn the_queue_is_saved_and_comes_back() {
    let rpm = Rpm::new();
    tasks(&rpm, "max_parallel = 1", &["a1", "a2"]);
    rpm.ok("start eco.toml");
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect");
    assert_eq!(
        (with_status(&rpm, "online"), with_status(&rpm, "queued")),
        (vec!["a1".into()], vec!["a2".into()])
    );
}

#[test]
fn apply_tells_the_number_and_sets_it() {
    let rpm = Rpm::new();
    tasks(&rpm, "max_parallel = 1", &["a1", "a2"]);
    rpm.run("apply eco.toml --dry-run").ends_with(2).says("set     rpm:max_parallel 1").says("start   a1");
    assert!(!rpm.home().join("module_conf.json").exists());
    rpm.ok("apply eco.toml");
    assert_eq!(with_status(&rpm, "queued"), ["a2"]);
    rpm.ok("apply eco.toml").says("Nothing to do");
    tasks(&rpm, "max_parallel = 2", &["a1", "a2"]);
    rpm.ok("apply eco.toml").says("set rpm:max_parallel 2");
    rpm.wait_status("a2", "online");
}
