//! Workflow files of the kinds that people have, run in a repository made for them, and what came of each compared
//! with what GitHub documents: a line for each job, step and output in `expected/`.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use rpm_core::Env;
use rpm_workflow::{
    Cancel, Conclusion, Options, Outcome, Progress, RunError, check_file, run, workflow_files,
};

/// A repository with the files of `repository/`, and one commit of them.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::Builder::new().prefix("shop").tempdir().unwrap());
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repository"), repository.path());
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["add", "-A"]);
        repository.git(&["commit", "--quiet", "-m", "first"]);
        repository.git(&["remote", "add", "origin", "https://github.com/octo/shop.git"]);
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=Octo", "-c", "user.email=octo@example.org"];
        let output = Command::new("git").current_dir(self.path()).args(who).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn workflow(&self, name: &str) -> PathBuf {
        self.path().join(format!(".github/workflows/{name}.yml"))
    }

    /// Runs a workflow. The outcome, and all that was said.
    fn run(&self, name: &str, options: &Options) -> (Result<Outcome, RunError>, String) {
        let workflow = check_file(&self.workflow(name)).map_err(|report| report.to_string()).unwrap();
        let said = Mutex::new(String::new());
        let outcome = run(&workflow, options, &|progress| {
            if let Progress::Line { text, .. } = progress {
                writeln!(said.lock().unwrap(), "{text}").unwrap();
            }
        });
        (outcome, said.into_inner().unwrap())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn options() -> Options {
    let mut env: Env = std::env::vars().collect();
    env.set("DEPLOY_KEY", "hunter2");
    env.set("GIT_CONFIG_GLOBAL", "/dev/null");
    env.remove("GITHUB_TOKEN");
    Options {
        repository: None,
        jobs: Vec::new(),
        event: None,
        payload: None,
        inputs: BTreeMap::new(),
        in_place: false,
        env,
        limit: None,
        max_parallel: 4,
        cancel: Cancel::default(),
    }
}

/// An outcome as text, as far as it is the same each time.
fn shown(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.conclusion.word());
    for job in &outcome.jobs {
        let tolerated = if job.tolerated { " (tolerated)" } else { "" };
        writeln!(text, "\n{}: {}{tolerated}", job.name, job.conclusion.word()).unwrap();
        if let Some(reason) = &job.reason {
            writeln!(text, "  because {}", reason.lines().next().unwrap_or_default()).unwrap();
        }
        for step in &job.steps {
            let before = match step.outcome {
                outcome if outcome == step.conclusion => String::new(),
                outcome => format!("{}, then ", outcome.word()),
            };
            writeln!(text, "  {}: {before}{}", step.name, step.conclusion.word()).unwrap();
            if let Some(reason) = &step.reason {
                writeln!(text, "    because {}", reason.lines().next().unwrap_or_default()).unwrap();
            }
        }
        for (name, value) in &job.outputs {
            writeln!(text, "  {name} = {value:?}").unwrap();
        }
        for annotation in &job.annotations {
            writeln!(text, "  {} {:?} {:?}", annotation.level, annotation.message, annotation.properties)
                .unwrap();
        }
        if !job.summary.is_empty() {
            writeln!(text, "  summary {:?}", job.summary).unwrap();
        }
    }
    text
}

/// Runs a workflow and compares what came of it.
fn comes_to(name: &str, options: &Options) -> String {
    let repository = Repository::new();
    let (outcome, said) = repository.run(name, options);
    let temp = repository.path().canonicalize().unwrap();
    let node = Command::new("node").arg("--version").output().unwrap().stdout;
    let node = String::from_utf8(node).unwrap().trim().trim_start_matches('v').to_owned();
    let shown =
        shown(&outcome.unwrap()).replace(&*temp.to_string_lossy(), "<repository>").replace(&node, "<node>");
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/expected/{name}.txt"));
    if std::env::var_os("RPM_WORKFLOW_RECORD").is_some() {
        fs::write(&expected, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&expected).unwrap_or_default(), "{name}\n{said}");
    assert_eq!(repository.git(&["status", "--porcelain"]), "", "the repository is as it was");
    assert!(!said.contains("never"), "{said}");
    said
}

#[test]
fn every_file_is_right() {
    let repository = Repository::new();
    let files = workflow_files(repository.path()).unwrap();
    assert!(files.len() >= 15);
    for file in files {
        check_file(&file).map_err(|report| report.to_string()).unwrap();
    }
}

macro_rules! workflows {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            comes_to($name, &options());
        })*
    };
}

workflows! {
    a_matrix_has_its_combinations: "ci-matrix",
    outputs_reach_those_that_need_them: "needs-outputs",
    conditions_decide: "conditions",
    services_and_containers_are_refused: "services",
    composite_actions_run: "composite",
    environments_lie_over_each_other: "env-layers",
    times_are_limited: "timeouts",
    failures_can_be_allowed: "continue-on-error",
    texts_of_several_lines_are_handed_on: "heredoc",
    workflows_call_workflows: "reusable",
    files_are_hashed: "hash-files",
    shells_are_those_that_are_named: "shells",
    a_matrix_can_be_computed: "dynamic-matrix",
    what_cannot_run_here_is_no_success: "not-runnable",
    a_failure_cancels_the_other_combinations: "fail-fast",
    expressions_are_evaluated: "expressions",
    defaults_hold_until_a_step_says_otherwise: "defaults",
}

#[test]
fn javascript_actions_run() {
    let said = comes_to("javascript", &options());
    assert!(said.contains("hello Mona in octo/shop"), "{said}");
    assert!(said.contains("post after main for Mona"), "{said}");
}

#[test]
fn commands_are_carried_out() {
    let said = comes_to("commands", &options());
    assert_eq!(said, "inside\n::error::not a command\n");
}

#[test]
fn secrets_are_hidden() {
    let said = comes_to("secrets", &options());
    assert!(
        said.contains("the key is *** and again ***\n") && said.contains("now *** is hidden\n"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn inputs_have_their_types() {
    let inputs = [("environment", "production"), ("debug", "true"), ("note", "go")];
    let inputs: BTreeMap<_, _> =
        inputs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    comes_to("dispatch", &Options { inputs: inputs.clone(), ..options() });
    let refused = |name: &str, value: Option<&str>| {
        let mut inputs = inputs.clone();
        match value {
            Some(value) => drop(inputs.insert(name.to_owned(), value.to_owned())),
            None => drop(inputs.remove(name)),
        }
        Repository::new().run("dispatch", &Options { inputs, ..options() }).0.unwrap_err().to_string()
    };
    assert_eq!(refused("note", None), "the input \"note\": required: --input note=VALUE");
    assert_eq!(refused("debug", Some("yes")), "the input \"debug\": expected true or false, found \"yes\"");
    assert_eq!(
        refused("environment", Some("moon")),
        "the input \"environment\": expected one of staging, production, found \"moon\""
    );
    assert_eq!(
        refused("debgu", Some("true")),
        "the input \"debgu\": not declared (did you mean debug?): expected environment, debug, count, note"
    );
}

#[test]
fn a_scratch_copy_keeps_its_commits_to_itself() {
    let repository = Repository::new();
    let before = (repository.git(&["rev-parse", "HEAD"]), repository.git(&["config", "--local", "--list"]));
    let own = repository.path().join(".git/user-config");
    fs::write(&own, "[core]\n\tabbrev = 9\n").unwrap();
    let mut options = options();
    options.env.set("GIT_CONFIG_GLOBAL", own.to_string_lossy());
    let (outcome, said) = repository.run("marketing-sync", &options);
    assert_eq!(fs::read_to_string(&own).unwrap(), "[core]\n\tabbrev = 9\n", "the settings of the user");
    assert_eq!(outcome.unwrap().conclusion, Conclusion::Success, "{said}");
    assert!(said.contains("github-actions[bot] chore: marketing sync [skip ci]"), "{said}");
    let after = (repository.git(&["rev-parse", "HEAD"]), repository.git(&["config", "--local", "--list"]));
    assert_eq!(before, after);
    assert_eq!(repository.git(&["branch", "--list"]), "* main");
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn in_place_the_repository_itself_is_worked_in() {
    let repository = Repository::new();
    let (outcome, said) = repository.run("marketing-sync", &Options { in_place: true, ..options() });
    assert_eq!(outcome.unwrap().conclusion, Conclusion::Success, "{said}");
    assert_eq!(repository.git(&["log", "--format=%s", "-1"]), "chore: marketing sync [skip ci]");
    assert_eq!(fs::read_to_string(repository.path().join("report.txt")).unwrap(), "synchronised marketing\n");
}

#[test]
fn what_runs_in_the_background_ends_with_its_job() {
    let repository = Repository::new();
    let own = format!("OWN={}", repository.path().display());
    let mut options = options();
    options.env.set("OWN", repository.path().to_string_lossy());
    let (outcome, said) = repository.run("background", &options);
    assert_eq!(outcome.unwrap().conclusion, Conclusion::Success, "{said}");
    let left = fs::read_dir("/proc").unwrap().filter(|entry| {
        let environ = fs::read(entry.as_ref().unwrap().path().join("environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environ).into_owned();
        text.contains("RUNNER_TRACKING_ID=") && text.contains(&*own)
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn one_job_runs_with_those_that_it_needs() {
    let repository = Repository::new();
    let jobs = |names: &[&str]| {
        let jobs = names.iter().map(|name| (*name).to_owned()).collect();
        repository.run("needs-outputs", &Options { jobs, ..options() }).0
    };
    let ran: Vec<_> = jobs(&["build"]).unwrap().jobs.into_iter().map(|job| job.id).collect();
    assert_eq!(ran, ["version", "build"]);
    let error = jobs(&["biuld"]).unwrap_err().to_string();
    assert!(
        error.contains("no job \"biuld\"") && error.ends_with("it has version, build, publish"),
        "{error}"
    );
}

#[test]
fn a_run_can_be_limited_and_cancelled() {
    let repository = Repository::new();
    let limited = Options { limit: Some(std::time::Duration::from_millis(1)), ..options() };
    let outcome = repository.run("ci-matrix", &limited).0.unwrap();
    assert_eq!(outcome.conclusion, Conclusion::Cancelled);
    let cancel = Cancel::default();
    cancel.cancel();
    let outcome = repository.run("ci-matrix", &Options { cancel, ..options() }).0.unwrap();
    assert_eq!(outcome.conclusion, Conclusion::Cancelled);
    assert!(outcome.jobs.iter().all(|job| job.conclusion == Conclusion::Cancelled));
}

#[test]
fn what_cannot_begin_is_an_error() {
    let repository = Repository::new();
    let event = Some("release".to_owned());
    let error = repository.run("ci-matrix", &Options { event, ..options() }).0.unwrap_err().to_string();
    assert!(error.ends_with("does not run on \"release\": it runs on push, pull_request"), "{error}");
    fs::remove_dir_all(repository.path().join(".git")).unwrap();
    let error = repository.run("ci-matrix", &options()).0.unwrap_err().to_string();
    assert!(error.contains("no git repository with a commit") && error.contains("--in-place"), "{error}");
    let outcome = repository.run("needs-outputs", &Options { in_place: true, ..options() }).0.unwrap();
    assert_eq!(outcome.jobs[0].conclusion, Conclusion::Success);
}
