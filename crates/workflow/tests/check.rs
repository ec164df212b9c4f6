//! What is said about files, right and wrong.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{fmt::Write, fs, path::Path};

use proptest::prelude::*;
use rpm_ecosystem::Report;
use rpm_workflow::{check_file, check_text, workflow_files};

/// Every problem of a text, a line each, without the lines of the source.
fn problems(text: &str) -> Vec<String> {
    match check_text(Path::new("w.yml"), text) {
        Ok(workflow) => lines(workflow.warnings()),
        Err(report) => lines(&report),
    }
}

fn lines(report: &Report) -> Vec<String> {
    let first =
        |text: String| text.lines().next().unwrap_or_default().trim_start_matches("w.yml:").to_owned();
    report.rendered(false).map(first).collect()
}

/// A workflow with one job whose lines these are.
fn job(lines: &str) -> String {
    lines.lines().fold("on: push\njobs:\n  a:\n    runs-on: x\n".to_owned(), |mut text, line| {
        writeln!(text, "    {line}").unwrap();
        text
    })
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let mut wrong = 0;
    for (text, expected) in [
        ("", " not YAML: expected a value, the file is empty"),
        ("on: push\njobs: {a: {runs-on: x, steps: [}]", "2:32: not YAML: while parsing a node"),
        ("on: push\njobs:\n\ta: 1", "3:2: not YAML: tabs"),
        ("- a", "1:1: expected a table, found a list"),
        ("on: push", "1:1: the key \"jobs\" is missing"),
        ("jobs: {a: {runs-on: x, steps: [{run: a}]}}", "1:1: the key \"on\" is missing"),
        ("on: push\njobs: {}", "2:7: expected a job"),
        ("on: pusch\njobs: {a: {runs-on: x, steps: [{run: a}]}}", "1:5: expected \"branch_protection_rule\""),
        ("on: [push, 1]\njobs: {a: {runs-on: x, steps: [{run: a}]}}", "1:12: expected \"branch"),
        (
            "on: {push: {brnches: [a]}}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:13: unknown key \"brnches\" (did you mean branches?)",
        ),
        ("on: push\non: push\njobs: {}", "2:1: not YAML: the key \"on\" is used twice"),
        (
            "on: push\nON: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "2:1: \"ON\" is used twice: upper and lower case count as the same",
        ),
        (
            "on: push\nname: ${{ github.ref }}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "2:7: expressions are not evaluated here",
        ),
        (
            "on: {schedule: [{cron: '* * *'}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:24: cron \"* * *\": expected the five fields minute, hour, day of month, month and day of week, found 3",
        ),
        (
            "on: {schedule: [{cron: '0 0 L * *'}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:24: cron \"0 0 L * *\": \"L\" is not POSIX cron",
        ),
        (
            "on: {schedule: [{cron: '0 25 * JUL MON'}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:24: cron \"0 25 * JUL MON\": hour 25 is out of range 0-23",
        ),
        (
            "on: {schedule: [{cron: '0 5 * * *', timezone: Europe/Berln}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:47: unknown time zone \"Europe/Berln\"",
        ),
        (
            "on: {schedule: [{}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:17: the key \"cron\" is missing",
        ),
        (
            "on: {schedule: [{cron: '*/1 * * * *'}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:24: GitHub starts a workflow every 5 minutes at most",
        ),
        (
            "on: {workflow_dispatch: {inputs: {a: {type: boolean, default: 'no'}}}}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:63: expected a boolean, found \"no\"",
        ),
        (
            "on: {workflow_dispatch: {inputs: {a: {type: chioce}}}}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "1:45: expected \"string\", \"boolean\", \"number\", \"environment\" or \"choice\", found \"chioce\" (did you mean choice?)",
        ),
        (
            "on: push\npermissions: {contents: wirte}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
            "2:25: expected \"read\", \"write\" or \"none\", found \"wirte\" (did you mean write?)",
        ),
    ] {
        let found = problems(text);
        if !found.first().is_some_and(|first| first.starts_with(expected)) {
            println!("{text}\n  expected {expected}\n  found {found:#?}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0);
}

#[test]
fn what_is_wrong_with_a_job_is_told_with_its_place() {
    let mut wrong = 0;
    for (lines, expected) in [
        ("steps: [{run: a}]\nstpes: []", "6:5: unknown key \"stpes\" (did you mean steps?)"),
        ("name: a", "3:3: the job \"a\" has no steps"),
        ("steps: []", "5:12: expected a step"),
        ("steps: [{name: a}]", "5:13: one of the keys \"run\" or \"uses\" is missing"),
        ("steps:\n- run: a\n  with: {}", "7:7: \"with\" cannot stand beside \"run\""),
        ("steps: [{uses: actions/checkout}]", "5:20: \"actions/checkout\" has no version: expected ./path"),
        ("steps: [{uses: checkout@v4}]", "5:20: \"checkout@v4\" names no repository"),
        ("steps: [{run: a, id: 1a}]", "5:26: \"1a\" is no id of a step"),
        ("steps: [{run: a, id: b}, {run: a, id: B}]", "5:43: the id \"B\" is used twice"),
        ("steps: [{run: a, timeout-minutes: soon}]", "5:39: expected a number, found \"soon\""),
        ("steps: [{run: a, continue-on-error: 'true'}]", "5:41: expected true or false, found \"true\""),
        ("steps: [{run: '${{ github.ref'}]", "5:23: the expression is not closed: expected }}"),
        ("steps: [{run: 'a ${{ github..ref }}'}]", "5:33: \".ref\" is not a number"),
        ("steps: [{run: a, if: github.ref = 1}]", "5:37: unexpected \"=\": equality is =="),
        ("steps: [{run: a, if: '${{ matrx.a }}'}]", "5:27: unknown context \"matrx\" (did you mean matrix?)"),
        (
            "if: env.A == 1\nsteps: [{run: a}]",
            "5:9: the context env cannot be used here: expected one of github, inputs, vars, needs",
        ),
        ("if: hashFiles('a') == 1\nsteps: [{run: a}]", "5:9: hashFiles() cannot be used here"),
        ("steps: [{run: '${{ success() }}'}]", "5:20: success() cannot be used here"),
        ("steps: [{run: a, if: success('b')}]", "5:26: success() takes no arguments here"),
        ("steps: [{run: a}]\nneeds: b", "6:12: the job \"a\" needs \"b\", which there is not"),
        ("steps: [{run: a}]\nneeds: [a]", "6:13: the job \"a\" needs itself"),
        ("steps: [{run: a}]\nstrategy: {matrix: {os: []}}", "6:25: the matrix has no value for \"os\""),
        ("steps: [{run: a}]\nstrategy: {matrix: {os: x}}", "6:29: expected a list, found \"x\""),
        (
            "steps: [{run: a}]\nuses: ./.github/workflows/x.yml",
            "6:5: \"uses\" cannot stand beside \"runs-on\"",
        ),
        (
            "steps: [{run: 'echo ${{ steps.b.outputs.x }}'}]",
            "5:19: steps.b is nothing: no step has the id \"b\"",
        ),
        (
            "steps: [{run: 'echo ${{ needs.b.result }}'}]",
            "5:19: needs.b is nothing: \"a\" does not need \"b\"",
        ),
        ("steps: [{run: a, if: '${{ github.ref }} == 1'}]", "5:26: this condition always holds"),
        ("steps:\n- run: |\n    one\n    two ${{ foo( }}\n", "8:22: expected a value, found the end"),
    ] {
        let found = problems(&job(lines));
        if !found.iter().any(|line| line.starts_with(expected)) {
            println!("{lines}\n  expected {expected}\n  found {found:#?}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0);
}

#[test]
fn cycles_are_told_once_with_their_way() {
    let job =
        |id: &str, needs: &str| format!("  {id}: {{runs-on: x, needs: [{needs}], steps: [{{run: a}}]}}\n");
    let text = |jobs: &[(&str, &str)]| {
        jobs.iter().fold("on: push\njobs:\n".to_owned(), |text, (id, needs)| text + &job(id, needs))
    };
    let found = problems(&text(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "")]));
    assert_eq!(found, ["3:27: the jobs need each other: a needs b needs c needs a"]);
    let found = problems(&text(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(problems(&text(&[("a", ""), ("b", "a"), ("c", "a, b")])).is_empty());
}

#[test]
fn files_are_right_as_people_write_them() {
    for text in [
        // `on` is a key, not a truth value.
        "on: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
        "\"on\": [push, pull_request]\njobs: {a: {runs-on: [self-hosted, linux], steps: [{uses: ./.github/actions/x}]}}",
        "on:\n  push:\n  schedule:\n    - cron: '0 4 1,15 * MON-FRI'\njobs: {a: {runs-on: {group: big}, steps: [{run: a}]}}",
        "on: push\nenv: &env {A: 1, B: true, C: 1.5}\njobs: {a: {runs-on: x, env: *env, steps: [{run: a}]}}",
        "on: push\njobs: {a: {runs-on: x, strategy: {matrix: '${{ fromJSON(vars.M) }}'}, steps: [{run: a, env: '${{ fromJSON(vars.E) }}'}]}}",
        "on: push\njobs: {a: {uses: 'octo/x/.github/workflows/y.yml@v1', secrets: inherit, with: {a: 1}}}",
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 1, timeout-minutes: '${{ fromJSON(1) }}', if: always() && !cancelled()}]}}",
        "on: {workflow_dispatch: }\nconcurrency: {group: 'a-${{ github.ref }}', cancel-in-progress: true}\njobs: {a: {runs-on: x, steps: [{uses: 'docker://alpine:3'}, {uses: 'a/b/c/d@main', with: {x: null}}]}}",
    ] {
        assert_eq!(problems(text), [""; 0], "{text}");
    }
}

#[test]
fn schedules_are_those_of_posix() {
    let text = "on: {schedule: [{cron: '30 5 * * 1-5', timezone: Europe/Berlin}, {cron: '0 0 13 * 5'}]}\njobs: {a: {runs-on: x, steps: [{run: a}]}}";
    let workflow = check_text(Path::new("w.yml"), text).unwrap();
    let schedules: Vec<_> = workflow.schedules().collect();
    assert_eq!((schedules[0].as_str(), schedules[0].timezone()), ("30 5 * * 1-5", Some("Europe/Berlin")));
    // The 13th, or a Friday.
    let parts: Vec<_> = schedules[1].parts().iter().map(rpm_core::cron::Schedule::as_str).collect();
    assert_eq!(parts, ["0 0 13 * *", "0 0 * * 5"]);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let of = |path: &Path| {
        check_file(path).unwrap_err().to_string().replace(&*directory.path().to_string_lossy(), "")
    };
    assert!(of(&directory.path().join("none.yml")).starts_with("/none.yml: cannot be read: "));
    assert_eq!(of(directory.path()), ": expected a file, found a directory");
    let path = directory.path().join("bytes.yml");
    fs::write(&path, b"on: push\n\xff").unwrap();
    assert!(of(&path).starts_with("/bytes.yml:2:1: expected UTF-8 text, found the byte 0xff"));
    fs::write(&path, vec![b' '; 2 << 20]).unwrap();
    assert_eq!(of(&path), "/bytes.yml: expected at most 1048576 bytes, found 2097152");
    assert_eq!(workflow_files(directory.path()).unwrap(), [path]);
    fs::create_dir_all(directory.path().join(".github/workflows")).unwrap();
    assert!(workflow_files(directory.path()).unwrap().is_empty());
}

/// Pieces of which files consist.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("on: push\n".to_owned()),
        Just("jobs:\n  a:\n    runs-on: x\n    steps:\n".to_owned()),
        Just("      - run: ${{ a.b[0].*.c }}\n".to_owned()),
        Just("        if: always() && (\n".to_owned()),
        Just("    needs: [a, b]\n".to_owned()),
        Just("    strategy: {matrix: {a: [1, {b: 2}]}}\n".to_owned()),
        "[ -~\n]{0,20}",
        "\\PC{0,8}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_checked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = check_text(Path::new("w.yml"), &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_are_checked(pieces in prop::collection::vec(piece(), 0..12)) {
        _ = check_text(Path::new("w.yml"), &pieces.concat()).map_err(|report| report.to_string());
    }
}
