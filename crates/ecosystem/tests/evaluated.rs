//! Files that Node evaluates: what they export, and what else they do.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{collections::BTreeSet, process::Command};

use project::Project;
use rpm_core::Env;
use rpm_ecosystem::{Options, convert};

mod project;

fn load(project: &Project, name: &str, text: &str) -> Result<rpm_ecosystem::Loaded, String> {
    project.load_as(name, text, &Options::default()).map_err(|error| project.plain(&error.to_string()))
}

#[test]
fn a_value_of_any_size_arrives() {
    let project = Project::new().with_node();
    // A file that has touched `process.stdout` has made a pipe non-blocking.
    let text = "console.log(process.stdout.writable);
        const app = (_, n) => ({ name: `app-${n}`, script: 'app.js', env: { TEXT: 'ü'.repeat(1000) } });
        module.exports = { apps: Array.from({ length: 1000 }, app) };";
    for _ in 0..5 {
        let apps = load(&project, "e.config.js", text).unwrap().apps;
        assert_eq!(apps.len(), 1000);
        assert_eq!(apps[999].env["TEXT"].chars().count(), 1000);
    }
    let large = "module.exports = { apps: [{ script: 'app.js', env: { X: 'x'.repeat(17 << 20) } }] };";
    let error = load(&project, "e.config.js", large).unwrap_err();
    assert!(error.contains("its value is larger than 16777216 bytes"), "{error}");
}

#[test]
fn a_process_that_it_leaves_running_is_not_waited_for() {
    let project = Project::new().with_node();
    // It lasts longer than the limit of the evaluation.
    let text = "const { spawn } = require('node:child_process');
        const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'inherit' });
        module.exports = { name: String(child.pid), script: 'app.js' };";
    let app = load(&project, "e.config.js", text).unwrap().apps.remove(0);
    assert!(Command::new("kill").arg(&app.name).status().unwrap().success(), "it still runs");
}

#[test]
fn variables_that_it_sets_or_deletes_reach_the_apps() {
    let project = Project::new().with_node();
    project.program("bin/tool", "#!/bin/sh");
    let text = "process.env.SET = 'yes'; process.env.HOME = '/elsewhere'; delete process.env.NVM_DIR;
        module.exports = { script: 'app.js', out_file: '~/out.log' };";
    let loaded = load(&project, "e.config.js", text).unwrap();
    let mut env: Env =
        [("KEPT", "1"), ("NVM_DIR", "/n")].map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
    loaded.env.apply(&mut env);
    let seen: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(seen, ["HOME=/elsewhere", "KEPT=1", "SET=yes"]);
    // It holds before the apps are made.
    assert_eq!(
        serde_json::to_value(&loaded.apps[0].out_file).unwrap(),
        serde_json::Value::from("/elsewhere/out.log")
    );
    let names: BTreeSet<_> = loaded.env.names().collect();
    assert_eq!(names, BTreeSet::from(["HOME", "NVM_DIR", "SET"]));
    let quiet = load(&project, "e.config.js", "module.exports = { script: 'app.js' };").unwrap();
    assert_eq!(quiet.env, rpm_ecosystem::EnvChange::default());

    project.file("e.config.js", "process.env.SET = 'yes'; module.exports = { script: 'app.js' };");
    let converted = convert("e.config.js".as_ref(), "e.toml".as_ref(), &project.caller()).unwrap();
    let warning = "it changes variables when it is evaluated, and the TOML does not: SET";
    assert!(converted.warnings.to_string().contains(warning), "{}", converted.warnings);
}

#[test]
fn json_that_is_an_expression_is_evaluated_as_in_pm2() {
    let project = Project::new().with_node();
    let text = "// as PM2 reads it
        { apps: [{ name: ['a', 'b'].join(' && '), script: 'app.js', kill_timeout: 1000 * 60,
          env: { HOME: process.env.HOME } }] }";
    for name in ["e.json", "e.json5"] {
        let app = load(&project, name, text).unwrap().apps.remove(0);
        assert_eq!((app.name.as_str(), app.kill_timeout.unwrap().0), ("a && b", 60_000));
        assert!(app.env["HOME"].ends_with("/home"));
    }
    for (text, error) in [
        ("{ apps: [", "e.json:1:9: not JSON: "),
        ("{ apps: nothing }", "e.json:1:10: JavaScript: ReferenceError: nothing is not defined"),
        ("{ apps: require('x') }", "JavaScript: ReferenceError: require is not defined"),
        ("{ apps: (() => { for (;;); })() }", "JavaScript: Error: Script execution timed out"),
        ("", "not JSON: expected a value, the file is empty"),
    ] {
        let said = load(&project, "e.json", text).unwrap_err();
        assert!(said.contains(error), "{text}: {said}");
    }
    // Without Node it is what it was.
    let said = load(&Project::new(), "e.json", "{ apps: 1 * 2 }").unwrap_err();
    assert!(said.contains("not JSON: "), "{said}");
}
