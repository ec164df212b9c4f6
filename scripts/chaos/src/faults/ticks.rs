//! The daemon dies while tasks are due that are not all allowed to run at the same time.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::Told;
use crate::{
    failure::{Failure, Outcome, at},
    interrupt::pause,
    trial::Ground,
    victims::Victim,
    world::World,
};

/// How long all tasks may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A task: it adds its name to a file, and ends a little later.
const SHELL: &str = r#"#!/bin/bash
echo "$name" >>"$2"
if [[ $1 == scattered ]]; then (setsid sleep 0.2 &); fi
sleep "$3"
"#;

const NODE: &str = "require('fs').appendFileSync(process.argv[3], `${process.env.name}\\n`)
setTimeout(() => process.exit(0), process.argv[4] * 1000)
";

const PYTHON: &str = r#"import os, sys, time
with open(sys.argv[2], "a") as runs:
    runs.write(os.environ["name"] + "\n")
time.sleep(float(sys.argv[3]))
"#;

/// How many tasks of a kind one machine starts in a second or two.
fn count(victim: Victim) -> usize {
    match victim {
        Victim::Task | Victim::Shell | Victim::Pumped | Victim::Family => 100,
        Victim::Python => 40,
        Victim::Fork | Victim::Cluster => 16,
    }
}

pub(crate) fn kill_around_tick(ground: &mut Ground<'_>) -> Outcome<Told> {
    let victim = ground.victim();
    let world = World::new(ground.rpm, &ground.directory)?;
    for (program, text) in [("task.sh", SHELL), ("task.js", NODE), ("task.py", PYTHON)] {
        let path = world.apps().join(program);
        fs::write(&path, text).map_err(at(&path))?;
    }
    let tasks = count(victim);
    let max_parallel = 1 + ground.random.within(1..12);
    // The first tick that all are declared before.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let tick = now.as_secs() + 2;
    let due = Duration::from_secs(tick);
    let lasts = ["0", "0.02", "0.1"][ground.random.within(0..3)];
    let apps: Vec<Value> = (0..tasks).map(|number| task(&world, victim, number, (tick, lasts))).collect();
    let file = world.apps().join("eco.json");
    fs::write(&file, json!({ "max_parallel": max_parallel, "apps": apps }).to_string()).map_err(at(&file))?;
    world.must(&["start", &file.display().to_string()])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let Some(left) = due.checked_sub(now) else {
        return Ok(Told::from(format!("{victim:?}: declared too late")));
    };
    let mut moments = Vec::new();
    pause(left)?;
    for _ in 0..=ground.random.within(0..3) {
        let moment = Duration::from_micros(ground.random.within(5_000..50_000) as u64);
        moments.push(format!("{:.0}", moment.as_secs_f64() * 1e3));
        pause(moment)?;
        world.lose_daemon()?;
        if ground.random.once_in(3) {
            // What was started has ended when the next daemon looks.
            pause(Duration::from_millis(300))?;
        }
        if let Err(reason) = world.list()? {
            return Err(Failure::Unexpected(reason));
        }
    }
    let (settled, mut violations) = look(&world, tasks, victim)?;
    if violations.is_empty() {
        // What has run is not due again.
        world.lose_daemon()?;
        violations = look(&world, tasks, victim)?.1;
    }
    violations.extend(world.end()?.iter().map(|left| format!("`kill` left {left}")));
    let what = format!(
        "{victim:?}: {tasks} tasks, {max_parallel} at once, each {lasts} s, killed after {} ms",
        moments.join(", ")
    );
    Ok(Told { what, violations, settled: Some(settled) })
}

/// The declaration of one task that is due at `tick`, and lasts so many seconds.
fn task(world: &World, victim: Victim, number: usize, (tick, lasts): (u64, &str)) -> Value {
    let (program, behaviour) = match victim {
        Victim::Fork | Victim::Cluster => ("task.js", "steady"),
        Victim::Python => ("task.py", "steady"),
        Victim::Family => ("task.sh", "scattered"),
        Victim::Task | Victim::Pumped | Victim::Shell => ("task.sh", "steady"),
    };
    let of_day = tick % 86_400;
    let mut app = json!({
        "name": format!("t{number:02}"),
        "script": world.apps().join(program),
        "args": [behaviour, runs(world), lasts],
        "cwd": world.apps(),
        "autorestart": false,
        "cron_restart": format!("{} {} {} * * *", of_day % 60, of_day / 60 % 60, of_day / 3600),
        "cron_timezone": "UTC",
        "cron_catch_up": true,
        "cron_only": true,
        "cron_overlap": if number.is_multiple_of(2) { "queue" } else { "skip" },
    });
    match victim {
        Victim::Cluster => app["exec_mode"] = "cluster".into(),
        Victim::Pumped => app["time"] = true.into(),
        _ => {}
    }
    app
}

fn runs(world: &World) -> std::path::PathBuf {
    world.directory.join("runs")
}

/// Waits until each task has run and is at rest, and tells which have not, or more than once.
fn look(world: &World, tasks: usize, victim: Victim) -> Outcome<(Duration, Vec<String>)> {
    let began = Instant::now();
    loop {
        let rows = match world.list()? {
            Ok(rows) => rows,
            Err(reason) => return Ok((began.elapsed(), vec![reason])),
        };
        let mut wrong = Vec::new();
        let ran = fs::read_to_string(runs(world)).unwrap_or_default();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for name in ran.lines() {
            *times.entry(name).or_default() += 1;
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        if !twice.is_empty() {
            return Ok((began.elapsed(), vec![format!("more than once: {twice:?}")]));
        }
        // A worker ends with the daemon, perhaps before it can say that it has run.
        let is_complete = times.len() == tasks || victim == Victim::Cluster;
        if !is_complete {
            let missing: Vec<_> = rows
                .iter()
                .filter(|row| !times.contains_key(row.name.as_str()))
                .map(|row| &row.name)
                .collect();
            wrong.push(format!("{} have not run: {missing:?}", missing.len()));
        }
        let busy = rows.iter().filter(|row| !matches!(row.status.as_str(), "stopped" | "errored"));
        wrong.extend(busy.take(3).map(|row| format!("{} is {}", row.name, row.status)));
        if rows.len() != tasks {
            wrong.push(format!("{} of {tasks} are listed", rows.len()));
        }
        if wrong.is_empty() || began.elapsed() > LIMIT {
            return Ok((began.elapsed(), wrong));
        }
        pause(Duration::from_millis(50))?;
    }
}
