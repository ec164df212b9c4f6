//! All about one process, for people.

use chrono::{DateTime, SecondsFormat, Utc};
use rpm_core::{Env, HealthReport, Persona, ProcessInfo, Status, name::printable};
use rpm_history::Run;
use serde_json::Value;

use super::{
    grid::{Grid, display_width},
    runs,
    style::{Paint, Style},
    table::{optional, uptime},
};

/// What the description depends on beside the process.
pub(crate) struct Look<'a> {
    pub(crate) persona: Persona,
    pub(crate) paint: Paint,
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
    /// The environment of whoever asks.
    pub(crate) local: &'a Env,
}

/// A name, its value, and the style of the value.
pub(crate) type Row = (&'static str, String, Style);

/// The description, as PM2 lays it out; and its last `runs`, which PM2 does not know.
pub(crate) fn describe(process: &ProcessInfo, runs: &[Run], look: &Look) -> String {
    let row = &process.summary;
    let name = printable(&row.name);
    let heading = format!(" Describing process with id {} - name {name} ", row.id);
    let mut text = look.paint.paint(Style::BOLD_INVERSE, &heading);
    text.push('\n');
    let rows = rows(process, look.now);
    text.push_str(&two_columns(
        rows.iter().map(|(key, value, style)| (*key, value.as_str(), *style)),
        look.paint,
    ));
    text.push_str(&told(process, look));
    if !runs.is_empty() {
        text.push_str(&look.paint.paint(Style::BOLD_INVERSE, " Last runs "));
        text.push('\n');
        text.push_str(&runs::table(runs, look.paint));
    }
    let heading = " Divergent env variables from local env ";
    text.push_str(&look.paint.paint(Style::BOLD_INVERSE, heading));
    text.push('\n');
    let divergent = divergent(&process.env(), look.local);
    let variables = divergent.iter().map(|(key, value)| (key.as_str(), value.as_str(), Style::PLAIN));
    text.push_str(&if divergent.is_empty() { "\n".to_owned() } else { two_columns(variables, look.paint) });
    let command = look.persona.word();
    for hint in [
        format!(" Use `{command} logs {name} [--lines 1000]` to display logs"),
        format!(" Use `{command} env {}` to display environment variables", row.id),
        format!(" Use `{command} monit` to monitor CPU and Memory usage {name}"),
    ] {
        text.push('\n');
        look.paint.push(&mut text, Style::GREY, &hint);
    }
    text.push('\n');
    text
}

/// What the app told about itself: its settings, its actions and its metrics.
fn told(process: &ProcessInfo, look: &Look) -> String {
    let mut text = String::new();
    let mut block = |heading: &str, style: Style, table: &str, after: &str| {
        text.push_str(&look.paint.paint(style, heading));
        text.push('\n');
        text.push_str(table);
        text.push_str(after);
    };
    let settings = process.told.options.get("module_conf").and_then(Value::as_object);
    let settings: Vec<_> = settings
        .into_iter()
        .flatten()
        .map(|(name, value)| (printable(name).into_owned(), value_of(value)))
        .collect();
    if !settings.is_empty() {
        let rows = settings.iter().map(|(name, value)| (name.as_str(), value.as_str(), Style::PLAIN));
        block("Process configuration", Style::PLAIN, &two_columns(rows, look.paint), "");
    }
    let actions: Vec<_> = process
        .told
        .actions
        .iter()
        .filter_map(|action| Some(printable(action.get("action_name")?.as_str()?).into_owned()))
        .collect();
    if !actions.is_empty() {
        let name = printable(&process.summary.name);
        let hint = format!(" Trigger via: {} trigger {name} <action_name>\n\n", look.persona.word());
        let table = table(actions.iter().map(|action| [(action.as_str(), Style::PLAIN)]), look.paint);
        block(" Actions available ", Style::BOLD_INVERSE, &table, &hint);
    }
    let metrics: Vec<_> = process
        .told
        .metrics
        .iter()
        .map(|(name, metric)| {
            // A metric is an object with a value and perhaps a unit; PM2 also takes a bare value.
            let value = value_of(metric.get("value").unwrap_or(metric));
            let unit = metric.get("unit").map_or_else(String::new, value_of);
            (printable(name).into_owned(), format!("{value} {unit}"))
        })
        .collect();
    if !metrics.is_empty() {
        let rows = metrics.iter().map(|(name, value)| (name.as_str(), value.as_str(), Style::PLAIN));
        block(" Code metrics value ", Style::BOLD_INVERSE, &two_columns(rows, look.paint), "");
    }
    text
}

/// A value that an app told, without the quotes of JSON.
fn value_of(value: &Value) -> String {
    printable(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)).into_owned()
}

/// All but the environment, safe for a terminal.
pub(crate) fn rows(process: &ProcessInfo, now: i64) -> Vec<Row> {
    let (row, spec) = (&process.summary, &process.spec);
    let plain = |key: &'static str, value: String| (key, value, Style::PLAIN);
    let path = |path: &std::path::Path| printable(&path.to_string_lossy()).into_owned();
    let words = |words: &[String]| match words {
        [] => "N/A".to_owned(),
        words => printable(&words.join(" ")).into_owned(),
    };
    let mut rows = vec![
        ("status", row.status.to_string(), Style::of_status(row.status)),
        plain("name", printable(&row.name).into_owned()),
        plain("namespace", printable(&row.namespace).into_owned()),
        plain("version", optional(row.version.as_deref()).into_owned()),
        plain("restarts", row.restart_time.to_string()),
    ];
    rows.extend(spec.max_memory_restart.map(|limit| plain("max memory restart", limit.0.to_string())));
    rows.extend(spec.limits.as_ref().map(|limits| plain("limits", limits.to_string())));
    rows.extend(
        process.unheld.as_deref().map(|why| plain("not held by the kernel", printable(why).into_owned())),
    );
    rows.extend(
        spec.cron_restart
            .as_ref()
            .map(|cron| plain("cron restart", printable(&cron.to_string()).into_owned())),
    );
    rows.push(plain("uptime", uptime(row, now)));
    rows.extend(process.combined_log.as_deref().map(|log| plain("entire log path", path(log))));
    rows.extend([
        plain("script path", path(&spec.script)),
        plain("script args", words(&spec.args)),
        plain("error log path", path(&process.error_log)),
        plain("out log path", path(&process.out_log)),
        plain("pid path", path(&process.pid_file)),
        plain("interpreter", printable(spec.interpreter.as_str()).into_owned()),
        plain("interpreter args", words(&spec.interpreter_args)),
        plain("script id", row.id.to_string()),
        plain("exec cwd", path(&spec.cwd)),
        plain("exec mode", spec.exec_mode.as_str().to_owned()),
        plain("node.js version", optional(process.told.node_version.as_deref()).into_owned()),
        plain("node env", optional(process.env().get("NODE_ENV").map(String::as_str)).into_owned()),
        plain("watch & reload", if row.watching { "✔" } else { "✘" }.to_owned()),
        plain("unstable restarts", process.unstable_restarts.to_string()),
        plain("created at", process.created_at.map_or_else(|| "N/A".to_owned(), iso)),
    ]);
    // Ours: PM2 does not know them.
    rows.extend(
        process
            .health_report
            .as_ref()
            .map(|health| ("health", told_health(health), Style::of_health(health.state))),
    );
    rows.extend(
        spec.depends_on
            .as_ref()
            .map(|dependencies| plain("depends on", printable(&list(&dependencies.0)).into_owned())),
    );
    if !process.waits_for.is_empty() {
        rows.push(plain("waits for", printable(&process.waits_for.join(", ")).into_owned()));
    }
    rows.extend(process.exit.map(|exit| plain("last exit", exit.to_string())));
    rows.extend(process.told.status.as_deref().map(|status| plain("says", printable(status).into_owned())));
    if row.status == Status::Errored {
        rows.extend(process.error.as_deref().map(|error| plain("error", printable(error).into_owned())));
    }
    rows.extend(process.next_tick.map(|tick| plain("next cron tick", iso(tick))));
    rows
}

/// How well it is, since when, and what was wrong last.
fn told_health(health: &HealthReport) -> String {
    let failures = match health.failures {
        0 => String::new(),
        1 => ", 1 failure".to_owned(),
        count => format!(", {count} failures in a row"),
    };
    let error = health.error.as_ref().map_or_else(String::new, |error| format!(": {}", printable(error)));
    format!("{} since {}{failures}{error}", health.state, iso(health.since))
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A moment as JavaScript's `toISOString` writes it.
fn iso(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis)
        .map_or_else(|| "N/A".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Variables that the asker has too, with another value.
fn divergent(env: &Env, local: &Env) -> Vec<(String, String)> {
    env.iter()
        .filter(|(name, value)| local.get(*name).is_some_and(|here| here != *value))
        .map(|(name, value)| (printable(name).into_owned(), printable(value).into_owned()))
        .collect()
}

fn two_columns<'a>(rows: impl Iterator<Item = (&'a str, &'a str, Style)> + Clone, paint: Paint) -> String {
    table(rows.map(|(key, value, style)| [(key, Style::PLAIN), (value, style)]), paint)
}

/// A table without headings, each column as wide as its widest cell.
fn table<'a, const N: usize>(
    rows: impl Iterator<Item = [(&'a str, Style); N]> + Clone,
    paint: Paint,
) -> String {
    let width = |column: usize| {
        let widest = rows.clone().map(|row| display_width(row[column].0)).max();
        u16::try_from(widest.unwrap_or(0) + 2).unwrap_or(u16::MAX)
    };
    let mut grid = Grid::new((0..N).map(width).collect(), paint);
    for (text, style) in rows.flatten() {
        grid.cell(style, text);
    }
    grid.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpm_core::{Bytes, Exit, Millis};
    use serde_json::json;

    use super::*;
    use crate::render::sample::{NOW, info};

    fn shown(process: &ProcessInfo, local: &Env) -> String {
        describe(process, &[], &Look { persona: Persona::Rpm, paint: Paint(false), now: NOW, local })
    }

    #[test]
    fn a_plain_process() {
        insta::assert_snapshot!(shown(&info(0, "api", Status::Online), &Env::default()));
    }

    #[test]
    fn what_is_set_gets_a_row() {
        let mut process = info(3, "job", Status::Errored);
        let spec = Arc::make_mut(&mut process.spec);
        spec.args = vec!["--port".to_owned(), "80\x1b[2J".to_owned()];
        spec.cron_restart = Some("0 5 * * *".parse().unwrap());
        spec.restart_delay = Some(Millis(5));
        spec.max_memory_restart = Some(Bytes(104_857_600));
        process.exit = Some(Exit::Code(3));
        process.error = Some("it ended 16 times in a row".to_owned());
        process.next_tick = Some(NOW);
        process.combined_log = Some("/home/me/.rpm/logs/job.log".into());
        process.told.actions = vec![json!({ "action_name": "greet", "arity": 1 })];
        process.told.metrics = serde_json::Map::from_iter([
            ("Users".to_owned(), json!({ "value": 3, "unit": "u" })),
            ("Phase".to_owned(), json!({ "value": "idle" })),
        ]);
        process.told.options =
            serde_json::Map::from_iter([("module_conf".to_owned(), json!({ "pace": "slow", "port": 8 }))]);
        let mut local = Env::default();
        local.set("HOME", "/root");
        insta::assert_snapshot!(shown(&process, &local));
    }
}
