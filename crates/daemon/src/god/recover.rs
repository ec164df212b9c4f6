//! Taking over what a daemon that died has left: the same processes, ids and counters, and nothing twice.

use std::io;

use rpm_core::{AppSpec, Cause, Exit, Persona, ProcessId, Signal, Why, name::printable, protocol::Failure};

use super::{God, Needed};
use crate::{
    cgroup::Group,
    clock::Now,
    confinement::Confinement,
    journal::{GivenAway, Kept, Past},
    machine::{Event, Phase, Run, Stage, Then},
    orders::Order,
    procfs::{Stat, variable},
    ready::{Listener, Signs},
    strays::{Stray, Strays},
    table::{Attached, Stopping},
    tree::Member,
    unowned::{Unowned, words},
};

impl God {
    /// Puts the processes of `past` into the empty table. Those that live are watched from here on, those that ended
    /// while nobody saw it are treated by their restart rules.
    ///
    /// What is to be done is only queued: until the journal is written anew, the old one says what it said. An error is
    /// that the system does not let us look at or hold what lives; then none of it was touched.
    pub(super) fn recover(&mut self, past: Past, is_handover: bool) -> io::Result<()> {
        let same_boot = past.boot == self.journal.boot();
        if !same_boot && self.home.persona() != Persona::Rpm {
            // Under PM2 what ran before a boot is brought back by `resurrect`, and by nothing else.
            return Ok(());
        }
        if !same_boot && past.is_ending {
            // The machine went down before all had ended: what was forgotten by then is in the list that was saved.
            self.bring_back();
            return Ok(());
        }
        let now = Now::read();
        let mut strays = None;
        let up = past.processes.iter().filter(|kept| was_up(kept));
        let needed = Needed::by(up.map(|kept| &*kept.spec));
        let ids: Vec<ProcessId> = past.processes.iter().map(|kept| kept.id).collect();
        for kept in past.processes {
            if same_boot {
                self.recover_process(kept, &mut strays, now)?;
            } else {
                self.revive(kept, &needed, now);
            }
        }
        for given in past.given_away.iter().filter(|_| same_boot) {
            self.recover_given(given, &mut strays)?;
        }
        self.table.expect_id(past.next_id);
        if same_boot && !is_handover {
            self.report_unowned(Strays::once(&mut strays, &self.identity)?);
        }
        let mut adopted = 0;
        self.catch_up(&ids);
        for id in ids {
            self.give_back(id);
            self.arm_tick(id);
            self.attend(id);
            let Some(process) = self.table.get(id) else { continue };
            adopted += usize::from(process.run.adopted.is_some());
            let is_watched = !process.spec.watch.is_off();
            self.rewatch(is_watched, None);
        }
        self.recover_orders();
        if !is_handover {
            tracing::warn!(
                "the daemon before this one died: took over {} processes, {adopted} of them running",
                self.table.iter().count()
            );
        }
        Ok(())
    }

    /// Reports what runs without a record, which was damaged: its numbers are given to no other process.
    fn report_unowned(&mut self, strays: &Strays) {
        self.unowned = Unowned::among(strays, |id| self.table.get(id).is_some());
        for unowned in &self.unowned {
            self.table.expect_id(unowned.id.0.saturating_add(1));
            tracing::error!(
                "processes of app {:?} run (pids {}), but no process {} is in the list: its record was lost",
                printable(&unowned.name),
                words(unowned.living()),
                unowned.id
            );
        }
    }

    /// Fails if processes of one of `apps` run of which this daemon only knows that they do.
    pub(crate) fn check_unowned(&self, apps: &[AppSpec]) -> Result<(), Failure> {
        for app in apps {
            let is_its = |unowned: &&Unowned| unowned.name == app.name && unowned.namespace == app.namespace;
            let pids: Vec<_> = self.unowned.iter().filter(is_its).flat_map(Unowned::living).collect();
            if !pids.is_empty() {
                let pids = words(pids);
                return Err(Failure::BadRequest(format!(
                    "processes of app {:?} run already, without an entry in the list, because its record was lost: end \
                     them (`kill {pids}`), then start it",
                    printable(&app.name),
                )));
            }
        }
        Ok(())
    }

    /// Does the rest of what was asked of the daemon before.
    fn recover_orders(&mut self) {
        let (mut stopped, mut deleted) = (Vec::new(), Vec::new());
        let ordered: Vec<_> =
            self.table.iter().filter_map(|process| Some((process.id, process.ordered?))).collect();
        for (id, order) in ordered {
            match order {
                Order::Stop => stopped.push(id),
                Order::Delete => deleted.push(id),
                Order::Start(_) | Order::Restart(_) | Order::Release => self.post(id, order.event()),
            }
        }
        for (ids, event) in [(stopped, Event::Stop), (deleted, Event::Delete)] {
            if !ids.is_empty() {
                self.unwind(&ids, &event, None);
            }
        }
    }

    /// One process of this boot.
    fn recover_process(&mut self, kept: Kept, strays: &mut Option<Strays>, now: Now) -> io::Result<()> {
        let (id, birth, is_life_lost) = (kept.id, kept.birth, kept.is_life_lost);
        let phase = kept.life.phase.clone();
        let noted = kept.life.run();
        let process = self.table.restore(kept, &self.home, now);
        process.has_strays = true;
        let treekill = process.spec.treekill;
        if let (Some(run), Some(birth)) = (noted, birth)
            && is_child(run.pid, birth)
        {
            // It may have ended: then it is taken in like any child.
            self.table.own(run.pid, id);
            self.resume(id, Attached { birth: Some(birth), ..Attached::default() });
            self.go_on(id, &phase, now);
            return Ok(());
        }
        if let (Some(run), Some(birth)) = (noted, birth)
            && let Some(main) = Member::main(run.pid, birth)?
        {
            self.adopt(id, main, birth);
            match phase {
                Phase::Replacing { old, .. } => self.resume_reload(id, old, birth, strays)?,
                _ => self.post(id, Event::Resume),
            }
            return Ok(());
        }
        if let Phase::Stopping { .. } | Phase::Draining { .. } = phase
            && treekill
        {
            // The rest of its tree may be there.
            if let Some(process) = self.table.get_mut(id) {
                process.stopping = Some(Stopping { main: Some(Exit::Unknown), ..Stopping::default() });
            }
            self.post(id, Event::Resume);
            return Ok(());
        }
        if is_life_lost {
            self.recall_restarts(id, strays)?;
        }
        // The daemon may have died between a spawn and its note of it.
        if let Some(stat) = self.unnoted(id, birth, strays)?
            && let Some(main) = Member::main(stat.pid, stat.start)?
        {
            if let Some(process) = self.table.get_mut(id) {
                process.life.phase = Phase::Starting;
                process.run.log_ends = None;
            }
            self.adopt(id, main, stat.start);
            // At once: the journal must not have the birth of a run that it does not know.
            self.feed(id, Event::Found { pid: stat.pid, started: Now::of_birth(stat.start) });
            return Ok(());
        }
        if phase == Phase::Starting
            && let Some(started) = self.begun.when(id)
        {
            // At once, as above.
            let pid = Run::UNKNOWN;
            self.feed(id, Event::Found { pid, started });
            self.post(id, Event::Exited { pid, exit: Exit::Unknown });
            return Ok(());
        }
        let Some(process) = self.table.get_mut(id) else { return Ok(()) };
        // No run of a reload is left: the phase must not go on naming one that nothing watches.
        if let Phase::Replacing { old, .. } = phase {
            process.life.phase = Phase::Online(old);
        }
        // A worker lives by its channel to the daemon.
        let is_bereft = process.spec.is_cluster();
        match (phase, noted) {
            (_, Some(Run { pid, .. })) if is_bereft => {
                self.post(id, Event::Bereft { pid, exit: Exit::Unknown });
            }
            (_, Some(Run { pid, .. })) => {
                let exit = Exit::Unknown;
                let leaves_others = self.leaves_others(id, pid, exit);
                self.post(
                    id,
                    if leaves_others { Event::Left { pid, exit } } else { Event::Exited { pid, exit } },
                );
            }
            (Phase::Waiting, _) => {
                let at = now.mono + process.life.prev_delay;
                process.deadline = Some(at);
                self.deadlines.arm(at as i64, id);
            }
            _ => self.post(id, Event::Resume),
        }
        Ok(())
    }

    /// Takes the number of restarts, of which no record is left, from the latest run of `id` that lives.
    fn recall_restarts(&mut self, id: ProcessId, strays: &mut Option<Strays>) -> io::Result<()> {
        let Some(process) = self.table.get_mut(id) else { return Ok(()) };
        let of_process = Strays::once(strays, &self.identity)?.of(id, process.spec.uid);
        let leaders = of_process.filter(|stray| stray.stat.session == stray.stat.pid);
        if let Some(restarts) = leaders.filter_map(|stray| stray.restarts).max() {
            process.life.restart_time = restarts;
        }
        Ok(())
    }

    /// A reload that was under way, whose old run lives. Its new run, if there is one, goes on from when it really began.
    fn resume_reload(
        &mut self,
        id: ProcessId,
        old: Run,
        birth: u64,
        strays: &mut Option<Strays>,
    ) -> io::Result<()> {
        let Some(process) = self.table.get_mut(id) else { return Ok(()) };
        let restarts = process.life.restart_time + 1;
        let user = process.spec.uid;
        let noted = second_of(&process.life.phase);
        let found = Strays::once(strays, &self.identity)?.main_of(id, user, |stray| {
            stray.stat.start >= birth
                && stray.restarts == Some(restarts)
                && noted.is_none_or(|pid| pid == stray.stat.pid)
        });
        let new = match found {
            Some(stat) => Member::main(stat.pid, stat.start)?.map(|main| (stat.start, main)),
            None => None,
        };
        let Some((birth, main)) = new else {
            process.life.phase = Phase::Online(old);
            return Ok(());
        };
        let (started, why) = (Now::of_birth(birth), process.life.why);
        let run = Run { pid: main.pid, started, stage: Stage::Spawned, why };
        process.life.phase = Phase::Replacing { old, new: Some(run) };
        process.runs += 1;
        let attached = Attached {
            number: process.runs,
            pid: Some(main.pid),
            birth: Some(birth),
            adopted: Some(main.clone()),
            restart_time: restarts,
            ..Attached::default()
        };
        process.second = Some((main.pid, attached));
        self.table.own(main.pid, id);
        self.await_end(id, main.pid, main.pidfd());
        self.post(id, Event::Resume);
        Ok(())
    }

    /// A reload had changed the declaration, and neither the new run nor a note of its failure is there: what was
    /// declared before is what works.
    fn give_back(&mut self, id: ProcessId) {
        let Some(process) = self.table.get(id) else { return };
        let former = process.former.as_ref().map(|former| former.pid);
        if let Phase::Online(run) = process.life.phase
            && former == Some(run.pid)
        {
            self.revert(id);
        }
    }

    /// A run that a reload had given away, to be ended: what is left of it is.
    fn recover_given(&mut self, given: &GivenAway, strays: &mut Option<Strays>) -> io::Result<()> {
        let &GivenAway { id, pid, birth, restarts } = given;
        let main = Member::main(pid, birth)?;
        let process = self.table.get(id);
        let user = process.and_then(|process| process.spec.uid);
        let before = process.and_then(|process| process.next_of_number(restarts, birth));
        let is_of_run = |stray: &&Stray| {
            stray.restarts == Some(restarts)
                && stray.stat.start >= birth
                && before.is_none_or(|before| stray.stat.start < before)
        };
        let mut tree = Strays::once(strays, &self.identity)?.of(id, user).filter(is_of_run);
        let Some(process) = process else {
            // Its process was deleted: nobody says any more how it is to be asked to end.
            for stray in tree {
                if let Some(member) = Member::main(stray.stat.pid, stray.stat.start)? {
                    member.signal(Signal::KILL);
                }
            }
            return Ok(());
        };
        let is_kept = process.life.run().is_some_and(|run| run.pid == pid)
            || process.second.as_ref().is_some_and(|(second, _)| *second == pid);
        if is_kept || (main.is_none() && tree.next().is_none()) {
            return Ok(());
        }
        let run = Run { pid, started: Now::read(), stage: Stage::Spawned, why: Why::default() };
        if main.is_some() {
            self.table.own(pid, id);
        }
        let attached = Attached {
            birth: Some(birth),
            adopted: main.clone(),
            restart_time: restarts,
            ..Attached::default()
        };
        if let Some(retired) = self.table.give_away(id, run, attached, Now::read()) {
            if let Some(main) = main {
                self.await_end(retired, pid, main.pidfd());
            }
            self.post(retired, Event::Delete);
        }
        Ok(())
    }

    /// One process of an earlier boot: whatever ran then is gone, and is started again.
    fn revive(&mut self, kept: Kept, needed: &Needed, now: Now) {
        let Kept { id, .. } = kept;
        let is_forgotten =
            kept.life.is_leaving() || matches!(kept.ordered, Some(Order::Delete | Order::Release));
        let was_up = (was_up(&kept) || needed.has(&kept.spec)) && !kept.spec.cron_only;
        if is_forgotten {
            return;
        }
        let lost = kept.life.run();
        let process = self.table.restore(kept, &self.home, now);
        process.run.birth = None;
        process.ordered = None;
        if process.life.phase != Phase::Errored {
            process.life.phase = Phase::Stopped;
        }
        if was_up {
            // What has to be done for it is done when that stands in the journal.
            let _ = process.life.step(&process.policy, Event::Start(Cause::Boot.into()), now);
            self.post(id, Event::Resume);
        }
        if let Some(run) = lost {
            self.ended_with_the_machine(id, run, was_up);
        }
    }

    /// The main process of a run of `id` that was not noted: the one that was about to be spawned, or a later one than
    /// was noted if the disk was full. What else leads a session there was started by the run that was noted, or by an
    /// earlier one; its environment has their number of restarts.
    fn unnoted(
        &self,
        id: ProcessId,
        noted: Option<u64>,
        strays: &mut Option<Strays>,
    ) -> io::Result<Option<Stat>> {
        let Some(process) = self.table.get(id).filter(|process| process.life.is_wanted_up()) else {
            return Ok(None);
        };
        let life = &process.life;
        let is_next = |restarts| match life.phase {
            Phase::Starting => restarts == life.restart_time,
            // It was noted when the system had no means to read when it began.
            Phase::Launching(_) | Phase::Online(_) if noted.is_none() => restarts >= life.restart_time,
            _ => restarts > life.restart_time,
        };
        // Beside a new run that was noted there is none that was not: what else leads a session is what it has started.
        let second = second_of(&life.phase);
        let strays = Strays::once(strays, &self.identity)?;
        let is_of_run = |stray: &Stray| {
            second.is_none_or(|pid| pid == stray.stat.pid)
                && noted.is_none_or(|birth| stray.stat.start > birth)
                && stray.restarts.is_some_and(is_next)
        };
        Ok(strays.main_of(id, process.spec.uid, is_of_run).cloned())
    }

    /// Watches over a run that an earlier daemon began.
    fn adopt(&mut self, id: ProcessId, main: Member, birth: u64) {
        self.table.own(main.pid, id);
        self.await_end(id, main.pid, main.pidfd());
        let (pid, adopted) = (main.pid, Some(main));
        self.resume(id, Attached { birth: Some(birth), adopted, ..Attached::default() });
        let Some(process) = self.table.get_mut(id) else { return };
        if let Some(value) = variable(pid, "NOTIFY_SOCKET").filter(|_| Signs::are_notified(&process.spec)) {
            let listener = Listener { id, run: process.run.number, inbox: self.messages.clone() };
            match Signs::again(&process.spec, &value, &listener) {
                Ok(signs) => process.run.signs = signs,
                Err(error) => tracing::error!("notifications of process {id}: {error}"),
            }
        }
    }

    /// Everything that belongs to a run but its process: pumps, rotation, limits.
    fn resume(&mut self, id: ProcessId, run: Attached) {
        let Some(process) = self.table.get_mut(id) else { return };
        process.runs += 1;
        let restart_time = process.life.restart_time;
        let pid = process.life.run().map(|run| run.pid);
        process.run =
            Attached { number: process.runs, pid, log_ends: process.run.log_ends, restart_time, ..run };
        if let Err(error) = super::starting::prepare_pumps(process, &self.home, &self.pumping) {
            tracing::error!("{error}");
        }
        process.recall_environment();
        self.rotator.expect(&process.logs);
        if let Some(run) = process.life.run() {
            process.run.confinement = Confinement::of(&process.spec, |limits| Group::of(run.pid, limits));
        }
        if process.needs_checks() {
            self.expect_checks();
        }
    }

    /// What a child was about to do when the image before this one handed over.
    fn go_on(&mut self, id: ProcessId, phase: &Phase, now: Now) {
        let Some(process) = self.table.get_mut(id) else { return };
        let limit = match phase {
            // Its time begins anew.
            Phase::Launching(_) => process.policy.listen_timeout,
            Phase::Draining { .. } | Phase::Stopping { .. } => process.policy.kill_timeout,
            _ => return self.post(id, Event::Resume),
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

/// Whether it ran, or was about to, when the daemon before ended.
fn was_up(kept: &Kept) -> bool {
    match kept.ordered {
        Some(order) => order.wants_up(),
        None => match kept.life.phase {
            Phase::Errored => false,
            // A task has run; what is kept up is to be up again.
            Phase::Stopping { then: Then::Ended { .. }, .. } => kept.spec.autorestart,
            _ => kept.life.is_wanted_up(),
        },
    }
}

/// The pid of the new run of a reload, if it was noted.
fn second_of(phase: &Phase) -> Option<i32> {
    match phase {
        Phase::Replacing { new, .. } => new.map(|run| run.pid),
        _ => None,
    }
}

/// Whether that run is a child of this process: the image before this one began it.
fn is_child(pid: i32, birth: u64) -> bool {
    let me = std::process::id() as i32;
    Stat::read(pid).is_some_and(|stat| stat.start == birth && stat.ppid == me)
}
