//! The whole: what is decided when several parts are unhealthy at once.

use serde::{Deserialize, Serialize};

use crate::{
    Part, config,
    health::{Level, PartHealth, SystemHealth, UnitHealth},
    log::Severity,
    moment::{Moment, Spoken},
    watch::{Event, Machine, Step, tell},
};

/// The parts, as of their last checks.
pub(crate) type Seen = Vec<PartHealth>;

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    /// Start a part anew: stop all processes and start them from their files; run all workflows here; make the
    /// manifest anew and deploy.
    Recover(Part),
    /// Write the health report.
    Report(SystemHealth),
}

/// So many parts are unhealthy that everything is started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Since when.
    pub since: Moment,
    /// The recoveries that were tried.
    pub attempts: u32,
    /// When the next one is tried; nothing when all have been.
    pub next_attempt: Option<Moment>,
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Orchestrator {
    pub(crate) emergency: Option<Emergency>,
    /// Recoveries since all was last well: an emergency that comes back at once has no more of them.
    spent: u32,
    reported: Option<Moment>,
    parts: Vec<PartHealth>,
}

type Steps = Vec<Step<Deed>>;

impl Orchestrator {
    fn look(&mut self, settings: &config::Orchestrator, now: Moment, steps: &mut Steps) {
        let unhealthy: Vec<_> =
            self.parts.iter().filter(|part| part.level == Level::Unhealthy).map(|part| part.part).collect();
        let was = self.emergency.is_some();
        if unhealthy.len() >= settings.unhealthy_parts as usize {
            self.is_emergency(settings, &unhealthy, now, steps);
        } else if let Some(Emergency { since, attempts, .. }) = self.emergency.take() {
            let took = Spoken(now.since(since));
            tell(
                steps,
                Severity::Info,
                format!("the emergency is over after {took}, recoveries: {attempts}"),
            );
        }
        if unhealthy.is_empty() {
            self.spent = 0;
        }
        let is_time = self.reported.is_none_or(|last| now.since(last) >= settings.health_interval.value);
        if is_time || was != self.emergency.is_some() {
            self.reported = Some(now);
            steps.push(Step::Do(Deed::Report(self.health(settings, now))));
        }
    }

    fn is_emergency(
        &mut self,
        settings: &config::Orchestrator,
        unhealthy: &[Part],
        now: Moment,
        steps: &mut Steps,
    ) {
        let names = unhealthy.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
        let emergency = self.emergency.get_or_insert_with(|| {
            tell(steps, Severity::Error, format!("emergency: {names} are unhealthy"));
            Emergency { since: now, attempts: 0, next_attempt: Some(now) }
        });
        let Some(next) = emergency.next_attempt.filter(|next| *next <= now) else { return };
        if !settings.automatic_recovery {
            emergency.next_attempt = None;
            let text = "no recovery, as it is set: `rpm redundancy emergency` begins one".to_owned();
            return tell(steps, Severity::Warn, text);
        }
        if self.spent >= settings.max_recoveries {
            emergency.next_attempt = None;
            let text = format!("{} recoveries did not help {names}: it needs a person", self.spent);
            return tell(steps, Severity::Error, text);
        }
        self.spent += 1;
        emergency.attempts += 1;
        let pause = settings.recovery_pause.value.0.saturating_mul(1 << (self.spent - 1).min(16));
        emergency.next_attempt = Some(now.max(next).after(rpm_core::Millis(pause)));
        let text = format!("recovery {} of {}: {names}", self.spent, settings.max_recoveries);
        tell(steps, Severity::Warn, text);
        steps.extend(unhealthy.iter().map(|part| Step::Do(Deed::Recover(*part))));
    }

    /// How the whole stands.
    pub(crate) fn health(&self, settings: &config::Orchestrator, now: Moment) -> SystemHealth {
        SystemHealth::of(self.parts.clone(), self.emergency.clone(), settings.unhealthy_parts, now)
    }
}

impl Machine for Orchestrator {
    type Settings = config::Orchestrator;
    type Seen = Seen;
    type Deed = Deed;

    fn step(&mut self, settings: &config::Orchestrator, event: Event<Seen, Deed>, now: Moment) -> Steps {
        let mut steps = Vec::new();
        match event {
            Event::Seen(parts) => {
                self.parts = parts;
                self.look(settings, now, &mut steps);
            }
            Event::Done(Deed::Recover(part), outcome) => match outcome {
                Ok(done) => tell(&mut steps, Severity::Info, format!("recovery of {part}: {done}")),
                Err(reason) => {
                    tell(&mut steps, Severity::Error, format!("recovery of {part} failed: {reason}"));
                }
            },
            Event::Done(Deed::Report(_), outcome) => {
                if let Err(reason) = outcome {
                    tell(&mut steps, Severity::Error, format!("the report was not written: {reason}"));
                }
            }
        }
        steps
    }

    fn units(&self, _: &config::Orchestrator) -> Vec<UnitHealth> {
        let unit = |part: &PartHealth| UnitHealth {
            name: part.part.to_string(),
            level: part.level,
            failures: 0,
            note: part.summary(),
        };
        self.parts.iter().map(unit).collect()
    }

    fn notes(&self, _: &config::Orchestrator) -> Vec<(Level, String)> {
        let note = |emergency: &Emergency| {
            let Emergency { since, attempts, .. } = emergency;
            (Level::Unhealthy, format!("emergency since {since}, recoveries: {attempts}"))
        };
        self.emergency.iter().map(note).collect()
    }

    fn due(&self, settings: &config::Orchestrator, checked: Moment) -> Moment {
        let usual = checked.after(settings.interval.value);
        let next = self.emergency.as_ref().and_then(|emergency| emergency.next_attempt);
        next.map_or(usual, |next| next.min(usual).max(checked))
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::Millis;

    use super::*;
    use crate::health::SystemLevel;

    struct Bench {
        machine: Orchestrator,
        settings: config::Orchestrator,
        now: Moment,
        said: Vec<String>,
        recovered: Vec<Part>,
        reports: Vec<SystemLevel>,
    }

    impl Bench {
        fn new() -> Self {
            let (machine, settings) = (Orchestrator::default(), config::Orchestrator::default());
            let now = Moment(1_000_000);
            Self { machine, settings, now, said: Vec::new(), recovered: Vec::new(), reports: Vec::new() }
        }

        /// Looks a minute later at parts with these levels.
        fn look(&mut self, levels: [Level; 3]) -> &mut Self {
            self.now = self.now.after(Millis(60_000));
            let parts = Part::ALL.into_iter().zip(levels).map(|(part, level)| PartHealth {
                part,
                level,
                checked_at: Some(self.now),
                pid: 1,
                notes: Vec::new(),
                units: Vec::new(),
            });
            let mut events = vec![Event::Seen(parts.collect())];
            while let Some(event) = events.pop() {
                for step in self.machine.step(&self.settings, event, self.now) {
                    match step {
                        Step::Tell(_, text) => self.said.push(text),
                        Step::Do(deed) => {
                            match &deed {
                                Deed::Recover(part) => self.recovered.push(*part),
                                Deed::Report(health) => self.reports.push(health.level),
                            }
                            events.push(Event::Done(deed, Ok("done".to_owned())));
                        }
                    }
                }
            }
            self
        }
    }

    use Level::{Degraded as D, Healthy as H, Unhealthy as U};

    #[test]
    fn two_unhealthy_parts_are_an_emergency_that_is_recovered_from_three_times_with_growing_pauses() {
        let mut bench = Bench::new();
        bench.look([H, H, H]).look([U, D, H]);
        assert_eq!((bench.said.len(), bench.recovered.len()), (0, 0));
        let mut attempts = Vec::new();
        for minute in 0..20 {
            let before = bench.recovered.len();
            bench.look([U, U, D]);
            if bench.recovered.len() > before {
                attempts.push(minute);
            }
        }
        assert_eq!(attempts, [0, 1, 3], "one minute, two, then no more");
        assert_eq!(bench.recovered, [Part::Pm2, Part::Github].repeat(3));
        assert_eq!(bench.said[0], "emergency: pm2, github are unhealthy");
        assert_eq!(bench.said.iter().filter(|text| text.contains("it needs a person")).count(), 1);
        bench.look([H, U, H]);
        assert_eq!(bench.said.last().unwrap(), "the emergency is over after 20 min, recoveries: 3");
    }

    #[test]
    fn attempts_come_back_with_health_only() {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.look([U, U, H]).look([H, U, H]);
        }
        assert_eq!(bench.recovered.len(), 6);
        bench.look([U, U, H]);
        assert_eq!(bench.recovered.len(), 6, "all are spent");
        bench.look([H, D, H]).look([U, U, U]);
        assert_eq!(bench.recovered.len(), 9, "all three parts");
    }

    #[test]
    fn it_can_be_left_to_a_person() {
        let mut bench = Bench::new();
        bench.settings.automatic_recovery = false;
        bench.look([U, U, U]).look([U, U, U]);
        assert!(bench.recovered.is_empty() && bench.said[1].starts_with("no recovery, as it is set"));
        assert_eq!(bench.said.len(), 2);
    }

    #[test]
    fn the_report_is_written_every_five_minutes_and_when_an_emergency_begins_or_ends() {
        let mut bench = Bench::new();
        for _ in 0..6 {
            bench.look([H, H, H]);
        }
        assert_eq!(bench.reports, [SystemLevel::Healthy; 2]);
        bench.look([U, U, H]).look([D, H, H]);
        assert_eq!(bench.reports[2..], [SystemLevel::Emergency, SystemLevel::Degraded]);
    }

    #[test]
    fn an_emergency_survives_a_restart() {
        let mut bench = Bench::new();
        bench.look([U, U, H]);
        let text = serde_json::to_string(&bench.machine).unwrap();
        bench.machine = serde_json::from_str(&text).unwrap();
        bench.look([U, U, H]);
        assert_eq!(bench.said.iter().filter(|text| text.starts_with("emergency")).count(), 1);
        assert_eq!(bench.machine.emergency.as_ref().unwrap().attempts, 2);
    }
}
