//! The daemon dies in the middle of a reload, and what it was reloading perhaps with it.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Told;
use crate::{
    failure::Outcome,
    interrupt::{pause, within},
    trial::{Ground, LIMIT, Trial},
    victims::{VICTIM, Victim},
    world::signal,
};

/// How the victim is reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As its kind of app is without further attributes.
    Plain,
    /// The new run comes up beside the old one.
    Overlap,
    /// The same, and the new run ends at once.
    Failing,
}

pub(crate) fn kill_in_reload(ground: &mut Ground<'_>) -> Outcome<Told> {
    let form = [Form::Plain, Form::Overlap, Form::Failing][ground.random.within(0..3)];
    let overlap = |app: &mut Value| {
        app["listen_timeout"] = 1500.into();
        if form != Form::Plain {
            app["reload"] = "overlap".into();
        }
    };
    let mut trial = Trial::begin(ground, overlap)?;
    let mut words = ["reload".to_owned(), VICTIM.to_owned()];
    if form == Form::Failing {
        let mut app = trial.victim.declare(VICTIM, &trial.world.apps());
        overlap(&mut app);
        app["args"][0] = "broken".into();
        words[1] = trial.write("broken.json", &[&app])?;
    }
    trial.let_victim_change(false);
    let mut client = trial.world.begin(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    let most = if ground.random.once_in(2) { 30_000 } else { 600_000 };
    let moment = Duration::from_micros(ground.random.within(2_000..most) as u64);
    pause(moment)?;
    let is_client_killed = ground.random.once_in(2);
    if is_client_killed {
        signal(client.child.id() as i32, Signal::SIGKILL);
    }
    trial.lose_daemon()?;
    let runs = trial.mains(VICTIM);
    let ended = match ground.random.within(0..3) {
        0 => Vec::new(),
        1 => ground.random.some_of(&runs, 1),
        _ => runs,
    };
    trial.end_runs(&ended)?;
    if trial.victim == Victim::Cluster && ground.random.once_in(2) {
        within(LIMIT, || trial.mains(VICTIM).is_empty().then_some(()))?;
    }
    if is_client_killed {
        let _ = client.child.wait();
    } else {
        client.end()?;
    }
    let (settled, mut violations) = trial.settle()?;
    violations.extend(trial.finish()?);
    let who = if is_client_killed { "daemon and client" } else { "daemon" };
    let what = format!(
        "{:?}, {form:?}: {who} killed after {:.1} ms, {} runs ended",
        trial.victim,
        moment.as_secs_f64() * 1e3,
        ended.len()
    );
    Ok(Told { what, violations, settled: Some(settled) })
}
