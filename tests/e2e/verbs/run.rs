//! `run`: a task runs now, and its exit code is told.

use nix::sys::signal::Signal;
use rpm_tests::Rpm;

/// Ends as its argument says when the file `go` is there.
const TASK: &str = "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.02; done\nrm go\neval \"$1\"\n";

fn task(end: &str) -> Rpm {
    let rpm = Rpm::new();
    rpm.script("task.sh", TASK);
    rpm.write("go", "");
    rpm.ok(["start", "task.sh", "--no-autorestart", "--", end]);
    rpm.wait_status("task", "stopped");
    rpm
}

#[test]
fn its_exit_code_is_that_of_the_run() {
    let rpm = task("exit 7");
    rpm.write("go", "");
    rpm.run("run task --wait").ends_with(7).says("[task](0) ended with code 7");
    rpm.write("go", "");
    rpm.ok("run task").says("[task](0) ✓");
    rpm.wait_status("task", "stopped");
    assert_eq!(rpm.entry("task").restarts(), 0, "a start, not a restart");
    let rpm = task("kill -9 $$");
    rpm.write("go", "");
    rpm.run("run task --wait").ends_with(137).says("signal SIGKILL");
    let rpm = task("exit 0");
    rpm.write("go", "");
    rpm.ok("run task --wait");
}

#[test]
fn what_runs_already_is_told_and_left_alone() {
    let rpm = task("exit 0");
    rpm.ok("run task");
    let pid = rpm.entry("task").pid();
    for words in ["run task", "run task --wait"] {
        rpm.run(words).ends_with(125).complains("task (0) runs already");
    }
    assert_eq!(rpm.entry("task").pid(), pid);
    rpm.fails("run nobody").complains("nobody doesn't exist");
    rpm.ok("delete all");
    rpm.script("none.sh", "#!/no/such/shell\n");
    rpm.run("start none.sh --no-autorestart --interpreter none");
    rpm.run("run none --wait").ends_with(125).complains("first line");
}

#[test]
fn who_stops_waiting_leaves_the_task_running() {
    let rpm = task("exit 0");
    let waiting = rpm.start("run task --wait");
    waiting.shows("✓");
    let pid = rpm.entry("task").pid();
    waiting.signal(Signal::SIGINT);
    drop(waiting.output());
    assert_eq!((rpm.entry("task").pid(), rpm.entry("task").status()), (pid, "online"));
}

#[test]
fn a_task_that_is_stopped_meanwhile_has_ended() {
    let rpm = task("exit 0");
    let waiting = rpm.start("run task --wait");
    waiting.shows("✓");
    rpm.ok("stop task");
    waiting.output().ends_with(130).says("signal SIGINT");
}

#[test]
fn the_end_is_waited_for_whoever_the_daemon_is() {
    let rpm = task("exit 7");
    let waiting = rpm.start("run task --wait");
    waiting.shows("✓");
    rpm.ok("update");
    rpm.write("go", "");
    waiting.output().ends_with(7);
    let waiting = rpm.start("run task --wait");
    waiting.shows("✓");
    rpm.lose_daemon();
    rpm.write("go", "");
    let output = waiting.output();
    // Newer kernels tell how a process ended that is no child.
    assert!(output.code == Some(7) || output.code == Some(125), "{output}");
}

#[test]
fn several_are_run_and_the_first_that_fails_gives_the_code() {
    let rpm = Rpm::new();
    for code in [0, 3, 4] {
        rpm.script(&format!("t{code}.sh"), &format!("#!/bin/sh\nexit {code}\n"));
        rpm.ok(&format!("start t{code}.sh --no-autorestart --namespace jobs"));
        rpm.wait_status(&format!("t{code}"), "stopped");
    }
    let output = rpm.run("run jobs --wait");
    output.ends_with(3).says("[t0](0) ended with code 0").says("[t4](2) ended with code 4");
}
