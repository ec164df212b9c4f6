//! A home, a working directory, and verbs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Output, Running, Words, command_line, executable,
    mark::{self, Mark, environment},
    repository,
    wait::{LIMIT, wait_until, within},
};

/// How long the last processes may take to end after `kill` has returned: the daemon itself, after its answer.
const AFTERMATH: Duration = Duration::from_secs(10);

/// One daemon's world.
#[derive(Debug)]
pub struct Rpm {
    directory: TempDir,
    mark: Mark,
    aftermath: Duration,
    program: PathBuf,
}

impl Default for Rpm {
    fn default() -> Self {
        Self::new()
    }
}

impl Rpm {
    /// A fresh home. There is no daemon until a verb starts one.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("rpm-").tempdir().expect("a temporary directory");
        let work = directory.path().join("work");
        fs::create_dir(&work).expect("it is empty");
        for app in fs::read_dir(repository().join("tests/fixtures")).expect("there are fixtures") {
            let app = app.expect("the directory can be read");
            symlink(app.path(), work.join(app.file_name())).expect("the directory is ours");
        }
        let mark = Mark::new(directory.path());
        Self { directory, mark, aftermath: AFTERMATH, program: executable().to_owned() }
    }

    /// The same, called as `pm2`.
    pub fn pm2() -> Self {
        let mut rpm = Self::new();
        rpm.program = rpm.directory.path().join("pm2");
        symlink(executable(), &rpm.program).expect("the directory is ours");
        rpm
    }

    /// The daemon's home. It is for the daemon to create.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The working directory of all commands.
    pub fn dir(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// A file of the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.home().join("rpm.sock")
    }

    /// Writes a file into the working directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it has a directory")).expect("the directory can be made");
        fs::write(&path, text).expect("the file can be written");
        path
    }

    /// Writes an executable file into the working directory.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    }

    /// The text of a file of the working directory, empty while there is none.
    pub fn read(&self, name: &str) -> String {
        read(&self.path(name))
    }

    /// The text of a log: `web-out`, `web-error`, or the daemon's own, `rpm`.
    pub fn log(&self, stem: &str) -> String {
        let directory = if stem == "rpm" { self.home() } else { self.home().join("logs") };
        read(&directory.join(format!("{stem}.log")))
    }

    /// `rpm` with these arguments: in the working directory, with nothing of this process's environment but
    /// `PATH`, and with standard input empty.
    pub fn command(&self, words: impl Words) -> Command {
        let mut command = Command::new(&self.program);
        self.prepare(&mut command);
        command.args(words.words());
        command
    }

    /// The same under another program, which is given the command as its last arguments (`nohup`, `setsid`).
    pub fn command_under(&self, program: &str, args: &[&str], words: impl Words) -> Command {
        let mut command = Command::new(program);
        self.prepare(&mut command);
        command.args(args).arg(&self.program).args(words.words());
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.env_clear().current_dir(self.dir());
        if self.program.ends_with("pm2") {
            command.env("PM2_HOME", self.home());
        }
        // LLVM_PROFILE_FILE: where an executable built for coverage writes.
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.directory.path())
            .env("RPM_HOME", self.home())
            .env(mark::VARIABLE, &self.mark.value)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Runs a verb to its end.
    pub fn run(&self, words: impl Words) -> Output {
        Running::start(self.command(words)).output()
    }

    /// Runs a verb, which must end with 0.
    #[track_caller]
    pub fn ok(&self, words: impl Words) -> Output {
        let output = self.run(words);
        output.ends_with(0);
        output
    }

    /// Runs a verb, which must end with 1.
    #[track_caller]
    pub fn fails(&self, words: impl Words) -> Output {
        let output = self.run(words);
        output.ends_with(1);
        output
    }

    /// Starts a verb in the background.
    pub fn start(&self, words: impl Words) -> Running {
        Running::start(self.command(words))
    }

    /// Starts `forever.sh` under this name, with `options`.
    #[track_caller]
    pub fn forever(&self, name: &str, options: &str) -> Entry {
        self.ok(&format!("start forever.sh --name {name} {options}"));
        self.entry(name)
    }

    /// What `jlist` says, by id.
    #[track_caller]
    pub fn jlist(&self) -> Vec<Entry> {
        let output = self.ok("jlist");
        match serde_json::from_str::<Vec<Value>>(&output.stdout) {
            Ok(list) => list.into_iter().map(Entry).collect(),
            Err(error) => panic!("not a JSON array ({error}): {output}"),
        }
    }

    /// The one process of the app `name`.
    #[track_caller]
    pub fn entry(&self, name: &str) -> Entry {
        let mut all = self.jlist();
        all.retain(|entry| entry.name() == name);
        match (all.pop(), all.is_empty()) {
            (Some(entry), true) => entry,
            _ => panic!("expected one process {name} in\n{}", self.run("list")),
        }
    }

    /// `name:status` of all, by id.
    #[track_caller]
    pub fn statuses(&self) -> Vec<String> {
        self.jlist().iter().map(|entry| format!("{}:{}", entry.name(), entry.status())).collect()
    }

    /// Waits until the one process of `name` is as `condition` says.
    #[track_caller]
    pub fn wait_where(&self, name: &str, what: &str, condition: impl Fn(&Entry) -> bool) -> Entry {
        match within(LIMIT, || Some(self.entry(name)).filter(&condition)) {
            Some(entry) => entry,
            None => panic!("{name} never was {what}, but {:#}\n{}", self.entry(name).0, self.log("rpm")),
        }
    }

    /// Waits until the one process of `name` has this status.
    #[track_caller]
    pub fn wait_status(&self, name: &str, status: &str) -> Entry {
        self.wait_where(name, status, |entry| entry.status() == status)
    }

    /// The daemon's pid, from its pid file.
    pub fn daemon(&self) -> Option<i32> {
        fs::read_to_string(self.home().join("rpm.pid")).ok()?.trim().parse().ok()
    }

    /// Kills the daemon as an out-of-memory killer would, and waits until it is gone. Gives its pid.
    #[track_caller]
    pub fn lose_daemon(&self) -> i32 {
        let daemon = self.daemon().expect("there is a daemon");
        kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it lives");
        self.wait_daemon_gone(daemon);
        daemon
    }

    /// Waits until the daemon of pid `daemon` has ended.
    pub fn wait_daemon_gone(&self, daemon: i32) {
        // A process has closed its sockets when it is a zombie, not when its memory is gone.
        wait_until(format!("the end of daemon {daemon}"), || {
            !self.mark.is_on(daemon)
                && read(Path::new(&format!("/proc/{daemon}/stat")))
                    .rsplit(')')
                    .next()
                    .is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z") || rest.starts_with(" X"))
        });
    }

    /// The pids of all that this test started and that lives, the daemon and commands in the background included.
    pub fn processes(&self) -> BTreeSet<i32> {
        self.mark.pids()
    }

    /// Those of [`Self::processes`] which the daemon started, and what descends from them.
    pub fn children(&self) -> BTreeSet<i32> {
        let mut pids = self.processes();
        pids.retain(|&pid| environment(pid).contains_key("pm_id"));
        pids
    }

    /// Ends the daemon and everything else, and returns what outlived `kill`.
    fn clean_up(&self) -> Vec<String> {
        if self.mark.pids().is_empty() {
            return Vec::new();
        }
        let killed = Running::start(self.command("kill"));
        let mut left = Vec::new();
        if let Some(pids) = self.still_there() {
            left.push(format!("`rpm kill` said:\n{}{}", killed.stdout(), killed.stderr()));
            left.extend(pids.iter().map(|&pid| command_line(pid)));
        }
        drop(killed);
        // Until none is left: one that is killed may just have started another.
        while let Some(pid) = self.mark.pids().pop_first() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            thread::yield_now();
        }
        left
    }

    /// All that lives, unless it ends within a reasonable time.
    fn still_there(&self) -> Option<BTreeSet<i32>> {
        let gone = within(self.aftermath, || self.processes().is_empty().then_some(()));
        gone.is_none().then(|| self.processes())
    }
}

impl Drop for Rpm {
    #[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}\n{}---", self.home().join("rpm.log").display(), self.log("rpm"));
            self.clean_up();
            return;
        }
        let left = self.clean_up();
        assert!(left.is_empty(), "left over:\n{}\n{}", left.join("\n"), self.log("rpm"));
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// One process, as `jlist` shows it.
#[derive(Clone, Debug)]
pub struct Entry(pub Value);

impl Entry {
    /// A field of `pm2_env`.
    pub fn get(&self, field: &str) -> &Value {
        &self.0["pm2_env"][field]
    }

    /// A field of `pm2_env` that is a path or another text.
    #[track_caller]
    pub fn text(&self, field: &str) -> &str {
        self.get(field).as_str().unwrap_or_else(|| panic!("{field} is {}", self.get(field)))
    }

    /// A field of `pm2_env` that is a whole number.
    #[track_caller]
    pub fn number(&self, field: &str) -> i64 {
        self.get(field).as_i64().unwrap_or_else(|| panic!("{field} is {}", self.get(field)))
    }

    /// Its number in the table.
    #[track_caller]
    pub fn id(&self) -> i64 {
        self.0["pm_id"].as_i64().expect("pm_id is a number")
    }

    /// Its app's name.
    #[track_caller]
    pub fn name(&self) -> &str {
        self.0["name"].as_str().expect("name is a text")
    }

    /// Its pid; 0 unless it runs.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.0["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("pid is a number")
    }

    /// What it is doing.
    #[track_caller]
    pub fn status(&self) -> &str {
        self.text("status")
    }

    /// The ↺ column.
    #[track_caller]
    pub fn restarts(&self) -> i64 {
        self.number("restart_time")
    }

    /// The text of one of its logs, `out` or `err`.
    #[track_caller]
    pub fn log(&self, stream: &str) -> String {
        read(Path::new(self.text(&format!("pm_{stream}_log_path"))))
    }

    /// The environment that its main process was started with, from the kernel; empty unless it runs.
    pub fn environ(&self) -> BTreeMap<String, String> {
        environment(self.pid())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn what_is_left_over_fails_the_test_and_is_ended() {
        let mut rpm = Rpm::new();
        rpm.aftermath = Duration::ZERO;
        let mark = rpm.mark.clone();
        let mut stray = Command::new("sleep");
        stray.arg("1000000").env_clear().env("PATH", "/usr/bin:/bin").env(mark::VARIABLE, &mark.value);
        let mut stray = stray.spawn().unwrap();
        let failure = catch_unwind(|| drop(rpm)).unwrap_err();
        let message = failure.downcast_ref::<String>().unwrap();
        assert!(message.contains("left over") && message.contains("sleep 1000000"), "{message}");
        assert!(!stray.wait().unwrap().success());
        assert!(mark.pids().is_empty());
    }
}
