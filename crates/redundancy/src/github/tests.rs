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

    fn check_with(&mut self, workflow: Workflow, api: Option<&str>) -> &mut Self {
        self.now = self.now.after(Millis(MINUTE));
        self.feed(Event::Seen(Seen { workflows: vec![workflow], api: api.map(str::to_owned) }));
        self
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
    let hourly = || Facts {
        schedules: vec![("17 * * * *".parse().unwrap(), crate::local::utc())],
        ..Facts::default()
    };
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
    assert_eq!(missed(&hourly().schedules, &remote, bench.now), None);
}

#[test]
fn an_api_that_does_not_answer_is_told_once_and_no_failure_of_a_workflow() {
    let mut bench = Bench::new();
    bench.check(ended(2, "failure"));
    for _ in 0..2 {
        let unseen = workflow(File::Valid(Facts::default()), None);
        bench.check_with(unseen, Some("401 Unauthorized"));
    }
    assert_eq!(bench.has_said("API: 401 Unauthorized"), 1);
    assert_eq!(bench.machine.notes(&bench.settings), [(Level::Degraded, "API: 401 Unauthorized".to_owned())]);
    assert_eq!(bench.unit().note, "on GitHub run 2 ended with failure", "what was known stays");
    bench.check(ended(3, "success"));
    assert_eq!((bench.has_said("API: it answers again"), bench.unit().level), (1, Level::Healthy));
    let unseen = workflow(File::Valid(Facts::default()), None);
    bench.check_with(unseen, Some("not asked: no token"));
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
