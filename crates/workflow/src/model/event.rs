//! `on`: what starts a workflow.

use rpm_core::cron;
use rpm_ecosystem::{Node, Value as Yaml};

use super::{child, entries, items, text};
use crate::expression::Tree;

/// An event that starts a workflow.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// Of `workflow_dispatch` and `workflow_call`.
    pub(crate) inputs: Vec<Input>,
    /// Of `workflow_call`: names, and whether they have to be given.
    pub(crate) secrets: Vec<(String, bool)>,
    /// Of `workflow_call`.
    pub(crate) outputs: Vec<(String, Tree)>,
    /// Of `schedule`.
    pub(crate) schedules: Vec<Schedule>,
}

/// An input that is declared.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) r#type: InputType,
    pub(crate) required: bool,
    pub(crate) default: Tree,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputType {
    /// `string` and `environment`.
    Text,
    Boolean,
    Number,
    Choice(Vec<String>),
}

/// A time at which a workflow is started.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: String,
    timezone: Option<String>,
    /// Several where both days are restricted: POSIX takes either, the dialect of [`rpm_core::cron`] both.
    parts: Vec<cron::Schedule>,
}

impl Schedule {
    /// Reads five fields in POSIX's sense; what is wrong with them, if they are none.
    pub(crate) fn read(text: &str, timezone: Option<String>) -> Result<Self, String> {
        let fields: Vec<_> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "expected the five fields minute, hour, day of month, month and day of week, found {}",
                fields.len()
            ));
        };
        if let Some(field) =
            fields.iter().find(|field| field.contains(['?', 'L', 'W', '#', '@']) && !is_named(field))
        {
            return Err(format!("{field:?} is not POSIX cron: expected *, numbers, ranges, steps and lists"));
        }
        let texts = if *day == "*" || *weekday == "*" {
            vec![text.to_owned()]
        } else {
            vec![format!("{minute} {hour} {day} {month} *"), format!("{minute} {hour} * {month} {weekday}")]
        };
        let parts =
            texts.iter().map(|text| cron::Schedule::parse(text).map_err(|error| error.problem.to_string()));
        Ok(Self { cron: text.to_owned(), timezone, parts: parts.collect::<Result<_, _>>()? })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.cron
    }

    /// The time zone in which it is meant; UTC where none is named.
    pub fn timezone(&self) -> Option<&str> {
        self.timezone.as_deref()
    }

    /// In the dialect of [`rpm_core::cron`]: it fires when one of these does.
    pub fn parts(&self) -> &[cron::Schedule] {
        &self.parts
    }
}

/// Names of months and days hold letters that mean something else alone.
fn is_named(field: &str) -> bool {
    field
        .split([',', '-', '/'])
        .any(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// The events of an `on`, which was checked.
pub(super) fn read(on: &Node) -> Vec<Event> {
    match &on.value {
        Yaml::Table(events) => events.iter().map(|event| one(&event.key, &event.node)).collect(),
        _ => items(on)
            .iter()
            .map(|event| one(&event.to_text(), &Node { span: None, value: Yaml::Null }))
            .collect(),
    }
}

fn one(name: &str, node: &Node) -> Event {
    let declared = |key: &str| child(node, key).map(entries).unwrap_or_default();
    let schedules = if name == "schedule" { items(node) } else { &[] };
    Event {
        name: name.to_owned(),
        inputs: declared("inputs").iter().map(|entry| input(&entry.key, &entry.node)).collect(),
        secrets: declared("secrets")
            .iter()
            .map(|entry| (entry.key.clone(), is_true(&entry.node, "required")))
            .collect(),
        outputs: declared("outputs")
            .iter()
            .map(|entry| {
                let value = child(&entry.node, "value").and_then(|value| Tree::read(value).ok());
                (entry.key.clone(), value.unwrap_or_default())
            })
            .collect(),
        schedules: schedules
            .iter()
            .filter_map(|entry| Schedule::read(&text(entry, "cron")?, text(entry, "timezone")).ok())
            .collect(),
    }
}

fn input(name: &str, node: &Node) -> Input {
    let r#type = match text(node, "type").as_deref() {
        Some("boolean") => InputType::Boolean,
        Some("number") => InputType::Number,
        Some("choice") => InputType::Choice(
            child(node, "options").map(items).unwrap_or_default().iter().map(Node::to_text).collect(),
        ),
        _ => InputType::Text,
    };
    let default = child(node, "default").and_then(|value| Tree::read(value).ok()).unwrap_or_default();
    Input { name: name.to_owned(), r#type, required: is_true(node, "required"), default }
}

fn is_true(node: &Node, key: &str) -> bool {
    child(node, key).is_some_and(|node| node.value == Yaml::Bool(true))
}
