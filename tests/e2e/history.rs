//! What is remembered of runs that are over: whoever the daemon was, and whatever stands in the store.

use std::{fs, os::unix::fs::PermissionsExt};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, wait_for, wait_until};
use serde_json::{Value, json};

/// Ends with 7 when the file `go` is there, after it has said so.
const UNTIL_GO: &str =
    "#!/bin/sh\necho begun\nwhile [ ! -e go ]; do sleep 0.02; done\necho done; echo alas >&2; exit 7\n";

/// What `history` tells as data, the oldest first.
fn history(rpm: &Rpm, words: &str) -> Vec<Value> {
    let told: Value = serde_json::from_str(&rpm.ok(&format!("history --json {words}")).stdout).unwrap();
    assert_eq!(told["schema"], 1);
    told["runs"].as_array().unwrap().clone()
}

/// Waits until that many runs are told.
fn wait_history(rpm: &Rpm, words: &str, count: usize) -> Vec<Value> {
    wait_for(format!("{count} runs"), || Some(history(rpm, words)).filter(|runs| runs.len() == count))
}

fn facts(run: &Value) -> (&str, &str, &Value) {
    (run["cause"].as_str().unwrap(), run["next"].as_str().unwrap(), &run["failed"])
}

#[test]
fn each_run_is_told_with_its_cause_its_end_and_what_followed() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\necho working\nexit 3\n");
    assert!(history(&rpm, "").is_empty(), "without a daemon, too");
    rpm.ok("history").says("No runs");
    rpm.ok("start task.sh --no-autorestart --namespace jobs");
    rpm.forever("web", "");
    rpm.ok("restart web");
    rpm.ok("stop web");
    let runs = wait_history(&rpm, "", 3);
    let of = |name: &str| runs.iter().filter(|run| run["name"] == name).collect::<Vec<_>>();
    let [task] = of("task")[..] else { panic!("{runs:?}") };
    assert_eq!(facts(task), ("user", "rests", &json!(true)));
    assert_eq!(
        (&task["exit"]["code"], &task["exit"]["signal"], &task["id"]),
        (&json!(3), &Value::Null, &json!(0))
    );
    assert_eq!((&task["namespace"], &task["last_words"]["out"]), (&json!("jobs"), &json!(["working"])));
    assert!(task["cpu_ms"].is_u64() && task["peak_memory_bytes"].as_u64() > Some(0), "{task}");
    assert!(task["started"].as_i64() <= task["ended"].as_i64());
    let [first, second] = of("web")[..] else { panic!("{runs:?}") };
    assert_eq!(facts(first), ("user", "restarted", &json!(false)));
    assert_eq!(
        (facts(second), &first["asked_by"]),
        (("restart", "stopped", &json!(false)), &json!("restart"))
    );
    // Also of what is no longer there, and after the daemon.
    rpm.ok("kill");
    assert_eq!(history(&rpm, "web").len(), 2);
    assert_eq!(history(&rpm, "jobs --failed --since 1h").len(), 1);
    assert_eq!(history(&rpm, "--limit 2"), runs[1..]);
    let table = rpm.ok("history --failed").stdout;
    assert!(table.contains("code 3") && !table.contains("web"), "{table}");
    for file in fs::read_dir(rpm.home().join("state/runs")).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_run_that_outlives_its_daemon_is_told_once() {
    let rpm = Rpm::new();
    rpm.script("task.sh", UNTIL_GO);
    rpm.ok("start task.sh --no-autorestart");
    let pid = rpm.entry("task").pid();
    wait_until("its first word", || rpm.entry("task").log("out").contains("begun"));
    rpm.lose_daemon();
    rpm.ok("list");
    rpm.write("go", "");
    rpm.wait_status("task", "stopped");
    let [run] = &history(&rpm, "")[..] else { panic!("{:?}", history(&rpm, "")) };
    assert_eq!((&run["pid"], facts(run)), (&json!(pid), ("user", "rests", &json!(true))));
    // Newer kernels tell how it ended; what it used nobody but its parent would have been told.
    assert!(run["exit"]["code"] == 7 || run["exit"]["code"].is_null(), "{run}");
    assert_eq!((&run["exit"]["signal"], &run["cpu_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(run["last_words"], json!({ "out": ["begun", "done"], "error": ["alas"] }));
    // The next one has its own words, and the same daemon goes on with the same store.
    rpm.ok("restart task");
    let runs = wait_history(&rpm, "", 2);
    assert_eq!(runs[1]["last_words"]["out"], json!(["begun", "done"]));
}

#[test]
fn a_run_that_ended_while_no_daemon_was_there_is_told_as_that() {
    let rpm = Rpm::new();
    let pid = rpm.forever("web", "").pid();
    rpm.lose_daemon();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until("its end", || rpm.children().is_empty());
    rpm.wait_where("web", "restarted", |entry| entry.pid() != 0);
    let [run] = &history(&rpm, "")[..] else { panic!("{:?}", history(&rpm, "")) };
    assert_eq!((&run["pid"], facts(run)), (&json!(pid), ("user", "at_once", &json!(true))));
    assert_eq!((&run["exit"]["code"], &run["exit"]["signal"]), (&Value::Null, &Value::Null));
    rpm.ok("stop web");
    assert_eq!(wait_history(&rpm, "", 2)[1]["cause"], "autorestart");
}

#[test]
fn a_replaced_daemon_goes_on_with_what_it_knows_of_a_run() {
    let rpm = Rpm::new();
    rpm.script("task.sh", UNTIL_GO);
    rpm.ok("start task.sh --no-autorestart");
    wait_until("its first word", || rpm.entry("task").log("out").contains("begun"));
    rpm.ok("update");
    rpm.write("go", "");
    rpm.wait_status("task", "stopped");
    let [run] = &history(&rpm, "")[..] else { panic!("{:?}", history(&rpm, "")) };
    assert_eq!((&run["exit"]["code"], run["cpu_ms"].is_u64()), (&json!(7), true), "it is its parent still");
    assert_eq!(run["last_words"], json!({ "out": ["begun", "done"], "error": ["alas"] }));
}

#[test]
fn last_words_come_through_a_pipe_as_well() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\nseq 1 2000\necho alas >&2\nexit 4\n");
    rpm.ok("start task.sh --no-autorestart --time");
    let run =
        wait_for("its last words", || history(&rpm, "").pop().filter(|run| !run["last_words"].is_null()));
    let out = run["last_words"]["out"].as_array().unwrap();
    assert_eq!(out.len(), 50);
    assert!(out[49].as_str().unwrap().ends_with(": 2000"), "{out:?}");
    assert!(run["last_words"]["error"][0].as_str().unwrap().ends_with(": alas"), "{run}");
}

#[test]
fn garbage_in_the_store_costs_itself() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\necho no\nexit 1\n");
    rpm.ok("start task.sh --no-autorestart");
    wait_history(&rpm, "", 1);
    rpm.ok("kill");
    let path = rpm.home().join("state/runs/0000000001");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"!\xff\x00 {\n\n!9 {}\n-12 {\"i\":");
    fs::write(&path, bytes).unwrap();
    fs::write(rpm.home().join("state/words/0000000001"), b"\xff{").unwrap();
    assert_eq!(history(&rpm, "").len(), 1);
    rpm.ok("start task.sh --no-autorestart");
    assert_eq!(wait_history(&rpm, "", 2)[1]["exit"]["code"], 1);
    // A store that cannot be written is told once, and nothing else suffers.
    rpm.ok("kill");
    fs::remove_dir_all(rpm.home().join("state/runs")).unwrap();
    fs::write(rpm.home().join("state/runs"), "mine").unwrap();
    rpm.ok("start task.sh --no-autorestart");
    rpm.wait_status("task", "stopped");
    rpm.ok("restart task");
    wait_until("the log", || rpm.log("rpm").contains("the history of runs is not written"));
    assert_eq!(rpm.log("rpm").matches("the history of runs").count(), 1);
    rpm.fails("history").complains("the history of runs");
    rpm.ok("describe task");
}

#[test]
fn its_length_is_a_setting() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\nexit 1\n");
    rpm.ok("set rpm:history_runs 0");
    rpm.ok("start task.sh --no-autorestart");
    rpm.wait_status("task", "stopped");
    assert!(!rpm.home().join("state/runs").exists());
    rpm.ok("set rpm:history_runs 8");
    for count in 1..=3 {
        rpm.run("run task --wait").ends_with(1);
        assert_eq!(history(&rpm, "").len(), count);
    }
    // One in each segment: the oldest of them has gone.
    for _ in 0..9 {
        rpm.run("run task --wait").ends_with(1);
    }
    assert_eq!(history(&rpm, "").len(), 9, "an eighth more at most");
    rpm.fails("set rpm:history_runs many").complains("rpm:history_runs: \"many\"");
}

#[test]
fn a_run_of_a_reload_takes_the_place_of_the_one_before() {
    let rpm = Rpm::new();
    rpm.write(
        "web.toml",
        "[[apps]]\nname = \"web\"\nscript = \"forever.sh\"\nreload = \"overlap\"\nmin_uptime = 50\n",
    );
    rpm.ok("start web.toml");
    rpm.ok("reload web");
    rpm.ok("stop web");
    let runs = wait_history(&rpm, "", 2);
    assert_eq!(facts(&runs[0]), ("user", "replaced", &json!(false)));
    assert_eq!(facts(&runs[1]), ("reload", "stopped", &json!(false)));
}
