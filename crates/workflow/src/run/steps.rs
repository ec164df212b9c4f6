//! The steps of one job, one after the other.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rpm_core::Env;

use super::{
    Progress, Shared,
    actions::Post,
    console::Console,
    contexts::{self, Contexts},
    exec,
    frame::{Did, Frame},
    job::{Instance, Ran},
    labels, orphans,
    process::Limit,
};
use crate::{
    Annotation, Conclusion, JobOutcome, StepOutcome,
    expression::{Object, Scope, Status, Tree, Value},
    model::{Defaults, Step, Todo, Work},
};

/// GitHub's limit of a job that names none.
const JOB_MINUTES: f64 = 360.0;

/// So long what is to be done even after a cancellation may take in all.
const CLEANUP: Duration = Duration::from_secs(10);

/// A job that is under way.
pub(super) struct Runner<'a> {
    pub(super) instance: &'a Instance<'a>,
    pub(super) shared: &'a Shared<'a>,
    pub(super) github: Object,
    pub(super) workspace: PathBuf,
    /// `$RUNNER_TEMP`
    pub(super) temp: PathBuf,
    /// `runner`
    pub(super) machine: Object,
    /// The environment of the job, to which steps add.
    pub(super) env: Env,
    /// What steps have put before the `PATH`; the latest first.
    pub(super) paths: Vec<String>,
    timeout: Option<Instant>,
    /// Until when the last steps of a cancelled job may run.
    cleanup: Option<Instant>,
    pub(super) mark: String,
    pub(super) posts: Vec<Post>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) summary: String,
}

/// Runs the steps of a job.
pub(super) fn run(instance: &Instance<'_>) -> Ran {
    let started = Instant::now();
    let shared = instance.call.shared;
    (shared.watch)(Progress::JobStarted { job: &instance.name });
    let mut outputs = Object::default();
    let mut steps = Vec::new();
    let mut said = (Vec::new(), String::new());
    let (conclusion, reason) = match Runner::new(instance) {
        Err(did) => (did.conclusion, did.reason),
        Ok(mut runner) => {
            let (frame, outcome) = runner.job();
            let outcome = outcome.and_then(|conclusion| {
                outputs = runner.outputs(&frame)?;
                Ok(conclusion)
            });
            orphans::end(&runner.mark);
            steps = frame.outcomes;
            said = (runner.annotations, runner.summary);
            match outcome {
                Ok(Conclusion::Cancelled) => {
                    (Conclusion::Cancelled, Some(why_cancelled(instance, runner.timeout)))
                }
                Ok(conclusion) => (conclusion, None),
                Err(reason) => (Conclusion::Failure, Some(reason)),
            }
        }
    };
    let hide = |text: &str| shared.masks.hide(text).into_owned();
    let reason = reason.map(|reason| hide(&reason));
    (shared.watch)(Progress::JobEnded { job: &instance.name, conclusion, reason: reason.as_deref() });
    let outcome = JobOutcome {
        id: instance.id.clone(),
        name: instance.name.clone(),
        conclusion,
        reason,
        tolerated: false,
        took: started.elapsed(),
        outputs: texts(&outputs),
        steps,
        annotations: said.0,
        summary: hide(&said.1),
    };
    Ran { outcomes: vec![outcome], conclusion, outputs }
}

fn why_cancelled(instance: &Instance<'_>, timeout: Option<Instant>) -> String {
    let shared = instance.call.shared;
    let is_over = |time: Option<Instant>| time.is_some_and(|time| Instant::now() >= time);
    let seconds = shared.options.limit.unwrap_or_default().as_secs();
    if shared.options.cancel.is_cancelled() {
        "the run was cancelled".to_owned()
    } else if is_over(shared.deadline) {
        format!("the run has reached its limit of {seconds} s")
    } else if is_over(timeout) {
        "the job has reached its timeout-minutes".to_owned()
    } else {
        "another combination of the matrix has failed".to_owned()
    }
}

fn texts(values: &Object) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.to_owned(), value.to_text())).collect()
}

impl<'a> Runner<'a> {
    /// Prepares the surroundings of a job, or says why it cannot run.
    fn new(instance: &'a Instance<'a>) -> Result<Self, Did> {
        let shared = instance.call.shared;
        let Work::Steps { runs_on, env, timeout_minutes, needs_engine, .. } = &instance.job.work else {
            return Err(Did::failure("the job has no steps"));
        };
        if let Some(key) = needs_engine {
            return Err(Did::not_runnable(&format!("`{key}` needs a container engine")));
        }
        let contexts = &instance.contexts;
        let labels = runs_on.evaluate(contexts).map_err(Did::failure)?;
        if let Some(label) = labels::foreign(&labels) {
            return Err(Did::not_runnable(&format!("`runs-on: {label}` is another system")));
        }
        let number = shared.jobs.fetch_add(1, Ordering::SeqCst).to_string();
        let (workspace, temp) = places(shared, &number)
            .map_err(|error| Did::failure(format!("no place for the job: {error}")))?;
        let mut github = contexts::github(instance.call);
        github.set("workspace", workspace.to_string_lossy().as_ref());
        github.set("job", instance.job.id.as_str());
        let contexts =
            contexts.clone().with("github", github.clone()).with("secrets", instance.call.secrets.clone());
        let workflow_env = instance.call.workflow.env.texts(&contexts).map_err(Did::failure)?;
        let mut own: Env = workflow_env.into_iter().collect();
        let job_env = env.texts(&contexts).map_err(Did::failure)?;
        for (name, value) in job_env {
            own.set(name, value);
        }
        let minutes = minutes(timeout_minutes, &contexts).map_err(Did::failure)?.unwrap_or(JOB_MINUTES);
        Ok(Self {
            instance,
            shared,
            github,
            machine: contexts::runner(&temp, &workspace, &instance.call.env),
            workspace,
            temp,
            env: own,
            paths: Vec::new(),
            timeout: after(minutes),
            cleanup: None,
            mark: format!("{}_{number}", shared.scratch.file_name().unwrap_or_default().to_string_lossy()),
            posts: Vec::new(),
            annotations: Vec::new(),
            summary: String::new(),
        })
    }

    /// All steps, and what is to be done after them.
    fn job(&mut self) -> (Frame, Result<Conclusion, String>) {
        let mut frame = Frame { inputs: self.instance.call.inputs.clone(), ..Frame::default() };
        let Work::Steps { steps, defaults, .. } = &self.instance.job.work else {
            return (frame, Ok(Conclusion::Skipped));
        };
        if let Err(error) = self.read_defaults(defaults, &mut frame) {
            return (frame, Err(error));
        }
        for step in steps {
            self.step(step, &mut frame);
        }
        self.run_posts(&mut frame);
        let conclusion = frame.conclusion();
        (frame, Ok(conclusion))
    }

    /// The defaults of the job, and where it has none those of the workflow.
    fn read_defaults(&self, defaults: &Defaults, frame: &mut Frame) -> Result<(), String> {
        let contexts = self.contexts(frame);
        let whole = &self.instance.call.workflow.defaults;
        let first = |own: &Tree, other: &Tree| {
            let tree = if own.is_absent() { other } else { own };
            Ok::<_, String>(Some(tree.text(&contexts)?).filter(|text| !text.is_empty()))
        };
        let shell = first(&defaults.shell, &whole.shell)?;
        let directory = first(&defaults.directory, &whole.directory)?;
        (frame.shell, frame.directory) = (shell, directory);
        Ok(())
    }

    /// The outputs of the job. One that holds a secret is not handed on.
    fn outputs(&mut self, frame: &Frame) -> Result<Object, String> {
        let Work::Steps { outputs, .. } = &self.instance.job.work else { return Ok(Object::default()) };
        let contexts = self.contexts(frame);
        let mut values = Object::default();
        for (name, value) in outputs {
            let value = value.text(&contexts)?;
            if self.shared.masks.holds(&value) {
                let message = format!("the output {name:?} is left out: it may hold a secret");
                self.remark("warning", &message);
            } else {
                values.set(name, value);
            }
        }
        Ok(values)
    }

    /// What a step sees.
    pub(super) fn contexts(&self, frame: &Frame) -> Contexts {
        let status = self.status(frame);
        let mut github = self.github.clone();
        if let Some(path) = &frame.action_path {
            github.set("action_path", path.to_string_lossy().as_ref());
        }
        let word = match status {
            Status::Failure => "failure",
            Status::Cancelled => "cancelled",
            Status::Success | Status::Incomplete => "success",
        };
        let env: Object = self
            .env
            .iter()
            .chain(frame.env.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut contexts = self
            .instance
            .contexts
            .clone()
            .with("github", github)
            .with("inputs", frame.inputs.clone())
            .with("secrets", self.instance.call.secrets.clone())
            .with("steps", frame.steps.clone())
            .with("runner", self.machine.clone())
            .with("job", [("status", word)].into_iter().collect::<Object>())
            .with("env", env);
        contexts.status = status;
        contexts.workspace = Some(self.workspace.clone());
        contexts
    }

    fn status(&self, frame: &Frame) -> Status {
        if frame.was_cancelled || self.is_cancelled() {
            Status::Cancelled
        } else if frame.has_failed {
            Status::Failure
        } else if frame.is_incomplete {
            Status::Incomplete
        } else {
            Status::Success
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cleanup.is_some() || self.limit(None).reached().is_some()
    }

    /// Notices that the job is cancelled: from now on only what is to be done even then is, and not for long.
    pub(super) fn notice_cancellation(&mut self) -> bool {
        let is_new = self.cleanup.is_none() && self.is_cancelled();
        if is_new {
            self.cleanup = Instant::now().checked_add(CLEANUP);
        }
        is_new
    }

    /// When a process that is started now has to end.
    pub(super) fn limit(&self, timeout: Option<Instant>) -> Limit {
        if let Some(cleanup) = self.cleanup {
            return Limit { timeout, deadline: Some(cleanup), cancels: Vec::new() };
        }
        let deadline = [self.shared.deadline, self.timeout].into_iter().flatten().min();
        Limit { timeout, deadline, cancels: self.instance.cancels.clone() }
    }

    /// Runs a step, if its condition holds, and notes what it came to.
    pub(super) fn step(&mut self, step: &Step, frame: &mut Frame) {
        let started = Instant::now();
        frame.was_cancelled |= self.notice_cancellation();
        let mut contexts = self.contexts(frame);
        let env = step.env.texts(&contexts).map(|env| {
            let mut all: Object = match contexts.context("env") {
                Value::Object(env) => env.as_ref().clone(),
                _ => Object::default(),
            };
            for (name, value) in &env {
                all.set(name, value.as_str());
            }
            contexts.set("env", all);
            env.into_iter().collect::<Env>()
        });
        let name = name(step, &contexts);
        let did = match contexts.hold(step.condition.as_ref()) {
            Ok(false) => {
                self.note(step, frame, &name, Did::skipped(), started, &contexts);
                return;
            }
            Ok(true) => {
                (self.shared.watch)(Progress::StepStarted {
                    job: &self.instance.name,
                    step: &self.shared.masks.hide(&name),
                });
                env.map_or_else(Did::failure, |env| self.carry_out(step, frame, &contexts, &env))
            }
            Err(error) => Did::failure(error),
        };
        self.note(step, frame, &name, did, started, &contexts);
    }

    fn carry_out(&mut self, step: &Step, frame: &mut Frame, contexts: &Contexts, env: &Env) -> Did {
        let timeout = match minutes(&step.timeout_minutes, contexts) {
            // The limit of a composite action holds for its steps.
            Ok(minutes) => [minutes.and_then(after), frame.timeout].into_iter().flatten().min(),
            Err(error) => return Did::failure(error),
        };
        match &step.todo {
            Todo::Run { script, shell, directory } => {
                self.script(frame, contexts, env, timeout, [script, shell, directory])
            }
            Todo::Use { action, with } => match with.texts(contexts) {
                Ok(with) => self.action(action, &with, frame, contexts, env, timeout),
                Err(error) => Did::failure(error),
            },
        }
    }

    /// Notes how a step ended.
    fn note(
        &mut self,
        step: &Step,
        frame: &mut Frame,
        name: &str,
        did: Did,
        started: Instant,
        contexts: &Contexts,
    ) {
        let tolerates = step.continue_on_error.evaluate(contexts);
        let tolerates = tolerates.is_ok_and(|value| value.is_truthy() && value.to_text() != "false");
        let conclusion = match did.conclusion {
            Conclusion::Failure if tolerates => Conclusion::Success,
            other => other,
        };
        frame.has_failed |= conclusion == Conclusion::Failure;
        frame.is_incomplete |= conclusion == Conclusion::NotRunnable;
        frame.was_cancelled |= conclusion == Conclusion::Cancelled;
        if conclusion == Conclusion::Cancelled && self.cleanup.is_none() {
            self.cleanup = Instant::now().checked_add(CLEANUP);
        }
        if let Some(id) = &step.id {
            let word = |conclusion: Conclusion| match conclusion {
                Conclusion::NotRunnable => Conclusion::Skipped.word(),
                other => other.word(),
            };
            let entries = [
                ("outputs", Value::from(did.outputs.clone())),
                ("outcome", word(did.conclusion).into()),
                ("conclusion", word(conclusion).into()),
            ];
            frame.steps.set(id, entries.into_iter().collect::<Object>());
        }
        let masks = &self.shared.masks;
        let reason = did.reason.map(|reason| masks.hide(&reason).into_owned());
        let name = masks.hide(name).into_owned();
        if frame.depth == 0 {
            let (job, step) = (&*self.instance.name, &*name);
            (self.shared.watch)(Progress::StepEnded { job, step, conclusion, reason: reason.as_deref() });
        }
        let mut outputs = texts(&did.outputs);
        outputs.retain(|_, value| !masks.holds(value));
        frame.outcomes.push(StepOutcome {
            name,
            id: step.id.clone(),
            outcome: did.conclusion,
            conclusion,
            reason,
            took: started.elapsed(),
            outputs,
        });
    }

    /// Makes a remark in the name of a step.
    pub(super) fn remark(&mut self, level: &'static str, message: &str) {
        let mut console = Console::new(self.shared, &self.instance.name);
        console.annotate(level, message);
        self.annotations.append(&mut console.annotations);
    }
}

/// The workspace of a job and its directory for temporary files.
fn places(shared: &Shared<'_>, number: &str) -> io::Result<(PathBuf, PathBuf)> {
    let own = shared.scratch.join(number);
    let temp = own.join("temp");
    fs::create_dir_all(&temp)?;
    fs::write(temp.join(exec::GIT_CONFIG), git_config(&shared.options.env))?;
    if shared.options.in_place {
        return Ok((shared.repository.root.clone(), temp));
    }
    let workspace = own.join("work").join(shared.repository.name());
    fs::create_dir_all(&workspace)?;
    Ok((workspace, temp))
}

/// Includes what git would read as the settings of the user.
fn git_config(env: &Env) -> String {
    let files = match (env.get("GIT_CONFIG_GLOBAL"), env.get("HOME")) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(home)) => {
            let config = env.get("XDG_CONFIG_HOME").cloned().unwrap_or_else(|| format!("{home}/.config"));
            vec![format!("{config}/git/config"), format!("{home}/.gitconfig")]
        }
        (None, None) => Vec::new(),
    };
    files.iter().fold("[include]\n".to_owned(), |text, file| {
        let file = file.replace('\\', "\\\\").replace('"', "\\\"");
        text + &format!("\tpath = \"{file}\"\n")
    })
}

/// A number of minutes, if one is named.
fn minutes(tree: &Tree, contexts: &Contexts) -> Result<Option<f64>, String> {
    let value = tree.evaluate(contexts)?;
    if value == Value::Null {
        return Ok(None);
    }
    match value.to_text().parse::<f64>() {
        Ok(minutes) if minutes > 0.0 => Ok(Some(minutes)),
        _ => Err(format!("timeout-minutes: expected a number above 0, found {:?}", value.to_text())),
    }
}

fn after(minutes: f64) -> Option<Instant> {
    // What is too long for a time never comes.
    Instant::now().checked_add(Duration::try_from_secs_f64(minutes * 60.0).ok()?)
}

/// The name that GitHub shows.
fn name(step: &Step, contexts: &Contexts) -> String {
    let named = step.name.text(contexts).unwrap_or_default();
    if !named.is_empty() {
        return named;
    }
    match &step.todo {
        Todo::Run { script, .. } => {
            let script = script.text(contexts).unwrap_or_default();
            format!("Run {}", script.lines().next().unwrap_or_default().trim())
        }
        Todo::Use { action, .. } => format!("Run {action}"),
    }
}
