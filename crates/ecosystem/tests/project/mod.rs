//! A project in a temporary directory, in which ecosystem files are loaded.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use rpm_ecosystem::{Caller, LoadError, Loaded, Options};
use tempfile::TempDir;

/// What there is to run. Programs are executable.
const FILES: [(&str, &str); 8] = [
    ("app.js", ""),
    ("package.json", "{\"version\": \"1.0.0\"}"),
    ("api/server.js", ""),
    ("api/package.json", "{\"version\": \"2.0.0\"}"),
    ("api/worker.py", ""),
    ("my app.js", ""),
    ("config/placeholder", ""),
    ("dir/index.js", ""),
];
const PROGRAMS: [(&str, &str); 5] = [
    ("bin/bash", "#!/bin/sh\n"),
    ("bin/python3", "\0"),
    ("bin/sleep", "\0"),
    ("bin/npm", "#!/usr/bin/env node\n"),
    ("run", "#!/bin/sh\n"),
];

pub struct Project(TempDir);

impl Project {
    pub fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (name, content) in FILES {
            project.file(name, content);
        }
        for (name, content) in PROGRAMS {
            project.program(name, content);
        }
        project
    }

    pub fn file(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
    }

    pub fn program(&self, name: &str, content: &str) {
        self.file(name, content);
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn caller(&self) -> Caller {
        let path = |name: &str| self.path().join(name).display().to_string();
        let env = [("PATH", path("bin")), ("HOME", path("home")), ("NVM_DIR", path("nvm"))];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Caller {
            username: Some("ann".to_owned()),
            executable: Some(self.path().join("bin/rpm")),
            ..Caller::new(self.path().to_owned(), env)
        }
    }

    /// Has the Node of this machine in its `PATH`.
    pub fn with_node(self) -> Self {
        let path = env::var_os("PATH").unwrap();
        let node = env::split_paths(&path).map(|directory| directory.join("node")).find(|node| node.exists());
        symlink(node.expect("Node.js is installed"), self.path().join("bin/node")).unwrap();
        self
    }

    /// Loads `text` as `name` in the project's directory.
    pub fn load_as(
        &self,
        name: &str,
        text: impl AsRef<[u8]>,
        options: &Options,
    ) -> Result<Loaded, LoadError> {
        fs::create_dir_all(self.path().join(name).parent().unwrap()).unwrap();
        fs::write(self.path().join(name), text).unwrap();
        rpm_ecosystem::load(Path::new(name), options, &self.caller())
    }

    pub fn load(&self, text: impl AsRef<[u8]>) -> Result<Loaded, LoadError> {
        self.load_as("ecosystem.toml", text, &Options::default())
    }

    /// `text` with the temporary directory's name taken out.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), "/project")
    }
}
