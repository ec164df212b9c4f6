//! The ticks of schedules: when the next one is, which fire now, and which were missed.

use std::collections::HashSet;

use rpm_core::{AppSpec, Cause, ProcessId, Why};

use super::God;
use crate::{clock::Now, machine::Event};

/// A tick that fires so much later, milliseconds, was missed: the machine slept.
const LATE: i64 = 60_000;

impl God {
    /// When the next tick fires, of an app or of the rotation of logs.
    pub(super) fn next_tick(&mut self) -> Option<i64> {
        let Self { ticks, table, rotator, .. } = self;
        let tick = ticks.next(|id| table.get(id).and_then(|process| process.tick).map(|tick| tick.at));
        [tick, rotator.tick()].into_iter().flatten().min()
    }

    /// Schedules one process's next tick.
    pub(crate) fn arm_tick(&mut self, id: ProcessId) {
        if let Some(tick) = self.table.get(id).and_then(|process| process.tick) {
            self.ticks.arm(tick.at, id);
        }
    }

    /// Fires the ticks that are due. After a jump of the wall clock those that are not due are computed anew.
    pub(super) fn fire_ticks(&mut self, clock_jumped: bool) {
        let now = Now::read().wall;
        self.fire_rotation(now, clock_jumped);
        while let Some(id) = {
            let Self { ticks, table, .. } = self;
            ticks.due(now, |id| table.get(id).and_then(|process| process.tick).map(|tick| tick.at))
        } {
            if let Some(process) = self.table.get_mut(id)
                && let Some(tick) = process.tick
            {
                process.tick = process.next_tick(now);
                if process.spec.cron_catch_up {
                    self.fired.push((process.spec.key(), now));
                }
                let cause = if now - tick.at > LATE { Cause::CatchUp } else { Cause::Cron };
                self.post(id, Event::Tick(Why { cause, due: Some(tick.due) }));
            }
            self.arm_tick(id);
        }
        if clock_jumped {
            let ids: Vec<_> = self.table.iter().map(|process| process.id).collect();
            for id in ids {
                if let Some(process) = self.table.get_mut(id) {
                    process.tick = process.next_tick(now);
                }
                self.arm_tick(id);
            }
        }
    }

    /// Makes up for ticks that these processes, which are new in the table, have missed; once each, unless it is about to
    /// be started anyway.
    pub(crate) fn catch_up(&mut self, ids: &[ProcessId]) {
        let asks = |id: &&ProcessId| self.table.get(**id).is_some_and(|process| process.spec.cron_catch_up);
        let ids: Vec<_> = ids.iter().filter(asks).copied().collect();
        if ids.is_empty() {
            return;
        }
        let now = Now::read().wall;
        let starts = self.queue.iter().filter(|(_, event)| matches!(event, Event::Start(_)));
        let under_way: HashSet<_> = starts.map(|(id, _)| *id).collect();
        let missed: Vec<_> = ids.iter().filter_map(|&id| Some((id, self.missed_tick(id, now)?))).collect();
        for &id in &ids {
            if let Some(process) = self.table.get(id) {
                self.fired.push((process.spec.key(), now));
            }
        }
        for (id, due) in missed.into_iter().filter(|(id, _)| !under_way.contains(id)) {
            tracing::info!("process {id} has missed a tick of its schedule and makes up for it");
            self.post(id, Event::Tick(Why { cause: Cause::CatchUp, due: Some(due) }));
        }
    }

    /// The last tick that a process has missed.
    fn missed_tick(&self, id: ProcessId, now: i64) -> Option<i64> {
        let process = self.table.get(id)?;
        let seen = self.seen.until(&process.spec.key())?;
        // The file of ticks is written after the journal.
        let seen = process.life.ticked.map_or(seen, |ticked| ticked.max(seen));
        process.spec.timetable()?.last_between(seen, now)
    }

    /// Records ticks as seen once all that were queued are in the journal: a daemon that dies before leaves the rest to
    /// the next one, which finds in the journal which processes have followed them.
    pub(super) fn store_seen(&mut self) {
        if !self.fired.is_empty() && !self.queue.iter().any(|(_, event)| matches!(event, Event::Tick(_))) {
            for (app, time) in std::mem::take(&mut self.fired) {
                // It may have been deleted meanwhile.
                if self.is_ending()
                    || self
                        .table
                        .iter()
                        .any(|process| process.spec.cron_catch_up && process.spec.key() == app)
                {
                    self.seen.note(&app, time);
                }
            }
        }
        self.seen.store();
    }

    /// A process has a new declaration: what was seen of another schedule means nothing.
    pub(crate) fn see_anew(&mut self, id: ProcessId) {
        let Some(process) = self.table.get(id) else { return };
        if process.spec.cron_catch_up {
            self.seen.note(&process.spec.key(), Now::read().wall);
        } else {
            self.seen.forget(&process.spec.key());
        }
    }

    /// A process of `app` has left the table. What `kill` takes out may come back.
    pub(super) fn unsee(&mut self, app: &AppSpec) {
        if !self.is_ending() && self.table.of_app(app).next().is_none() {
            self.seen.forget(&app.key());
        }
    }
}
