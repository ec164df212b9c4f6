//! What clients may ask for that changes something, a verb a file.

mod act;
mod environment;
mod files;
mod grow;
mod message;
mod run;
mod scale;
mod start;

pub(crate) use self::grow::Growths;

use std::sync::Arc;

use rpm_core::{
    AppSpec, Cause, Env, ProcessId,
    name::Naming,
    protocol::{EventKind, Reply},
};

use crate::{
    clock::Now,
    god::{God, refuse, reply},
    machine::Event,
    orders::Order,
    table::{Replies, Waiter},
};

/// What a new process is made of.
pub(crate) struct Declaration {
    pub spec: Arc<AppSpec>,
    pub base_env: Arc<Env>,
    pub unique_id: Arc<str>,
    /// How its files are named; without it as those of its app, or as those of a new one.
    pub naming: Option<Naming>,
}

#[cfg(test)]
impl Declaration {
    /// The first process of `spec`, started with `base_env`.
    pub(crate) fn of(spec: AppSpec, base_env: Arc<Env>) -> Self {
        Self { spec: Arc::new(spec), base_env, unique_id: "u".into(), naming: None }
    }
}

impl God {
    /// Puts one process into the table and starts it if there is a cause to. The answer comes when it is up or has failed.
    fn create(&mut self, declaration: Declaration, start: Option<Cause>, replies: &Replies) -> ProcessId {
        let process = self.table.declare(declaration, &self.home, Now::read());
        let id = process.id;
        let is_watched = !process.spec.watch.is_off();
        process.waiters.push(Waiter { replies: replies.clone(), created: true });
        self.arm_tick(id);
        self.rewatch(is_watched, Some(replies));
        self.emit(id, EventKind::Created);
        let event = start.map(|cause| Event::Start(cause.into()));
        if let Some(process) = self.table.get_mut(id) {
            process.ordered = event.as_ref().and_then(Order::of);
        }
        self.keep(id);
        match event {
            Some(event) => self.post(id, event),
            None => self.settle(id),
        }
        self.catch_up(&[id]);
        id
    }

    /// Has `event` done to a process that is there. The answer comes when it is done.
    pub(crate) fn order(&mut self, id: ProcessId, event: Event, replies: &Replies) {
        if let Some(process) = self.table.get_mut(id) {
            process.waiters.push(Waiter { replies: replies.clone(), created: false });
            self.post_order(id, event);
        }
    }

    /// Gives a process a new declaration.
    pub(crate) fn redeclare(&mut self, id: ProcessId, spec: Arc<AppSpec>, replies: Option<&Replies>) {
        let is_watched = !spec.watch.is_off();
        if self.table.redeclare(id, spec, &self.home, Now::read()) {
            self.keep(id);
            self.arm_tick(id);
            self.see_anew(id);
            self.rewatch(is_watched, replies);
        }
    }

    /// Tells who will be acted on.
    fn announce(&self, ids: &[ProcessId], replies: &Replies) {
        let processes = ids.iter().filter_map(|&id| self.table.get(id));
        reply(replies, Reply::Targets(processes.map(crate::table::Process::reference).collect()));
    }
}

/// A name that no two starts share.
fn unique_id() -> Arc<str> {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_or_else(|_| format!("{:?}", Now::read()), |uuid| uuid.trim().to_owned())
        .into()
}

/// CPUs that apps may use.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}
