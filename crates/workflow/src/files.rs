//! Where workflow files are.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where a repository keeps its workflows.
const WORKFLOWS: &str = ".github/workflows";

/// The workflow files of a directory, in the order of their names: those of its `.github/workflows` if it has one,
/// else its own `*.yml` and `*.yaml`.
pub fn workflow_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let own = directory.join(WORKFLOWS);
    let directory = if own.is_dir() { &own } else { directory };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The description of the action in a directory.
pub(crate) fn action_file(directory: &Path) -> Option<PathBuf> {
    ["action.yml", "action.yaml"].iter().map(|name| directory.join(name)).find(|path| path.is_file())
}
