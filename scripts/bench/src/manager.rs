//! A process manager under measurement: its own home, its command line, its pid files.

mod product;

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
pub(crate) use product::{PM2, Product, RPM};

use crate::{
    failure::{Failure, Outcome, at, doing},
    interrupt::{check, wait_for},
    subject::{Kind, Subject},
    system::{is_alive, kill_all_with},
    workload::{App, Ecosystem, Workload},
    writer::Signs,
};

/// How long something that takes milliseconds may take before it counts as failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at a pid file. Without a pause this program would keep a CPU, and the locks of the file, from
/// whoever is to write it: on two CPUs that doubles what is measured.
const LOOK_AGAIN: Duration = Duration::from_micros(10);

/// The app that is slow to stop, and how long it gets before it is killed, in milliseconds.
const SLOW: &str = "slow";
const SLOW_KILL_TIMEOUT: u32 = 2000;

/// Says that it is up, and when it was asked to end, which it does not do. Its sleeps are short because a shell
/// runs a trap only once its command has ended, and not every manager signals that too.
const SLOW_SCRIPT: &str = r#"trap ': > "$1/slow-asked"' INT; : > "$1/slow-up"; while :; do sleep 0.1; done"#;

/// The app that writes a log.
const WRITER: &str = "writer";

/// A daemon in a home of its own.
pub(crate) struct Manager {
    product: &'static Product,
    program: PathBuf,
    workload: Workload,
    /// Where its home is, and the files that it is given.
    directory: PathBuf,
    /// The pid files of the sleeps.
    pid_files: Vec<PathBuf>,
    /// The command that waits for the slow app to stop.
    slow_stop: Option<Child>,
}

impl Manager {
    /// One whose home is a new directory below `parent`, and stays there: on ext4 without a journal it takes long
    /// to make files while others have just been removed, and the next round would have to pay for it.
    pub(crate) fn new(
        product: &'static Product,
        program: &Path,
        workload: &Workload,
        parent: &Path,
    ) -> Outcome<Self> {
        let directory = tempfile::Builder::new()
            .prefix(product.kind.name())
            .tempdir_in(parent)
            .map_err(at(parent))?
            .keep();
        Ok(Self {
            product,
            program: program.to_owned(),
            workload: workload.clone(),
            directory,
            pid_files: Vec::new(),
            slow_stop: None,
        })
    }

    /// Where it is run.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a verb to its end, and forgets how long it took.
    pub(crate) fn verb(&self, args: &[&str]) -> Outcome<()> {
        self.run(args).map(drop)
    }

    /// Its home.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// What the last command said on standard error.
    fn said(&self) -> PathBuf {
        self.directory.join("said")
    }

    fn command(&self, args: &[&str]) -> Outcome<Command> {
        let said = self.said();
        let said = File::create(&said).map_err(at(&said))?;
        let mut command = Command::new(&self.program);
        // What is set for another daemon may move this one's files.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PM2_") || name.starts_with("RPM_")) {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(&self.directory)
            .env(self.product.home_variable, self.home())
            .envs(self.product.env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said);
        Ok(command)
    }

    /// Runs a verb to its end.
    fn run(&self, args: &[&str]) -> Outcome<Duration> {
        check()?;
        let mut command = self.command(args)?;
        timed(|| {
            let status = command.status().map_err(at(&self.program))?;
            if status.success() { Ok(()) } else { Err(self.failed(args, &status.to_string())) }
        })
    }

    fn failed(&self, args: &[&str], outcome: &str) -> Failure {
        if let Err(interrupted) = check() {
            return interrupted;
        }
        Failure::Command {
            command: format!("{} {}", self.product.kind.name(), args.join(" ")),
            outcome: outcome.to_owned(),
            said: fs::read_to_string(self.said()).unwrap_or_default().trim().to_owned(),
        }
    }

    /// Writes an ecosystem file and gives its path.
    fn declare(&self, name: &str, ecosystem: &Ecosystem) -> Outcome<String> {
        let path = self.directory.join(format!("{name}.{}", self.product.extension));
        let text = (self.product.render)(ecosystem).map_err(doing(path.display()))?;
        fs::write(&path, text).map_err(at(&path))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn declare_app(&self, app: App) -> Outcome<String> {
        let name = app.name.clone();
        self.declare(&name, &Ecosystem { apps: vec![app] })
    }

    /// The pids of the sleeps, as the pid files tell them; fails unless all of them live.
    pub(crate) fn pids(&self) -> Outcome<Vec<i32>> {
        let pids: Vec<i32> = self.pid_files.iter().filter_map(|file| read_pid(file)).collect();
        let alive = pids.iter().filter(|&&pid| is_alive(pid)).count();
        if alive == self.workload.processes {
            return Ok(pids);
        }
        let (name, wanted) = (self.product.kind.name(), self.workload.processes);
        Err(Failure::Unexpected(format!("{name} said that all is done, yet of {wanted} sleeps {alive} live")))
    }

    fn find_pid_files(&mut self) -> Outcome<()> {
        let directory = self.home().join("pids");
        let entries = fs::read_dir(&directory).map_err(at(&directory))?;
        self.pid_files = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(Workload::PREFIX))
            .map(|entry| entry.path())
            .collect();
        self.pid_files.sort();
        Ok(())
    }

    fn none_lives(&self, pids: &[i32]) -> Outcome<()> {
        let alive = pids.iter().filter(|&&pid| is_alive(pid)).count();
        if alive == 0 {
            return Ok(());
        }
        let name = self.product.kind.name();
        Err(Failure::Unexpected(format!("{name} said that all is done, yet {alive} sleeps live on")))
    }

    /// The entry in the environment of all that runs in this home.
    fn mark(&self) -> String {
        format!("{}={}", self.product.home_variable, self.home().display())
    }
}

impl Subject for Manager {
    fn kind(&self) -> Kind {
        self.product.kind
    }

    fn boot(&mut self) -> Outcome<Option<Duration>> {
        self.declare("none", &Ecosystem { apps: Vec::new() })?;
        let took = self.run(self.product.boot)?;
        self.daemon()?;
        Ok(Some(took))
    }

    fn start(&mut self) -> Outcome<Duration> {
        let file = self.declare("sleeps", &self.workload.ecosystem())?;
        let took = self.run(&["start", &file])?;
        self.find_pid_files()?;
        self.pids()?;
        Ok(took)
    }

    fn list(&mut self) -> Outcome<Duration> {
        self.run(&["list"])
    }

    fn restart(&mut self) -> Outcome<Duration> {
        let before = self.pids()?;
        let took = self.run(&["restart", "all"])?;
        self.none_lives(&before)?;
        self.pids()?;
        Ok(took)
    }

    fn stop(&mut self) -> Outcome<Duration> {
        let before = self.pids()?;
        let took = self.run(&["stop", "all"])?;
        self.none_lives(&before)?;
        Ok(took)
    }

    fn crash(&mut self, index: usize) -> Outcome<Duration> {
        let Some((file, old)) = self.pid_files.get(index).and_then(|file| Some((file, read_pid(file)?)))
        else {
            return Err(Failure::Unexpected(format!("there is no process {index} to kill")));
        };
        let began = Instant::now();
        kill(Pid::from_raw(old), Signal::SIGKILL).map_err(doing("kill"))?;
        while began.elapsed() < LIMIT {
            if read_pid(file).is_some_and(|pid| pid != old) {
                return Ok(began.elapsed());
            }
            thread::sleep(LOOK_AGAIN);
        }
        let name = self.product.kind.name();
        Err(Failure::Unexpected(format!("{name} has not started a killed process again")))
    }

    fn begin_slow_stop(&mut self) -> Outcome<bool> {
        let directory = self.directory.to_string_lossy().into_owned();
        let (up, asked) = (self.directory.join("slow-up"), self.directory.join("slow-asked"));
        for sign in [&up, &asked] {
            let _ = fs::remove_file(sign);
        }
        let args = ["-c", SLOW_SCRIPT, SLOW, &directory].map(str::to_owned).to_vec();
        let app = App { kill_timeout: SLOW_KILL_TIMEOUT, ..App::new(SLOW, "/bin/sh", args) };
        self.run(&["start", &self.declare_app(app)?])?;
        wait_for("the slow app comes up", LIMIT, || up.exists().then_some(()))?;
        self.slow_stop = Some(self.command(&["stop", SLOW])?.spawn().map_err(at(&self.program))?);
        wait_for("the slow app is asked to stop", LIMIT, || asked.exists().then_some(()))?;
        Ok(true)
    }

    fn end_slow_stop(&mut self) -> Outcome<()> {
        let Some(mut stop) = self.slow_stop.take() else { return Ok(()) };
        let over = stop.try_wait().map_err(doing("wait"))?;
        let status = stop.wait().map_err(doing("wait"))?;
        if let Some(status) = over.or_else(|| (!status.success()).then_some(status)) {
            return Err(self.failed(&["stop", SLOW], &format!("{status}, before its time")));
        }
        self.run(&["delete", SLOW]).map(drop)
    }

    fn write_log(&mut self) -> Outcome<f64> {
        let signs = Signs::new(&self.directory);
        let program = env::current_exe().map_err(doing("finding this program"))?;
        let app = App { autorestart: false, ..App::new(WRITER, program, signs.args()) };
        self.run(&["start", &self.declare_app(app)?])?;
        let rate = signs.conduct()?;
        self.run(&["delete", WRITER])?;
        let logs = self.home().join("logs");
        for entry in fs::read_dir(&logs).map_err(at(&logs))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(WRITER) {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(rate)
    }

    fn daemon(&self) -> Outcome<Option<i32>> {
        let file = self.home().join(self.product.daemon_pid_file);
        match read_pid(&file).filter(|&pid| is_alive(pid)) {
            Some(pid) => Ok(Some(pid)),
            None => Err(Failure::Unexpected(format!("{} names no daemon that lives", file.display()))),
        }
    }

    fn end(&mut self) -> Outcome<()> {
        let daemon = self.daemon()?;
        self.run(&["kill"])?;
        wait_for("the daemon ends", LIMIT, || daemon.is_none_or(|pid| !is_alive(pid)).then_some(()))?;
        match kill_all_with(&self.mark()) {
            0 => Ok(()),
            left => {
                let name = self.product.kind.name();
                Err(Failure::Unexpected(format!("`{name} kill` has left {left} processes behind")))
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let end = Instant::now() + LIMIT;
        // Until nobody is left: what ends may be started anew as long as the daemon lives.
        while kill_all_with(&self.mark()) > 0 && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(mut stop) = self.slow_stop.take() {
            let _ = stop.wait();
        }
    }
}

/// Times what `action` does.
pub(crate) fn timed(action: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let began = Instant::now();
    action()?;
    Ok(began.elapsed())
}

/// What a pid file says; `None` also while it is being written.
fn read_pid(file: &Path) -> Option<i32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
