//! The faults.

mod apps;
mod daemon;
mod descriptors;
mod disk;
mod socket;
mod state;

use std::path::Path;

use clap::ValueEnum;

pub(crate) use self::disk::enter_namespace;
use crate::{failure::Outcome, random::Random, stage::Stage};

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
}

/// What a fault tells of itself.
pub(crate) struct Told {
    /// What happened.
    pub(crate) what: String,
    /// What was found wrong at once.
    pub(crate) violations: Vec<String>,
}

impl From<String> for Told {
    fn from(what: String) -> Self {
        Self { what, violations: Vec::new() }
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
    pub(crate) const ALL: [Self; 13] = [
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
    ];

    /// Its word on the command line and in the table.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Lets it happen.
    pub(crate) fn inject(self, scene: &mut Scene<'_>) -> Outcome<Told> {
        match self {
            Self::Daemon => daemon::kill_once(scene),
            Self::DaemonTwice => daemon::kill_twice(scene),
            Self::Update => daemon::update(scene),
            Self::UpdateKilled => daemon::update_killed(scene),
            Self::Apps => apps::kill_some(scene),
            Self::Everything => apps::kill_all(scene),
            Self::Stopped => apps::stop_some(scene),
            Self::Bomb => apps::bomb(scene),
            Self::Descriptors => descriptors::exhaust(scene),
            Self::Disk => disk::fill(scene),
            Self::State => state::damage(scene),
            Self::Socket => socket::babble(scene),
            Self::Crowd => daemon::crowd(scene),
        }
    }
}
