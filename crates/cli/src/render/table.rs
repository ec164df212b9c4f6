//! The list as a table, in PM2's columns and widths.

use std::{borrow::Cow, fmt::Write};

use rpm_core::{
    HealthState, Persona, ProcessSummary, Status,
    name::printable,
    units::{Memory, Millis, Uptime},
};

use super::{
    grid::{Grid, display_width},
    style::{Paint, Style},
};

/// What the table depends on beside the rows.
pub(crate) struct Look {
    pub(crate) paint: Paint,
    /// Columns of the terminal; `None` where there is none, and nothing has to fit.
    pub(crate) columns: Option<u16>,
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
    /// Under PM2's name there are PM2's columns only.
    pub(crate) persona: Persona,
}

#[derive(Clone, Copy)]
struct Column {
    title: &'static str,
    width: u16,
    /// Appends what stands in the cell.
    write: fn(&mut String, &ProcessSummary, i64),
    style: fn(&ProcessSummary) -> Style,
}

impl Column {
    const fn new(title: &'static str, width: u16, write: fn(&mut String, &ProcessSummary, i64)) -> Self {
        Self { title, width, write, style: |_| Style::PLAIN }
    }

    const fn styled(self, style: fn(&ProcessSummary) -> Style) -> Self {
        Self { style, ..self }
    }

    const fn titled(self, title: &'static str, width: u16) -> Self {
        Self { title, width, ..self }
    }
}

/// Writing to a String cannot fail.
macro_rules! column {
    ($title:literal, $width:literal, $row:ident => $($format:tt)+) => {
        Column::new($title, $width, |cell, $row, _| _ = write!(cell, $($format)+))
    };
}

// The widths of `id` and `name` depend on the rows.
const ID: Column = column!("id", 0, row => "{}", row.id).styled(|_| Style::BOLD_CYAN);
const NAME: Column = Column::new("name", 0, |cell, row, _| cell.push_str(&printable(&row.name)));
const MODE: Column =
    Column::new("mode", 9, |cell, row, _| cell.push_str(row.exec_mode.short())).styled(|row| {
        match row.exec_mode {
            rpm_core::ExecMode::Fork => Style::BOLD_INVERSE,
            rpm_core::ExecMode::Cluster => Style::BOLD_BLUE,
        }
    });
const RESTARTS: Column = column!("↺", 6, row => "{}", row.restart_time);
const STATUS: Column = Column::new("status", 11, |cell, row, _| cell.push_str(row.status.as_str()))
    .styled(|row| Style::of_status(row.status));
const HEALTH: Column = Column::new("health", 11, |cell, row, _| {
    cell.push_str(row.health.map_or("", HealthState::as_str));
})
.styled(|row| row.health.map_or(Style::PLAIN, Style::of_health));
const CPU: Column = Column::new("cpu", 10, |cell, row, _| cell.push_str(&percent(row.cpu)));
const MEMORY: Column = column!("mem", 10, row => "{}", Memory(row.memory));

const FULL: &[Column] = &[
    ID,
    NAME,
    Column::new("namespace", 13, |cell, row, _| cell.push_str(&printable(&row.namespace))),
    Column::new("version", 9, |cell, row, _| cell.push_str(&optional(row.version.as_deref()))),
    MODE,
    column!("pid", 10, row => "{}", row.pid),
    Column::new("uptime", 8, |cell, row, now| cell.push_str(&uptime(row, now))),
    RESTARTS,
    STATUS,
    CPU,
    MEMORY,
    Column::new("user", 10, |cell, row, _| cell.push_str(&optional(row.user.as_deref())))
        .styled(|_| Style::BOLD),
    Column::new("watching", 10, |cell, row, _| {
        cell.push_str(if row.watching { "enabled" } else { "disabled" });
    })
    .styled(|row| if row.watching { Style::BOLD_GREEN } else { Style::GREY }),
];

const CONDENSED: &[Column] =
    &[ID, NAME, MODE.titled("mode", 10), RESTARTS, STATUS, CPU, MEMORY.titled("memory", 10)];

const MINI: &[Column] = &[ID, NAME, STATUS, CPU.titled("cpu", 8), MEMORY];

const MODULES: &[Column] = &[
    ID,
    NAME.titled("module", 30),
    Column::new("version", 15, |cell, row, _| cell.push_str(&optional(row.version.as_deref()))),
    column!("pid", 10, row => "{}", row.pid),
    Column::new("status", 10, |cell, row, _| cell.push_str(row.status.as_str()))
        .styled(|row| Style::of_status(row.status)),
    RESTARTS,
    CPU,
    MEMORY,
    Column::new("user", 10, |cell, row, _| cell.push_str(&optional(row.user.as_deref())))
        .styled(|_| Style::BOLD),
];

/// The widths of one layout over these rows: the name takes what it needs, up to a limit.
fn widths(columns: &[Column], rows: &[&ProcessSummary], name: u16) -> Vec<u16> {
    let id = rows.iter().map(|row| row.id.0).max().unwrap_or(0).checked_ilog10().unwrap_or(0) as u16 + 1;
    let fixed = |column: &Column| match column.title {
        "id" => (id + 2).max(4),
        "name" => name,
        _ => column.width,
    };
    columns.iter().map(fixed).collect()
}

/// The table, and a second one for modules. Where the terminal is too narrow for all columns, the less important ones
/// are left out.
pub(crate) fn table(rows: &[ProcessSummary], look: &Look) -> String {
    let (modules, apps): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.module);
    let mut text = of_apps(&apps, rows, look);
    if !modules.is_empty() {
        text.push_str(if modules.len() > 1 { "Modules\n" } else { "Module\n" });
        text.push_str(&drawn(MODULES, widths(MODULES, &modules, 0), &modules, look));
    }
    text
}

/// The table of apps; the names of all count for its width.
fn of_apps(apps: &[&ProcessSummary], rows: &[ProcessSummary], look: &Look) -> String {
    let longest = rows.iter().map(|row| display_width(&printable(&row.name))).max();
    let name = longest.map_or(11, |longest| longest.saturating_add(5).min(40) as u16);
    let checked = look.persona == Persona::Rpm && apps.iter().any(|row| row.health.is_some());
    let layouts = [(FULL, name), (CONDENSED, 20), (MINI, 16)].map(|(columns, name)| {
        let columns = if checked { with_health(columns) } else { Cow::Borrowed(columns) };
        let widths = widths(&columns, apps, name);
        (columns, widths)
    });
    let fits = |widths: &[u16]| {
        look.columns.is_none_or(|columns| widths.iter().map(|width| width + 1).sum::<u16>() < columns)
    };
    let [full, condensed, mini] = layouts;
    let (columns, widths) = [full, condensed].into_iter().find(|(_, widths)| fits(widths)).unwrap_or(mini);
    drawn(&columns, widths, apps, look)
}

/// Where some app has a health check, its outcome stands beside the status.
fn with_health(columns: &[Column]) -> Cow<'static, [Column]> {
    let status = columns.iter().position(|column| column.title == "status").map_or(0, |at| at + 1);
    let (before, after) = columns.split_at(status);
    before.iter().copied().chain([HEALTH]).chain(after.iter().copied()).collect()
}

fn drawn(columns: &[Column], widths: Vec<u16>, rows: &[&ProcessSummary], look: &Look) -> String {
    let mut grid = Grid::new(widths, look.paint);
    grid.reserve(rows.len());
    for column in columns {
        grid.cell(Style::BOLD_CYAN, column.title);
    }
    if !rows.is_empty() {
        grid.rule();
    }
    let mut content = String::new();
    for row in rows {
        for column in columns {
            content.clear();
            (column.write)(&mut content, row, look.now);
            grid.cell((column.style)(row), &content);
        }
    }
    grid.finish()
}

/// PM2's stand-in for what is not known.
pub(super) fn optional(text: Option<&str>) -> std::borrow::Cow<'_, str> {
    text.map_or("N/A".into(), printable)
}

/// How long it has been up; 0 if it is not.
pub(crate) fn uptime(row: &ProcessSummary, now: i64) -> String {
    if row.status == Status::Online {
        Uptime(Millis(u64::try_from(now - row.pm_uptime).unwrap_or(0))).to_string()
    } else {
        "0".to_owned()
    }
}

/// A share of a processor with at most one decimal.
pub(crate) fn percent(share: f32) -> String {
    let tenths = (share * 10.0).round() as i64;
    match tenths % 10 {
        0 => format!("{}%", tenths / 10),
        rest => format!("{}.{rest}%", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{NOW, row};

    fn rows() -> Vec<ProcessSummary> {
        vec![
            row(0, "api", Status::Online),
            row(1, "workers", Status::Stopped),
            row(12, "\x1b[2Jevil", Status::WaitingRestart),
        ]
    }

    fn shown(rows: &[ProcessSummary], columns: Option<u16>) -> String {
        table(rows, &Look { paint: Paint(false), columns, now: NOW, persona: Persona::Rpm })
    }

    #[test]
    fn the_full_table_has_pm2s_columns_and_widths() {
        insta::assert_snapshot!(shown(&rows(), None));
    }

    #[test]
    fn an_empty_list_is_its_headings() {
        insta::assert_snapshot!(shown(&[], None));
    }

    #[test]
    fn narrow_terminals_get_fewer_columns() {
        insta::assert_snapshot!(shown(&rows(), Some(79)));
        insta::assert_snapshot!(shown(&rows(), Some(78)));
    }

    #[test]
    fn the_full_table_is_shown_where_it_just_fits() {
        let full = shown(&rows(), None);
        let width = display_width(full.lines().next().unwrap()) as u16;
        assert_eq!(shown(&rows(), Some(width)), full);
        assert_ne!(shown(&rows(), Some(width - 1)), full);
    }

    #[test]
    fn modules_have_a_table_of_their_own() {
        let mut rows = rows();
        rows[1].module = true;
        insta::assert_snapshot!(shown(&rows, None));
        let all: Vec<_> = rows.into_iter().map(|row| ProcessSummary { module: true, ..row }).collect();
        assert!(shown(&all, None).contains("┘\nModules\n┌"));
    }

    #[test]
    fn long_names_are_cut() {
        let rows = [row(0, &"long-".repeat(20), Status::Online)];
        let full = shown(&rows, None);
        assert!(full.contains("│ long-long-long-long-long-long-long-lo… │"), "{full}");
    }

    #[test]
    fn colours_are_those_of_pm2() {
        let painted = table(
            &rows()[..2],
            &Look { paint: Paint(true), columns: Some(60), now: NOW, persona: Persona::Rpm },
        );
        insta::assert_snapshot!(painted.replace('\x1b', "␛"));
    }
}
