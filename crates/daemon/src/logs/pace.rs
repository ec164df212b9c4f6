//! When the sizes of logs are looked at: never while nobody writes.
//!
//! The kernel tells of the first write after a look, once. Then there is a pause, so that many writes cost one look.
//! The pause doubles from look to look while the writing goes on, up to `workerInterval`, and is shorter when a log
//! will soon have reached its limit. Silence makes it short again: whoever writes a few lines and falls silent is
//! looked at once, at once, and never again.

/// The first pause, milliseconds.
const SHORTEST: u64 = 1_000;

/// A write that comes so many pauses after the last look comes out of silence.
const SILENCE: u64 = 4;

/// Times are milliseconds of one clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pause: u64,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The kernel will tell of the next write.
    Listening {
        since: u64,
    },
    /// Something was written.
    Waiting {
        until: u64,
    },
    Looking,
}

impl Pace {
    pub(crate) fn new(now: u64) -> Self {
        Self { pause: SHORTEST, state: State::Listening { since: now } }
    }

    /// Something was written.
    pub(crate) fn written(&mut self, now: u64) {
        if let State::Listening { since } = self.state {
            if now.saturating_sub(since) > self.pause.saturating_mul(SILENCE) {
                self.pause = SHORTEST;
            }
            self.state = State::Waiting { until: now + self.pause };
        }
    }

    /// When the next look is due.
    pub(crate) fn due(&self) -> Option<u64> {
        if let State::Waiting { until } = self.state { Some(until) } else { None }
    }

    /// A look begins.
    pub(crate) fn look(&mut self) {
        self.state = State::Looking;
    }

    /// Whether the kernel is to tell of the next write.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }

    /// A look has ended. The pauses are `longest` at most; `left` is the time until a log reaches its limit if the
    /// writing goes on as it did.
    pub(crate) fn looked(&mut self, longest: u64, left: Option<u64>, now: u64) {
        let longest = left.map_or(longest, |left| longest.min(left / 2)).max(SHORTEST);
        self.pause = self.pause.saturating_mul(2).min(longest);
        self.state = State::Listening { since: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks in `seconds` of an app that writes every `every` milliseconds.
    fn looks(seconds: u64, every: u64, left: Option<u64>) -> usize {
        let mut pace = Pace::new(0);
        let mut looks = 0;
        for now in 0..seconds * 1000 {
            if now % every == 0 {
                pace.written(now);
            }
            if pace.due().is_some_and(|due| due <= now) {
                pace.look();
                assert!(!pace.is_listening() && pace.due().is_none());
                pace.looked(30_000, left, now);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn a_steady_writer_is_looked_at_every_interval() {
        assert!((1..=25).contains(&looks(600, 100, None)), "{}", looks(600, 100, None));
        // And more often when it is about to fill its log.
        assert_eq!(looks(600, 100, Some(2_000)), looks(600, 100, Some(0)));
        assert!(looks(600, 100, Some(4_000)) > 200);
    }

    #[test]
    fn silence_is_not_disturbed() {
        let mut pace = Pace::new(0);
        pace.written(5);
        pace.written(500);
        assert_eq!(pace.due(), Some(1_005));
        pace.look();
        pace.written(1_006);
        pace.looked(30_000, None, 1_010);
        assert_eq!(pace.due(), None);
        // A write out of silence is looked at soon.
        pace.written(100_000);
        assert_eq!(pace.due(), Some(101_000));
    }
}
