//! What a step writes: shown without secrets, and its commands carried out.

use super::{Progress, Shared, commands::Command};
use crate::{Annotation, expression::Object};

/// What is read from the output of one process.
pub(super) struct Console<'a> {
    shared: &'a Shared<'a>,
    job: &'a str,
    /// Until this word comes no command is carried out.
    stopped: Option<String>,
    pub(super) outputs: Object,
    pub(super) state: Vec<(String, String)>,
    pub(super) annotations: Vec<Annotation>,
    /// Why the step fails whatever its exit code is.
    pub(super) refused: Option<String>,
}

/// Commands that anybody who writes to the log could abuse: GitHub has switched them off.
const DISABLED: &[(&str, &str)] = &[("set-env", "$GITHUB_ENV"), ("add-path", "$GITHUB_PATH")];

impl<'a> Console<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, job: &'a str) -> Self {
        Self {
            shared,
            job,
            stopped: None,
            outputs: Object::default(),
            state: Vec::new(),
            annotations: Vec::new(),
            refused: None,
        }
    }

    /// Takes a line of output.
    pub(super) fn line(&mut self, line: &str) {
        match Command::read(line) {
            Some(command) if self.stopped.as_ref() == Some(&command.name) => self.stopped = None,
            Some(command) if self.stopped.is_none() => {
                if !self.carry_out(&command) {
                    self.show(line);
                }
            }
            _ => self.show(line),
        }
    }

    /// Shows a line without secrets.
    pub(super) fn show(&self, line: &str) {
        let text = self.shared.masks.hide(line);
        (self.shared.watch)(Progress::Line { job: self.job, text: &text });
    }

    /// Makes a remark.
    pub(super) fn annotate(&mut self, level: &'static str, message: &str) {
        let message = self.shared.masks.hide(message).into_owned();
        self.remark(Annotation { level, message, properties: std::collections::BTreeMap::new() });
    }

    fn remark(&mut self, annotation: Annotation) {
        (self.shared.watch)(Progress::Annotation { job: self.job, annotation: &annotation });
        self.annotations.push(annotation);
    }

    /// Whether it was one that we know.
    fn carry_out(&mut self, command: &Command) -> bool {
        let property = |name: &str| command.properties.get(name).cloned();
        let level = ["error", "warning", "notice"].iter().find(|level| **level == command.name);
        if let Some(level) = level {
            let hide = |text: &str| self.shared.masks.hide(text).into_owned();
            let properties =
                command.properties.iter().map(|(name, value)| (name.clone(), hide(value))).collect();
            self.remark(Annotation { level, message: hide(&command.data), properties });
            return true;
        }
        if let Some((name, file)) = DISABLED.iter().find(|(name, _)| *name == command.name) {
            self.refused.get_or_insert(format!("the command {name} is disabled: write to {file}"));
            return true;
        }
        match command.name.as_str() {
            "add-mask" => self.shared.masks.add(&command.data),
            "set-output" => {
                if let Some(name) = property("name") {
                    self.outputs.set(name, command.data.clone());
                }
                self.annotate("warning", "the command set-output is deprecated: write to $GITHUB_OUTPUT");
            }
            "save-state" => {
                if let Some(name) = property("name") {
                    self.state.push((name, command.data.clone()));
                }
                self.annotate("warning", "the command save-state is deprecated: write to $GITHUB_STATE");
            }
            "group" => {
                let title = self.shared.masks.hide(&command.data);
                (self.shared.watch)(Progress::Group { job: self.job, title: Some(&title) });
            }
            "endgroup" => (self.shared.watch)(Progress::Group { job: self.job, title: None }),
            "stop-commands" => self.stopped = Some(command.data.to_lowercase()),
            "debug" if self.shows_debug() => self.show(&format!("##[debug]{}", command.data)),
            "debug" | "echo" | "add-matcher" | "remove-matcher" => {}
            _ => return false,
        }
        true
    }

    fn shows_debug(&self) -> bool {
        let env = &self.shared.options.env;
        ["ACTIONS_STEP_DEBUG", "RUNNER_DEBUG"]
            .iter()
            .filter_map(|name| env.get(*name))
            .any(|value| value == "true" || value == "1")
    }
}
