//! The processes of steps: their environment, and the files through which they tell something.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Instant,
};

use rpm_core::Env;

use super::{
    command_files,
    console::Console,
    contexts::Contexts,
    frame::{Did, Frame},
    orphans,
    process::{self, End},
    script::{self, Refusal},
    steps::Runner,
};
use crate::{
    Conclusion,
    expression::{Object, Tree},
    files::read_made,
};

/// The job's own file of git's settings, which includes that of the user.
pub(super) const GIT_CONFIG: &str = "gitconfig";

/// What `github` has and the environment has not.
const CONTEXT_ALONE: &[&str] = &["event", "token", "repositoryUrl", "secret_source"];

impl Runner<'_> {
    /// Runs the script of a step.
    pub(super) fn script(
        &mut self,
        frame: &Frame,
        contexts: &Contexts,
        env: &Env,
        timeout: Option<Instant>,
        [script, shell, directory]: [&Tree; 3],
    ) -> Did {
        let text = |tree: &Tree| tree.text(contexts).map(|text| Some(text).filter(|text| !text.is_empty()));
        let (script, shell, directory) = match (script.text(contexts), text(shell), text(directory)) {
            (Ok(script), Ok(shell), Ok(directory)) => {
                (script, shell.or(frame.shell.clone()), directory.or(frame.directory.clone()))
            }
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return Did::failure(error),
        };
        let shown = directory.unwrap_or_default();
        let directory = self.workspace.join(&shown);
        if !directory.is_dir() {
            return Did::failure(format!("the working directory {shown} is not there"));
        }
        let env = self.process_env(frame, env);
        match script::prepare(shell.as_deref(), &script, &self.temp, &env) {
            Ok(words) => self.process(&words, &directory, env, timeout).0,
            Err(Refusal::Wrong(reason)) => Did::failure(reason),
            Err(Refusal::Absent(reason)) => Did::not_runnable(&reason),
        }
    }

    /// The environment of a process of a step.
    pub(super) fn process_env(&self, frame: &Frame, own: &Env) -> Env {
        let mut env = self.instance.call.env.clone();
        for part in [&self.env, &frame.env, own] {
            env.merge(part);
        }
        if !self.paths.is_empty() {
            let path = env.get("PATH").cloned().unwrap_or_default();
            env.set("PATH", [self.paths.clone(), vec![path]].concat().join(":"));
        }
        for (name, value) in self.github.iter() {
            if !CONTEXT_ALONE.contains(&name) {
                env.set(format!("GITHUB_{}", name.to_uppercase()), value.to_text());
            }
        }
        if let Some(path) = &frame.action_path {
            env.set("GITHUB_ACTION_PATH", path.to_string_lossy());
        }
        for (name, value) in self.machine.iter() {
            env.set(format!("RUNNER_{}", name.to_uppercase()), value.to_text());
        }
        // `git config --global` in a step stays in the job.
        env.set("GIT_CONFIG_GLOBAL", self.temp.join(GIT_CONFIG).to_string_lossy());
        env.set("CI", "true");
        env.set("GITHUB_ACTIONS", "true");
        env.set(orphans::MARK, &*self.mark);
        env
    }

    /// Runs a process of a step and carries out what it says. What it came to, and the state that it saves.
    pub(super) fn process(
        &mut self,
        words: &[String],
        directory: &Path,
        mut env: Env,
        timeout: Option<Instant>,
    ) -> (Did, Vec<(String, String)>) {
        let files = match Files::new(&self.temp) {
            Ok(files) => files,
            Err(error) => return (Did::failure(format!("no place for the step: {error}")), Vec::new()),
        };
        files.name(&mut env);
        let Some((program, arguments)) = words.split_first() else {
            return (Did::failure("the shell has no program"), Vec::new());
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(directory).env_clear().envs(env.iter());
        let mut console = Console::new(self.shared, &self.instance.name);
        let end = process::run(&mut command, &self.limit(timeout), &mut |line| console.line(line));
        let written = self.take(&files, &mut console);
        let mut did = match end {
            Ok(End::Exited(status)) if status.success() => Did::success(Object::default()),
            Ok(End::Exited(status)) => Did::failure(exit_words(status)),
            Ok(End::TimedOut) => Did::failure("it has reached its timeout-minutes"),
            Ok(End::Cancelled) => Did::cancelled(),
            Err(error) => Did::failure(format!("{program} cannot be run: {error}")),
        };
        let refused = written.err().or(console.refused.take());
        if let Some(reason) = refused.filter(|_| did.conclusion == Conclusion::Success) {
            did = Did::failure(reason);
        }
        did.outputs = std::mem::take(&mut console.outputs);
        self.annotations.append(&mut console.annotations);
        (did, console.state)
    }

    /// Takes over what a process has written into its files.
    fn take(&mut self, files: &Files, console: &mut Console<'_>) -> Result<(), String> {
        let text = |kind: &str, path: &Path| match read_made(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            // A step may remove it: it has nothing to say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("${kind}: {error}")),
        };
        let read = |kind: &str, path: &Path| {
            command_files::read(&text(kind, path)?).map_err(|error| format!("${kind}: {error}"))
        };
        self.summary.push_str(&text("GITHUB_STEP_SUMMARY", &files.summary)?);
        for path in command_files::paths(&text("GITHUB_PATH", &files.path)?) {
            self.paths.insert(0, path.to_owned());
        }
        for (name, value) in read("GITHUB_OUTPUT", &files.output)? {
            console.outputs.set(name, value);
        }
        console.state.extend(read("GITHUB_STATE", &files.state)?);
        for (name, value) in read("GITHUB_ENV", &files.env)? {
            if name.eq_ignore_ascii_case("NODE_OPTIONS") {
                return Err("$GITHUB_ENV: NODE_OPTIONS cannot be set this way".to_owned());
            }
            // What the runner itself sets stays as it is.
            if !name.starts_with("GITHUB_") && !name.starts_with("RUNNER_") {
                self.env.set(name, value);
            }
        }
        Ok(())
    }
}

/// The files through which one process tells something.
struct Files {
    output: PathBuf,
    env: PathBuf,
    path: PathBuf,
    summary: PathBuf,
    state: PathBuf,
}

impl Files {
    fn new(directory: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("files-").tempdir_in(directory)?.keep();
        let file = |name: &str| {
            let path = directory.join(name);
            fs::write(&path, "")?;
            Ok::<_, io::Error>(path)
        };
        Ok(Self {
            output: file("output")?,
            env: file("env")?,
            path: file("path")?,
            summary: file("summary")?,
            state: file("state")?,
        })
    }

    fn name(&self, env: &mut Env) {
        for (name, path) in [
            ("GITHUB_OUTPUT", &self.output),
            ("GITHUB_ENV", &self.env),
            ("GITHUB_PATH", &self.path),
            ("GITHUB_STEP_SUMMARY", &self.summary),
            ("GITHUB_STATE", &self.state),
        ] {
            env.set(name, path.to_string_lossy());
        }
    }
}

fn exit_words(status: ExitStatus) -> String {
    match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
