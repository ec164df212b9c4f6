//! What was asked of processes and has not begun.
//!
//! A request may concern many processes, and the daemon works it off between other things. What is still to be done of it
//! is in the journal: if the daemon dies, the next one does the rest.

use rpm_core::Why;
use serde::{Deserialize, Serialize};

use crate::machine::Event;

/// A change of one process that a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Start(Why),
    Restart(Why),
    Stop,
    Delete,
    Release,
}

impl Order {
    /// `None` for an event that no client asks for, or that a death of the daemon ends: a reload.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match *event {
            Event::Start(why) => Some(Self::Start(why)),
            Event::Restart(why) => Some(Self::Restart(why)),
            Event::Stop => Some(Self::Stop),
            Event::Delete => Some(Self::Delete),
            Event::Release => Some(Self::Release),
            _ => None,
        }
    }

    pub(crate) fn event(self) -> Event {
        match self {
            Self::Start(why) => Event::Start(why),
            Self::Restart(why) => Event::Restart(why),
            Self::Stop => Event::Stop,
            Self::Delete => Event::Delete,
            Self::Release => Event::Release,
        }
    }

    /// Whether `event` does what was ordered.
    pub(crate) fn is_met_by(self, event: &Event) -> bool {
        Self::of(event).is_some_and(|done| std::mem::discriminant(&done) == std::mem::discriminant(&self))
    }

    /// Whether the process is to run when it is done.
    pub(crate) fn wants_up(self) -> bool {
        matches!(self, Self::Start(_) | Self::Restart(_))
    }
}
