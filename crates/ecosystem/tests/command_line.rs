//! Apps, and changes to apps, from the options of a command line.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use project::Project;
use rpm_core::{AppSpec, Bytes, CombinedLog, ExecMode, FilterEnv, Interpreter, LogTarget, Millis, Watch};
use rpm_ecosystem::{Caller, Declaration, from_script, patch};
use serde_json::json;

mod project;

fn declared(options: &[(&str, &str)]) -> Declaration {
    let mut declaration = Declaration::default();
    for (attribute, text) in options {
        declaration.set(attribute, text).unwrap();
    }
    declaration
}

fn start(project: &Project, target: &str, options: &[(&str, &str)]) -> Result<AppSpec, String> {
    from_script(target, &declared(options), &project.caller())
        .map_err(|error| project.plain(&error.to_string()))
}

#[test]
fn options_are_attributes() {
    let project = Project::new();
    let mut declaration = declared(&[
        ("name", "true"),
        ("kill_timeout", "3000"),
        ("restart_delay", "1s"),
        ("autorestart", "false"),
        ("merge_logs", "true"),
        ("cron", "0 2 * * *"),
        ("instances", "max"),
        ("stop_exit_codes", "0 143"),
        ("node_args", "--a '--b c'"),
        ("out_file", "x.log"),
    ]);
    declaration.args = Some(vec!["--port".to_owned(), "a b".to_owned()]);
    let app = from_script("api/server.js", &declaration, &project.caller()).unwrap();
    assert_eq!(app.name, "true");
    assert_eq!(app.kill_timeout, Some(Millis(3000)));
    assert_eq!(app.restart_delay, Some(Millis(1000)));
    assert!(!app.autorestart);
    assert_eq!(app.exec_mode, ExecMode::Cluster);
    assert_eq!(app.stop_exit_codes, [0, 143]);
    assert_eq!(app.interpreter_args, ["--a", "--b c"]);
    assert_eq!(app.args, ["--port", "a b"]);
    assert_eq!(app.version.as_deref(), Some("2.0.0"));
    assert_eq!(app.username.as_deref(), Some("ann"));
    assert_eq!(String::from(app.interpreter), "node");
    assert_eq!(app.script, project.path().join("api/server.js"));
}

#[test]
fn options_of_pm2_mean_what_they_mean_there() {
    let project = Project::new();
    let of = |options: &[(&str, &str)]| start(&project, "app.js", options).unwrap();
    let delay = |text| of(&[("watch_delay", text)]).watch_delay.unwrap().0;
    assert_eq!([delay("4"), delay("0.5"), delay("4000ms"), delay("2s")], [4000, 500, 4000, 2000]);

    assert_eq!(of(&[("watch", "true")]).watch, Watch::All);
    assert_eq!(of(&[("watch", "false")]).watch, Watch::Off);
    assert_eq!(
        of(&[("watch", "src"), ("watch", "lib")]).watch,
        Watch::Paths(vec!["src".into(), "lib".into()])
    );
    assert_eq!(of(&[("watch", "src"), ("watch", "true")]).watch, Watch::All);
    let ignored = of(&[("ignore_watch", "node_modules logs"), ("ignore_watch", "*.tmp")]).ignore_watch;
    assert_eq!(ignored.unwrap(), ["node_modules", "logs", "*.tmp"]);

    assert_eq!(of(&[("filter_env", "true")]).filter_env, FilterEnv::Everything(true));
    assert_eq!(
        of(&[("filter_env", "SECRET"), ("filter_env", "KEY")]).filter_env,
        FilterEnv::Containing(vec!["SECRET".to_owned(), "KEY".to_owned()])
    );
    assert_eq!(of(&[("stop_exit_codes", "0"), ("stop_exit_codes", "3 4")]).stop_exit_codes, [0, 3, 4]);
    assert_eq!(of(&[("max_memory_restart", "100M")]).max_memory_restart, Some(Bytes(100 << 20)));
    assert_eq!(of(&[("max_memory_restart", "0")]).max_memory_restart, None);

    assert_eq!(of(&[("log", "true")]).log_file, Some(CombinedLog::Default(true)));
    let file = LogTarget::File(project.path().join("all.log"));
    assert_eq!(of(&[("log", "all.log")]).log_file, Some(CombinedLog::At(file)));
    assert_eq!(of(&[("pid", "run/a.pid")]).pid_file, Some(project.path().join("run/a.pid")));

    let switches = [("treekill", "false"), ("vizion", "false"), ("pmx", "false"), ("automation", "false")];
    let app = of(&[&switches[..], &[("execute_command", "true"), ("instances", "2")]].concat());
    assert!(!app.treekill);
    assert_eq!(app.exec_mode, ExecMode::Fork);
    assert_eq!(
        serde_json::Value::from(app.extras),
        json!({ "vizion": false, "pmx": false, "automation": false })
    );
    assert_eq!(of(&[("disable_trace", "true")]).extras.get("trace"), Some(&json!(false)));
}

#[test]
fn only_root_starts_apps_as_others() {
    let project = Project::new();
    let options = |uid| declared(&[("uid", uid)]);
    let as_user = |uid, caller: &Caller| {
        from_script("app.js", &options(uid), caller).map_err(|error| error.to_string())
    };
    let anyone = Caller { persona: rpm_core::Persona::Pm2, ..project.caller() };
    assert_eq!(as_user("root", &anyone).unwrap_err(), "To use --uid and --gid please run pm2 as root");
    let root = Caller { privileged: true, ..project.caller() };
    assert_eq!(as_user("nobody knows", &root).unwrap_err(), "User nobody knows cannot be found");
    let app = as_user("root", &root).unwrap();
    assert_eq!((app.uid, app.gid), (Some(0), Some(0)));
    assert!(app.account.is_some_and(|account| account.home.starts_with('/')));
    assert_eq!(as_user("0", &root).unwrap().uid, Some(0));

    let group = declared(&[("gid", "nobody knows")]);
    let error = from_script("app.js", &group, &root).unwrap_err();
    assert_eq!(error.to_string(), "Group nobody knows cannot be found");
    let app = from_script("app.js", &declared(&[("gid", "0")]), &root).unwrap();
    assert_eq!((app.uid, app.gid, app.env.get("HOME")), (None, Some(0), None));
    assert_eq!(patch(&options("root"), &root).unwrap().get("gid"), Some(&json!(0)));
}

#[test]
fn the_script_serve_is_the_static_server() {
    let project = Project::new();
    let app = start(&project, "serve", &[("name", "site"), ("args", "x")]).unwrap();
    assert_eq!((app.name.as_str(), app.interpreter), ("site", Interpreter::None));
    assert_eq!(app.script, project.path().join("bin/rpm"));
    assert_eq!(app.args, [rpm_ecosystem::SERVE_VERB, "x"]);
    let nowhere = Caller { executable: None, ..project.caller() };
    assert!(from_script("serve", &declared(&[]), &nowhere).is_err());
}

#[test]
fn options_are_checked_as_in_a_file() {
    let wrong = |attribute, text| Declaration::default().set(attribute, text).unwrap_err().to_string();
    assert_eq!(
        wrong("kill_timeout", "soon"),
        r#"kill_timeout: expected milliseconds such as 1600, or "5s", found "soon""#
    );
    assert_eq!(wrong("autorestart", "no"), r#"autorestart: expected true or false, found "no""#);
    assert_eq!(wrong("kill_timeot", "1"), "unknown attribute `kill_timeot`: did you mean `kill_timeout`?");
    assert!(wrong("cron", "every day").starts_with("cron_restart: "));
    assert!(wrong("name", "").starts_with("name: expected text that is not empty"));
}

#[test]
fn targets_are_files_commands_or_lines() {
    let project = Project::new();
    let sleep = start(&project, "sleep", &[]).unwrap();
    assert_eq!((sleep.name.as_str(), sleep.interpreter), ("sleep", Interpreter::None));
    assert_eq!(sleep.script, project.path().join("bin/sleep"));

    let line = start(&project, "python a/srv.py --ok", &[]).unwrap();
    assert_eq!((line.name.as_str(), line.interpreter), ("srv", Interpreter::None));
    assert_eq!(line.script, project.path().join("bin/bash"));
    assert_eq!(line.args, ["-c", "python a/srv.py --ok"]);

    let inside = start(&project, "server.js", &[("cwd", "api")]).unwrap();
    assert_eq!(inside.script, project.path().join("api/server.js"));
    assert_eq!(inside.cwd, project.path().join("api"));

    assert_eq!(start(&project, "absent.js", &[]).unwrap_err(), "Script not found: /project/absent.js");
    assert_eq!(start(&project, "../x/absent", &[]).unwrap_err(), project.plain(&above(&project, "x/absent")));
    assert!(start(&project, "", &[]).unwrap_err().starts_with("script: expected text"));
    assert!(start(&project, "app.js", &[("cwd", "app.js")]).unwrap_err().contains("app.js is a file"));
}

fn above(project: &Project, path: &str) -> String {
    format!("Script not found: {}", project.path().parent().unwrap().join(path).display())
}

#[test]
fn paths_that_no_message_can_carry_are_refused() {
    let project = Project::new();
    let cwd = project.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&cwd).unwrap();
    fs::write(cwd.join("app.js"), "").unwrap();
    let caller = Caller { cwd, ..project.caller() };
    let error = from_script("app.js", &Declaration::default(), &caller).unwrap_err();
    assert!(error.to_string().starts_with("cwd: expected a directory whose path is UTF-8, found "));
}

#[test]
fn typescript_needs_something_that_runs_it() {
    let project = Project::new();
    fs::write(project.path().join("app.ts"), "").unwrap();
    assert!(start(&project, "app.ts", &[]).unwrap_err().starts_with("TypeScript apps require bun"));
    let absent = start(&project, "app.ts", &[("interpreter", "ts-node")]).unwrap_err();
    assert!(absent.starts_with("Interpreter ts-node is NOT AVAILABLE in PATH."), "{absent}");
    project.program("bin/ts-node", "\0");
    let own = start(&project, "app.ts", &[("interpreter", "ts-node")]).unwrap();
    assert_eq!(own.interpreter, Interpreter::Program("ts-node".to_owned()));

    project.program("bin/node", "#!/bin/sh\necho v22.7.0\n");
    let node = start(&project, "app.ts", &[("interpreter_args", "--x")]).unwrap();
    assert_eq!(node.interpreter, Interpreter::Program("node".to_owned()));
    assert_eq!(node.interpreter_args, ["--experimental-strip-types", "--x"]);

    project.program("bin/bun", "\0");
    let bun = start(&project, "app.ts", &[]).unwrap();
    assert_eq!(bun.interpreter, Interpreter::Program("bun".to_owned()));
    assert_eq!(bun.interpreter_args, [""; 0]);
}

#[test]
fn a_patch_has_what_was_declared_and_no_more() {
    let project = Project::new();
    let of = |options: &[(&str, &str)]| {
        let fields = patch(&declared(options), &project.caller()).unwrap();
        project.plain(&serde_json::Value::from(fields).to_string()).parse::<serde_json::Value>().unwrap()
    };
    assert_eq!(of(&[]), json!({}));
    assert_eq!(of(&[("script", "absent.js")]), json!({}), "a script is not changed");
    assert_eq!(of(&[("cron", "0")]), json!({"cron_restart": null}));
    assert_eq!(
        of(&[
            ("name", "b"),
            ("time", "true"),
            ("cwd", "api"),
            ("error_file", "e.log"),
            ("max_restarts", "3")
        ]),
        json!({
            "name": "b",
            "log_date_format": "YYYY-MM-DDTHH:mm:ss",
            "cwd": "/project/api",
            "error_file": "/project/api/e.log",
            "max_restarts": 3,
        })
    );
    assert_eq!(
        of(&[("execute_command", "true"), ("v8", "true")]),
        json!({
            "exec_mode": "fork_mode",
            "extras": { "v8": true },
        })
    );
    assert_eq!(of(&[("watch", "false"), ("treekill", "true")]), json!({ "watch": null, "treekill": null }));
    assert_eq!(
        of(&[("interpreter", "bin/bash"), ("autorestart", "true"), ("instances", "max"), ("args", "a b")]),
        json!({"interpreter": "/project/bin/bash", "autorestart": true, "instances": 0, "args": ["a", "b"]})
    );
    // An empty list is left out of a spec, but must empty the one that is there.
    assert_eq!(of(&[("stop_exit_codes", "")]), json!({"stop_exit_codes": null}));

    let error = patch(&declared(&[("cwd", "nowhere")]), &project.caller()).unwrap_err();
    assert!(error.to_string().starts_with("cwd: expected a directory"));
}

#[test]
fn each_field_of_a_patch_is_one_of_the_spec() {
    let project = Project::new();
    let options = [
        ("name", "a"),
        ("namespace", "n"),
        ("args", "x"),
        ("interpreter", "node"),
        ("interpreter_args", "y"),
        ("cwd", "api"),
        ("exec_mode", "fork"),
        ("instances", "2"),
        ("instance_var", "I"),
        ("autostart", "false"),
        ("autorestart", "false"),
        ("max_restarts", "1"),
        ("min_uptime", "1"),
        ("restart_delay", "1"),
        ("exp_backoff_restart_delay", "1"),
        ("stop_exit_codes", "1"),
        ("cron_restart", "0 2 * * *"),
        ("cron_timezone", "Europe/Berlin"),
        ("cron_overlap", "skip"),
        ("cron_jitter", "1m"),
        ("cron_catch_up", "once"),
        ("cron_only", "true"),
        ("task_timeout", "1m"),
        ("retries", "2"),
        ("retry_delay", "5"),
        ("kill_timeout", "1"),
        ("kill_signal", "TERM"),
        ("out_file", "o"),
        ("error_file", "e"),
        ("merge_logs", "true"),
        ("log_date_format", "HH"),
        ("treekill", "false"),
        ("shutdown_with_message", "true"),
        ("wait_ready", "true"),
        ("listen_timeout", "1"),
        ("max_memory_restart", "1K"),
        ("watch", "src"),
        ("ignore_watch", "a"),
        ("watch_delay", "1"),
        ("filter_env", "A"),
        ("increment_var", "PORT"),
        ("log_file", "true"),
        ("disable_logs", "true"),
        ("log_type", "json"),
        ("pid_file", "p"),
        ("username", "bob"),
    ];
    let mut spec =
        serde_json::to_value(from_script("app.js", &declared(&[]), &project.caller()).unwrap()).unwrap();
    let fields = patch(&declared(&options), &project.caller()).unwrap();
    assert_eq!(fields.len(), options.len());
    spec.as_object_mut().unwrap().extend(fields.clone());
    let patched: AppSpec = serde_json::from_value(spec).unwrap();
    let patched = serde_json::to_value(patched).unwrap();
    for (field, value) in fields {
        assert_eq!(patched[&field], value, "{field}");
    }
}
