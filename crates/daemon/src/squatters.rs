//! Processes of a home that was removed or moved away while they ran, and another is to be made in its place.

use std::{fs, io};

use rpm_core::{Home, protocol::DAEMON_VERB};

use crate::{
    child_env,
    identity::was_started_at,
    procfs::{Snapshot, environ, real_user},
    unowned::words,
};

/// What still runs of the home that was at a path before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Squatters {
    /// Its daemon, by pid.
    pub daemon: Option<i32>,
    /// Processes of its apps, by pid.
    pub apps: Vec<i32>,
}

impl Squatters {
    /// Those of the path of `home`; `None` if there are none, or if what lies there is a home that knows its processes.
    pub fn of(home: &Home) -> io::Result<Option<Self>> {
        if home.identity().exists() || home.journal().exists() {
            return Ok(None);
        }
        let mark = child_env::home_mark(home);
        let me = std::process::id() as i32;
        let mine = nix::unistd::getuid().as_raw();
        let mut found = Self::default();
        for stat in Snapshot::take()?.into_stats() {
            if stat.pid == me || !stat.is_alive() {
                continue;
            }
            let Some(environ) = environ(stat.pid)? else { continue };
            let mut entries = environ.split(|&byte| byte == 0);
            let is_daemon = is_daemon(stat.pid) && entries.clone().any(|entry| entry == mark.as_bytes());
            let is_app =
                was_started_at(home, &environ) && entries.any(|entry| child_env::id_of_mark(entry).is_some());
            if !(is_daemon || is_app) || real_user(stat.pid)? != Some(mine) {
                continue;
            }
            if is_daemon {
                found.daemon = Some(stat.pid);
            } else {
                found.apps.push(stat.pid);
            }
        }
        Ok(Some(found).filter(|found| *found != Self::default()))
    }

    /// What they are, in words.
    pub fn what(&self, home: &Home) -> String {
        let root = home.root().display();
        let apps = self.apps.len();
        match self.daemon {
            Some(daemon) => format!(
                "the daemon (pid {daemon}) of the home that was at {root} before still runs, with {apps} processes of its apps"
            ),
            None => format!(
                "{apps} processes of the home that was at {root} before still run (pids {})",
                self.shown()
            ),
        }
    }

    /// The first pids, as arguments of `kill`.
    fn shown(&self) -> String {
        words(self.apps.iter().take(SHOWN).copied())
    }

    /// What to do about them, in words.
    pub fn way_out(&self) -> String {
        match self.daemon {
            Some(daemon) => format!(
                "where there is a directory of that name it makes its socket there again: try again in a second; \
                 `kill {daemon}` ends it and its apps"
            ),
            None => {
                format!("put the home back, and they are taken over; or end them: `kill {}`", self.shown())
            }
        }
    }
}

/// How many pids are shown.
const SHOWN: usize = 20;

/// Whether `pid` is a daemon.
fn is_daemon(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|&byte| byte == 0).nth(1) == Some(DAEMON_VERB.as_bytes())
}
