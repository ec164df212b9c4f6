//! Where workflows are: their files here, their runs on GitHub.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use globset::Glob;
use rpm_core::{Env, Millis};

use super::{
    Deed, Fault, File, Remote, Seen, Workflow, Workflows,
    api::{Api, Listed},
    repository,
};
use crate::{config::Github, local, moment::Moment, stop::Stop, watch::World};

/// How long it is believed which repository this is, and with which token.
const IDENTITY_LIFE: Millis = Millis(600_000);

/// GitHub's own API.
const API: &str = "https://api.github.com";

/// The workflows of a repository.
pub(crate) struct Actions {
    settings: Github,
    root: PathBuf,
    env: Env,
    stop: Arc<Stop>,
    files: BTreeMap<PathBuf, (Stamp, File)>,
    api: Option<Connected>,
    /// The last full answer without a token, and when it came.
    public: Option<(Moment, BTreeMap<String, Option<Remote>>)>,
}

/// Without a token GitHub answers 60 times an hour. Some are left for others at this address.
const PUBLIC_BUDGET: u64 = 50;

/// By what it is known that a file has not changed.
type Stamp = (i64, i64, u64, u64);

/// The API, or why it cannot be asked.
struct Connected {
    at: Moment,
    /// Repository and token.
    identity: (String, Option<String>),
    api: Result<Api, Fault>,
}

impl World<Workflows> for Actions {
    fn look(&mut self, memory: &Workflows, now: Moment) -> Seen {
        if memory.is_empty() && !self.settings.directory.is_dir() {
            // What was never there cannot be lost.
            return Seen::default();
        }
        let names = self.names();
        let files: Vec<_> = names.into_iter().map(|name| (self.file(&name), name)).collect();
        let mut fault = self.api(now).err();
        let anonymous = self.api.as_ref().is_some_and(|known| known.identity.1.is_none());
        let requests = 1 + 2 * files.len() as u64;
        let pace = Millis(3_600_000 * requests / PUBLIC_BUDGET);
        let known = self.public.take().filter(|(at, _)| anonymous && now.since(*at) < pace);
        let (at, remotes) = match known {
            Some(known) if fault.is_none() => known,
            _ => (now, self.remotes(&files, &mut fault, now)),
        };
        let remote = |name: &String| remotes.get(name).cloned().flatten();
        let workflow = |(file, name): (File, String)| Workflow { remote: remote(&name), name, file };
        let workflows = files.into_iter().map(workflow).collect();
        if fault.is_none() {
            self.public = anonymous.then_some((at, remotes));
        }
        Seen { workflows, fault, anonymous }
    }

    fn perform(&mut self, deed: &Deed) -> Result<String, String> {
        match deed {
            Deed::Dispatch { name, enable } => self.dispatch(name, *enable),
            Deed::Local { name } | Deed::Due { name, .. } => {
                let path = self.settings.directory.join(name);
                let limit = self.settings.local_limit.value.into();
                local::run(&path, &self.root, &self.env, limit, &self.stop)
            }
        }
    }
}

impl Actions {
    pub(crate) fn new(settings: Github, root: PathBuf, env: Env, stop: Arc<Stop>) -> Self {
        Self { settings, root, env, stop, files: BTreeMap::new(), api: None, public: None }
    }

    /// The watched files: those that are named, and those that a pattern finds.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.settings.directory).into_iter().flatten().filter_map(Result::ok);
        let there: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let mut names = Vec::new();
        for wanted in &self.settings.workflows {
            let is_pattern = wanted.contains(['*', '?', '[', '{']);
            match Glob::new(wanted).map(|glob| glob.compile_matcher()) {
                Ok(glob) if is_pattern => {
                    names.extend(there.iter().filter(|name| glob.is_match(name)).cloned());
                }
                _ => names.push(wanted.clone()),
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What a file says. It is read again when it has changed.
    fn file(&mut self, name: &str) -> File {
        let path = self.settings.directory.join(name);
        let Ok(meta) = fs::metadata(&path) else {
            self.files.remove(&path);
            return File::Missing;
        };
        let stamp = (meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino());
        match self.files.get(&path) {
            Some((known, file)) if *known == stamp => file.clone(),
            _ => {
                let file = read(&path);
                self.files.insert(path, (stamp, file.clone()));
                file
            }
        }
    }

    /// What GitHub says of the workflows, by their names; what is missing then is due to `fault`.
    fn remotes(
        &mut self,
        files: &[(File, String)],
        fault: &mut Option<Fault>,
        now: Moment,
    ) -> BTreeMap<String, Option<Remote>> {
        let listed = match self.api(now).and_then(Api::workflows) {
            Ok(listed) => listed,
            Err(reason) => {
                *fault = Some(reason);
                return BTreeMap::new();
            }
        };
        let mut remotes = BTreeMap::new();
        for (file, name) in files {
            let here = listed.iter().find(|listed| listed.file() == name).filter(|_| fault.is_none());
            match here.map(|listed| self.remote(listed, file, now)).transpose() {
                Ok(remote) => drop(remotes.insert(name.clone(), remote)),
                Err(reason) => *fault = Some(reason),
            }
        }
        remotes
    }

    fn remote(&mut self, listed: &Listed, file: &File, now: Moment) -> Result<Remote, Fault> {
        let has_schedule = matches!(file, File::Valid(facts) if !facts.schedules.is_empty());
        self.api(now)?.remote(listed, has_schedule)
    }

    /// The API, if there is a repository.
    fn api(&mut self, now: Moment) -> Result<&mut Api, Fault> {
        let known = self.api.take();
        let connected = match known {
            Some(known) if now.since(known.at) < IDENTITY_LIFE => known,
            Some(known) => match self.connected(now) {
                // What it knows stays good.
                same if same.identity == known.identity && same.api.is_ok() => Connected { at: now, ..known },
                other => other,
            },
            None => self.connected(now),
        };
        self.api.insert(connected).api.as_mut().map_err(|reason| reason.clone())
    }

    fn connected(&self, now: Moment) -> Connected {
        let Github { repository, api_url, timeout, .. } = &self.settings;
        let named = repository::name(repository, &self.root, &self.env, &self.stop);
        let token = repository::token(&self.env, &self.stop);
        let identity = (named.clone().unwrap_or_default(), token.clone());
        let variable = self.env.get("GITHUB_API_URL").map_or("", String::as_str);
        let base = [api_url.as_str(), variable].into_iter().find(|url| !url.is_empty()).unwrap_or(API);
        let api = match named {
            Err(reason) => Err(Fault::NotAsked(format!("not asked: {reason}"))),
            Ok(name) => Ok(Api::new(base, &name, token.as_deref(), timeout.value.into())),
        };
        Connected { at: now, identity, api }
    }

    /// Has GitHub run a workflow, by the event that it listens for.
    fn dispatch(&mut self, name: &str, enable: bool) -> Result<String, String> {
        let file = self.file(name);
        let branch = match self.settings.branch.as_str() {
            "" => repository::branch(&self.root, &self.stop),
            branch => Ok(branch.to_owned()),
        };
        let told = |fault: Fault| fault.to_string();
        let api = self.api(Moment::now()).map_err(told)?;
        if enable {
            api.enable(name).map_err(told)?;
        }
        match file {
            File::Valid(facts) if facts.workflow_dispatch => {
                let branch = branch?;
                api.dispatch(name, &branch).map_err(told)?;
                Ok(format!("workflow_dispatch asked for on {branch}"))
            }
            File::Valid(facts) => match facts.repository_dispatch {
                Some(event_type) => {
                    api.dispatch_event(&event_type).map_err(told)?;
                    Ok(format!("repository_dispatch {event_type:?} asked for"))
                }
                None => Err("it listens for neither workflow_dispatch nor repository_dispatch".to_owned()),
            },
            // GitHub has the version of its last push, which may be a good one.
            File::Invalid(_) | File::Missing => {
                let branch = branch?;
                api.dispatch(name, &branch).map_err(told)?;
                Ok(format!("workflow_dispatch asked for on {branch}, of the version that GitHub has"))
            }
        }
    }
}

fn read(path: &Path) -> File {
    match local::facts(path) {
        Ok(facts) => File::Valid(facts),
        Err(reason) => File::Invalid(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    const DISPATCHED: &str =
        "on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: 'true'\n";

    /// A repository with workflow files, in front of an API.
    fn actions(
        files: &[(&str, &str)],
        env: &[(&str, &str)],
        wanted: &[&str],
    ) -> (tempfile::TempDir, Actions) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let settings = Github {
            directory: root.join("workflows"),
            workflows: wanted.iter().map(|&name| name.to_owned()).collect(),
            branch: "main".to_owned(),
            ..Github::default()
        };
        fs::create_dir(&settings.directory).unwrap();
        for (name, text) in files {
            fs::write(settings.directory.join(name), text).unwrap();
        }
        let mut environment: Env =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.set("GITHUB_REPOSITORY", "me/it");
        (directory, Actions::new(settings, root, environment, Arc::new(Stop::never().unwrap())))
    }

    #[test]
    fn names_and_patterns_choose_files() {
        let files = [("a.yml", DISPATCHED), ("b.yaml", DISPATCHED), ("c.txt", "")];
        let (_directory, actions) = actions(&files, &[], &["*.yml", "a.yml", "gone.yml"]);
        assert_eq!(actions.names(), ["a.yml", "gone.yml"]);
    }

    #[test]
    fn where_there_are_no_workflows_there_is_nothing_to_watch() {
        let (_directory, mut actions) = actions(&[], &[("GITHUB_TOKEN", "t0ken")], &["a.yml"]);
        fs::remove_dir(&actions.settings.directory).unwrap();
        let seen = actions.look(&Workflows::default(), Moment(0));
        assert!(seen.workflows.is_empty() && seen.fault.is_none(), "and nobody to ask");
    }

    #[test]
    fn a_file_that_is_broken_is_read_again_when_it_is_repaired() {
        let (_directory, mut actions) = actions(&[("a.yml", "on: [")], &[], &["a.yml"]);
        let File::Invalid(reason) = actions.file("a.yml") else { panic!() };
        assert!(reason.starts_with("a.yml:1:"), "{reason}");
        fs::write(actions.settings.directory.join("a.yml"), DISPATCHED).unwrap();
        assert!(matches!(actions.file("a.yml"), File::Valid(facts) if facts.workflow_dispatch));
    }

    #[test]
    fn without_a_repository_only_files_are_looked_at() {
        let (_directory, mut actions) = actions(&[("a.yml", DISPATCHED)], &[], &["a.yml"]);
        actions.env.set("GITHUB_REPOSITORY", "no repository");
        let seen = actions.look(&Workflows::default(), Moment(1));
        assert!(matches!(seen.fault, Some(Fault::NotAsked(_))), "{:?}", seen.fault);
        assert!(matches!(seen.workflows[0].file, File::Valid(_)) && seen.workflows[0].remote.is_none());
    }

    #[test]
    fn without_a_token_the_public_api_is_asked_as_often_as_it_answers() {
        let list = r#"{"workflows":[{"path":".github/workflows/a.yml","state":"active","created_at":null}]}"#;
        let runs = r#"{"workflow_runs":[]}"#;
        let replies = [list, runs, list, runs].map(|body| Reply::new(200, body));
        let server = StandIn::new(replies.into());
        let env = [("GITHUB_API_URL", &*server.url()), ("GH_TOKEN", "")];
        let (_directory, mut actions) = actions(&[("a.yml", DISPATCHED)], &env, &["a.yml"]);
        let named = (repository::name("", &actions.root, &actions.env, &actions.stop).unwrap(), None);
        let api = Api::new(&server.url(), "me/it", None, std::time::Duration::from_secs(10));
        actions.api = Some(Connected { at: Moment(0), identity: named, api: Ok(api) });
        let mut look = |at| {
            actions.api.as_mut().unwrap().at = Moment(at);
            actions.look(&Workflows::default(), Moment(at))
        };
        for at in [1, 60_001, 200_001] {
            let seen = look(at);
            assert!(seen.anonymous && seen.fault.is_none(), "{:?}", seen.fault);
            assert_eq!(seen.workflows[0].remote.as_ref().unwrap().state, "active");
        }
        assert_eq!(server.asked().len(), 2, "three requests in 216 s at most");
        assert!(look(216_001).fault.is_none());
        assert_eq!(server.asked().len(), 4);
    }

    #[test]
    fn a_workflow_is_dispatched_by_what_it_listens_for() {
        let listens = DISPATCHED
            .replace("on: workflow_dispatch", "on:\n  repository_dispatch:\n    types: [sync, other]");
        let push = DISPATCHED.replace("workflow_dispatch", "push");
        let server = StandIn::new(vec![Reply::new(204, ""), Reply::new(204, ""), Reply::new(204, "")]);
        let env = [("GITHUB_TOKEN", "t0ken"), ("GITHUB_API_URL", &server.url())];
        let files = [("a.yml", DISPATCHED), ("b.yml", &listens), ("c.yml", &push)];
        let (_directory, mut actions) = actions(&files, &env, &[]);
        let mut dispatch =
            |name: &str, enable| actions.perform(&Deed::Dispatch { name: name.to_owned(), enable });
        assert_eq!(dispatch("a.yml", true).unwrap(), "workflow_dispatch asked for on main");
        assert_eq!(dispatch("b.yml", false).unwrap(), "repository_dispatch \"sync\" asked for");
        assert!(dispatch("c.yml", false).unwrap_err().contains("listens for neither"));
        let asked = server.asked();
        assert!(asked[0].contains("/a.yml/enable ") && asked[1].contains("/a.yml/dispatches "));
        assert!(asked[2].ends_with("{\"event_type\":\"sync\"}"));
    }
}
