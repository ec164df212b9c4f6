//! The table of processes: ids, names, namespaces, and what a selector means.

mod resolve;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
};

use rpm_core::{
    AppSpec, Env, Exit, Home, MaxParallel, ProcessId, Signal, Watch,
    cron::Tick,
    name::Naming,
    process::Told,
    protocol::{Acted, ProcessRef, Reply},
};
use tokio::sync::mpsc;

use crate::{
    clock::Now,
    confinement::Confinement,
    god::Checking,
    ipc::Channel,
    journal::{GivenAway, Kept},
    logs::{self, Ends, LogPaths, Pump},
    machine::{Life, Phase, Policy, Run},
    meter::Sample,
    orders::Order,
    ready::Signs,
    reap::Used,
    tree::{self, Member},
    verbs::Declaration,
};

/// Where the answers to one request go. It is answered in full when the last clone is dropped.
pub(crate) type Replies = mpsc::Sender<Reply>;

/// One supervised instance of an app.
pub(crate) struct Process {
    pub id: ProcessId,
    pub spec: Arc<AppSpec>,
    /// What `spec` says about its life.
    pub policy: Policy,
    /// What was declared before the reload that is under way, and is again if that fails.
    pub former: Option<Box<Former>>,
    /// The environment of the one who started it.
    pub base_env: Arc<Env>,
    /// Its number among the instances of its app.
    pub instance: u32,
    pub unique_id: Arc<str>,
    pub life: Life,
    /// What was asked of it and has not begun.
    pub ordered: Option<Order>,
    /// When [`crate::machine::Event::Deadline`] is due, on the monotonic clock.
    pub deadline: Option<u64>,
    /// The next tick of its schedule.
    pub tick: Option<Tick>,
    /// How its logs and its pid file are named, and the part of their names that stands for the app.
    pub naming: Naming,
    pub stem: Arc<str>,
    pub logs: LogPaths,
    pub pid_file: PathBuf,
    /// The pid file is there.
    pub shown_pid: bool,
    /// Its output passes through these where lines get a date.
    pub pumps: Option<Pumps>,
    /// Counts its runs: what belongs to an earlier one is dropped.
    pub runs: u64,
    /// What belongs to the present run.
    pub run: Attached,
    /// The run that a reload has started beside it.
    pub second: Option<(i32, Attached)>,
    /// An earlier daemon started runs of it: what is left of their trees may be no children of this one.
    pub has_strays: bool,
    /// It is no process of its own but a run that this process gave away.
    pub retired_from: Option<ProcessId>,
    /// The value of the app's `increment_var`.
    pub increment: Option<i64>,
    /// Actions that were asked of it and are not answered, by name.
    pub triggers: Vec<(String, Replies)>,
    /// Files that it watches changed while it was not up yet: it is restarted as soon as it is.
    pub outdated: bool,
    /// What it watched until a stop ended that.
    pub unwatched: Option<Watch>,
    /// What its run used that has just ended, by its pid.
    pub used: Option<(i32, Used)>,
    /// The health checks of its run.
    pub checking: Option<Box<Checking>>,
    /// A stop that is under way.
    pub stopping: Option<Stopping>,
    /// Who wants to hear when what was asked for is done.
    pub waiters: Vec<Waiter>,
    /// Who wants to hear of the end of its run, or of the one that is about to begin.
    pub followers: Vec<Replies>,
}

/// A declaration that a reload has changed.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub spec: Arc<AppSpec>,
    pub base_env: Arc<Env>,
    /// The run that was started by it, and that the reload is to replace.
    pub pid: i32,
}

/// What belongs to one run of a process.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// Its number among the runs of its process.
    pub number: u64,
    /// The pid of its main process, alive or not, if this daemon has seen it.
    pub pid: Option<i32>,
    /// When it began, in clock ticks since boot: with its pid, its identity.
    pub birth: Option<u64>,
    /// Where its logs ended when it began.
    pub log_ends: Option<Ends>,
    /// It is no child of this daemon: an earlier one started it. Held by a descriptor.
    pub adopted: Option<Member>,
    /// The value of `restart_time` in its environment.
    pub restart_time: u32,
    /// Its IPC channel.
    pub channel: Option<Channel>,
    /// What it told about itself.
    pub told: Told,
    /// Some of what it sent was dropped, and the daemon's log says so.
    pub says_too_much: bool,
    /// What shows whether it is up.
    pub signs: Signs,
    /// What it has in place of the declared `env`, if that is not all of it.
    pub resolved: Option<Box<Env>>,
    /// Who holds it to its limits on memory and CPU.
    pub confinement: Confinement,
    /// What the last look at what it uses has found.
    pub sample: Option<Sample>,
}

/// Both streams of a process whose lines need work, and what they were made for.
pub(crate) struct Pumps {
    pub logs: LogPaths,
    pub form: logs::Form,
    pub out: Pump,
    pub error: Pump,
}

/// What is left of a tree that was signalled.
#[derive(Default)]
pub(crate) struct Stopping {
    /// How the main process ended, if it has.
    pub main: Option<Exit>,
    /// The system did not let us see all of the tree.
    pub unseen: bool,
    /// Others that were seen alive, by pid.
    pub survivors: HashMap<i32, Member>,
}

/// Somebody who waits for a process to settle.
pub(crate) struct Waiter {
    pub replies: Replies,
    /// The process is new by this request.
    pub created: bool,
}

impl Process {
    /// Whether its main process has ended while others of its tree are still to end.
    pub(crate) fn is_headless(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| stopping.main.is_some())
    }

    /// Answers this client when the run that is under way, or is about to begin, has ended. Clients that have left are
    /// forgotten.
    pub(crate) fn follow(&mut self, client: Replies) {
        self.followers.retain(|follower| !follower.is_closed());
        self.followers.push(client);
    }

    /// Gives it a new declaration, in force from the next start on.
    fn declare(&mut self, spec: Arc<AppSpec>, max_parallel: &MaxParallel, home: &Home, now: Now) {
        self.policy = Policy::of(&spec, max_parallel);
        self.logs = LogPaths::of(&spec, &self.stem, home, self.id);
        let pid_file = logs::pid_file(&spec, &self.stem, home, self.id);
        if self.shown_pid && pid_file != self.pid_file {
            // The next run gets another.
            let _ = std::fs::remove_file(&self.pid_file);
            self.shown_pid = false;
        }
        self.pid_file = pid_file;
        self.unwatched = None;
        self.spec = spec;
        self.tick = self.next_tick(now.wall);
    }

    /// The next tick of its schedule that fires after `wall`, milliseconds since the epoch.
    pub(crate) fn next_tick(&self, wall: i64) -> Option<Tick> {
        self.spec.timetable()?.next_after(wall)
    }

    /// Takes the pid file away when nothing runs. Between two runs without a pause it stays: it is written over.
    pub(crate) fn tidy_pid_file(&mut self) {
        if self.shown_pid && self.life.run().is_none() {
            let _ = std::fs::remove_file(&self.pid_file);
            self.shown_pid = false;
        }
    }

    /// What belongs to its run `pid`: the present one, the second of a reload, or the one that such a second is about to
    /// replace.
    pub(crate) fn of_run(&self, pid: i32) -> &Attached {
        match &self.second {
            Some((second, attached)) if *second == pid => attached,
            _ => &self.run,
        }
    }

    /// When the first run began after `birth` that has this number of restarts, in clock ticks since boot: after a reload
    /// that failed, the next run has the number of the one that was given away.
    pub(crate) fn next_of_number(&self, restarts: u32, birth: u64) -> Option<u64> {
        let runs = [Some(&self.run), self.second.as_ref().map(|(_, second)| second)];
        let same = runs.into_iter().flatten().filter(|run| run.restart_time == restarts);
        same.filter_map(|run| run.birth).filter(|&later| later > birth).min()
    }

    /// When its run began, in clock ticks since boot; the last one where it has none.
    pub(crate) fn birth(&self) -> Option<u64> {
        self.life.run().map_or(self.run.birth, |run| self.of_run(run.pid).birth)
    }

    /// Whether it is one of the app that `spec` declares.
    pub(crate) fn is_of(&self, spec: &AppSpec) -> bool {
        self.spec.is_same_app(spec)
    }

    /// Its number and name.
    pub(crate) fn reference(&self) -> ProcessRef {
        ProcessRef { id: self.retired_from.unwrap_or(self.id), name: self.spec.name.clone() }
    }

    /// Signals its main process alone, if it runs and was not taken in yet.
    pub(crate) fn signal_main(&self, signal: Signal) -> io::Result<()> {
        match (self.life.run(), &self.run.adopted) {
            (Some(_), Some(main)) => {
                main.signal(signal);
                Ok(())
            }
            // One that has ended but was not taken in yet keeps its pid: no stranger can have it.
            (Some(run), None) => tree::signal_child(run.pid, signal),
            (None, _) => Ok(()),
        }
    }

    /// What a waiter is told.
    pub(crate) fn acted(&self, created: bool) -> Acted {
        Acted {
            process: self.reference(),
            status: self.life.status(),
            created,
            script: created.then(|| self.spec.script.clone()),
            cron: self.spec.cron_restart.as_ref().map(ToString::to_string),
            error: self.life.error.clone(),
        }
    }
}

/// How many numbers there are for runs that were given away, at the upper end of all.
const RETIRED: u32 = 1 << 30;

/// All processes.
#[derive(Default)]
pub(crate) struct Table {
    processes: BTreeMap<ProcessId, Process>,
    /// Runs that their processes gave away, until they have ended. They have numbers of their own, which nobody sees.
    retired: BTreeMap<ProcessId, Process>,
    next_retired: u32,
    /// The live main processes.
    by_pid: HashMap<i32, ProcessId>,
    /// Ids grow, and begin again at 0 when the table is empty.
    next_id: u32,
    max_parallel: MaxParallel,
}

impl Table {
    /// How many tasks may run at the same time.
    pub(crate) fn max_parallel(&self) -> &MaxParallel {
        &self.max_parallel
    }

    /// Makes that another number.
    pub(crate) fn limit(&mut self, max_parallel: MaxParallel) {
        for process in self.processes.values_mut() {
            process.policy = Policy::of(&process.spec, &max_parallel);
        }
        self.max_parallel = max_parallel;
    }

    /// Gives a process that is there a new declaration, in force from the next start on.
    pub(crate) fn redeclare(&mut self, id: ProcessId, spec: Arc<AppSpec>, home: &Home, now: Now) -> bool {
        let Some(process) = self.processes.get(&id) else { return false };
        let renamed = !process.is_of(&spec);
        let named = renamed.then(|| self.naming(&spec, None, home));
        let Some(process) = self.processes.get_mut(&id) else { return false };
        if let Some((naming, stem)) = named {
            (process.naming, process.stem) = (naming, stem);
        }
        process.declare(spec, &self.max_parallel, home, now);
        true
    }

    /// Declares one process of `spec`.
    pub(crate) fn declare(&mut self, declaration: Declaration, home: &Home, now: Now) -> &mut Process {
        let Declaration { spec, base_env, unique_id, naming } = declaration;
        if self.processes.is_empty() {
            self.next_id = 0;
        }
        let declared = Kept {
            id: ProcessId(self.next_id),
            instance: self.free_instance(&spec),
            unique_id,
            increment: self.next_increment(&spec),
            naming: self.naming(&spec, naming, home).0,
            life: Life::new(now),
            birth: None,
            log_ends: None,
            is_life_lost: false,
            ordered: None,
            spec,
            base_env,
            former: None,
        };
        self.restore(declared, home, now)
    }

    /// Puts a process in as it was kept.
    pub(crate) fn restore(&mut self, kept: Kept, home: &Home, now: Now) -> &mut Process {
        let Kept {
            id,
            spec,
            base_env,
            former,
            instance,
            unique_id,
            increment,
            naming,
            life,
            birth,
            log_ends,
            is_life_lost: _,
            ordered,
        } = kept;
        self.expect_id(id.0.saturating_add(1));
        let stem: Arc<str> = naming.stem(&spec).into();
        let mut process = Process {
            id,
            policy: Policy::of(&spec, &self.max_parallel),
            former: former.map(Box::new),
            base_env,
            instance,
            unique_id,
            ordered,
            deadline: None,
            tick: None,
            naming,
            logs: LogPaths::of(&spec, &stem, home, id),
            pid_file: logs::pid_file(&spec, &stem, home, id),
            stem,
            shown_pid: life.run().is_some(),
            life,
            pumps: None,
            runs: 0,
            run: Attached { birth, log_ends, ..Attached::default() },
            second: None,
            has_strays: false,
            retired_from: None,
            increment,
            triggers: Vec::new(),
            outdated: false,
            unwatched: None,
            used: None,
            spec,
            checking: None,
            stopping: None,
            waiters: Vec::new(),
            followers: Vec::new(),
        };
        process.tick = process.next_tick(now.wall);
        self.processes.entry(id).or_insert(process)
    }

    /// The number that the next process gets.
    pub(crate) fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Numbers below `next` were given.
    pub(crate) fn expect_id(&mut self, next: u32) {
        self.next_id = self.next_id.max(next);
    }

    /// The lowest number that no process of this app has.
    fn free_instance(&self, spec: &AppSpec) -> u32 {
        let mut taken: Vec<u32> = self.of_app(spec).map(|process| process.instance).collect();
        taken.sort_unstable();
        taken.into_iter().zip(0..).take_while(|(instance, n)| instance == n).count() as u32
    }

    /// How the files of a new process of `spec` are named: as those of its app that is there, else as it was saved, else as
    /// its home does it. Where another app has the files of that name, the name is exact; apps of earlier versions, and
    /// all of PM2, share what they shared.
    fn naming(&self, spec: &AppSpec, saved: Option<Naming>, home: &Home) -> (Naming, Arc<str>) {
        if let Some(sibling) = self.iter().find(|process| process.is_of(spec)) {
            return (sibling.naming, Arc::clone(&sibling.stem));
        }
        let naming = saved.unwrap_or(Naming::of_new(home.persona()));
        let stem = naming.stem(spec);
        if naming == Naming::Plain && self.iter().any(|process| *process.stem == *stem) {
            return (Naming::Exact, Naming::Exact.stem(spec).into());
        }
        (naming, stem.into())
    }

    /// The value of the app's `increment_var` for its next process: one more than the highest so far; at first what
    /// its environment says, as a number.
    fn next_increment(&self, spec: &AppSpec) -> Option<i64> {
        let name = spec.increment_var.as_ref()?;
        let highest = self.of_app(spec).filter_map(|process| process.increment).max();
        let declared = || spec.env.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        Some(highest.map_or_else(declared, |highest| highest + 1))
    }

    pub(crate) fn get(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id).or_else(|| self.retired.get(&id))
    }

    pub(crate) fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.processes.get_mut(&id).or_else(|| self.retired.get_mut(&id))
    }

    /// Takes a process out.
    pub(crate) fn remove(&mut self, id: ProcessId) -> Option<Process> {
        self.processes.remove(&id).or_else(|| self.retired.remove(&id))
    }

    /// Makes an entry of its own, which [`Self::iter`] leaves out, of a run that the process `id` gives away.
    pub(crate) fn give_away(
        &mut self,
        id: ProcessId,
        run: Run,
        attached: Attached,
        now: Now,
    ) -> Option<ProcessId> {
        let process = self.processes.get(&id)?;
        // Of one that was taken in already, only the rest of its tree is left to end; its pid may be another's by now.
        let is_gone = !self.by_pid.contains_key(&run.pid);
        let own = ProcessId(u32::MAX - self.next_retired);
        self.next_retired = (self.next_retired + 1) % RETIRED;
        let retired = Process {
            id: own,
            spec: Arc::clone(&process.spec),
            policy: process.policy.clone(),
            former: None,
            base_env: Arc::clone(&process.base_env),
            instance: process.instance,
            unique_id: Arc::clone(&process.unique_id),
            ordered: None,
            life: Life { phase: Phase::Online(run), ..Life::new(now) },
            deadline: None,
            tick: None,
            naming: process.naming,
            stem: Arc::clone(&process.stem),
            logs: process.logs.clone(),
            pid_file: process.pid_file.clone(),
            shown_pid: false,
            pumps: None,
            runs: attached.number,
            run: attached,
            second: None,
            has_strays: process.has_strays,
            retired_from: Some(id),
            increment: process.increment,
            triggers: Vec::new(),
            outdated: false,
            unwatched: None,
            used: None,
            checking: None,
            stopping: is_gone.then(|| Stopping { main: Some(Exit::Unknown), ..Stopping::default() }),
            waiters: Vec::new(),
            followers: Vec::new(),
        };
        self.retired.insert(own, retired);
        if !is_gone {
            self.own(run.pid, own);
        }
        Some(own)
    }

    /// The runs that processes gave away and that have not ended.
    pub(crate) fn retired(&self) -> impl Iterator<Item = &Process> {
        self.retired.values()
    }

    /// What the journal says of them.
    pub(crate) fn given_away(&self) -> impl Iterator<Item = GivenAway> {
        self.retired().filter_map(|process| {
            let (id, pid) = (process.retired_from?, process.life.run()?.pid);
            GivenAway::of(id, pid, &process.run)
        })
    }

    /// All, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// All, by id.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.processes.values_mut()
    }

    /// All but modules, by id: what a dump keeps.
    pub(crate) fn apps(&self) -> impl Iterator<Item = &Process> {
        self.iter().filter(|process| !process.spec.is_module())
    }

    /// The processes of the app that `spec` declares, by id.
    pub(crate) fn of_app(&self, spec: &AppSpec) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(move |process| process.is_of(spec))
    }

    /// The processes of the apps that `word` names, in whatever namespace; without such an app, of the one with this
    /// `namespace/name`.
    pub(crate) fn called(&self, word: &str) -> Vec<&Process> {
        let named: Vec<_> = self.iter().filter(|process| process.spec.name == word).collect();
        if named.is_empty() {
            self.iter().filter(|process| process.spec.is_called(word)).collect()
        } else {
            named
        }
    }

    /// The processes of the apps that `app` means by the name of another: see [`rpm_core::AppIndex::meant`].
    pub(crate) fn meant(&self, app: &AppSpec, word: &str) -> Vec<&Process> {
        let is_meant =
            |process: &&Process| process.spec.name == word && process.spec.namespace == app.namespace;
        let same: Vec<_> = self.iter().filter(is_meant).collect();
        if same.is_empty() { self.called(word) } else { same }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.retired.is_empty()
    }

    /// `pid` is the main process of `id` from now on.
    pub(crate) fn own(&mut self, pid: i32, id: ProcessId) {
        self.by_pid.insert(pid, id);
    }

    /// `pid` has ended; whose main process it was.
    pub(crate) fn disown(&mut self, pid: i32) -> Option<ProcessId> {
        self.by_pid.remove(&pid)
    }

    /// Whether `pid` is the main process of one of ours.
    pub(crate) fn is_main(&self, pid: i32) -> bool {
        self.by_pid.contains_key(&pid)
    }
}
