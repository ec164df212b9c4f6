//! `rpm workflow`: what it says, and the exit codes. What workflows come to is tested in `crates/workflow`.

use std::process::Command;

use nix::sys::signal::Signal;
use rpm_tests::{Rpm, repository};
use serde_json::Value;

/// A repository with one commit of a workflow file.
fn with_workflow(text: &str) -> Rpm {
    let rpm = Rpm::new();
    rpm.write("repo/.github/workflows/ci.yml", text);
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=Octo", "-c", "user.email=octo@example.org"];
        let status = Command::new("git").current_dir(rpm.path("repo")).args(who).args(args).status();
        assert!(status.unwrap().success(), "git {args:?}");
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "-A"]);
    git(&["commit", "--quiet", "-m", "first"]);
    rpm
}

const FILE: &str = "repo/.github/workflows/ci.yml";

/// A workflow whose only job has these steps.
fn steps(steps: &str) -> String {
    format!("name: CI\non: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
}

#[test]
fn files_are_checked() {
    let rpm = with_workflow(&steps("      - run: echo\n        shel: sh\n"));
    let output = rpm.fails(&format!("workflow check {FILE}"));
    output
        .complains("ci.yml:8:9: unknown key \"shel\" (did you mean shell?)")
        .complains("1 of 1 workflow files are wrong");
    let output = rpm.fails("workflow check repo --json");
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    let reports = &told["files"];
    assert_eq!(reports[0]["valid"], false);
    assert_eq!(reports[0]["problems"][0]["line"], 8);
    assert_eq!(reports[0]["problems"][0]["column"], 9);
    let samples = repository().join("crates/workflow/tests/repository");
    let words = ["workflow".into(), "check".into(), samples.into_os_string()];
    rpm.ok(words.as_slice()).says("workflow files are right");
    rpm.fails("workflow check repo/.github/workflows/none.yml").complains("none.yml: cannot be read");
}

#[test]
fn exit_codes_tell_how_it_ended() {
    for (text, code, says) in [
        ("      - run: echo one; echo two >&2\n", 0, "build |   two\n"),
        ("      - run: exit 5\n", 1, "build | ✗ Run exit 5: failure: exit code 5\n"),
        (
            "      - uses: some/action@v1\n",
            3,
            "build | ! Run some/action@v1: not runnable here: some/action@v1\n",
        ),
    ] {
        let rpm = with_workflow(&steps(text));
        let output = rpm.run(&format!("workflow run {FILE}"));
        output.ends_with(code).says(says).says("CI (push): ");
    }
}

#[test]
fn the_outcome_is_data() {
    let rpm = with_workflow(&steps("      - run: echo name=value >> $GITHUB_OUTPUT\n        id: a\n"));
    let output = rpm.ok(&format!("workflow run {FILE} --json"));
    let outcome: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(outcome["conclusion"], "success");
    assert_eq!(outcome["jobs"][0]["steps"][0]["outputs"]["name"], "value");
    output.complains("build | ▶ Run echo name=value >> $GITHUB_OUTPUT");
}

#[test]
fn a_fifo_in_place_of_a_file_of_the_runner_fails_the_step_and_is_not_waited_for() {
    for name in ["OUTPUT", "ENV", "PATH", "STEP_SUMMARY", "STATE"] {
        let script = format!("      - run: rm $GITHUB_{name} && mkfifo $GITHUB_{name}\n");
        let rpm = with_workflow(&steps(&script));
        let output = rpm.run(&format!("workflow run {FILE}"));
        output.ends_with(1).says(&format!("${}: is not a regular file", format_args!("GITHUB_{name}")));
    }
    let rpm = with_workflow(&steps("      - run: rm $GITHUB_OUTPUT\n"));
    rpm.ok(&format!("workflow run {FILE}"));
}

#[test]
fn the_limit_of_a_step_holds_for_all_that_it_runs() {
    let action = "name: slow\ndescription: slow\nruns:\n  using: composite\n  steps:\n    - run: sleep 600\n      shell: sh\n";
    let slow = "      - uses: actions/checkout@v4\n      - uses: ./slow\n        timeout-minutes: 0.01\n";
    let rpm = with_workflow(&steps(slow));
    rpm.write("repo/slow/action.yml", action);
    rpm.run(&format!("workflow run {FILE} --in-place"))
        .ends_with(1)
        .says("it has reached its timeout-minutes");
    let fake = "      - run: |\n          mkdir bin; printf '#!/bin/sh\\nsleep 600\\n' > bin/go; chmod +x bin/go\n          \
        echo $PWD/bin >> $GITHUB_PATH\n      - uses: actions/setup-go@v5\n        timeout-minutes: 0.01\n";
    let rpm = with_workflow(&steps(fake));
    rpm.run(&format!("workflow run {FILE}")).ends_with(1).says("it has reached its timeout-minutes");
}

#[test]
fn a_basic_auth_header_and_variables_that_are_named_like_secrets_are_hidden() {
    let rpm = with_workflow(&steps(
        "      - run: |\n          for name in a ab abc; do printf \"$name:$MY_PASSWORD\" | base64; done\n          \
         echo hook=$BUILD_HOOK_URL\n        env:\n          MY_PASSWORD: ${{ secrets.MY_PASSWORD }}\n",
    ));
    let mut command = rpm.command(&format!("workflow run {FILE}"));
    command.env("MY_PASSWORD", "correct horse battery").env("BUILD_HOOK_URL", "https://hook.example/1");
    let output = rpm_tests::Running::start(command).output();
    output.ends_with(0).says("build |   hook=\n");
    let hidden = output.stdout.lines().filter(|line| line.contains("***")).count();
    assert_eq!(hidden, 3, "{}", output.stdout);
}

#[test]
fn a_signal_cancels_and_nothing_is_left() {
    let rpm = with_workflow(&steps("      - run: |\n          echo up\n          sleep 600\n"));
    let mut command = rpm.command(&format!("workflow run {FILE}"));
    command.env("TMPDIR", rpm.path("repo"));
    let running = rpm_tests::Running::start(command);
    running.shows("build |   up");
    running.signal(Signal::SIGINT);
    running.output().ends_with(2).says("■ cancelled");
    let left = std::fs::read_dir(rpm.path("repo"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("rpm-workflow-"));
    assert_eq!(left.count(), 0, "the scratch copy is gone");
    assert!(rpm.processes().is_empty());
}

#[test]
fn what_cannot_begin_is_told() {
    let rpm = with_workflow(&steps("      - run: echo\n"));
    rpm.fails(&format!("workflow run {FILE} --job biuld")).complains("no job \"biuld\"");
    rpm.fails(&format!("workflow run {FILE} --event release")).complains("it runs on push");
    rpm.fails(&format!("workflow run {FILE} --input a")).complains("expected name=value");
    rpm.fails(&format!("workflow run {FILE} --input a=b")).complains("push declares no inputs");
    rpm.fails("workflow run").complains("expected one workflow file, found 0");
    rpm.fails(&format!("workflow run {FILE} --payload {FILE}")).complains("not JSON");
}
