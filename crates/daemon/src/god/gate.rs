//! Starts that may have to wait: who opens a gate, and when.
//!
//! The machine says that a process is at a gate ([`Phase::Held`]); here is kept who waits where. What is kept follows from
//! the phases alone, so that it is the same after a restart of the daemon.

use rpm_core::{ProcessId, protocol::Failure};

use super::{God, depending::Prospect};
use crate::{
    machine::{Event, Gate, Phase},
    settings::Settings,
};

impl God {
    /// A start has come to `gate`. Where it cannot pass at once, those who asked for it need not wait for it.
    pub(super) fn enter(&mut self, id: ProcessId, gate: Gate) -> Option<Event> {
        self.attend(id);
        let passes = match gate {
            Gate::Dependencies => match self.prospect(id) {
                Prospect::Met => true,
                Prospect::Open => false,
                Prospect::Lost(reason) => return Some(Event::Refuse { gate, reason }),
            },
            Gate::Place => !self.is_ending() && self.places.next(self.table.max_parallel()) == Some(id),
        };
        if passes {
            return Some(self.admit(id, gate));
        }
        self.settle(id);
        None
    }

    /// Keeps up with where a process is.
    pub(super) fn attend(&mut self, id: ProcessId) {
        self.attend_health(id);
        self.has_changed(id);
        let Some(process) = self.table.get(id).filter(|process| process.retired_from.is_none()) else {
            return;
        };
        let namespace = &process.spec.namespace;
        match process.life.phase {
            Phase::Held { gate: Gate::Place, due } => self.places.wait(id, namespace, due),
            Phase::Stopped
            | Phase::Held { gate: Gate::Dependencies, .. }
            | Phase::Waiting
            | Phase::Errored => self.places.leave(id),
            _ if process.policy.gates.contains(&Gate::Place) => self.places.take(id, namespace),
            _ => self.places.leave(id),
        }
    }

    /// Whether somebody may be let in who could not be at the last look.
    pub(super) fn may_admit(&self) -> bool {
        self.places.have_changed() && !self.is_ending()
    }

    /// The next one whose gate has opened since the last look.
    pub(super) fn next_admitted(&mut self) -> Option<(ProcessId, Event)> {
        if !self.may_admit() {
            return None;
        }
        let id = self.places.next(self.table.max_parallel())?;
        Some((id, self.admit(id, Gate::Place)))
    }

    /// The place is taken before the machine steps: nobody else gets it.
    fn admit(&mut self, id: ProcessId, gate: Gate) -> Event {
        if let Some(process) = self.table.get(id).filter(|_| gate == Gate::Place) {
            self.places.take(id, &process.spec.namespace);
        }
        Event::Admit(gate)
    }

    /// Reads the settings again. A value that cannot be read counts as none, which the daemon's log says.
    pub(super) fn reload_settings(&mut self) -> Result<(), Failure> {
        let settings = Settings::load(&self.home).map_err(|error| Failure::Io(error.to_string()))?;
        settings.report();
        self.set_rotation(settings.rotation(self.home.persona()));
        self.history.set(settings.history_runs());
        let max_parallel = settings.max_parallel();
        if max_parallel != *self.table.max_parallel() {
            self.table.limit(max_parallel);
            let ids: Vec<_> = self.table.iter().map(|process| process.id).collect();
            for id in ids {
                self.attend(id);
            }
            self.places.look_again();
        }
        Ok(())
    }
}
