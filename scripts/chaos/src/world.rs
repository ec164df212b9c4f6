//! One daemon's world: a home, the apps' directory, and verbs.

use std::{
    env,
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    apps::{self, App},
    failure::{Failure, Outcome, at, doing},
    interrupt::{pause, within},
    procs::Procs,
};

/// How long a verb may take before it is said to hang.
const LIMIT: Duration = Duration::from_mins(1);

/// The variable that every process of a world inherits, with the world's directory.
pub(crate) const WORLD: &str = "CHAOS_WORLD";

/// A verb under way.
pub(crate) struct Running {
    pub(crate) child: Child,
    words: String,
    said: PathBuf,
}

/// What a verb gave.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) words: String,
    /// `None` if it did not end in time.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) text: String,
}

impl Said {
    /// It did what it was asked for.
    pub(crate) fn is_done(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// It was refused because all was as it should be: a daemon that died in the middle of `scale` may have a successor
    /// that did the rest.
    pub(crate) fn had_nothing_to_do(&self) -> bool {
        self.text.contains("Nothing to do")
    }
}

/// One row of `jlist`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) pid: i32,
    pub(crate) status: String,
    pub(crate) restarts: u64,
}

/// The world.
pub(crate) struct World {
    pub(crate) rpm: PathBuf,
    pub(crate) directory: PathBuf,
    verbs: std::cell::Cell<u64>,
}

impl World {
    /// One below `directory`, which is empty.
    pub(crate) fn new(rpm: &Path, directory: &Path) -> Outcome<Self> {
        let world =
            Self { rpm: rpm.to_owned(), directory: directory.to_owned(), verbs: std::cell::Cell::default() };
        for path in [world.apps(), world.ledger(), world.home()] {
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        fs::set_permissions(world.home(), fs::Permissions::from_mode(0o700)).map_err(at(&world.home()))?;
        for (program, text) in [("sh", apps::SHELL), ("js", apps::NODE), ("py", apps::PYTHON)] {
            let path = world.apps().join(format!("{}{program}", apps::MAIN.trim_start_matches('/')));
            fs::write(&path, text).map_err(at(&path))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(at(&path))?;
        }
        nix::unistd::mkfifo(&world.apps().join("never"), nix::sys::stat::Mode::S_IRWXU)
            .map_err(doing("making a pipe"))?;
        let settings =
            json!({ "pm2-logrotate": { "retain": "all", "max_total": "none", "max_size": "64K" } });
        let path = world.home().join("module_conf.json");
        fs::write(&path, settings.to_string()).map_err(at(&path))?;
        Ok(world)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    pub(crate) fn apps(&self) -> PathBuf {
        self.directory.join("apps")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.apps().join("ledger")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.home().join("state/journal")
    }

    /// Writes an ecosystem file and gives its path.
    pub(crate) fn declare(&self, file: &str, apps: &[App]) -> Outcome<String> {
        let path = self.apps().join(file);
        fs::write(&path, apps::ecosystem(apps, &self.apps()).to_string()).map_err(at(&path))?;
        Ok(path.display().to_string())
    }

    /// Starts a verb.
    pub(crate) fn begin(&self, words: &[&str]) -> Outcome<Running> {
        self.begin_at(&self.home(), words)
    }

    /// Starts a verb for the home that is called `home`.
    pub(crate) fn begin_at(&self, home: &Path, words: &[&str]) -> Outcome<Running> {
        self.verbs.set(self.verbs.get() + 1);
        // Beside the world: that may have no space left.
        let said = self.directory.with_extension(format!("said-{}", self.verbs.get() % 16));
        let out = File::create(&said).map_err(at(&said))?;
        let error = out.try_clone().map_err(at(&said))?;
        let mut command = Command::new(&self.rpm);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| ["PM2_", "RPM_", "pm_"].iter().any(|p| name.starts_with(p))) {
                command.env_remove(name);
            }
        }
        let child = command
            .args(words)
            .current_dir(self.apps())
            .env("RPM_HOME", home)
            .env(WORLD, &self.directory)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(error)
            .spawn()
            .map_err(at(&self.rpm))?;
        Ok(Running { child, words: words.join(" "), said })
    }

    /// Runs a verb to its end.
    pub(crate) fn verb(&self, words: &[&str]) -> Outcome<Said> {
        self.begin(words)?.end()
    }

    /// Runs a verb for the home that is called `home` to its end.
    pub(crate) fn verb_at(&self, home: &Path, words: &[&str]) -> Outcome<Said> {
        self.begin_at(home, words)?.end()
    }

    /// Runs a verb that has to succeed, because no fault is there.
    pub(crate) fn must(&self, words: &[&str]) -> Outcome<()> {
        let said = self.verb(words)?;
        if said.is_done() {
            Ok(())
        } else {
            Err(Failure::Unexpected(format!("`rpm {}`: {:?}: {}", said.words, said.status, said.text)))
        }
    }

    /// What `jlist` says; the error says why it says nothing.
    pub(crate) fn list(&self) -> Outcome<Result<Vec<Row>, String>> {
        self.list_at(&self.home())
    }

    /// The same for the home that is called `home`.
    pub(crate) fn list_at(&self, home: &Path) -> Outcome<Result<Vec<Row>, String>> {
        let said = self.verb_at(home, &["jlist"])?;
        if !said.is_done() {
            return Ok(Err(format!("`jlist` fails ({:?}): {}", said.status, said.text.trim())));
        }
        let Some(list) = said.text.find('[').map(|at| &said.text[at..]) else {
            return Ok(Err(format!("`jlist` says {}", said.text)));
        };
        let list: Vec<Value> = match serde_json::from_str(list) {
            Ok(list) => list,
            Err(error) => return Ok(Err(format!("`jlist` is no JSON: {error}"))),
        };
        let row = |entry: &Value| {
            Some(Row {
                id: entry["pm_id"].as_u64()? as u32,
                name: entry["name"].as_str()?.to_owned(),
                pid: entry["pid"].as_i64().unwrap_or(0) as i32,
                status: entry["pm2_env"]["status"].as_str()?.to_owned(),
                restarts: entry["pm2_env"]["restart_time"].as_u64()?,
            })
        };
        Ok(list.iter().map(row).collect::<Option<_>>().ok_or_else(|| "a row lacks something".to_owned()))
    }

    /// All processes of this world.
    fn procs(&self) -> Procs {
        Procs::of_world(&self.directory)
    }

    /// The daemons that live: at most one, if all is right.
    pub(crate) fn daemon(&self) -> Option<i32> {
        self.procs().daemons.first().map(|proc| proc.pid)
    }

    /// SIGKILL to the daemon, if there is one; and waits for its end.
    pub(crate) fn lose_daemon(&self) -> Outcome<bool> {
        let daemons = self.procs().daemons;
        for daemon in &daemons {
            signal(daemon.pid, Signal::SIGKILL);
        }
        within(LIMIT, || daemons.iter().all(|daemon| !daemon.lives()).then_some(()))?;
        Ok(!daemons.is_empty())
    }

    /// The daemon's log.
    pub(crate) fn daemon_log(&self) -> String {
        let bytes = fs::read(self.home().join("rpm.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends everything that bears this world's marks. Gives the command lines of those that `kill` did not end.
    pub(crate) fn end(&self) -> Outcome<Vec<String>> {
        let said = self.verb(&["kill"]);
        let end = Instant::now() + Duration::from_secs(5);
        let mut left = self.procs();
        while left.all().next().is_some() && Instant::now() < end && said.is_ok() {
            pause(Duration::from_millis(20))?;
            left = self.procs();
        }
        let survivors = left.all().map(|proc| format!("pid {} {}", proc.pid, proc.command)).collect();
        // A bomb makes new ones while the old ones are ended.
        while left.all().next().is_some() {
            for proc in left.all() {
                signal(proc.pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(20));
            left = self.procs();
        }
        Ok(survivors)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Running {
    /// Waits for its end. One that hangs is ended.
    pub(crate) fn end(mut self) -> Outcome<Said> {
        let status = within(LIMIT, || self.child.try_wait().ok().flatten());
        if !matches!(status, Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let mut text = String::new();
        if let Ok(mut file) = File::open(&self.said) {
            let _ = file.read_to_string(&mut text);
        }
        Ok(Said { words: self.words, status: status?, text })
    }
}

/// Signals a process of ours; one that has ended is no error.
pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}
