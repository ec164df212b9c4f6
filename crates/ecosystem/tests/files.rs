//! Files in `invalid/` and `valid/`, each with what comes of it beside it.
//!
//! `INSTA_UPDATE=always cargo test -p rpm-ecosystem` writes the expectations anew.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{fs, path::Path};

use project::Project;
use rpm_core::{AppSpec, Interpreter};
use rpm_ecosystem::Options;

mod project;

/// Calls `outcome` with the name and the text of each file of a folder, and compares. The name is `ecosystem` with
/// all extensions of the file.
fn each_file(folder: &str, outcome: impl Fn(&str, &str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "snap" && extension != "new"));
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let extensions = &file[file.find('.').unwrap()..];
        let outcome = outcome(&["ecosystem", extensions].concat(), &fs::read_to_string(&path).unwrap());
        settings.bind(|| insta::assert_snapshot!(file.trim_end_matches(".toml"), outcome));
    }
}

fn project(name: &str) -> Project {
    if name.contains(".config.") { Project::new().with_node() } else { Project::new() }
}

#[test]
fn invalid_files_are_told_what_is_wrong() {
    each_file("invalid", |name, text| {
        let project = project(name);
        let error = project.load_as(name, text, &Options::default()).map(|loaded| loaded.apps).unwrap_err();
        project.plain(&error.to_string())
    });
}

/// A valid file may begin with options: `# --env NAME` and `# --only NAMES`, or the same after `//`.
#[test]
fn valid_files_are_understood() {
    each_file("valid", |name, text| {
        let project = project(name);
        let option = |name: &str| {
            let mut comments = text.lines().map(|line| line.trim_start_matches(['#', '/', ' ']));
            comments.find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let options = Options {
            profile: option("--env"),
            only: option("--only").into_iter().collect(),
            ..Options::default()
        };
        let loaded = project.load_as(name, text, &options).unwrap();
        let apps: Vec<_> = loaded.apps.iter().map(without_defaults).collect();
        let mut outcome = serde_json::to_string_pretty(&apps).unwrap();
        for warning in loaded.warnings.rendered(false) {
            outcome += &["\n", &warning].concat();
        }
        for name in loaded.unmatched {
            outcome += &["\nunmatched: ", &name].concat();
        }
        project.plain(&outcome)
    });
}

/// What an app says beyond a name, a script and what runs it.
fn without_defaults(app: &AppSpec) -> serde_json::Value {
    let default = AppSpec::new("", "".into(), Interpreter::None, "".into());
    let serde_json::Value::Object(default) = serde_json::to_value(default).unwrap() else { unreachable!() };
    let mut shown = serde_json::to_value(app).unwrap();
    shown
        .as_object_mut()
        .unwrap()
        .retain(|field, value| field == "interpreter" || default.get(field) != Some(value));
    shown
}
