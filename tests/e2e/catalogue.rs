//! The catalogue of tasks and what is made from it: the complete ecosystem file and the task scripts.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The list from which the catalogue was made, where it lies beside the repository.
const REFERENCE: &str = "../shared/data/complete-tasks.tsv";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of a file of the repository, without the header, split into columns.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect()).collect()
}

/// Runs node in the repository and expects it to end with 0.
fn node<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) {
    let output = Command::new("node")
        .args(args)
        .current_dir(root())
        .output()
        .expect("node starts (the task scripts need Node.js 18 or newer)");
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

#[test]
fn what_the_generator_writes_is_what_is_committed() {
    node(["scripts/generate-complete-tasks", "--check"]);
}

#[test]
fn the_library_of_the_tasks_passes_its_own_tests() {
    // Named one by one, because what a directory means to `node --test` differs between versions of Node.js.
    let files = fs::read_dir(root().join("scripts/lib/test"))
        .expect("the tests are there")
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(".test.js"))
        .map(|path| fs::canonicalize(path).expect("the file is there").into_os_string());
    let args: Vec<_> = std::iter::once("--test".into()).chain(files).collect();
    assert!(args.len() > 1, "there are tests to run");
    node(args);
}

#[test]
fn there_are_226_tasks_with_a_name_each() {
    let catalogue = fs::read_to_string(root().join("scripts/catalogue.tsv")).expect("the catalogue is there");
    let rows = rows(&catalogue);
    let names: HashSet<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!((rows.len(), names.len()), (226, 226));
}

#[test]
fn catalogue_and_ecosystem_file_say_what_the_reference_says() {
    let Ok(reference) = fs::read_to_string(root().join(REFERENCE)) else {
        eprintln!("not compared: there is no {REFERENCE} beside the repository");
        return;
    };
    let catalogue = fs::read_to_string(root().join("scripts/catalogue.tsv")).expect("the catalogue is there");
    let ecosystem = fs::read_to_string(root().join("ecosystem/ecosystem.complete.toml"))
        .expect("the ecosystem file is there");
    let (reference, catalogue) = (rows(&reference), rows(&catalogue));
    assert_eq!(reference.len(), catalogue.len());
    for (expected, task) in reference.iter().zip(&catalogue) {
        let [name, script, cron, autorestart, watch, env] = expected[..] else {
            panic!("the reference has another number of columns: {expected:?}");
        };
        assert_eq!([name, cron], [task[0], task[2]]);
        let env: Vec<_> = env
            .split(',')
            .map(|pair| {
                let (key, value) = pair.split_once('=').expect("an environment variable has a value");
                format!("{key} = \"{value}\"")
            })
            .collect();
        let app = format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"{script}\"\ncron_restart = \"{cron}\"\n\
             autorestart = {autorestart}\nwatch = {watch}\nenv = {{ {} }}\n",
            env.join(", "),
        );
        assert!(ecosystem.contains(&app), "not in the ecosystem file:\n{app}");
        assert!(root().join(script).is_file(), "{script} is not there");
    }
    assert_eq!(ecosystem.matches("[[apps]]\n").count(), reference.len());
}
