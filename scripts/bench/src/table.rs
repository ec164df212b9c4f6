//! The figures for people: one table, in Markdown.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::{
    report::{Report, Row, Target, Unit},
    subject::Kind,
};

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    format!(
        "{}\n{}; medians of {} rounds, {} s of idling\n\n{}\n",
        report.machine,
        report.subjects.join(", "),
        report.rounds,
        report.idle_seconds,
        table(report),
    )
}

fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["measure", "n", "floor", "rpm", "pm2", "rpm/floor", "pm2/rpm", "target", "met"]);
    for sheet in &report.sheets {
        for row in &sheet.rows {
            table.add_row(cells(row, sheet.processes));
        }
    }
    for column in table.column_iter_mut().skip(1).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &Row, processes: usize) -> Vec<String> {
    let unit = row.measure.unit;
    let mut cells = vec![row.measure.name.to_owned(), grouped(processes as f64)];
    cells.extend(Kind::ALL.map(|kind| or_dash(row.median(kind).map(|value| quantity(value, unit)))));
    for (above, below) in [(Kind::Rpm, Kind::Floor), (Kind::Pm2, Kind::Rpm)] {
        cells.push(or_dash(row.ratio(above, below).map(digits)));
    }
    cells.push(or_dash(match row.measure.target {
        Target::None => None,
        Target::TimesFloor(limit) => Some(format!("≤ {limit} × floor")),
        Target::ShareOfFloor(limit) => Some(format!("≥ {limit} × floor")),
        Target::AtMost(limit) => Some(format!("≤ {}", quantity(limit, unit))),
        Target::TimesPm2(limit) => Some(format!("≥ {limit} × pm2")),
        Target::ShareOfPm2(limit) => Some(format!("≤ {limit} × pm2")),
    }));
    cells.push(or_dash(row.is_met().map(|met| if met { "yes" } else { "no" }.to_owned())));
    cells
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value >= 1.0 => format!("{} s", digits(value)),
        Unit::Seconds if value >= 1e-3 => format!("{} ms", digits(value * 1e3)),
        Unit::Seconds => format!("{} µs", digits(value * 1e6)),
        Unit::Bytes => format!("{} MB", digits(value / 1e6)),
        Unit::BytesPerSecond => format!("{} MB/s", digits(value / 1e6)),
        Unit::Count => grouped(value),
    }
}

/// Three digits of it, more of a large number.
fn digits(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        grouped(value)
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Measure, Sheet};

    #[test]
    fn quantities_have_their_units() {
        for (value, unit, text) in [
            (1.3149, Unit::Seconds, "1.31 s"),
            (0.1191, Unit::Seconds, "119 ms"),
            (0.00236, Unit::Seconds, "2.36 ms"),
            (0.000_85, Unit::Seconds, "850 µs"),
            (6_400_000.0, Unit::Bytes, "6.40 MB"),
            (1_520e6, Unit::BytesPerSecond, "1,520 MB/s"),
            (0.0, Unit::Count, "0"),
            (1_234_567.0, Unit::Count, "1,234,567"),
        ] {
            assert_eq!(quantity(value, unit), text);
        }
    }

    #[test]
    fn a_table_without_pm2() {
        let measure = Measure { name: "start", unit: Unit::Seconds, target: Target::TimesFloor(1.5) };
        let mut sheet = Sheet::new(2000, [measure]);
        sheet.add(measure, Kind::Floor, 0.1);
        sheet.add(measure, Kind::Rpm, 0.14);
        let report = Report {
            machine: "a machine".to_owned(),
            subjects: vec!["rpm 1".to_owned()],
            rounds: 5,
            idle_seconds: 60,
            sheets: vec![sheet],
        };
        let expected = "\
a machine
rpm 1; medians of 5 rounds, 60 s of idling

| measure |     n |  floor |    rpm | pm2 | rpm/floor | pm2/rpm | target        | met |
|---------|-------|--------|--------|-----|-----------|---------|---------------|-----|
| start   | 2,000 | 100 ms | 140 ms |   - |      1.40 |       - | ≤ 1.5 × floor | yes |
";
        assert_eq!(render(&report), expected);
    }
}
