//! What is shown, and what becomes of it: a pure function of what happens.

use ratatui::{layout::Rect, style::Style, text::Line};
use rpm_core::{Persona, ProcessId, ProcessInfo, ProcessSummary, name::printable, protocol::Action};

use super::{
    history::History,
    keys::{self, Key},
    list::{List, Step},
    log::Log,
    panes::{Pane, Panes},
    sheet,
};
use crate::{
    logs::source::{Source, Streams, of_processes},
    render::describe,
};

/// What happens.
#[derive(Debug)]
pub(super) enum Event {
    Key(Key),
    Resized(Rect),
    /// The daemon told how things are at this moment, milliseconds since the epoch.
    Sampled {
        rows: Vec<ProcessSummary>,
        detail: Option<Box<ProcessInfo>>,
        at: i64,
    },
    /// The daemon could not be asked, for this reason.
    Unreachable(String),
    /// Lines of the log that is followed.
    Logged(Vec<Line<'static>>),
    /// An action is done, or failed for a reason.
    Acted {
        order: Order,
        outcome: Result<(), String>,
    },
}

/// Something to be done to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) action: Action,
    pub(super) process: ProcessId,
    pub(super) name: String,
}

/// What has to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Ask the daemon now.
    Ask,
    /// Show these files from now on.
    Follow(Vec<Source>),
    /// Have this done.
    Act(Order),
    /// Draw everything anew: something else wrote on the screen.
    Repaint,
    Quit,
}

/// What the keys mean at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Browse,
    /// The filter is typed.
    Filter,
    /// It waits for a yes.
    Confirm(Order),
    Help,
}

/// Whether the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It was asked for the first time.
    Asked,
    Up,
    Down(String),
}

/// A line about what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_bad: bool,
}

/// All that the screen depends on.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) persona: Persona,
    pub(super) list: List,
    pub(super) history: History,
    pub(super) log: Log,
    pub(super) focus: Pane,
    pub(super) zoomed: bool,
    pub(super) mode: Mode,
    pub(super) link: Link,
    pub(super) notice: Option<Notice>,
    /// When the daemon last told how things are.
    pub(super) heard_at: i64,
    /// Lines of the metrics and of the metadata that are above the view.
    pub(super) metrics_top: usize,
    pub(super) metadata_top: usize,
    detail: Option<Box<ProcessInfo>>,
    /// The files whose lines are in the log.
    sources: Vec<Source>,
    /// What is being done.
    busy: Vec<Order>,
    screen: Rect,
}

impl Model {
    /// Nothing is known yet at `now`. `order` is one of `--sort`.
    pub(super) fn new(persona: Persona, order: Option<&str>, screen: Rect, now: i64) -> Self {
        Self {
            persona,
            list: List::new(order),
            history: History::default(),
            log: Log::default(),
            focus: Pane::Processes,
            zoomed: false,
            mode: Mode::Browse,
            link: Link::Asked,
            notice: None,
            heard_at: now,
            metrics_top: 0,
            metadata_top: 0,
            detail: None,
            sources: Vec::new(),
            busy: Vec::new(),
            screen,
        }
    }

    /// What happened, and what has to be done about it.
    pub(super) fn update(&mut self, event: Event) -> Vec<Effect> {
        let before = self.selected();
        let mut effects = match event {
            Event::Key(key) => self.key(key),
            Event::Resized(screen) => {
                self.screen = screen;
                Vec::new()
            }
            Event::Sampled { rows, detail, at } => self.sampled(rows, detail, at),
            Event::Unreachable(reason) => {
                self.link = Link::Down(reason);
                Vec::new()
            }
            Event::Logged(lines) => {
                self.log.extend(lines);
                Vec::new()
            }
            Event::Acted { order, outcome } => self.acted(&order, outcome),
        };
        if self.selected() != before {
            effects.extend(self.turn_to_another());
        }
        self.list.reveal(self.height(Pane::Processes));
        effects
    }

    /// The selected process.
    pub(super) fn selected(&self) -> Option<ProcessId> {
        self.list.selected().map(|row| row.id)
    }

    /// All about the selected process, once it is known.
    pub(super) fn detail(&self) -> Option<&ProcessInfo> {
        self.detail.as_deref().filter(|detail| Some(detail.summary.id) == self.selected())
    }

    /// What the selected app told about itself.
    pub(super) fn metrics(&self) -> Vec<sheet::Entry> {
        let metrics = self.detail().map(|detail| &detail.told.metrics);
        metrics
            .into_iter()
            .flatten()
            .map(|(name, metric)| (printable(name).into_owned(), value(metric)))
            .collect()
    }

    /// What `describe` says at `now`.
    pub(super) fn metadata(&self, now: i64) -> Vec<sheet::Entry> {
        let rows = self.detail().map(|detail| describe::rows(detail, now));
        rows.into_iter().flatten().map(|(name, value, _)| (name.to_owned(), value)).collect()
    }

    /// Where everything stands.
    pub(super) fn panes(&self) -> Panes {
        Panes::arrange(self.screen, self.focus, self.zoomed)
    }

    fn height(&self, pane: Pane) -> usize {
        let height = usize::from(self.panes().inside(pane).height);
        // The list has a line of headings.
        height - usize::from(pane == Pane::Processes).min(height)
    }

    fn sampled(
        &mut self,
        rows: Vec<ProcessSummary>,
        detail: Option<Box<ProcessInfo>>,
        at: i64,
    ) -> Vec<Effect> {
        self.link = Link::Up;
        self.heard_at = at;
        self.history.record(&rows);
        self.list.replace(rows);
        self.detail = detail;
        let Some(detail) = self.detail() else { return Vec::new() };
        let sources = of_processes(std::slice::from_ref(detail), Streams { out: true, error: true });
        if sources == self.sources {
            return Vec::new();
        }
        self.sources.clone_from(&sources);
        self.log = Log::default();
        vec![Effect::Follow(sources)]
    }

    /// Nothing of one process is left when another is selected.
    fn turn_to_another(&mut self) -> Vec<Effect> {
        self.log = Log::default();
        self.sources.clear();
        (self.metrics_top, self.metadata_top) = (0, 0);
        vec![Effect::Follow(Vec::new()), Effect::Ask]
    }

    fn acted(&mut self, order: &Order, outcome: Result<(), String>) -> Vec<Effect> {
        self.busy.retain(|busy| busy != order);
        let process = format!("[{}]({})", printable(&order.name), order.process);
        self.notice = Some(match outcome {
            Ok(()) => Notice { text: format!("{process} {} ✓", words(order.action).1), is_bad: false },
            Err(reason) => Notice { text: format!("{process} {}", printable(&reason)), is_bad: true },
        });
        vec![Effect::Ask]
    }

    fn key(&mut self, key: Key) -> Vec<Effect> {
        self.notice = None;
        match (key, &self.mode) {
            (Key::Interrupt, _) => vec![Effect::Quit],
            (Key::Repaint, _) => vec![Effect::Repaint],
            (key, Mode::Browse) => match keys::command(key) {
                Some(command) => self.command(command),
                None => Vec::new(),
            },
            (key, Mode::Filter) => {
                self.type_filter(key);
                Vec::new()
            }
            (key, Mode::Confirm(order)) => {
                let order = order.clone();
                self.mode = Mode::Browse;
                if matches!(key, Key::Char('y' | 'Y')) { self.act(order) } else { Vec::new() }
            }
            (_, Mode::Help) => {
                self.mode = Mode::Browse;
                Vec::new()
            }
        }
    }

    fn command(&mut self, command: keys::Command) -> Vec<Effect> {
        use keys::Command::*;
        match command {
            Quit => return vec![Effect::Quit],
            // What was opened last is closed first.
            Back if self.zoomed => self.zoomed = false,
            Back if !self.list.filter().is_empty() => self.list.set_filter(String::new()),
            Back => return vec![Effect::Quit],
            Go(step) => self.go(step),
            NextPane => self.focus = self.focus.further(1),
            PreviousPane => self.focus = self.focus.further(Pane::ALL.len() - 1),
            Zoom => self.zoomed = !self.zoomed,
            Filter => self.mode = Mode::Filter,
            Order => self.list.next_order(),
            Help => self.mode = Mode::Help,
            Act(action) => {
                if let Some(order) = self.order(action) {
                    return self.act(order);
                }
            }
            Delete => {
                if let Some(order) = self.order(Action::Delete) {
                    self.mode = Mode::Confirm(order);
                }
            }
        }
        Vec::new()
    }

    fn type_filter(&mut self, key: Key) {
        let mut filter = self.list.filter().to_owned();
        match key {
            Key::Char(c) => filter.push(c),
            Key::Backspace if filter.is_empty() => self.mode = Mode::Browse,
            Key::Backspace => _ = filter.pop(),
            Key::Erase => filter.clear(),
            Key::Enter => self.mode = Mode::Browse,
            Key::Escape => {
                filter.clear();
                self.mode = Mode::Browse;
            }
            Key::Up => return self.list.go(Step::Up, 1),
            Key::Down => return self.list.go(Step::Down, 1),
            _ => return,
        }
        if filter != self.list.filter() {
            self.list.set_filter(filter);
        }
    }

    fn go(&mut self, step: Step) {
        let inside = self.panes().inside(self.focus);
        let (width, height) = (usize::from(inside.width), self.height(self.focus));
        let scrolled = |top: usize, entries: &[sheet::Entry]| {
            let places = (sheet::lines(entries, width).len() + 1).saturating_sub(height);
            step.from(top, places, height)
        };
        match self.focus {
            Pane::Processes => self.list.go(step, height),
            Pane::Logs => {
                let place = self.log.len().saturating_sub(self.log.back() + 1);
                let place = step.from(place, self.log.len(), height);
                self.log.look(self.log.len().saturating_sub(place + 1));
            }
            Pane::Usage => {}
            Pane::Metrics => self.metrics_top = scrolled(self.metrics_top, &self.metrics()),
            // The moment changes no number of lines.
            Pane::Metadata => self.metadata_top = scrolled(self.metadata_top, &self.metadata(self.heard_at)),
        }
    }

    /// `action` on the selected process.
    fn order(&mut self, action: Action) -> Option<Order> {
        let row = self.list.selected()?;
        let order = Order { action, process: row.id, name: row.name.to_string() };
        // A number selects an app or a namespace that is called so, before the process that has it.
        let id = row.id.to_string();
        if self.list.all().iter().any(|row| row.name == id || row.namespace == id) {
            let text =
                format!("{id} is also the name of an app or a namespace: use its name on the command line");
            self.notice = Some(Notice { text, is_bad: true });
            return None;
        }
        Some(order)
    }

    fn act(&mut self, order: Order) -> Vec<Effect> {
        let doing = format!("[{}]({}) {} …", printable(&order.name), order.process, words(order.action).0);
        self.notice = Some(Notice { text: doing, is_bad: false });
        if self.busy.contains(&order) {
            return Vec::new();
        }
        self.busy.push(order.clone());
        vec![Effect::Act(order)]
    }
}

/// What is said while an action is being done, and when it is done.
fn words(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Start => ("starting", "started"),
        Action::Stop => ("stopping", "stopped"),
        Action::Restart => ("restarting", "restarted"),
        Action::Reload => ("reloading", "reloaded"),
        Action::Delete => ("deleting", "deleted"),
        // No key does more.
        _ => ("changing", "changed"),
    }
}

/// A metric's value with its unit, by the convention of `axm:monitor`.
fn value(metric: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => printable(text).into_owned(),
        value => printable(&value.to_string()).into_owned(),
    };
    let Some(value) = metric.get("value") else { return text(metric) };
    match metric.get("unit").and_then(serde_json::Value::as_str) {
        Some(unit) if !unit.is_empty() => format!("{} {}", text(value), printable(unit)),
        _ => text(value),
    }
}

/// How the lines of a stream look where they say nothing themselves.
pub(super) fn style_of(source: &Source) -> Style {
    match source.stream {
        crate::logs::source::Stream::Error => Style::new().red(),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests;
