//! One app writes numbered lines as fast as it can, its log is rotated, and meanwhile the daemon is killed again and
//! again: each line has to be in the log, once and in order.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome, at},
    interrupt::{pause, within},
    random::Random,
    world::World,
};

/// How long it may take until the last line has arrived, once it was written.
const LIMIT: Duration = Duration::from_mins(1);

/// Milliseconds that a daemon lives at most.
const LIFE: usize = 300;

/// Writes a line by a system call each, says when the last is written, and stays: what it leaves in a pipe at its end
/// would be lost with it if there was no daemon.
const PROGRAM: &str = r#"#!/bin/bash
exec 9<>never
for ((number = 0; number < $1; number++)); do echo "line $number"; done
: >written
read -r -u 9
"#;

/// What is shown of one producer.
struct Figures {
    way: &'static str,
    found: Found,
    deaths: u32,
    rotations: usize,
    took: Duration,
}

/// What is in the log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    lines: u64,
    missing: u64,
    twice: u64,
    /// Lines that are not followed by a greater number.
    disorder: u64,
    /// Lines that are not what was written.
    torn: u64,
}

impl Found {
    /// Each of `lines` is there once, in order.
    fn is_right(&self, lines: u64) -> bool {
        *self == Self { lines, ..Self::default() }
    }
}

/// Lets producers of `lines` lines run in homes below `directory`. True if no line was lost, doubled or moved.
pub(crate) fn show(rpm: &Path, directory: &Path, lines: u64, seed: u64) -> Outcome<(String, bool)> {
    let mut all = Vec::new();
    for (number, (way, options)) in
        [("written by the app", &[][..]), ("through a pump", &["--time"])].into_iter().enumerate()
    {
        let directory = directory.join(format!("producer-{number}"));
        fs::create_dir(&directory).map_err(at(&directory))?;
        let world = World::new(rpm, &directory)?;
        let (found, deaths, rotations, took) =
            produce(&world, options, lines, &mut Random::of_round(seed, number as u64))?;
        world.end()?;
        all.push(Figures { way, found, deaths, rotations, took });
    }
    Ok((render(&all), all.iter().all(|figures| figures.found.is_right(lines))))
}

fn produce(
    world: &World,
    options: &[&str],
    lines: u64,
    random: &mut Random,
) -> Outcome<(Found, u32, usize, Duration)> {
    let program = world.apps().join("producer.sh");
    fs::write(&program, PROGRAM).map_err(at(&program))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(at(&program))?;
    // All archives have one date, so that their numbers tell the order.
    let settings = json!({ "pm2-logrotate": {
        "retain": "all", "max_total": "none", "max_size": "64K", "dateFormat": "[D]",
    } });
    let path = world.home().join("module_conf.json");
    fs::write(&path, settings.to_string()).map_err(at(&path))?;
    let began = Instant::now();
    let count = lines.to_string();
    world.must(&[&["start", "./producer.sh"], options, &["--", &count]].concat())?;
    let written = world.apps().join("written");
    let mut deaths = 0;
    while !written.exists() {
        pause(random.moment(LIFE))?;
        world.lose_daemon()?;
        deaths += 1;
        // The next daemon; and a look at the sizes, which it would take only once it has lived for a while.
        world.must(&["list"])?;
        world.must(&["set", "pm2-logrotate:max_size", &format!("{}K", 32 + deaths % 64)])?;
    }
    let took = began.elapsed();
    let logs = world.home().join("logs");
    // The last lines may be in the pipe, and a rotation that is under way has lines on their way to an archive.
    let mut found = read(&logs, lines)?;
    within(LIMIT, || {
        found = read(&logs, lines).ok()?;
        found.is_right(lines).then_some(())
    })?;
    Ok((found, deaths, parts(&logs)?.len() - 1, took))
}

/// The files of the log, the oldest first.
fn parts(logs: &Path) -> Outcome<Vec<PathBuf>> {
    let mut parts = BTreeMap::new();
    for entry in fs::read_dir(logs).map_err(at(logs))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = match name.strip_prefix("producer-out").and_then(|rest| rest.strip_suffix(".log")) {
            Some("") => u32::MAX,
            Some("__D") => 0,
            Some(archive) => archive
                .strip_prefix("__D.")
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| Failure::Unexpected(format!("{name} is no archive")))?,
            None => continue,
        };
        parts.insert(number, entry.path());
    }
    Ok(parts.into_values().collect())
}

fn read(logs: &Path, lines: u64) -> Outcome<Found> {
    let mut found = Found::default();
    let mut seen = vec![false; lines as usize];
    let mut last = None;
    for path in parts(logs)? {
        let file = fs::File::open(&path).map_err(at(&path))?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(at(&path))?;
            // What rotation leaves of a block that could not be cut off.
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line = String::from_utf8_lossy(&line);
            let number = line.rsplit_once("line ").and_then(|(_, number)| number.parse::<u64>().ok());
            let Some(number) = number.filter(|number| *number < lines) else {
                found.torn += 1;
                continue;
            };
            found.lines += 1;
            found.twice += u64::from(std::mem::replace(&mut seen[number as usize], true));
            found.disorder += u64::from(last.is_some_and(|last| last >= number));
            last = Some(number);
        }
    }
    found.missing = seen.iter().filter(|seen| !**seen).count() as u64;
    Ok(found)
}

fn render(all: &[Figures]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "log",
        "lines",
        "missing",
        "twice",
        "disorder",
        "torn",
        "kill -9",
        "rotations",
        "took",
    ]);
    for Figures { way, found, deaths, rotations, took } in all {
        let Found { lines, missing, twice, disorder, torn } = found;
        let numbers = [lines, missing, twice, disorder, torn].map(u64::to_string);
        let rest = [deaths.to_string(), rotations.to_string(), format!("{:.1} s", took.as_secs_f64())];
        table.add_row([(*way).to_owned()].into_iter().chain(numbers).chain(rest));
    }
    for column in 1..9 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_once_and_in_order_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] =
            ["__D", ""].map(|archive| directory.path().join(format!("producer-out{archive}.log")));
        fs::write(&first, "line 0\n2026: line 1\n   \n").unwrap();
        fs::write(&second, "line 3\nline 2\nline 2\nli\nline 9\n").unwrap();
        let found = read(directory.path(), 6).unwrap();
        assert_eq!(found, Found { lines: 5, missing: 2, twice: 1, disorder: 2, torn: 2 });
    }
}
