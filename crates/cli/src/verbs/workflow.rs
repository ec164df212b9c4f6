//! `workflow`: GitHub Actions workflow files, checked and run on this machine; see [`rpm_workflow`].

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use clap::{Args, ValueEnum};
use rpm_ecosystem::{Report, Severity};
use rpm_workflow::{
    Cancel, Conclusion, Options, Outcome, Progress, check_file, run as run_workflow, run_with_act,
    workflow_files,
};

use super::{Invocation, Verb};
use crate::{
    context::{Context, own_environment},
    failure::Failure,
    output::Output,
    render::style::{Paint, Style},
};

pub(super) const VERB: Verb = Verb {
    name: "workflow",
    aliases: &[],
    about: "Check GitHub Actions workflow files, and run them on this machine",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Workflow {
    /// What to do.
    #[arg(value_enum, value_name = "check|run")]
    what: What,
    /// Workflow files; to check, also directories [default: this one].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only this job, with those that it needs.
    #[arg(long = "job", value_name = "id")]
    jobs: Vec<String>,
    /// The event that is said to have happened.
    #[arg(long, value_name = "name")]
    event: Option<String>,
    /// Its payload, as a file of JSON.
    #[arg(long, value_name = "file")]
    payload: Option<PathBuf>,
    /// An input of `workflow_dispatch`.
    #[arg(long = "input", value_name = "name=value")]
    inputs: Vec<String>,
    /// Work in the repository itself, not in a scratch copy of its last commit.
    #[arg(long)]
    in_place: bool,
    /// Cancel everything after so many seconds.
    #[arg(long, value_name = "seconds")]
    limit: Option<u64>,
    /// Let `act` run it.
    #[arg(long)]
    act: bool,
    /// The outcome as data; what is said meanwhile goes to standard error.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "check ends with 0 if all files are right, else with 1.
run ends with 0 success, 1 failure, 2 cancelled, 3 something that cannot run here.
Secrets and variables come from environment variables of their names.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Tell all that is wrong with files.
    Check,
    /// Run the jobs of a file.
    Run,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, arguments) = invocation.read::<Workflow>()?;
    match arguments.what {
        What::Check => check(&mut context, &arguments),
        What::Run => execute(&mut context, arguments),
    }
}

fn check(context: &mut Context, arguments: &Workflow) -> Result<(), Failure> {
    let mut files = Vec::new();
    let here = [PathBuf::from(".")];
    let named = if arguments.files.is_empty() { &here } else { arguments.files.as_slice() };
    for path in named {
        if path.is_dir() {
            let found = workflow_files(path)
                .map_err(|error| Failure::Error(format!("{} cannot be read: {error}", path.display())))?;
            if found.is_empty() {
                return Err(Failure::Error(format!("no workflow files in {}", path.display())));
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    let mut reports = Vec::new();
    let mut wrong = 0;
    for file in &files {
        let (report, is_right) = match check_file(file) {
            Ok(workflow) => (workflow.warnings().clone(), true),
            Err(report) => (report, false),
        };
        wrong += usize::from(!is_right);
        if arguments.json {
            reports.push(report_data(file, &report, is_right));
        } else {
            tell(context.out, &report);
        }
    }
    if arguments.json {
        context.out.document(serde_json::json!({ "files": reports }));
    } else if wrong == 0 {
        context.out.info(&format!("{} workflow files are right", files.len()));
    }
    match wrong {
        0 => Ok(()),
        _ if arguments.json => Err(Failure::Exit(1)),
        _ => Err(Failure::Error(format!("{wrong} of {} workflow files are wrong", files.len()))),
    }
}

fn report_data(file: &Path, report: &Report, is_right: bool) -> serde_json::Value {
    let problems = report.problems().iter().zip(report.rendered(false)).map(|(problem, text)| {
        let severity = match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = text.lines().next().and_then(|line| position(line, file));
        serde_json::json!({
            "severity": severity,
            "message": problem.to_string(),
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
        })
    });
    serde_json::json!({ "file": file, "valid": is_right, "problems": problems.collect::<Vec<_>>() })
}

/// Line and column of `file:line:column: message`.
fn position(line: &str, file: &Path) -> Option<(usize, usize)> {
    let mut numbers = line.strip_prefix(&*file.to_string_lossy())?.strip_prefix(':')?.split(':');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn tell(out: &mut Output, report: &Report) {
    for (problem, text) in report.problems().iter().zip(report.rendered(false)) {
        match problem.severity() {
            Severity::Error => out.error(&text),
            Severity::Warning => out.alert(&text),
        }
    }
}

fn execute(context: &mut Context, arguments: Workflow) -> Result<(), Failure> {
    let [file] = arguments.files.as_slice() else {
        return Err(Failure::Error(format!("expected one workflow file, found {}", arguments.files.len())));
    };
    let workflow = check_file(file).map_err(|report| {
        tell(context.out, &report);
        Failure::Said
    })?;
    tell(context.out, workflow.warnings());
    let options = Options {
        repository: None,
        payload: arguments.payload.as_deref().map(payload).transpose()?,
        inputs: inputs(&arguments.inputs)?,
        jobs: arguments.jobs,
        event: arguments.event,
        in_place: arguments.in_place,
        env: own_environment(),
        limit: arguments.limit.map(std::time::Duration::from_secs),
        max_parallel: thread::available_parallelism().map_or(1, usize::from),
        cancel: Cancel::default(),
    };
    cancel_on_signal(options.cancel.clone())?;
    let json = arguments.json;
    let paint = if json { Paint(false) } else { context.out.paint };
    let out = Mutex::new(&mut *context.out);
    let watch = |progress: Progress<'_>| {
        if let Some(line) = shown(&progress, paint) {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            if json { out.error_line(&line) } else { out.line(&line) }
        }
    };
    let run = if arguments.act { run_with_act } else { run_workflow };
    let outcome = run(&workflow, &options, &watch).map_err(|error| Failure::Error(error.to_string()))?;
    if json {
        context.out.document(serde_json::json!(outcome));
    } else {
        context.out.text(&summary(&outcome, paint));
    }
    match outcome.conclusion.exit_code() {
        0 => Ok(()),
        code => Err(Failure::Exit(code)),
    }
}

fn payload(path: &Path) -> Result<serde_json::Value, Failure> {
    let wrong = |problem: String| Failure::Error(format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("not JSON: {error}")))
}

fn inputs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let read = |input: &String| {
        let (name, value) = input
            .split_once('=')
            .ok_or_else(|| Failure::Error(format!("--input {input}: expected name=value")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(read).collect()
}

/// SIGINT and SIGTERM cancel the run, which then ends what it has started.
fn cancel_on_signal(cancel: Cancel) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Error(format!("cannot listen to signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        cancel.cancel();
    });
    Ok(())
}

/// A line for what happens.
fn shown(progress: &Progress<'_>, paint: Paint) -> Option<String> {
    let line = |job: &str, text: String| {
        let prefix = paint.paint(Style::GREY, &format!("{job} |"));
        Some(format!("{prefix} {}", text.replace('\n', &format!("\n{prefix}   "))))
    };
    match progress {
        Progress::StepStarted { job, step } => line(job, paint.paint(Style::BOLD, &format!("▶ {step}"))),
        Progress::Line { job, text } => line(job, format!("  {text}")),
        Progress::Group { job, title: Some(title) } => line(job, format!("  ▾ {title}")),
        Progress::Annotation { job, annotation } => {
            let style = if annotation.level == "error" { Style::RED } else { Style::YELLOW };
            let place = annotation.properties.get("file").map(|file| {
                let line =
                    annotation.properties.get("line").map(|line| format!(":{line}")).unwrap_or_default();
                format!("{file}{line}: ")
            });
            let text = format!("{}: {}{}", annotation.level, place.unwrap_or_default(), annotation.message);
            line(job, format!("  {}", paint.paint(style, &text)))
        }
        Progress::StepEnded { job, step, conclusion, reason } => {
            let (mark, style) = look(*conclusion);
            let ended = told(*conclusion, *reason);
            let is_told = *conclusion != Conclusion::Success;
            is_told.then(|| line(job, paint.paint(style, &format!("{mark} {step}: {ended}"))))?
        }
        Progress::JobEnded { job, conclusion, reason } => {
            let (mark, style) = look(*conclusion);
            line(job, paint.paint(style, &format!("{mark} {}", told(*conclusion, *reason))))
        }
        _ => None,
    }
}

/// A conclusion and its reason; that of what cannot run here says so itself.
fn told(conclusion: Conclusion, reason: Option<&str>) -> String {
    match reason {
        Some(reason) if conclusion == Conclusion::NotRunnable => reason.to_owned(),
        Some(reason) => format!("{}: {reason}", words(conclusion)),
        None => words(conclusion).to_owned(),
    }
}

fn words(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::NotRunnable => "not runnable here",
        other => other.word(),
    }
}

fn look(conclusion: Conclusion) -> (&'static str, Style) {
    match conclusion {
        Conclusion::Success => ("✓", Style::GREEN),
        Conclusion::Failure => ("✗", Style::RED),
        Conclusion::Cancelled => ("■", Style::YELLOW),
        Conclusion::Skipped => ("-", Style::GREY),
        Conclusion::NotRunnable => ("!", Style::YELLOW),
    }
}

/// A line for each job, and one for the whole.
fn summary(outcome: &Outcome, paint: Paint) -> String {
    let width = outcome.jobs.iter().map(|job| job.name.chars().count()).max().unwrap_or(0);
    let mut text = String::from("\n");
    // Writing to a String cannot fail.
    for job in &outcome.jobs {
        let (mark, style) = look(job.conclusion);
        let tolerated = if job.tolerated { " (allowed to)" } else { "" };
        let state = paint.paint(style, &format!("{mark} {}{tolerated}", words(job.conclusion)));
        _ = writeln!(text, "{:width$}  {:6.1} s  {state}", job.name, job.took.as_secs_f64());
    }
    let (mark, style) = look(outcome.conclusion);
    let state = paint.paint(style, &format!("{mark} {}", words(outcome.conclusion)));
    _ = writeln!(text, "{} ({}): {state}", outcome.workflow, outcome.event);
    text
}
