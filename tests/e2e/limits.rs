//! What an app may use of the machine.

use std::fs;

use rpm_tests::{Rpm, Running, wait_until};

/// Starts `app.toml` under a daemon with these variables.
fn start_with(rpm: &Rpm, variables: &[(&str, &str)]) {
    let mut command = rpm.command("start app.toml");
    command.envs(variables.iter().copied());
    Running::start(command).output().ends_with(0);
}

#[test]
fn the_kernel_is_told_of_files_core_dumps_and_priority() {
    let rpm = Rpm::new();
    rpm.write(
        "app.sh",
        "#!/bin/sh\necho files $(ulimit -Sn) core $(awk '/core file/ { print $5 }' /proc/$$/limits) nice $(nice)\nexec sleep 1000\n",
    );
    rpm.write(
        "app.toml",
        "[[apps]]\nname = \"app\"\nscript = \"app.sh\"\nlimits = { open_files = 77, core = \"64K\", nice = 7 }\n",
    );
    rpm.ok("start app.toml");
    wait_until("its word", || rpm.log("app-out").contains("nice 7"));
    assert_eq!(rpm.log("app-out").trim(), "files 77 core 65536 nice 7");
    rpm.ok("describe app").says("open files 77, core 64kb, nice 7");
    assert_eq!(rpm.entry("app").status(), "online");
}

#[test]
fn too_much_memory_is_the_end_where_no_group_is_there() {
    let rpm = Rpm::new();
    rpm.write(
        "app.toml",
        "[[apps]]\nname = \"app\"\nscript = \"sleep\"\nargs = \"1000\"\nautorestart = false\n\
                           limits = { memory = \"4K\" }\n",
    );
    start_with(&rpm, &[("PM2_WORKER_INTERVAL", "20"), ("RPM_CGROUP", "/no/such/group")]);
    rpm.wait_status("app", "stopped");
    rpm.ok("describe app").says("memory 4kb").says("/no/such/group");
    let log = fs::read_to_string(rpm.home().join("rpm.log")).unwrap();
    assert!(log.contains("more than `limits.memory`") && log.contains("memory over its limit"), "{log}");
}

/// A directory stands for the group: what only a kernel does to it is done by the test.
#[test]
fn a_group_that_is_ours_holds_the_tree() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("cgroup.controllers"), "cpu memory").unwrap();
    let rpm = Rpm::new();
    rpm.write(
        "app.toml",
        "[[apps]]\nname = \"app\"\nscript = \"sleep\"\nargs = \"1000\"\nautorestart = false\n\
                           limits = { memory = \"64M\", cpu = \"50%\" }\n",
    );
    start_with(&rpm, &[("RPM_CGROUP", root.path().to_str().unwrap())]);
    let group = root.path().join("app-0.1");
    let text = |name: &str| fs::read_to_string(group.join(name)).unwrap_or_default();
    assert_eq!((text("memory.max"), text("cpu.max")), ("67108864".to_owned(), "50000 100000".to_owned()));
    wait_until("the process in its group", || text("cgroup.procs") == "0");
    fs::write(group.join("memory.events"), "oom_kill 1\n").unwrap();
    let pid = nix::unistd::Pid::from_raw(rpm.entry("app").pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    rpm.wait_status("app", "stopped");
    let log = fs::read_to_string(rpm.home().join("rpm.log")).unwrap();
    assert!(log.contains("memory over its limit"), "{log}");
}

#[test]
fn limits_that_mean_nothing_are_refused_with_their_place() {
    let rpm = Rpm::new();
    for (limits, complaint) in [
        ("{ memory = \"much\" }", "expected bytes"),
        ("{ cpu = 0 }", "percent of one core"),
        ("{ open_files = 0 }", "at least 1"),
        ("{ nice = 20 }", "from -20"),
        ("{ swap = 1 }", "unknown key `swap`"),
        ("5", "a table of memory"),
    ] {
        rpm.write("app.toml", &format!("[[apps]]\nscript = \"/bin/true\"\nlimits = {limits}\n"));
        rpm.fails("start app.toml").complains(complaint).complains("app.toml:3:");
    }
    rpm.write(
        "app.toml",
        "[[apps]]\nscript = \"/bin/true\"\nmax_memory_restart = \"64M\"\nlimits = { memory = \"64M\" }\n",
    );
    rpm.fails("start app.toml").complains("less than `limits.memory`").complains("app.toml:3:");
}
