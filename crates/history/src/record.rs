//! One run that is over, and the line that stands for it.
//!
//! A line begins with what most questions need, so that those who ask of few runs need not read all: `!` for a run that
//! failed or `-`, when it ended in milliseconds since the epoch, a space; then an object of JSON with short keys.

use std::str;

use rpm_core::{Bytes, Cause, Exit, Millis, Next, ProcessId, Why};
use serde::{Deserialize, Serialize};

/// The longest reason that is kept, bytes.
const LONGEST_REASON: usize = 300;

/// A run that is over, or that could not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of its process at that time.
    pub id: ProcessId,
    /// Its app's name.
    pub name: String,
    /// Its app's namespace.
    pub namespace: String,
    /// `None` if it could not be started.
    pub pid: Option<i32>,
    /// Why it was started.
    pub why: Why,
    /// When it began, milliseconds since the epoch.
    pub started: i64,
    /// When it ended, milliseconds since the epoch.
    pub ended: i64,
    /// How long it lasted, by a clock that never jumps.
    pub lasted: Millis,
    /// How it ended; `None` if it could not be started.
    pub exit: Option<Exit>,
    /// CPU time of it and those of its descendants that it waited for; `None` if it was no child of the daemon.
    pub cpu: Option<Millis>,
    /// The most memory that one process of it had resident.
    pub memory: Option<Memory>,
    /// What followed.
    pub next: Next,
    /// What it was asked to end for, where that was another run.
    pub asked_by: Option<Cause>,
    /// Why it could not be started, or is errored.
    pub reason: Option<String>,
}

/// How much memory a run needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Its peak, in whole KiB.
    pub peak: Bytes,
    /// The kernel does not tell less: a child begins with the peak of who starts it, so that the true one is this or
    /// less.
    pub at_most: bool,
}

/// What tells a run from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The number of its process.
    #[serde(rename = "i")]
    pub id: ProcessId,
    /// Its pid.
    #[serde(rename = "p")]
    pub pid: i32,
    /// When it began, milliseconds since the epoch.
    #[serde(rename = "b")]
    pub started: i64,
}

impl Run {
    /// What tells it from all others; one that did not begin has none.
    pub fn key(&self) -> Option<Key> {
        Some(Key { id: self.id, pid: self.pid?, started: self.started })
    }

    /// Whether it failed: it could not be started, ended by itself and not well, or was ended because it was not well.
    pub fn has_failed(&self) -> bool {
        has_failed(self.exit, self.next, self.asked_by)
    }

    /// Appends its line.
    pub fn write_to(&self, lines: &mut Vec<u8>) {
        let (code, signal) = match self.exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(number)) => (None, Some(number)),
            Some(Exit::OutOfMemory | Exit::Unknown) | None => (None, None),
        };
        let stored = Stored {
            id: self.id,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            pid: self.pid,
            cause: self.why.cause,
            due: self.why.due.map(|due| self.started - due),
            jumped: Some(self.ended - self.lasted.0 as i64 - self.started).filter(|&jump| jump != 0),
            lasted: self.lasted,
            code,
            signal,
            out_of_memory: self.exit == Some(Exit::OutOfMemory),
            cpu: self.cpu,
            memory: self.memory.map(|memory| memory.peak.0 >> 10),
            at_most: self.memory.is_some_and(|memory| memory.at_most),
            next: self.next,
            asked_by: self.asked_by,
            reason: self.reason.as_deref().map(|reason| {
                let ends = reason.char_indices().map(|(start, char)| start + char.len_utf8());
                let end = ends.take_while(|&end| end <= LONGEST_REASON).last();
                reason[..end.unwrap_or(0)].to_owned()
            }),
        };
        // Our own types have text keys only, so this cannot fail.
        let Ok(json) = serde_json::to_vec(&stored) else { return };
        lines.push(if self.has_failed() { b'!' } else { b'-' });
        lines.extend_from_slice(self.ended.to_string().as_bytes());
        lines.push(b' ');
        lines.extend_from_slice(&json);
        lines.push(b'\n');
    }
}

/// Whether a run failed that ended like this.
pub fn has_failed(exit: Option<Exit>, next: Next, asked_by: Option<Cause>) -> bool {
    match exit {
        None => true,
        Some(_) if asked_by.is_some_and(Cause::is_failure) => true,
        Some(_) if next.was_asked() => false,
        Some(Exit::Code(0)) => next == Next::Errored,
        Some(Exit::Code(_)) => next != Next::StopExitCode,
        Some(Exit::Signal(_) | Exit::OutOfMemory | Exit::Unknown) => true,
    }
}

/// A line whose beginning was read.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Whether the run failed.
    pub has_failed: bool,
    /// When it ended, milliseconds since the epoch.
    pub ended: i64,
    json: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads the beginning of a line, given without its end; `None` if it is none of ours.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let (mark, rest) = line.split_first()?;
        let has_failed = match mark {
            b'!' => true,
            b'-' => false,
            _ => return None,
        };
        let (ended, json) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
        let ended = str::from_utf8(ended).ok()?.parse().ok()?;
        Some(Self { has_failed, ended, json: &json[1..] })
    }

    /// Whether the run may be of an app, a namespace or a process that is called one of `words`: a quick look that
    /// errs on the side of yes.
    pub fn may_name(&self, finders: &[memchr::memmem::Finder<'_>]) -> bool {
        finders.is_empty() || finders.iter().any(|finder| finder.find(self.json).is_some())
    }

    /// Reads all of it; `None` if it is damaged.
    pub fn run(&self) -> Option<Run> {
        let stored: Stored = serde_json::from_slice(self.json).ok()?;
        let exit = match (stored.code, stored.signal, stored.pid) {
            (Some(code), ..) => Some(Exit::Code(code)),
            (None, Some(signal), _) => Some(Exit::Signal(signal)),
            (None, None, Some(_)) if stored.out_of_memory => Some(Exit::OutOfMemory),
            (None, None, Some(_)) => Some(Exit::Unknown),
            (None, None, None) => None,
        };
        let began = self.ended.checked_sub_unsigned(stored.lasted.0)?;
        let started = began.checked_sub(stored.jumped.unwrap_or(0))?;
        let memory = |kib: u64| Memory { peak: Bytes(kib.saturating_mul(1024)), at_most: stored.at_most };
        Some(Run {
            id: stored.id,
            name: stored.name,
            namespace: stored.namespace,
            pid: stored.pid,
            why: Why { cause: stored.cause, due: stored.due.map(|before| started.saturating_sub(before)) },
            started,
            ended: self.ended,
            lasted: stored.lasted,
            exit,
            cpu: stored.cpu,
            memory: stored.memory.map(memory),
            next: stored.next,
            asked_by: stored.asked_by,
            reason: stored.reason,
        })
    }
}

/// As it stands in the file, a hundred thousand times.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "i")]
    id: ProcessId,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "s", default = "default_namespace", skip_serializing_if = "is_default_namespace")]
    namespace: String,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(rename = "w")]
    cause: Cause,
    /// How long after its time it began, milliseconds.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    due: Option<i64>,
    /// How far the wall clock was set forward while it ran, milliseconds.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    jumped: Option<i64>,
    #[serde(rename = "t")]
    lasted: Millis,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    out_of_memory: bool,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    cpu: Option<Millis>,
    /// KiB.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    at_most: bool,
    #[serde(rename = "x")]
    next: Next,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    asked_by: Option<Cause>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn is_default_namespace(namespace: &str) -> bool {
    namespace == "default"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A run that says as much as one can.
    pub(crate) fn sample() -> Run {
        Run {
            id: ProcessId(12),
            name: "backup \"nightly\"".to_owned(),
            namespace: "tasks".to_owned(),
            pid: Some(4711),
            why: Why { cause: Cause::CatchUp, due: Some(999_000) },
            started: 1_000_000,
            ended: 1_012_345,
            lasted: Millis(12_345),
            exit: Some(Exit::Code(3)),
            cpu: Some(Millis(1_234)),
            memory: Some(Memory { peak: Bytes(9_000 << 10), at_most: true }),
            next: Next::Rests,
            asked_by: None,
            reason: None,
        }
    }

    fn there_and_back(run: &Run) -> Run {
        let mut line = Vec::new();
        run.write_to(&mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(memchr::memchr(b'\n', &line), None, "one line");
        let line = Line::read(&line).unwrap();
        assert_eq!((line.has_failed, line.ended), (run.has_failed(), run.ended));
        line.run().unwrap()
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let plain = Run { namespace: "default".into(), exit: Some(Exit::Code(0)), cpu: None, ..sample() };
        let lost = Run { exit: Some(Exit::Unknown), memory: None, ..sample() };
        let late = Run { started: 2_000_000, ..sample() };
        let never = Run { pid: None, exit: None, reason: Some("no node\n".into()), ..sample() };
        let greedy = Run { exit: Some(Exit::OutOfMemory), ..sample() };
        for run in [sample(), plain, lost, late, never, greedy] {
            assert_eq!(there_and_back(&run), run);
        }
        let long = Run { reason: Some("ä".repeat(1_000)), ..sample() };
        assert_eq!(there_and_back(&long).reason.unwrap().len(), LONGEST_REASON);
    }

    #[test]
    fn a_hundred_thousand_of_a_usual_size_are_within_the_bound() {
        let run = Run { name: "reports-weekly-summary".into(), why: Why::tick(999_877), ..sample() };
        let mut line = Vec::new();
        run.write_to(&mut line);
        assert!(line.len() as u64 <= crate::BYTES_OF_A_RUN, "{}", String::from_utf8_lossy(&line));
    }

    #[test]
    fn what_ended_well_or_was_asked_to_end_has_not_failed() {
        let failed = |exit, next, asked_by| Run { exit, next, asked_by, ..sample() }.has_failed();
        let signal = Some(Exit::Signal(15));
        for next in [Next::Stopped, Next::Deleted, Next::Restarted, Next::Replaced] {
            assert!(!failed(signal, next, None) && !failed(Some(Exit::Code(1)), next, Some(Cause::Cron)));
        }
        assert!(failed(signal, Next::Restarted, Some(Cause::Memory)));
        assert!(failed(signal, Next::Restarted, Some(Cause::Health)));
        assert!(failed(Some(Exit::Code(0)), Next::Rests, Some(Cause::Timeout)), "it was late");
        assert!(failed(signal, Next::AtOnce, None) && failed(Some(Exit::Unknown), Next::Rests, None));
        assert!(!failed(Some(Exit::Code(0)), Next::AtOnce, None));
        assert!(failed(Some(Exit::Code(0)), Next::Errored, None), "a loop that was given up");
        assert!(!failed(Some(Exit::Code(7)), Next::StopExitCode, None));
        assert!(failed(None, Next::Errored, None));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let line = br#"-5 {"i":1,"n":"a","p":7,"w":"moon","t":2,"c":0,"x":"dances","new":[1]}"#;
        let run = Line::read(line).unwrap().run().unwrap();
        assert_eq!((run.why.cause, run.next, run.started), (Cause::Unknown, Next::Unknown, 3));
    }

    proptest! {
        #[test]
        fn garbage_is_no_run(line in prop::collection::vec(any::<u8>(), 0..200), mark in "[!-][0-9]{1,20} ") {
            let _ = Line::read(&line).and_then(|line| line.run());
            let marked = [mark.as_bytes(), &line].concat();
            let _ = Line::read(&marked).and_then(|line| line.run());
        }

        #[test]
        fn any_names_and_times_are_kept(
            name in any::<String>(),
            namespace in any::<String>(),
            started in 0i64..1 << 50,
            ended in 0i64..1 << 50,
            lasted in 0..=Millis::LONGEST.0,
        ) {
            let why = Why::from(Cause::User);
            let run = Run { name, namespace, started, ended, lasted: Millis(lasted), why, ..sample() };
            prop_assert_eq!(there_and_back(&run), run);
        }
    }
}
