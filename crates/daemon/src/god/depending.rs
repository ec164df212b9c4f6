//! Apps that need others: starts that wait until those are what they have to be, and stops in the reverse order.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use rpm_core::{
    AppIndex, AppKey, AppSpec, Condition, Dependency, Exit, HealthState, OnDependencyFailure, ProcessId,
    Ready,
    app::DEFAULT_NAMESPACE,
    circle::{self, References},
    name::printable,
    protocol::Failure,
};

use super::God;
use crate::{
    machine::{Event, Gate, Phase, Stage},
    table::{Process, Replies},
};

/// Who waits for others.
#[derive(Default)]
pub(crate) struct Dependents {
    /// Those at [`Gate::Dependencies`].
    held: BTreeSet<ProcessId>,
    /// Stops that are under way.
    unwinding: Vec<Unwinding>,
}

/// A stop of several processes, each of which ends only when those that need it have ended.
struct Unwinding {
    waiting: Vec<ProcessId>,
    under_way: BTreeSet<ProcessId>,
    event: Event,
    replies: Option<Replies>,
}

/// What is brought back although it rested: tasks whose work others need that are started anew.
pub(crate) struct Needed(HashSet<String>);

impl Needed {
    /// By those that are started.
    pub(crate) fn by<'a>(started: impl Iterator<Item = &'a AppSpec>) -> Self {
        let needed = started.flat_map(AppSpec::dependencies).map(|dependency| dependency.app.clone());
        Self(needed.collect())
    }

    /// Whether `app` has to run.
    pub(crate) fn has(&self, app: &AppSpec) -> bool {
        !app.autorestart && (self.0.contains(&app.name) || self.0.contains(&app.key().full_name()))
    }
}

/// Whether something will be as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It is.
    Met,
    /// It may come.
    Open,
    /// It will not come unless somebody does something; in words.
    Lost(String),
}

impl Prospect {
    /// Of one process by itself.
    pub(crate) fn of(process: &Process, condition: Condition) -> Self {
        let life = &process.life;
        let lost = |reason: String| Self::Lost(reason);
        match life.phase {
            Phase::Errored => {
                return lost(life.error.clone().unwrap_or_else(|| "it is errored".to_owned()));
            }
            // A task that has done its work; one that somebody stopped may be started again.
            Phase::Stopped => {
                let may_come = process.spec.autorestart && !process.spec.stop_exit_codes.contains(&0);
                return match life.exit {
                    None => Self::Open,
                    Some(Exit::Code(0)) if condition == Condition::Completed => Self::Met,
                    Some(_) if may_come => Self::Open,
                    Some(Exit::Code(0)) if condition != Condition::Healthy => Self::Met,
                    Some(exit) => lost(format!("it has ended with {exit}")),
                };
            }
            _ => {}
        }
        let run = match life.phase {
            Phase::Online(run) | Phase::Replacing { old: run, .. } => Some(run),
            _ => None,
        };
        match (condition, run) {
            (Condition::Started, run) if run.is_some() || matches!(life.phase, Phase::Launching(_)) => {
                Self::Met
            }
            (Condition::Ready, Some(run)) => {
                let is_shown = run.stage >= process.policy.up_at || process.policy.up_at < Stage::Ready;
                match process.spec.readiness() {
                    // What an earlier daemon began can no longer be heard.
                    _ if is_shown || process.run.adopted.is_some() => Self::Met,
                    Some(Ready::Ipc | Ready::Notify) | None => Self::Open,
                    Some(_) => lost(format!(
                        "it did not show that it is ready within {} ms (listen_timeout)",
                        process.policy.listen_timeout
                    )),
                }
            }
            (Condition::Healthy, _) if process.spec.health.is_none() => {
                lost("it declares no `health`".to_owned())
            }
            (Condition::Healthy, Some(_)) => match process.health() {
                Some(report) if report.state == HealthState::Healthy => Self::Met,
                _ => Self::Open,
            },
            _ => Self::Open,
        }
    }
}

impl God {
    /// Whether what `id` depends on is as it has to be, by what it declares about failures.
    pub(super) fn prospect(&self, id: ProcessId) -> Prospect {
        let Some(process) = self.table.get(id) else { return Prospect::Open };
        let mut all = Prospect::Met;
        for (needed, prospect) in self.prospects(process) {
            match (prospect, process.spec.on_dependency_failure) {
                (Prospect::Met, _) | (Prospect::Lost(_), OnDependencyFailure::Start) => {}
                (Prospect::Open, _) | (Prospect::Lost(_), OnDependencyFailure::Wait) => all = Prospect::Open,
                (Prospect::Lost(reason), OnDependencyFailure::Fail) => {
                    return Prospect::Lost(format!("not started, {needed} will not be: {reason}"));
                }
            }
        }
        all
    }

    /// What a process depends on, in words, and whether it is that.
    fn prospects(&self, process: &Process) -> Vec<(String, Prospect)> {
        let mut prospects = Vec::new();
        for dependency in process.spec.dependencies() {
            let mut of_app = None;
            for needed in self.table.meant(&process.spec, &dependency.app) {
                let prospect = Prospect::of(needed, dependency.condition);
                of_app = match (of_app, prospect) {
                    (Some(Prospect::Lost(reason)), _) | (_, Prospect::Lost(reason)) => {
                        Some(Prospect::Lost(reason))
                    }
                    (Some(Prospect::Open), _) | (_, Prospect::Open) => Some(Prospect::Open),
                    _ => Some(Prospect::Met),
                };
            }
            let of_app = of_app.unwrap_or_else(|| Prospect::Lost("it is not in the list".to_owned()));
            prospects.push((dependency.to_string(), of_app));
        }
        prospects
    }

    /// What a process that is to be started waits for.
    pub(super) fn waits_for(&self, process: &Process) -> Vec<String> {
        if !matches!(process.life.phase, Phase::Held { gate: Gate::Dependencies, .. }) {
            return Vec::new();
        }
        let open = self.prospects(process).into_iter().filter_map(|(needed, prospect)| match prospect {
            Prospect::Met => None,
            Prospect::Open => Some(needed),
            Prospect::Lost(reason) => Some(format!("{needed}: {reason}")),
        });
        open.collect()
    }

    /// A process is another than it was: those who wait for it may go on.
    pub(super) fn has_changed(&mut self, id: ProcessId) {
        let Some(process) = self.table.get(id).filter(|process| process.retired_from.is_none()) else {
            return;
        };
        if matches!(process.life.phase, Phase::Held { gate: Gate::Dependencies, .. }) {
            self.dependents.held.insert(id);
        } else if !self.dependents.held.is_empty() {
            self.dependents.held.remove(&id);
        }
        let spec = (!self.dependents.held.is_empty()).then(|| Arc::clone(&process.spec));
        if !self.waiting.is_empty() {
            self.look_at_waiting(id);
        }
        if let Some(spec) = spec {
            self.let_dependents_go_on(&spec);
        }
    }

    /// Lets those start for whom `app` was the last that they waited for.
    pub(super) fn let_dependents_go_on(&mut self, app: &AppSpec) {
        if self.is_ending() {
            return;
        }
        let needs = |id: &&ProcessId| self.table.get(**id).is_some_and(|process| process.needs(app));
        let dependents: Vec<_> = self.dependents.held.iter().filter(needs).copied().collect();
        for id in dependents {
            let gate = Gate::Dependencies;
            match self.prospect(id) {
                Prospect::Met => self.post(id, Event::Admit(gate)),
                Prospect::Open => {}
                Prospect::Lost(reason) => self.post(id, Event::Refuse { gate, reason }),
            }
        }
    }

    /// Has `event`, which ends them, done to processes: to each when those among them that need it have ended.
    pub(crate) fn unwind(&mut self, ids: &[ProcessId], event: &Event, replies: Option<&Replies>) {
        let needs_nobody =
            |id: &ProcessId| self.table.get(*id).is_none_or(|process| process.spec.depends_on.is_none());
        if ids.iter().all(needs_nobody) {
            for &id in ids {
                self.order_end(id, event.clone(), replies);
            }
            return;
        }
        for &id in ids {
            self.note_order(id, event);
        }
        self.dependents.unwinding.push(Unwinding {
            waiting: ids.to_vec(),
            under_way: BTreeSet::new(),
            event: event.clone(),
            replies: replies.cloned(),
        });
        self.unwind_further();
    }

    fn order_end(&mut self, id: ProcessId, event: Event, replies: Option<&Replies>) {
        match replies {
            Some(replies) => self.order(id, event, replies),
            None => self.post_order(id, event),
        }
    }

    /// A process has settled: those that it needs may end.
    pub(super) fn unwind_on(&mut self, id: ProcessId) {
        if self.dependents.unwinding.is_empty() {
            return;
        }
        for unwinding in &mut self.dependents.unwinding {
            unwinding.under_way.remove(&id);
        }
        self.unwind_further();
    }

    fn unwind_further(&mut self) {
        let mut orders = Vec::new();
        let Self { dependents, table, .. } = self;
        for unwinding in &mut dependents.unwinding {
            unwinding.waiting.retain(|&id| table.get(id).is_some());
            let left: Vec<&Process> = unwinding
                .waiting
                .iter()
                .chain(&unwinding.under_way)
                .filter_map(|&id| table.get(id))
                .collect();
            let index = AppIndex::of(
                left.iter().map(|process| ((&*process.spec.name, &*process.spec.namespace), process.id)),
            );
            let needed: HashSet<ProcessId> = left
                .iter()
                .flat_map(|process| process.spec.dependencies().iter().map(move |it| (process, it)))
                .flat_map(|(process, it)| index.meant(&process.spec.namespace, &it.app))
                .collect();
            let is_needed = |id: &ProcessId| needed.contains(id);
            let mut free: Vec<_> = unwinding.waiting.iter().copied().filter(|id| !is_needed(id)).collect();
            if free.is_empty() && unwinding.under_way.is_empty() {
                // Nobody would ever be free.
                free.clone_from(&unwinding.waiting);
            }
            unwinding.waiting.retain(|id| !free.contains(id));
            unwinding.under_way.extend(&free);
            orders
                .extend(free.into_iter().map(|id| (id, unwinding.event.clone(), unwinding.replies.clone())));
        }
        dependents.unwinding.retain(|unwinding| !unwinding.waiting.is_empty());
        for (id, event, replies) in orders {
            self.order_end(id, event, replies.as_ref());
        }
    }

    /// Refuses apps that need what is nowhere, or that need each other.
    pub(crate) fn check_dependencies(&self, apps: &[AppSpec]) -> Result<(), Failure> {
        if apps.iter().all(|app| app.dependencies().is_empty()) {
            return Ok(());
        }
        let there = self.table.iter().map(|process| &*process.spec);
        let all: BTreeMap<AppKey, &AppSpec> = there.chain(apps).map(|app| (app.key(), app)).collect();
        let labels: Vec<String> = all.keys().map(AppKey::full_name).collect();
        let index = AppIndex::of(all.values().map(|app| (&*app.name, &*app.namespace)).zip(&labels));
        let wrong = |message: String| Err(Failure::BadRequest(printable(&message).into_owned()));
        for app in apps {
            let is_unknown = |it: &&Dependency| index.meant(&app.namespace, &it.app).is_empty();
            let unknown = app.dependencies().iter().find(is_unknown);
            if let Some(unknown) = unknown {
                return wrong(format!(
                    "app {:?} depends on {:?}, which is neither started with it nor in the list",
                    app.name, unknown.app
                ));
            }
        }
        let meant = |app: &AppSpec| {
            let words = app.dependencies().iter().flat_map(|it| index.meant(&app.namespace, &it.app));
            words.map(String::as_str).collect()
        };
        let references: References<'_> =
            labels.iter().map(String::as_str).zip(all.values().map(|app| meant(app))).collect();
        let default = format!("{DEFAULT_NAMESPACE}/");
        let short = |label: &str| label.strip_prefix(&default).unwrap_or(label).to_owned();
        match circle::find(&references) {
            Some(circle) => {
                let circle: Vec<_> = circle.into_iter().map(short).collect();
                wrong(format!("these depend on each other in a circle: {}", circle.join(" -> ")))
            }
            None => Ok(()),
        }
    }
}

impl Process {
    /// Whether it may depend on `app`: what it means by a name depends on what else is there.
    fn needs(&self, app: &AppSpec) -> bool {
        self.spec.dependencies().iter().any(|dependency| app.is_called(&dependency.app))
    }
}
