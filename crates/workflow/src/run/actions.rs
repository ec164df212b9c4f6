//! `uses`: what this machine can stand in for, local actions, and what it cannot run.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use rpm_core::Env;

use super::{
    Progress,
    contexts::Contexts,
    frame::{Did, Frame},
    script,
    steps::Runner,
    tools::Tool,
};
use crate::{
    Conclusion, StepOutcome, check,
    expression::{Object, Template, Value},
    files::action_file,
    model::{Action, Runs, Step, Uses},
};

/// What an action wants done at the end of the job.
pub(super) struct Post {
    pub(super) name: String,
    pub(super) condition: Option<Template>,
    pub(super) words: Vec<String>,
    pub(super) env: Env,
}

/// GitHub's bound of composite actions within each other.
const MAX_DEPTH: usize = 10;

impl Runner<'_> {
    /// Uses an action.
    pub(super) fn action(
        &mut self,
        action: &Uses,
        with: &[(String, String)],
        frame: &Frame,
        contexts: &Contexts,
        env: &Env,
        timeout: Option<Instant>,
    ) -> Did {
        match action {
            Uses::Local(path) => self.local(path, with, frame, contexts, env, timeout),
            Uses::Repository { owner, name, path, .. }
                if path.is_empty()
                    && owner.eq_ignore_ascii_case("actions")
                    && name.eq_ignore_ascii_case("checkout") =>
            {
                self.checkout(with)
            }
            Uses::Repository { owner, name, version, .. } => match Tool::of(owner, name) {
                Some(tool) => self.set_up(tool, with, version, (frame, timeout)),
                None => Did::not_runnable(&action.to_string()),
            },
            Uses::Docker(_) => Did::not_runnable(&format!("{action} needs a container engine")),
        }
    }

    fn set_up(
        &mut self,
        tool: &Tool,
        with: &[(String, String)],
        version: &str,
        (frame, timeout): (&Frame, Option<Instant>),
    ) -> Did {
        let env = self.process_env(frame, &Env::default());
        let limit = self.limit(timeout);
        match tool.check(with, version, &self.workspace, (&env, &limit)) {
            Ok(found) => Did::success([(tool.output, found)].into_iter().collect()),
            Err(_) if limit.reached().is_some() => Did::failure("it has reached its timeout-minutes"),
            Err(reason) => Did::not_runnable(&reason),
        }
    }

    /// `actions/checkout`: a copy of the commit, or the repository as it is.
    fn checkout(&mut self, with: &[(String, String)]) -> Did {
        let input = |name: &str| {
            let found = with.iter().find(|(input, _)| input.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let repository = &self.shared.repository;
        if let Some(other) = input("repository").filter(|other| !other.eq_ignore_ascii_case(&repository.slug))
        {
            return Did::not_runnable(&format!("a checkout of {other}, which is another repository"));
        }
        let own_ref = repository.git_ref();
        let version = input("ref").filter(|version| *version != own_ref);
        if self.shared.options.in_place {
            if let Some(name) = ["path", "ref"].iter().find(|name| {
                input(name).is_some_and(|value| value != "." && (**name == "path" || value != own_ref))
            }) {
                return Did::not_runnable(&format!("`{name}` of a checkout, because the run is in place"));
            }
            let sha = repository.sha.clone().unwrap_or_default();
            return Did::success([("ref", own_ref), ("commit", sha)].into_iter().collect());
        }
        if input("submodules").is_some_and(|value| value != "false") {
            return Did::not_runnable("a checkout with submodules");
        }
        let path = self.workspace.join(input("path").unwrap_or_default());
        let copied = empty(&path)
            .map_err(|error| format!("{} cannot be emptied: {error}", path.display()))
            .and_then(|()| repository.copy(&path, version, &self.shared.options.env));
        match copied {
            Ok(commit) => {
                let name = version.map_or(own_ref, str::to_owned);
                Did::success([("ref", name), ("commit", commit)].into_iter().collect())
            }
            Err(error) => Did::failure(error),
        }
    }

    /// An action of the repository itself.
    fn local(
        &mut self,
        path: &Path,
        with: &[(String, String)],
        frame: &Frame,
        contexts: &Contexts,
        env: &Env,
        timeout: Option<Instant>,
    ) -> Did {
        let shown = path.display();
        let directory = self.workspace.join(path);
        let directory: PathBuf = directory.components().filter(|part| part.as_os_str() != ".").collect();
        let Some(file) = action_file(&directory) else {
            return Did::failure(format!(
                "there is no action.yml in {shown}: is the repository checked out before this step?"
            ));
        };
        let action = match check::action(&file) {
            Ok(action) => action,
            Err(report) => return Did::failure(report.to_string()),
        };
        let inputs = match inputs(&action, with, contexts) {
            Ok(inputs) => inputs,
            Err(error) => return Did::failure(error),
        };
        match &action.runs {
            Runs::Composite(steps) => self.composite(
                &action,
                steps,
                Frame { timeout, ..Frame::of_action(frame, env, directory, inputs) },
            ),
            Runs::JavaScript { .. } => {
                self.javascript(&action, &inputs, &directory, &shown.to_string(), frame, env, timeout)
            }
            Runs::Docker => Did::not_runnable(&format!("{shown} needs a container engine")),
        }
    }

    fn composite(&mut self, action: &Action, steps: &[Step], mut frame: Frame) -> Did {
        if frame.depth > MAX_DEPTH {
            return Did::failure(format!("expected at most {MAX_DEPTH} actions within each other"));
        }
        for step in steps {
            self.step(step, &mut frame);
        }
        let contexts = self.contexts(&frame);
        let mut outputs = Object::default();
        for (name, value) in &action.outputs {
            match value.text(&contexts) {
                Ok(value) => outputs.set(name, value),
                Err(error) => return Did::failure(error),
            }
        }
        let conclusion = frame.conclusion();
        Did { conclusion, reason: frame.reason(conclusion), outputs }
    }

    #[allow(clippy::too_many_arguments, reason = "all that a step is made of")]
    fn javascript(
        &mut self,
        action: &Action,
        inputs: &Object,
        directory: &Path,
        shown: &str,
        frame: &Frame,
        env: &Env,
        timeout: Option<Instant>,
    ) -> Did {
        let Runs::JavaScript { main, pre, post, post_condition } = &action.runs else {
            return Did::failure("no JavaScript action");
        };
        let mut env = self.process_env(frame, env);
        let Some(node) = script::find("node", &env) else {
            return Did::not_runnable(&format!("{shown}: node is not installed here"));
        };
        for (name, value) in inputs.iter() {
            env.set(format!("INPUT_{}", name.replace(' ', "_").to_uppercase()), value.to_text());
        }
        env.set("GITHUB_ACTION_PATH", directory.to_string_lossy());
        let words = |file: &str| {
            [&*node, &directory.join(file)].map(|word| word.to_string_lossy().into_owned()).to_vec()
        };
        if pre.is_some() {
            let message = format!("pre of {shown} is not run: it comes before the checkout of what it is in");
            self.remark("warning", &message);
        }
        let workspace = self.workspace.clone();
        let (did, state) = self.process(&words(main), &workspace, env.clone(), timeout);
        if let Some(post) = post {
            for (name, value) in state {
                env.set(format!("STATE_{name}"), value);
            }
            self.posts.push(Post {
                name: format!("Post {shown}"),
                condition: post_condition.clone(),
                words: words(post),
                env,
            });
        }
        did
    }

    /// Runs what actions want done at the end of the job, the latest first.
    pub(super) fn run_posts(&mut self, frame: &mut Frame) {
        while let Some(post) = self.posts.pop() {
            self.notice_cancellation();
            let started = Instant::now();
            let contexts = self.contexts(frame);
            let holds = match &post.condition {
                None => Ok(true),
                condition => contexts.hold(condition.as_ref()),
            };
            let did = match holds {
                Ok(false) => continue,
                Err(error) => Did::failure(error),
                Ok(true) => {
                    let (job, step) = (&*self.instance.name, &*post.name);
                    (self.shared.watch)(Progress::StepStarted { job, step });
                    self.process(&post.words, &self.workspace.clone(), post.env, None).0
                }
            };
            frame.has_failed |= did.conclusion == Conclusion::Failure;
            let reason = did.reason.map(|reason| self.shared.masks.hide(&reason).into_owned());
            (self.shared.watch)(Progress::StepEnded {
                job: &self.instance.name,
                step: &post.name,
                conclusion: did.conclusion,
                reason: reason.as_deref(),
            });
            frame.outcomes.push(StepOutcome {
                name: post.name,
                id: None,
                outcome: did.conclusion,
                conclusion: did.conclusion,
                reason,
                took: started.elapsed(),
                outputs: BTreeMap::new(),
            });
        }
    }
}

/// The inputs of an action: what is given, else its defaults.
fn inputs(action: &Action, with: &[(String, String)], contexts: &Contexts) -> Result<Object, String> {
    let mut inputs = Object::default();
    for input in &action.inputs {
        inputs.set(&input.name, Value::from(input.default.text(contexts)?));
    }
    // What is not declared is handed on all the same, as on GitHub, which warns of it.
    for (name, value) in with {
        inputs.set(name, value.as_str());
    }
    Ok(inputs)
}

/// Makes a directory, and empties one that is there.
fn empty(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            fs::remove_dir_all(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
