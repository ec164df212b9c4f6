//! The differences that are known and meant.

use std::{collections::BTreeSet, fs, path::Path};

use regex_lite::Regex;
use serde::Deserialize;

use super::answers::Answers;

/// The content of `differences.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    line: Vec<Line>,
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Lines of output that only one of the two prints.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// An expression for the whole line.
    matches: String,
    reason: String,
}

/// Aspects of scenarios in which the two differ. In names `*` stands for any text and `?` for one letter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    scenarios: Vec<String>,
    aspects: Vec<String>,
    reason: String,
}

/// The list.
#[derive(Debug)]
pub(crate) struct Differences {
    lines: Vec<(Regex, Line)>,
    /// A scenario and an aspect of it.
    listed: Vec<(String, String)>,
}

impl Differences {
    /// Reads the list.
    pub(crate) fn load(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the list of differences can be read");
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reasons = file.line.iter().map(|line| &line.reason);
        for reason in reasons.chain(file.difference.iter().map(|difference| &difference.reason)) {
            assert!(reason.trim().len() > 10, "{}: {reason:?} is no reason", path.display());
        }
        let lines = file.line.into_iter().map(|line| {
            let whole = format!("^(?:{})$", line.matches);
            (Regex::new(&whole).unwrap_or_else(|error| panic!("{whole}: {error}")), line)
        });
        let listed = file.difference.iter().flat_map(|Difference { scenarios, aspects, .. }| {
            scenarios
                .iter()
                .flat_map(|scenario| aspects.iter().map(|aspect| (scenario.clone(), aspect.clone())))
        });
        Self { lines: lines.collect(), listed: listed.collect() }
    }

    /// Answers without the lines of output that are known to differ. What is needed is added to `used`.
    pub(crate) fn without_lines(&self, answers: &Answers, used: &mut BTreeSet<usize>) -> Answers {
        let mut keep = |line: &&str| {
            let known = self.lines.iter().position(|(regex, _)| regex.is_match(line.trim_end_matches('\n')));
            used.extend(known);
            known.is_none()
        };
        let is_output = |aspect: &str| aspect.ends_with(" stdout") || aspect.ends_with(" stderr");
        let mut result = answers.clone();
        result.retain(|aspect, text| {
            if is_output(aspect) {
                *text = text.split_inclusive('\n').filter(&mut keep).collect();
            }
            !is_output(aspect) || !text.is_empty()
        });
        result
    }

    /// The entry for a difference, if it is listed.
    pub(crate) fn entry(&self, scenario: &str, aspect: &str) -> Option<usize> {
        let fits =
            |(scenarios, aspects): &(String, String)| glob(scenarios, scenario) && glob(aspects, aspect);
        self.listed.iter().position(fits).map(|index| self.lines.len() + index)
    }

    /// What is listed and did not occur.
    pub(crate) fn unused(&self, used: &BTreeSet<usize>) -> Vec<String> {
        let lines = self.lines.iter().map(|(_, line)| format!("line {:?}", line.matches));
        let listed = self.listed.iter().map(|(scenario, aspect)| format!("{aspect:?} of {scenario:?}"));
        lines
            .chain(listed)
            .enumerate()
            .filter(|(index, _)| !used.contains(index))
            .map(|(_, what)| format!("listed as a difference, but there is none (remove the entry): {what}"))
            .collect()
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one letter.
fn glob(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    let (first, rest) = (rest.next(), rest.as_str());
    let mut letters = text.chars();
    match first {
        None => text.is_empty(),
        Some('*') => glob(rest, text) || letters.next().is_some() && glob(pattern, letters.as_str()),
        Some(letter) => {
            letters.next().is_some_and(|found| letter == '?' || letter == found)
                && glob(rest, letters.as_str())
        }
    }
}

#[test]
fn stars_stand_for_anything() {
    assert!(glob("*", "") && glob("a*c", "abbc") && glob("jlist *.env.*", "jlist 0.pm2_env.env.X"));
    assert!(!glob("a*c", "abcd") && !glob("a", "ab"));
    assert!(glob("? exit", "1 exit") && !glob("? exit", "12 exit"));
}
