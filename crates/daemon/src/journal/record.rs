//! The records of the journal.

use std::sync::Arc;

use rpm_core::{AppSpec, Env, ProcessId, name::Naming, summed};
use serde::{Deserialize, Serialize};

use crate::{
    logs::Ends,
    machine::Life,
    orders::Order,
    table::{Attached, Process},
};

/// Raised when an older program would misread the file.
pub(super) const FORMAT: u32 = 2;

/// The first format whose lines have a sum.
pub(super) const SUMMED: u32 = 2;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The first line.
    Header(Header),
    /// An environment that declarations refer to.
    Env { number: u32, env: Arc<Env> },
    /// A process was declared, or anew.
    Declared(Declared),
    /// A life has moved on.
    Life {
        id: ProcessId,
        life: Box<Life>,
        /// When its run began, in clock ticks since boot: with its pid, its identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        birth: Option<u64>,
        /// Where its logs ended then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_ends: Option<Ends>,
        /// What was asked of it and has not begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ordered: Option<Order>,
    },
    /// Something was asked of processes that have not begun with it. The next [`Self::Life`] of each says whether it has.
    Ordered { order: Order, ids: Vec<ProcessId> },
    /// A signal ended the daemon, which had saved its list: what it forgets from here on is to come back with the machine.
    Ending {},
    /// A process left the table.
    Forgotten { id: ProcessId },
    /// A reload gave a run away, which is to end.
    GivenAway(GivenAway),
}

/// A run that its process gave away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenAway {
    /// Whose it was.
    pub id: ProcessId,
    pub pid: i32,
    /// When it began, in clock ticks since boot.
    pub birth: u64,
    /// The number of restarts in its environment.
    pub restarts: u32,
}

/// What the file is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub format: u32,
    /// The boot in which the pids mean something.
    pub boot: String,
    /// The number that the next process gets.
    pub next_id: u32,
}

/// All that makes up a process but its life.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Declared {
    pub id: ProcessId,
    pub app: Arc<AppSpec>,
    /// The number of its environment.
    pub env: u32,
    pub instance: u32,
    pub unique_id: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<i64>,
    /// How its files are named; earlier versions named them as PM2 does.
    #[serde(default, skip_serializing_if = "Naming::is_default")]
    pub naming: Naming,
    /// What was declared before, while a reload may still fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Before>,
}

/// [`crate::table::Former`] with the number of its environment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub app: Arc<AppSpec>,
    pub env: u32,
    pub pid: i32,
}

impl GivenAway {
    /// `None` if it had ended before anybody could see when it began.
    pub(crate) fn of(id: ProcessId, pid: i32, run: &Attached) -> Option<Self> {
        Some(Self { id, pid, birth: run.birth?, restarts: run.restart_time })
    }
}

impl Declared {
    /// `number` gives the number of an environment.
    pub(super) fn of(process: &Process, mut number: impl FnMut(&Arc<Env>) -> u32) -> Self {
        Self {
            id: process.id,
            app: Arc::clone(&process.spec),
            env: number(&process.base_env),
            instance: process.instance,
            unique_id: Arc::clone(&process.unique_id),
            increment: process.increment,
            naming: process.naming,
            former: process.former.as_ref().map(|former| Before {
                app: Arc::clone(&former.spec),
                env: number(&former.base_env),
                pid: former.pid,
            }),
        }
    }
}

impl Record {
    pub(super) fn life(process: &Process) -> Self {
        let (birth, log_ends) = (process.birth(), process.run.log_ends);
        let ordered = process.ordered;
        Self::Life { id: process.id, life: Box::new(process.life.clone()), birth, log_ends, ordered }
    }

    /// Appends the line to `lines`, with a sum: a bit that has flipped on the disk must not start another program.
    pub(super) fn write_to(&self, lines: &mut Vec<u8>) {
        let start = lines.len();
        match serde_json::to_writer(&mut *lines, self) {
            Ok(()) => summed::seal(lines, start),
            // Our own types have text keys only, so this cannot be; half a line must not stand there in any case.
            Err(error) => {
                tracing::error!("a record of the journal: {error}");
                lines.truncate(start);
            }
        }
    }

    /// The record of a line that was written with a sum; `None` if it is not as it was written.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(&[summed::content(line)?, b"}"].concat()).ok()
    }
}
