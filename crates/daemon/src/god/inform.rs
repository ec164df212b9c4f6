//! What is told about processes.

use std::sync::Arc;

use rpm_core::{ProcessInfo, ProcessSummary, Selector, protocol::Reply};

use super::{God, reply};
use crate::{
    clock::Now,
    meter::Subject,
    procfs::Snapshot,
    table::{Process, Replies},
};

/// Rows in one frame: a table of any size stays far below the limit of a frame.
const ROWS: usize = 1024;

/// Full descriptions in one frame; each may hold a large environment.
const DESCRIPTIONS: usize = 32;

impl God {
    /// Sends a row for each process.
    pub(super) fn list(&mut self, replies: &Replies) {
        self.look();
        let mut processes = self.table.iter().peekable();
        while processes.peek().is_some() {
            let rows = processes.by_ref().take(ROWS).map(|process| self.summary(process)).collect();
            reply(replies, Reply::Rows(rows));
        }
    }

    /// Sends all about the selected processes.
    pub(super) fn describe(&mut self, selector: Option<&Selector>, replies: &Replies) {
        self.look();
        let selected = match selector {
            Some(selector) => self.table.resolve(selector),
            None => Ok(self.table.iter().map(|process| process.id).collect()),
        };
        match selected {
            Err(failure) => reply(replies, Reply::Failed(failure)),
            Ok(ids) => {
                for ids in ids.chunks(DESCRIPTIONS) {
                    let processes = ids.iter().filter_map(|&id| self.table.get(id));
                    let processes = processes.map(|process| self.info(process)).collect();
                    reply(replies, Reply::Processes(processes));
                }
            }
        }
    }

    /// Reads what the processes use, unless that was done a moment ago.
    pub(super) fn look(&mut self) {
        let running = |process: &Process| {
            let run = process.life.run()?;
            Some(Subject { id: process.id, pid: run.pid, started: run.started.mono })
        };
        let subjects: Vec<_> = self.table.iter().filter_map(running).collect();
        let now = Now::read().mono;
        if let Err(error) = self.meter.look(&subjects, now, Snapshot::take) {
            tracing::error!("cannot read /proc: {error}");
        }
    }

    fn summary(&self, process: &Process) -> ProcessSummary {
        let run = process.life.run();
        let usage = run.map_or_else(Default::default, |run| self.meter.usage(process.id, run.pid));
        ProcessSummary {
            id: process.id,
            name: process.spec.name.clone(),
            namespace: process.spec.namespace.clone(),
            version: process.spec.version.clone(),
            exec_mode: process.spec.exec_mode,
            pid: run.map_or(0, |run| run.pid),
            pm_uptime: process.life.started_at,
            restart_time: process.life.restart_time,
            status: process.life.status(),
            cpu: usage.cpu,
            memory: usage.memory,
            user: process.spec.username.clone(),
            watching: !process.spec.watch.is_off(),
        }
    }

    fn info(&self, process: &Process) -> ProcessInfo {
        ProcessInfo {
            summary: self.summary(process),
            spec: Arc::clone(&process.spec),
            base_env: Arc::clone(&process.base_env),
            instance: process.instance,
            unique_id: process.unique_id.to_string(),
            created_at: process.life.created_at,
            unstable_restarts: process.life.unstable_restarts,
            prev_restart_delay: process.life.prev_delay,
            exit: process.life.exit,
            error: process.life.error.clone(),
            out_log: process.logs.out.clone(),
            error_log: process.logs.error.clone(),
            pid_file: process.pid_file.clone(),
            told: process.told.clone(),
            next_tick: process.tick,
        }
    }
}
