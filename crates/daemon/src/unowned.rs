//! Processes of this home that belong to no process in the list: the record of what started them was lost.

use std::io;

use rpm_core::{Home, ProcessId, app::DEFAULT_NAMESPACE};

use crate::{
    identity::Identity,
    procfs::{Stat, variable},
    strays::Strays,
};

/// What has the number of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unowned {
    /// The number.
    pub id: ProcessId,
    /// Name and namespace of its app, by its environment.
    pub name: String,
    /// See `name`.
    pub namespace: String,
    /// The processes: their pids, and when they began in clock ticks since boot.
    pub pids: Vec<(i32, u64)>,
}

impl Unowned {
    pub(crate) fn among(strays: &Strays, is_known: impl Fn(ProcessId) -> bool) -> Vec<Self> {
        let unknown = strays.all().filter(|(id, _)| !is_known(*id));
        let mut found: Vec<_> = unknown
            .map(|(id, strays)| {
                let said = |name| strays.iter().find_map(|stray| variable(stray.stat.pid, name));
                Self {
                    id,
                    name: said("name").unwrap_or_default(),
                    namespace: said("namespace").unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
                    pids: strays.iter().map(|stray| (stray.stat.pid, stray.stat.start)).collect(),
                }
            })
            .filter(|unowned| !unowned.pids.is_empty())
            .collect();
        found.sort_by_key(|unowned| unowned.id);
        found
    }

    /// Those of `home`, whose daemon knows the processes that `is_known` says.
    pub fn of(home: &Home, is_known: impl Fn(ProcessId) -> bool) -> io::Result<Vec<Self>> {
        match Identity::read(home) {
            Some(identity) => Ok(Self::among(&Strays::look(&identity)?, is_known)),
            None => Ok(Vec::new()),
        }
    }

    /// Those that live still.
    pub(crate) fn living(&self) -> Vec<i32> {
        let lives = |&&(pid, start): &&(i32, u64)| {
            Stat::read(pid).is_some_and(|stat| stat.start == start && stat.is_alive())
        };
        self.pids.iter().filter(lives).map(|&(pid, _)| pid).collect()
    }
}

/// Pids as arguments of `kill`.
pub fn words(pids: impl IntoIterator<Item = i32>) -> String {
    pids.into_iter().map(|pid| pid.to_string()).collect::<Vec<_>>().join(" ")
}
