//! The event loop: what happens goes through the machine of one process, and the effects are carried out.
//!
//! Everything runs on one thread. Whatever is to be done with a process goes through a queue, and the loop looks at
//! its inputs between slices of it: starting 2,000 processes does not keep anybody else waiting.

mod checking;
mod depending;
mod effects;
mod gate;
mod hear;
mod history;
mod homeless;
mod inform;
mod leftovers;
mod limits;
mod recover;
mod reloading;
mod rotating;
mod schedules;
mod starting;
mod update;
mod waiting;
mod watching;

pub(crate) use self::{checking::Checking, depending::Needed, reloading::Change, watching::check_watch};

use std::{
    cell::{Cell, OnceCell},
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use rpm_core::{
    AppKey, AppSpec, Cause, Exit, Home, ProcessId,
    protocol::{Event as Told, EventKind, Failure, Reply, Request},
};
use tokio::sync::mpsc;

use crate::{
    alarm::Alarm,
    begun::Begun,
    clock::Now,
    code,
    descriptors::{Limit, Reserve},
    handover::{Handover, Lifeline},
    history::History,
    home_watch::HomeWatch,
    identity::Identity,
    ipc::Received,
    journal::{GivenAway, Journal, Past},
    logs::Pumping,
    machine::{Effect, Event, Phase},
    meter::Meter,
    node::Cluster,
    orders::Order,
    os_signals::{Asked, OsSignals},
    places::Places,
    procfs::Kinship,
    ready::Signs,
    reap,
    seen::Seen,
    server::{Call, Listener},
    service,
    settings::Settings,
    sockets::Sockets,
    strays::Strays,
    table::{Replies, Table},
    timers::Timers,
    traffic::Traffic,
    unowned::Unowned,
    verbs::Growths,
    watch::Watcher,
};

use self::{
    checking::Checks, depending::Dependents, history::Unread, leftovers::Leftovers, reloading::Rolling,
    rotating::Rotator, waiting::Waiting,
};

/// How long the queue is worked on before the inputs are looked at again.
const SLICE: Duration = Duration::from_millis(2);

/// How long one look at `/proc` serves the stops that are asked for together.
const LOOK_LIFE: Duration = Duration::from_millis(20);

/// IPC messages that may wait. Then the children that send them wait.
const MESSAGES: usize = 256;

/// Bounds the messages of apps that wait for one subscriber: the cost of the next one times their number.
const BACKLOG_COST: usize = 16 << 20;

/// How trees are looked at, for the stops that are asked for together.
struct Look {
    taken: Instant,
    kinship: Kinship,
    /// Children that this daemon did not start.
    orphans: OnceCell<Vec<i32>>,
    /// Read when the first process is stopped that an earlier daemon may have started.
    strays: OnceCell<Strays>,
    /// How long that took.
    searched: Cell<Duration>,
}

impl Look {
    fn new(kinship: Kinship) -> Self {
        Self {
            taken: Instant::now(),
            kinship,
            orphans: OnceCell::new(),
            strays: OnceCell::new(),
            searched: Cell::default(),
        }
    }

    /// Too old to go by. What took long to find is good for longer, or nothing else would be done.
    fn is_stale(&self) -> bool {
        self.taken.elapsed() > LOOK_LIFE + self.searched.get() * 10
    }

    /// The list of all children is as long as there are processes: it is read once for all stops.
    fn orphans(&self, is_main: impl Fn(i32) -> bool) -> io::Result<&[i32]> {
        if self.orphans.get().is_none() {
            let mut children = self.kinship.children(std::process::id() as i32)?;
            children.retain(|&pid| !is_main(pid));
            let _ = self.orphans.set(children);
        }
        Ok(self.orphans.get().map_or(&[], Vec::as_slice))
    }

    fn strays(&self, home: &Identity) -> io::Result<&Strays> {
        if self.strays.get().is_none() {
            let began = Instant::now();
            let found = Strays::look(home)?;
            self.searched.set(began.elapsed());
            let _ = self.strays.set(found);
        }
        Ok(self.strays.get_or_init(Strays::default))
    }
}

/// A process that is no child has ended: an adopted one, or one of a tree that is being stopped.
struct Gone {
    id: ProcessId,
    pid: i32,
    /// Known of main processes at most.
    exit: Exit,
}

/// How a daemon has ended.
pub(crate) struct Over {
    /// Who is to hear of it.
    pub waiting: Vec<Replies>,
    /// What lies in the home is this daemon's.
    pub owns_home: bool,
}

/// What a daemon begins with.
pub(crate) struct Inheritance {
    pub identity: Identity,
    /// Takes another socket to the server.
    pub listeners: mpsc::UnboundedSender<Listener>,
    pub lifeline: Lifeline,
    pub journal: Journal,
    /// What one that died, or was replaced by this, has noted.
    pub past: Option<Past>,
    /// What one that was replaced by this has kept open.
    pub handover: Option<Handover>,
    pub limit: Limit,
    /// Requests that are under way.
    pub traffic: Arc<Traffic>,
}

/// The daemon.
pub(crate) struct God {
    pub(crate) home: Home,
    pub(crate) identity: Identity,
    pub(crate) table: Table,
    pub(super) journal: Journal,
    begun: Begun,
    /// What must stay open for whoever takes this daemon's place.
    lifeline: Lifeline,
    home_watch: HomeWatch,
    /// Where the server is given another socket.
    listeners: mpsc::UnboundedSender<Listener>,
    /// Somebody is about to.
    update: Option<update::Update>,
    traffic: Arc<Traffic>,
    checked: mpsc::UnboundedSender<update::Checked>,
    /// What is to be fed to the machines, in order.
    queue: VecDeque<(ProcessId, Event)>,
    /// Processes of which something was asked that is not in the journal yet.
    ordered: Vec<ProcessId>,
    /// Processes that are still to be created, where one request asks for many.
    pub(crate) growths: Growths,
    /// Deadlines on the monotonic clock, milliseconds.
    deadlines: Timers,
    /// Ticks of schedules on the wall clock, milliseconds.
    ticks: Timers,
    /// Ticks that need not be made up for.
    seen: Seen,
    /// Apps whose ticks up to this time, milliseconds since the epoch, are queued or have just been handled.
    fired: Vec<(AppKey, i64)>,
    /// Who runs and who waits where not all tasks may run at the same time.
    places: Places,
    meter: Meter,
    /// When memory is next held against the limits, on the monotonic clock; `None` while nothing has a limit.
    next_check: Option<u64>,
    kinship: Option<Look>,
    /// When ends of processes were last heard of.
    reaped: Instant,
    reserve: Reserve,
    /// How many files may be open.
    limit: Limit,
    subscribers: Vec<Replies>,
    gone: mpsc::UnboundedSender<Gone>,
    /// Where IPC channels put what they hear.
    messages: mpsc::Sender<Received>,
    /// Health checks that are on their way.
    checks: Checks,
    /// Who waits for others, and stops that go on when others have ended.
    dependents: Dependents,
    /// Who waits for processes to be somewhere.
    waiting: Vec<Waiting>,
    /// The primaries of apps in cluster mode.
    clusters: HashMap<AppKey, Cluster>,
    /// Sockets that are held for apps.
    sockets: Sockets,
    /// What runs without an entry in the table, as this daemon began.
    unowned: Vec<Unowned>,
    /// Reloads that are under way.
    rolling: Vec<Rolling>,
    watcher: Watcher,
    rotator: Rotator,
    pumping: Pumping,
    leftovers: Leftovers,
    history: History,
    /// Runs whose last words are still to be read.
    unread: Vec<Unread>,
    /// A declaration and the one that took its place because the version of its app had changed.
    new_version: (Weak<AppSpec>, Weak<AppSpec>),
    /// Nothing new is started, and the loop ends when the table is empty. Holds those who asked for it.
    ending: Option<Vec<Replies>>,
}

impl God {
    /// Runs until somebody asks it to end, and gives back those who wait for that. First it takes over what the daemon
    /// before it has left; then it calls `ready`.
    pub(crate) async fn run(
        home: Home,
        inheritance: Inheritance,
        mut calls: mpsc::Receiver<Call>,
        ready: impl FnOnce(),
    ) -> io::Result<Over> {
        let Inheritance { identity, listeners, lifeline, journal, past, handover, limit, traffic } =
            inheritance;
        let requests = Arc::clone(&traffic);
        let mut signals = OsSignals::new()?;
        let mut alarm = Alarm::new()?;
        let (gone, mut gone_inbox) = mpsc::unbounded_channel();
        let (messages, mut inbox) = mpsc::channel(MESSAGES);
        let (health, mut health_inbox) = mpsc::unbounded_channel();
        let (changes, mut changed_files) = mpsc::unbounded_channel();
        let (log_reports, mut log_inbox) = mpsc::unbounded_channel();
        let (checked, mut checks) = mpsc::unbounded_channel();
        let settings = Settings::begin(&home);
        let mut god = Self {
            history: History::new(&home, settings.history_runs()),
            rotator: Rotator::new(settings.rotation(home.persona()), log_reports),
            home_watch: HomeWatch::new(&home),
            unread: Vec::new(),
            new_version: Default::default(),
            seen: Seen::load(home.ticks()),
            fired: Vec::new(),
            begun: Begun::new(&home),
            home,
            identity,
            table: Table::default(),
            journal,
            lifeline,
            listeners,
            update: None,
            traffic,
            checked,
            queue: VecDeque::new(),
            ordered: Vec::new(),
            growths: Growths::default(),
            deadlines: Timers::default(),
            ticks: Timers::default(),
            places: Places::default(),
            meter: Meter::new(),
            next_check: None,
            kinship: None,
            reaped: Instant::now(),
            reserve: Reserve::default(),
            limit,
            subscribers: Vec::new(),
            gone,
            messages,
            checks: Checks::new(health),
            dependents: Dependents::default(),
            waiting: Vec::new(),
            clusters: HashMap::new(),
            sockets: Sockets::default(),
            unowned: Vec::new(),
            rolling: Vec::new(),
            watcher: Watcher::new(changes),
            pumping: Pumping::new(),
            leftovers: Leftovers::default(),
            ending: None,
        };
        god.begin(&settings, past, handover)?;
        ready();
        service::tell("READY=1");
        code::release();
        loop {
            god.work();
            god.write_down();
            if god.is_over() {
                return Ok(god.conclude().await);
            }
            god.hand_over_if_due(&mut inbox);
            god.sync_watcher();
            let deadline = god.next_deadline();
            let look = god.rotator.due();
            let rewrite = god.journal.rewrite_due();
            let patient = god.update.as_ref().and_then(update::Update::patient_until);
            alarm.set(god.next_tick())?;
            tokio::select! {
                biased;
                asked = signals.next() => god.signalled(asked),
                Some(call) = calls.recv() => god.answer(call),
                Some(gone) = gone_inbox.recv() => god.have_gone(gone, &mut gone_inbox),
                Some(checked) = checks.recv() => god.update_checked(checked),
                () = requests.changed(), if god.update.is_some() => {}
                () = tokio::time::sleep_until(patient.unwrap_or_else(Instant::now).into()), if patient.is_some() => {}
                Some(received) = inbox.recv() => god.hear(received),
                Some(news) = health_inbox.recv() => god.hear_health(news),
                Some(changed) = changed_files.recv() => god.files_changed(&changed),
                heard = god.rotator.written() => god.logs_written(heard),
                Some(report) = log_inbox.recv() => god.logs_reported(report),
                () = god.history.hear() => {}
                () = god.home_watch.calls() => god.look_after_home(),
                () = sleep_until(look), if look.is_some() => god.look_at_logs(false),
                () = sleep_until(rewrite), if rewrite.is_some() => god.rewrite_journal(),
                () = sleep_until(deadline), if deadline.is_some() => god.fire_deadlines(),
                () = sleep_until(god.next_check), if god.next_check.is_some() => god.check_limits(),
                jumped = alarm.rings() => god.fire_ticks(jumped?),
                () = tokio::task::yield_now(), if god.has_work() => {}
            }
        }
    }

    /// Writes what a slice of work has left to be written.
    fn write_down(&mut self) {
        self.store_seen();
        self.read_last_words();
        self.history.flush();
    }

    /// Whether it was asked to end, and nothing is left to do.
    fn is_over(&self) -> bool {
        self.ending.is_some() && self.table.is_empty() && self.queue.is_empty()
    }

    /// Ends what goes on beside the loop.
    async fn conclude(mut self) -> Over {
        self.leftovers.end().await;
        self.pumping.end().await;
        self.journal.close();
        let owns_home = self.home_watch.has_socket(&self.home);
        Over { waiting: self.ending.unwrap_or_default(), owns_home }
    }

    fn signalled(&mut self, asked: Asked) {
        match asked {
            Asked::Reap => self.reap(),
            Asked::End(signal) => self.end(signal),
            Asked::ReloadLogs => self.reload_logs(None),
        }
    }

    /// Takes over what the daemon before has left.
    fn begin(
        &mut self,
        settings: &Settings,
        past: Option<Past>,
        handover: Option<Handover>,
    ) -> io::Result<()> {
        self.table.limit(settings.max_parallel());
        match past {
            Some(past) => self.recover(past, handover.is_some())?,
            // The daemon before it ended in good order, perhaps with the machine.
            None if service::is_one() => self.bring_back(),
            None => {}
        }
        if let Some(handover) = handover {
            self.take_over(handover);
        }
        // Who ended before anybody listened for that.
        self.reap();
        self.rewrite_journal();
        Ok(())
    }

    /// Feeds the machines from the queue, for one slice.
    fn work(&mut self) {
        let began = Instant::now();
        self.keep_orders();
        // What somebody wants comes before those who wait: a stop of all lets nobody in.
        while let Some((id, event)) =
            self.take_next().or_else(|| self.grow()).or_else(|| self.next_admitted())
        {
            self.feed(id, event);
            if began.elapsed() > SLICE {
                break;
            }
        }
        self.reserve.fill();
        if self.kinship.as_ref().is_some_and(|look| self.queue.is_empty() || look.is_stale()) {
            self.kinship = None;
        }
    }

    /// The event that is due next.
    pub(crate) fn take_next(&mut self) -> Option<(ProcessId, Event)> {
        self.queue.pop_front()
    }

    /// Whether the queue was left for the next slice, or something can be put into it.
    fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.growths.is_empty() || self.may_admit()
    }

    /// Notes what is new about a process.
    pub(crate) fn keep(&mut self, id: ProcessId) {
        if let Some(process) = self.table.get(id) {
            self.journal.keep(process);
        }
    }

    fn rewrite_journal(&mut self) {
        self.journal.rewrite(self.table.next_id(), self.table.iter(), self.table.given_away());
        if self.journal.is_complete() {
            self.begun.retain_starting(self.table.iter());
        }
    }

    /// Queues an event for one process.
    pub(crate) fn post(&mut self, id: ProcessId, event: Event) {
        self.queue.push_back((id, event));
    }

    /// Queues what a client asks of one process.
    pub(crate) fn post_order(&mut self, id: ProcessId, event: Event) {
        self.note_order(id, &event);
        self.post(id, event);
    }

    /// Notes what a client asks of a process, to be queued now or later: the next daemon does it if this one dies before.
    pub(super) fn note_order(&mut self, id: ProcessId, event: &Event) {
        if let (Some(process), Some(order)) = (self.table.get_mut(id), Order::of(event))
            // Where a stop waited for its turn, that is written already.
            && process.ordered.replace(order) != Some(order)
        {
            self.ordered.push(id);
        }
    }

    /// Writes what was asked for into the journal before any of it is done.
    fn keep_orders(&mut self) {
        if !self.ordered.is_empty() {
            let ordered = std::mem::take(&mut self.ordered);
            self.journal.order(ordered.iter().filter_map(|&id| self.table.get(id)));
        }
    }

    /// One step of one machine. A spawn's outcome is fed at once: no other event comes between.
    fn feed(&mut self, id: ProcessId, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(process) = self.table.get_mut(id) else { return };
            let has_begun = matches!(event, Event::Spawned { .. }) && Begun::marks(&process.spec);
            process.ordered.take_if(|order| order.is_met_by(&event));
            let before = process.life.error.is_some();
            let effects = process.life.step(&process.policy, event, Now::read());
            if let (false, Phase::Online(_) | Phase::Starting, Some(error)) =
                (before, &process.life.phase, &process.life.error)
            {
                let name = rpm_core::name::printable(&process.spec.name);
                tracing::error!("App [{name}:{id}] {}", rpm_core::name::printable(error));
            }
            // Before it is acted on: if this daemon dies now, the next one knows what was meant to be done.
            if process.retired_from.is_none() {
                for effect in &effects {
                    if let Effect::Retire { run, .. } = effect
                        && let Some(given) = GivenAway::of(id, run.pid, process.of_run(run.pid))
                    {
                        self.journal.give_away(given);
                    }
                }
                if effects.contains(&Effect::Forget) {
                    // A record that it has stopped would bring a deleted process back into the list.
                    self.journal.forget(id);
                } else {
                    self.journal.keep(process);
                    if has_begun && self.journal.is_complete() {
                        self.begun.remove(id);
                    }
                }
            }
            for effect in effects {
                next = self.perform(id, effect).or(next);
            }
        }
        if let Some(process) = self.table.get_mut(id) {
            process.tidy_pid_file();
        }
        self.attend(id);
    }

    fn answer(&mut self, call: Call) {
        let Call { request, replies } = call;
        match request {
            Request::Ping => reply(&replies, Reply::Pong),
            Request::List => self.list(&replies),
            Request::Describe(selector) => self.describe(selector.as_ref(), false, &replies),
            Request::Reveal(selector) => self.describe(selector.as_ref(), true, &replies),
            Request::EnvDiff(diff) => self.env_diff(&diff, &replies),
            Request::Wait(wait) => self.wait(&wait, &replies),
            Request::Start(start) => self.start(start, &replies),
            Request::Act(act) => self.act(&act, &replies),
            Request::Run(run) => self.run_now(&run, &replies),
            Request::AwaitEnd(id) => self.await_run(id, &replies),
            Request::Scale(scale) => self.scale(&scale, &replies),
            Request::Flush(selector) => self.flush(selector.as_ref(), &replies),
            Request::Save { force } => self.save(force, &replies),
            Request::Resurrect { dump } => self.resurrect(dump.as_deref(), Cause::Resurrect, &replies),
            Request::ReloadLogs => self.reload_logs(Some(replies)),
            Request::RotateLogs(selector) => {
                if let Err(failure) = self.rotate_logs(&selector) {
                    reply(&replies, Reply::Failed(failure));
                }
            }
            Request::ReloadSettings => {
                if let Err(failure) = self.reload_settings() {
                    reply(&replies, Reply::Failed(failure));
                }
            }
            Request::Signal(request) => self.send_signal(&request, &replies),
            Request::Input(input) => self.input(&input, &replies),
            Request::Trigger(trigger) => self.trigger(&trigger, &replies),
            Request::Message { id, data } => self.message(id, &data, &replies),
            Request::Subscribe => self.subscribers.push(replies),
            Request::Kill => self.kill(replies),
            Request::Update { executable } => self.update(executable, replies),
        }
    }

    /// Takes in the children that have ended.
    fn reap(&mut self) {
        self.reaped = Instant::now();
        let mut stopped = Vec::new();
        for (pid, exit, used) in reap::ended_children() {
            // Others are orphans of some tree, and only had to be taken in.
            if self.check_ended(pid, exit) {
                continue;
            }
            if let Some(id) = self.table.disown(pid) {
                if let Some(process) = self.table.get_mut(id) {
                    process.used = Some((pid, used));
                }
                stopped.extend(self.main_ended(id, pid, exit));
            }
        }
        self.finish_stops(stopped);
    }

    /// Takes in the end of a main process. Returns the process if it is being stopped: its stop may be complete.
    #[must_use]
    fn main_ended(&mut self, id: ProcessId, pid: i32, exit: Exit) -> Option<ProcessId> {
        let process = self.table.get_mut(id)?;
        if process.second.as_ref().is_some_and(|(second, _)| *second == pid) {
            process.second = None;
            self.post(id, Event::Exited { pid, exit });
            return None;
        }
        let exit = process.run.confinement.release(exit);
        process.run.channel = None;
        process.run.signs = Signs::default();
        process.triggers.clear();
        if let Some(stopping) = &mut process.stopping {
            stopping.main = Some(exit);
            return Some(id);
        }
        // A worker that an earlier daemon started ends because its channel to that daemon has.
        let is_bereft = process.run.adopted.is_some() && process.spec.is_cluster();
        let event = if is_bereft {
            Event::Bereft { pid, exit }
        } else if self.leaves_others(id, pid, exit) {
            Event::Left { pid, exit }
        } else {
            Event::Exited { pid, exit }
        };
        self.post(id, event);
        None
    }

    /// Takes in the ends of all processes that are no children and are known to have ended: one look at `/proc` then
    /// serves the stops of all of them.
    fn have_gone(&mut self, first: Gone, inbox: &mut mpsc::UnboundedReceiver<Gone>) {
        self.reaped = Instant::now();
        let mut stopped = Vec::new();
        let mut next = Some(first);
        while let Some(gone) = next {
            stopped.extend(self.survivor_gone(&gone));
            next = inbox.try_recv().ok();
        }
        self.finish_stops(stopped);
    }

    #[must_use]
    fn survivor_gone(&mut self, gone: &Gone) -> Option<ProcessId> {
        let &Gone { id, pid, exit } = gone;
        if let Some(owner) = self.table.disown(pid) {
            // A reload may have given it away.
            return self.main_ended(owner, pid, exit);
        }
        self.table.get_mut(id)?.stopping.as_mut()?.survivors.remove(&pid);
        Some(id)
    }

    fn next_deadline(&mut self) -> Option<u64> {
        let Self { deadlines, table, .. } = self;
        deadlines
            .next(|id| table.get(id).and_then(|process| process.deadline).map(|at| at as i64))
            .map(|at| at as u64)
    }

    fn fire_deadlines(&mut self) {
        let now = Now::read().mono as i64;
        let Self { deadlines, table, .. } = self;
        while let Some(id) =
            deadlines.due(now, |id| table.get(id).and_then(|process| process.deadline).map(|at| at as i64))
        {
            if let Some(process) = table.get_mut(id) {
                process.deadline = None;
            }
            self.queue.push_back((id, Event::Deadline));
        }
    }

    /// Ends by a signal: as PM2 does, the list is saved before the processes are stopped.
    fn end(&mut self, signal: &str) {
        tracing::info!("ending by {signal}");
        service::tell("STOPPING=1");
        if self.table.apps().next().is_some() {
            match crate::dump::save(&self.home, &self.table) {
                Ok(_) => self.journal.end(),
                Err(error) => tracing::error!("{error}"),
            }
        }
        self.stop_all();
    }

    /// Deletes every process; the loop ends when the last is gone.
    pub(crate) fn stop_all(&mut self) {
        self.ending.get_or_insert_default();
        self.growths.clear();
        let ids: Vec<_> = self.table.iter().map(|process| process.id).collect();
        for &id in &ids {
            self.hurry_retired(id);
            self.sweep(id);
        }
        self.unwind(&ids, &Event::Delete, None);
    }

    /// Whether nothing new may be started.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Somebody who wants to know when all has ended.
    pub(crate) fn on_end(&mut self, replies: Replies) {
        self.ending.get_or_insert_default().push(replies);
    }

    /// Tells the subscribers, and the daemon's log.
    pub(crate) fn emit(&mut self, id: ProcessId, what: EventKind) {
        let Some(process) = self.table.get(id) else { return };
        let name = rpm_core::name::printable(&process.spec.name);
        if let (Some(owner), EventKind::Exit(exit)) = (process.retired_from, what) {
            // PM2's name for the old run of a reload.
            tracing::info!("App [{name}:_old_{owner}] exited with {exit}");
        }
        if process.retired_from.is_some() {
            return;
        }
        let label = format!("App [{name}:{id}]");
        match what {
            EventKind::Created | EventKind::Restart => {}
            EventKind::Online => {
                tracing::info!("{label} online");
                if process.outdated {
                    self.queue.push_back((id, Event::Restart(Cause::Watch.into())));
                }
            }
            EventKind::Exit(exit) => tracing::info!("{label} exited with {exit}"),
            EventKind::Errored => {
                let reason = process.life.error.as_deref().unwrap_or_default();
                tracing::error!("{label} errored: {}", rpm_core::name::printable(reason));
            }
            // Told with the reason.
            EventKind::Healthy | EventKind::Unhealthy => {}
            EventKind::Stopped => tracing::info!("{label} stopped"),
            EventKind::Deleted => tracing::info!("{label} deleted"),
        }
        if matches!(what, EventKind::Errored | EventKind::Stopped | EventKind::Deleted) {
            let spec = Arc::clone(&process.spec);
            self.let_go(&spec);
        }
        let Some(process) = self.table.get(id) else { return };
        if !self.subscribers.is_empty() {
            let event = Told { at: Now::read().wall, process: process.reference(), what };
            self.broadcast(&Reply::Event(event));
        }
    }

    /// Passes a message of an app on to all subscribers. Where a subscriber reads too slowly for it, the message is
    /// dropped: no app may cut a subscriber off, or fill the daemon's memory.
    fn pass_on(&mut self, message: &Reply, cost: usize) {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        for subscriber in &self.subscribers {
            let queued = subscriber.max_capacity() - subscriber.capacity();
            if queued < subscriber.max_capacity() / 2 && queued.saturating_mul(cost) <= BACKLOG_COST {
                let _ = subscriber.try_send(message.clone());
            }
        }
    }

    /// Tells all subscribers. One that does not read is cut off, before its backlog costs the daemon its memory.
    fn broadcast(&mut self, news: &Reply) {
        self.subscribers.retain(|subscriber| subscriber.try_send(news.clone()).is_ok());
    }
}

/// Answers. A client that has gone, or does not read, is no concern of anybody else.
pub(crate) fn reply(replies: &Replies, answer: Reply) {
    let _ = replies.try_send(answer);
}

pub(crate) fn refuse(replies: &Replies, failure: Failure) {
    reply(replies, Reply::Failed(failure));
}

async fn sleep_until(deadline: Option<u64>) {
    let now = Now::read().mono;
    let pause = deadline.map_or(0, |at| at.saturating_sub(now));
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
