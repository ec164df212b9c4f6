use rpm_core::Millis;

use super::*;

struct Bench {
    machine: Functions,
    settings: Netlify,
    now: Moment,
    said: Vec<String>,
    done: Vec<Deed>,
    outcome: Result<String, String>,
}

impl Bench {
    fn new() -> Self {
        let settings = Netlify { auto_deploy: true, ..Netlify::default() };
        let (machine, now, outcome) = (Functions::default(), Moment(1_000_000), Ok("done".to_owned()));
        Self { machine, settings, now, said: Vec::new(), done: Vec::new(), outcome }
    }

    fn feed(&mut self, event: Event<Seen, Deed>) {
        for step in self.machine.step(&self.settings, event, self.now) {
            match step {
                Step::Tell(_, text) => self.said.push(text),
                Step::Do(deed) => {
                    self.done.push(deed.clone());
                    let outcome = self.outcome.clone();
                    self.feed(Event::Done(deed, outcome));
                }
            }
        }
    }

    /// A check two minutes later, with functions by name and what is wrong with them.
    fn check(&mut self, functions: &[(&str, Option<&str>)]) -> &mut Self {
        self.now = self.now.after(Millis(120_000));
        let function = |&(name, wrong): &(&str, Option<&str>)| {
            let outcome = wrong.map_or(Ok("answered".to_owned()), |wrong| Err(wrong.to_owned()));
            let probe = Probe { at: self.now, stamp: String::new(), outcome };
            Function { name: name.to_owned(), probe }
        };
        let functions = functions.iter().map(function).collect();
        self.feed(Event::Seen(Seen { functions, ..Seen::default() }));
        self
    }

    fn level(&self) -> Level {
        let notes = self.machine.notes(&self.settings).into_iter().map(|(level, _)| level);
        let units = self.machine.units(&self.settings);
        units.iter().map(|unit| unit.level).chain(notes).max().unwrap_or_default()
    }

    fn has_said(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }
}

fn regenerate(known: &[&str]) -> Deed {
    Deed::Regenerate { known: known.iter().map(|&name| name.to_owned()).collect() }
}

const WRONG: &[(&str, Option<&str>)] = &[("a", None), ("b", Some("it throws"))];

#[test]
fn after_three_failures_the_manifest_is_made_anew_and_the_site_deployed() {
    let mut bench = Bench::new();
    bench.check(&[("a", None), ("b", None)]);
    assert_eq!(bench.level(), Level::Healthy);
    bench.check(WRONG).check(WRONG);
    assert_eq!((bench.level(), bench.done.len()), (Level::Degraded, 0));
    bench.check(WRONG);
    assert_eq!(
        (bench.level(), bench.done.as_slice()),
        (Level::Unhealthy, &[regenerate(&["a", "b"]), Deed::Deploy][..])
    );
    assert_eq!((bench.has_said("b: it throws"), bench.has_said("3 failed checks of b")), (1, 1));
    for _ in 0..14 {
        bench.check(WRONG);
    }
    assert_eq!(bench.done.len(), 2, "not again before the pause is over");
    bench.check(WRONG);
    assert_eq!(bench.done.len(), 4);
    bench.check(&[("a", None), ("b", None)]);
    assert_eq!((bench.level(), bench.has_said("b is well again")), (Level::Healthy, 1));
}

#[test]
fn a_function_that_leaves_the_manifest_is_forgotten() {
    let mut bench = Bench::new();
    bench.check(WRONG).check(&[("a", None)]);
    assert_eq!((bench.level(), bench.has_said("b is not in the manifest any more")), (Level::Healthy, 1));
}

#[test]
fn without_auto_deploy_nothing_is_deployed() {
    let mut bench = Bench::new();
    bench.settings.auto_deploy = false;
    bench.check(WRONG).check(WRONG).check(WRONG);
    assert_eq!(bench.done, [regenerate(&["a", "b"])]);
}

#[test]
fn a_deployment_that_fails_is_told_and_noted() {
    let mut bench = Bench::new();
    bench.outcome = Err("the hook answered 404".to_owned());
    bench.check(WRONG).check(WRONG).check(WRONG);
    assert_eq!(bench.has_said("deployment failed: the hook answered 404"), 1);
    assert_eq!(bench.machine.notes(&bench.settings)[0].1, "deployment failed: the hook answered 404");
}

#[test]
fn what_the_manifest_does_not_name_is_taken_in_at_once() {
    let mut bench = Bench::new();
    bench.feed(Event::Seen(Seen { unlisted: vec!["new".to_owned()], ..Seen::default() }));
    assert_eq!(
        (bench.said[0].as_str(), bench.done.as_slice()),
        ("not in the manifest: new", &[regenerate(&[])][..])
    );
}

#[test]
fn a_manifest_that_cannot_be_read_fails_and_forgets_nothing() {
    let mut bench = Bench::new();
    bench.check(&[("a", None)]);
    for _ in 0..3 {
        bench.feed(Event::Seen(Seen { manifest: Some("not JSON".to_owned()), ..Seen::default() }));
    }
    assert_eq!((bench.level(), bench.has_said("(manifest): not JSON")), (Level::Unhealthy, 1));
    assert_eq!(bench.done, [regenerate(&["a"]), Deed::Deploy]);
    assert!(bench.machine.probe("a").is_some());
    bench.check(&[("a", None)]);
    assert_eq!(bench.level(), Level::Healthy);
}
