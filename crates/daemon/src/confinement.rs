//! Who sees to it that a run keeps the limits that its app has on memory and CPU.

use rpm_core::{AppSpec, Exit, Limits, Signal};

use crate::cgroup::{Group, Unheld};

/// Who holds a run.
#[derive(Debug, Default)]
pub(crate) enum Confinement {
    /// Nobody has to.
    #[default]
    Free,
    /// The kernel.
    Group(Group),
    /// The daemon, which looks from time to time, and can hold back no CPU.
    Watched {
        why: Unheld,
        /// It was killed for its memory.
        killed: bool,
    },
}

impl Confinement {
    /// Who holds a run of `app`: the kernel if there is a group for it.
    pub(crate) fn of(app: &AppSpec, group: impl FnOnce(&Limits) -> Result<Group, Unheld>) -> Self {
        let Some(limits) = app.limits.as_deref().filter(|limits| limits.need_group()) else {
            return Self::Free;
        };
        match group(limits) {
            Ok(group) => Self::Group(group),
            Err(why) => {
                let name = rpm_core::name::printable(&app.name);
                tracing::warn!(
                    "App [{name}]: its memory is looked at from time to time, and its CPU not held back: {why}"
                );
                Self::Watched { why, killed: false }
            }
        }
    }

    /// Its control group.
    pub(crate) fn group(&self) -> Option<&Group> {
        match self {
            Self::Group(group) => Some(group),
            Self::Free | Self::Watched { .. } => None,
        }
    }

    /// Why the kernel does not hold it, although it has limits.
    pub(crate) fn unheld(&self) -> Option<&Unheld> {
        match self {
            Self::Watched { why, .. } => Some(why),
            Self::Free | Self::Group(_) => None,
        }
    }

    /// It is killed for its memory by us.
    pub(crate) fn note_kill(&mut self) {
        if let Self::Watched { killed, .. } = self {
            *killed = true;
        }
    }

    /// How a run has ended that was held: a kill for memory is told from others. The group is given up.
    pub(crate) fn release(&self, exit: Exit) -> Exit {
        let out_of_memory = match self {
            Self::Free => false,
            Self::Group(group) => {
                let out_of_memory = group.was_out_of_memory();
                group.remove();
                out_of_memory
            }
            Self::Watched { killed, .. } => *killed,
        };
        match exit {
            Exit::Signal(number) if out_of_memory && number == Signal::KILL.as_nix() as i32 => {
                Exit::OutOfMemory
            }
            exit => exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_is_taken_for_one_for_memory() {
        let mut watched = Confinement::Watched { why: Unheld::NotDelegated, killed: false };
        assert_eq!(watched.release(Exit::Signal(9)), Exit::Signal(9), "somebody else killed it");
        watched.note_kill();
        assert_eq!(watched.release(Exit::Signal(9)), Exit::OutOfMemory);
        assert_eq!(watched.release(Exit::Code(0)), Exit::Code(0), "it ended before the signal came");
        assert_eq!(Confinement::Free.release(Exit::Signal(9)), Exit::Signal(9));
    }
}
