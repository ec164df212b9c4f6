//! A daemon that may open no further file.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{Scene, Told};
use crate::{
    apps::Kind,
    deed::Deed,
    failure::{Outcome, doing},
    interrupt::pause,
    procs::weight,
};

pub(super) fn exhaust(scene: &mut Scene<'_>) -> Outcome<Told> {
    let stage = &mut *scene.stage;
    let Some(daemon) = stage.world.daemon() else { return Ok("no daemon".to_owned().into()) };
    let (Some(pid), Some((_, open))) = (Pid::from_raw(daemon), weight(daemon)) else {
        return Ok("the daemon has ended".to_owned().into());
    };
    let spare = scene.random.within(0..12) as u64;
    let limit = Rlimit { current: Some(open as u64 + spare), maximum: None };
    let before = rustix::process::prlimit(Some(pid), Resource::Nofile, limit);
    let before = match before {
        Ok(before) => before,
        // Not everybody may raise the hard limit to none.
        Err(_) => {
            let now = rustix::process::getrlimit(Resource::Nofile);
            let limit = Rlimit { maximum: now.maximum, ..limit };
            prlimit(Some(pid), Resource::Nofile, limit).map_err(doing("limiting the daemon"))?
        }
    };
    // What ends by itself meanwhile perhaps cannot be started.
    let restless = stage.model.ids(|member| member.kind == Kind::Restless);
    stage.expect(&restless, |member| member.may_fail = true);
    let mut deeds: Vec<(Deed, _)> = Vec::new();
    for _ in 0..4 {
        let deed = match Deed::any(stage, scene.random) {
            // They run at the same time: of two, either may be the last.
            Deed::Scale(_) if deeds.iter().any(|(other, _)| matches!(other, Deed::Scale(_))) => Deed::List,
            deed => deed,
        };
        let running = deed.begin(stage)?;
        if let Deed::Start(_) | Deed::Restart(_) | Deed::Reload(_) | Deed::RestartAll | Deed::ReloadAll = deed
        {
            let all = stage.model.ids(|member| member.pid.is_none());
            stage.expect(&all, |member| {
                member.may_fail = true;
            });
        }
        deeds.push((deed, running));
    }
    pause(Duration::from_millis(200) + scene.random.moment(1000))?;
    prlimit(Some(pid), Resource::Nofile, before).map_err(doing("giving the daemon its files back"))?;
    let mut done = 0;
    let total = deeds.len();
    for (deed, running) in deeds {
        done += usize::from(deed.end(running, stage)?.is_done());
    }
    // What was answered may be undone by a spawn that failed afterwards.
    let touched = stage.model.ids(|member| member.pid.is_none());
    stage.expect(&touched, |member| {
        if member.may_fail {
            member.wanted = crate::check::Wanted::Either;
        }
    });
    let mut violations = Vec::new();
    if stage.world.daemon() != Some(daemon) {
        violations.push("the daemon has died of it".to_owned());
    }
    Ok(Told { what: format!("{spare} left, {done} of {total} verbs done"), violations, settled: None })
}
