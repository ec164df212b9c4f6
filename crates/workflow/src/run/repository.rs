//! The repository that a run is about, and scratch copies of it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rpm_core::Env;

/// What is known of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// Its top directory.
    pub(crate) root: PathBuf,
    /// The commit; none where there is no git.
    pub(super) sha: Option<String>,
    /// The branch that is checked out.
    pub(super) branch: Option<String>,
    /// Where `origin` is.
    pub(super) origin: Option<String>,
    /// `owner/name`
    pub(super) slug: String,
}

impl Repository {
    /// The repository that a directory is in. Without git a directory is one without commits.
    pub(super) fn of(directory: &Path, env: &Env) -> Self {
        let ask = |args: &[&str]| git(directory, env, args).ok().filter(|answer| !answer.is_empty());
        let root = ask(&["rev-parse", "--show-toplevel"]).map(PathBuf::from);
        let root = root.unwrap_or_else(|| root_without_git(directory));
        let origin = ask(&["remote", "get-url", "origin"]);
        let slug = origin.as_deref().and_then(slug).unwrap_or_else(|| {
            format!("local/{}", root.file_name().unwrap_or(OsStr::new("repository")).to_string_lossy())
        });
        Self {
            sha: ask(&["rev-parse", "--verify", "HEAD"]),
            branch: ask(&["symbolic-ref", "--short", "HEAD"]),
            origin,
            slug,
            root,
        }
    }

    /// The name without its owner.
    pub(super) fn name(&self) -> &str {
        self.slug.split_once('/').map_or(&self.slug, |(_, name)| name)
    }

    pub(super) fn owner(&self) -> &str {
        self.slug.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// `refs/heads/main`
    pub(super) fn git_ref(&self) -> String {
        self.branch.as_ref().map(|branch| format!("refs/heads/{branch}")).unwrap_or_default()
    }

    /// Puts a copy of a commit into a directory: a worktree of its own, whose objects are shared with the
    /// repository, and whose configuration, branches and index are not. `git config user.name` in a step stays there.
    /// The commit that it shows.
    pub(super) fn copy(&self, to: &Path, version: Option<&str>, env: &Env) -> Result<String, String> {
        let root = self.root.to_string_lossy();
        let target = to.to_string_lossy();
        git(&self.root, env, &["clone", "--quiet", "--shared", "--no-checkout", "--", &root, &target])?;
        match &self.origin {
            Some(origin) => git(to, env, &["remote", "set-url", "origin", origin])?,
            None => git(to, env, &["remote", "remove", "origin"])?,
        };
        match (version, &self.branch, &self.sha) {
            (Some(version), ..) => self.checkout(to, version, env)?,
            (None, Some(branch), Some(sha)) => {
                git(to, env, &["checkout", "--quiet", "--force", "-B", branch, sha])?;
            }
            (None, None, Some(sha)) => {
                git(to, env, &["checkout", "--quiet", "--force", "--detach", sha])?;
            }
            (None, _, None) => return Err("the repository has no commit".to_owned()),
        }
        git(to, env, &["rev-parse", "HEAD"])
    }

    /// A branch as a branch, anything else detached.
    fn checkout(&self, to: &Path, version: &str, env: &Env) -> Result<(), String> {
        let branch = version.strip_prefix("refs/heads/").unwrap_or(version);
        let commit =
            |name: &str| git(&self.root, env, &["rev-parse", "--verify", &format!("{name}^{{commit}}")]);
        if let Ok(sha) = commit(&format!("refs/heads/{branch}")) {
            git(to, env, &["checkout", "--quiet", "--force", "-B", branch, &sha])?;
            return Ok(());
        }
        let sha = commit(&format!("refs/remotes/origin/{branch}")).or_else(|_| commit(version));
        let sha = sha.map_err(|_| format!("there is no {version:?} in {}", self.root.display()))?;
        git(to, env, &["checkout", "--quiet", "--force", "--detach", &sha])?;
        Ok(())
    }
}

/// `.github/workflows/x.yml` without git: what stands above `.github`.
fn root_without_git(directory: &Path) -> PathBuf {
    let above = directory.ancestors().find(|path| path.file_name().is_some_and(|name| name == ".github"));
    above.and_then(Path::parent).unwrap_or(directory).to_owned()
}

/// `owner/name` of the address of a repository.
fn slug(address: &str) -> Option<String> {
    let address = address.trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    let is_remote = address.contains("://") || address.contains('@');
    let mut words = address.rsplit(['/', ':']);
    let (name, owner) = (words.next()?, words.next()?);
    (is_remote && !name.is_empty() && !owner.is_empty()).then(|| format!("{owner}/{name}"))
}

/// Asks git. The answer is what it wrote, without the end of the line; or the first line of what is wrong.
pub(super) fn git(directory: &Path, env: &Env, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(directory)
        .env_clear()
        .envs(env.iter())
        // A hook that calls us would otherwise have us look at its own repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("git {}: {}", args.first().unwrap_or(&""), first.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_owner_and_repository() {
        for (address, expected) in [
            ("https://github.com/octo/hello.git", Some("octo/hello")),
            ("https://github.com/octo/hello/", Some("octo/hello")),
            ("git@github.com:octo/hello.git", Some("octo/hello")),
            ("ssh://git@host:22/octo/hello", Some("octo/hello")),
            ("/srv/git/hello.git", None),
        ] {
            assert_eq!(slug(address).as_deref(), expected, "{address}");
        }
    }
}
