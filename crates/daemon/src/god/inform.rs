//! What is told about processes.

use std::sync::Arc;

use rpm_core::{HealthReport, ProcessInfo, ProcessSummary, Selector, protocol::Reply};

use super::{God, reply};
use crate::{
    clock::Now,
    machine::Phase,
    meter::{Subject, Usage},
    procfs::Snapshot,
    table::{Process, Replies},
};

/// Rows in one frame: a table of any size stays far below the limit of a frame.
const ROWS: usize = 1024;

impl God {
    /// Sends a row for each process.
    pub(super) fn list(&mut self, replies: &Replies) {
        self.look();
        let mut processes = self.table.iter().peekable();
        while processes.peek().is_some() {
            let rows =
                processes.by_ref().take(ROWS).map(|process| process.summary(process.usage())).collect();
            reply(replies, Reply::Rows(rows));
        }
    }

    /// Sends all about the selected processes. Values that are secret are masked, unless they are to be revealed.
    pub(super) fn describe(&mut self, selector: Option<&Selector>, reveals: bool, replies: &Replies) {
        self.look();
        let selected = match selector {
            Some(selector) => self.table.resolve(selector),
            None => Ok(self.table.iter().map(|process| process.id).collect()),
        };
        match selected {
            Err(failure) => reply(replies, Reply::Failed(failure)),
            Ok(ids) => {
                // A frame for each: an environment may be as large as the kernel lets it be.
                for process in ids.into_iter().filter_map(|id| self.table.get(id)) {
                    let usage = process.usage();
                    let mut info = if reveals { process.info(usage) } else { process.public_info(usage) };
                    info.waits_for = self.waits_for(process);
                    reply(replies, Reply::Processes(vec![info]));
                }
            }
        }
    }

    /// Reads what the processes use, unless that was done a moment ago.
    pub(super) fn look(&mut self) {
        let subjects = self.table.iter_mut().filter_map(|process| {
            let run = process.life.run()?;
            Some(Subject { pid: run.pid, started: run.started.mono, sample: &mut process.run.sample })
        });
        let now = Now::read().mono;
        if let Err(error) = self.meter.look(subjects, now, Snapshot::take) {
            tracing::error!("cannot read /proc: {error}");
        }
    }
}

impl Process {
    /// What it used at the last look.
    pub(super) fn usage(&self) -> Usage {
        let sample = self.run.sample.as_ref().filter(|_| self.life.run().is_some());
        sample.map_or_else(Usage::default, |sample| sample.usage)
    }

    /// What the checks of its run have shown.
    pub(crate) fn health(&self) -> Option<&HealthReport> {
        self.checking.as_ref().map(|checking| &checking.checkup.report)
    }

    /// Its row of `list`.
    fn summary(&self, usage: Usage) -> ProcessSummary {
        ProcessSummary {
            id: self.id,
            name: self.spec.name.as_str().into(),
            namespace: self.spec.namespace.as_str().into(),
            version: self.spec.version.as_deref().map(Into::into),
            exec_mode: self.spec.exec_mode,
            pid: self.life.run().map_or(0, |run| run.pid),
            pm_uptime: self.life.started_at,
            restart_time: self.life.restart_time,
            status: self.life.status(),
            cpu: usage.cpu,
            memory: usage.memory,
            user: self.spec.user().map(Into::into),
            watching: !self.spec.watch.is_off(),
            health: self.health().map(|report| report.state),
            module: self.spec.is_module(),
        }
    }

    /// When the pause before its next run ends, milliseconds since the epoch.
    fn pause_ends(&self, now: Now) -> Option<i64> {
        let deadline = self.deadline.filter(|_| self.life.phase == Phase::Waiting)?;
        Some(now.wall.saturating_add_unsigned(deadline.saturating_sub(now.mono)))
    }

    /// All about it.
    pub(crate) fn info(&self, usage: Usage) -> ProcessInfo {
        ProcessInfo {
            summary: self.summary(usage),
            spec: Arc::clone(&self.spec),
            base_env: Arc::clone(&self.base_env),
            resolved: self.run.resolved.clone(),
            instance: self.instance,
            increment: self.increment,
            unique_id: self.unique_id.to_string(),
            created_at: self.life.created_at,
            unstable_restarts: self.life.unstable_restarts,
            prev_restart_delay: self.life.prev_delay,
            exit: self.life.exit,
            health_report: self.health().cloned(),
            waits_for: Vec::new(),
            error: self.life.error.clone(),
            out_log: self.logs.out.clone(),
            error_log: self.logs.error.clone(),
            combined_log: self.logs.combined.clone(),
            pid_file: self.pid_file.clone(),
            told: self.run.told.clone(),
            next_tick: self.tick.map(|tick| tick.at),
            why: self.life.run().map_or(self.life.why, |run| run.why),
            pause_ends: self.pause_ends(Now::read()),
            unheld: self.run.confinement.unheld().map(ToString::to_string),
        }
    }
}
