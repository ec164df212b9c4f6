//! CPU and memory of process trees, read when someone asks.

use std::io;

use nix::unistd::{SysconfVar, sysconf};
use rpm_core::Bytes;

use crate::procfs::{Snapshot, Stat};

/// Within this time the last figures are given again: below it a share of CPU means nothing (the kernel counts in
/// ticks of 10 ms), and several clients that look at once cost one look.
const FRESH: u64 = 1_000;

/// What a tree uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Percent of one core since the last look, or since the start at the first.
    pub cpu: f32,
    pub memory: Bytes,
}

/// A tree to be measured.
pub(crate) struct Subject<'a> {
    pub pid: i32,
    /// When the run began, milliseconds on the monotonic clock.
    pub started: u64,
    /// What the last look at it found, and where this one leaves what it finds.
    pub sample: &'a mut Option<Sample>,
}

/// What a look at a run has found.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub usage: Usage,
    at: u64,
    ticks: u64,
}

/// Looks at trees.
#[derive(Debug)]
pub(crate) struct Meter {
    ticks_per_second: u64,
    page_size: u64,
    looked: Option<u64>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let system =
            |what, usual: u64| sysconf(what).ok().flatten().map_or(usual, |value| value.max(1) as u64);
        Self {
            ticks_per_second: system(SysconfVar::CLK_TCK, 100),
            page_size: system(SysconfVar::PAGE_SIZE, 4096),
            looked: None,
        }
    }

    /// Measures all `subjects`, unless that was done a moment ago: then only those that were not seen yet, and
    /// without their descendants.
    pub(crate) fn look<'a>(
        &mut self,
        subjects: impl Iterator<Item = Subject<'a>>,
        now: u64,
        snapshot: impl FnOnce() -> io::Result<Snapshot>,
    ) -> io::Result<()> {
        if self.looked.is_some_and(|at| now < at + FRESH) {
            for mut subject in subjects.filter(|subject| subject.sample.is_none()) {
                if let Some(stat) = Stat::read(subject.pid) {
                    self.measure(&mut subject, [&stat], now);
                }
            }
            return Ok(());
        }
        let snapshot = snapshot()?;
        self.looked = Some(now);
        for mut subject in subjects {
            let tree = snapshot.tree(subject.pid);
            self.measure(&mut subject, tree, now);
        }
        Ok(())
    }

    fn measure<'a>(&self, subject: &mut Subject<'_>, tree: impl IntoIterator<Item = &'a Stat>, now: u64) {
        let (mut ticks, mut pages) = (0, 0);
        for stat in tree {
            ticks += stat.ticks;
            pages += stat.rss_pages;
        }
        let last = subject.sample.as_ref();
        let (since, before) = last.map_or((subject.started, 0), |last| (last.at, last.ticks));
        let elapsed = now.saturating_sub(since).max(1);
        let used = ticks.saturating_sub(before) * 1000 / self.ticks_per_second;
        // One decimal, as PM2 gives it.
        let cpu = (used * 1000 / elapsed) as f32 / 10.0;
        let usage = Usage { cpu, memory: Bytes(pages * self.page_size) };
        *subject.sample = Some(Sample { usage, at: now, ticks });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, ppid: i32, ticks: u64, rss_pages: u64) -> Stat {
        Stat { pid, state: b'S', ppid, pgrp: 1, session: 1, ticks, start: 1, rss_pages }
    }

    fn usage(sample: Option<&Sample>) -> Usage {
        sample.unwrap().usage
    }

    #[test]
    fn a_tree_is_measured_as_a_whole() {
        let mut meter = Meter { ticks_per_second: 100, page_size: 4096, ..Meter::new() };
        let mut sample = None;
        let mut look = |sample: &mut Option<Sample>, now, ticks| {
            let trees = || Ok(Snapshot::of(vec![stat(10, 1, ticks, 3), stat(11, 10, ticks, 4)]));
            let subject = Subject { pid: 10, started: 0, sample };
            meter.look([subject].into_iter(), now, trees).unwrap();
        };
        look(&mut sample, 10_000, 50);
        assert_eq!(usage(sample.as_ref()), Usage { cpu: 10.0, memory: Bytes(7 * 4096) });
        // Half a second of CPU in one second.
        look(&mut sample, 11_000, 75);
        assert!((usage(sample.as_ref()).cpu - 50.0).abs() < 0.01);
    }

    #[test]
    fn a_look_serves_for_a_moment_and_a_newcomer_is_measured_alone() {
        let mut meter = Meter::new();
        meter.look([].into_iter(), 10_000, || Ok(Snapshot::default())).unwrap();
        let mut sample = None;
        let newcomer = Subject { pid: std::process::id() as i32, started: 0, sample: &mut sample };
        meter.look([newcomer].into_iter(), 10_500, || panic!("looked at everybody again")).unwrap();
        assert!(usage(sample.as_ref()).memory > Bytes(0));
    }
}
