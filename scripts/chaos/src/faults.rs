//! The faults.

mod apps;
mod daemon;
mod descriptors;
mod disk;
mod reload;
mod socket;
mod state;
mod ticks;

use std::{path::Path, time::Duration};

use clap::ValueEnum;

pub(crate) use self::disk::enter_namespace;
use crate::{failure::Outcome, random::Random, stage::Stage, trial::Ground};

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// SIGKILL to the daemon during a verb
    Daemon,
    /// And again to the next one, while it takes over
    DaemonTwice,
    /// `rpm update`
    Update,
    /// SIGKILL to the daemon during `rpm update`
    UpdateKilled,
    /// SIGKILL to some apps, as by the kernel when memory is short
    Apps,
    /// SIGKILL to the daemon and all apps
    Everything,
    /// SIGSTOP to some apps
    Stopped,
    /// An app that forks 200 processes
    Bomb,
    /// The daemon may open no further file
    Descriptors,
    /// No space is left on the device
    Disk,
    /// Half-written and foreign files in the home
    State,
    /// Nonsense on the socket
    Socket,
    /// Many verbs at once
    Crowd,
    /// SIGKILL to the daemon in a reload, and perhaps to its client and to what it reloads
    ReloadKilled,
    /// SIGKILL to the daemon when many tasks are due
    Ticks,
}

/// Where a fault happens.
pub(crate) enum Place {
    /// On the stage, among all other apps.
    Stage(fn(&mut Scene<'_>) -> Outcome<Told>),
    /// In a small world of its own, with each kind of app in turn.
    Trial(fn(&mut Ground<'_>) -> Outcome<Told>),
}

/// What a fault tells of itself.
pub(crate) struct Told {
    /// What happened.
    pub(crate) what: String,
    /// What was found wrong at once.
    pub(crate) violations: Vec<String>,
    /// How long it took until all was as it has to be, if that is known already.
    pub(crate) settled: Option<Duration>,
}

impl From<String> for Told {
    fn from(what: String) -> Self {
        Self { what, violations: Vec::new(), settled: None }
    }
}

/// Where a fault happens, and by what chance.
pub(crate) struct Scene<'a> {
    pub(crate) stage: &'a mut Stage,
    pub(crate) random: &'a mut Random,
    /// A directory for worlds of its own.
    pub(crate) directory: &'a Path,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Daemon,
        Self::DaemonTwice,
        Self::Update,
        Self::UpdateKilled,
        Self::Apps,
        Self::Everything,
        Self::Stopped,
        Self::Bomb,
        Self::Descriptors,
        Self::Disk,
        Self::State,
        Self::Socket,
        Self::Crowd,
        Self::ReloadKilled,
        Self::Ticks,
    ];

    /// Its word on the command line and in the table.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Where it happens, and how.
    pub(crate) fn place(self) -> Place {
        use Place::{Stage, Trial};
        match self {
            Self::Daemon => Stage(daemon::kill_once),
            Self::DaemonTwice => Stage(daemon::kill_twice),
            Self::Update => Stage(daemon::update),
            Self::UpdateKilled => Stage(daemon::update_killed),
            Self::Apps => Stage(apps::kill_some),
            Self::Everything => Stage(apps::kill_all),
            Self::Stopped => Stage(apps::stop_some),
            Self::Bomb => Stage(apps::bomb),
            Self::Descriptors => Stage(descriptors::exhaust),
            Self::Disk => Stage(disk::fill),
            Self::State => Stage(state::damage),
            Self::Socket => Stage(socket::babble),
            Self::Crowd => Stage(daemon::crowd),
            Self::ReloadKilled => Trial(reload::kill_in_reload),
            Self::Ticks => Trial(ticks::kill_around_tick),
        }
    }
}
