//! `convert`: whatever can be loaded becomes TOML that says the same.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{cell::Cell, fs, path::Path};

use project::Project;
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use rpm_ecosystem::{Options, convert, load, load_text};

mod project;

/// Converts `text` as `name`; the error is a text.
fn converted(project: &Project, name: &str, text: &str, to: &str) -> Result<String, String> {
    project.file(name, text);
    convert(Path::new(name), Path::new(to), &project.caller())
        .map(|converted| converted.text)
        .map_err(|error| project.plain(&error.to_string()))
}

#[test]
fn what_is_converted_reads_well() {
    let project = Project::new();
    let text = "
        // A comment is lost.
        { apps: [
            { exec: './app.js', name: 'api', args: ['--x', 'two\\nlines'], maxMemoryRestart: '100M', kill_timeout: 5000,
              env: { PORT: 3000, OPTIONS: { a: [null] }, 'a.b': true }, env_production: { PORT: 80 },
              windowsHide: false, watch: ['src', 'lib'], watch_options: { ignored: '*.log' } },
            { name: 'job', cwd: 'api', script: 'worker.py', cron: '0 5 * * *', kill_timeout: '1m', colour: null },
          ],
          static: { port: 9000, basic_auth: { username: 'a', password: 'b' } },
          deploy: { production: { host: ['a', 'b'], env: { REGION: 'eu' } } },
        }";
    let toml = converted(&project, "ecosystem.json", text, "ecosystem.toml").unwrap();
    insta::assert_snapshot!(toml);
}

#[test]
fn every_valid_file_can_be_converted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valid");
    let mut count = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let file = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "snap") {
            continue;
        }
        let project = Project::new().with_node();
        let name = ["ecosystem", &file[file.find('.').unwrap()..]].concat();
        let toml =
            converted(&project, &name, &fs::read_to_string(&path).unwrap(), "config/new.toml").unwrap();
        // Not by `convert`'s own comparison alone.
        let of = |loaded: rpm_ecosystem::Loaded| loaded.apps;
        let before = of(load(Path::new(&name), &Options::default(), &project.caller()).unwrap());
        let after = load_text(Path::new("config/new.toml"), &toml, &Options::default(), &project.caller());
        assert_eq!(of(after.unwrap()), before, "{file}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn root_is_seen_from_where_the_toml_is() {
    let project = Project::new();
    let text = "{ root: '../api', script: 'server.js' }";
    let toml = |to| converted(&project, "config/a.json", text, to).unwrap();
    assert!(toml("config/a.toml").contains("root = \"../api\"\n"));
    assert!(toml("a.toml").contains("root = \"api\"\n"));
    assert!(toml("api/a.toml").contains("root = \".\"\n"));
    assert!(toml("x/y/a.toml").contains("root = \"../../api\"\n"));
}

#[test]
fn what_toml_cannot_say_is_told() {
    let project = Project::new();
    let text = "{ apps: [{ script: 'app.js', io: { a: null } }, { script: 'api/server.js' }] }";
    assert_eq!(
        converted(&project, "a.json", text, "a.toml").unwrap_err(),
        "a.json: app \"app\": TOML cannot say the same of env, extras"
    );
    let wrong = converted(&project, "a.json", "{ script: 'absent.js' }", "a.toml").unwrap_err();
    assert!(wrong.contains("Script not found: /project/absent.js"), "{wrong}");
}

/// Attributes with values that fit each.
fn attribute() -> impl Strategy<Value = (String, String)> {
    let text = "[a-zA-Z0-9 ./~'\"\\\\\n\u{e4}\u{1f600}\t-]{0,12}".prop_map(|text| format!("{text:?}"));
    let json_text = text.clone().prop_map(|text| {
        // Rust's escapes of what the pattern has are those of JSON5, but for the apostrophe.
        text.replace("\\'", "'")
    });
    let texts = select(vec![
        "name",
        "namespace",
        "instance_var",
        "increment_var",
        "out_file",
        "error",
        "log",
        "pid",
        "log_date_format",
        "log_type",
        "username",
        "name_prefix",
        "secret",
    ]);
    let lists = select(vec!["args", "node_args", "ignore_watch", "watch", "filter_env"]);
    let numbers = select(vec![
        "kill_timeout",
        "minUptime",
        "restart_delay",
        "max_restarts",
        "listen_timeout",
        "watch_delay",
        "max_memory_restart",
        "stop_exit_codes",
        "kill_retry_time",
        "instances",
        "port",
    ]);
    let switches = select(vec![
        "autorestart",
        "autostart",
        "treekill",
        "wait_ready",
        "time",
        "merge_logs",
        "watch",
        "disable_logs",
        "vizion",
        "pmx",
        "trace",
        "disable_trace",
        "execute_command",
        "append_env_to_name",
        "filter_env",
        "log_file",
        "expand_env",
    ]);
    let quoted = |(key, value): (&str, String)| (key.to_owned(), value);
    prop_oneof![
        (texts, json_text.clone()).prop_map(quoted),
        (lists, prop::collection::vec(json_text.clone(), 0..3))
            .prop_map(|(key, items)| (key.to_owned(), format!("[{}]", items.join(",")))),
        (numbers, 0..70_000_u32).prop_map(|(key, number)| (key.to_owned(), number.to_string())),
        (switches, any::<bool>()).prop_map(|(key, value)| (key.to_owned(), value.to_string())),
        (select(vec!["env_file"]), select(vec!["package.json", "none"]), any::<bool>()).prop_map(
            |(key, path, required)| (key.to_owned(), format!("[{{ path: '{path}', required: {required} }}]"))
        ),
        (
            select(vec!["env", "env_a", "env_b", "env_file"]),
            prop::collection::vec((json_text, any::<f64>()), 0..4)
        )
            .prop_map(|(key, variables)| {
                let variables =
                    variables.iter().map(|(name, number)| format!("{name}: [{number:?}], x: {number:?}"));
                (key.to_owned(), format!("{{{}}}", variables.collect::<Vec<_>>().join(",")))
            }),
    ]
}

#[test]
fn whatever_can_be_loaded_can_be_converted() {
    let project = Project::new();
    let config = ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() };
    let loaded = Cell::new(0);
    let outcome = TestRunner::new(config).run(&prop::collection::vec(attribute(), 0..8), |attributes| {
        let lines =
            attributes.iter().map(|(key, value)| format!("{key}: {value}").replace("inf", "Infinity"));
        let text = format!("{{ script: 'app.js', {} }}", lines.collect::<Vec<_>>().join(", "));
        project.file("a.json", &text);
        if load(Path::new("a.json"), &Options::default(), &project.caller()).is_ok() {
            let outcome = convert(Path::new("a.json"), Path::new("a.toml"), &project.caller());
            prop_assert!(outcome.is_ok(), "{text}\n{}", outcome.unwrap_err());
            loaded.set(loaded.get() + 1);
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(loaded.get() > 100, "{loaded:?} were converted");
}
