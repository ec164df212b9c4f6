//! A home, a working directory, and one of the two programs called `pm2` in it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    answers::{self, Answers},
    normal::Normal,
    probe,
    scenario::{Group, Scenario},
};
use crate::{MARK, Mark, Output, Running};

/// What a scenario may leave in the home for the next one to stumble over, beside logs and pid files.
const LEFT: &[&str] = &["dump.pm2", "dump.pm2.bak", "module_conf.json", "reload.lock"];

/// What `await` of the prelude says when it gives up; nothing after it would tell more.
pub(crate) const IN_VAIN: &str = "waited in vain for: ";

/// A place in which scenarios run.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    directory: TempDir,
    mark: Mark,
    group: &'a Group,
    normal: Normal,
}

impl<'a> Session<'a> {
    /// A home of its own for `program`, with a daemon.
    pub(crate) fn new(program: &Path, group: &'a Group) -> Self {
        let directory = tempfile::Builder::new().prefix("parity-").tempdir().expect("a temporary directory");
        let mark = Mark::new(directory.path());
        let mut session = Self { directory, mark, group, normal: Normal::default() };
        for name in ["bin", "home", "work"] {
            fs::create_dir(session.path(name)).expect("it is empty");
        }
        symlink(program, session.path("bin/pm2")).expect("the directory is ours");
        // The original has a program for each name.
        let runtime = Some(program.with_file_name("pm2-runtime")).filter(|path| path.exists());
        let runtime = runtime.as_deref().unwrap_or(program);
        symlink(runtime, session.path("bin/pm2-runtime")).expect("the directory is ours");
        // The original greets whoever has a home without it.
        fs::write(session.path("home/touch"), "").expect("the directory is ours");
        let real = program.canonicalize().expect("the program is there");
        for (path, word) in [("home", "<HOME>"), ("work", "<DIR>"), ("bin", "<BIN>"), ("", "<TMP>")] {
            session.normal.word(session.path(path).as_path(), word);
        }
        session.normal.word(&real, "<PROGRAM>");
        if let Some(package) = real.ancestors().find(|path| path.join("package.json").exists()) {
            session.normal.word(package, "<PM2>");
        }
        // A daemon: not every verb of ours starts one.
        session.shell("pm2 start sleep -- 1000000; pm2 delete all");
        session
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.path().to_owned() } else { self.directory.path().join(name) }
    }

    /// Runs a line in the shell.
    fn shell(&self, line: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let prelude = crate::repository().join("tests/src/comparison/prelude.sh");
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!(". '{}'\n{line}", prelude.display()))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path(""))
            .env("PM2_HOME", self.path("home"))
            // Colours are compared where a scenario asks for them.
            .env("NO_COLOR", "1")
            .env(MARK, &self.mark.value)
            .envs(&self.group.env)
            .current_dir(self.path("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::start(command).output()
    }

    /// Runs a scenario from a clean home to a clean home.
    pub(crate) fn run(&mut self, scenario: &Scenario) -> Answers {
        self.furnish(scenario);
        let mut answers = Answers::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let output = self.shell(step);
            self.normal.pids.extend(self.mark.pids());
            let Output { code, stdout, stderr, .. } = &output;
            answers::of_step(&mut answers, index + 1, *code, stdout, stderr, &self.normal);
            if stdout.contains(IN_VAIN) {
                break;
            }
        }
        let list: Value = serde_json::from_str(&self.shell("pm2 jlist --silent").stdout).unwrap_or_default();
        if scenario.probes.is_empty() {
            answers::of_jlist(&mut answers, &list, &self.normal);
            answers::of_home(&mut answers, &self.path("home"));
        } else {
            // What runs is compared, not what is printed.
            answers.retain(|aspect, text| aspect.ends_with(" exit") || text.contains(IN_VAIN));
            probe::processes(&mut answers, &list, &self.normal);
            probe::reports(&mut answers, &self.path("work"), &list, &self.normal);
            probe::logs(&mut answers, &list, &self.normal);
        }
        if let Some(name) = &scenario.environment {
            let text = fs::read_to_string(self.path("work").join(name)).unwrap_or_default();
            answers::of_environment(&mut answers, &text, &self.normal);
        }
        if list.as_array().is_none_or(|list| !list.is_empty()) {
            self.shell("pm2 delete all");
        }
        answers
    }

    /// An empty working directory but for the apps and the scenario's files; a home with nothing of an earlier one.
    fn furnish(&self, scenario: &Scenario) {
        let work = self.path("work");
        empty(&work);
        for app in fs::read_dir(self.group.folder.join("apps")).into_iter().flatten().flatten() {
            fs::copy(app.path(), work.join(app.file_name())).expect("the directory is ours");
        }
        for (name, text) in &scenario.files {
            let path = work.join(name);
            fs::create_dir_all(path.parent().expect("it has a directory")).expect("the directory is ours");
            fs::write(&path, text).expect("the directory is ours");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        for program in &scenario.probes {
            probe::place(&work, program);
        }
        let home = self.path("home");
        for name in LEFT {
            // An error says that there is none.
            let _ = fs::remove_file(home.join(name));
        }
        for name in ["logs", "pids"] {
            empty(&home.join(name));
        }
    }
}

/// Removes all that is in a directory.
fn empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        // An error says that somebody else removed it.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.shell("pm2 kill");
        }
        // Until none is left: one that is killed may just have started another.
        while let Some(pid) = self.mark.pids().pop_first() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            thread::yield_now();
        }
    }
}
