//! What the original answered, kept.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    answers::Answers,
    scenario::{Group, Scenario},
};

/// The answers to one scenario, and what was asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    steps: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    probes: Vec<String>,
    pub(crate) answers: Answers,
}

impl Recorded {
    pub(crate) fn new(scenario: &Scenario, answers: Answers) -> Self {
        Self {
            steps: scenario.steps.clone(),
            files: scenario.files.clone(),
            probes: scenario.probes.clone(),
            answers,
        }
    }

    /// Whether this is what the scenario asks.
    pub(crate) fn is_of(&self, scenario: &Scenario) -> bool {
        self.steps == scenario.steps && self.files == scenario.files && self.probes == scenario.probes
    }
}

/// By scenario.
pub(crate) type Recording = BTreeMap<String, Recorded>;

fn path(group: &Group) -> PathBuf {
    group.folder.join("recorded").join(format!("{}.json", group.name))
}

/// What is kept of a group.
pub(crate) fn load(group: &Group) -> Recording {
    match fs::read_to_string(path(group)) {
        Ok(text) => serde_json::from_str(&text).expect("a recording is JSON"),
        Err(_) => Recording::new(),
    }
}

/// Keeps it.
pub(crate) fn save(group: &Group, recording: &Recording) {
    let text = serde_json::to_string_pretty(recording).expect("it is data");
    fs::write(path(group), text + "\n").expect("the folder can be written");
}
