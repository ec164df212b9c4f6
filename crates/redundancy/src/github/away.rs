//! GitHub is away: its API does not answer, and schedules that are due are run here, each tick at most once.

use rpm_core::{
    Millis,
    cron::{Schedule, Zone},
};
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::{
    config::{Github, Unanswered},
    moment::Moment,
};

/// Looks in a row at which the API told nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Away {
    /// The first of them.
    pub(super) since: Moment,
    pub(super) looks: u32,
}

impl Away {
    /// What is done about a fault; nothing if it does not say that GitHub is away.
    pub(super) fn policy(settings: &Github, fault: &Fault) -> Option<Unanswered> {
        match fault {
            Fault::Unreachable(_) => Some(settings.when_unreachable),
            // GitHub runs the workflows all the same.
            Fault::Refused(_) | Fault::Limited(_) => {
                Some(settings.on_refusal).filter(|policy| *policy == Unanswered::Local)
            }
            Fault::NotAsked(_) | Fault::Odd(_) => None,
        }
    }

    /// Whether that is so for long enough to believe it.
    pub(super) fn is_certain(&self, settings: &Github) -> bool {
        self.looks >= settings.failure_threshold
    }
}

/// The schedules of a workflow and what is known of them.
pub(super) struct Ticks<'a> {
    pub(super) schedules: &'a [(Schedule, Zone)],
    /// The first look that had no answer, and the last one that had.
    pub(super) since: Moment,
    pub(super) answered: Option<Moment>,
    /// The last run of which GitHub told that its schedule had started it.
    pub(super) scheduled: Option<Moment>,
    /// The last tick that was dealt with here.
    pub(super) done: Option<Moment>,
}

impl Ticks<'_> {
    /// The tick that is to be run here. Of several that have passed it is the latest: one run makes up for all.
    pub(super) fn due(&self, settings: &Github, now: Moment) -> Option<Moment> {
        let interval = settings.interval.value;
        // While the companion itself was not there GitHub may well have been.
        let known_until =
            self.answered.map_or(self.since, |answered| answered.max(self.since.before(interval)));
        let unanswered = self.last_between(known_until, now);
        let seen = self.answered.filter(|answered| self.since.since(*answered) <= double(interval));
        let late = seen.zip(self.scheduled).and_then(|(answered, scheduled)| {
            // It was due when GitHub answered, and may have come a moment later: the usual patience applies.
            let until = answered.min(now.before(settings.schedule_grace.value));
            self.last_between(scheduled, until)
        });
        unanswered.max(late).filter(|tick| self.done.is_none_or(|done| *tick > done))
    }

    fn last_between(&self, since: Moment, until: Moment) -> Option<Moment> {
        let last = |(schedule, zone): &(Schedule, Zone)| schedule.last_between(since.0, until.0, *zone);
        self.schedules.iter().filter_map(last).max().map(Moment)
    }
}

fn double(span: Millis) -> Millis {
    Millis(span.0.saturating_mul(2))
}
