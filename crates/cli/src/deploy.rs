//! Bringing the source of an app to other machines with `git`, by way of `ssh`: what a table `deploy.<environment>`
//! says, and the lines of shell that do it there.
//!
//! On a host `<path>/source` is the clone, `<path>/current` a link to it, `<path>/shared` what survives, and
//! `<path>/.deploys` lists the commits that were deployed, the last one last.

use serde_json::Value;

/// A table `deploy.<environment>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) user: Option<String>,
    pub(crate) repo: String,
    pub(crate) reference: String,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) ssh_options: Vec<String>,
    pub(crate) forward_agent: bool,
    pub(crate) needs_tty: bool,
    /// Only the last commits are cloned.
    pub(crate) shallow: bool,
    pub(crate) env: Vec<(String, String)>,
    /// A hook ends at its first command that fails; else, as in PM2, its last command alone says whether it failed.
    pub(crate) strict: bool,
    pub(crate) hooks: Hooks,
}

/// Lines of shell at certain moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hooks {
    pub(crate) pre_setup: Option<String>,
    pub(crate) post_setup: Option<String>,
    /// On this machine.
    pub(crate) pre_deploy_local: Option<String>,
    pub(crate) pre_deploy: Option<String>,
    pub(crate) post_deploy: Option<String>,
}

impl Target {
    /// Reads the table, for each of its hosts; an error names the key. A host that is a table of its own has other
    /// values than the rest for the keys that it holds.
    pub(crate) fn read_all(table: &Value) -> Result<Vec<Self>, String> {
        let hosts = match &table["host"] {
            Value::Array(hosts) => hosts.as_slice(),
            host => std::slice::from_ref(host),
        };
        if hosts.is_empty() {
            return Err("`host` is missing".to_owned());
        }
        let targets = hosts.iter().map(|host| {
            let mut merged = table.clone();
            match host {
                Value::Object(own) if own.contains_key("host") => {
                    for (key, value) in own {
                        merged[key] = value.clone();
                    }
                }
                Value::Object(_) => return Err("`host` holds a table without `host`".to_owned()),
                host => merged["host"] = host.clone(),
            }
            Self::read(&merged)
        });
        targets.collect()
    }

    /// Reads a table with one host.
    fn read(table: &Value) -> Result<Self, String> {
        let text = |key: &str| match &table[key] {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) => Ok(Some(number.to_string())),
            _ => Err(format!("`{key}` is no text")),
        };
        let texts = |key: &str| match &table[key] {
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    item.as_str().map(str::to_owned).ok_or_else(|| format!("`{key}` holds what is no text"))
                })
                .collect(),
            _ => text(key).map(|one| one.into_iter().collect::<Vec<_>>()),
        };
        let is_on = |key: &str| match &table[key] {
            Value::Bool(on) => *on,
            Value::String(word) => matches!(word.as_str(), "yes" | "true"),
            _ => false,
        };
        let required = |key: &str| text(key)?.ok_or_else(|| format!("`{key}` is missing"));
        let host = required("host")?;
        // ssh would take such a host for an option.
        if host.starts_with('-') {
            return Err(format!("`host` {host:?} is no host"));
        }
        let user = text("user")?;
        if user.as_ref().is_some_and(|user| user.starts_with('-')) {
            return Err("`user` is no user".to_owned());
        }
        let env = match &table["env"] {
            Value::Object(variables) => variables
                .iter()
                .map(|(name, value)| {
                    (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect(),
            _ => Vec::new(),
        };
        let is_name = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some((name, _)) = env.iter().find(|(name, _): &&(String, String)| !is_name(name)) {
            return Err(format!("`env` holds {name:?}, which is no name of a variable"));
        }
        Ok(Self {
            host,
            user,
            repo: required("repo")?,
            reference: required("ref")?,
            path: required("path")?,
            key: text("key")?,
            port: text("port")?,
            ssh_options: texts("ssh_options")?,
            forward_agent: is_on("forward-agent"),
            needs_tty: is_on("needs_tty"),
            shallow: table["fetch"] == "fast",
            env,
            strict: is_on("strict"),
            hooks: Hooks {
                pre_setup: text("pre-setup")?,
                post_setup: text("post-setup")?,
                pre_deploy_local: text("pre-deploy-local")?,
                pre_deploy: text("pre-deploy")?,
                post_deploy: text("post-deploy")?,
            },
        })
    }

    /// The arguments of ssh, up to the host.
    pub(crate) fn ssh(&self) -> Vec<String> {
        let host = &self.host;
        let mut args: Vec<String> = Vec::new();
        for option in &self.ssh_options {
            args.extend(["-o".to_owned(), option.clone()]);
        }
        let switches = [("-A", self.forward_agent), ("-t", self.needs_tty)];
        args.extend(switches.iter().filter(|(_, on)| *on).map(|(switch, _)| (*switch).to_owned()));
        for (switch, value) in [("-p", &self.port), ("-i", &self.key)] {
            if let Some(value) = value {
                args.extend([switch.to_owned(), value.clone()]);
            }
        }
        args.push(match &self.user {
            Some(user) => format!("{user}@{host}"),
            None => host.clone(),
        });
        args
    }

    /// What begins every script of ours: it ends at the first failure, and has the declared variables.
    fn begin(&self) -> String {
        format!("set -e; {}", self.exports())
    }

    fn exports(&self) -> String {
        let exports: Vec<_> =
            self.env.iter().map(|(name, value)| format!("export {name}={}; ", quoted(value))).collect();
        exports.concat()
    }

    /// The lines of a hook below `begin`. They may end in a comment, so nothing follows them.
    fn hook(&self, begin: &str, lines: &str) -> String {
        let strict = if self.strict { "set -e; " } else { "" };
        format!("{begin}export SHARED={}/shared; {strict}{lines}", self.directory())
    }

    /// A hook in a directory of ours; without that directory it does not run.
    fn hook_inside(&self, directory: &str, lines: &str) -> String {
        let begin = format!("{}cd {}/{directory} || exit 1; ", self.exports(), self.directory());
        self.hook(&begin, lines)
    }

    fn inside(&self, directory: &str, line: &str) -> String {
        format!("{}cd {}/{directory}; {line}", self.begin(), self.directory())
    }

    /// The path, in which `~` is still the home there.
    fn directory(&self) -> String {
        match self.path.trim_end_matches('/').strip_prefix("~/") {
            Some(rest) => format!("~/{}", quoted(rest)),
            None => quoted(self.path.trim_end_matches('/')),
        }
    }

    /// The scripts of `setup`, in their order.
    pub(crate) fn setup(&self) -> Vec<String> {
        let path = self.directory();
        let depth = if self.shallow { "--depth=5 " } else { "" };
        let branch = self.reference.rsplit_once('/').map_or(&*self.reference, |(_, branch)| branch);
        let branch = quoted(branch);
        let repo = quoted(&self.repo);
        let mut scripts: Vec<_> =
            self.hooks.pre_setup.iter().map(|hook| self.hook(&self.exports(), hook)).collect();
        // A reference that is no branch cannot be cloned by its name, and is checked out by the first update.
        scripts.push(format!(
            "{}mkdir -p {path}/shared/logs {path}/shared/pids; \
             git clone {depth}--branch {branch} {repo} {path}/source || git clone {repo} {path}/source; \
             ln -sfn {path}/source {path}/current",
            self.begin()
        ));
        scripts.extend(self.hooks.post_setup.iter().map(|hook| self.hook_inside("source", hook)));
        scripts
    }

    /// The scripts that deploy `reference`, in their order. `default` comes after it where nothing was declared to.
    pub(crate) fn update(&self, reference: &str, default: &str) -> Vec<String> {
        let depth = if self.shallow { "--depth=5 " } else { "" };
        let path = self.directory();
        let mut scripts: Vec<_> =
            self.hooks.pre_deploy.iter().map(|hook| self.hook_inside("source", hook)).collect();
        scripts.push(self.inside(
            "source",
            &format!(
                "git fetch {depth}--all --tags; git reset --hard {}; ln -sfn {path}/source {path}/current; \
                 git rev-parse --short HEAD >> {path}/.deploys",
                quoted(reference)
            ),
        ));
        scripts.push(self.hook_inside("current", self.hooks.post_deploy.as_deref().unwrap_or(default)));
        scripts
    }

    /// Shows what was deployed: the last line, that before it, all.
    pub(crate) fn deploys(&self, show: &str) -> String {
        format!("{}{show} {}/.deploys", self.begin(), self.directory())
    }

    /// Runs a line where the app is.
    pub(crate) fn exec(&self, line: &str) -> String {
        self.inside("current", line)
    }
}

/// A word of the shell that means itself.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Value {
        json!({ "host": "h", "repo": "r", "ref": "origin/main", "path": "/srv/a b" })
    }

    fn with(key: &str, value: Value) -> Result<Target, String> {
        let mut table = table();
        table[key] = value;
        Target::read_all(&table).map(|mut targets| targets.remove(0))
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for key in ["host", "repo", "ref", "path"] {
            assert_eq!(with(key, Value::Null).unwrap_err(), format!("`{key}` is missing"));
        }
        assert!(with("host", json!(["-oProxyCommand=evil"])).unwrap_err().contains("is no host"));
        assert!(with("user", json!("-x")).is_err());
        assert!(with("repo", json!(["r"])).is_err());
        assert!(with("env", json!({ "A;rm": "x" })).unwrap_err().contains("no name of a variable"));
    }

    #[test]
    fn ssh_gets_what_was_declared() {
        let targets = Target::read_all(&json!({
            "host": ["a", "b", { "host": "c", "user": "other", "port": 22 }], "user": "me", "repo": "r", "ref": "main", "path": "~/app", "port": 2222,
            "key": "/k", "ssh_options": ["StrictHostKeyChecking=no"], "forward-agent": "yes", "needs_tty": true
        }))
        .unwrap();
        let options = |port| ["-o", "StrictHostKeyChecking=no", "-A", "-t", "-p", port, "-i", "/k"];
        assert_eq!(targets[1].ssh(), [&options("2222")[..], &["me@b"]].concat());
        assert_eq!(targets[2].ssh(), [&options("22")[..], &["other@c"]].concat());
        assert!(with("host", json!([{ "user": "x" }])).unwrap_err().contains("without `host`"));
        let target = &targets[0];
        assert!(target.exec("ls").contains("cd ~/'app'/current; ls"));
    }

    #[test]
    fn values_do_not_become_commands() {
        let mut table = table();
        table["env"] = json!({ "A": "it's; rm -rf /" });
        let target = Target::read_all(&table).unwrap().remove(0);
        assert!(
            target.exec("ls").starts_with("set -e; export A='it'\\''s; rm -rf /'; cd '/srv/a b'/current; ls")
        );
        assert!(target.update("x; y", "z")[0].contains("git reset --hard 'x; y';"));
    }
}
