//! Whether an app is left for which it is worth to stay.

use std::time::{Duration, Instant};

use rpm_core::{ProcessInfo, Status};

/// How often nobody may be found before it is given up, after the first time.
const TRIES: u32 = 3;

/// Looks from time to time, as long as there may be nobody.
#[derive(Debug)]
pub(super) struct AutoExit {
    pause: Duration,
    tries: u32,
    due: Option<Instant>,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Nobody is there; so often it is looked again.
    pub(super) tries_left: Option<u32>,
    /// It is given up.
    pub(super) is_over: bool,
}

impl AutoExit {
    /// With this time between two looks. The apps that are just being started have three times as long.
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, tries: TRIES, due: Some(Instant::now() + pause * 3) }
    }

    /// When the next look is due, if one is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Somebody ended: it may have been the last.
    pub(super) fn expect_look(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + self.pause);
    }

    /// Counts.
    pub(super) fn look(&mut self, processes: &[ProcessInfo]) -> Verdict {
        if processes.iter().any(is_left) {
            self.tries = TRIES;
            self.due = None;
            return Verdict { tries_left: None, is_over: false };
        }
        let (tries_left, is_over) = (Some(self.tries), self.tries == 0);
        self.tries = self.tries.saturating_sub(1);
        self.due = (!is_over).then(|| Instant::now() + self.pause);
        Verdict { tries_left, is_over }
    }
}

/// Whether it runs, or will run again by itself. Modules do not count.
fn is_left(process: &ProcessInfo) -> bool {
    let rests = matches!(process.summary.status, Status::Stopped | Status::Errored);
    !process.spec.is_module() && (!rests || process.next_tick.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::info;

    #[test]
    fn it_is_given_up_after_four_looks_in_vain() {
        let mut auto_exit = AutoExit::new(Duration::ZERO);
        let (gone, there) = ([info(0, "a", Status::Errored)], [info(0, "a", Status::Online)]);
        let looked = |auto_exit: &mut AutoExit| auto_exit.look(&gone).tries_left;
        assert_eq!((looked(&mut auto_exit), looked(&mut auto_exit)), (Some(3), Some(2)));
        assert_eq!(auto_exit.look(&there), Verdict { tries_left: None, is_over: false });
        assert!(auto_exit.due().is_none(), "nothing is looked at while all is well");
        auto_exit.expect_look();
        assert!(auto_exit.due().is_some());
        for tries in (1..=TRIES).rev() {
            assert_eq!(auto_exit.look(&gone), Verdict { tries_left: Some(tries), is_over: false });
        }
        assert_eq!(auto_exit.look(&[]), Verdict { tries_left: Some(0), is_over: true });
    }

    #[test]
    fn what_will_run_again_is_left() {
        let of = |status| info(0, "a", status);
        assert!(is_left(&of(Status::WaitingRestart)) && is_left(&of(Status::Launching)));
        assert!(!is_left(&of(Status::Stopped)));
        let mut task = of(Status::Stopped);
        task.next_tick = Some(1);
        assert!(is_left(&task));
    }
}
