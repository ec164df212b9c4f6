//! A copy of the project in which functions are run, so that nothing that they do to their files, or with git, is done
//! to the project itself.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rpm_core::{Bytes, Env, secret, units::Memory as Shown};

/// A project with more than this is not copied. Packages and git's own files do not count: neither is copied.
const MOST_FILES: usize = 50_000;
const MOST_BYTES: u64 = 512 << 20;

/// Directories within each other, beyond which links are likely to go in circles.
const DEEPEST: usize = 64;

/// Packages are linked: they are large, and functions only read them.
const PACKAGES: &str = "node_modules";

/// Neither is a part of the code: git's own files, with the addresses of remotes, and Netlify's, with what it built.
const LEFT_OUT: [&str; 2] = [".git", ".netlify"];

/// Files that hold secrets. `.env.local` and its like do, too.
const SECRET_FILES: [&str; 4] = [".env", ".npmrc", ".netrc", ".yarnrc.yml"];

/// The copy. It is removed when it is dropped.
pub(super) struct Scratch {
    directory: tempfile::TempDir,
    root: PathBuf,
    copy: PathBuf,
}

/// What a copy has come to so far.
#[derive(Default)]
struct Copied {
    files: usize,
    bytes: u64,
}

impl Scratch {
    /// Copies the project below `root`.
    pub(super) fn new(root: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| error.to_string();
        let root = root.canonicalize().map_err(failed)?;
        let directory = tempfile::Builder::new().prefix("rpm-functions-").tempdir().map_err(failed)?;
        // The names of temporary directories may be links.
        let copy = directory.path().canonicalize().map_err(failed)?.join("project");
        let scratch = Self { directory, root, copy };
        fs::create_dir(scratch.home()).map_err(failed)?;
        scratch.tree(&scratch.root, &scratch.copy, 0, &mut Copied::default())?;
        // Packages of a directory above, where Node would look for them.
        let above = scratch.root.ancestors().skip(1).map(|above| above.join(PACKAGES));
        if let Some(packages) = above.into_iter().find(|packages| packages.is_dir()) {
            symlink(packages, scratch.directory.path().join(PACKAGES)).map_err(failed)?;
        }
        // A repository of its own: without one, git would look for one above. Where git is not installed, none is needed.
        let mut git = Command::new("git");
        git.args(["init", "--quiet"]).current_dir(&scratch.copy).env_clear();
        git.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        git.envs(GIT_ALONE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = git.status();
        Ok(scratch)
    }

    /// The copy of the project's directory.
    pub(super) fn project(&self) -> &Path {
        &self.copy
    }

    /// An empty home directory: in that of the user are credentials.
    pub(super) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Where a file of the project is in the copy; nothing for a file of elsewhere.
    pub(super) fn at(&self, path: &Path) -> Option<PathBuf> {
        // A name on the way may be a link.
        let real = path.canonicalize().ok();
        let within =
            path.strip_prefix(&self.root).ok().or_else(|| real.as_deref()?.strip_prefix(&self.root).ok());
        within.map(|within| self.copy.join(within))
    }

    /// The environment of a function: without secrets, without ways to a remote or to the agent that holds keys, and
    /// with the copy wherever it names the project. The names that were taken out are told.
    pub(super) fn environment(&self, env: &Env) -> (Env, Vec<String>) {
        let mut own = Env::default();
        let mut withheld = Vec::new();
        for (name, value) in env.iter() {
            if secret::is_secret(name, value) {
                withheld.push(name.clone());
            } else if !ELSEWHERE.iter().any(|prefix| name.starts_with(prefix)) {
                let within = value.starts_with('/').then(|| self.at(Path::new(value))).flatten();
                let value = within.map_or_else(|| value.clone(), |path| path.to_string_lossy().into_owned());
                own.set(name.clone(), value);
            }
        }
        own.set("PWD", self.copy.to_string_lossy());
        for (name, value) in GIT_ALONE {
            own.set(name, value);
        }
        (own, withheld)
    }

    fn tree(&self, from: &Path, to: &Path, depth: usize, copied: &mut Copied) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", from.display());
        if depth > DEEPEST {
            return Err(format!("{}: more than {DEEPEST} directories within each other", from.display()));
        }
        fs::create_dir_all(to).map_err(failed)?;
        for entry in fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, name) = (entry.path(), entry.file_name());
            let to = to.join(&name);
            let name = name.to_string_lossy();
            if LEFT_OUT.contains(&&*name) || is_secret_file(&name) || self.is_own(&path) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if name == PACKAGES {
                let packages = path.canonicalize().unwrap_or(path);
                symlink(packages, to).map_err(failed)?;
            } else if kind.is_symlink() {
                self.link(&path, &to, depth, copied)?;
            } else if kind.is_dir() {
                self.tree(&path, &to, depth + 1, copied)?;
            } else if !kind.is_fifo()
                && !kind.is_socket()
                && !kind.is_char_device()
                && !kind.is_block_device()
            {
                file(&path, &to, copied)?;
            }
        }
        Ok(())
    }

    /// A link within the project leads to the copy; what lies elsewhere is copied, so that it cannot be written to.
    fn link(&self, from: &Path, to: &Path, depth: usize, copied: &mut Copied) -> Result<(), String> {
        // One that leads nowhere leads nowhere in the copy.
        let Ok(target) = from.canonicalize() else { return Ok(()) };
        if let Ok(within) = target.strip_prefix(&self.root) {
            let leads_to_secret =
                within.file_name().is_some_and(|name| is_secret_file(&name.to_string_lossy()));
            if leads_to_secret {
                return Ok(());
            }
            return symlink(self.copy.join(within), to).map_err(|error| format!("{}: {error}", to.display()));
        }
        match fs::metadata(&target) {
            Ok(meta) if meta.is_dir() => self.tree(&target, to, depth + 1, copied),
            Ok(meta) if meta.is_file() => file(&target, to, copied),
            _ => Ok(()),
        }
    }

    /// The directory for temporary files may lie in the project.
    fn is_own(&self, path: &Path) -> bool {
        self.copy.parent() == Some(path)
    }
}

/// Beginnings of names of variables that lead out of the copy: git's, the agent's that holds keys, directories with
/// settings of the user, and where the caller was.
const ELSEWHERE: [&str; 6] = ["GIT_", "SSH_", "XDG_", "OLDPWD", "INIT_CWD", "GNUPGHOME"];

/// Git alone: without the user's settings and credentials, and without any way to a remote.
const GIT_ALONE: [(&str, &str); 4] = [
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

fn is_secret_file(name: &str) -> bool {
    SECRET_FILES.contains(&name) || name.starts_with(".env.")
}

fn file(from: &Path, to: &Path, copied: &mut Copied) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", from.display());
    copied.files += 1;
    copied.bytes += fs::metadata(from).map_err(failed)?.len();
    if copied.files > MOST_FILES || copied.bytes > MOST_BYTES {
        let bytes = Shown(Bytes(MOST_BYTES));
        return Err(format!("the project has more than {MOST_FILES} files or {bytes} besides its packages"));
    }
    // What cannot be read here cannot be read by a function either.
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_copy_has_the_code_and_neither_remotes_nor_secrets() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("site");
        for file in
            ["lib/a.js", ".env", ".env.local", ".npmrc", ".git/config", "node_modules/p/index.js", "b.js"]
        {
            write(&root.join(file), file);
        }
        write(&outer.path().join("elsewhere/c.js"), "c");
        symlink(root.join("lib"), root.join("inner")).unwrap();
        symlink("../elsewhere", root.join("outer")).unwrap();
        symlink(".env", root.join("innocent")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let scratch = Scratch::new(&root).unwrap();
        let copy = scratch.project().to_owned();
        let mut names: Vec<_> = fs::read_dir(&copy)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".git", "b.js", "inner", "lib", "node_modules", "outer"]);
        assert!(!fs::read_to_string(copy.join(".git/config")).unwrap().contains("remote"));
        for file in ["inner/a.js", "outer/c.js"] {
            fs::write(copy.join(file), "written").unwrap();
        }
        assert_eq!(fs::read_to_string(root.join("lib/a.js")).unwrap(), "lib/a.js");
        assert_eq!(fs::read_to_string(outer.path().join("elsewhere/c.js")).unwrap(), "c");
        assert_eq!(scratch.at(&root.join("inner/a.js")), Some(copy.join("inner/a.js")));
        assert_eq!(scratch.at(outer.path()), None);
        let temporary = scratch.directory.path().to_owned();
        drop(scratch);
        assert!(!temporary.exists() && root.join("node_modules/p/index.js").exists());
    }

    #[test]
    fn an_environment_has_no_secret_and_no_way_out() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(root.path()).unwrap();
        let inside = root.path().join("b").to_string_lossy().into_owned();
        let env = [
            ("NETLIFY_BUILD_HOOK_URL", "h"),
            ("PATH", "/bin"),
            ("GIT_DIR", "/x"),
            ("SSH_AUTH_SOCK", "/s"),
            ("DB", "pg://u:p@h"),
            ("DATA", &inside),
            ("PWD", "/x"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (own, mut withheld) = scratch.environment(&env);
        withheld.sort();
        assert_eq!(withheld, ["DB", "NETLIFY_BUILD_HOOK_URL"]);
        let project = scratch.project().to_string_lossy().into_owned();
        assert_eq!((own["PATH"].as_str(), own["PWD"].as_str()), ("/bin", project.as_str()));
        assert_eq!(own["DATA"], format!("{project}/b"));
        assert!(!own.contains_key("GIT_DIR") && !own.contains_key("SSH_AUTH_SOCK"));
    }
}
