//! A small world of one round: the victim, one app beside it, and what must hold of both when the fault is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    failure::{Failure, Outcome, at},
    interrupt::{pause, within},
    procs::{Proc, Procs, lives},
    random::Random,
    victims::{BYSTANDER, VICTIM, Victim},
    world::{Row, Said, World, signal},
};

/// How long it may take until each app runs again.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Where a round takes place, and by what chance.
pub(crate) struct Ground<'a> {
    pub(crate) rpm: &'a Path,
    pub(crate) random: &'a mut Random,
    /// A directory of this round.
    pub(crate) directory: PathBuf,
    /// How often this fault has happened before.
    pub(crate) turn: u64,
}

impl Ground<'_> {
    pub(crate) fn victim(&self) -> Victim {
        Victim::of_turn(self.turn)
    }
}

/// What is known of an app.
#[derive(Clone, Debug)]
struct Cast {
    instances: usize,
    /// Processes beside all main ones.
    relatives: usize,
    /// The runs that must go on: pids and births. `None` if they may have been replaced.
    kept: Option<BTreeSet<(i32, u64)>>,
    /// It may have ended for good.
    may_rest: bool,
}

/// The world of one round.
pub(crate) struct Trial {
    pub(crate) world: World,
    pub(crate) victim: Victim,
    /// The declaration of both apps.
    pub(crate) file: String,
    apps: BTreeMap<String, Cast>,
}

impl Trial {
    /// Starts the victim, with what `change` makes of its declaration, and the bystander.
    pub(crate) fn begin(ground: &Ground<'_>, change: impl FnOnce(&mut Value)) -> Outcome<Self> {
        let victim = ground.victim();
        let world = World::new(ground.rpm, &ground.directory)?;
        let mut declared = victim.declare(VICTIM, &world.apps());
        change(&mut declared);
        let bystander = Victim::Shell.declare(BYSTANDER, &world.apps());
        let mut trial = Self { world, victim, file: String::new(), apps: BTreeMap::new() };
        trial.file = trial.write("eco.json", &[&declared, &bystander])?;
        for (name, kind) in [(VICTIM, victim), (BYSTANDER, Victim::Shell)] {
            let instances = kind.instances();
            let cast =
                Cast { instances, relatives: instances * kind.relatives(), kept: None, may_rest: false };
            trial.apps.insert(name.to_owned(), cast);
        }
        trial.world.must(&["start", &trial.file])?;
        match trial.settle()?.1.first() {
            Some(wrong) => Err(Failure::Unexpected(format!("before any fault: {wrong}"))),
            None => {
                trial.keep_runs();
                Ok(trial)
            }
        }
    }

    /// Writes an ecosystem file and gives its path.
    pub(crate) fn write(&self, file: &str, apps: &[&Value]) -> Outcome<String> {
        let path = self.world.apps().join(file);
        fs::write(&path, json!({ "apps": apps }).to_string()).map_err(at(&path))?;
        Ok(path.display().to_string())
    }

    /// Every process of this world.
    pub(crate) fn procs(&self) -> Procs {
        Procs::of_world(&self.world.directory)
    }

    /// The main processes of an app.
    pub(crate) fn mains(&self, name: &str) -> Vec<Proc> {
        self.procs().of_app(name).filter(|proc| proc.is_main).cloned().collect()
    }

    /// From now on the runs there are must go on.
    pub(crate) fn keep_runs(&mut self) {
        let procs = self.procs();
        for (name, cast) in &mut self.apps {
            let mains = procs.of_app(name).filter(|proc| proc.is_main);
            cast.kept = Some(mains.map(|proc| (proc.pid, proc.birth)).collect());
        }
    }

    /// The runs of the victim may be replaced by others. One that is not restarted may rest if `is_ended`.
    pub(crate) fn let_victim_change(&mut self, is_ended: bool) {
        let may_rest = is_ended && !self.victim.is_restarted();
        if let Some(cast) = self.apps.get_mut(VICTIM) {
            cast.kept = None;
            cast.may_rest |= may_rest;
        }
    }

    /// Workers of a cluster end with the daemon.
    pub(crate) fn lose_daemon(&mut self) -> Outcome<()> {
        self.world.lose_daemon()?;
        if self.victim == Victim::Cluster {
            self.let_victim_change(true);
        }
        Ok(())
    }

    /// SIGKILL to processes of the victim, and waits for their end.
    pub(crate) fn end_runs(&mut self, runs: &[Proc]) -> Outcome<()> {
        self.let_victim_change(!runs.is_empty());
        for run in runs {
            signal(run.pid, Signal::SIGKILL);
        }
        within(LIMIT, || runs.iter().all(|run| !run.lives()).then_some(()))?;
        Ok(())
    }

    /// Waits until each app runs as it was declared, and tells after how long, and what is wrong at last.
    pub(crate) fn settle(&self) -> Outcome<(Duration, Vec<String>)> {
        self.settle_at(&self.world.home())
    }

    /// The same, asked at `home`.
    pub(crate) fn settle_at(&self, home: &Path) -> Outcome<(Duration, Vec<String>)> {
        let began = Instant::now();
        loop {
            let wrong = match self.world.list_at(home)? {
                Ok(rows) => self.wrong(&rows),
                Err(reason) => vec![reason],
            };
            if wrong.is_empty() || began.elapsed() > LIMIT {
                return Ok((began.elapsed(), wrong));
            }
            pause(Duration::from_millis(20))?;
        }
    }

    fn wrong(&self, rows: &[Row]) -> Vec<String> {
        let procs = self.procs();
        let mut wrong = self.doubled(&procs);
        for (name, cast) in &self.apps {
            let rows: Vec<_> = rows.iter().filter(|row| row.name == *name).collect();
            if rows.len() != cast.instances {
                wrong.push(format!("{} of {name} are listed, {} were declared", rows.len(), cast.instances));
            }
            let mains: Vec<i32> =
                procs.of_app(name).filter(|proc| proc.is_main).map(|proc| proc.pid).collect();
            for row in &rows {
                match row.status.as_str() {
                    "online" if mains.contains(&row.pid) => {}
                    "stopped" | "errored" if cast.may_rest && mains.is_empty() => {}
                    status => wrong.push(format!("{name} is {status} with pid {}, {mains:?} live", row.pid)),
                }
            }
            if !cast.may_rest && mains.len() != cast.instances {
                wrong.push(format!("{name} has the main processes {mains:?}"));
            }
        }
        let known: BTreeSet<&str> = self.apps.keys().map(String::as_str).collect();
        let strange = procs.apps().filter(|(name, _)| !known.contains(name));
        wrong.extend(
            strange.map(|(name, proc)| format!("{name} runs as pid {}, and was not declared", proc.pid)),
        );
        if procs.daemons.len() != 1 {
            let daemons: Vec<i32> = procs.daemons.iter().map(|daemon| daemon.pid).collect();
            wrong.push(format!("the daemons are {daemons:?}"));
        }
        wrong
    }

    /// What runs more often than it was declared, and what should have gone on and has not.
    pub(crate) fn doubled(&self, procs: &Procs) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, cast) in &self.apps {
            let (mains, others): (Vec<_>, Vec<_>) = procs.of_app(name).partition(|proc| proc.is_main);
            let pids: Vec<i32> = mains.iter().map(|proc| proc.pid).collect();
            if mains.len() > cast.instances {
                wrong.push(format!("{name} runs as {pids:?}"));
            }
            if others.len() > cast.relatives {
                wrong.push(format!("{name} has {} processes beside {pids:?}", others.len()));
            }
            let lost = cast.kept.iter().flatten().filter(|(pid, birth)| !lives(*pid, *birth));
            wrong.extend(lost.map(|(pid, _)| format!("{name}: pid {pid} should have gone on")));
        }
        wrong
    }

    /// `stop`, `delete` and `kill` end, and what they end is gone.
    pub(crate) fn finish(&self) -> Outcome<Vec<String>> {
        let mut wrong = Vec::new();
        for words in [&["stop", VICTIM], &["delete", VICTIM]] {
            wrong.extend(failed(&self.world.verb(words)?));
            let left = || self.procs().of_app(VICTIM).map(|proc| proc.pid).collect::<Vec<_>>();
            if within(Duration::from_secs(2), || left().is_empty().then_some(()))?.is_none() {
                wrong.push(format!("`{}` left {:?}", words.join(" "), left()));
            }
        }
        wrong.extend(failed(&self.world.verb(&["kill"])?));
        let left =
            || self.procs().all().map(|proc| format!("{} {}", proc.pid, proc.command)).collect::<Vec<_>>();
        if within(Duration::from_secs(2), || left().is_empty().then_some(()))?.is_none() {
            wrong.push(format!("`kill` left {:?}", left()));
        }
        Ok(wrong)
    }
}

/// The complaint about a verb that did not do what it was asked for.
pub(crate) fn failed(said: &Said) -> Option<String> {
    (!said.is_done()).then(|| {
        let status = said.status.map_or_else(|| "hangs".to_owned(), |status| status.to_string());
        format!("`rpm {}`: {status}: {}", said.words, said.text.trim())
    })
}
