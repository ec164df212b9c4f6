//! The directory of one daemon, in PM2's layout, so that tools and habits carry over.

use std::path::{Path, PathBuf};

use crate::{Persona, ProcessId};

/// How many lists that were replaced are kept.
const DUMP_GENERATIONS: usize = 5;

/// The paths below one home. Nothing here touches the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    persona: Persona,
}

impl Home {
    /// The home at `root`, which must be absolute.
    pub fn new(root: PathBuf, persona: Persona) -> Self {
        Self { root, persona }
    }

    /// Where the home is: the persona's variable (`RPM_HOME`, `PM2_HOME`), else `~/.rpm` or `~/.pm2`.
    ///
    /// `variable` looks up an environment variable; a relative home is taken from `cwd`. `None` when neither the
    /// persona's variable nor `HOME` is set. `pm2-dev` ends by removing its home, so that nobody chooses it.
    pub fn locate(persona: Persona, variable: impl Fn(&str) -> Option<String>, cwd: &Path) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let chosen = set(persona.home_variable()).filter(|_| persona != Persona::Dev);
        let root = match chosen {
            Some(root) => cwd.join(root),
            None => cwd.join(set("HOME")?).join(persona.home_directory()),
        };
        Some(Self::new(root, persona))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Who it belongs to.
    pub fn persona(&self) -> Persona {
        self.persona
    }

    /// The socket on which the daemon answers.
    pub fn socket(&self) -> PathBuf {
        self.root.join(format!("{}.sock", self.persona.word()))
    }

    /// The daemon's pid, decimal, without a newline.
    pub fn daemon_pid(&self) -> PathBuf {
        self.root.join(format!("{}.pid", self.persona.word()))
    }

    /// The daemon's own log.
    pub fn daemon_log(&self) -> PathBuf {
        self.root.join(format!("{}.log", self.persona.word()))
    }

    /// Held locked by the daemon for as long as it lives: there is at most one for a home.
    pub fn daemon_lock(&self) -> PathBuf {
        self.state_dir().join("daemon.lock")
    }

    /// Held locked by a client while it starts the daemon, so that the others wait and then connect.
    pub fn spawn_lock(&self) -> PathBuf {
        self.state_dir().join("spawn.lock")
    }

    /// The list written by `save`.
    pub fn dump(&self) -> PathBuf {
        self.root.join(format!("dump.{}", self.persona.word()))
    }

    /// The list that the last `save` replaced.
    pub fn dump_backup(&self) -> PathBuf {
        self.root.join(format!("dump.{}.bak", self.persona.word()))
    }

    /// Sums over the lists.
    pub fn dump_sums(&self) -> PathBuf {
        self.state_dir().join("dump.sums")
    }

    /// The lists that earlier calls of `save` replaced, the latest first. PM2 has one.
    pub fn dump_backups(&self) -> Vec<PathBuf> {
        let backup = self.dump_backup();
        let mut backups = vec![backup.clone()];
        if self.persona == Persona::Rpm {
            let older = 2..=DUMP_GENERATIONS;
            backups.extend(older.map(|number| backup.with_extension(format!("bak.{number}"))));
        }
        backups
    }

    /// Where apps' logs go by default.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where apps' pid files go.
    pub fn pids_dir(&self) -> PathBuf {
        self.root.join("pids")
    }

    /// What must survive the daemon.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The variable that has the number of the home in the environment of all that its daemon starts.
    pub const ID_VARIABLE: &str = "RPM_HOME_ID";

    /// The number of this home, and where it was.
    pub fn identity(&self) -> PathBuf {
        self.state_dir().join("home")
    }

    /// Which ticks of schedules were seen.
    pub fn ticks(&self) -> PathBuf {
        self.state_dir().join("ticks")
    }

    /// Marks of tasks whose run has begun and is not in the journal yet.
    pub fn begun(&self) -> PathBuf {
        self.state_dir().join("begun")
    }

    /// What the daemon's successor goes on from if it dies. Not there after an end in good order.
    pub fn journal(&self) -> PathBuf {
        self.state_dir().join("journal")
    }

    /// What is under way with a log that lines are taken out of; not there otherwise.
    pub fn cut_plan(&self) -> PathBuf {
        self.state_dir().join("cut")
    }

    /// The pipe through which a process's stream reaches the pump.
    pub fn fifo(&self, id: ProcessId, stream: &str) -> PathBuf {
        self.state_dir().join(format!("{id}-{stream}.fifo"))
    }

    /// The default log of one stream (`out` or `error`): `logs/<stem>-out.log`, with `-<id>` unless merged. `stem` stands
    /// for the app ([`crate::name::Naming`]).
    pub fn log(&self, stem: &str, stream: &str, id: Option<ProcessId>) -> PathBuf {
        self.logs_dir().join(match id {
            Some(id) => format!("{stem}-{stream}-{id}.log"),
            None => format!("{stem}-{stream}.log"),
        })
    }

    /// The default log of both streams together: `logs/<stem>.log`.
    pub fn combined_log(&self, stem: &str, id: Option<ProcessId>) -> PathBuf {
        self.logs_dir().join(match id {
            Some(id) => format!("{stem}-{id}.log"),
            None => format!("{stem}.log"),
        })
    }

    /// The pid file of one process.
    pub fn pid_file(&self, stem: &str, id: ProcessId) -> PathBuf {
        self.pids_dir().join(format!("{stem}-{id}.pid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AppSpec, Interpreter, name::Naming};

    fn located(persona: Persona, vars: &[(&str, &str)]) -> Option<PathBuf> {
        let lookup =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Home::locate(persona, lookup, Path::new("/cwd")).map(|home| home.root)
    }

    #[test]
    fn the_variable_wins_over_the_users_home() {
        let vars = [("RPM_HOME", "/r"), ("PM2_HOME", "/p"), ("HOME", "/h")];
        assert_eq!(located(Persona::Rpm, &vars), Some("/r".into()));
        assert_eq!(located(Persona::Pm2, &vars), Some("/p".into()));
        assert_eq!(located(Persona::Rpm, &vars[2..]), Some("/h/.rpm".into()));
        assert_eq!(located(Persona::Pm2, &vars[2..]), Some("/h/.pm2".into()));
        assert_eq!(located(Persona::Runtime, &vars), Some("/p".into()));
        assert_eq!(located(Persona::Dev, &vars), Some("/h/.pm2-dev".into()));
        assert_eq!(located(Persona::Rpm, &[("RPM_HOME", "")]), None);
        assert_eq!(located(Persona::Rpm, &[("RPM_HOME", "rel")]), Some("/cwd/rel".into()));
    }

    #[test]
    fn hostile_names_stay_inside_the_home() {
        let home = Home::new("/h".into(), Persona::Rpm);
        let hostile = "../../etc/x";
        let app = AppSpec::new(hostile, "/s".into(), Interpreter::None, "/".into());
        for naming in [Naming::Pm2, Naming::Plain] {
            let stem = naming.stem(&app);
            assert_eq!(home.log(&stem, "out", None), Path::new("/h/logs/..-..-etc-x-out.log"));
        }
        let stem = Naming::Exact.stem(&app);
        assert_eq!(home.pid_file(&stem, 3.into()), Path::new("/h/pids/..%2F..%2Fetc%2Fx@default-3.pid"));
    }
}
