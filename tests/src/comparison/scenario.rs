//! Scenarios, as their files declare them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// The scenarios of one file. They run one after the other in one home.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// The name of the file, without its ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// The folder of its suite.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    /// Variables that all commands get, the daemon with them.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(rename = "scenario")]
    pub(crate) scenarios: Vec<Scenario>,
    /// The names of all scenarios of the file, also of those that are not wanted now.
    #[serde(skip)]
    pub(crate) names: BTreeSet<String>,
}

/// A short session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows; unique among all.
    pub(crate) name: String,
    /// Files that lie in the working directory, beside those of `apps/`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// Programs of the working directory that report how they were started. Steps wait for the reports by
    /// `reported NUMBER`; each is compared value by value, with the logs of its process.
    #[serde(default)]
    pub(crate) probes: Vec<String>,
    /// Lines for a shell, in which `pm2` is the program under test. Exit code and output of each are compared.
    pub(crate) steps: Vec<String>,
    /// A file of `NAME=value` lines that the steps leave: each variable is compared by itself.
    pub(crate) environment: Option<String>,
}

/// All groups of the suite in `folder`, with the scenarios whose full name contains `wanted`.
pub(crate) fn load(folder: &Path, wanted: Option<&str>) -> Vec<Group> {
    let mut paths: Vec<_> = fs::read_dir(folder.join("scenarios"))
        .expect("there are scenarios")
        .map(|entry| entry.expect("the directory can be read").path())
        .collect();
    paths.sort();
    let mut groups: Vec<Group> = paths.iter().map(|path| read(folder, path)).collect();
    if let Some(wanted) = wanted {
        for group in &mut groups {
            let name = &group.name;
            group.scenarios.retain(|scenario| format!("{name}/{}", scenario.name).contains(wanted));
        }
        groups.retain(|group| !group.scenarios.is_empty());
    }
    groups
}

fn read(folder: &Path, path: &Path) -> Group {
    let text = fs::read_to_string(path).expect("the file can be read");
    let mut group: Group =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    group.name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    folder.clone_into(&mut group.folder);
    group.names = group.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    assert_eq!(group.names.len(), group.scenarios.len(), "{}: two scenarios have one name", path.display());
    group
}
