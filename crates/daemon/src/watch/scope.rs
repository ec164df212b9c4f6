//! Which paths restart an app when they change. Nothing here waits for changes.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use rpm_core::{AppKey, AppSpec, Millis, Watch};

/// What an app declares about watching.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// What is restarted.
    pub app: AppKey,
    pub cwd: PathBuf,
    pub delay: Millis,
    watch: Watch,
    ignore: Option<Vec<String>>,
}

/// Why something cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error("app {app}: cannot watch {path}: {reason}")]
    Path { app: String, path: PathBuf, reason: std::io::Error },
    #[error("app {app}: {error}")]
    Pattern { app: String, error: globset::Error },
}

impl Target {
    /// What `app` declares; `None` if it is not watched.
    pub(crate) fn of(app: &AppSpec) -> Option<Self> {
        (!app.watch.is_off()).then(|| Self {
            app: app.key(),
            cwd: app.cwd.clone(),
            delay: app.watch_delay.unwrap_or_default(),
            watch: app.watch.clone(),
            ignore: app.ignore_watch.clone(),
        })
    }

    /// Whether it can be watched now: each path is there, each pattern can be read.
    pub(crate) fn check(&self) -> Result<(), WatchError> {
        for root in Scope::of(self)?.roots {
            let path = if let What::File(file) = &root.what { file } else { &root.base };
            std::fs::metadata(path).map_err(|reason| WatchError::Path {
                app: self.app.name.clone(),
                path: path.clone(),
                reason,
            })?;
        }
        Ok(())
    }
}

/// A target that has been understood.
#[derive(Debug)]
pub(crate) struct Scope {
    pub target: Target,
    pub roots: Vec<Root>,
    ignore: Ignore,
}

/// One of the watched paths.
#[derive(Debug)]
pub(crate) struct Root {
    /// The directory where it begins.
    pub base: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    /// All below the base.
    Tree,
    /// One file of the base.
    File(PathBuf),
    /// What matches; `depth` directories deep at most.
    Glob { glob: Box<GlobMatcher>, depth: Option<usize> },
}

enum Ignore {
    /// PM2's: what begins with a dot, and `node_modules`.
    Usual,
    These(GlobSet),
}

impl fmt::Debug for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Usual) { "Usual" } else { "These" })
    }
}

impl Scope {
    /// Understands `target`. Looks at the disk only to tell files from directories.
    pub(crate) fn of(target: &Target) -> Result<Self, WatchError> {
        let bad = |error| WatchError::Pattern { app: target.app.name.clone(), error };
        let roots = match &target.watch {
            Watch::Off => Vec::new(),
            Watch::All => vec![Root { base: target.cwd.clone(), what: What::Tree }],
            Watch::Paths(paths) => {
                paths.iter().map(|path| Root::of(&target.cwd, path)).collect::<Result<_, _>>().map_err(bad)?
            }
        };
        let ignore = match &target.ignore {
            None => Ignore::Usual,
            Some(patterns) => Ignore::These(ignored(&target.cwd, patterns).map_err(bad)?),
        };
        Ok(Self { target: target.clone(), roots, ignore })
    }

    /// Whether a change of `path` restarts the app.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| root.covers(path) && !self.ignores(&root.base, path))
    }

    /// Whether changes of what is in `directory` have to be known.
    pub(crate) fn enters(&self, directory: &Path) -> bool {
        self.roots.iter().any(|root| root.enters(directory) && !self.ignores(&root.base, directory))
    }

    /// `path` as PM2 writes it: from the app's directory.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.target.cwd).unwrap_or(path);
        let shown = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        shown.display().to_string()
    }

    fn ignores(&self, base: &Path, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(base) else { return false };
        if below.file_name().and_then(|name| name.to_str()).is_some_and(is_editors_own) {
            return true;
        }
        match &self.ignore {
            Ignore::Usual => below.components().any(|part| {
                let part = part.as_os_str().as_encoded_bytes();
                part.starts_with(b".") || part == b"node_modules"
            }),
            Ignore::These(globs) => path
                .ancestors()
                .take_while(|ancestor| *ancestor != base)
                .any(|ancestor| globs.is_match(ancestor)),
        }
    }
}

impl Root {
    fn of(cwd: &Path, path: &Path) -> Result<Self, globset::Error> {
        let absolute = normal(&cwd.join(path));
        let text = absolute.to_string_lossy();
        // What is there is meant literally: `pages/[id].js`.
        let what = std::fs::metadata(&absolute);
        if what.is_err() && is_glob(&text) {
            let fixed: PathBuf = absolute
                .components()
                .take_while(|part| !is_glob(&part.as_os_str().to_string_lossy()))
                .collect();
            let depth = absolute.components().count() - fixed.components().count() - 1;
            let depth = (!text.contains("**")).then_some(depth);
            // What comes before the pattern may look like one: only the rest is.
            let rest = absolute.strip_prefix(&fixed).unwrap_or(&absolute).to_string_lossy();
            let glob = glob(&format!("{}/{rest}", globset::escape(&fixed.to_string_lossy())))?;
            let glob = Box::new(glob.compile_matcher());
            return Ok(Self { base: fixed, what: What::Glob { glob, depth } });
        }
        match absolute.parent() {
            Some(parent) if what.is_ok_and(|meta| !meta.is_dir()) => {
                Ok(Self { base: parent.to_owned(), what: What::File(absolute) })
            }
            _ => Ok(Self { base: absolute, what: What::Tree }),
        }
    }

    fn covers(&self, path: &Path) -> bool {
        match &self.what {
            What::Tree => path.starts_with(&self.base),
            What::File(file) => path == file,
            What::Glob { glob, .. } => glob.is_match(path),
        }
    }

    fn enters(&self, directory: &Path) -> bool {
        match &self.what {
            What::Tree => directory.starts_with(&self.base),
            What::File(_) => directory == self.base,
            What::Glob { depth, .. } => directory
                .strip_prefix(&self.base)
                .is_ok_and(|below| depth.is_none_or(|depth| below.components().count() <= depth)),
        }
    }
}

/// The patterns of `ignore_watch`, as PM2's chokidar takes them: from the app's directory; a plain path is that file or
/// directory with all below it.
fn ignored(cwd: &Path, patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    let cwd = globset::escape(&cwd.to_string_lossy());
    for pattern in patterns {
        let whole =
            if pattern.starts_with('/') { PathBuf::from(pattern) } else { Path::new(&cwd).join(pattern) };
        let whole = normal(&whole);
        let whole = whole.to_string_lossy();
        set.add(glob(&whole)?);
        // `a/**` is `a` itself as well.
        if let Some(directory) = whole.strip_suffix("/**") {
            set.add(glob(directory)?);
        }
    }
    set.build()
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Files that editors make beside the one that is edited; chokidar's list.
fn is_editors_own(name: &str) -> bool {
    let has_dot_before =
        |extension: &str| name.strip_suffix(extension).is_some_and(|stem| stem.contains('.'));
    name.ends_with('~')
        || has_dot_before(".swp")
        || has_dot_before(".swx")
        || name.split_once(".subl").is_some_and(|(_, rest)| rest.strip_suffix(".tmp").is_some())
}

/// `path` without `.` and `..`; nothing is looked up.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use rpm_core::Interpreter;

    use super::*;

    fn scope(cwd: &Path, watch: &[&str], ignore: Option<&[&str]>) -> Scope {
        let mut app = AppSpec::new("a", "/s".into(), Interpreter::None, cwd.into());
        app.watch = Watch::Paths(watch.iter().map(PathBuf::from).collect());
        if watch.is_empty() {
            app.watch = Watch::All;
        }
        app.ignore_watch = ignore.map(|patterns| patterns.iter().map(ToString::to_string).collect());
        Scope::of(&Target::of(&app).unwrap()).unwrap()
    }

    fn covered<'a>(scope: &Scope, paths: &[&'a str]) -> Vec<&'a str> {
        paths.iter().copied().filter(|path| scope.covers(&scope.target.cwd.join(path))).collect()
    }

    #[test]
    fn by_default_dots_and_node_modules_are_ignored() {
        // A dot above the app's directory is not the app's: PM2 watches nothing there.
        let scope = scope(Path::new("/home/.me/app"), &[], None);
        let paths =
            ["a.js", "b/c", ".env", "b/.git/x", "node_modules/m/i.js", "b/node_modules", "a.js~", ".a.swp"];
        assert_eq!(covered(&scope, &paths), ["a.js", "b/c"]);
        assert!(!scope.covers(Path::new("/home/.me/other")));
        assert!(scope.enters(Path::new("/home/.me/app/b")) && !scope.enters(Path::new("/home/.me/app/.git")));
    }

    /// What chokidar 3.6 with anymatch 3.1 answers for the same patterns and paths.
    #[test]
    fn patterns_mean_what_they_mean_to_chokidar() {
        let paths = [
            "node_modules/x",
            "b/node_modules/x",
            "logs",
            "logs/a.log",
            "b/logs/a.log",
            "a.log",
            "b/a.log",
            ".env",
            "a.js",
            "b/a.js",
        ];
        for (patterns, left) in [
            (
                &["node_modules"][..],
                &[
                    "b/node_modules/x",
                    "logs",
                    "logs/a.log",
                    "b/logs/a.log",
                    "a.log",
                    "b/a.log",
                    ".env",
                    "a.js",
                    "b/a.js",
                ][..],
            ),
            (&["logs", "**/node_modules"], &["b/logs/a.log", "a.log", "b/a.log", ".env", "a.js", "b/a.js"]),
            (&["./logs/", "**/node_modules/**", "b"], &["a.log", ".env", "a.js"]),
            (&["*.log", "b/*"], &["node_modules/x", "logs", "logs/a.log", ".env", "a.js"]),
            (&["**/*.{log,js}"], &["node_modules/x", "b/node_modules/x", "logs", ".env"]),
            (&["logs/**", "[ab]*", "/elsewhere"], &["node_modules/x", ".env"]),
            (&["*"], &[]),
        ] {
            assert_eq!(
                covered(&scope(Path::new("/no[t] there"), &[], Some(patterns)), &paths),
                left,
                "{patterns:?}"
            );
        }
    }

    #[test]
    fn files_directories_and_patterns_can_be_watched() {
        let directory = tempfile::tempdir().unwrap();
        let cwd = directory.path();
        std::fs::create_dir_all(cwd.join("src/deep")).unwrap();
        std::fs::write(cwd.join("server.js"), "").unwrap();
        std::fs::write(cwd.join("[id].js"), "").unwrap();
        let paths = ["server.js", "other.js", "src/a.js", "src/a.css", "src/deep/b.js", "[id].js"];
        assert_eq!(covered(&scope(cwd, &["server.js", "[id].js"], None), &paths), ["server.js", "[id].js"]);
        assert_eq!(
            covered(&scope(cwd, &["./src"], None), &paths),
            ["src/a.js", "src/a.css", "src/deep/b.js"]
        );
        let flat = scope(cwd, &["src/*.js"], None);
        assert_eq!(covered(&flat, &paths), ["src/a.js"]);
        assert!(flat.enters(&cwd.join("src")) && !flat.enters(&cwd.join("src/deep")) && !flat.enters(cwd));
        let deep = scope(cwd, &["**/*.js"], None);
        assert_eq!(covered(&deep, &paths), ["server.js", "other.js", "src/a.js", "src/deep/b.js", "[id].js"]);
        assert!(deep.enters(&cwd.join("src/deep")));
    }

    #[test]
    fn what_is_missing_or_no_pattern_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let error = scope(directory.path(), &["nowhere"], None).target.check().unwrap_err().to_string();
        assert!(error.contains("app a: cannot watch") && error.contains("nowhere"), "{error}");
        let mut app = AppSpec::new("a", "/s".into(), Interpreter::None, "/".into());
        app.watch = Watch::All;
        app.ignore_watch = Some(vec!["a[".into()]);
        assert!(Target::of(&app).unwrap().check().is_err());
    }
}
