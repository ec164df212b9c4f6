//! Running groups of scenarios, and comparing.

use std::{
    collections::BTreeSet,
    env, fmt, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::{
    answers::Answers,
    differences::Differences,
    recording::{self, Recorded, Recording},
    scenario::{Group, Scenario},
    session::{IN_VAIN, Session},
};
use crate::executable;

/// Where the original's answers come from.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// From the recordings.
    Recorded,
    /// From the original, and the recordings are checked to be its answers.
    Live(PathBuf),
    /// Nothing is compared: what is new or was changed is asked of the original, and recorded.
    Record(PathBuf),
}

impl Mode {
    /// As `PARITY_RECORD` and `PARITY_LIVE` say. The error is why there is nothing to run.
    pub(crate) fn from_env(original: Option<PathBuf>) -> Result<Self, String> {
        let make: fn(PathBuf) -> Self = match () {
            () if env::var_os("PARITY_RECORD").is_some() => Self::Record,
            () if env::var_os("PARITY_LIVE").is_some() => Self::Live,
            () => return Ok(Self::Recorded),
        };
        original.map(make).ok_or_else(|| "the original is not installed: `npm ci` in tests/parity".to_owned())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "against what the original answered when it was recorded",
            Self::Live(_) => "against the original",
            Self::Record(_) => "of the original are recorded; nothing was compared",
        })
    }
}

/// What came out of a group.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) complaints: Vec<String>,
    /// The entries of the list of differences that were needed.
    pub(crate) used: BTreeSet<usize>,
}

/// Runs a group.
pub(crate) fn group(group: &Group, mode: &Mode, differences: &Differences) -> Outcome {
    let mut recording = recording::load(group);
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    let asked = match mode {
        Mode::Recorded => Ok(()),
        Mode::Live(original) => ask(original, group, group.scenarios.iter(), |scenario, answers| {
            complaints.extend(changed(group, scenario, &recording, &answers));
        }),
        Mode::Record(original) => {
            let is_missing =
                |scenario: &&Scenario| recording.get(&scenario.name).is_none_or(|r| !r.is_of(scenario));
            let missing: Vec<&Scenario> = group.scenarios.iter().filter(is_missing).collect();
            recording.retain(|name, _| group.names.contains(name));
            ask(original, group, missing.into_iter(), |scenario, answers| {
                if let Some(aspect) = in_vain(&answers) {
                    complaints.push(format!("{}: not recorded: {aspect}", full_name(group, scenario)));
                } else {
                    recording.insert(scenario.name.clone(), Recorded::new(scenario, answers));
                    recording::save(group, &recording);
                }
            })
        }
    };
    complaints.extend(asked.err());
    if !matches!(mode, Mode::Record(_)) {
        let compared = ask(executable(), group, group.scenarios.iter(), |scenario, answers| {
            complaints.extend(compare(group, scenario, &recording, &answers, differences, &mut used));
        });
        complaints.extend(compared.err());
    }
    Outcome { complaints, used }
}

/// Has a program run scenarios of a group, and passes on its answers to each.
fn ask<'a>(
    program: &Path,
    group: &'a Group,
    scenarios: impl ExactSizeIterator<Item = &'a Scenario>,
    mut hear: impl FnMut(&'a Scenario, Answers),
) -> Result<(), String> {
    if scenarios.len() == 0 {
        return Ok(());
    }
    let program = fs::canonicalize(program).map_err(|error| format!("{}: {error}", program.display()))?;
    // The harness panics when a command never ends; the other groups can still be judged.
    catch_unwind(AssertUnwindSafe(|| {
        let mut session = Session::new(&program, group);
        for scenario in scenarios {
            hear(scenario, session.run(scenario));
        }
    }))
    .map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        format!("{} with {}: {text}", group.name, program.display())
    })
}

/// A wait that never ended: nothing that could be compared with.
fn in_vain(answers: &Answers) -> Option<&str> {
    let text = answers.values().find(|text| text.contains(IN_VAIN))?;
    text.lines().find(|line| line.starts_with(IN_VAIN))
}

/// Where the original no longer answers as recorded.
fn changed(group: &Group, scenario: &Scenario, recording: &Recording, answers: &Answers) -> Vec<String> {
    let Some(recorded) = recording.get(&scenario.name) else { return Vec::new() };
    let name = full_name(group, scenario);
    apart(&recorded.answers, answers)
        .into_iter()
        .map(|(aspect, was, is)| format!("{name}: {aspect}\n  recorded {was}\n  original {is}"))
        .collect()
}

/// Where ours differ from the original's and that is not listed. What is listed and needed is added to `used`.
fn compare(
    group: &Group,
    scenario: &Scenario,
    recording: &Recording,
    answers: &Answers,
    differences: &Differences,
    used: &mut BTreeSet<usize>,
) -> Vec<String> {
    let name = full_name(group, scenario);
    let Some(recorded) = recording.get(&scenario.name).filter(|recorded| recorded.is_of(scenario)) else {
        return vec![format!("{name}: not recorded; PARITY_RECORD=1 records it")];
    };
    let theirs = differences.without_lines(&recorded.answers, used);
    let ours = differences.without_lines(answers, used);
    let mut complaints = Vec::new();
    for (aspect, theirs, ours) in apart(&theirs, &ours) {
        match differences.entry(&name, &aspect) {
            Some(entry) => _ = used.insert(entry),
            None => complaints.push(format!("{name}: {aspect}\n  pm2 {theirs}\n  rpm {ours}")),
        }
    }
    complaints
}

fn full_name(group: &Group, scenario: &Scenario) -> String {
    format!("{}/{}", group.name, scenario.name)
}

/// The aspects in which two answers differ.
fn apart(one: &Answers, other: &Answers) -> Vec<(String, String, String)> {
    let aspects: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    // Of a process that only one of the two lists, this says enough.
    let unlisted: Vec<String> = aspects
        .iter()
        .filter(|aspect| aspect.starts_with("jlist ") && !aspect.contains('.'))
        .filter(|aspect| one.contains_key(**aspect) != other.contains_key(**aspect))
        .map(|aspect| format!("{aspect}."))
        .collect();
    let shown = |text: Option<&String>| match text {
        None => "(absent)".to_owned(),
        Some(text) if text.contains('\n') => format!("\n{text}"),
        Some(text) => text.clone(),
    };
    aspects
        .into_iter()
        .filter(|aspect| one.get(*aspect) != other.get(*aspect))
        .filter(|aspect| !unlisted.iter().any(|process| aspect.starts_with(process)))
        .map(|aspect| (aspect.clone(), shown(one.get(aspect)), shown(other.get(aspect))))
        .collect()
}
