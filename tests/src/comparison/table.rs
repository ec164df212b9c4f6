//! Tables: what differs from run to run is taken out of the cells.

/// Makes tables normal, and passes all other text to `other`.
pub(crate) fn normal(text: &str, other: impl Fn(&str) -> String) -> String {
    let mut result = String::new();
    let mut table: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with(['┌', '│', '├', '└']) {
            table.push(line);
            continue;
        }
        result += &of_one(&table, &other);
        table.clear();
        result += &other(line);
    }
    result + &of_one(&table, &other)
}

fn of_one(table: &[&str], other: &impl Fn(&str) -> String) -> String {
    let headings = table.get(1).map(|line| cells(line)).unwrap_or_default();
    if headings.get(1).is_some_and(|heading| heading.trim() == "id") {
        let of_row = |line: &&str| match cells(line) {
            cells if cells.len() == headings.len() && *line != table[1] => row(&cells, &headings),
            _ => (*line).to_owned(),
        };
        return table.iter().map(of_row).collect();
    }
    // A table of names and values: its width is that of the longest path.
    table.iter().map(|line| narrow(&other(line))).collect()
}

fn cells(line: &str) -> Vec<&str> {
    line.split('│').collect()
}

/// A row of processes. The width of its cells stays.
fn row(cells: &[&str], headings: &[&str]) -> String {
    let pid = headings.iter().zip(cells).find(|(heading, _)| heading.trim() == "pid");
    let runs = pid.is_some_and(|(_, pid)| !matches!(pid.trim(), "0" | "N/A"));
    let cells = cells.iter().zip(headings).map(|(cell, heading)| match heading.trim() {
        // What has just been started may not have been measured, and what has just ended may have been.
        "cpu" | "mem" | "memory" => of_width("*", cell),
        "pid" if runs => of_width("*", cell),
        "uptime" if cell.trim() != "0" => of_width("*", cell),
        _ => (*cell).to_owned(),
    });
    cells.collect::<Vec<_>>().join("│")
}

/// ` word `, as wide as `cell`.
fn of_width(word: &str, cell: &str) -> String {
    format!(" {word:0$}", cell.chars().count().saturating_sub(1))
}

/// The line with each run of spaces or of `─` as one.
fn narrow(line: &str) -> String {
    let mut result = String::new();
    for letter in line.chars() {
        if !(matches!(letter, ' ' | '─') && result.ends_with(letter)) {
            result.push(letter);
        }
    }
    result
}

#[test]
fn volatile_cells_keep_their_width() {
    let table =
        "a\n┌────┐\n│ id │ name │ pid     │ mem   │\n├────┤\n│ 0  │ web  │ 4711    │ 0b    │\n└────┘\nb\n";
    assert_eq!(normal(table, str::to_owned), table.replace("4711", "*   ").replace("0b", "* "));
}

#[test]
fn values_are_as_wide_as_they_are() {
    let table = "┌──────┬──────────────┐\n│ path │ /tmp/x       │\n└──────┴──────────────┘\n";
    let expected = "┌─┬─┐\n│ path │ <TMP>/x │\n└─┴─┘\n";
    assert_eq!(normal(table, |line| line.replace("/tmp", "<TMP>")), expected);
}
