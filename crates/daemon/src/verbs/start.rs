//! `start`: apps are declared and started.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use rpm_core::{
    AppKey, AppSpec, Cause, Env, ExecMode, ProcessId,
    protocol::{Existing, Failure, Reply, StartApps},
};

use super::{
    cpus,
    grow::{Copies, check_count, check_declared},
    refuse, unique_id,
};
use crate::{
    god::{Change, God, check_watch, reply},
    machine::Event,
    table::Replies,
};

/// Apps of one request with the same namespace and name, which PM2 starts side by side: how many are left of each, and how
/// many were started.
struct Twins(HashMap<AppKey, (usize, usize)>);

impl Twins {
    fn of(apps: &[AppSpec]) -> Self {
        let mut left: HashMap<_, (usize, usize)> = HashMap::new();
        for app in apps {
            left.entry(app.key()).or_default().0 += 1;
        }
        Self(left)
    }

    /// Returns those of the `known` processes of an app that belong to the next of its twins: one to each, and to the last
    /// one the rest.
    fn share<T>(&mut self, app: &AppSpec, known: Vec<T>) -> Vec<T> {
        let Some((left, started)) = self.0.get_mut(&app.key()) else { return known };
        let (first, is_last) = (*started, *left == 1);
        *started += 1;
        *left = left.saturating_sub(1);
        known.into_iter().skip(first).take(if is_last { usize::MAX } else { 1 }).collect()
    }
}

impl God {
    /// Declares and starts `request.apps`, in order.
    pub(crate) fn start(&mut self, request: StartApps, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let StartApps { apps, env, existing, update_env } = request;
        // Before the first process is touched.
        if let Some(failure) =
            apps.iter().find_map(|app| check_watch(app).and_then(|()| self.check_growth(app, existing)).err())
        {
            return refuse(replies, failure);
        }
        if let Err(failure) = self.check_dependencies(&apps).and_then(|()| self.check_unowned(&apps)) {
            return refuse(replies, failure);
        }
        let env = Arc::new(env);
        let mut twins = Twins::of(&apps);
        let before: HashSet<_> = self.table.iter().map(|process| process.id).collect();
        for mut app in apps {
            if app.exec_mode == ExecMode::Cluster && !app.is_cluster() {
                app.exec_mode = ExecMode::Fork;
                let note = format!("App {}: cluster mode is for Node, using fork mode", app.name);
                reply(replies, Reply::Note(note));
            }
            let spec = Arc::new(app);
            let target = spec.script.canonicalize().ok();
            // By another name too, where one of the two leads through a link.
            let same_script = |script: &Path| {
                script == spec.script || target.is_some() && script.canonicalize().ok() == target
            };
            let known: Vec<(ProcessId, bool)> = self
                .table
                .of_app(&spec)
                // Twins of one request are apps of their own.
                .filter(|process| before.contains(&process.id))
                .filter(|process| {
                    matches!(existing, Existing::Restart | Existing::Reload)
                        || same_script(&process.spec.script)
                })
                .map(|process| (process.id, process.life.is_wanted_up()))
                .collect();
            let known = twins.share(&spec, known);
            if known.is_empty() || existing == Existing::Duplicate {
                self.create_instances(&spec, &env, 0, replies);
            } else if existing == Existing::Refuse && known.iter().any(|&(_, up)| up) {
                return refuse(replies, Failure::AlreadyLaunched);
            } else {
                let ids: Vec<_> = known.into_iter().map(|(id, _)| id).collect();
                self.announce(&ids, replies);
                let change =
                    Change { spec: Some(Arc::clone(&spec)), env: update_env.then(|| Arc::clone(&env)) };
                let changes: Vec<_> = ids.iter().map(|&id| (id, change.clone())).collect();
                if existing == Existing::Reload && !spec.cron_only {
                    self.reload(changes, replies);
                } else {
                    self.renew(changes, replies);
                }
                self.fit(&ids, &spec, &env, replies);
            }
        }
    }

    /// Gives processes that are there their new declaration, and has it take effect.
    fn renew(&mut self, changes: Vec<(ProcessId, Change)>, replies: &Replies) {
        let ids: Vec<_> = changes.iter().map(|&(id, _)| id).collect();
        for (id, change) in changes {
            self.bring_in(id, change, replies);
        }
        for id in ids {
            match self.table.get(id) {
                // Its next tick runs it as it is declared now.
                Some(process) if process.spec.cron_only => {
                    reply(replies, Reply::Acted(process.acted(false)));
                }
                _ => self.order(id, Event::Restart(Cause::Restart.into()), replies),
            }
        }
    }

    /// Makes the processes of an app as many as it declares, where it declares a number.
    fn fit(&mut self, ids: &[ProcessId], spec: &Arc<AppSpec>, env: &Arc<Env>, replies: &Replies) {
        let Some(instances) = spec.instances else { return };
        // An earlier request may still be creating processes; this one counts instead.
        self.growths.cancel(spec);
        let wanted = instances.resolve(cpus()) as usize;
        for &id in ids.iter().skip(wanted) {
            self.order(id, Event::Release, replies);
        }
        self.create_instances(spec, env, ids.len() as u32, replies);
    }

    /// Creates the instances of an app beyond the first `present`.
    fn create_instances(&mut self, spec: &Arc<AppSpec>, env: &Arc<Env>, present: u32, replies: &Replies) {
        let wanted = spec.instances.map_or(1, |instances| instances.resolve(cpus()));
        let copies = Copies {
            spec: Arc::clone(spec),
            base_env: Arc::clone(env),
            unique_id: unique_id(),
            cause: spec.starts_when_declared().then_some(Cause::User),
        };
        self.create_copies(copies, wanted.saturating_sub(present), replies);
    }

    /// Fails if the app would have too many processes; `start --force` adds to those that are there.
    fn check_growth(&self, app: &AppSpec, existing: Existing) -> Result<(), Failure> {
        check_declared(app)?;
        let wanted = app.instances.map_or(1, |instances| instances.resolve(cpus()));
        let present = if existing == Existing::Duplicate { self.table.of_app(app).count() } else { 0 };
        check_count(&app.name, u64::from(wanted) + present as u64)
    }
}
