//! What comes before and after the content of a file: reading it, choosing from it, overriding it.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{fs, path::Path};

use project::Project;
use rpm_core::{ExecMode, Instances, LogTarget, Persona};
use rpm_ecosystem::{Caller, Declaration, Options, Use, load, tree};

mod project;

fn told(project: &Project, path: &str) -> String {
    let error = load(Path::new(path), &Options::default(), &project.caller()).unwrap_err();
    project.plain(&error.to_string())
}

#[test]
fn what_cannot_be_read_is_named() {
    let project = Project::new();
    fs::create_dir(project.path().join("folder.toml")).unwrap();
    fs::write(project.path().join("latin1.toml"), b"# caf\xe9\n[[apps]]\n").unwrap();
    assert_eq!(told(&project, "absent.toml"), "File absent.toml not found");
    assert_eq!(told(&project, "/nonexistent/a.toml"), "File /nonexistent/a.toml not found");
    assert!(told(&project, "folder.toml").starts_with("File folder.toml is a directory: expected"));
    assert!(told(&project, "app.js/a.toml").starts_with("File app.js/a.toml cannot be read: "));
    assert!(
        told(&project, "latin1.toml")
            .starts_with("latin1.toml:1:6: expected UTF-8 text, found the byte 0xe9\n")
    );
    assert_eq!(
        told(&project, "package.json"),
        "package.json: no apps: expected `apps` or `pm2` in this package.json"
    );
}

#[test]
fn javascript_needs_node() {
    let project = Project::new();
    project.file("ecosystem.config.js", "module.exports = { apps: [] }");
    assert_eq!(
        told(&project, "ecosystem.config.js"),
        "ecosystem.config.js: JavaScript, and there is no `node` in PATH to evaluate it: install Node.js, or where \
         there is one run `rpm convert ecosystem.config.js -o ecosystem.toml` and use that file"
    );
    assert_eq!(told(&project, "absent.config.js"), "File absent.config.js not found");
}

#[test]
fn the_whole_of_a_file_can_be_asked_for() {
    let project = Project::new();
    project.file("a.yml", "deploy: {production: {host: [a, b]}}\n");
    let tree = tree(Path::new("a.yml"), &project.caller()).unwrap();
    assert_eq!(tree["deploy"]["production"]["host"], serde_json::json!(["a", "b"]));
}

#[test]
fn names_of_files_cannot_reach_the_terminal() {
    let project = Project::new();
    assert_eq!(told(&project, "a\x1b[2J.toml"), "File a\\u{1b}[2J.toml not found");
    fs::write(project.path().join("a\x1b[2J.toml"), "apps = 5").unwrap();
    assert!(told(&project, "a\x1b[2J.toml").starts_with("a\\u{1b}[2J.toml:1:8: apps: expected"));
}

#[test]
fn root_is_relative_to_the_file_and_paths_are_shown_as_given() {
    let project = Project::new();
    let text = "root = '..'\n[[apps]]\nscript = 'app.js'\n";
    let loaded = project.load_as("config/a.toml", text, &Options::default()).unwrap();
    assert_eq!(loaded.apps[0].script, project.path().join("app.js"));
    assert_eq!(loaded.apps[0].cwd, project.path());

    let absolute =
        format!("root = '{}'\n[[apps]]\nscript = 'server.js'", project.path().join("api").display());
    let loaded = project.load_as("config/b.toml", absolute, &Options::default()).unwrap();
    assert_eq!(loaded.apps[0].script, project.path().join("api/server.js"));

    fs::write(project.path().join("config/c.toml"), "apps = 5").unwrap();
    assert!(told(&project, "./config/../config/c.toml").starts_with("./config/../config/c.toml:1:8: "));
}

#[test]
fn options_that_pm2_ignores_beside_a_file_are_ignored() {
    let project = Project::new();
    let mut overrides = Declaration::default();
    for (attribute, text) in [
        ("name", "x"),
        ("script", "absent.js"),
        ("cwd", "api"),
        ("namespace", "n"),
        ("kill_timeout", "9"),
        ("autorestart", "false"),
        ("instances", "3"),
    ] {
        overrides.set(attribute, text).unwrap();
    }
    let options = Options { overrides, ..Options::default() };
    let text = "apps = [
        { name = 'a', script = 'server.js', kill_timeout = 5, cwd = 'config' },
        { name = 'b', script = 'server.js', namespace = 'own', instances = 2 },
        { name = 'c', script = 'server.js', cron = '0 0 * * *' },
    ]";
    let apps = project.load_as("e.toml", text, &options).unwrap().apps;
    let seen: Vec<_> = apps
        .iter()
        .map(|app| {
            (app.name.as_str(), app.namespace.as_str(), app.kill_timeout.map(|it| it.0), app.autorestart)
        })
        .collect();
    assert_eq!(seen, [("a", "n", Some(5), true), ("b", "own", None, true), ("c", "n", None, true)]);
    let instances: Vec<_> = apps.iter().map(|app| app.instances).collect();
    let of = |count| Some(Instances::Count(count));
    assert_eq!(instances, [of(3), of(2), None], "a further instance would run every tick once more");
    assert_eq!(apps[0].script, project.path().join("api/server.js"));

    // A value that is not in the file is not pointed at: the app is.
    let mut overrides = Declaration::default();
    overrides.set("cwd", "nowhere").unwrap();
    let error = project.load_as("e.toml", text, &Options { overrides, ..Options::default() }).unwrap_err();
    let error = project.plain(&error.to_string());
    assert!(
        error.starts_with("e.toml:2:9: app \"a\": cwd: expected a directory, /project/nowhere: "),
        "{error}"
    );
}

#[test]
fn of_apps_that_are_not_wanted_the_values_are_checked_alone() {
    let project = Project::new();
    let options = Options { only: vec!["a".to_owned()], ..Options::default() };
    let gone = "apps = [{ name = 'a', script = 'app.js' }, { name = 'b', script = 'absent.js' },
        { name = 'c', script = 'app.js', cwd = '/absent' }, { name = 'd', script = 'app.js', user = 'nobody knows' }]";
    let loaded = project.load_as("e.toml", gone, &options).unwrap();
    let names: Vec<_> = loaded.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(project.load(gone).unwrap_err().report().problems().len(), 3);
    let wrong =
        "apps = [{ name = 'a', script = 'app.js' }, { name = 'b', script = 'app.js', kill_timeout = 'x' }]";
    let error = project.load_as("e.toml", wrong, &options).unwrap_err();
    assert!(error.to_string().contains("app \"b\": kill_timeout"), "{error}");
}

#[test]
fn what_is_stopped_needs_a_name_alone() {
    let project = Project::new();
    let options = Options { purpose: Use::Select, ..Options::default() };
    let text = "root = 'absent'\nmax_parallel = 'x'\ncolour = 1\napps = [
        { name = 'a', script = 'absent.js', depends_on = ['b'] }, { name = 'b', cwd = '/absent', user = 'nobody knows' },
        { script = 'jobs/c.js', kill_timeout = 'x', cron_only = true, colour = 1 }, { cwd = '/' }]";
    let loaded = project.load_as("e.toml", text, &options).unwrap();
    let names: Vec<_> = loaded.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["b", "a", "c"], "those that others need come first");
    assert!(loaded.warnings.is_empty());
    let only = Options { only: vec!["a,typo".to_owned()], ..options.clone() };
    let loaded = project.load_as("e.toml", text, &only).unwrap();
    assert_eq!((loaded.apps.len(), loaded.unmatched), (1, vec!["typo".to_owned()]));
    let error = project.load_as("e.toml", "apps = [{ name = 1, script = 'a' }]", &options).unwrap_err();
    assert!(error.to_string().contains("name: expected text"), "{error}");
}

#[test]
fn notices_about_attributes_come_at_a_start_alone() {
    let project = Project::new();
    let text = "colour = 1\nnamespaces = { n = { max_parallel = 1 } }\n
        apps = [{ script = 'app.js', shape = 1, cron = 0, cron_restart = '* * * * *', event_loop_inspector = true }]";
    let warnings = |purpose, profile: Option<&str>| {
        let options = Options { purpose, profile: profile.map(str::to_owned), ..Options::default() };
        project.load_as("e.toml", text, &options).unwrap().warnings.problems().len()
    };
    assert_eq!(warnings(Use::Start, Some("x")), 6);
    assert_eq!(warnings(Use::Restart, None), 0);
    assert_eq!(warnings(Use::Restart, Some("x")), 1, "what is said of an option is no notice");
    assert_eq!(warnings(Use::Select, Some("x")), 0);
}

#[test]
fn attributes_of_ours_keep_no_app_of_a_file_for_pm2_from_its_start() {
    let project = Project::new();
    project.file(".env", "A=a#b\nwhat?\n");
    let text = "{ root: '/absent', apps: [
        { name: 'a', script: 'app.js', env_file: ['.env', 'absent.env'], kill_signal: 'SIGNONE', health: 'http://x',
          listen: { port: 1 }, retries: 3, cron_only: true, depends_on: ['db'], limits: true, secret: [''] },
        { name: 'b', script: 'app.js', depends_on: ['c'] }, { name: 'c', script: 'app.js', depends_on: ['b'] } ] }";
    let as_pm2 = |name: &str, text: &str| {
        let pm2 = Caller { persona: Persona::Pm2, ..project.caller() };
        rpm_ecosystem::load_text(Path::new(name), text, &Options::default(), &pm2)
    };
    let mut loaded = as_pm2("e.json", text).unwrap();
    loaded.resolve(|_| false).unwrap();
    let warnings = project.plain(&loaded.warnings.to_string());
    for warning in [
        "e.json:1:9: root: expected a directory",
        "env_file: /project/.env: ignored, for it is no variable: line 2",
        "env_file: /project/absent.env: No such file",
        "kill_signal: ",
        "health: ",
        "listen: ",
        "retries: is for tasks",
        "cron_only: means something beside a schedule only: expected `cron_restart`: it is ignored",
        "limits: ",
        "secret: ",
        "depends_on: these depend on each other in a circle",
    ] {
        assert!(warnings.contains(warning), "{warning}\n{warnings}");
    }
    let files = loaded.apps[0].env_file.clone().unwrap();
    assert!(files.0.iter().all(|file| file.dotenv && !file.required), "{files:?}");
    assert!(loaded.apps.iter().all(|app| app.depends_on.is_none()));
    let dangling = "{ script: 'app.js', depends_on: 'db' }";
    let mut loaded = as_pm2("e.json", dangling).unwrap();
    assert!(loaded.resolve(|_| false).unwrap().to_string().contains("no app \"db\" is started here"));
    assert!(loaded.apps[0].depends_on.is_none());
    // As `rpm`, and in TOML, it is an error.
    let error = project.load_as("e.json", text, &Options::default()).unwrap_err();
    assert!(error.report().problems().len() >= 6, "{error}");
    assert!(as_pm2("e.toml", "script = 'app.js'\nenv_file = 'absent.env'").is_err());
}

#[test]
fn of_several_spellings_the_one_counts_that_counts_in_pm2() {
    let project = Project::new();
    let file = |path: &str| Some(LogTarget::File(project.path().join(path)));
    let out = |entries: &str| {
        let text = format!("{{ script: 'app.js', {entries} }}");
        project.load_as("e.json", &text, &Options::default()).unwrap().apps[0].out_file.clone()
    };
    // Each expectation is what PM2 7.0.4 made of it.
    assert_eq!(out("out_file: '1', out: '2', output: '3', out_log: '4', outFile: '5'"), file("1"));
    assert_eq!(out("outFile: '5', out: '2', output: '3', out_log: '4'"), file("4"));
    assert_eq!(out("out_file: '', out: '2', output: '3', out_log: ''"), file("3"));
    assert_eq!(out("out_file: null, outFile: '5', out: '2'"), file("2"));
    assert_eq!(out("out_file: '', outFile: '5'"), file("5"));
    let app = |text: &str| project.load_as("e.json", text, &Options::default()).unwrap().apps[0].clone();
    let args = |entries: &str| app(&format!("{{ script: 'app.js', {entries} }}")).interpreter_args.concat();
    assert_eq!(args("interpreter_args: '1', node_args: '2', interpreterArgs: '3'"), "2");
    assert_eq!(args("nodeArgs: '1', interpreterArgs: '3', interpreter_args: '2'"), "2");
    let interpreter = app("{ script: 'app.js', interpreter: 'node', exec_interpreter: 'bun' }").interpreter;
    assert_eq!(interpreter.as_str(), "bun");
    assert_eq!(app("{ name: 'x', command: 'absent.js', cmd: 'app.js', exec: 'absent.js' }").name, "x");
    let merged = |entries: &str| app(&format!("{{ script: 'app.js', {entries} }}")).merge_logs;
    assert_eq!(merged("merge_logs: false, combine_logs: true"), Some(true));
    assert_eq!(merged("merge_logs: false"), Some(false));
    assert_eq!(merged("combine_logs: false"), None, "an empty alias is none");
    let own = project.load("script = 'app.js'\ncombine_logs = false").unwrap();
    assert_eq!(own.apps[0].merge_logs, Some(false), "in TOML what is written counts");
}

#[test]
fn bun_in_a_cluster_is_node_as_in_pm2() {
    let project = Project::new();
    let mode = |entries: &str, persona| {
        let text = format!("{{ script: 'app.js', interpreter: 'bun', {entries} }}");
        let caller = Caller { persona, ..project.caller() };
        let loaded = rpm_ecosystem::load_text(Path::new("e.json"), &text, &Options::default(), &caller);
        let app = loaded.unwrap().apps.remove(0);
        (app.exec_mode, app.interpreter.as_str().to_owned())
    };
    let cluster = (ExecMode::Cluster, "node".to_owned());
    let fork = (ExecMode::Fork, "bun".to_owned());
    for entries in ["exec_mode: 'cluster'", "instances: 1", "instances: 2"] {
        assert_eq!(mode(entries, Persona::Pm2), cluster, "{entries}");
    }
    assert_eq!(mode("exec_mode: 'fork', instances: 2", Persona::Pm2), fork);
    // As `rpm` what was declared runs, and instances alone ask for no cluster of another program.
    assert_eq!(mode("instances: 1", Persona::Rpm), fork);
}

#[test]
fn typescript_without_its_runtime_fails_alone() {
    let project = Project::new();
    project.file("app.ts", "");
    let text = "apps = [{ name = 'a', script = 'app.js' }, { name = 'b', script = 'app.ts' }]";
    let loaded = project.load(text).unwrap();
    assert_eq!(loaded.apps.len(), 2);
    assert!(
        loaded.warnings.to_string().contains("app \"b\": TypeScript apps require bun"),
        "{}",
        loaded.warnings
    );
}

#[test]
fn many_problems_are_all_told_but_not_all_shown() {
    let project = Project::new();
    let apps = (0..100).map(|n| format!("[[apps]]\nname = 'app-{n}'\nscript = 'absent-{n}.js'\n"));
    let text = apps.collect::<Vec<_>>().concat();
    let error = project.load(text).unwrap_err().to_string();
    assert_eq!(error.matches("Script not found").count(), 100);
    assert_eq!(error.lines().filter(|line| line.ends_with('^')).count(), 12);
}

#[test]
fn the_complete_file_of_the_repository_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ecosystem/ecosystem.complete.toml");
    let loaded = load(&file, &Options::default(), &Project::new().caller()).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.apps.len(), 226);
    assert!(loaded.apps.iter().all(|app| app.cron_restart.is_some() && !app.autorestart));
}
