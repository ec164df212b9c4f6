//! Which repository on GitHub this is, on which branch, and with which token.

use std::{path::Path, process::Command, time::Duration};

use rpm_core::Env;

use crate::{
    child::{self, End, Limits, last_line},
    stop::Stop,
};

/// Programs that are asked here answer at once, or hang.
const LIMIT: Limits = Limits { time: Duration::from_secs(10), memory: None };

/// `owner/name`: what is set, `GITHUB_REPOSITORY`, or what the remote `origin` says.
pub(crate) fn name(set: &str, root: &Path, env: &Env, stop: &Stop) -> Result<String, String> {
    let told = [set, env.get("GITHUB_REPOSITORY").map_or("", String::as_str)];
    let name = match told.into_iter().find(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => {
            let url = ask(git(root, &["remote", "get-url", "origin"]), stop)
                .map_err(|reason| format!("git has no remote origin ({reason}): set github.repository"))?;
            of_url(&url).ok_or_else(|| format!("the remote {url} is no repository on GitHub"))?
        }
    };
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match name.split_once('/') {
        Some((owner, repository)) if is_name(owner) && is_name(repository) => Ok(name),
        _ => Err(format!("{name:?} is no repository: expected owner/name")),
    }
}

/// The last two parts of a URL, as `git@github.com:owner/name.git`.
fn of_url(url: &str) -> Option<String> {
    let path = url.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit(['/', ':']);
    let (name, owner) = (parts.next()?, parts.next()?);
    // What is left is a host.
    parts.next().filter(|host| !host.is_empty() || url.contains("://")).map(|_| format!("{owner}/{name}"))
}

/// The branch that is checked out.
pub(crate) fn branch(root: &Path, stop: &Stop) -> Result<String, String> {
    ask(git(root, &["symbolic-ref", "--short", "HEAD"]), stop)
        .map_err(|reason| format!("no branch is checked out ({reason}): set github.branch"))
}

/// The token: `GITHUB_TOKEN`, `GH_TOKEN`, or what `gh` has.
pub(crate) fn token(env: &Env, stop: &Stop) -> Option<String> {
    let set = ["GITHUB_TOKEN", "GH_TOKEN"].into_iter().filter_map(|name| env.get(name));
    if let Some(token) = set.map(|token| token.trim()).find(|token| !token.is_empty()) {
        return Some(token.to_owned());
    }
    let mut gh = Command::new("gh");
    gh.args(["auth", "token"]);
    ask(gh, stop).ok().filter(|token| !token.is_empty())
}

fn git(root: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(args).env("GIT_TERMINAL_PROMPT", "0");
    git
}

/// The first line of what a program says.
fn ask(mut command: Command, stop: &Stop) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let outcome = child::run(&mut command, LIMIT, stop).map_err(|error| format!("{program}: {error}"))?;
    match outcome.end {
        End::Exited(status) if status.success() => Ok(outcome.stdout.lines().next().unwrap_or("").to_owned()),
        End::Exited(status) => match last_line(&outcome.stderr) {
            "" => Err(format!("{program} ended with {status}")),
            line => Err(line.to_owned()),
        },
        _ => Err(format!("{program} did not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(set: &str, root: &Path, variable: &str) -> Result<String, String> {
        let mut env = Env::default();
        env.set("GITHUB_REPOSITORY", variable);
        name(set, root, &env, &Stop::never().unwrap())
    }

    fn git_in(root: &Path, args: &[&str]) {
        assert!(git(root, args).output().unwrap().status.success(), "{args:?}");
    }

    #[test]
    fn what_is_set_wins_over_the_remote() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        git_in(root, &["init", "-q", "-b", "trunk"]);
        let reason = named("", root, "").unwrap_err();
        assert!(
            reason.starts_with("git has no remote origin (") && reason.contains("set github.repository"),
            "{reason}"
        );
        git_in(root, &["remote", "add", "origin", "git@github.com:me/it.git"]);
        assert_eq!(named("", root, ""), Ok("me/it".to_owned()));
        assert_eq!(named("", root, "you/that"), Ok("you/that".to_owned()));
        assert_eq!(named("a/b", root, "you/that"), Ok("a/b".to_owned()));
        assert!(named("a/b/../c", root, "").is_err());
        assert_eq!(branch(root, &Stop::never().unwrap()), Ok("trunk".to_owned()));
    }

    #[test]
    fn urls_of_remotes() {
        for url in
            ["https://github.com/me/it", "https://x:y@ghe.local/me/it.git/", "ssh://git@github.com/me/it.git"]
        {
            assert_eq!(of_url(url).as_deref(), Some("me/it"), "{url}");
        }
        assert_eq!(of_url("it.git"), None);
    }

    #[test]
    fn the_first_token_counts() {
        let mut env = Env::default();
        env.set("GITHUB_TOKEN", "");
        env.set("GH_TOKEN", " two\n");
        assert_eq!(token(&env, &Stop::never().unwrap()).as_deref(), Some("two"));
    }
}
