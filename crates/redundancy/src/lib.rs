//! The redundancy companion: notices that an automation does not run any more, wherever it runs, and makes it run.
//!
//! Each part is a machine (`processes`, `github`, `netlify`, `orchestrator`): a pure function from what was seen to what
//! is to be done, tested with a virtual clock. Beside it is its world: the daemon's socket, the API, files, programs.
//! `watch` does a round of a part: look, decide, act, remember. What a part remembers is in a file whose lock a round
//! holds, so it makes no difference who does it: the orchestrator, a part that runs alone, or somebody at a terminal.
//!
//! It is an ordinary client of the daemon, which supervises it like any other app.

mod child;
pub mod config;
mod github;
pub mod health;
mod http;
mod local;
mod log;
mod mask;
pub mod moment;
mod netlify;
mod orchestrator;
mod processes;
mod report;
#[cfg(test)]
mod stand_in;
mod stop;
mod watch;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
};

use rpm_core::{Home, Millis};
use rpm_ecosystem::Caller;
use serde::{Deserialize, Serialize};

pub use crate::{config::Config, orchestrator::Emergency, stop::Stop};
use crate::{
    github::Actions,
    health::{Level, PartHealth, SystemHealth},
    log::{Log, Severity},
    mask::Mask,
    moment::{Moment, Spoken},
    netlify::Site,
    processes::Daemon,
    watch::{Machine, Watch, World},
};

/// A part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Processes of the daemon.
    Pm2,
    /// GitHub Actions.
    Github,
    /// Netlify functions.
    Netlify,
    /// What looks after the others.
    Orchestrator,
}

impl Part {
    /// Those that watch something, in the order in which they are recovered.
    pub const ALL: [Self; 3] = [Self::Pm2, Self::Github, Self::Netlify];

    /// Its name on the command line, in files and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pm2 => "pm2",
            Self::Github => "github",
            Self::Netlify => "netlify",
            Self::Orchestrator => "orchestrator",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What came of one thing that was asked for.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it was about.
    pub what: String,
    /// The outcome in words.
    pub outcome: Result<String, String>,
    /// Another one that followed stands in for it.
    pub is_covered: bool,
}

impl Done {
    /// Whether it failed and nothing stands in for it.
    pub fn has_failed(&self) -> bool {
        self.outcome.is_err() && !self.is_covered
    }
}

/// What came of each thing that was asked for.
pub type Outcomes = Vec<Done>;

/// A part that has not checked for this long after it should have is told of: a round may run a workflow.
const OVERDUE: Millis = Millis(900_000);

/// All parts, as they are set up.
#[derive(Clone)]
pub struct Redundancy {
    config: Arc<Config>,
    home: Home,
    caller: Caller,
    mask: Arc<Mask>,
    stop: Arc<Stop>,
    is_companion: bool,
}

impl Redundancy {
    /// The parts that `config` describes, for the daemon of `home` and on behalf of `caller`. `is_companion` says whether
    /// this program is the companion, as against one that asks something of it.
    pub fn new(config: Config, home: Home, mut caller: Caller, stop: Stop, is_companion: bool) -> Self {
        caller.cwd.clone_from(&config.root);
        let hook = config.netlify.build_hook.clone();
        let environment = caller.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mask = Arc::new(Mask::new(environment, [hook]));
        Self { config: Arc::new(config), home, caller, mask, stop: Arc::new(stop), is_companion }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The parts that are switched on.
    pub fn enabled(&self) -> Vec<Part> {
        let Config { pm2, github, netlify, .. } = &*self.config;
        let parts =
            [(Part::Pm2, pm2.enabled), (Part::Github, github.enabled), (Part::Netlify, netlify.enabled)];
        parts.into_iter().filter(|(_, enabled)| *enabled).map(|(part, _)| part).collect()
    }

    /// Where the log of a part is.
    pub fn log_path(&self, part: Part) -> PathBuf {
        log::path(part, &self.config.files)
    }

    fn log(&self, part: Part) -> Log {
        Log::new(part, &self.config.files, self.mask.clone(), self.is_companion)
    }

    fn watch<M: Machine, W: World<M>>(&self, part: Part, settings: M::Settings, world: W) -> Watch<M, W> {
        Watch::new(part, settings, world, self.log(part), &self.config.files, self.stop.clone())
    }

    fn processes(&self) -> Watch<processes::Processes, Daemon> {
        let settings = self.config.pm2.clone();
        let daemon = Daemon::new(self.home.clone(), self.caller.clone(), settings.clone());
        self.watch(Part::Pm2, settings, daemon)
    }

    fn workflows(&self) -> Watch<github::Workflows, Actions> {
        let settings = self.config.github.clone();
        let (root, env) = (self.config.root.clone(), self.caller.env.clone());
        let actions = Actions::new(settings.clone(), root, env, self.stop.clone());
        self.watch(Part::Github, settings, actions)
    }

    fn functions(&self) -> Watch<netlify::Functions, Site> {
        let settings = self.config.netlify.clone();
        let (root, env) = (self.config.root.clone(), self.caller.env.clone());
        let site = Site::new(settings.clone(), root, env, self.stop.clone());
        self.watch(Part::Netlify, settings, site)
    }

    fn orchestrator(&self) -> Watch<orchestrator::Orchestrator, Whole> {
        let settings = self.config.orchestrator.clone();
        self.watch(Part::Orchestrator, settings, Whole(self.clone()))
    }

    /// Runs these parts until it is time to end.
    pub fn run(&self, parts: &[Part]) {
        let (checked, first_checks) = mpsc::channel();
        thread::scope(|scope| {
            for part in parts.iter().filter(|part| **part != Part::Orchestrator) {
                let checked = checked.clone();
                scope.spawn(move || match part {
                    Part::Pm2 => self.turn(&mut self.processes(), &checked),
                    Part::Github => self.turn(&mut self.workflows(), &checked),
                    Part::Netlify => self.turn(&mut self.functions(), &checked),
                    Part::Orchestrator => {}
                });
            }
            if parts.contains(&Part::Orchestrator) {
                // It would else report that nothing is known.
                for _ in 1..parts.len() {
                    let _ = first_checks.recv_timeout(self.config.orchestrator.interval.value.into());
                }
                self.turn(&mut self.orchestrator(), &checked);
            }
        });
    }

    /// Does the rounds of a part.
    fn turn<M: Machine, W: World<M>>(&self, watch: &mut Watch<M, W>, checked: &mpsc::Sender<Part>) {
        watch.log.write(Severity::Info, &format!("begins, pid {}", std::process::id()));
        let mut round = watch.round().map(|_| Moment::default());
        // Nobody waits for it any more where the orchestrator has begun.
        let _ = checked.send(watch.part);
        loop {
            let due = round.unwrap_or_else(|error| {
                watch.log.write(Severity::Error, &format!("cannot remember anything: {error}"));
                Moment::now().after(UNREMEMBERED)
            });
            if self.stop.wait(Moment::now().until(due)) {
                break;
            }
            round = watch.round_if_due();
        }
        watch.log.write(Severity::Info, "ends");
    }

    /// One round of a part now, with all that follows from it.
    pub fn check(&self, part: Part) -> io::Result<PartHealth> {
        match part {
            Part::Pm2 => self.processes().round(),
            Part::Github => self.workflows().round(),
            Part::Netlify => self.functions().round(),
            Part::Orchestrator => self.orchestrator().round(),
        }
    }

    /// How the whole stands now: every part looks, and nothing is done about it.
    pub fn health(&self) -> SystemHealth {
        let parts = self.enabled().into_iter().map(|part| match part {
            Part::Pm2 => self.processes().look(),
            Part::Github => self.workflows().look(),
            Part::Netlify | Part::Orchestrator => self.functions().look(),
        });
        self.whole(parts.collect())
    }

    /// How the whole stood at the last check of each part.
    pub fn status(&self) -> SystemHealth {
        self.whole(self.remembered(Moment::now()))
    }

    /// How a part stood at its last check.
    pub fn part_status(&self, part: Part) -> PartHealth {
        watch::remembered(part, &self.config.files).0
    }

    fn whole(&self, parts: Vec<PartHealth>) -> SystemHealth {
        let emergency = self.orchestrator().memory().emergency;
        SystemHealth::of(parts, emergency, self.config.orchestrator.unhealthy_parts, Moment::now())
    }

    /// The parts, with a remark on those that should have checked long ago.
    fn remembered(&self, now: Moment) -> Vec<PartHealth> {
        let part = |part: Part| {
            let (mut health, due) = watch::remembered(part, &self.config.files);
            let late = due.map_or(Millis(0), |due| now.since(due));
            if health.checked_at.is_none() || late > OVERDUE {
                health.level = health.level.max(Level::Degraded);
                if health.checked_at.is_some() {
                    health.notes.push(format!("no check for {}", Spoken(late)));
                }
            }
            health
        };
        self.enabled().into_iter().map(part).collect()
    }

    /// Stops all processes and starts them from the ecosystem files.
    pub fn restart_processes(&self) -> io::Result<Outcomes> {
        let (outcomes, _) = self.processes().order(vec![processes::Deed::StartAnew])?;
        Ok(named(vec!["processes".to_owned()], outcomes))
    }

    /// Has workflows run by the back-ups that are set, in order: the one that is named, else all that are watched.
    pub fn trigger(&self, workflow: Option<&str>) -> io::Result<Outcomes> {
        let mut watch = self.workflows();
        let names = workflow.map_or_else(|| watch.world.names(), |name| vec![name.to_owned()]);
        let mut outcomes = Vec::new();
        for name in names {
            let first = outcomes.len();
            for backup in &self.config.github.backup {
                let deed = match backup {
                    config::Backup::Dispatch => github::Deed::Dispatch { name: name.clone(), enable: false },
                    config::Backup::Local => github::Deed::Local { name: name.clone() },
                };
                let (outcome, _) = watch.order(vec![deed])?;
                let is_done = outcome.iter().all(Result::is_ok);
                if is_done {
                    outcomes.iter_mut().skip(first).for_each(|before: &mut Done| before.is_covered = true);
                }
                outcomes.extend(named(vec![format!("{name}, {}", backup.as_str())], outcome));
                if is_done {
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    /// Makes the manifest of the functions anew.
    pub fn regenerate(&self) -> io::Result<Outcomes> {
        let mut watch = self.functions();
        let deed = watch.memory().regeneration();
        let (outcomes, _) = watch.order(vec![deed])?;
        Ok(named(vec!["manifest".to_owned()], outcomes))
    }

    /// Has the site built and deployed.
    pub fn deploy(&self) -> io::Result<Outcomes> {
        let (outcomes, _) = self.functions().order(vec![netlify::Deed::Deploy])?;
        Ok(named(vec!["deployment".to_owned()], outcomes))
    }

    /// Recovers every part now, as in an emergency.
    pub fn emergency(&self) -> io::Result<Outcomes> {
        let parts = self.enabled();
        let mut watch = self.orchestrator();
        watch.log.write(Severity::Warn, "recovery of all parts, asked for by hand");
        let deeds = parts.iter().map(|part| orchestrator::Deed::Recover(*part)).collect();
        let (outcomes, _) = watch.order(deeds)?;
        Ok(named(parts.iter().map(Part::to_string).collect(), outcomes))
    }

    /// Writes the health report of today, as things stood at the last checks. Where it is.
    pub fn report(&self) -> io::Result<PathBuf> {
        report::write(&self.config.files, &self.status())
    }

    /// Starts one part anew.
    fn recover(&self, part: Part) -> Result<String, String> {
        let (outcomes, health) = match part {
            Part::Pm2 => self.processes().order(vec![processes::Deed::StartAnew]),
            Part::Github => {
                let mut watch = self.workflows();
                let memory = watch.memory();
                // What was never there cannot be recovered.
                let names: Vec<_> = watch.world.names();
                let names = names
                    .into_iter()
                    .filter(|name| self.config.github.directory.join(name).exists() || memory.knows(name));
                watch.order(names.map(|name| github::Deed::Local { name }).collect())
            }
            Part::Netlify => {
                let mut watch = self.functions();
                let memory = watch.memory();
                let mut deeds = Vec::new();
                if self.config.netlify.directory.is_dir() || !memory.is_empty() {
                    deeds.push(memory.regeneration());
                }
                if self.config.netlify.auto_deploy {
                    deeds.push(netlify::Deed::Deploy);
                }
                watch.order(deeds)
            }
            Part::Orchestrator => return Ok("nothing to recover".to_owned()),
        }
        .map_err(|error| error.to_string())?;
        let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        let texts = |outcomes: Vec<Result<String, String>>| {
            outcomes
                .into_iter()
                .map(|outcome| outcome.unwrap_or_else(|error| error))
                .collect::<Vec<_>>()
                .join("; ")
        };
        let level = health.level;
        if bad.is_empty() {
            Ok(format!("{}; now {level}", texts(good)))
        } else {
            Err(format!("{}; now {level}", texts(bad)))
        }
    }
}

/// A pause where the state cannot be written.
const UNREMEMBERED: Millis = Millis(30_000);

fn named(names: Vec<String>, outcomes: Vec<Result<String, String>>) -> Outcomes {
    let done = |(what, outcome)| Done { what, outcome, is_covered: false };
    names.into_iter().zip(outcomes).map(done).collect()
}

/// The world of the orchestrator: the other parts.
struct Whole(Redundancy);

impl World<orchestrator::Orchestrator> for Whole {
    fn look(&mut self, _: &orchestrator::Orchestrator, now: Moment) -> Vec<PartHealth> {
        self.0.remembered(now)
    }

    fn perform(&mut self, deed: &orchestrator::Deed) -> Result<String, String> {
        match deed {
            orchestrator::Deed::Recover(part) => self.0.recover(*part),
            orchestrator::Deed::Report(health) => match report::write(&self.0.config.files, health) {
                Ok(path) => Ok(path.display().to_string()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
