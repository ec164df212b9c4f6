//! The schedules of all apps together, over some hours. Pure: the time is an argument.

use std::collections::{BTreeMap, HashSet};

use rpm_core::{ProcessInfo, Status};
use serde::Serialize;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Minutes with collisions that are told, those with the most apps.
const COLLISIONS: usize = 10;

/// What runs when. Times are milliseconds since the epoch.
#[derive(Debug, Serialize)]
pub(crate) struct Agenda {
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// Those that have a schedule, by their next run.
    pub(crate) apps: Vec<App>,
    /// Starts in each hour, the first of which has begun already.
    pub(crate) load: Vec<Hour>,
    /// Minutes in which several apps start, the fullest first.
    pub(crate) collisions: Vec<Collision>,
    /// How many such minutes there are.
    pub(crate) colliding_minutes: usize,
    /// Ticks that nothing has followed.
    pub(crate) missed: Vec<Missed>,
}

/// An app with a schedule.
#[derive(Debug, Serialize)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) schedule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Its processes, each of which is started.
    pub(crate) instances: u32,
    /// When it starts next, jitter included; `None` if it never does again.
    pub(crate) next: Option<i64>,
    /// Starts within the hours that are looked at, of each process.
    pub(crate) runs: u32,
}

/// The starts of one hour.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hour {
    pub(crate) at: i64,
    pub(crate) runs: u32,
}

/// A minute in which several apps start.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Collision {
    pub(crate) at: i64,
    pub(crate) apps: Vec<String>,
}

/// A tick that should have started an app and did not.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Missed {
    pub(crate) app: String,
    pub(crate) id: u32,
    pub(crate) due: i64,
    /// When its last run began.
    pub(crate) last_run: i64,
}

impl Agenda {
    /// The schedules of `processes` in the `hours` after `now`.
    pub(crate) fn of(processes: &[ProcessInfo], now: i64, hours: i64) -> Self {
        let until = now.saturating_add(hours * HOUR);
        let first = now - now.rem_euclid(HOUR);
        let mut load: Vec<_> = (first..until).step_by(HOUR as usize).map(|at| Hour { at, runs: 0 }).collect();
        let mut minutes: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        let mut apps: Vec<App> = Vec::new();
        let mut known = HashSet::new();
        for process in processes {
            let spec = &process.spec;
            let Some(timetable) = spec.timetable() else { continue };
            if !known.insert(spec.key()) {
                continue;
            }
            let instances = processes.iter().filter(|other| other.spec.is_same_app(spec)).count() as u32;
            let number = apps.len();
            let (mut tick, mut runs) = (timetable.next_after(now), 0);
            let next = tick.map(|tick| tick.at);
            while let Some(at) = tick.map(|tick| tick.at).filter(|at| *at <= until) {
                runs += 1;
                if let Some(hour) = load.get_mut(((at - first) / HOUR) as usize) {
                    hour.runs += instances;
                }
                let minute = minutes.entry(at - at.rem_euclid(MINUTE)).or_default();
                if minute.last() != Some(&number) {
                    minute.push(number);
                }
                tick = timetable.next_after(at);
            }
            apps.push(App {
                name: spec.name.clone(),
                namespace: spec.namespace.clone(),
                schedule: spec.cron_restart.as_ref().map(ToString::to_string).unwrap_or_default(),
                timezone: spec.cron_timezone.map(|zone| zone.to_string()),
                instances,
                next,
                runs,
            });
        }
        let mut collisions: Vec<(i64, Vec<usize>)> =
            minutes.into_iter().filter(|(_, apps)| apps.len() > 1).collect();
        let colliding_minutes = collisions.len();
        collisions.sort_by_key(|(at, apps)| (std::cmp::Reverse(apps.len()), *at));
        let collisions = collisions
            .into_iter()
            .take(COLLISIONS)
            .map(|(at, numbers)| {
                let apps = numbers.into_iter().filter_map(|number| Some(apps.get(number)?.name.clone()));
                Collision { at, apps: apps.collect() }
            })
            .collect();
        apps.sort_by(|a, b| (a.next.is_none(), a.next, &a.name).cmp(&(b.next.is_none(), b.next, &b.name)));
        let mut missed: Vec<_> = processes.iter().filter_map(|process| missed(process, now)).collect();
        missed.sort_by(|a, b| (a.due, &a.app).cmp(&(b.due, &b.app)));
        Self { from: now, until, apps, load, collisions, colliding_minutes, missed }
    }
}

/// The last tick of a process, if no run has begun since. One that waits for its start or its end has not missed it.
fn missed(process: &ProcessInfo, now: i64) -> Option<Missed> {
    let timetable = process.spec.timetable()?;
    let row = &process.summary;
    if !matches!(row.status, Status::Stopped | Status::Errored | Status::Online) {
        return None;
    }
    let since = process.created_at.unwrap_or(row.pm_uptime).max(row.pm_uptime);
    // Before the daemon has acted on it, nothing was missed.
    let until = now - SECOND;
    let due = timetable.last_between(since, until)?;
    let is_put_off = timetable.next_after(until).is_some_and(|next| next.due == due);
    (!is_put_off).then(|| Missed {
        app: process.spec.name.clone(),
        id: row.id.0,
        due,
        last_run: row.pm_uptime,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::render::sample::{NOW, info};

    /// A task of this schedule, whose last run began so long ago.
    fn task(id: u32, name: &str, cron: &str, ago: i64) -> ProcessInfo {
        let mut process = info(id, name, Status::Stopped);
        let spec = Arc::make_mut(&mut process.spec);
        spec.autorestart = false;
        spec.cron_restart = Some(cron.parse().unwrap());
        spec.cron_timezone = Some("UTC".parse().unwrap());
        process.summary.pm_uptime = NOW - ago;
        process.created_at = Some(NOW - ago);
        process
    }

    #[test]
    fn runs_are_counted_by_hour_and_minute() {
        // NOW is 8:00 of a Friday.
        let processes = [
            task(0, "hourly", "0 * * * *", MINUTE),
            task(1, "daily", "0 3 * * *", MINUTE),
            task(2, "quarter", "*/15 * * * *", MINUTE),
            task(3, "quarter", "*/15 * * * *", MINUTE),
            task(4, "never", "0 0 31 2 *", MINUTE),
            info(5, "unscheduled", Status::Online),
        ];
        let agenda = Agenda::of(&processes, NOW, 24);
        let row = |app: &App| {
            (app.name.clone(), app.instances, app.runs, app.next.map(|next| (next - NOW) / MINUTE))
        };
        assert_eq!(
            agenda.apps.iter().map(row).collect::<Vec<_>>(),
            [
                ("quarter".into(), 2, 96, Some(15)),
                ("hourly".into(), 1, 24, Some(60)),
                ("daily".into(), 1, 1, Some(19 * 60)),
                ("never".into(), 1, 0, None)
            ]
        );
        assert_eq!(agenda.load.len(), 24);
        assert_eq!((agenda.load[0].runs, agenda.load[1].runs, agenda.load[19].runs), (6, 9, 10));
        assert_eq!((agenda.colliding_minutes, agenda.collisions.len()), (24, COLLISIONS));
        assert_eq!(agenda.collisions[0].apps, ["hourly", "daily", "quarter"]);
        assert_eq!((agenda.collisions[0].at - NOW) / HOUR, 19);
        assert!(agenda.missed.is_empty());
    }

    #[test]
    fn a_tick_without_a_run_was_missed_unless_it_is_followed() {
        let mut queued = task(2, "queued", "0 * * * *", 3 * HOUR);
        queued.summary.status = Status::Queued;
        let processes = [
            task(0, "late", "30 * * * *", 3 * HOUR + MINUTE),
            task(1, "in time", "30 * * * *", 30 * MINUTE),
            queued,
        ];
        let missed = Agenda::of(&processes, NOW, 1).missed;
        let expected =
            Missed { app: "late".into(), id: 0, due: NOW - 30 * MINUTE, last_run: NOW - 3 * HOUR - MINUTE };
        assert_eq!(missed, [expected]);
    }
}
