use rpm_core::Millis;

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
    Process { name: "a".to_owned(), state, cpu: 1.0, memory: 1.0, log: Bytes(0) }
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
    // Somebody repaired it.
    bench.later(30_000, vec![a(State::Online)]).later(30_000, vec![a(State::Online)]);
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
