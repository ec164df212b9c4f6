//! `start`: scripts, ecosystem files, and what is there already.

use rpm_tests::{Puppet, Rpm, wait_until};
use serde_json::json;

/// Two apps and a task, all of the same directory.
const ECOSYSTEM: &str = r#"
    [[apps]]
    name = "api"
    script = "forever.sh"

    [[apps]]
    name = "worker"
    script = "forever.sh"
    namespace = "jobs"
    instances = 2

    [[apps]]
    name = "once"
    script = "true"
    autorestart = false
"#;

#[test]
fn a_script_is_announced_and_listed() {
    let rpm = Rpm::new();
    let output = rpm.ok("start forever.sh");
    let home = rpm.home();
    output
        .says(&format!("[RPM] Spawning RPM daemon with rpm_home={}", home.display()))
        .says("[RPM] RPM Successfully daemonized")
        .says(&format!("[RPM] Starting {} in fork_mode (1 instance)", rpm.path("forever.sh").display()))
        .says("[RPM] Done.")
        .says("│ forever ");
    assert_eq!(output.stderr, "");
    let entry = rpm.entry("forever");
    assert_eq!((entry.id(), entry.status(), entry.restarts()), (0, "online", 0));
    rpm.ok("start forever.sh --name second").says_nothing_of("Spawning");
}

#[test]
fn a_file_starts_its_apps() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", ECOSYSTEM);
    rpm.ok("start eco.toml")
        .says("[RPM][WARN] Applications api, worker, once not running, starting...")
        .says("[RPM] App [api] launched (1 instances)")
        .says("[RPM] App [worker] launched (2 instances)")
        .says("[RPM] App [once] launched (1 instances)");
    rpm.wait_status("once", "stopped");
    assert_eq!(rpm.statuses(), ["api:online", "worker:online", "worker:online", "once:stopped"]);
}

#[test]
fn a_file_is_found_wherever_it_is_and_paths_are_the_callers() {
    let rpm = Rpm::new();
    rpm.write("deep/eco.toml", "[[apps]]\nname = 'a'\nscript = 'forever.sh'\ncwd = 'deep'\n");
    // As in PM2 the script is below `cwd`, and both begin at the caller's directory.
    rpm.script("deep/forever.sh", "exec sleep 1000000");
    rpm.ok("start deep/eco.toml");
    let entry = rpm.entry("a");
    assert_eq!(entry.text("pm_exec_path"), rpm.path("deep/forever.sh").to_str().unwrap());
    assert_eq!(entry.text("pm_cwd"), rpm.path("deep").to_str().unwrap());
}

#[test]
fn root_makes_a_file_independent_of_the_caller() {
    let rpm = Rpm::new();
    rpm.write("deep/eco.toml", "root = '..'\n[[apps]]\nname = 'a'\nscript = 'forever.sh'\n");
    let mut command = rpm.command(["start", rpm.path("deep/eco.toml").to_str().unwrap()]);
    command.current_dir("/");
    rpm_tests::Running::start(command).output().ends_with(0);
    let entry = rpm.entry("a");
    assert_eq!(entry.text("pm_exec_path"), rpm.path("forever.sh").to_str().unwrap());
    assert_eq!(entry.text("pm_cwd"), rpm.dir().to_str().unwrap());
}

#[test]
fn only_picks_apps_of_a_file() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", ECOSYSTEM);
    rpm.ok("start eco.toml --only api,once");
    rpm.wait_status("once", "stopped");
    assert_eq!(rpm.statuses(), ["api:online", "once:stopped"]);
    for verb in ["start", "restart", "reload", "stop", "delete", "startOrRestart"] {
        rpm.fails(&format!("{verb} eco.toml --only api,typo")).complains("--only: no app is named \"typo\"");
    }
    assert_eq!(rpm.statuses(), ["api:online", "once:stopped"]);
}

#[test]
fn options_that_do_not_act_beside_a_file_are_named() {
    let rpm = Rpm::new();
    rpm.write(
        "tasks.toml",
        "[[apps]]\nname = 'task'\nscript = 'forever.sh'\ncron = '0 0 1 1 *'\n[[apps]]\nname = 'web'\nscript = 'forever.sh'\n",
    );
    rpm.ok("start tasks.toml -i 2 --kill-timeout 7 --namespace n")
        .says("options without effect beside tasks.toml, which declares its apps: kill_timeout");
    let rows: Vec<_> =
        rpm.jlist().iter().map(|entry| format!("{}:{}", entry.name(), entry.text("namespace"))).collect();
    assert_eq!(rows, ["task:n", "web:n", "web:n"]);
    assert_eq!(rpm.entry("task").get("kill_timeout"), &serde_json::Value::Null);
}

#[test]
fn env_chooses_a_profile() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "web"
        script = "forever.sh"
        env = { MODE = "plain", KEPT = "yes" }
        env_production = { MODE = "production" }
        "#,
    );
    rpm.ok("start eco.toml --env production");
    let environ = rpm.entry("web").environ();
    assert_eq!((environ["MODE"].as_str(), environ["KEPT"].as_str()), ("production", "yes"));
    rpm.fails("start eco.toml --env absent").complains("--env: no app has the environment \"absent\"");
    assert_eq!(rpm.entry("web").environ()["MODE"], "production");
    assert_eq!(rpm.entry("web").restarts(), 0);
    // Chosen once, it holds until another is chosen; what the file says meanwhile counts.
    for verb in ["restart", "reload", "start"] {
        let said = rpm.ok(&format!("{verb} eco.toml"));
        said.says("App web keeps the environment \"production\" (--env production)");
        rpm.wait_status("web", "online");
        assert_eq!(rpm.entry("web").environ()["MODE"], "production", "{verb}");
    }
    rpm.ok("apply eco.toml").says_nothing_of("MODE");
    assert_eq!(rpm.entry("web").environ()["MODE"], "production");
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect");
    let text = rpm.read("eco.toml");
    rpm.write(
        "eco.toml",
        &text.replace(", KEPT = \"yes\"", "").replace("MODE = \"production\"", "MODE = \"next\""),
    );
    rpm.ok("restart eco.toml").says("keeps the environment");
    rpm.wait_status("web", "online");
    let environ = rpm.entry("web").environ();
    assert_eq!((environ["MODE"].as_str(), environ.get("KEPT")), ("next", None));
    rpm.ok(["restart", "eco.toml", "--env", ""]).says_nothing_of("keeps the environment");
    rpm.wait_status("web", "online");
    assert_eq!(rpm.entry("web").environ()["MODE"], "plain");
    rpm.ok("restart eco.toml").says_nothing_of("keeps the environment");
}

#[test]
fn an_app_stays_in_the_namespace_that_the_command_line_chose() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", "[[apps]]\nname = \"web\"\nscript = \"forever.sh\"\n");
    rpm.ok("start eco.toml --namespace blue -i 2");
    rpm.ok("start eco.toml").says("App web stays in the namespace \"blue\"");
    assert_eq!(rpm.jlist().len(), 2);
    rpm.ok("restart eco.toml");
    assert_eq!(rpm.statuses(), ["web:online", "web:online"]);
    rpm.ok("stop eco.toml");
    assert_eq!(rpm.statuses(), ["web:stopped", "web:stopped"]);
    // Said again it counts, and two of them are two.
    rpm.ok("start eco.toml --namespace default");
    assert_eq!(rpm.jlist().len(), 3);
    rpm.ok("delete eco.toml");
    assert_eq!(rpm.jlist().len(), 2);
    rpm.ok("delete eco.toml");
    assert!(rpm.jlist().is_empty());
    rpm.ok("kill");
}

#[test]
fn as_pm2_a_chosen_environment_stays_below_what_the_file_says() {
    let rpm = Rpm::pm2();
    let app = r#"{"name": "web", "script": "forever.sh", "env": {"A": "file"},
        "env_production": {"A": "production", "NODE_ENV": "production"}}"#;
    rpm.write("eco.json", &format!(r#"{{"apps": [{app}]}}"#));
    rpm.ok("start eco.json --env production");
    rpm.ok("restart eco.json");
    rpm.wait_status("web", "online");
    let environ = rpm.entry("web").environ();
    assert_eq!((environ["NODE_ENV"].as_str(), environ["A"].as_str()), ("production", "file"));
    rpm.ok("kill");
}

#[test]
fn arguments_behind_the_dashes_are_the_apps() {
    let rpm = Rpm::new();
    rpm.script("args.sh", "printf '<%s>' \"$@\"; exec sleep 1000000");
    rpm.ok(["start", "args.sh", "--name", "a", "--", "301", "--no-color", "--name", "x y", "", "all"]);
    wait_until("the output", || rpm.log("a-out") == "<301><--no-color><--name><x y><><all>");
    assert_eq!(rpm.entry("a").get("args"), &json!(["301", "--no-color", "--name", "x y", "", "all"]));
}

#[test]
fn options_are_attributes() {
    let rpm = Rpm::new();
    rpm.write("there/app.sh", "echo out; echo err >&2; exec sleep 1000000");
    rpm.ok("start app.sh --name web --namespace front --cwd there --interpreter bash --interpreter-args -e \
            --output o.log --error e.log --kill-timeout 700 --restart-delay 60 --max-restarts 4 --min-uptime 2000");
    let entry = rpm.entry("web");
    assert_eq!(entry.text("namespace"), "front");
    assert_eq!(entry.text("pm_cwd"), rpm.path("there").to_str().unwrap());
    assert_eq!(entry.text("exec_interpreter"), "bash");
    assert_eq!(entry.get("node_args"), &json!(["-e"]));
    assert_eq!(
        ["kill_timeout", "restart_delay", "max_restarts", "min_uptime"].map(|name| entry.number(name)),
        [700, 60, 4, 2000]
    );
    wait_until("the logs", || rpm.read("there/o.log") == "out\n" && rpm.read("there/e.log") == "err\n");
}

#[test]
fn several_instances_of_any_program() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web -i 3").says("in fork_mode (3 instances)");
    let numbers: Vec<_> = rpm.jlist().iter().map(|entry| entry.number("NODE_APP_INSTANCE")).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let ids: std::collections::HashSet<_> =
        rpm.jlist().iter().map(|entry| entry.text("unique_id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "all instances of one start share it");
}

#[test]
fn autostart_and_autorestart_can_be_switched_off() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name later --no-autostart");
    let later = rpm.entry("later");
    assert_eq!((later.status(), later.pid()), ("stopped", 0));
    rpm.ok("start later");
    assert_eq!(rpm.entry("later").status(), "online");

    rpm.ok("start fails.sh --name task --no-autorestart -- 7");
    assert_eq!(rpm.wait_status("task", "stopped").number("exit_code"), 7);
}

#[test]
fn a_command_line_runs_in_a_shell_and_a_bare_command_is_found() {
    let rpm = Rpm::new();
    rpm.ok(["start", "echo one; exec sleep 1000000", "--name", "line"]);
    rpm.ok("start sleep --name bare -- 1000000");
    let line = rpm.entry("line");
    assert_eq!(line.get("args"), &json!(["-c", "echo one; exec sleep 1000000"]));
    wait_until("the output", || rpm.log("line-out") == "one\n");
    let bare = rpm.entry("bare");
    assert!(bare.text("pm_exec_path").ends_with("/sleep"), "{}", bare.text("pm_exec_path"));
    assert_eq!((bare.text("exec_interpreter"), bare.status()), ("none", "online"));
}

#[test]
fn an_executable_file_is_run_as_it_is() {
    let rpm = Rpm::new();
    rpm.script("tool", "#!/bin/sh\necho \"$0\"; exec sleep 1000000");
    rpm.ok("start ./tool --interpreter none");
    wait_until("the output", || rpm.log("tool-out").trim_end() == rpm.path("tool").to_str().unwrap());
}

#[test]
fn the_same_script_is_refused_unless_forced() {
    let rpm = Rpm::new();
    let first = rpm.forever("web", "");
    rpm.fails("start forever.sh --name web")
        .complains("[RPM][ERROR] Script already launched, add -f option to force re-execution");
    assert_eq!(rpm.entry("web").pid(), first.pid());
    rpm.ok("start forever.sh --name web -f");
    assert_eq!(rpm.statuses(), ["web:online", "web:online"]);
}

#[test]
fn the_same_script_starts_again_when_it_rests() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("stop web");
    rpm.ok("start forever.sh --name web");
    let entry = rpm.entry("web");
    assert_eq!((entry.id(), entry.status(), entry.restarts()), (0, "online", 0));
}

#[test]
fn a_known_name_id_or_namespace_is_started_or_restarted() {
    let rpm = Rpm::new();
    rpm.forever("web", "--namespace front");
    rpm.ok("stop web");
    rpm.ok("start web").says("[RPM] [web](0) ✓").says("[RPM] Process successfully started");
    assert_eq!(rpm.entry("web").restarts(), 0);
    for (times, target) in [(1, "web"), (2, "0"), (3, "front"), (4, "all")] {
        rpm.ok(["start", target]).says("[RPM] [web](0) ✓");
        assert_eq!(rpm.entry("web").restarts(), times, "after start {target}");
    }
}

#[test]
fn several_scripts_are_started_in_order() {
    let rpm = Rpm::new();
    rpm.script("a.sh", "exec sleep 1000000");
    rpm.script("b.sh", "exec sleep 1000000");
    rpm.ok("start a.sh b.sh");
    assert_eq!(rpm.statuses(), ["a:online", "b:online"]);
    rpm.script("c.sh", "exec sleep 1000000");
    rpm.fails("start c.sh missing.sh a.sh")
        .complains(&format!("[RPM][ERROR] Script not found: {}", rpm.path("missing.sh").display()));
    assert_eq!(rpm.statuses(), ["a:online", "b:online", "c:online"], "what was started stays");
}

#[test]
fn a_missing_script_starts_nothing() {
    let rpm = Rpm::new();
    rpm.fails("start missing.js")
        .complains(&format!("[RPM][ERROR] Script not found: {}", rpm.path("missing.js").display()));
    assert!(rpm.jlist().is_empty());
}

#[test]
fn a_file_started_again_is_applied_whole() {
    let rpm = Rpm::new();
    let write = |text: &str| rpm.write("eco.toml", text);
    write("[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv = { OLD = '1' }\nkill_timeout = 900\n");
    rpm.ok("start eco.toml");
    let before = rpm.entry("web");
    rpm.script("other.sh", "exec sleep 2000000");
    write(
        "[[apps]]\nname = 'web'\nscript = 'other.sh'\ninstances = 2\nenv = { NEW = '1' }\n\
         [[apps]]\nname = 'more'\nscript = 'forever.sh'\n",
    );
    rpm.ok("start eco.toml").says("[RPM] [web](0) ✓").says("[RPM] App [more] launched (1 instances)");
    let after = rpm.jlist();
    assert_eq!(rpm.statuses(), ["web:online", "web:online", "more:online"]);
    assert_ne!(before.pid(), after[0].pid());
    assert_eq!(after[0].text("pm_exec_path"), rpm.path("other.sh").to_str().unwrap());
    let environ = after[0].environ();
    assert!(environ.contains_key("NEW") && !environ.contains_key("OLD"), "{environ:?}");
    assert!(after[0].get("kill_timeout").is_null());

    write("[[apps]]\nname = 'web'\nscript = 'other.sh'\ninstances = 1\n");
    rpm.ok("start eco.toml");
    assert_eq!(
        rpm.statuses(),
        ["web:online", "more:online"],
        "an instance too many is gone, another app is not"
    );
}

#[test]
fn node_reads_source_maps_where_it_is_asked_to() {
    let rpm = Rpm::new();
    rpm.write("app.js", "console.log(process.execArgv.join()); setInterval(() => {}, 1e6);\n");
    rpm.ok("start app.js --name with --source-map-support --node-args --no-warnings");
    rpm.ok("start app.js --name without");
    wait_until("the first", || rpm.log("with-out") == "--enable-source-maps,--no-warnings\n");
    wait_until("the second", || rpm.log("without-out") == "\n");
    assert_eq!(rpm.entry("with").get("node_args"), &serde_json::json!(["--no-warnings"]), "as PM2 shows it");
}

#[test]
fn a_missing_interpreter_is_named() {
    let rpm = Rpm::new();
    rpm.fails("start forever.sh --name web --interpreter no-such-thing")
        .complains("[RPM][ERROR] Interpreter no-such-thing is NOT AVAILABLE in PATH. (type 'which no-such-thing' to double check.)");
    rpm.fails("start forever.sh --name web --interpreter ./no-such-thing")
        .complains("is NOT AVAILABLE in PATH");
    assert!(rpm.processes().is_empty(), "nothing is declared, and no daemon started");
}

#[test]
fn an_app_answers_after_it_has_been_spawned() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    // The very next verb finds it up.
    let entry = rpm.entry("web");
    assert_eq!(entry.status(), "online");
    assert!(rpm.processes().contains(&entry.pid()));
    puppet.does("echo hello");
    wait_until("the output", || entry.log("out") == "hello\n");
}
