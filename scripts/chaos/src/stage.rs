//! Where a round takes place: a world with its processes, what must hold of it, and how it is found out.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    apps::{self, App, Kind},
    check::{Member, Model, Wanted},
    failure::{Failure, Outcome},
    interrupt::pause,
    lines::Lines,
    procs::{Procs, weight},
    random::Random,
    world::{Row, World, signal},
};

/// How long it may take until everything is again as it has to be.
const LIMIT: Duration = Duration::from_secs(30);

/// A daemon may become larger by so many bytes than it was after its start.
const GROWTH: u64 = 32 << 20;

/// Descriptors that a daemon may have for each process, and for itself.
const DESCRIPTORS: (usize, usize) = (8, 64);

/// The stage.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) model: Model,
    pub(crate) lines: Lines,
    apps: BTreeMap<String, App>,
    /// Runs that are known to have ended.
    ended: HashSet<String>,
    /// Those of them that ended while there was no daemon, with lines in their pipe perhaps.
    unattended: HashSet<String>,
    /// The largest daemon so far.
    pub(crate) largest: u64,
    /// The size of the first one.
    first: u64,
    /// How much of the daemon's log was read.
    log_read: usize,
    /// Whether lines may be lost: the disk was full.
    pub(crate) is_lossy: bool,
    /// The daemon was killed in this round.
    pub(crate) daemon_lost: bool,
}

/// What was found after a round.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) violations: Vec<String>,
    /// How long it took until all was as it has to be.
    pub(crate) settled: Duration,
}

impl Stage {
    /// Starts everything.
    pub(crate) fn new(rpm: &Path, directory: &Path, processes: usize) -> Outcome<Self> {
        let world = World::new(rpm, directory)?;
        let apps = apps::all(processes);
        let file = world.declare("ecosystem.json", &apps)?;
        world.must(&["start", &file])?;
        let mut stage = Self {
            world,
            model: Model::default(),
            lines: Lines::default(),
            apps: apps.into_iter().chain([apps::guest()]).map(|app| (app.name.clone(), app)).collect(),
            ended: HashSet::new(),
            unattended: HashSet::new(),
            largest: 0,
            first: 0,
            log_read: 0,
            is_lossy: false,
            daemon_lost: false,
        };
        let rows = stage.world.list()?.map_err(Failure::Unexpected)?;
        if rows.len() != processes {
            return Err(Failure::Unexpected(format!("{} of {processes} processes are listed", rows.len())));
        }
        stage.learn(&rows);
        let found = stage.look()?;
        match found.violations.first() {
            Some(wrong) => Err(Failure::Unexpected(format!("before any fault: {wrong}"))),
            None => Ok(stage),
        }
    }

    fn learn(&mut self, rows: &[Row]) {
        let Self { model, apps, .. } = self;
        model.learn(rows, |name| apps.get(name).map_or(Kind::Guest, |app| app.kind));
    }

    /// Waits until everything is as it has to be, and tells what is not. What is found is what is expected from then on.
    pub(crate) fn look(&mut self) -> Outcome<Found> {
        let began = Instant::now();
        let mut violations;
        loop {
            violations = match self.world.list()? {
                Ok(rows) => {
                    // Runs that begin between the two looks are not taken for ended.
                    let runs = self.runs();
                    let procs = Procs::of(&self.world.home());
                    self.note_ended(runs, &procs);
                    let mut wrong = self.model.violations(&rows, &procs);
                    if wrong.is_empty() {
                        wrong = self.look_at_lines();
                    }
                    if wrong.is_empty() {
                        self.learn(&rows);
                    }
                    wrong
                }
                Err(reason) => vec![reason],
            };
            if violations.is_empty() || began.elapsed() > LIMIT {
                break;
            }
            pause(Duration::from_millis(50))?;
        }
        violations.extend(self.look_at_daemon());
        if violations.is_empty() {
            self.raise_errored()?;
        }
        self.daemon_lost = false;
        Ok(Found { violations, settled: began.elapsed() })
    }

    fn look_at_lines(&mut self) -> Vec<String> {
        if self.is_lossy {
            return Vec::new();
        }
        let Self { lines, world, unattended, .. } = self;
        lines.check(world, |token| unattended.contains(token))
    }

    /// The tokens of all runs so far.
    fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.world.ledger()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Remembers which of `runs` ended while there was no daemon.
    fn note_ended(&mut self, runs: Vec<String>, procs: &Procs) {
        let living: HashSet<i32> = procs.by_id.values().flatten().map(|proc| proc.pid).collect();
        for token in runs {
            let mut parts = token.split(':');
            let (name, pid) =
                (parts.next().unwrap_or_default(), parts.nth(1).and_then(|pid| pid.parse().ok()));
            if pid.is_some_and(|pid| living.contains(&pid)) || !self.ended.insert(token.clone()) {
                continue;
            }
            if self.daemon_lost && self.apps.get(name).is_some_and(|app| app.dated) {
                self.unattended.insert(token);
            }
        }
    }

    /// The daemon itself: that it is well, and no larger than it was.
    fn look_at_daemon(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let log = self.world.daemon_log();
        let new = log.get(self.log_read..).unwrap_or(&log);
        wrong.extend(new.lines().filter(|line| line.contains("panicked")).map(str::to_owned));
        self.log_read = log.len();
        if let Some((bytes, descriptors)) = self.world.daemon().and_then(weight) {
            if self.first == 0 {
                self.first = bytes;
            }
            self.largest = self.largest.max(bytes);
            if bytes > self.first + GROWTH {
                wrong.push(format!("the daemon has {} MiB, it began with {}", bytes >> 20, self.first >> 20));
            }
            let most = DESCRIPTORS.0 * self.model.members.len() + DESCRIPTORS.1;
            if descriptors > most {
                wrong.push(format!("the daemon has {descriptors} descriptors"));
            }
        }
        wrong
    }

    /// Starts what the system had refused to start.
    fn raise_errored(&mut self) -> Outcome<()> {
        let rows = self.world.list()?.map_err(Failure::Unexpected)?;
        let errored: Vec<_> = rows.iter().filter(|row| row.status == "errored").collect();
        for row in &errored {
            self.world.must(&["restart", &row.id.to_string()])?;
        }
        if !errored.is_empty() {
            let rows = self.world.list()?.map_err(Failure::Unexpected)?;
            self.learn(&rows);
        }
        Ok(())
    }

    /// SIGKILL to the daemon.
    pub(crate) fn lose_daemon(&mut self) -> Outcome<()> {
        self.daemon_lost |= self.world.lose_daemon()?;
        Ok(())
    }

    /// SIGKILL to the main processes of `ids`; each is to be restarted.
    pub(crate) fn kill_apps(&mut self, ids: &[u32]) {
        let procs = Procs::of(&self.world.home());
        for id in ids {
            let mains = procs.mains(*id);
            for &pid in &mains {
                signal(pid, Signal::SIGKILL);
            }
            if let Some(member) = self.model.members.get_mut(id)
                && !mains.is_empty()
            {
                member.pid = None;
                member.restarts += u64::from(member.kind != Kind::Restless);
                member.bereaved += apps::RELATIVES;
            }
        }
    }

    /// Changes what is expected of `ids`.
    pub(crate) fn expect(&mut self, ids: &[u32], change: impl Fn(&mut Member)) {
        for id in ids {
            if let Some(member) = self.model.members.get_mut(id) {
                change(member);
            }
        }
    }

    /// Some members that are up.
    pub(crate) fn some_up(&self, random: &mut Random, count: usize) -> Vec<u32> {
        random.some_of(&self.model.ids(|member| member.wanted == Wanted::Up), count)
    }
}
