//! What befalls apps.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;

use super::{Scene, Told};
use crate::{
    apps::{BOMB, Kind, bomb as bomb_app},
    check::Wanted,
    deed::Deed,
    failure::Outcome,
    interrupt::{pause, within},
    procs::Procs,
    world::signal,
};

pub(super) fn kill_some(scene: &mut Scene<'_>) -> Outcome<Told> {
    let count = 1 + scene.random.within(0..10);
    let ids = scene.stage.some_up(scene.random, count);
    let daemon_too = scene.random.within(0..3);
    if daemon_too == 1 {
        scene.stage.lose_daemon()?;
    }
    scene.stage.kill_apps(&ids);
    if daemon_too == 2 {
        pause(scene.random.moment(40))?;
        scene.stage.lose_daemon()?;
    }
    let when = ["alone", "after the daemon", "and then the daemon"][daemon_too];
    Ok(format!("{} of them, {when}", ids.len()).into())
}

pub(super) fn kill_all(scene: &mut Scene<'_>) -> Outcome<Told> {
    let ids = scene.stage.model.ids(|member| member.wanted == Wanted::Up);
    scene.stage.lose_daemon()?;
    scene.stage.kill_apps(&ids);
    Ok(format!("{} of them", ids.len()).into())
}

pub(super) fn stop_some(scene: &mut Scene<'_>) -> Outcome<Told> {
    let stage = &mut *scene.stage;
    let up = stage.model.ids(|member| {
        member.wanted == Wanted::Up && !matches!(member.kind, Kind::Restless | Kind::Pool | Kind::Guest)
    });
    let ids = scene.random.some_of(&up, 3);
    let procs = Procs::of(&stage.world.home());
    let pids: Vec<i32> = ids.iter().flat_map(|id| procs.mains(*id)).collect();
    for &pid in &pids {
        signal(pid, Signal::SIGSTOP);
    }
    let how = scene.random.within(0..4);
    match how {
        0 => {
            for &id in &ids {
                Deed::Restart(id).perform(stage)?;
            }
        }
        1 => {
            for &id in &ids {
                Deed::Stop(id).perform(stage)?;
            }
        }
        2 => {
            stage.lose_daemon()?;
            Deed::List.perform(stage)?;
        }
        _ => {}
    }
    for &pid in &pids {
        signal(pid, Signal::SIGCONT);
    }
    let then = ["restarted", "stopped", "the daemon killed", "continued"][how];
    Ok(format!("{} of them, then {then}", ids.len()).into())
}

pub(super) fn bomb(scene: &mut Scene<'_>) -> Outcome<Told> {
    let stage = &mut *scene.stage;
    let up = stage.world.directory.join("apps/bomb-up");
    let _ = fs::remove_file(&up);
    let file = stage.world.declare("bomb.json", &[bomb_app()])?;
    let start = stage.world.begin(&["start", &file])?;
    let is_early = scene.random.once_in(2);
    if is_early {
        pause(scene.random.moment(400))?;
    } else {
        within(Duration::from_secs(20), || up.exists().then_some(()))?;
    }
    let is_orphaned = scene.random.once_in(2);
    if is_orphaned {
        stage.lose_daemon()?;
    }
    start.end()?;
    let mut violations = Vec::new();
    for attempt in 0.. {
        let is_there = match stage.world.list()? {
            Ok(rows) => rows.iter().any(|row| row.name == BOMB),
            Err(reason) => {
                violations.push(reason);
                break;
            }
        };
        if !is_there {
            break;
        }
        let said = stage.world.verb(&["delete", BOMB])?;
        if !said.is_done() && attempt == 2 {
            violations.push(format!("`delete {BOMB}`: {:?}: {}", said.status, said.text.trim()));
            break;
        }
    }
    let when = if is_early { "while it forked" } else { "when it had forked" };
    let who = if is_orphaned { "a second daemon" } else { "its daemon" };
    Ok(Told { what: format!("deleted {when} by {who}"), violations, settled: None })
}
