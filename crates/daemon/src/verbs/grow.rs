//! Creating many processes of one app: in pieces, so that the daemon answers other clients meanwhile.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use rpm_core::{AppSpec, Cause, Env, Instances, ProcessId, protocol::Failure};

use super::Declaration;
use crate::{god::God, machine::Event, table::Replies};

/// Processes that are created together with the request, before any other request is answered. A second `start` of an
/// app therefore finds the whole of an ordinary one.
const AT_ONCE: u32 = 500;

/// The processes of an app that are still to be created.
struct Growth {
    spec: Arc<AppSpec>,
    base_env: Arc<Env>,
    unique_id: Arc<str>,
    left: u32,
    cause: Option<Cause>,
    replies: Replies,
}

/// The apps that are growing, the oldest request first.
#[derive(Default)]
pub(crate) struct Growths(VecDeque<Growth>);

impl Growths {
    /// Whether no process is still to be created.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Creates no more processes of `app`: a later request says how many there are to be.
    pub(crate) fn cancel(&mut self, app: &AppSpec) {
        self.0.retain(|growth| !growth.spec.is_same_app(app));
    }

    /// Creates no more processes of any app.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What the processes of an app have in common, and why they start.
pub(crate) struct Copies {
    pub spec: Arc<AppSpec>,
    pub base_env: Arc<Env>,
    pub unique_id: Arc<str>,
    pub cause: Option<Cause>,
}

/// Fails if an app would have more than [`Instances::MAX`] processes.
pub(crate) fn check_count(app: &str, count: u64) -> Result<(), Failure> {
    if count > u64::from(Instances::MAX) {
        return Err(Failure::TooMany { app: app.to_owned(), count });
    }
    Ok(())
}

/// Fails if an app declares more than [`Instances::MAX`] processes.
pub(crate) fn check_declared(app: &AppSpec) -> Result<(), Failure> {
    match app.instances {
        Some(instances) if !instances.is_allowed() => {
            check_count(&app.name, i64::from(instances).unsigned_abs())
        }
        _ => Ok(()),
    }
}

impl God {
    /// Creates `count` processes: the first [`AT_ONCE`] now, the others between the slices of the event loop.
    pub(super) fn create_copies(&mut self, copies: Copies, count: u32, replies: &Replies) {
        let Copies { spec, base_env, unique_id, cause } = copies;
        let mut growth = Growth { spec, base_env, unique_id, left: count, cause, replies: replies.clone() };
        for _ in 0..count.min(AT_ONCE) {
            self.create_one(&mut growth);
        }
        if growth.left > 0 {
            self.growths.0.push_back(growth);
        }
    }

    /// Creates one process of the app that grows first, and returns the next event.
    pub(crate) fn grow(&mut self) -> Option<(ProcessId, Event)> {
        let mut growth = self.growths.0.pop_front()?;
        self.create_one(&mut growth);
        if growth.left > 0 {
            self.growths.0.push_front(growth);
        }
        self.take_next()
    }

    fn create_one(&mut self, growth: &mut Growth) {
        growth.left -= 1;
        let declaration = Declaration {
            spec: Arc::clone(&growth.spec),
            base_env: Arc::clone(&growth.base_env),
            unique_id: Arc::clone(&growth.unique_id),
            naming: None,
        };
        self.create(declaration, growth.cause, &growth.replies);
    }

    /// Creates no more processes of the apps to which `ids` belong: they are being stopped or deleted.
    pub(super) fn stop_growing(&mut self, ids: &[ProcessId]) {
        if self.growths.is_empty() {
            return;
        }
        let Self { table, growths, .. } = self;
        let apps: HashSet<_> = ids.iter().filter_map(|&id| Some(table.get(id)?.spec.key())).collect();
        growths.0.retain(|growth| !apps.contains(&growth.spec.key()));
    }
}
