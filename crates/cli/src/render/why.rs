//! The story of a process.

use std::fmt::Write;

use rpm_core::{AppSpec, Cause, Exit, Millis, Next, ProcessId, ProcessInfo, Signal, Status, name::printable};
use rpm_history::{Run, Words};
use serde_json::{Value, json};

use super::{
    runs::{self, cause, memory, span, time},
    style::{Paint, Style},
};

/// What is known of a process.
pub(crate) struct Story {
    pub(crate) id: ProcessId,
    pub(crate) name: String,
    /// `None` if it is not in the list.
    pub(crate) process: Option<ProcessInfo>,
    /// The run that ended last.
    pub(crate) last: Option<Run>,
    /// The run that failed last, if that is another.
    pub(crate) failed: Option<Run>,
    /// What the one that failed said last.
    pub(crate) words: Option<Words>,
}

/// The story, for people.
pub(crate) fn story(story: &Story, paint: Paint, now: i64) -> String {
    let mut text = String::new();
    let heading = format!(" {} ({}) ", printable(&story.name), story.id);
    paint.push(&mut text, Style::BOLD_INVERSE, &heading);
    text.push('\n');
    let mut line = |label: &str, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<9} {}", printable(what));
    };
    match &story.process {
        Some(process) => {
            line("now", &present(process, now));
            if let Some(next) = coming(process, now) {
                line("next", &next);
            }
        }
        None => line("now", "it is not in the list"),
    }
    match &story.last {
        Some(run) => tell(run, story.process.as_ref(), &mut line),
        None => line("before", "no run of it is remembered"),
    }
    if let Some(run) = &story.failed {
        line("failed", &format!("the last run that failed was another, {}:", time(run.ended)));
        tell(run, story.process.as_ref(), &mut line);
    }
    let words = story.words.iter().flat_map(|words| [("error", &words.error), ("output", &words.out)]);
    for (stream, lines) in words.filter(|(_, lines)| !lines.is_empty()) {
        let _ = writeln!(text, "  said last ({stream})");
        for said in lines {
            let _ = writeln!(text, "    {} {}", paint.paint(Style::GREY, "|"), printable(said));
        }
    }
    text
}

/// What it is doing.
fn present(process: &ProcessInfo, now: i64) -> String {
    let row = &process.summary;
    let why = process.why;
    let since = |at: i64| span(Millis(u64::try_from(now - at).unwrap_or(0)));
    match row.status {
        Status::Online | Status::Launching => {
            let up = if row.status == Status::Launching { "on its way up" } else { "online" };
            let due = why.due.map_or_else(String::new, |due| format!(", due at {}", time(due)));
            let (pid, begun) = (row.pid, since(row.pm_uptime));
            format!("{up} (pid {pid}) for {begun}, started by: {}{due}", cause(why.cause))
        }
        Status::Errored => {
            let reason = process.error.as_deref().unwrap_or("it failed too often");
            let min_uptime = process.spec.min_uptime.unwrap_or(AppSpec::DEFAULT_MIN_UPTIME);
            format!("errored: {reason} (min_uptime {})", span(min_uptime))
        }
        Status::Stopping => match &process.error {
            Some(error) => format!("stopping: {error}"),
            None => "asked to end, not yet gone".to_owned(),
        },
        status => status.to_string(),
    }
}

/// What comes next.
fn coming(process: &ProcessInfo, now: i64) -> Option<String> {
    let spec = &process.spec;
    match process.summary.status {
        Status::WaitingRestart => {
            let rule = if process.why.cause == Cause::Backoff {
                "exp_backoff_restart_delay"
            } else {
                "restart_delay"
            };
            let left = process.pause_ends.map_or(0, |end| u64::try_from(end - now).unwrap_or(0));
            let pause = span(Millis(process.prev_restart_delay));
            Some(format!("starts again in {} ({rule}: {pause}){}", span(Millis(left)), attempts(process)))
        }
        Status::Errored => Some("nothing, until somebody starts it".to_owned()),
        Status::Stopped => Some(match process.next_tick {
            Some(tick) => format!("its schedule starts it at {}", time(tick)),
            None => "nothing, until somebody starts it".to_owned(),
        }),
        Status::Online if process.unstable_restarts > 0 => Some(format!(
            "should it end before {}{}",
            span(spec.min_uptime.unwrap_or(AppSpec::DEFAULT_MIN_UPTIME)),
            attempts(process)
        )),
        _ => None,
    }
}

/// How many short runs in a row there were, of how many. A loop that pauses has a limit only where one is declared.
fn attempts(process: &ProcessInfo) -> String {
    let spec = &process.spec;
    let pauses = spec.restart_delay.is_some_and(|delay| delay.0 > 0)
        || spec.exp_backoff_restart_delay.is_some_and(|delay| delay.0 > 0);
    if pauses && spec.max_restarts.is_none() {
        return String::new();
    }
    let limit = spec.max_restarts.unwrap_or(AppSpec::DEFAULT_MAX_RESTARTS);
    let ended = process.unstable_restarts;
    format!(": {ended} unstable run{} in a row, given up at {limit}", if ended == 1 { "" } else { "s" })
}

/// One run that is over.
fn tell(run: &Run, process: Option<&ProcessInfo>, line: &mut impl FnMut(&str, &str)) {
    match (run.pid, run.exit) {
        (Some(pid), Some(exit)) => {
            let cpu = run.cpu.map_or_else(String::new, |cpu| format!(", CPU {}", span(cpu)));
            let memory = memory(run).map_or_else(String::new, |memory| format!(", memory {memory}"));
            let lasted = span(run.lasted);
            let exit = match exit {
                Exit::Unknown => "nobody saw how".to_owned(),
                exit => exit.to_string(),
            };
            line("ended", &format!("{}: {exit}, after {lasted} (pid {pid}{cpu}{memory})", time(run.ended)));
        }
        _ => line("ended", &format!("{}: it could not be started", time(run.ended))),
    }
    if let Some(reason) = &run.reason {
        line("reason", reason);
    }
    line("because", &because(run, process));
    line("then", then(run));
    let due = run.why.due.map_or_else(String::new, |due| format!(", due at {}", time(due)));
    line("started", &format!("{} by: {}{due}", time(run.started), cause(run.why.cause)));
}

/// What ended it.
fn because(run: &Run, process: Option<&ProcessInfo>) -> String {
    let asked = match (run.next, run.asked_by) {
        (_, Some(Cause::Timeout)) => "it lasted longer than task_timeout",
        (Next::Stopped | Next::Restarted, Some(Cause::Boot)) => {
            return "the machine went down".to_owned();
        }
        (Next::Stopped, _) => "it was stopped by hand",
        (Next::Deleted, _) => "it was deleted",
        (Next::Replaced, _) => "a reload replaced it",
        (Next::Restarted, by) => match by {
            Some(Cause::Cron | Cause::CatchUp) => "its schedule restarted it",
            Some(Cause::Watch) => "files that it watches changed",
            Some(Cause::Memory) => "it used more than max_memory_restart",
            Some(Cause::Health) => "its health check failed",
            Some(Cause::Dependency) => "what it depends on was restarted",
            _ => "it was restarted by hand",
        },
        _ => {
            return match run.exit {
                None => "see the reason".to_owned(),
                Some(Exit::Code(0)) => "it was done".to_owned(),
                Some(Exit::Code(_)) => "it gave up by itself".to_owned(),
                Some(Exit::Signal(number)) if is_kill(number) => {
                    "somebody killed it, perhaps the kernel for want of memory".to_owned()
                }
                Some(Exit::Signal(_)) => "a signal that the daemon did not send".to_owned(),
                Some(Exit::OutOfMemory) => {
                    "it used more memory than its limit, and the kernel killed it".to_owned()
                }
                Some(Exit::Unknown) => "it ended while no daemon was there to see it".to_owned(),
            };
        }
    };
    let killed = matches!(run.exit, Some(Exit::Signal(number)) if is_kill(number))
        && process.is_none_or(|process| process.spec.kill_signal != Some(Signal::KILL));
    if killed {
        return format!("{asked}; it did not end within kill_timeout and was killed");
    }
    asked.to_owned()
}

fn is_kill(number: i32) -> bool {
    Signal::try_from(number) == Ok(Signal::KILL)
}

/// Which rule was followed.
fn then(run: &Run) -> &'static str {
    match run.next {
        Next::Stopped => "it rests until somebody starts it",
        Next::Deleted => "it left the list",
        Next::Restarted => "it was started again",
        Next::Replaced => "the new run went on",
        Next::RolledBack => "the old run went on",
        Next::AtOnce => "it was restarted at once (autorestart)",
        Next::Delayed => "it was restarted after a pause (restart_delay)",
        Next::BackedOff => "it was restarted after a pause that grows (exp_backoff_restart_delay)",
        Next::Retried => "it was tried again after a pause (retries)",
        Next::Rests => "it was not restarted (autorestart is off)",
        Next::StopExitCode => "it was not restarted (its code is one of stop_exit_codes)",
        Next::Errored => "it was given up (errored)",
        Next::Unknown => "a later version knows",
    }
}

/// The story, as data.
pub(crate) fn data(story: &Story) -> Value {
    let run = |run: &Run, words| runs::data(run, words);
    let words = story.words.as_ref();
    let (last_words, failed_words) = if story.failed.is_some() { (None, words) } else { (words, None) };
    json!({
        "id": story.id,
        "name": story.name,
        "status": story.process.as_ref().map(|process| process.summary.status),
        "cause": story.process.as_ref().map(|process| process.why.cause),
        "error": story.process.as_ref().and_then(|process| process.error.clone()),
        "unstable_restarts": story.process.as_ref().map(|process| process.unstable_restarts),
        "pause_ends": story.process.as_ref().and_then(|process| process.pause_ends),
        "next_tick": story.process.as_ref().and_then(|process| process.next_tick),
        "last_run": story.last.as_ref().map(|last| run(last, last_words)),
        "last_failure": story.failed.as_ref().map(|failed| run(failed, failed_words)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpm_core::Why;

    use super::*;
    use crate::render::{
        runs::tests::sample as run,
        sample::{NOW, info},
    };

    fn told(process: ProcessInfo, last: Run) -> String {
        let words = Some(Words { out: vec!["bye\u{1b}[2J".into()], error: vec!["Error: no".into()] });
        let id = process.summary.id;
        super::story(
            &Story { id, name: "job".into(), process: Some(process), last: Some(last), failed: None, words },
            Paint(false),
            NOW,
        )
    }

    fn has(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn one_that_waits_says_for_how_long_and_how_often_it_tried() {
        let mut process = info(3, "job", Status::WaitingRestart);
        process.pause_ends = Some(NOW + 4_000);
        process.prev_restart_delay = 5_000;
        process.unstable_restarts = 3;
        let spec = Arc::make_mut(&mut process.spec);
        spec.restart_delay = Some(Millis(5_000));
        spec.max_restarts = Some(16);
        process.why = Why::from(Cause::RestartDelay);
        let text = told(process, Run { next: Next::Delayed, exit: Some(Exit::Code(1)), ..run() });
        has(
            &text,
            &[
                "starts again in 4.00 s (restart_delay: 5.00 s): 3 unstable runs in a row, given up at 16",
                "code 1, after 12.3 s (pid 4711, CPU 120 ms, memory ≤52mb)",
                "it gave up by itself",
                "restarted after a pause (restart_delay)",
                "by: cron, due at",
                "said last (error)",
                "| Error: no",
                "bye\\u{1b}[2J",
            ],
        );
    }

    #[test]
    fn one_that_is_errored_says_why() {
        let mut process = info(3, "job", Status::Errored);
        process.error = Some("16 unstable restarts in a row, the last with code 1".to_owned());
        let text = told(process, Run { next: Next::Errored, ..run() });
        has(
            &text,
            &["errored: 16 unstable restarts in a row", "min_uptime 1.00 s", "it was given up (errored)"],
        );
        has(&text, &["nothing, until somebody starts it"]);
    }

    #[test]
    fn who_asked_for_an_end_is_told() {
        let told = |next, asked_by, exit| because(&Run { next, asked_by, exit: Some(exit), ..run() }, None);
        assert_eq!(told(Next::Stopped, None, Exit::Signal(2)), "it was stopped by hand");
        let killed = told(Next::Restarted, Some(Cause::Memory), Exit::Signal(9));
        has(&killed, &["max_memory_restart", "kill_timeout"]);
        assert_eq!(told(Next::AtOnce, None, Exit::Code(0)), "it was done");
        has(&told(Next::AtOnce, None, Exit::Signal(9)), &["kernel"]);
    }
}
