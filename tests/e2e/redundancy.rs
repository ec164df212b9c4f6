//! The redundancy companion: the example, and what is told at the command line.

use std::{fs, process::Command};

use nix::sys::signal::Signal;
use rpm_tests::{Rpm, Running, repository, wait_until};

/// Short intervals, and nothing watched but what a test adds.
const QUICK: &str = "[files]\nlogs = \"logs\"\nstate = \"state\"\n\
    [pm2]\ninterval = \"60ms\"\nretry_delay = \"60ms\"\nprocesses = []\necosystem_files = [\"eco.toml\"]\n\
    max_log_size = \"100K\"\nmax_attempts = 2\n\
    [github]\nenabled = false\n[netlify]\nenabled = false\n[orchestrator]\ninterval = \"60ms\"\n";

/// A file that declares `forever.sh` under these names.
fn ecosystem(names: &[&str]) -> String {
    let app = |name: &&str| format!("[[apps]]\nname = \"{name}\"\nscript = \"forever.sh\"");
    names.iter().map(app).collect::<Vec<_>>().join("\n")
}

fn quick(names: &[&str]) -> Rpm {
    let rpm = Rpm::new();
    rpm.write("redundancy.toml", QUICK);
    rpm.write("eco.toml", &ecosystem(names));
    rpm
}

#[test]
fn the_example_shows_detection_recovery_emergency_and_report() {
    let rpm = Rpm::new();
    let scenario = repository().join("examples/redundancy/scenario.js");
    let scenario = scenario.to_str().unwrap();
    let words: [&str; 0] = [];
    let output = Running::start(rpm.command_under("node", &[scenario], words)).output();
    output.ends_with(0).says("--- everything came as it should");
}

#[test]
fn a_daemon_that_is_away_is_waited_for() {
    let rpm = quick(&["one"]);
    let companion = rpm.start("redundancy run pm2");
    companion.shows("the daemon is away, waiting for it: nobody listens on ");
    rpm.run("redundancy pm2 status").ends_with(2).says("the daemon is away since ");
    assert_eq!(rpm.daemon(), None, "it was not started");
    rpm.ok("start eco.toml");
    companion.shows("pm2: the daemon is back after ");
    rpm.lose_daemon();
    let twice = |text: &'static str| move |stdout: &str| stdout.matches(text).count() == 2;
    companion.shows_where("away again", twice("the daemon is away, waiting for it"));
    rpm.ok("start eco.toml");
    companion.shows_where("back again", twice("the daemon is back after "));
    companion.signal(Signal::SIGTERM);
    companion.output().ends_with(0).says("pm2: ends");
}

#[test]
fn a_daemon_that_is_away_is_started_if_set_and_all_that_is_declared() {
    let rpm = quick(&["one", "two"]);
    let mut command = rpm.command("redundancy run pm2");
    command.env("RPM_REDUNDANCY_PM2_START_DAEMON", "1");
    let companion = Running::start(command);
    companion.shows("the daemon is away, starting it");
    companion.shows("pm2: was degraded, is healthy: 2 of 2 healthy");
    assert_eq!(rpm.statuses(), ["one:online", "two:online"]);
    companion.signal(Signal::SIGINT);
    companion.output().ends_with(0);
}

#[test]
fn one_that_cannot_be_started_is_tried_as_often_as_is_set_and_then_reported() {
    let rpm = quick(&[]);
    rpm.write("eco.toml", "[[apps]]\nname = \"bad\"\nscript = \"fails.sh\"\nmax_restarts = 0\n");
    rpm.run("start eco.toml");
    let companion = rpm.start("redundancy run pm2");
    companion.shows("bad: attempt 2 of 2");
    companion.shows("bad: 2 attempts did not bring it back");
    rpm.run("redundancy pm2 status").ends_with(2).says("unhealthy");
    rpm.run("redundancy status").ends_with(1).says("pm2 bad: unhealthy");
}

#[test]
fn a_crash_loop_is_not_healthy_and_a_restart_by_a_verb_is() {
    let rpm = quick(&["calm"]);
    let loops = "[[apps]]\nname = \"loops\"\nscript = \"loops.sh\"\nmax_restarts = 1000000\nmin_uptime = 1\n";
    rpm.script("loops.sh", "#!/bin/sh\nexec sleep 0.2\n");
    rpm.write("eco.toml", &format!("{}\n{loops}", ecosystem(&["calm"])));
    rpm.ok("start eco.toml");
    let companion = rpm.start("redundancy run pm2");
    // Each of its runs outlasts three intervals.
    companion.shows("loops ended by itself 2 times within ");
    rpm.run("redundancy pm2 status").ends_with(2).says("does not stay up: ended by itself");
    rpm.ok("restart calm");
    rpm.ok("reload calm");
    let failures = || {
        let health = rpm.run("redundancy pm2 status --json").stdout;
        let health: serde_json::Value = serde_json::from_str(&health).unwrap();
        let units = health["units"].as_array().unwrap();
        units.iter().find(|unit| unit["name"] == "loops").and_then(|unit| unit["failures"].as_u64())
    };
    wait_until("further restarts", || failures().is_some_and(|count| count > 8));
    let log = rpm.read("logs/pm2.log");
    assert!(!log.contains("calm ended") && !log.contains("calm is"), "{log}");
}

#[test]
fn a_scheduled_task_that_failed_is_reported_and_not_run_again() {
    let rpm = quick(&[]);
    rpm.script("task.sh", "#!/bin/sh\necho ran >> ran.txt\nexit 7\n");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = \"task\"\nscript = \"task.sh\"\nautorestart = false\ncron_restart = \"0 0 1 1 *\"\n",
    );
    rpm.ok("start eco.toml");
    rpm.ok("restart task");
    wait_until("its run", || rpm.read("ran.txt").contains("ran") && rpm.entry("task").pid() == 0);
    let runs = rpm.read("ran.txt");
    let companion = rpm.start("redundancy run pm2");
    companion.shows("task: the last run failed: code 7");
    let checked = || rpm.read("state/pm2.json");
    let first = checked();
    wait_until("another look", || checked() != first);
    rpm.run("redundancy pm2 status").ends_with(1).says("its last run failed: code 7");
    assert_eq!(rpm.read("ran.txt"), runs);
}

#[test]
fn a_check_of_functions_neither_pushes_nor_sends_what_they_would() {
    let rpm = Rpm::new();
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=Octo", "-c", "user.email=octo@example.org"];
        let output = Command::new("git").current_dir(rpm.path("site")).args(who).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let acts = |what: &str| {
        format!(
            "const {{ execSync }} = require('node:child_process'), fs = require('node:fs');
             const act = () => {{
               fs.writeFileSync('made.txt', '{what}');
               execSync('git add -A && git -c user.name=x -c user.email=x@x commit -qm {what}');
               fs.appendFileSync('{}', '{what} ' + Object.values(process.env).join(' '));
               execSync('git push -q origin HEAD:main');
             }};\n",
            rpm.path("trace.txt").display()
        )
    };
    let handler = "exports.handler = async () => { act(); return { statusCode: 200 } };\n";
    rpm.write(
        "site/netlify/functions/nightly.js",
        &format!("{}{handler}exports.config = {{ schedule: '@daily' }}", acts("nightly")),
    );
    rpm.write("site/netlify/functions/mail-background.js", &format!("{}act();{handler}", acts("mail")));
    rpm.write("site/netlify/functions/_plain.js", &format!("{}{handler}", acts("plain")));
    rpm.write(
        "site/netlify/functions/functions-manifest.json",
        r#"{"functions": ["_plain", "lost", "mail-background", "nightly"]}"#,
    );
    rpm.write("site/redundancy.toml", QUICK);
    fs::create_dir(rpm.path("remote")).unwrap();
    git(&["init", "--quiet", "--bare", "--initial-branch=main", "../remote"]);
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["remote", "add", "origin", "../remote"]);
    git(&["add", "-A"]);
    git(&["commit", "--quiet", "-m", "first"]);
    git(&["push", "--quiet", "origin", "main"]);
    let before = git(&["rev-parse", "HEAD"]);
    let mut command = rpm.command("redundancy netlify check --config site/redundancy.toml");
    command
        .env("NETLIFY_BUILD_HOOK_URL", "https://hook.example/build")
        .env("RPM_REDUNDANCY_NETLIFY_FAILURE_THRESHOLD", "1");
    let output = Running::start(command).output();
    output.says("is there, not run: a scheduled function").says("is there, not run: a background function");
    output.says("its file is not there");
    assert_eq!(git(&["rev-parse", "HEAD"]), before);
    assert_eq!(git(&["ls-remote", "origin", "refs/heads/main"]).split('\t').next(), Some(before.trim()));
    assert_eq!(git(&["status", "--porcelain"]).lines().filter(|line| line.contains("made.txt")).count(), 0);
    let trace = rpm.read("trace.txt");
    assert!(trace.starts_with("plain ") && !trace.contains("hook.example"), "{trace}");
    let manifest = rpm.read("site/netlify/functions/functions-manifest.json");
    assert!(manifest.contains("lost"), "{manifest}");
}

/// A repository with a workflow that is due every minute and writes its pid, in front of an API that is not there.
fn away(settings: &str) -> Rpm {
    let rpm = Rpm::new();
    rpm.write(
        "repo/.github/workflows/sync.yml",
        &format!(
            "on:\n  schedule:\n    - cron: '* * * * *'\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
             - run: echo $$ >> {}; exec sleep $REST\n        env:\n          REST: ${{{{ vars.REST }}}}\n",
            rpm.path("ran.txt").display()
        ),
    );
    let toml = format!(
        "[files]\nlogs = \"logs\"\nstate = \"state\"\n[pm2]\nenabled = false\n[netlify]\nenabled = false\n[github]\n\
         interval = \"1m\"\nfailure_threshold = 1\nworkflows = [\"sync.yml\"]\nrepository = \"me/it\"\n\
         api_url = \"http://127.0.0.1:1\"\n{settings}"
    );
    rpm.write("repo/redundancy.toml", &toml);
    for args in [&["init", "--quiet"][..], &["add", "-A"], &["commit", "--quiet", "-m", "first"]] {
        let who = ["-c", "user.name=Octo", "-c", "user.email=octo@example.org"];
        let status = Command::new("git").current_dir(rpm.path("repo")).args(who).args(args).status().unwrap();
        assert!(status.success(), "git {args:?}");
    }
    rpm
}

/// The ticks that were run, as the log has them.
fn ticks(rpm: &Rpm) -> Vec<String> {
    let log = rpm.read("repo/logs/github.log");
    let lines = log.lines().filter_map(|line| line.split("sync.yml: due at ").nth(1));
    lines.map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_schedule_that_is_due_while_github_is_away_runs_here_and_each_tick_once() {
    let rpm = away("");
    let check = |rest: &str| {
        let mut command = rpm.command("redundancy github check --config repo/redundancy.toml");
        command.env("REST", rest).env("GITHUB_TOKEN", "a-token-of-nothing");
        Running::start(command)
    };
    check("0").output().ends_with(1);
    // As if that had been a while ago: there is a tick since.
    let mut state: serde_json::Value = serde_json::from_str(&rpm.read("repo/state/github.json")).unwrap();
    state["machine"]["away"]["since"] = "2026-01-01T00:00:00Z".into();
    rpm.write("repo/state/github.json", &state.to_string());
    let companion = check("600");
    wait_until("the run", || rpm.read("ran.txt").ends_with('\n'));
    // It dies in the middle of the run.
    companion.signal(Signal::SIGKILL);
    let pid = rpm.read("ran.txt").lines().next().and_then(|pid| pid.parse().ok()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    companion.output();
    for _ in 0..3 {
        check("0").output().ends_with(1).says("due schedules run here");
    }
    let ran = ticks(&rpm);
    let mut distinct = ran.clone();
    distinct.dedup();
    assert_eq!(ran, distinct, "no tick twice");
    assert_eq!(rpm.read("ran.txt").lines().count(), ran.len());
    rpm.run("redundancy status --config repo/redundancy.toml").says("API: ").says("; due schedules run here");
}

#[test]
fn a_schedule_that_is_due_while_github_is_away_is_only_reported_if_set() {
    let rpm = away("when_unreachable = \"report\"\n");
    let mut command = rpm.command("redundancy github check --config repo/redundancy.toml");
    command.env("GITHUB_TOKEN", "a-token-of-nothing");
    Running::start(command).output().ends_with(1).says("nothing is run here, as it is set");
    assert!(ticks(&rpm).is_empty() && !rpm.path("ran.txt").exists());
}

#[test]
fn an_emergency_of_which_a_recovery_failed_says_so_by_its_exit_code() {
    let rpm = quick(&["one"]);
    // No daemon: the recovery of processes fails, and that of workflows, which comes last, has nothing to do.
    let settings =
        QUICK.replace("[github]\nenabled = false", "[github]\nenabled = true\nworkflows = [\"never.yml\"]");
    rpm.write("redundancy.toml", &settings);
    rpm.fails("redundancy emergency").complains("pm2: nobody listens on ").says("github: ");
}

#[test]
fn a_large_log_is_rotated_by_the_daemon() {
    let rpm = quick(&[]);
    rpm.script("loud.sh", "#!/bin/sh\nseq 1 100000\nexec sleep 100000\n");
    rpm.write("eco.toml", "[[apps]]\nname = \"loud\"\nscript = \"loud.sh\"\ntime = true\n");
    rpm.ok("start eco.toml");
    let companion = rpm.start("redundancy run pm2");
    companion.shows("loud: rotation of its logs: asked for");
    let archived = || {
        let names = fs::read_dir(rpm.home().join("logs")).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().any(|name| name.to_string_lossy().starts_with("loud-out__"))
    };
    wait_until("an archive", archived);
}

#[test]
fn the_emergency_of_processes_stops_all_and_starts_the_files_then_the_others() {
    let rpm = quick(&["one", "two"]);
    rpm.ok("start eco.toml");
    let other = rpm.forever("other", "");
    let one = rpm.entry("one");
    rpm.ok("redundancy pm2 restart").says("stopped 3, started 2 apps of 1 files and 1 others");
    assert_eq!(rpm.statuses(), ["one:online", "two:online", "other:online"]);
    assert_ne!((rpm.entry("one").pid(), rpm.entry("other").pid()), (one.pid(), other.pid()));
}

#[test]
fn the_companion_is_an_app_of_the_daemon() {
    let rpm = quick(&["one"]);
    rpm.ok("redundancy start").says("redundancy-automation-system");
    let running =
        |entry: &rpm_tests::Entry| entry.text("namespace") == "redundancy" && entry.status() == "online";
    rpm.wait_where("redundancy-automation-system", "online in its namespace", running);
    wait_until("health", || rpm.run("redundancy status").code == Some(0));
    rpm.ok("redundancy health --json").says("\"level\":\"healthy\"");
    let report = rpm.ok("redundancy report").stdout;
    assert!(report.contains("/logs/health-report-2"), "{report}");
    rpm.ok("redundancy logs pm2").says("one: attempt 1 of 2");
    rpm.ok("redundancy stop");
    rpm.run("redundancy status").ends_with(1).says("the companion does not run");
    let state = rpm.read("state/pm2.json");
    rpm.ok("redundancy restart");
    wait_until("another check", || rpm.read("state/pm2.json") != state);
    assert_eq!(rpm.read("logs/pm2.log").matches("one: attempt").count(), 1, "nothing is begun anew");
}

#[test]
fn the_six_apps_of_the_ecosystem_file_work() {
    let rpm = Rpm::new();
    let copied = repository();
    let copied = [copied.join("scripts"), copied.join("ecosystem")];
    assert!(Command::new("cp").arg("-rL").args(copied).arg(rpm.dir()).status().unwrap().success());
    assert!(Command::new("git").args(["init", "--quiet"]).current_dir(rpm.dir()).status().unwrap().success());
    rpm.write(
        "redundancy.toml",
        "[pm2]\ninterval = \"100ms\"\n[github]\nenabled = false\n[netlify]\nenabled = false\n",
    );
    let system = |command: &str| {
        // The executable is the last argument: `$0` of this shell.
        let line = format!("RPM=\"$0\" exec scripts/start-enhanced-redundancy-system.sh {command}");
        let words: [&str; 0] = [];
        Running::start(rpm.command_under("sh", &["-c", &line], words)).output()
    };
    system("start").ends_with(0);
    for name in ["zion-auto-sync", "zion-auto-sync-cron", "redundancy-git-sync", "redundancy-build-monitor"] {
        let report = format!("reports/{name}.json");
        wait_until(&report, || rpm.read(&report).contains("\"status\": \"ok\""));
    }
    wait_until("the companion's word", || system("status").stdout.contains("6 of 6 healthy"));
    wait_until("what the monitor heard", || {
        rpm.read("reports/redundancy-health-monitor.json").contains("\"level\": ")
    });
    system("health").ends_with(0).says("6 of 6 healthy");
    system("report").ends_with(0).says("automation/logs/health-report-");
    system("logs").says("pm2: begins");
    system("stop").ends_with(0);
    system("status").ends_with(1).says("the companion does not run");
    system("dance").ends_with(1).complains("start-enhanced-redundancy-system.sh COMMAND");
}

#[test]
fn settings_that_are_wrong_are_told_with_their_place() {
    let rpm = Rpm::new();
    rpm.ok("redundancy init").says("redundancy.toml generated");
    rpm.fails("redundancy init").complains("is there already");
    assert!(rpm.read("redundancy.toml").contains("[orchestrator]"));
    rpm.write("redundancy.toml", "[pm2]\nintervall = \"1s\"\n");
    rpm.fails("redundancy status").complains("redundancy.toml: ").complains("line 2").complains("intervall");
    rpm.fails("redundancy status --config none.toml").complains("cannot read ");
    rpm.write("redundancy.toml", "");
    rpm.fails("redundancy github dance").complains("no such command: \"github dance\"");
    let mut command = rpm.command("redundancy status");
    command.env("RPM_REDUNDANCY_NETLIFY_TIMEOUT", "soon");
    Running::start(command).output().ends_with(1).complains("no duration");
}
