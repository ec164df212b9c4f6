//! `health-report-YYYY-MM-DD.json`: how the whole stands, and how it stood over the day.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::Days;
use serde::{Deserialize, Serialize};

use crate::{
    config::Files,
    health::{Level, SystemHealth, SystemLevel},
    log::replace,
    moment::Moment,
};

/// The version of the form.
const SCHEMA: &str = "rpm-redundancy-health/1";

/// How the files of reports begin.
const PREFIX: &str = "health-report-";

/// A day's report. `docs/redundancy.md` describes it.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    schema: String,
    /// In UTC, like every time here.
    date: String,
    latest: SystemHealth,
    /// One for each health check, in order.
    checks: Vec<Check>,
}

/// How it stood at one time.
#[derive(Debug, Serialize, Deserialize)]
struct Check {
    at: Moment,
    level: SystemLevel,
    parts: std::collections::BTreeMap<String, Level>,
}

/// Where the report of a time is.
pub(crate) fn path(files: &Files, at: Moment) -> PathBuf {
    files.logs.join(format!("{PREFIX}{}.json", at.utc().format("%Y-%m-%d")))
}

/// Writes a check into the report of its day, and removes reports that are too old.
pub(crate) fn write(files: &Files, health: &SystemHealth) -> io::Result<PathBuf> {
    let path = path(files, health.at);
    let parts = health.parts.iter().map(|part| (part.part.to_string(), part.level)).collect();
    let mut checks = read(&path).map_or_else(Vec::new, |report| report.checks);
    checks.push(Check { at: health.at, level: health.level, parts });
    let date = health.at.utc().format("%Y-%m-%d").to_string();
    let report = Report { schema: SCHEMA.to_owned(), date, latest: health.clone(), checks };
    let mut text = serde_json::to_vec_pretty(&report)?;
    text.push(b'\n');
    replace(&path, &text, 0o644)?;
    prune(files, health.at);
    Ok(path)
}

/// One that cannot be understood counts as none: it is begun anew.
fn read(path: &Path) -> Option<Report> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn prune(files: &Files, now: Moment) {
    let Some(oldest) = now.utc().checked_sub_days(Days::new(files.keep_reports.into())) else { return };
    let oldest = path(files, Moment(oldest.timestamp_millis()));
    for entry in fs::read_dir(&files.logs).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let is_report =
            name.to_string_lossy().starts_with(PREFIX) && name.to_string_lossy().ends_with(".json");
        // The names of dates are in the order of the dates.
        if is_report && Some(name.as_os_str()) < oldest.file_name() {
            // It is tried again with the next report.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_report_with_all_its_checks_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { logs: directory.path().to_owned(), keep_reports: 2, ..Files::default() };
        for day in ["2026-11-18", "2026-11-19", "2026-11-21"] {
            fs::write(directory.path().join(format!("{PREFIX}{day}.json")), "{}").unwrap();
        }
        fs::write(directory.path().join("pm2.log"), "").unwrap();
        let at = |text: &str| Moment::parse(text).unwrap();
        for time in ["2026-11-21T23:59:00Z", "2026-11-22T00:04:00Z", "2026-11-22T00:09:00Z"] {
            write(&files, &SystemHealth::of(Vec::new(), None, 2, at(time))).unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, ["health-report-2026-11-21.json", "health-report-2026-11-22.json", "pm2.log"]);
        let report = read(&path(&files, at("2026-11-22T12:00:00Z"))).unwrap();
        assert_eq!((report.schema.as_str(), report.checks.len()), (SCHEMA, 2));
        assert_eq!(report.latest.at, at("2026-11-22T00:09:00Z"));
    }
}
