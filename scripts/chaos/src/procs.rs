//! The live processes of one home, by the marks in their environment.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{apps::MAIN, victims::APP, world::WORLD};

/// A process that bears the marks.
#[derive(Clone, Debug)]
pub(crate) struct Proc {
    pub(crate) pid: i32,
    /// In clock ticks since boot: with the pid its identity.
    pub(crate) birth: u64,
    parent: i32,
    /// It runs the app's program, and is none that an app has started.
    pub(crate) is_main: bool,
    pub(crate) command: String,
    /// The app of a small world that it belongs to.
    pub(crate) app: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Procs {
    /// By the `pm_id` in their environment.
    pub(crate) by_id: BTreeMap<u32, Vec<Proc>>,
    /// Daemons.
    pub(crate) daemons: Vec<Proc>,
    /// Command lines that are at work.
    pub(crate) clients: Vec<Proc>,
}

impl Procs {
    /// Those that bear the marks of `home`.
    pub(crate) fn of(home: &Path) -> Self {
        Self::bearing(&format!("RPM_HOME={}", home.display()))
    }

    /// Those that began in the world in `directory`, whatever home they belong to.
    pub(crate) fn of_world(directory: &Path) -> Self {
        Self::bearing(&format!("{WORLD}={}", directory.display()))
    }

    /// Looks at every process of the machine.
    fn bearing(mark: &str) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { continue };
            let variables = environ.split(|&byte| byte == 0);
            if !variables.clone().any(|variable| variable == mark.as_bytes()) {
                continue;
            }
            let Some(mut proc) = Proc::read(pid) else { continue };
            let value = |name: &str| {
                variables.clone().find_map(|variable| {
                    std::str::from_utf8(variable).ok()?.strip_prefix(name)?.strip_prefix('=')
                })
            };
            proc.app = value(APP).map(str::to_owned);
            match value("pm_id").and_then(|id| id.parse().ok()) {
                Some(id) => found.by_id.entry(id).or_default().push(proc),
                None if proc.command.contains("__daemon") => found.daemons.push(proc),
                None => found.clients.push(proc),
            }
        }
        // Until it executes its program, a child looks as the daemon does.
        let daemons: Vec<i32> = found.daemons.iter().map(|daemon| daemon.pid).collect();
        found.daemons.retain(|daemon| !daemons.contains(&daemon.parent));
        found
    }

    /// The main processes of `id`.
    pub(crate) fn mains(&self, id: u32) -> Vec<i32> {
        self.of_id(id).iter().filter(|proc| proc.is_main).map(|proc| proc.pid).collect()
    }

    /// Everybody with the mark of `id`.
    pub(crate) fn of_id(&self, id: u32) -> &[Proc] {
        self.by_id.get(&id).map_or(&[], Vec::as_slice)
    }

    /// All of the app `name` in a small world.
    pub(crate) fn of_app<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Proc> {
        self.apps().filter(move |(app, _)| *app == name).map(|(_, proc)| proc)
    }

    /// The processes of apps in a small world, with the names of the apps.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (&str, &Proc)> {
        self.by_id.values().flatten().filter_map(|proc| Some((proc.app.as_deref()?, proc)))
    }

    /// All, daemons included.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Proc> {
        self.by_id.values().flatten().chain(&self.daemons).chain(&self.clients)
    }
}

impl Proc {
    /// `None` if it has ended.
    fn read(pid: i32) -> Option<Self> {
        let (parent, birth) = stat(pid)?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<_> = line.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
        let is_main = words.iter().take(4).any(|word| word.contains(MAIN));
        Some(Self { pid, birth, parent, is_main, command: words.join(" ").trim_end().to_owned(), app: None })
    }

    /// Whether it still lives.
    pub(crate) fn lives(&self) -> bool {
        lives(self.pid, self.birth)
    }
}

/// Whether the process that began then still lives.
pub(crate) fn lives(pid: i32, birth: u64) -> bool {
    stat(pid).is_some_and(|(_, began)| began == birth)
}

/// The parent and the birth of a process that has not ended.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// Resident bytes and open descriptors of a process.
pub(crate) fn weight(pid: i32) -> Option<(u64, usize)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib << 10, fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()))
}
