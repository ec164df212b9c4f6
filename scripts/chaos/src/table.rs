//! What is printed at the end.

use std::{fmt::Write, time::Duration};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::{faults::Fault, stage::Stage};

/// One round.
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) fault: Fault,
    pub(crate) what: String,
    pub(crate) settled: Duration,
    pub(crate) violations: Vec<String>,
}

/// What is counted over all rounds.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) lines: u64,
    pub(crate) left_in_pipes: u64,
    pub(crate) largest: u64,
    pub(crate) took: Duration,
}

impl Totals {
    /// Counts what a stage that is over has seen.
    pub(crate) fn add(&mut self, stage: &Stage) {
        self.lines += stage.lines.counted;
        self.left_in_pipes += stage.lines.left_in_pipes;
        self.largest = self.largest.max(stage.largest);
    }
}

/// A row for each fault, and the violations in full.
pub(crate) fn render(rounds: &[Round], totals: &Totals) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["fault", "rounds", "violated", "settled, median", "worst"]);
    let mut row = |name: String, of: Vec<&Round>| {
        let mut settled: Vec<_> = of.iter().map(|round| round.settled).collect();
        settled.sort_unstable();
        let (Some(&median), Some(&worst)) = (settled.get(settled.len() / 2), settled.last()) else { return };
        let violated = of.iter().filter(|round| !round.violations.is_empty()).count();
        table.add_row([name, of.len().to_string(), violated.to_string(), seconds(median), seconds(worst)]);
    };
    for fault in Fault::ALL {
        row(fault.word(), rounds.iter().filter(|round| round.fault == fault).collect());
    }
    row("all".to_owned(), rounds.iter().collect());
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n\n");
    let Totals { lines, left_in_pipes, largest, took } = totals;
    let _ = writeln!(
        text,
        "{lines} lines of logs counted, {left_in_pipes} left in the pipes of apps that ended without a daemon"
    );
    let _ = writeln!(
        text,
        "the largest daemon: {:.1} MiB; all took {} s",
        *largest as f64 / f64::from(1 << 20),
        took.as_secs()
    );
    for round in rounds.iter().filter(|round| !round.violations.is_empty()) {
        let _ = writeln!(text, "\nround {}, {}: {}", round.number, round.fault.word(), round.what);
        for violation in &round.violations {
            let _ = writeln!(text, "  {violation}");
        }
    }
    text
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
