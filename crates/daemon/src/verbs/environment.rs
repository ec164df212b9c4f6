//! What the environment of a process is, and what it would be if it were started now.

use std::collections::BTreeSet;

use rpm_core::{
    Env,
    protocol::{Difference, EnvDiff, Failure, Reply},
    secret::MASK,
};

use super::refuse;
use crate::{
    child_env::{self, Facts},
    environment,
    god::{God, reply},
    procfs,
    table::{Process, Replies},
};

impl God {
    /// Tells in what the environment of a run differs from the one that the next run would get.
    pub(crate) fn env_diff(&self, request: &EnvDiff, replies: &Replies) {
        let Some(process) = self.table.get(request.id) else {
            return refuse(replies, Failure::UnknownId(request.id.0));
        };
        let Some(run) = process.life.run() else {
            return refuse(replies, Failure::Offline(request.id.0));
        };
        let base = request.env.as_ref().unwrap_or(&process.base_env);
        let next = match environment::resolve(&process.spec, base) {
            Ok(resolved) => child_env::compose(base, &process.spec, resolved.as_ref(), &self.facts(process)),
            Err(error) => return refuse(replies, Failure::Io(error.to_string())),
        };
        // Some programs write their title over it.
        let is_its = |environ: &Vec<u8>| self.marks(process.id).is_some_and(|marks| marks.are_in(environ));
        let environ = procfs::environ(run.pid).ok().flatten().filter(is_its);
        let running = environ.map(|environ| procfs::variables(&environ));
        let Some(running) = running else {
            let reason =
                format!("the environment of process {} (pid {}) cannot be read", process.id, run.pid);
            return refuse(replies, Failure::Io(reason));
        };
        let names: BTreeSet<&String> = running.keys().chain(next.keys()).collect();
        let shown = |name: &String, env: &Env| {
            let is_hidden = !request.reveal && process.spec.secret.as_ref().is_some_and(|it| it.hide(name));
            env.get(name).map(|value| if is_hidden { MASK.to_owned() } else { value.clone() })
        };
        let differences = names
            .into_iter()
            .filter(|name| !child_env::is_of_run(name) && running.get(*name) != next.get(*name))
            .map(|name| Difference {
                name: name.clone(),
                running: shown(name, &running),
                next: shown(name, &next),
            });
        reply(replies, Reply::EnvDiff(differences.collect()));
    }

    fn facts<'a>(&'a self, process: &'a Process) -> Facts<'a> {
        Facts {
            home: &self.home,
            identity: &self.identity,
            id: process.id,
            instance: process.instance,
            unique_id: &process.unique_id,
            restart_time: process.life.restart_time,
            increment: process.increment,
            handed: Vec::new(),
        }
    }
}

impl Process {
    /// What an adopted run was given of what its app declares with references or in files: the values are those that it
    /// was started with, whatever the files say by now.
    pub(crate) fn recall_environment(&mut self) {
        let Some(run) = self.life.run() else { return };
        let Ok(Some(now)) = environment::resolve(&self.spec, &self.base_env) else { return };
        let Some(environ) = procfs::environ(run.pid).ok().flatten() else { return };
        let given = procfs::variables(&environ);
        let recalled = now.keys().filter_map(|name| Some((name.clone(), given.get(name)?.clone()))).collect();
        self.run.resolved = Some(Box::new(recalled));
    }

    /// [`Self::info`] for the eyes of others: secrets are masked.
    pub(crate) fn public_info(&self, usage: crate::meter::Usage) -> rpm_core::ProcessInfo {
        let mut info = self.info(usage);
        info.mask();
        info
    }
}
