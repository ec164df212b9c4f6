//! Limits that are held against measurements from time to time, for as long as some process has one.

use std::{env, sync::LazyLock};

use rpm_core::Cause;

use super::God;
use crate::{clock::Now, machine::Event};

/// Milliseconds between two checks: `PM2_WORKER_INTERVAL`, else five seconds. PM2's thirty let a leak grow for long.
static INTERVAL: LazyLock<u64> = LazyLock::new(|| {
    let set = env::var("PM2_WORKER_INTERVAL").ok().and_then(|text| text.parse().ok());
    set.filter(|&interval| interval > 0).unwrap_or(5_000)
});

impl God {
    /// Some process that runs now has a limit.
    pub(super) fn expect_checks(&mut self) {
        self.next_check.get_or_insert_with(|| Now::read().mono + *INTERVAL);
    }

    /// Restarts what uses more memory than it may.
    pub(super) fn check_limits(&mut self) {
        self.next_check = None;
        self.look();
        let mut over = Vec::new();
        let mut limited = false;
        for process in self.table.iter() {
            let (Some(limit), Some(run)) = (process.spec.max_memory_restart, process.life.run()) else {
                continue;
            };
            limited = true;
            let memory = self.meter.usage(process.id, run.pid).memory;
            if memory > limit {
                tracing::warn!(
                    "Process {} restarted because it exceeds --max-memory-restart value \
                     (current_memory={} max_memory_limit={} [octets])",
                    process.id,
                    memory.0,
                    limit.0
                );
                over.push(process.id);
            }
        }
        for id in over {
            self.post(id, Event::Reload(Cause::Memory.into()));
        }
        if limited {
            self.expect_checks();
        }
    }
}
