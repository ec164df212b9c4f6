//! The daemon dies, is replaced, or is asked for much at once.

use super::{Scene, Told};
use crate::{deed::Deed, failure::Outcome, interrupt::pause};

/// Milliseconds in which most verbs have ended.
const VERB: usize = 150;

pub(super) fn kill_once(scene: &mut Scene<'_>) -> Outcome<Told> {
    let deed = Deed::any(scene.stage, scene.random);
    let moment = scene.random.moment(VERB);
    let running = deed.begin(scene.stage)?;
    pause(moment)?;
    scene.stage.lose_daemon()?;
    let said = deed.end(running, scene.stage)?;
    let end = if said.is_done() { "done" } else { "broken off" };
    Ok(format!("{deed:?} {end} after {:.1} ms", moment.as_secs_f64() * 1e3).into())
}

pub(super) fn kill_twice(scene: &mut Scene<'_>) -> Outcome<Told> {
    let first = kill_once(scene)?;
    let times = 1 + scene.random.within(0..3);
    for _ in 0..times {
        let look = Deed::List.begin(scene.stage)?;
        pause(scene.random.moment(VERB))?;
        scene.stage.lose_daemon()?;
        look.end()?;
    }
    Ok(format!("{}, and {times} more", first.what).into())
}

pub(super) fn update(scene: &mut Scene<'_>) -> Outcome<Told> {
    let before = scene.stage.world.daemon();
    let other = scene.random.once_in(2).then(|| Deed::any(scene.stage, scene.random));
    let running = match &other {
        Some(deed) => Some(deed.begin(scene.stage)?),
        None => None,
    };
    let said = scene.stage.world.verb(&["update"])?;
    if let (Some(deed), Some(running)) = (&other, running) {
        deed.end(running, scene.stage)?;
    }
    let mut told = Told::from(format!("beside {other:?}, daemon {before:?}"));
    if !said.is_done() {
        told.violations.push(format!("`rpm update`: {:?}: {}", said.status, said.text.trim()));
    }
    Ok(told)
}

pub(super) fn update_killed(scene: &mut Scene<'_>) -> Outcome<Told> {
    let running = scene.stage.world.begin(&["update"])?;
    let moment = scene.random.moment(VERB);
    pause(moment)?;
    scene.stage.lose_daemon()?;
    running.end()?;
    Ok(format!("after {:.1} ms", moment.as_secs_f64() * 1e3).into())
}

pub(super) fn crowd(scene: &mut Scene<'_>) -> Outcome<Told> {
    let mut deeds: Vec<Deed> = Vec::new();
    for _ in 0..8 {
        let deed = Deed::any(scene.stage, scene.random);
        // Two that contradict each other leave either's outcome.
        let single = |deed: &Deed| match deed {
            Deed::Start(id) | Deed::Stop(id) | Deed::Restart(id) | Deed::Reload(id) => Some(*id),
            _ => None,
        };
        let is_free = match (single(&deed), &deed) {
            (Some(id), _) => deeds.iter().all(|other| single(other) != Some(id)),
            (None, Deed::RestartAll | Deed::ReloadAll) => false,
            (None, _) => deeds.iter().all(|o| std::mem::discriminant(o) != std::mem::discriminant(&deed)),
        };
        let is_guests = |deed: &Deed| matches!(deed, Deed::GuestComes | Deed::GuestGoes);
        if is_free && !(is_guests(&deed) && deeds.iter().any(is_guests)) {
            deeds.push(deed);
        }
    }
    let mut running = Vec::new();
    for deed in &deeds {
        running.push(deed.begin(scene.stage)?);
    }
    let mut told = Told::from(format!("{deeds:?}"));
    for (deed, running) in deeds.iter().zip(running) {
        let said = deed.end(running, scene.stage)?;
        // One reload at a time, and no scaling to what there is, as under PM2.
        let is_refused = said.had_nothing_to_do() || said.text.contains("Reload already in progress");
        if !said.is_done() && !is_refused {
            told.violations.push(format!("`rpm {}`: {:?}: {}", said.words, said.status, said.text.trim()));
        }
    }
    Ok(told)
}
