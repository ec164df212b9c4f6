//! An ecosystem file as a whole: its top level, and all its apps together.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rpm_core::AppSpec;

use crate::{
    Caller, Declaration, LoadError, Problem, Report,
    attributes::{self, Key, nearest},
    caller::resolve,
    formats,
    node::{Entry, Node, Value},
    report::Severity,
    script,
    source::{Source, Span},
    spec::Resolver,
    values,
};

/// What the command line says about a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The `env_<name>` that is merged into each app's `env`.
    pub profile: Option<String>,
    /// The names of the apps that are wanted, also several in one text with commas or spaces; all if empty.
    pub only: Vec<String>,
    /// Attributes that replace those of each app. As in PM2 a namespace does so only where none is declared, and
    /// what makes an app itself, its name and script, is the file's.
    pub overrides: Declaration,
}

/// What a file declares.
#[derive(Debug)]
pub struct Loaded {
    /// The apps that are wanted, in order.
    pub apps: Vec<AppSpec>,
    /// What is ignored.
    pub warnings: Report,
    /// Names in [`Options::only`] that no app has.
    pub unmatched: Vec<String>,
}

/// Loads a file. All that is wrong in it is told together, also in apps that are not wanted.
pub fn load(path: &Path, options: &Options, caller: &Caller) -> Result<Loaded, LoadError> {
    let source = Source::read(path, &caller.cwd)?;
    let parse = formats::parser(path)?;
    match parse(&source) {
        Ok(tree) => loaded(source, tree, options, caller),
        Err(problems) => Err(LoadError::new(Some(source), problems)),
    }
}

fn loaded(source: Source, tree: Node, options: &Options, caller: &Caller) -> Result<Loaded, LoadError> {
    let mut problems = Vec::new();
    let top = Top::read(tree, &mut problems);
    let directory = resolve(&caller.cwd, source.path().parent().unwrap_or(Path::new("")));
    let resolver = top
        .base(&directory, &caller.cwd)
        .map(|base| Resolver::new(caller, base).beside(directory))
        .map_err(|problem| problems.push(problem))
        .ok();
    let mut reader = Reader { options, resolver, names: HashMap::new(), problems };
    let mut apps: Vec<_> = top.apps.iter().filter_map(|node| reader.app(node)).collect();
    let Reader { names, mut problems, .. } = reader;
    if problems.iter().any(|problem| problem.severity() == Severity::Error) {
        return Err(LoadError::new(Some(source), problems));
    }

    let wanted: Vec<&str> =
        options.only.iter().flat_map(|text| text.split([',', ' '])).filter(|name| !name.is_empty()).collect();
    apps.retain(|app| wanted.is_empty() || wanted.contains(&app.name.as_str()));
    if let Some(profile) = &options.profile {
        problems.extend(apps.iter_mut().filter_map(|app| choose(app, profile)));
    }
    let unmatched = wanted.into_iter().filter(|name| !names.contains_key(*name)).map(str::to_owned).collect();
    Ok(Loaded { apps, warnings: Report::new(Some(source), problems), unmatched })
}

/// Reads the apps of one file.
struct Reader<'a> {
    options: &'a Options,
    /// Missing where it is unknown what paths are relative to.
    resolver: Option<Resolver<'a>>,
    /// The names so far, and where they stand.
    names: HashMap<String, Option<Span>>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// One app, unless something is wrong with it.
    fn app(&mut self, node: &Node) -> Option<AppSpec> {
        let Value::Table(entries) = &node.value else {
            let message = format!("expected the table of an app, found {}", node.describe());
            self.problems.push(Problem::error(message).at(node.span.clone()));
            return None;
        };
        let mut problems = Vec::new();
        let mut declared = Declaration::read(entries, &mut problems);
        let name = declared.name.as_deref().or_else(|| declared.script.as_deref().map(script::default_name));
        let name = name.map(str::to_owned);
        // What could not be read has been told, and must not be taken for what is not there.
        let is_wrong = |attributes: &[&str]| problems.iter().any(|problem| problem.is_error_in(attributes));
        let (wrong_name, wrong_place) = (is_wrong(&["name"]), is_wrong(&["script", "cwd"]));
        if !wrong_name {
            problems.extend(name.as_deref().and_then(|name| self.name_clash(name, &declared, node)));
        }
        self.override_in(&mut declared);
        let resolver = self.resolver.as_mut().filter(|_| !wrong_place);
        let spec = resolver
            .map(|resolver| resolver.spec(&declared))
            .and_then(|spec| spec.map_err(|problem| problems.push(problem.or_at(node.span.as_ref()))).ok());
        self.problems.extend(problems.into_iter().map(|problem| problem.of_app(name.as_deref())));
        spec
    }

    fn name_clash(&mut self, name: &str, declared: &Declaration, node: &Node) -> Option<Problem> {
        let place = declared.span("name").or_else(|| declared.span("script")).or_else(|| node.span.clone());
        if let Some(first) = self.names.get(name) {
            let problem = Problem::error("this name is used twice: expected one app of each name").at(place);
            return Some(problem.after(first.clone()));
        }
        self.names.insert(name.to_owned(), place);
        None
    }

    fn override_in(&self, declared: &mut Declaration) {
        let mut over = self.options.overrides.clone();
        over.name = None;
        over.script = None;
        if declared.namespace.is_some() {
            over.namespace = None;
        }
        declared.override_with(&over);
    }
}

/// Merges a profile into the environment of an app that has it.
fn choose(app: &mut AppSpec, profile: &str) -> Option<Problem> {
    let Some(env) = app.profiles.get(profile) else {
        let message = format!("Environment [{profile}] is not defined in process file");
        return Some(Problem::warning(message).of_app(Some(&app.name)));
    };
    app.env.merge(env);
    None
}

/// The top level of a file.
#[derive(Default)]
struct Top {
    apps: Vec<Node>,
    root: Option<Node>,
}

/// Keys of PM2's top level that change nothing here.
const IDLE: [&str; 2] = ["deploy", "static"];

impl Top {
    /// PM2's forms: `apps` or `pm2` with a list of apps or one; a list; or the app itself.
    fn read(tree: Node, problems: &mut Vec<Problem>) -> Self {
        let entries = match tree.value {
            Value::Array(apps) => return Self { apps, root: None },
            Value::Table(entries) => entries,
            _ => {
                let message = format!("expected a table with `apps`, found {}", tree.describe());
                problems.push(Problem::error(message).at(tree.span));
                return Self::default();
            }
        };
        let mut top = Self::default();
        let container = ["apps", "pm2"].into_iter().find(|key| entries.iter().any(|entry| entry.key == *key));
        let mut own = Vec::new();
        for entry in entries {
            match entry.key.as_str() {
                "root" => top.root = Some(entry.node),
                key if Some(key) == container => top.apps = apps(entry, problems),
                key if IDLE.contains(&key) => {
                    let message = format!("`{key}` has no effect in this version");
                    problems.push(Problem::warning(message).at(entry.span));
                }
                _ => own.push(entry),
            }
        }
        if container.is_some() {
            problems.extend(own.iter().map(unknown));
        } else if own.iter().any(|entry| matches!(attributes::key(&entry.key), Key::Known(..))) {
            top.apps = vec![Node { span: None, value: Value::Table(own) }];
        } else {
            problems.push(Problem::error("no apps: expected [[apps]] with a `script`"));
            problems.extend(own.iter().map(unknown));
        }
        top
    }

    /// The directory that relative paths begin at.
    fn base(&self, directory: &Path, cwd: &Path) -> Result<PathBuf, Problem> {
        let Some(root) = &self.root else { return Ok(cwd.to_owned()) };
        let wrong = |message| Problem::error(message).of_attribute("root").at(root.span.clone());
        let base = resolve(directory, values::filled(root).map_err(|mismatch| wrong(mismatch.message))?);
        if base.is_dir() {
            Ok(base)
        } else {
            Err(wrong(format!("expected a directory, {} is none", base.display())))
        }
    }
}

fn apps(entry: Entry, problems: &mut Vec<Problem>) -> Vec<Node> {
    match entry.node.value {
        Value::Array(apps) => apps,
        Value::Table(_) => vec![entry.node],
        _ => {
            let message = format!("{}: expected a list of apps, found {}", entry.key, entry.node.describe());
            problems.push(Problem::error(message).at(entry.node.span));
            Vec::new()
        }
    }
}

fn unknown(entry: &Entry) -> Problem {
    let known = ["apps", "root"].into_iter().chain(IDLE);
    let hint = nearest(&entry.key, known).map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
    Problem::warning(format!("unknown key `{}` at the top level is ignored{hint}", entry.key))
        .at(entry.span.clone())
}
