//! Taking over what a daemon that died has left: the same processes, ids and counters, and nothing twice.

use rpm_core::{Exit, Persona, ProcessId};

use super::God;
use crate::{
    clock::Now,
    journal::{Kept, Past},
    machine::{Event, Phase, Then},
    procfs::Stat,
    strays::Strays,
    table::Attached,
    tree::Member,
};

impl God {
    /// Puts the processes of `past` into the empty table. Those that live are watched from here on, those that ended
    /// while nobody saw it are treated by their restart rules.
    pub(super) fn recover(&mut self, past: Past, is_handover: bool) {
        let same_boot = past.boot == self.journal.boot();
        if !same_boot && self.home.persona() != Persona::Rpm {
            // Under PM2 what ran before a boot is brought back by `resurrect`, and by nothing else.
            return;
        }
        let now = Now::read();
        let mut strays = None;
        let ids: Vec<ProcessId> = past.processes.iter().map(|kept| kept.id).collect();
        for kept in past.processes {
            if same_boot {
                self.recover_process(kept, &mut strays, now);
            } else {
                self.revive(kept, now);
            }
        }
        self.table.expect_id(past.next_id);
        let mut adopted = 0;
        for id in ids {
            self.arm_tick(id);
            let Some(process) = self.table.get(id) else { continue };
            adopted += usize::from(process.run.adopted.is_some());
            let is_watched = !process.spec.watch.is_off();
            self.rewatch(is_watched, None);
        }
        if !is_handover {
            tracing::warn!(
                "the daemon before this one died: took over {} processes, {adopted} of them running",
                self.table.iter().count()
            );
        }
    }

    /// One process of this boot.
    fn recover_process(&mut self, kept: Kept, strays: &mut Option<Strays>, now: Now) {
        let (id, birth) = (kept.id, kept.birth);
        let phase = kept.life.phase.clone();
        let noted = kept.life.run();
        self.table.restore(kept, &self.home, now);
        if let (Some(run), Some(birth)) = (noted, birth)
            && Self::is_child(run.pid, birth)
        {
            // It may have ended: then it is taken in like any child.
            self.table.own(run.pid, id);
            self.resume(id, Attached { birth: Some(birth), ..Attached::default() });
            return self.go_on(id, &phase, now);
        }
        if let (Some(run), Some(birth)) = (noted, birth)
            && let Some(main) = Member::main(run.pid, birth)
        {
            self.adopt(id, main, birth);
            match phase {
                // What it says can no longer be heard: it is taken to be up, as after its time limit.
                Phase::Launching(_) => self.post(id, Event::Deadline),
                // The new run of a reload is a stray by now, and ends with the next stop.
                Phase::Replacing { old, .. } => {
                    if let Some(process) = self.table.get_mut(id) {
                        process.life.phase = Phase::Online(old);
                    }
                }
                Phase::Draining { run, then } | Phase::Stopping { run, then, .. } => {
                    if let Some(process) = self.table.get_mut(id) {
                        process.life.phase = Phase::Online(run);
                    }
                    self.post(
                        id,
                        match then {
                            Then::Rest => Event::Stop,
                            Then::Start { .. } => Event::Restart,
                            Then::Forget => Event::Delete,
                        },
                    );
                }
                _ => {}
            }
            return;
        }
        let is_wanted = self.table.get(id).is_some_and(|process| process.life.is_wanted_up());
        // The daemon may have died between a spawn and its note of it.
        if is_wanted
            && let Some(stat) = self.unnoted(id, birth, strays)
            && let Some(main) = Member::main(stat.pid, stat.start)
        {
            if let Some(process) = self.table.get_mut(id) {
                process.life.phase = Phase::Starting;
            }
            self.adopt(id, main, stat.start);
            self.feed(id, Event::Spawned { pid: stat.pid });
            return;
        }
        let Some(process) = self.table.get_mut(id) else { return };
        match (phase, noted) {
            (_, Some(run)) => self.post(id, Event::Exited { pid: run.pid, exit: Exit::Unknown }),
            (Phase::Starting, _) => {
                process.life.phase = Phase::Stopped;
                self.post(id, Event::Start);
            }
            (Phase::Waiting, _) => {
                let at = now.mono + process.life.prev_delay;
                process.deadline = Some(at);
                self.deadlines.arm(at as i64, id);
            }
            _ => {}
        }
    }

    /// One process of an earlier boot: whatever ran then is gone, and is started again.
    fn revive(&mut self, kept: Kept, now: Now) {
        let Kept { id, .. } = kept;
        let is_forgotten = matches!(
            kept.life.phase,
            Phase::Draining { then: Then::Forget, .. } | Phase::Stopping { then: Then::Forget, .. }
        );
        let was_up = kept.life.is_wanted_up() && kept.life.phase != Phase::Errored;
        if is_forgotten {
            return;
        }
        let process = self.table.restore(kept, &self.home, now);
        process.run.birth = None;
        if process.life.phase != Phase::Errored {
            process.life.phase = Phase::Stopped;
        }
        if was_up {
            self.post(id, Event::Start);
        }
    }

    /// The main process of a run of `id` that was not noted. What began before the run that was noted is older.
    fn unnoted(&self, id: ProcessId, noted: Option<u64>, strays: &mut Option<Strays>) -> Option<Stat> {
        let strays = strays.get_or_insert_with(|| {
            Strays::look(&self.home).unwrap_or_else(|error| {
                tracing::error!("cannot read /proc: {error}");
                Strays::default()
            })
        });
        strays.main_of(id, |stat| noted.is_some_and(|birth| stat.start <= birth)).cloned()
    }

    /// Watches over a run that an earlier daemon began.
    fn adopt(&mut self, id: ProcessId, main: Member, birth: u64) {
        self.table.own(main.pid, id);
        self.await_end(id, main.pid, main.pidfd());
        self.resume(id, Attached { birth: Some(birth), adopted: Some(main), ..Attached::default() });
    }

    /// What a child was about to do when the image before this one handed over.
    fn go_on(&mut self, id: ProcessId, phase: &Phase, now: Now) {
        let Some(process) = self.table.get_mut(id) else { return };
        let limit = match phase {
            // Its time begins anew.
            Phase::Launching(_) => process.policy.listen_timeout,
            Phase::Draining { .. } | Phase::Stopping { .. } => process.policy.kill_timeout,
            _ => return,
        };
        process.deadline = Some(now.mono + limit);
        self.deadlines.arm((now.mono + limit) as i64, id);
        if let Phase::Stopping { run, .. } = *phase {
            // It was asked; who else has to end is found again.
            process.stopping.get_or_insert_default();
            let members = self.members(id, run.pid);
            self.watch(id, members);
        }
    }
}
