use rpm_core::{Cause, Millis};

use super::*;

/// A machine with a clock that only the test moves.
struct Bench {
    machine: Processes,
    settings: Pm2,
    now: Moment,
    /// What was done and told, in order.
    said: Vec<String>,
    done: Vec<Deed>,
}

impl Bench {
    fn new() -> Self {
        let (machine, settings) = (Processes::default(), Pm2::default());
        Self { machine, settings, now: Moment(1_000_000), said: Vec::new(), done: Vec::new() }
    }

    fn feed(&mut self, event: Event<Seen, Deed>) {
        for step in self.machine.step(&self.settings, event, self.now) {
            match step {
                Step::Tell(_, text) => self.said.push(text),
                Step::Do(deed) => {
                    self.done.push(deed.clone());
                    self.feed(Event::Done(deed, Ok("done".to_owned())));
                }
            }
        }
    }

    /// Looks `ms` later.
    fn later(&mut self, ms: u64, processes: Vec<Process>) -> &mut Self {
        self.now = self.now.after(Millis(ms));
        self.feed(Event::Seen(Seen::There { processes, faults: Vec::new() }));
        self
    }

    fn away(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.after(Millis(ms));
        self.feed(Event::Seen(Seen::Away("no socket".to_owned())));
        self
    }

    fn level(&self) -> Level {
        self.machine.units(&self.settings).iter().map(|unit| unit.level).max().unwrap_or_default()
    }

    fn has_said(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }

    /// How long until the next look.
    fn pause(&self) -> u64 {
        self.machine.due(&self.settings, self.now).since(self.now).0
    }
}

fn a(state: State) -> Process {
    let (kind, runs) = (Kind::Service, Vec::new());
    Process { name: "a".to_owned(), state, kind, runs, cpu: 1.0, memory: 1.0, log: Bytes(0) }
}

/// Online, after so many runs, since `began`.
fn up(ended: u32, began: Moment, cause: Cause) -> Process {
    let pid = 100 + i32::try_from(ended).unwrap();
    Process { runs: vec![Run { id: 7, pid, ended, began, cause }], ..a(State::Online) }
}

fn task(state: State) -> Process {
    Process { kind: Kind::Scheduled, ..a(state) }
}

fn down() -> Process {
    a(State::Down { ids: vec![7], status: "errored".to_owned() })
}

#[test]
fn a_process_that_fell_is_restarted_five_times_five_seconds_apart_and_then_reported() {
    let mut bench = Bench::new();
    bench.later(0, vec![a(State::Online)]);
    assert_eq!((bench.pause(), bench.done.len()), (30_000, 0));
    bench.later(30_000, vec![down()]);
    assert_eq!(bench.done, [Deed::Restart { name: "a".to_owned(), ids: vec![7] }]);
    assert_eq!((bench.pause(), bench.level()), (5_000, Level::Degraded));
    bench.later(4_999, vec![down()]);
    assert_eq!(bench.done.len(), 1, "not before the delay");
    bench.later(1, vec![down()]);
    for _ in 0..20 {
        bench.later(5_000, vec![down()]);
    }
    assert_eq!((bench.done.len(), bench.level()), (5, Level::Unhealthy));
    assert_eq!(bench.has_said("a is errored: expected online"), 1);
    assert_eq!(bench.has_said("5 attempts did not bring it back"), 1);
    assert_eq!(bench.pause(), 30_000);
    // A person has repaired and started it.
    let began = bench.now;
    for _ in 0..2 {
        bench.later(30_000, vec![up(1, began, Cause::Restart)]);
    }
    assert_eq!((bench.has_said("online again"), bench.level()), (1, Level::Healthy));
    bench.later(30_000, vec![down()]);
    assert_eq!(bench.done.len(), 6, "and it is tried anew");
}

#[test]
fn one_that_comes_up_and_falls_again_keeps_its_count() {
    let mut bench = Bench::new();
    for _ in 0..8 {
        bench.later(5_000, vec![down()]).later(5_000, vec![a(State::Online)]);
    }
    assert_eq!((bench.done.len(), bench.has_said("it needs a person")), (5, 1));
}

#[test]
fn a_crash_loop_is_never_well_although_it_is_online_at_each_look() {
    let mut bench = Bench::new();
    bench.later(0, vec![up(0, bench.now, Cause::User)]);
    assert_eq!(bench.level(), Level::Healthy);
    for look in 1..4 {
        let began = bench.now.after(Millis(28_000));
        bench.later(30_000, vec![up(look * 10 - 1, began, Cause::Autorestart)]);
        assert_eq!(bench.level(), Level::Unhealthy, "{look}");
    }
    assert_eq!(bench.machine.units(&bench.settings)[0].failures, 29);
    assert_eq!((bench.has_said("it needs a person"), bench.done.len(), bench.pause()), (1, 0, 30_000));
    // Its 30th run stays up. It is well when it has done so for an interval, and its restarts are still known.
    let began = bench.now.after(Millis(1_000));
    bench.later(30_000, vec![up(30, began, Cause::Autorestart)]);
    assert_eq!(bench.level(), Level::Unhealthy);
    bench.later(30_000, vec![up(30, began, Cause::Autorestart)]);
    assert_eq!((bench.level(), bench.has_said("online again")), (Level::Healthy, 1));
    assert_eq!(bench.machine.units(&bench.settings)[0].failures, 30);
    bench.later(600_000, vec![up(30, began, Cause::Autorestart)]);
    assert_eq!(bench.machine.units(&bench.settings)[0].failures, 0, "forgotten");
}

#[test]
fn a_loop_that_outlasts_an_interval_is_no_less_of_a_loop() {
    let mut bench = Bench::new();
    let mut began = bench.now;
    bench.later(0, vec![up(0, began, Cause::User)]);
    for ended in 1..6 {
        // A run of 75 s.
        began = bench.now.after(Millis(15_000));
        for _ in 0..2 {
            bench.later(30_000, vec![up(ended, began, Cause::Autorestart)]);
            let first = bench.machine.units(&bench.settings)[0].failures;
            assert_eq!(first, ended, "it is counted once, and never begins from scratch");
        }
        bench.later(15_000, vec![up(ended, began, Cause::Autorestart)]);
        assert_eq!(bench.level() == Level::Healthy, ended == 1, "{ended}");
    }
    assert_eq!(bench.level(), Level::Unhealthy);
}

#[test]
fn attempts_are_not_counted_from_scratch_when_a_run_outlasts_an_interval() {
    let mut bench = Bench::new();
    for _ in 0..8 {
        bench.later(30_000, vec![down()]);
        for _ in 0..3 {
            bench.later(30_000, vec![a(State::Online)]);
        }
    }
    assert_eq!((bench.done.len(), bench.has_said("attempt 5 of 5")), (5, 1));
    assert_eq!(bench.has_said("it needs a person"), 1);
}

#[test]
fn a_restart_that_was_asked_for_is_no_failure() {
    for cause in [Cause::Restart, Cause::Reload, Cause::Cron, Cause::Watch, Cause::Scale, Cause::Dependency] {
        let mut bench = Bench::new();
        for ended in 0..9 {
            bench.later(30_000, vec![up(ended, bench.now, cause)]);
            assert_eq!(bench.level(), Level::Healthy, "{cause}");
        }
        assert!(bench.said.is_empty(), "{cause}: {:?}", bench.said);
    }
}

#[test]
fn a_person_who_restarts_a_loop_begins_from_scratch() {
    let mut bench = Bench::new();
    bench.later(0, vec![up(0, bench.now, Cause::User)]);
    bench.later(30_000, vec![up(9, bench.now, Cause::Autorestart)]);
    assert_eq!(bench.level(), Level::Unhealthy);
    let began = bench.now.after(Millis(1_000));
    bench.later(30_000, vec![up(10, began, Cause::Restart)]);
    assert_eq!((bench.level(), bench.machine.units(&bench.settings)[0].failures), (Level::Healthy, 0));
}

#[test]
fn a_loop_that_the_daemon_gave_up_is_restarted() {
    let mut bench = Bench::new();
    bench.later(0, vec![up(0, bench.now, Cause::User)]);
    let runs = up(15, bench.now, Cause::Autorestart).runs;
    bench.later(30_000, vec![Process { runs, ..down() }]);
    assert_eq!((bench.done.len(), bench.level()), (1, Level::Degraded));
}

#[test]
fn a_scheduled_task_is_judged_by_its_last_run() {
    let failed = |run| task(State::Failed { run, status: "code 1".to_owned() });
    let mut bench = Bench::new();
    bench.later(0, vec![failed(1)]).later(30_000, vec![failed(1)]);
    let unit = bench.machine.units(&bench.settings).remove(0);
    assert_eq!(
        (unit.level, unit.failures, unit.note.as_str()),
        (Level::Degraded, 1, "its last run failed: code 1")
    );
    for run in 2..9 {
        bench.later(30_000, vec![failed(run)]);
    }
    assert_eq!((bench.level(), bench.has_said("5 runs in a row have failed")), (Level::Unhealthy, 1));
    assert!(bench.done.is_empty(), "its schedule runs it, and nothing else");
    bench.later(30_000, vec![task(State::Resting)]);
    assert_eq!((bench.level(), bench.has_said("a is between two ticks again")), (Level::Healthy, 1));
    bench.later(30_000, vec![failed(9)]);
    assert_eq!(bench.machine.units(&bench.settings)[0].failures, 1);
}

#[test]
fn what_an_earlier_version_remembered_is_read() {
    let text = r#"{"away":null,"faults":[],"units":{"a":{"known":true,"over_cpu":0,"over_memory":0,"note":"online",
        "trouble":{"since":"2026-11-22T12:00:00Z","what":"errored","attempts":5,"last_attempt":null,
        "online_since":null,"given_up":true}}}}"#;
    let machine: Processes = serde_json::from_str(text).unwrap();
    assert_eq!(machine.units(&Pm2::default())[0].level, Level::Unhealthy);
}

#[test]
fn one_that_is_declared_and_not_there_is_started() {
    let mut bench = Bench::new();
    bench.later(0, vec![a(State::Absent { declared: true })]);
    assert_eq!(bench.done, [Deed::Start("a".to_owned())]);
}

#[test]
fn one_that_nobody_knows_is_told_once_and_is_no_emergency() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.later(30_000, vec![a(State::Absent { declared: false })]);
    }
    assert_eq!((bench.done.len(), bench.said.len(), bench.level()), (0, 1, Level::Degraded));
    // One that was there is missed.
    bench.later(1, vec![a(State::Online)]).later(1, vec![a(State::Absent { declared: false })]);
    assert_eq!(bench.level(), Level::Unhealthy);
}

#[test]
fn a_task_between_its_ticks_is_well() {
    let mut bench = Bench::new();
    bench.later(0, vec![a(State::Resting)]).later(1, vec![a(State::Moving("launching".to_owned()))]);
    assert_eq!((bench.done.len(), bench.level()), (0, Level::Healthy));
}

#[test]
fn too_much_in_three_checks_is_told_and_restarted_if_set() {
    let busy = || Process { cpu: 95.0, ..a(State::Online) };
    let mut bench = Bench::new();
    bench.later(0, vec![busy()]).later(1, vec![busy()]).later(1, vec![a(State::Online)]);
    bench.later(0, vec![busy()]).later(1, vec![busy()]);
    assert_eq!((bench.said.len(), bench.level()), (0, Level::Healthy));
    bench.later(1, vec![busy()]).later(1, vec![busy()]);
    assert_eq!((bench.has_said("CPU 95 % over 3 checks"), bench.level()), (1, Level::Degraded));
    assert!(bench.done.is_empty());
    bench.later(1, vec![a(State::Online)]);
    assert_eq!(bench.level(), Level::Healthy);

    let mut bench = Bench::new();
    bench.settings.restart_overloaded = true;
    for _ in 0..4 {
        bench.later(1, vec![Process { memory: 81.0, ..a(State::Online) }]);
    }
    assert_eq!(bench.done, [Deed::Restart { name: "a".to_owned(), ids: Vec::new() }]);
}

#[test]
fn a_large_log_is_rotated() {
    let mut bench = Bench::new();
    bench.later(0, vec![Process { log: Bytes(51 << 20), ..a(State::Online) }]);
    assert_eq!(bench.done, [Deed::Rotate("a".to_owned())]);
    assert_eq!(bench.has_said("a log of 51mb is above the bound"), 1);
}

#[test]
fn a_daemon_that_is_away_is_waited_for_and_started_if_set() {
    let mut bench = Bench::new();
    bench.later(0, vec![a(State::Online)]).away(30_000);
    assert_eq!(bench.said, ["the daemon is away, waiting for it: no socket"]);
    assert_eq!(bench.pause(), 5_000);
    assert_eq!(bench.machine.notes(&bench.settings)[0].0, Level::Unhealthy);
    bench.away(5_000).later(5_000, vec![a(State::Online)]);
    assert_eq!(bench.said[1..], ["the daemon is back after 10 s"]);
    assert!(bench.done.is_empty() && bench.machine.notes(&bench.settings).is_empty());

    let mut bench = Bench::new();
    bench.settings.start_daemon = true;
    bench.away(0);
    assert_eq!(bench.done, [Deed::Spawn]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_once() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        let faults = vec!["x.toml: not TOML".to_owned()];
        bench.feed(Event::Seen(Seen::There { processes: Vec::new(), faults }));
    }
    assert_eq!(bench.said, ["x.toml: not TOML"]);
    assert_eq!(bench.machine.notes(&bench.settings), [(Level::Degraded, "x.toml: not TOML".to_owned())]);
}

#[test]
fn what_it_remembers_survives_a_restart() {
    let mut bench = Bench::new();
    bench.later(0, vec![down()]).later(5_000, vec![down()]);
    let text = serde_json::to_string(&bench.machine).unwrap();
    bench.machine = serde_json::from_str(&text).unwrap();
    for _ in 0..9 {
        bench.later(5_000, vec![down()]);
    }
    assert_eq!(bench.done.len(), 5);
}
