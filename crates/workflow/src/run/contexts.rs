//! What expressions see during a run.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rpm_core::{Env, secret::names_secret};

use super::{Shared, call::Call, hash_files};
use crate::expression::{Object, Scope, Status, Template, Value};

/// The contexts at some place of a run.
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    values: Object,
    pub(super) status: Status,
    /// Where `hashFiles` looks.
    pub(super) workspace: Option<PathBuf>,
}

impl Default for Contexts {
    fn default() -> Self {
        Self { values: Object::default(), status: Status::Success, workspace: None }
    }
}

impl Contexts {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.set(name, value);
    }

    /// These with one more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Whether a condition holds. One that does not ask how things went asks for success.
    pub(super) fn hold(&self, condition: Option<&Template>) -> Result<bool, String> {
        let is_success = self.status == Status::Success;
        let Some(condition) = condition.filter(|condition| condition.plain() != Some("")) else {
            return Ok(is_success);
        };
        let asks = condition.expressions().any(crate::expression::Expression::asks_for_status);
        if !asks && !is_success {
            return Ok(false);
        }
        condition.evaluate(self).map(|value| value.is_truthy())
    }
}

impl Scope for Contexts {
    fn context(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_default()
    }

    fn status(&self) -> Status {
        self.status
    }

    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        match &self.workspace {
            Some(workspace) => hash_files::hash(workspace, patterns),
            None => Err("hashFiles: there is no workspace yet".to_owned()),
        }
    }
}

/// Who asked for the run.
pub(super) fn actor(env: &Env) -> String {
    let names = ["GITHUB_ACTOR", "USER", "LOGNAME"];
    names.iter().find_map(|name| env.get(*name)).cloned().unwrap_or_else(|| "local".to_owned())
}

/// The token of the repository has its own names.
const TOKENS: &[&str] = &["GITHUB_TOKEN", "GH_TOKEN"];

/// The secrets that a file names, from the environment.
pub(super) fn secrets(names: &BTreeSet<String>, env: &Env) -> Object {
    let mut secrets: Object =
        names.iter().filter_map(|name| Some((name.as_str(), env.get(name)?.as_str()))).collect();
    if let Some(token) = TOKENS.iter().find_map(|name| env.get(*name)) {
        secrets.set("GITHUB_TOKEN", token.as_str());
    }
    secrets
}

/// The configuration variables that a file names, from the environment.
pub(super) fn variables(names: &BTreeSet<String>, env: &Env) -> Object {
    names.iter().filter_map(|name| Some((name.as_str(), env.get(name)?.as_str()))).collect()
}

/// Prefixes of variables that the runner itself sets.
const RESERVED: &[&str] = &["GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_", "STATE_"];

/// The environment that steps inherit: that of the caller without secrets, which have to be handed to steps. Secrets are
/// those that the file names, and those that their own names give away.
pub(super) fn inherited(env: &Env, secrets: &BTreeSet<String>) -> Env {
    let is_reserved = |name: &str| RESERVED.iter().any(|prefix| name.starts_with(prefix));
    env.iter()
        .filter(|(name, _)| !is_reserved(name) && !secrets.contains(*name) && !names_secret(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The part of `github` that is the same for a whole workflow.
pub(super) fn github(call: &Call<'_>) -> Object {
    let Shared { repository, options, event, payload, scratch, .. } = call.shared;
    let env = &options.env;
    let from_env = |name: &str, otherwise: &str| env.get(name).map_or(otherwise, String::as_str).to_owned();
    let file = call.workflow.path().canonicalize().unwrap_or_else(|_| call.workflow.path().to_owned());
    let file = file.strip_prefix(&repository.root).unwrap_or(&file).to_string_lossy().into_owned();
    let sha = repository.sha.as_deref().unwrap_or_default();
    let git_ref = repository.git_ref();
    let actor = actor(env);
    let server = from_env("GITHUB_SERVER_URL", "https://github.com");
    let text = [
        ("actor", actor.clone()),
        ("api_url", from_env("GITHUB_API_URL", "https://api.github.com")),
        ("base_ref", String::new()),
        ("event_name", (*event).to_owned()),
        ("event_path", scratch.join(super::EVENT_FILE).to_string_lossy().into_owned()),
        ("graphql_url", from_env("GITHUB_GRAPHQL_URL", "https://api.github.com/graphql")),
        ("head_ref", String::new()),
        ("ref_name", repository.branch.clone().unwrap_or_default()),
        ("ref_type", "branch".to_owned()),
        ("repository", repository.slug.clone()),
        ("repository_owner", repository.owner().to_owned()),
        ("repositoryUrl", repository.origin.clone().unwrap_or_default()),
        ("retention_days", "0".to_owned()),
        ("run_attempt", "1".to_owned()),
        ("run_id", std::process::id().to_string()),
        ("run_number", "1".to_owned()),
        ("secret_source", "Actions".to_owned()),
        ("server_url", server),
        ("sha", sha.to_owned()),
        ("triggering_actor", actor),
        ("workflow", call.workflow.name()),
        ("workflow_ref", format!("{}/{file}@{git_ref}", repository.slug)),
        ("workflow_sha", sha.to_owned()),
        ("ref", git_ref),
    ];
    let mut github: Object = text.into_iter().collect();
    github.set("event", payload.clone());
    github.set("ref_protected", false);
    if let Value::Object(secrets) = &call.secrets {
        github.set("token", secrets.get("GITHUB_TOKEN").cloned().unwrap_or_else(|| "".into()));
    }
    github
}

/// `runner`
pub(super) fn runner(temp: &Path, workspace: &Path, env: &Env) -> Object {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "X64",
        "x86" => "X86",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        other => other,
    };
    let os = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };
    let tools = env.get("RUNNER_TOOL_CACHE").cloned();
    let tools = tools.unwrap_or_else(|| temp.join("tools").to_string_lossy().into_owned());
    [
        ("name", "rpm".to_owned()),
        ("os", os.to_owned()),
        ("arch", arch.to_owned()),
        ("temp", temp.to_string_lossy().into_owned()),
        ("tool_cache", tools),
        ("environment", "self-hosted".to_owned()),
        ("workspace", workspace.parent().unwrap_or(workspace).to_string_lossy().into_owned()),
    ]
    .into_iter()
    .collect()
}
