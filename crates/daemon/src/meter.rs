//! CPU and memory of process trees, read when someone asks.

use std::{collections::HashMap, io};

use nix::unistd::{SysconfVar, sysconf};
use rpm_core::{Bytes, ProcessId};

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
pub(crate) struct Subject {
    pub id: ProcessId,
    pub pid: i32,
    /// When the run began, milliseconds on the monotonic clock.
    pub started: u64,
}

#[derive(Debug)]
struct Sample {
    pid: i32,
    at: u64,
    ticks: u64,
    usage: Usage,
}

/// The last look at each tree.
#[derive(Debug)]
pub(crate) struct Meter {
    ticks_per_second: u64,
    page_size: u64,
    looked: Option<u64>,
    samples: HashMap<ProcessId, Sample>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let system =
            |what, usual: u64| sysconf(what).ok().flatten().map_or(usual, |value| value.max(1) as u64);
        Self {
            ticks_per_second: system(SysconfVar::CLK_TCK, 100),
            page_size: system(SysconfVar::PAGE_SIZE, 4096),
            looked: None,
            samples: HashMap::new(),
        }
    }

    /// What `subject` uses, as of the last [`Meter::look`].
    pub(crate) fn usage(&self, id: ProcessId, pid: i32) -> Usage {
        self.samples.get(&id).filter(|sample| sample.pid == pid).map_or_else(Usage::default, |s| s.usage)
    }

    /// Measures all `subjects`, unless that was done a moment ago: then only those that were not seen yet, and
    /// without their descendants.
    pub(crate) fn look(
        &mut self,
        subjects: &[Subject],
        now: u64,
        snapshot: impl FnOnce() -> io::Result<Snapshot>,
    ) -> io::Result<()> {
        if self.looked.is_none_or(|at| now >= at + FRESH) {
            let snapshot = snapshot()?;
            self.looked = Some(now);
            let samples = subjects.iter().map(|subject| {
                let last = self.samples.get(&subject.id).filter(|last| last.pid == subject.pid);
                (subject.id, self.sample(subject, last, snapshot.tree(subject.pid), now))
            });
            self.samples = samples.collect();
        } else {
            for subject in subjects {
                let seen = self.samples.get(&subject.id).is_some_and(|sample| sample.pid == subject.pid);
                if !seen && let Some(stat) = Stat::read(subject.pid) {
                    let sample = self.sample(subject, None, [&stat], now);
                    self.samples.insert(subject.id, sample);
                }
            }
        }
        Ok(())
    }

    fn sample<'a>(
        &self,
        subject: &Subject,
        last: Option<&Sample>,
        tree: impl IntoIterator<Item = &'a Stat>,
        now: u64,
    ) -> Sample {
        let (mut ticks, mut pages) = (0, 0);
        for stat in tree {
            ticks += stat.ticks;
            pages += stat.rss_pages;
        }
        let (since, before) = last.map_or((subject.started, 0), |last| (last.at, last.ticks));
        let elapsed = now.saturating_sub(since).max(1);
        let used = ticks.saturating_sub(before) * 1000 / self.ticks_per_second;
        // One decimal, as PM2 gives it.
        let cpu = (used * 1000 / elapsed) as f32 / 10.0;
        let usage = Usage { cpu, memory: Bytes(pages * self.page_size) };
        Sample { pid: subject.pid, at: now, ticks, usage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, ppid: i32, ticks: u64, rss_pages: u64) -> Stat {
        Stat { pid, state: b'S', ppid, pgrp: 1, session: 1, ticks, start: 1, rss_pages }
    }

    #[test]
    fn a_tree_is_measured_as_a_whole() {
        let mut meter = Meter { ticks_per_second: 100, page_size: 4096, ..Meter::new() };
        let subjects = [Subject { id: 0.into(), pid: 10, started: 0 }];
        let first = || Ok(Snapshot::of(vec![stat(10, 1, 50, 3), stat(11, 10, 50, 4)]));
        meter.look(&subjects, 10_000, first).unwrap();
        assert_eq!(meter.usage(0.into(), 10), Usage { cpu: 10.0, memory: Bytes(7 * 4096) });
        // Half a second of CPU in one second.
        let second = || Ok(Snapshot::of(vec![stat(10, 1, 75, 3), stat(11, 10, 75, 4)]));
        meter.look(&subjects, 11_000, second).unwrap();
        assert!((meter.usage(0.into(), 10).cpu - 50.0).abs() < 0.01);
        // A new run begins anew.
        assert_eq!(meter.usage(0.into(), 12), Usage::default());
    }

    #[test]
    fn a_look_serves_for_a_moment_and_a_newcomer_is_measured_alone() {
        let mut meter = Meter::new();
        let me = std::process::id() as i32;
        let newcomer = [Subject { id: 0.into(), pid: me, started: 0 }];
        meter.look(&[], 10_000, || Ok(Snapshot::default())).unwrap();
        meter.look(&newcomer, 10_500, || panic!("looked at everybody again")).unwrap();
        assert!(meter.usage(0.into(), me).memory > Bytes(0));
    }
}
