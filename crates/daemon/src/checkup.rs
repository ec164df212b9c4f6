//! Whether a run is well, by the answers to its health check: a pure function, without a clock.

use rpm_core::{Health, HealthReport, HealthState, health::OnFailure};

use crate::clock::Now;

/// The first pause before the next question while a run starts, milliseconds. Each is twice the one before, up to the
/// interval: what is up is soon known to be.
const FIRST_PAUSE: u64 = 100;

/// What the answers of one run have shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkup {
    pub report: HealthReport,
    /// When the run came up, on the monotonic clock.
    began: u64,
    /// Failures in a row that count.
    counted: u32,
    pause: u64,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Another state than before.
    pub is_news: bool,
    /// Something is to be done about the run.
    pub failed: bool,
    /// When it is asked again, milliseconds from now.
    pub pause: u64,
}

impl Checkup {
    /// Of a run that has come up now. It is asked at once.
    pub(crate) fn begin(now: Now) -> Self {
        let report = HealthReport { since: now.wall, ..HealthReport::default() };
        Self { report, began: now.mono, counted: 0, pause: FIRST_PAUSE }
    }

    /// The run has answered, or what was wrong.
    pub(crate) fn answered(&mut self, health: &Health, answer: Result<(), String>, now: Now) -> Verdict {
        let before = self.report.state;
        let mut failed = false;
        match answer {
            Ok(()) => {
                self.report.failures = 0;
                self.report.error = None;
                self.counted = 0;
                self.report.state = HealthState::Healthy;
            }
            Err(reason) => {
                self.report.failures = self.report.failures.saturating_add(1);
                self.report.error = Some(reason);
                let is_starting = before == HealthState::Starting
                    && now.mono.saturating_sub(self.began) < health.start_period.0;
                if !is_starting {
                    self.counted += 1;
                }
                if self.counted >= health.retries {
                    self.report.state = HealthState::Unhealthy;
                    // Asked for again after as many failures, if it did not help. A report is made once.
                    self.counted = 0;
                    failed = health.on_failure != OnFailure::Report || before != HealthState::Unhealthy;
                }
            }
        }
        let is_news = self.report.state != before;
        if is_news {
            self.report.since = now.wall;
        }
        Verdict { is_news, failed, pause: self.next_pause(health, now) }
    }

    fn next_pause(&mut self, health: &Health, now: Now) -> u64 {
        let started_for = now.mono.saturating_sub(self.began);
        if self.report.state != HealthState::Starting || started_for >= health.start_period.0 {
            return health.interval.0;
        }
        let pause = self.pause.min(health.interval.0);
        self.pause = pause.saturating_mul(2);
        pause
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rpm_core::{Millis, health::Probe};

    use super::*;

    fn health(on_failure: OnFailure) -> Health {
        Health {
            interval: Millis(1_000),
            retries: 3,
            start_period: Millis(5_000),
            on_failure,
            ..Health::new(Probe::Command("true".to_owned()))
        }
    }

    fn at(mono: u64) -> Now {
        Now { wall: mono as i64 + 1_000_000, mono }
    }

    fn bad() -> Result<(), String> {
        Err("refused".to_owned())
    }

    #[test]
    fn while_it_starts_failures_do_not_count_and_it_is_asked_ever_less_often() {
        let health = health(OnFailure::Restart);
        let mut checkup = Checkup::begin(at(0));
        let mut now = 0;
        let mut pauses = Vec::new();
        while now < 5_000 {
            let verdict = checkup.answered(&health, bad(), at(now));
            assert!(!verdict.failed && !verdict.is_news);
            pauses.push(verdict.pause);
            now += verdict.pause;
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000, 1000, 1000]);
        assert_eq!((checkup.report.state, checkup.report.failures), (HealthState::Starting, 8));
        for failed in [false, false, true] {
            let verdict = checkup.answered(&health, bad(), at(now));
            assert_eq!((verdict.failed, verdict.pause), (failed, 1_000));
            now += verdict.pause;
        }
        assert_eq!(checkup.report.state, HealthState::Unhealthy);
        assert_eq!(checkup.report.error.as_deref(), Some("refused"));
    }

    #[test]
    fn who_was_healthy_once_has_started() {
        let health = health(OnFailure::Restart);
        let mut checkup = Checkup::begin(at(0));
        assert_eq!(
            checkup.answered(&health, Ok(()), at(10)),
            Verdict { is_news: true, failed: false, pause: 1_000 }
        );
        assert_eq!(checkup.report.since, at(10).wall);
        assert!(!checkup.answered(&health, bad(), at(20)).is_news);
        assert!(!checkup.answered(&health, bad(), at(30)).is_news);
        assert_eq!(
            checkup.answered(&health, bad(), at(40)),
            Verdict { is_news: true, failed: true, pause: 1_000 }
        );
    }

    #[test]
    fn one_answer_ends_the_series() {
        let health = health(OnFailure::Report);
        let mut checkup = Checkup::begin(at(0));
        for round in 0..10 {
            let answer = if round % 3 == 2 { Ok(()) } else { bad() };
            assert!(!checkup.answered(&health, answer, at(10_000 + round)).failed);
        }
        assert_eq!(checkup.report.failures, 1);
    }

    #[test]
    fn what_did_not_help_is_tried_again_and_a_report_is_made_once() {
        for (on_failure, times) in [(OnFailure::Restart, 3), (OnFailure::Reload, 3), (OnFailure::Report, 1)] {
            let health = health(on_failure);
            let mut checkup = Checkup::begin(at(0));
            let failed = (0..9).filter(|step| checkup.answered(&health, bad(), at(10_000 + step)).failed);
            assert_eq!(failed.count(), times);
            let verdict = checkup.answered(&health, Ok(()), at(20_000));
            assert!(verdict.is_news && checkup.report.state == HealthState::Healthy);
        }
    }

    proptest! {
        #[test]
        fn it_is_unhealthy_after_as_many_failures_in_a_row_as_it_may_have(
            answers in prop::collection::vec(any::<bool>(), 0..60),
            retries in 1_u32..5,
        ) {
            let health = Health { retries, start_period: Millis(0), ..health(OnFailure::Report) };
            let mut checkup = Checkup::begin(at(0));
            let mut in_a_row = 0;
            for (step, well) in answers.into_iter().enumerate() {
                let verdict = checkup.answered(&health, if well { Ok(()) } else { bad() }, at(step as u64));
                in_a_row = if well { 0 } else { in_a_row + 1 };
                prop_assert_eq!(checkup.report.failures, in_a_row);
                prop_assert_eq!(verdict.failed, in_a_row == retries);
                prop_assert_eq!(checkup.report.state == HealthState::Unhealthy, in_a_row >= retries);
                prop_assert!(verdict.pause >= 1);
            }
        }
    }
}
