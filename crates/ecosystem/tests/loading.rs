//! What comes before and after the content of a file: reading it, choosing from it, overriding it.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{fs, path::Path};

use project::Project;
use rpm_ecosystem::{Declaration, Options, load, tree};

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
fn options_override_all_but_what_makes_the_app() {
    let project = Project::new();
    let mut overrides = Declaration::default();
    for (attribute, text) in [
        ("name", "x"),
        ("script", "absent.js"),
        ("cwd", "api"),
        ("namespace", "n"),
        ("kill_timeout", "9"),
        ("autorestart", "false"),
    ] {
        overrides.set(attribute, text).unwrap();
    }
    let options = Options { overrides, ..Options::default() };
    let text = "apps = [
        { name = 'a', script = 'server.js', kill_timeout = 5, cwd = 'config' },
        { name = 'b', script = 'server.js', namespace = 'own' },
    ]";
    let apps = project.load_as("e.toml", text, &options).unwrap().apps;
    let seen: Vec<_> = apps
        .iter()
        .map(|app| (app.name.as_str(), app.namespace.as_str(), app.kill_timeout.unwrap().0, app.autorestart))
        .collect();
    assert_eq!(seen, [("a", "n", 9, false), ("b", "own", 9, false)]);
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
fn apps_that_are_not_wanted_are_checked_too() {
    let project = Project::new();
    let text = "apps = [{ name = 'a', script = 'app.js' }, { name = 'b', script = 'absent.js' }]";
    let options = Options { only: vec!["a".to_owned()], ..Options::default() };
    let error = project.load_as("e.toml", text, &options).unwrap_err();
    assert!(error.to_string().contains("app \"b\": Script not found"));
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
