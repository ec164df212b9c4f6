//! What runs when, as text.

use std::fmt::Write;

use chrono::DateTime;
use rpm_core::{
    cron::Zone,
    name::printable,
    units::{Millis, Uptime},
};

use super::{
    grid::{Grid, clip, display_width},
    style::{Paint, Style},
};
use crate::verbs::schedule::{Agenda, App, Collision, Missed};

/// Columns of the table beside the name of an app: when, in, schedule, runs, and the frame.
const WHEN: u16 = 18;
const IN: u16 = 7;
const RUNS: u16 = 7;
const SCHEDULE: u16 = 18;
const FRAME: u16 = 6;

/// The widest bar.
const BAR: u32 = 50;

/// Names that are listed of a collision take so many lines.
const LINES: usize = 2;

/// Next runs, load, collisions and missed ticks, for a terminal of so many columns.
pub(crate) fn text(plan: &Agenda, max_parallel: Option<u64>, columns: u16, paint: Paint) -> String {
    let mut text = table(plan, columns, paint);
    load(plan, paint, &mut text);
    if !plan.collisions.is_empty() {
        collisions(plan, max_parallel, columns, paint, &mut text);
    }
    if !plan.missed.is_empty() {
        heading("Missed ticks", paint, &mut text);
        for missed in &plan.missed {
            tell_missed(missed, columns, &mut text);
        }
    }
    text
}

/// Writing to a String cannot fail.
macro_rules! line {
    ($text:expr, $($format:tt)+) => { _ = writeln!($text, $($format)+) };
}

fn heading(what: &str, paint: Paint, text: &mut String) {
    line!(text, "\n{}", paint.paint(Style::BOLD, what));
}

fn table(plan: &Agenda, columns: u16, paint: Paint) -> String {
    let name = columns.saturating_sub(WHEN + IN + RUNS + SCHEDULE + FRAME).max(12);
    let mut grid = Grid::new(vec![WHEN, IN, name, SCHEDULE, RUNS], paint);
    grid.reserve(plan.apps.len());
    for title in ["next", "in", "app", "schedule", "runs"] {
        grid.cell(Style::BOLD_CYAN, title);
    }
    grid.rule();
    for App { name, schedule, timezone, instances, next, runs, .. } in &plan.apps {
        grid.cell(Style::PLAIN, &next.map_or_else(|| "never".to_owned(), minute));
        grid.cell(Style::GREY, &next.map_or_else(String::new, |next| pause(next - plan.from)));
        grid.cell(Style::BOLD, &printable(name));
        let schedule = match timezone {
            Some(zone) => format!("{schedule} {zone}"),
            None => schedule.clone(),
        };
        grid.cell(Style::PLAIN, &schedule);
        grid.cell(Style::PLAIN, &(runs * instances).to_string());
    }
    grid.finish()
}

fn load(plan: &Agenda, paint: Paint, text: &mut String) {
    let total: u32 = plan.load.iter().map(|hour| hour.runs).sum();
    heading(&format!("Starts per hour ({total})"), paint, text);
    let most = plan.load.iter().map(|hour| hour.runs).max().unwrap_or(0).max(1);
    for hour in &plan.load {
        // Whoever starts anything has a bar.
        let width = (hour.runs * BAR).div_ceil(most) as usize;
        let bar = paint.paint(Style::GREEN, &"█".repeat(width));
        let space = if width > 0 { " " } else { "" };
        line!(text, "{}  {bar}{space}{}", minute(hour.at), hour.runs);
    }
}

fn collisions(plan: &Agenda, max_parallel: Option<u64>, columns: u16, paint: Paint, text: &mut String) {
    let limit = match max_parallel {
        Some(limit) => format!("At most {limit} tasks run at once (max_parallel)."),
        None => "All run at once: max_parallel is not set.".to_owned(),
    };
    let minutes = plan.colliding_minutes;
    let shown = match minutes - plan.collisions.len() {
        0 => String::new(),
        _ => format!(", the {} fullest", plan.collisions.len()),
    };
    heading(&format!("Minutes in which several start ({minutes}{shown})"), paint, text);
    line!(text, "{limit}");
    for Collision { at, apps } in &plan.collisions {
        let start = format!("{}  {:>3}  ", minute(*at), apps.len());
        let indent = " ".repeat(start.len());
        let room = usize::from(columns).saturating_sub(start.len()).max(12);
        for (number, names) in wrapped(apps, room).into_iter().enumerate() {
            line!(text, "{}{names}", if number == 0 { &start } else { &indent });
        }
    }
}

/// Names in lines of this width; what does not fit into some lines is counted.
fn wrapped(names: &[String], width: usize) -> Vec<String> {
    let rest = |left: usize| format!("and {left} more");
    let mut lines = vec![String::new()];
    for (number, name) in names.iter().enumerate() {
        let left = names.len() - number;
        let name = printable(name);
        let separator = if number == 0 { "" } else { ", " };
        let is_last_line = lines.len() == LINES;
        let Some(line) = lines.last_mut() else { break };
        // The last line keeps room for the number of those that are not named.
        let reserve = if is_last_line && left > 1 { display_width(&rest(left)) + 2 } else { 1 };
        if display_width(line) + separator.len() + display_width(&name) + reserve <= width {
            line.push_str(separator);
            line.push_str(&name);
        } else if number == 0 {
            line.push_str(clip(&name, width.saturating_sub(1)));
        } else if is_last_line {
            line.push_str(separator);
            line.push_str(&rest(left));
            break;
        } else {
            line.push(',');
            let reserve = if left > 1 { display_width(&rest(left)) + 3 } else { 0 };
            lines.push(clip(&name, width.saturating_sub(reserve)).to_owned());
        }
    }
    lines
}

fn tell_missed(missed: &Missed, columns: u16, text: &mut String) {
    let Missed { app, id, due, last_run } = missed;
    let (due, last_run) = (minute(*due), format!(" ({id}), last run {}", minute(*last_run)));
    let app = printable(app);
    let room = usize::from(columns).saturating_sub(due.len() + 2 + last_run.len()).max(12);
    line!(text, "{due}  {}{last_run}", clip(&app, room));
}

/// `Sun 22 Nov 18:00`, on the clock of whoever looks.
fn minute(time: i64) -> String {
    let time = DateTime::from_timestamp_millis(time).unwrap_or_default();
    Zone::Local.local(time).format("%a %d %b %H:%M").to_string()
}

fn pause(time: i64) -> String {
    Uptime(Millis(u64::try_from(time).unwrap_or(0))).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpm_core::Status;

    use super::*;
    use crate::render::sample::{NOW, info};

    fn plan(count: u32) -> Agenda {
        let task = |id: u32| {
            let mut process = info(id, &format!("a-task-with-a-rather-long-name-{id}"), Status::Stopped);
            let spec = Arc::make_mut(&mut process.spec);
            spec.cron_restart = Some(format!("{} {} * * *", id % 4 * 15, id % 7).parse().unwrap());
            spec.cron_timezone = id.is_multiple_of(5).then(|| "Europe/Berlin".parse().unwrap());
            process.summary.pm_uptime = NOW - 90_000_000;
            process.created_at = Some(NOW - 90_000_000);
            process
        };
        Agenda::of(&(0..count).map(task).collect::<Vec<_>>(), NOW, 24)
    }

    #[test]
    fn it_fits_a_terminal_of_eighty_columns() {
        let text = text(&plan(226), Some(4), 80, Paint(false));
        for line in text.lines() {
            assert!(display_width(line) <= 80, "{line}");
        }
        assert!(
            text.contains("At most 4 tasks") && text.contains(" more\n") && text.contains("Missed ticks")
        );
        assert_eq!(text.lines().filter(|line| line.contains("│ a-task")).count(), 226);
        // A wider one shows names in full.
        let wide = super::text(&plan(3), None, 120, Paint(false));
        assert!(wide.contains("│ a-task-with-a-rather-long-name-2 "), "{wide}");
    }

    #[test]
    fn names_are_listed_as_far_as_they_fit() {
        let names = |count: usize| (0..count).map(|n| format!("name-{n}")).collect::<Vec<_>>();
        assert_eq!(wrapped(&names(2), 40), ["name-0, name-1"]);
        assert_eq!(wrapped(&names(3), 16), ["name-0, name-1,", "name-2"]);
        assert_eq!(wrapped(&names(9), 24), ["name-0, name-1, name-2,", "name-3, and 5 more"]);
        let long = vec!["x".repeat(99); 9];
        assert_eq!(wrapped(&long, 24)[1], "xxxxxxxxxxx, and 7 more");
        assert!(wrapped(&[("x".repeat(99))], 20).iter().all(|line| line.len() <= 20));
    }
}
