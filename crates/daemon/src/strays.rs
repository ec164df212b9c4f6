//! Processes of this home that are no children of this daemon: an earlier daemon started them, or their ancestors.

use std::{collections::HashMap, io};

use rpm_core::ProcessId;

use crate::{
    child_env,
    identity::Identity,
    procfs::{Snapshot, Stat, environ, real_user},
};

/// Who bears this home's marks, by the process that they name.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    by_id: HashMap<ProcessId, Vec<Stray>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    pub stat: Stat,
    /// With which number of restarts its run began.
    pub restarts: Option<u32>,
    /// Its real user.
    user: u32,
}

impl Stray {
    /// Whether it may belong to an app that runs as `app_user`, if that is declared. Anyone can start a process with this
    /// home's marks.
    fn may_be_of(&self, app_user: Option<u32>) -> bool {
        self.user == 0 || self.user == nix::unistd::geteuid().as_raw() || Some(self.user) == app_user
    }
}

impl Strays {
    /// Reads the environment of each live process that this user may look into. Children of this daemon are left
    /// out: they are found faster.
    pub(crate) fn look(home: &Identity) -> io::Result<Self> {
        let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
        let me = std::process::id() as i32;
        for stat in Snapshot::take()?.into_stats() {
            if stat.pid == me || stat.ppid == me || !stat.is_alive() {
                continue;
            }
            // Kernel threads have none, and those of other users cannot be read.
            let Some(environ) = environ(stat.pid)? else { continue };
            let mut variables = environ.split(|&byte| byte == 0);
            if home.is_in(&environ)
                && let Some(id) = variables.clone().find_map(child_env::id_of_mark)
            {
                let restarts = variables.find_map(child_env::restarts_of_mark);
                let Some(user) = real_user(stat.pid)? else { continue };
                by_id.entry(id).or_default().push(Stray { stat, restarts, user });
            }
        }
        Ok(Self { by_id })
    }

    /// What a look found, or finds now if there was none yet.
    pub(crate) fn once<'a>(looked: &'a mut Option<Self>, home: &Identity) -> io::Result<&'a Self> {
        let strays = match looked.take() {
            Some(strays) => strays,
            None => Self::look(home)?,
        };
        Ok(looked.insert(strays))
    }

    /// All that this user has started, by the process whose number they bear.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ProcessId, Vec<&Stray>)> {
        self.by_id
            .iter()
            .map(|(&id, strays)| (id, strays.iter().filter(|stray| stray.may_be_of(None)).collect()))
    }

    /// Those of `id`, whose app runs as `app_user` if that is declared. What another user has started is left out.
    pub(crate) fn of(&self, id: ProcessId, app_user: Option<u32>) -> impl Iterator<Item = &Stray> {
        self.by_id.get(&id).into_iter().flatten().filter(move |stray| stray.may_be_of(app_user))
    }

    /// The main process of a run of `id` that nobody has noted: the first that leads a session of its own, of those of
    /// which `is_of_run` is true. Others are what earlier runs have left.
    pub(crate) fn main_of(
        &self,
        id: ProcessId,
        app_user: Option<u32>,
        is_of_run: impl Fn(&Stray) -> bool,
    ) -> Option<&Stat> {
        let leaders = self.of(id, app_user).filter(|stray| is_of_run(stray)).map(|stray| &stray.stat);
        leaders.filter(|stat| stat.session == stat.pid).min_by_key(|stat| stat.start)
    }
}
