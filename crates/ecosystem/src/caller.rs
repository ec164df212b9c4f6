//! Who asks, and from where: what relative paths and bare commands mean.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use rpm_core::{Env, Persona};

/// The one on whose behalf apps are declared.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// The environment: `PATH` and `HOME` are looked up in it.
    pub env: Env,
    /// The user's name.
    pub username: Option<String>,
    /// Whether it may have apps run as other users: root.
    pub privileged: bool,
    /// The executable of this program: what the apps run that are static servers.
    pub executable: Option<PathBuf>,
    /// What this program is called in messages.
    pub persona: Persona,
}

impl Caller {
    /// One without a name and rights of its own.
    pub fn new(cwd: PathBuf, env: Env) -> Self {
        Self { cwd, env, username: None, privileged: false, executable: None, persona: Persona::Rpm }
    }
}

/// The commands of a `PATH`, each looked up once.
pub(crate) struct Programs {
    directories: Vec<PathBuf>,
    found: HashMap<String, Option<PathBuf>>,
}

impl Programs {
    pub(crate) fn of(caller: &Caller) -> Self {
        let path = caller.env.get("PATH").map(String::as_str).unwrap_or_default();
        let directories =
            path.split(':').filter(|_| !path.is_empty()).map(|part| caller.cwd.join(part)).collect();
        Self { directories, found: HashMap::new() }
    }

    /// Where a bare command is, if it is installed.
    pub(crate) fn find(&mut self, command: &str) -> Option<PathBuf> {
        if command.is_empty() || command.contains('/') {
            return None;
        }
        let directories = &self.directories;
        let look =
            || directories.iter().map(|directory| directory.join(command)).find(|file| is_program(file));
        self.found.entry(command.to_owned()).or_insert_with(look).clone()
    }
}

/// Whether this is a file that someone may execute.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// `path` from `base`, without `.` and `..`, as Node's `path.resolve` does it: by the letters, not the disk.
pub(crate) fn resolve(base: &Path, path: impl AsRef<Path>) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = resolved.pop(),
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_by_their_letters() {
        for (path, resolved) in [
            ("a.js", "/b/c/a.js"),
            ("../a/./x/..", "/b/a"),
            ("/x/../../y", "/y"),
            ("", "/b/c"),
            (".", "/b/c"),
        ] {
            assert_eq!(resolve(Path::new("/b/c"), path), Path::new(resolved), "{path}");
        }
    }

    #[test]
    fn commands_are_executable_files_in_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = directory.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let tool = file("tool", 0o755);
        file("data", 0o644);
        fs::create_dir(directory.path().join("folder")).unwrap();
        let path = format!("/nonexistent:{}", directory.path().display());
        let env = [("PATH".to_owned(), path)].into_iter().collect();
        let mut programs = Programs::of(&Caller::new("/".into(), env));
        assert_eq!(programs.find("tool"), Some(tool));
        for other in ["data", "folder", "absent", "", "./tool"] {
            assert_eq!(programs.find(other), None, "{other}");
        }
    }
}
