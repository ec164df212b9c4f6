//! `flush`, `save` and `resurrect`: what has to do with files of the home.

use std::path::Path;

use rpm_core::{
    Cause, Selector,
    protocol::{Failure, Reply},
};

use super::{Declaration, refuse};
use crate::{
    dump,
    god::{God, Needed, reply},
    logs,
    table::Replies,
};

impl God {
    /// Empties logs: of the selected processes, or of all and the daemon's own.
    pub(crate) fn flush(&mut self, selector: Option<&Selector>, replies: &Replies) {
        let mut paths = Vec::new();
        let ids = match selector {
            Some(selector) => match self.table.resolve(selector) {
                Ok(ids) => ids,
                Err(failure) => return refuse(replies, failure),
            },
            None => {
                paths.push(self.home.daemon_log());
                self.table.iter().map(|process| process.id).collect()
            }
        };
        for process in ids.into_iter().filter_map(|id| self.table.get(id)) {
            paths.extend([process.logs.out.clone(), process.logs.error.clone()]);
        }
        paths.dedup();
        for path in paths {
            match logs::truncate(&path) {
                Ok(()) => reply(replies, Reply::File(path)),
                Err(error) => return refuse(replies, Failure::Io(error.to_string())),
            }
        }
    }

    /// Writes the list to the dump file.
    pub(crate) fn save(&mut self, force: bool, replies: &Replies) {
        if self.table.apps().next().is_none() && !force {
            return refuse(replies, Failure::NothingToSave);
        }
        match dump::save(&self.home, &self.table) {
            Ok(path) => reply(replies, Reply::File(path)),
            Err(error) => refuse(replies, Failure::Io(error.to_string())),
        }
    }

    /// Starts what a dump names and is not there, instance by instance; `cause` is why.
    pub(crate) fn resurrect(&mut self, file: Option<&Path>, cause: Cause, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let saved = match file {
            None => dump::load(&self.home),
            Some(path) => dump::read(path, &self.home),
        };
        let saved = match saved {
            Ok(Some(saved)) => saved,
            Ok(None) => return refuse(replies, Failure::NoDump),
            Err(error) => return refuse(replies, Failure::Io(error.to_string())),
        };
        let running = saved.iter().filter(|saved| saved.running);
        let needed = Needed::by(running.map(|saved| &*saved.spec));
        for saved in saved {
            let there = self.table.of_app(&saved.spec).any(|process| process.instance == saved.instance);
            if there {
                continue;
            }
            let runs = saved.running || needed.has(&saved.spec);
            let declaration = Declaration {
                spec: saved.spec,
                base_env: saved.base_env,
                unique_id: saved.unique_id,
                naming: Some(saved.naming),
            };
            let starts = runs && !declaration.spec.cron_only;
            let id = self.create(declaration, starts.then_some(cause), replies);
            if let Some(process) = self.table.get_mut(id) {
                process.instance = saved.instance;
            }
            self.keep(id);
        }
    }
}
