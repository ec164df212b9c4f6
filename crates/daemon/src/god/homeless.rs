//! The home is removed, moved or robbed while its daemon lives: what can be made again is.

use std::{fs, io, os::unix::fs::DirBuilderExt};

use super::God;
use crate::{home_watch::Found, life, server};

/// Why the daemon does not have its home again.
#[derive(Debug, thiserror::Error)]
enum Homeless {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("another daemon is there")]
    Taken,
}

impl God {
    /// Sees what is left of the home, and makes again what is not.
    pub(super) fn look_after_home(&mut self) {
        let root = self.home.root().display();
        match self.home_watch.look(&self.home) {
            Found::Whole => return,
            Found::Gone => {
                if self.home_watch.lose() {
                    tracing::error!(
                        "{root} was removed or moved away: apps go on, and so does this daemon (pid {}), which no command \
                         reaches until there is a directory of that name again",
                        std::process::id()
                    );
                }
                return;
            }
            Found::Robbed => tracing::warn!("something of {root} was removed: it is made again"),
            Found::Another => {
                tracing::warn!("{root} is another directory now: this daemon takes it as its home");
            }
        }
        match self.settle_again() {
            Ok(()) => {
                self.home_watch.remember(&self.home);
                tracing::info!("{root} is complete again", root = self.home.root().display());
            }
            Err(error) => {
                if self.home_watch.lose() {
                    tracing::error!("{}: {error}: trying again each second", self.home.root().display());
                }
                self.home_watch.retry();
            }
        }
    }

    /// Makes everything that a daemon has in its home.
    fn settle_again(&mut self) -> Result<(), Homeless> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.home.state_dir())?;
        if !life::is_locked_by(&self.home, &self.lifeline.lock) {
            self.lifeline.lock = life::lock(&self.home)?.ok_or(Homeless::Taken)?;
        }
        self.identity.write(&self.home)?;
        if !self.home_watch.has_socket(&self.home) {
            let socket = server::bind(&self.home)?;
            let listener = server::listener(socket.try_clone()?)?;
            self.lifeline.listener = socket;
            let _ = self.listeners.send(listener);
        }
        life::make_directories(&self.home)?;
        life::write_pid(&self.home.daemon_pid())?;
        self.rewrite_journal();
        Ok(())
    }
}
