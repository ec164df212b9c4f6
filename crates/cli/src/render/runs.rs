//! Runs that are over, for people and as data.

use chrono::{DateTime, Local};
use rpm_core::{Cause, Exit, Millis, Next, name::printable, units};
use rpm_history::{Run, Words};
use serde_json::{Value, json};

use super::{
    document::exit,
    grid::{Grid, display_width},
    style::{Paint, Style},
};

/// Columns of the table.
const HEADINGS: [&str; 9] = ["started", "id", "name", "cause", "lasted", "cpu", "memory", "ended by", "then"];

/// Runs as a table, in their order.
pub(crate) fn table<'a>(runs: impl IntoIterator<Item = &'a Run>, paint: Paint) -> String {
    let rows: Vec<_> = runs.into_iter().map(|run| (row(run), style(run))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|(row, _)| display_width(&row[column]));
        let widest = cells.chain([display_width(HEADINGS[column])]).max().unwrap_or(0);
        u16::try_from(widest + 2).unwrap_or(u16::MAX)
    };
    let mut grid = Grid::new((0..HEADINGS.len()).map(width).collect(), paint);
    for heading in HEADINGS {
        grid.cell(Style::BOLD_CYAN, heading);
    }
    grid.rule();
    for (row, style) in &rows {
        for (column, cell) in row.iter().enumerate() {
            grid.cell(if column == 7 { *style } else { Style::PLAIN }, cell);
        }
    }
    grid.finish()
}

fn row(run: &Run) -> [String; HEADINGS.len()] {
    [
        time(run.started),
        run.id.to_string(),
        printable(&run.name).into_owned(),
        cause(run.why.cause).to_owned(),
        span(run.lasted),
        run.cpu.map_or_else(|| "-".to_owned(), span),
        memory(run).unwrap_or_else(|| "-".to_owned()),
        how(run),
        then(run).to_owned(),
    ]
}

/// The style of how a run ended.
fn style(run: &Run) -> Style {
    match (run.has_failed(), run.next.was_asked()) {
        (true, _) => Style::RED,
        (false, true) => Style::PLAIN,
        (false, false) => Style::GREEN,
    }
}

/// An instant on the clock of this machine.
pub(crate) fn time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| "-".to_owned(), |at| at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string())
}

/// A duration to three figures: `123 ms`, `4.56 s`, `12 m 3 s`.
pub(crate) fn span(millis: Millis) -> String {
    let ms = millis.0;
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{seconds}.{:02} s", ms % 1000 / 10),
        10..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Its peak of memory.
pub(crate) fn memory(run: &Run) -> Option<String> {
    let memory = run.memory?;
    let mark = if memory.at_most { "≤" } else { "" };
    Some(format!("{mark}{}", units::Memory(memory.peak)))
}

/// How a run ended.
pub(crate) fn how(run: &Run) -> String {
    match run.exit {
        None => "not started".to_owned(),
        Some(Exit::Unknown) => "unknown".to_owned(),
        Some(exit) => exit.to_string(),
    }
}

/// Why a run was started, in a word or two.
pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::CatchUp => "catch-up",
        Cause::RestartDelay => "restart_delay",
        _ => cause.as_str(),
    }
}

/// What followed, in a word or two.
fn then(run: &Run) -> &'static str {
    match (run.next, run.asked_by) {
        (Next::Stopped, _) => "stopped by hand",
        (Next::Deleted, _) => "deleted",
        (Next::Restarted, Some(Cause::User | Cause::Restart)) => "restarted by hand",
        (Next::Restarted, Some(Cause::Cron | Cause::CatchUp)) => "restarted by cron",
        (Next::Restarted, Some(Cause::Watch)) => "restarted: watch",
        (Next::Restarted, Some(Cause::Memory)) => "restarted: memory",
        (Next::Restarted, Some(Cause::Health)) => "restarted: health",
        (Next::Restarted, Some(Cause::Dependency)) => "restarted: dependency",
        (Next::Restarted, Some(Cause::Boot)) => "restarted at boot",
        (Next::Restarted, _) => "restarted",
        (Next::Replaced, _) => "replaced",
        (Next::RolledBack, _) => "rolled back",
        (Next::AtOnce, _) => "restarted at once",
        (Next::Delayed, _) => "restart_delay",
        (Next::BackedOff, _) => "backoff",
        (Next::Retried, _) => "tried again",
        (Next::Rests, _) => "rests",
        (Next::StopExitCode, _) => "rests (stop_exit_codes)",
        (Next::Errored, _) => "errored",
        (Next::Unknown, _) => "-",
    }
}

/// A run as data.
pub(crate) fn data(run: &Run, words: Option<&Words>) -> Value {
    json!({
        "id": run.id,
        "name": run.name,
        "namespace": run.namespace,
        "pid": run.pid,
        "cause": run.why.cause,
        "due": run.why.due,
        "started": run.started,
        "ended": run.ended,
        "duration_ms": run.lasted,
        "exit": run.exit.map(exit),
        "cpu_ms": run.cpu,
        "peak_memory_bytes": run.memory.map(|memory| memory.peak),
        "peak_memory_at_most": run.memory.is_some_and(|memory| memory.at_most),
        "failed": run.has_failed(),
        "next": run.next,
        "asked_by": run.asked_by,
        "reason": run.reason,
        "last_words": words.map(|words| json!({ "out": words.out, "error": words.error })),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use rpm_core::{Bytes, ProcessId, Why};
    use rpm_history::Memory;

    use super::*;

    /// A run of a task that its schedule started and that failed.
    pub(crate) fn sample() -> Run {
        Run {
            id: ProcessId(3),
            name: "job\u{1b}[2J".to_owned(),
            namespace: "default".to_owned(),
            pid: Some(4711),
            why: Why::tick(1_699_999_999_000),
            started: 1_700_000_000_000,
            ended: 1_700_000_012_345,
            lasted: Millis(12_345),
            exit: Some(Exit::Signal(9)),
            cpu: Some(Millis(120)),
            memory: Some(Memory { peak: Bytes(52 << 20), at_most: true }),
            next: Next::Rests,
            asked_by: None,
            reason: None,
        }
    }

    #[test]
    fn cells_tell_a_run_and_are_safe() {
        let cells = row(&sample());
        let expected = ["3", "job\\u{1b}[2J", "cron", "12.3 s", "120 ms", "≤52mb", "signal SIGKILL", "rests"];
        assert_eq!(cells[1..], expected);
        let text = table([&sample()], Paint(false));
        assert_eq!(text.lines().count(), 5, "{text}");
    }

    #[test]
    fn spans_have_a_few_figures() {
        let shown = [0, 999, 1_234, 12_345, 3_599_000, 7_260_000, 90_000_000].map(|ms| span(Millis(ms)));
        assert_eq!(shown, ["0 ms", "999 ms", "1.23 s", "12.3 s", "59 m 59 s", "2 h 1 m", "1 d 1 h"]);
    }

    #[test]
    fn data_says_how_it_ended_in_one_place() {
        let words = Words { out: vec!["bye".into()], error: vec![] };
        let told = data(&sample(), Some(&words));
        assert_eq!((&told["exit"]["signal"], &told["exit"]["code"]), (&json!("SIGKILL"), &Value::Null));
        assert_eq!((&told["cause"], &told["due"]), (&json!("cron"), &json!(1_699_999_999_000_i64)));
        assert_eq!((&told["failed"], &told["last_words"]["out"][0]), (&json!(true), &json!("bye")));
        let well = Run { exit: Some(Exit::Code(0)), ..sample() };
        assert_eq!(
            (&data(&well, None)["exit"]["code"], &data(&well, None)["failed"]),
            (&json!(0), &json!(false))
        );
    }
}
