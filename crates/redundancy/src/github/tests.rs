use rpm_core::Millis;

use super::*;

const MINUTE: u64 = 60_000;

struct Bench {
    machine: Workflows,
    settings: Github,
    now: Moment,
    said: Vec<String>,
    done: Vec<Deed>,
    /// What the deeds come to, in order; the last one goes on.
    outcomes: VecDeque<Result<String, String>>,
}

impl Bench {
    fn new() -> Self {
        Self {
            machine: Workflows::default(),
            settings: Github::default(),
            now: Moment::parse("2026-11-22T12:00:00Z").unwrap(),
            said: Vec::new(),
            done: Vec::new(),
            outcomes: VecDeque::new(),
        }
    }

    fn feed(&mut self, event: Event<Seen, Deed>) {
        for step in self.machine.step(&self.settings, event, self.now) {
            match step {
                Step::Tell(_, text) => self.said.push(text),
                Step::Do(deed) => {
                    self.done.push(deed.clone());
                    let outcome = self.outcomes.pop_front().unwrap_or_else(|| Ok("went well".to_owned()));
                    self.feed(Event::Done(deed, outcome));
                }
            }
        }
    }

    /// A check a minute later.
    fn check(&mut self, workflow: Workflow) -> &mut Self {
        self.check_with(workflow, None)
    }

    fn check_with(&mut self, workflow: Workflow, fault: Option<Fault>) -> &mut Self {
        self.now = self.now.after(Millis(MINUTE));
        self.feed(Event::Seen(Seen { workflows: vec![workflow], fault, anonymous: false }));
        self
    }

    /// Checks each minute until then, while the API tells nothing.
    fn until(&mut self, time: &str, fault: fn(String) -> Fault) -> &mut Self {
        let time = Moment::parse(time).unwrap();
        while self.now < time {
            self.check_with(workflow(File::Valid(hourly()), None), Some(fault("why".to_owned())));
        }
        self
    }

    /// A check at which GitHub tells of the last run that its schedule started.
    fn answer(&mut self, scheduled: &str) -> &mut Self {
        let scheduled = Moment::parse(scheduled);
        let remote = Remote { state: "active".to_owned(), scheduled, ..Remote::default() };
        self.check(workflow(File::Valid(hourly()), Some(remote)))
    }

    fn unit(&self) -> UnitHealth {
        self.machine.units(&self.settings).remove(0)
    }

    fn has_said(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }
}

fn workflow(file: File, remote: Option<Remote>) -> Workflow {
    Workflow { name: "ci.yml".to_owned(), file, remote }
}

fn valid(remote: Remote) -> Workflow {
    workflow(File::Valid(Facts::default()), Some(remote))
}

fn ended(number: u64, conclusion: &str) -> Workflow {
    let run = Run { number, conclusion: conclusion.to_owned() };
    valid(Remote { state: "active".to_owned(), ended: Some(run), ..Remote::default() })
}

fn broken() -> Workflow {
    workflow(File::Invalid("ci.yml:3:1: not YAML".to_owned()), None)
}

fn dispatch(enable: bool) -> Deed {
    Deed::Dispatch { name: "ci.yml".to_owned(), enable }
}

fn local() -> Deed {
    Deed::Local { name: "ci.yml".to_owned() }
}

/// At 17 minutes past each hour.
fn hourly() -> Facts {
    Facts { schedules: vec![("17 * * * *".parse().unwrap(), crate::local::utc())], ..Facts::default() }
}

fn due(tick: &str) -> Deed {
    Deed::Due { name: "ci.yml".to_owned(), tick: Moment::parse(tick).unwrap() }
}

#[test]
fn while_github_does_not_answer_due_schedules_run_here_once() {
    let mut bench = Bench::new();
    bench.answer("2026-11-22T11:18:00Z");
    bench.until("2026-11-22T12:16:00Z", Fault::Unreachable);
    assert!(bench.done.is_empty(), "nothing is due");
    assert_eq!(bench.has_said("API: no answer at 3 checks in a row: due schedules run here"), 1);
    let note = (Level::Degraded, "API: why; due schedules run here".to_owned());
    assert_eq!(bench.machine.notes(&bench.settings), [note]);
    bench.until("2026-11-22T12:50:00Z", Fault::Unreachable);
    assert_eq!(bench.done, [due("2026-11-22T12:17:00Z")]);
    assert_eq!(bench.unit().note, "run here for 2026-11-22T12:17:00.000Z: went well");
    // The companion is started again, and knows.
    let text = serde_json::to_string(&bench.machine).unwrap();
    bench.machine = serde_json::from_str(&text).unwrap();
    bench.until("2026-11-22T14:00:00Z", Fault::Unreachable);
    assert_eq!(bench.done[1..], [due("2026-11-22T13:17:00Z")]);
    // GitHub is back and has run neither. It need not, and nothing is run in its place.
    bench.now = Moment::parse("2026-11-22T14:10:00Z").unwrap();
    for _ in 0..5 {
        bench.answer("2026-11-22T11:18:00Z");
    }
    assert_eq!((bench.done.len(), bench.unit().level), (2, Level::Healthy));
    assert_eq!(bench.has_said("API: due schedules are left to GitHub again"), 1);
    // The next one is its own again.
    bench.now = Moment::parse("2026-11-22T15:20:00Z").unwrap();
    bench.answer("2026-11-22T11:18:00Z");
    assert_eq!(
        bench.unit().note,
        "on GitHub the run that was scheduled for 2026-11-22T14:17:00.000Z has not come"
    );
}

#[test]
fn what_github_ran_itself_is_not_run_here() {
    let mut bench = Bench::new();
    bench.now = Moment::parse("2026-11-22T12:15:00Z").unwrap();
    bench.answer("2026-11-22T11:18:00Z");
    // Two looks without an answer are not enough, and GitHub has run it meanwhile.
    bench.until("2026-11-22T12:18:00Z", Fault::Unreachable);
    bench.answer("2026-11-22T12:17:30Z");
    bench.until("2026-11-22T13:16:00Z", Fault::Unreachable);
    assert!(bench.done.is_empty(), "{:?}", bench.done);
    // The companion was stopped for hours, in which GitHub did its work.
    bench.now = Moment::parse("2026-11-22T20:20:00Z").unwrap();
    let mut fresh = Bench::new();
    fresh.now = bench.now;
    fresh.machine.answered = Moment::parse("2026-11-22T12:00:00Z");
    fresh.until("2026-11-22T21:10:00Z", Fault::Unreachable);
    assert!(fresh.done.is_empty(), "{:?}", fresh.done);
}

#[test]
fn a_tick_that_github_had_not_started_when_it_went_away_is_made_up_for_after_the_usual_patience() {
    let mut bench = Bench::new();
    bench.now = Moment::parse("2026-11-22T12:17:00Z").unwrap();
    bench.answer("2026-11-22T11:18:00Z");
    bench.until("2026-11-22T13:16:00Z", Fault::Unreachable);
    assert!(bench.done.is_empty(), "it may have come late: {:?}", bench.done);
    bench.until("2026-11-22T13:17:00Z", Fault::Unreachable);
    assert_eq!(bench.done, [due("2026-11-22T13:17:00Z")], "one run makes up for both");
}

#[test]
fn a_refusal_runs_nothing_here_unless_it_is_set() {
    for fault in [Fault::Refused as fn(String) -> Fault, Fault::Limited, Fault::Odd, Fault::NotAsked] {
        let mut bench = Bench::new();
        bench.answer("2026-11-22T11:18:00Z").until("2026-11-22T14:00:00Z", fault);
        assert!(bench.done.is_empty() && bench.has_said("in a row") == 0, "{:?}", bench.said);
        assert_eq!(bench.machine.notes(&bench.settings)[0].1, "API: why");
        let mut bench = Bench::new();
        bench.settings.on_refusal = Unanswered::Local;
        bench.answer("2026-11-22T11:18:00Z").until("2026-11-22T14:00:00Z", fault);
        let is_refusal = matches!(fault(String::new()), Fault::Refused(_) | Fault::Limited(_));
        assert_eq!(bench.done.len(), if is_refusal { 2 } else { 0 }, "{:?}", bench.said);
    }
    let mut bench = Bench::new();
    bench.settings.when_unreachable = Unanswered::Report;
    bench.answer("2026-11-22T11:18:00Z").until("2026-11-22T14:00:00Z", Fault::Unreachable);
    assert!(bench.done.is_empty());
    let note = &bench.machine.notes(&bench.settings)[0].1;
    assert_eq!(note, "API: why; nothing is run here, as it is set");
}

#[test]
fn what_is_switched_off_or_unknown_on_github_is_not_run_here() {
    for remote in [None, Some(Remote { state: "disabled_manually".to_owned(), ..Remote::default() })] {
        let mut bench = Bench::new();
        bench.check(workflow(File::Valid(hourly()), remote));
        bench.until("2026-11-22T14:00:00Z", Fault::Unreachable);
        assert!(bench.done.is_empty());
    }
}

#[test]
fn a_run_in_place_of_github_that_fails_is_unhealthy_until_one_does_not() {
    let mut bench = Bench::new();
    bench.outcomes = VecDeque::from([Err("job a: exit code 1".to_owned())]);
    bench.answer("2026-11-22T11:18:00Z").until("2026-11-22T12:30:00Z", Fault::Unreachable);
    let unit = bench.unit();
    assert_eq!(
        (unit.level, unit.note.as_str()),
        (Level::Unhealthy, "the run here for 2026-11-22T12:17:00.000Z failed: job a: exit code 1")
    );
    assert_eq!(bench.done.len(), 1, "each tick at most once");
    bench.until("2026-11-22T13:30:00Z", Fault::Unreachable);
    assert_eq!((bench.done.len(), bench.unit().level), (2, Level::Healthy));
}

#[test]
fn what_an_earlier_version_remembered_is_read() {
    let text = r#"{"api":"401: no","units":{"ci.yml":{"known":true,"note":"valid","trouble":{"since":"2026-11-22T12:00:00Z",
        "what":"on GitHub run 2 ended with failure","failures":3,"tried":null,"covered":null}}}}"#;
    let machine: Workflows = serde_json::from_str(text).unwrap();
    let unit = machine.units(&Github::default()).remove(0);
    assert_eq!((unit.level, unit.note.as_str()), (Level::Unhealthy, "on GitHub run 2 ended with failure"));
}

#[test]
fn after_three_failures_the_back_up_begins_and_stands_in() {
    let mut bench = Bench::new();
    bench.check(ended(1, "success"));
    assert_eq!((bench.unit().level, bench.unit().note.as_str()), (Level::Healthy, "run 1: success"));
    bench.check(ended(2, "failure")).check(ended(2, "failure"));
    assert_eq!((bench.done.len(), bench.unit().level), (0, Level::Degraded));
    bench.check(ended(2, "failure"));
    assert_eq!(bench.done, [dispatch(false)]);
    assert_eq!(bench.unit().level, Level::Degraded, "covered");
    assert_eq!(bench.unit().note, "on GitHub run 2 ended with failure (covered: dispatch: went well)");
    for _ in 0..50 {
        bench.check(ended(2, "failure"));
    }
    assert_eq!(bench.done.len(), 1, "not again before the pause is over");
    assert_eq!(bench.has_said("run 2 ended with failure"), 1, "told once");
    bench.check(ended(3, "success"));
    assert_eq!((bench.has_said("ci.yml is well again"), bench.unit().level), (1, Level::Healthy));
}

#[test]
fn where_the_first_back_up_fails_the_next_is_tried() {
    let mut bench = Bench::new();
    bench.outcomes = VecDeque::from([Err("no".to_owned()), Err("nor here".to_owned())]);
    for _ in 0..5 {
        bench.check(ended(2, "timed_out"));
    }
    assert_eq!(bench.done, [dispatch(false), local()]);
    assert_eq!((bench.has_said("it needs a person"), bench.unit().level), (1, Level::Unhealthy));
    for _ in 0..60 {
        bench.check(ended(2, "timed_out"));
    }
    assert_eq!(bench.done.len(), 3, "again after the pause");
    assert_eq!(bench.unit().level, Level::Degraded);
}

#[test]
fn a_new_failure_is_not_covered_by_what_stood_in_for_the_last() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.check(ended(2, "failure"));
    }
    bench.check(ended(3, "failure"));
    assert_eq!((bench.done.len(), bench.unit().failures), (1, 1));
    bench.check(ended(3, "failure")).check(ended(3, "failure"));
    assert_eq!(bench.done.len(), 2);
}

#[test]
fn a_broken_file_is_told_with_its_place() {
    let mut bench = Bench::new();
    bench.settings.backup = vec![Backup::Local];
    bench.outcomes = VecDeque::from([Err("it is not valid".to_owned())]);
    bench.check(broken()).check(broken()).check(broken());
    assert_eq!(bench.has_said("ci.yml: the file is not valid: ci.yml:3:1: not YAML"), 1);
    assert_eq!((bench.done.as_slice(), bench.unit().level), (&[local()][..], Level::Unhealthy));
    bench.check(workflow(File::Valid(Facts::default()), None));
    assert_eq!(bench.unit().level, Level::Healthy);
}

#[test]
fn a_file_that_was_never_there_is_no_emergency() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.check(workflow(File::Missing, None));
    }
    assert_eq!((bench.done.len(), bench.said.len(), bench.unit().level), (0, 1, Level::Degraded));
    bench.check(workflow(File::Valid(Facts::default()), None));
    for _ in 0..3 {
        bench.outcomes.push_back(Err("no".to_owned()));
        bench.check(workflow(File::Missing, None));
    }
    assert_eq!(bench.unit().level, Level::Unhealthy, "it was there, and is lost");
}

#[test]
fn one_that_was_switched_off_for_inactivity_is_switched_on() {
    let mut bench = Bench::new();
    let off = || valid(Remote { state: INACTIVE.to_owned(), ..Remote::default() });
    bench.check(off()).check(off()).check(off());
    assert_eq!(bench.done, [dispatch(true)]);
    assert_eq!(bench.has_said("60 days without activity"), 1);
    let by_hand = || valid(Remote { state: "disabled_manually".to_owned(), ..Remote::default() });
    bench.check(by_hand()).check(by_hand()).check(by_hand());
    assert_eq!(
        (bench.done.len(), bench.unit().note.as_str()),
        (1, "on GitHub disabled_manually"),
        "somebody wanted that"
    );
}

#[test]
fn a_scheduled_run_that_does_not_come_is_missed() {
    let at = |text: &str| Moment::parse(text).unwrap();
    let remote = |scheduled: &str| {
        let remote =
            Remote { state: "active".to_owned(), scheduled: Some(at(scheduled)), ..Remote::default() };
        workflow(File::Valid(hourly()), Some(remote))
    };
    let mut bench = Bench::new();
    // 12:01; the run of 10:17 came late, the one of 11:17 is due by 12:17.
    bench.check(remote("2026-11-22T10:25:00Z"));
    assert_eq!(bench.unit().level, Level::Healthy);
    bench.now = at("2026-11-22T12:16:00Z");
    bench.check(remote("2026-11-22T10:25:00Z"));
    assert_eq!(
        bench.unit().note,
        "on GitHub the run that was scheduled for 2026-11-22T11:17:00.000Z has not come"
    );
    bench.check(remote("2026-11-22T12:17:30Z"));
    assert_eq!(bench.unit().level, Level::Healthy);
    // A workflow that was made a moment ago has missed nothing.
    let remote = Remote { created_at: Some(bench.now), ..Remote::default() };
    assert_eq!(missed(&hourly().schedules, &remote, None, bench.now), None);
}

#[test]
fn an_api_that_does_not_answer_is_told_once_and_no_failure_of_a_workflow() {
    let mut bench = Bench::new();
    bench.check(ended(2, "failure"));
    for _ in 0..2 {
        let unseen = workflow(File::Valid(Facts::default()), None);
        bench.check_with(unseen, Some(Fault::Refused("401 Unauthorized".to_owned())));
    }
    assert_eq!(bench.has_said("API: 401 Unauthorized"), 1);
    assert_eq!(bench.machine.notes(&bench.settings), [(Level::Degraded, "API: 401 Unauthorized".to_owned())]);
    assert_eq!(bench.unit().note, "on GitHub run 2 ended with failure", "what was known stays");
    bench.check(ended(3, "success"));
    assert_eq!((bench.has_said("API: it answers again"), bench.unit().level), (1, Level::Healthy));
    let unseen = workflow(File::Valid(Facts::default()), None);
    bench.check_with(unseen, Some(Fault::NotAsked("not asked: no repository".to_owned())));
    assert_eq!(bench.machine.notes(&bench.settings)[0].0, Level::Healthy, "as the user set it up");
}

#[test]
fn what_is_done_by_hand_stands_in_too() {
    let mut bench = Bench::new();
    bench.check(broken());
    bench.feed(Event::Done(local(), Ok("3 jobs".to_owned())));
    assert_eq!((bench.unit().level, bench.done.len()), (Level::Degraded, 0));
    assert!(bench.unit().note.ends_with("(covered: local: 3 jobs)"));
}
