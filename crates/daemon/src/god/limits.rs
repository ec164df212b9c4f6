//! Limits on memory and CPU: by the kernel where it can, else held against measurements from time to time, for as long as
//! some process has one.

use std::{env, sync::LazyLock};

use rpm_core::{Bytes, Cause, Millis, ProcessId, Signal, units::Memory};

use super::God;
use crate::{cgroup::Groups, clock::Now, confinement::Confinement, machine::Event, table::Process, tree};

/// Milliseconds between two checks: `PM2_WORKER_INTERVAL`, else five seconds. PM2's thirty let a leak grow for long.
static INTERVAL: LazyLock<u64> = LazyLock::new(|| {
    let set = env::var("PM2_WORKER_INTERVAL").ok().and_then(|text| text.parse().ok());
    set.filter(|&Millis(interval)| interval > 0).unwrap_or(Millis(5_000)).0
});

/// What a look found.
enum Over {
    /// More than `max_memory_restart`.
    Soft(Bytes),
    /// More than `limits.memory`, which the kernel does not hold.
    Hard,
}

impl God {
    /// Some process that runs now has a limit.
    pub(super) fn expect_checks(&mut self) {
        self.next_check.get_or_insert_with(|| Now::read().mono + *INTERVAL);
    }

    /// Restarts what uses more memory than it should, and kills what uses more than it may.
    pub(super) fn check_limits(&mut self) {
        self.next_check = None;
        self.look();
        let mut over = Vec::new();
        let mut limited = false;
        for process in self.table.iter() {
            if process.life.run().is_none() || !process.needs_checks() {
                continue;
            }
            limited = true;
            let memory = process.usage().memory;
            let exceeded = |limit: Option<Bytes>| limit.is_some_and(|limit| memory > limit);
            if exceeded(process.watched_memory()) {
                over.push((process.id, memory, Over::Hard));
            } else if let Some(limit) = process.spec.max_memory_restart.filter(|&limit| memory > limit) {
                over.push((process.id, memory, Over::Soft(limit)));
            }
        }
        for (id, memory, over) in over {
            match over {
                Over::Soft(limit) => {
                    tracing::warn!(
                        "Process {id} restarted because it exceeds --max-memory-restart value \
                         (current_memory={} max_memory_limit={} [octets])",
                        memory.0,
                        limit.0
                    );
                    self.post(id, Event::Reload(Cause::Memory.into()));
                }
                Over::Hard => self.kill_for_memory(id, memory),
            }
        }
        if limited {
            self.expect_checks();
        }
    }

    /// Does to a tree what the kernel does to a control group that is out of memory.
    fn kill_for_memory(&mut self, id: ProcessId, memory: Bytes) {
        tracing::warn!("Process {id} killed: it uses {}, more than `limits.memory`", Memory(memory));
        let Some(process) = self.table.get_mut(id) else { return };
        let Some(run) = process.life.run() else { return };
        process.run.confinement.note_kill();
        let members = self.members(id, run.pid);
        for member in members {
            member.signal(Signal::KILL);
        }
        let adopted = self.table.get(id).and_then(|process| process.run.adopted.as_ref());
        match adopted {
            Some(main) => main.signal(Signal::KILL),
            None => _ = tree::signal_group(run.pid, Signal::KILL),
        }
    }

    /// Who holds a run of `id` that is about to begin.
    pub(super) fn confine(&self, id: ProcessId) -> Confinement {
        let Some(process) = self.table.get(id) else { return Confinement::Free };
        Confinement::of(&process.spec, |limits| Groups::find(limits)?.make(id, process.runs + 1, limits))
    }
}

impl Process {
    /// Whether its memory has to be looked at while it runs.
    pub(super) fn needs_checks(&self) -> bool {
        self.spec.max_memory_restart.is_some() || self.watched_memory().is_some()
    }

    /// The limit that the kernel does not hold.
    fn watched_memory(&self) -> Option<Bytes> {
        let limits = self.spec.limits.as_ref().filter(|_| self.run.confinement.unheld().is_some())?;
        limits.memory
    }
}
