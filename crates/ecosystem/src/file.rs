//! An ecosystem file as a whole: its top level, and all its apps together.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
};

use rpm_core::{
    AppKey, AppSpec, Env, MaxParallel, Persona, app::DEFAULT_NAMESPACE, app_key::is_called, bounded,
    suggestion::nearest,
};

use crate::{
    Caller, Declaration, EnvChange, LoadError, Problem, Report,
    attributes::{self, Dialect, Key},
    caller::resolve,
    dependencies::{self, Depending, Unresolved},
    formats::{self, Parsed},
    node::{Entry, Node, Value},
    parallel,
    report::Severity,
    script,
    source::{self, Source, Span},
    spec::{self, Resolver},
    statics, values,
};

/// What the command line says about a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The `env_<name>` that is merged into each app's `env`.
    pub profile: Option<String>,
    /// The names of the apps that are wanted, also several in one text with commas or spaces; all if empty.
    pub only: Vec<String>,
    /// Attributes from the command line. As in PM2, only those in [`BESIDE_A_FILE`] act beside a file: the file says
    /// what its apps are.
    pub overrides: Declaration,
    /// What the apps are wanted for.
    pub purpose: Use,
}

/// What a file is loaded for, and so what of it has to be in order and is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// A start: notices about attributes are reported.
    #[default]
    Start,
    /// A restart or a reload, which needs all that a start needs and repeats none of its notices.
    Restart,
    /// The names of its apps, for `stop` and `delete`: no other attribute is checked, so that an app can be stopped whose
    /// directory or user is gone.
    Select,
}

/// Attributes that act as options beside a file. A namespace does so only for an app that declares none, and a number
/// of instances only for an app that declares neither that nor a schedule, because each further instance would run
/// every tick once more.
pub const BESIDE_A_FILE: [&str; 6] = ["cwd", "gid", "instances", "namespace", "uid", "watch"];

/// What a file declares.
#[derive(Debug)]
pub struct Loaded {
    /// The apps that are wanted, in order.
    pub apps: Vec<AppSpec>,
    /// How many tasks may run at the same time.
    pub max_parallel: MaxParallel,
    /// What is ignored.
    pub warnings: Report,
    /// Dependencies on apps that are not among [`Self::apps`].
    pub unresolved: Vec<Unresolved>,
    /// Names in [`Options::only`] that no app has.
    pub unmatched: Vec<String>,
    /// What the file changed in the environment while it was evaluated, which the apps are to inherit.
    pub env: EnvChange,
    is_lenient: bool,
    /// Whether an app of the file, wanted or not, has the profile of [`Options::profile`], or none is asked for.
    pub has_profile: bool,
}

impl Loaded {
    /// Refuses dependencies on apps that are nowhere; those of a file for PM2, which knows none, are dropped with a
    /// warning. `is_there` tells the names of apps of other files and of those that were started before.
    pub fn resolve(&mut self, is_there: impl Fn(&str) -> bool) -> Result<Report, LoadError> {
        let unknown: Vec<_> =
            self.unresolved.iter().filter(|unresolved| !is_there(&unresolved.app)).cloned().collect();
        let source = self.warnings.source().cloned();
        let problems = unknown.iter().map(|unresolved| unresolved.problem.clone());
        if !self.is_lenient {
            let problems: Vec<_> = problems.collect();
            let nothing = problems.is_empty();
            return if nothing { Ok(Report::default()) } else { Err(LoadError::new(source, problems)) };
        }
        for app in &mut self.apps {
            let Some(dependencies) = &mut app.depends_on else { continue };
            dependencies.0.retain(|dependency| unknown.iter().all(|other| other.app != dependency.app));
            if dependencies.0.is_empty() {
                app.depends_on = None;
            }
        }
        Ok(Report::new(source, problems.map(Problem::ignored).collect()))
    }
}

/// Loads a file; `-` is JSON on standard input. All that is wrong in it is told together, even values in apps that are
/// not wanted; whether these could be run is not asked.
pub fn load(path: &Path, options: &Options, caller: &Caller) -> Result<Loaded, LoadError> {
    let (source, parsed) = read(path, caller)?;
    loaded(source, parsed, options, caller)
}

/// Loads a text as if it stood in the file `path`, whose name tells its format.
pub fn load_text(path: &Path, text: &str, options: &Options, caller: &Caller) -> Result<Loaded, LoadError> {
    let (source, parsed) = parse(path, Source::new(path, text), caller)?;
    loaded(source, parsed, options, caller)
}

/// All that a file says, as JSON: for those who want more of it than its apps, such as `deploy`.
pub fn tree(path: &Path, caller: &Caller) -> Result<serde_json::Value, LoadError> {
    read(path, caller).map(|(_, parsed)| parsed.tree.to_json())
}

/// The text of a file and its tree.
pub(crate) fn read(path: &Path, caller: &Caller) -> Result<(Source, Parsed), LoadError> {
    let source = if path.as_os_str() == formats::STANDARD_INPUT {
        let name = Path::new("standard input");
        let bytes = bounded::read_stream(io::stdin(), source::MAX_FILE)
            .map_err(|error| source::unreadable(name, &error))?;
        Source::decode(name, bytes)?
    } else {
        Source::read(path, &caller.cwd)?
    };
    parse(path, source, caller)
}

fn parse(path: &Path, source: Source, caller: &Caller) -> Result<(Source, Parsed), LoadError> {
    let parse = formats::parser(path)?;
    match parse(&source, caller) {
        Ok(parsed) => Ok((source, parsed)),
        Err(problems) => Err(LoadError::new(Some(source), problems)),
    }
}

pub(crate) fn loaded(
    source: Source,
    parsed: Parsed,
    options: &Options,
    caller: &Caller,
) -> Result<Loaded, LoadError> {
    let Parsed { tree, env } = parsed;
    let mut caller = Cow::Borrowed(caller);
    if env != EnvChange::default() {
        env.apply(&mut caller.to_mut().env);
    }
    let mut problems = Vec::new();
    let is_package = source.path().file_name().is_some_and(|name| name == "package.json");
    let top = Top::read(tree, is_package, &mut problems);
    let mut reader = Reader::new(&source, options, &caller);
    if options.purpose != Use::Select {
        reader.resolver = top.resolver(&source, &caller, reader.is_lenient, &mut problems);
    }
    reader.problems = problems;
    let mut apps: Vec<_> = top.apps.iter().filter_map(|node| reader.app(node)).collect();
    let max_parallel = reader.check(&top, &mut apps);
    let deployed = reader.deployed(&top);
    let Reader { names, wanted, mut problems, is_lenient, .. } = reader;
    if problems.iter().any(|problem| problem.severity() == Severity::Error) {
        return Err(LoadError::new(Some(source), problems));
    }

    let has_profile = options.profile.as_ref().is_none_or(|profile| {
        !deployed.is_empty() || apps.iter().any(|app| app.spec.profiles.contains_key(profile))
    });
    apps.retain(|app| wanted.is_empty() || wanted.iter().any(|word| app.spec.is_called(word)));
    if let Some(profile) = &options.profile {
        problems.extend(apps.iter_mut().filter_map(|app| choose(app, profile, &deployed)));
    }
    match options.purpose {
        Use::Start => {}
        Use::Restart => problems.retain(|problem| !problem.is_notice()),
        Use::Select => problems.clear(),
    }
    let unresolved = dependencies::unresolved(&apps.iter().map(App::depending).collect::<Vec<_>>());
    let renamed: HashMap<String, String> =
        apps.iter().map(|app| (app.name.clone(), app.spec.name.clone())).collect();
    for dependency in apps.iter_mut().filter_map(|app| app.spec.depends_on.as_mut()).flat_map(|it| &mut it.0)
    {
        if let Some(name) = renamed.get(&dependency.app) {
            dependency.app.clone_from(name);
        }
    }
    let is_known = |word: &str| names.keys().any(|app| is_called(&app.namespace, &app.name, word));
    let unmatched = wanted.into_iter().filter(|word| !is_known(word)).map(str::to_owned).collect();
    let apps = dependencies::in_order(apps.into_iter().map(|app| app.spec).collect());
    let warnings = Report::new(Some(source), problems);
    Ok(Loaded { apps, max_parallel, warnings, unresolved, unmatched, env, is_lenient, has_profile })
}

/// An app of a file.
struct App {
    /// As it is declared.
    name: String,
    spec: AppSpec,
    append_env_to_name: bool,
    /// Where each of its dependencies stands.
    places: Vec<Option<Span>>,
}

impl App {
    fn depending(&self) -> Depending<'_> {
        Depending { name: &self.name, spec: &self.spec, places: &self.places }
    }
}

/// Reads the apps of one file.
struct Reader<'a> {
    options: &'a Options,
    dialect: Dialect,
    /// See [`is_lenient`].
    is_lenient: bool,
    /// The names that are wanted, all if empty.
    wanted: Vec<&'a str>,
    /// Missing where it is unknown what paths are relative to.
    resolver: Option<Resolver<'a>>,
    /// The apps so far, and where their names stand.
    names: HashMap<AppKey, Option<Span>>,
    /// Whether two apps may have the same namespace and name: PM2 starts both.
    allows_twins: bool,
    namespaces: HashSet<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(source: &Source, options: &'a Options, caller: &Caller) -> Self {
        let dialect = formats::dialect(source.path());
        let words = options.only.iter().flat_map(|text| text.split([',', ' ']));
        Self {
            options,
            dialect,
            is_lenient: is_lenient(dialect, caller),
            wanted: words.filter(|name| !name.is_empty()).collect(),
            resolver: None,
            names: HashMap::new(),
            allows_twins: caller.persona != Persona::Rpm,
            namespaces: HashSet::new(),
            problems: Vec::new(),
        }
    }

    /// One app, unless something is wrong with it.
    fn app(&mut self, node: &Node) -> Option<App> {
        let Value::Table(entries) = &node.value else {
            let message = format!("expected the table of an app, found {}", node.describe());
            self.problems.push(Problem::error(message).at(node.span.clone()));
            return None;
        };
        let mut problems = Vec::new();
        let mut declared = Declaration::read(entries, self.dialect, &mut problems);
        let name = declared.name.as_deref().or_else(|| declared.script.as_deref().map(script::default_name));
        let name = name.map(str::to_owned);
        if self.options.purpose == Use::Select {
            let selecting: &[&str] = if declared.name.is_none() { &["name", "script"] } else { &["name"] };
            problems.retain(|problem| problem.is_error_in(selecting));
        }
        if self.is_lenient {
            problems = problems.into_iter().map(or_ignored).collect();
        }
        // What could not be read has been told, and must not be taken for what is not there.
        let is_wrong = |attributes: &[&str]| problems.iter().any(|problem| problem.is_error_in(attributes));
        let (wrong_name, wrong_basis) =
            (is_wrong(&["name"]), is_wrong(&["script", "cwd", "cron_restart", "autorestart"]));
        if !wrong_name {
            let clash = name.as_deref().and_then(|name| self.name_clash(name, &declared, node));
            problems.extend(clash.filter(|_| self.options.purpose != Use::Select));
        }
        self.override_in(&mut declared);
        let append_env_to_name = declared.append_env_to_name == Some(true);
        self.namespaces.insert(declared.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()));
        let spec = if wrong_basis { None } else { self.spec(declared, node, &mut problems) };
        self.problems.extend(problems.into_iter().map(|problem| problem.of_app(name.as_deref())));
        spec.map(|spec| App {
            name: name.unwrap_or_else(|| spec.name.clone()),
            spec,
            append_env_to_name,
            places: dependencies::places(entries),
        })
    }

    /// What is declared as the verb needs it; of an app that is not wanted nothing is checked.
    fn spec(
        &mut self,
        mut declared: Declaration,
        node: &Node,
        problems: &mut Vec<Problem>,
    ) -> Option<AppSpec> {
        if self.options.purpose == Use::Select {
            return spec::selected(declared);
        }
        let resolver = self.resolver.as_mut()?;
        let name = spec::name(&declared);
        let namespace = declared.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let is_wanted = self.wanted.is_empty()
            || name.is_some_and(|name| self.wanted.iter().any(|word| is_called(&namespace, &name, word)));
        loop {
            let problem = match resolver.spec(declared.clone()) {
                Ok(spec) => {
                    problems.extend(resolver.take_remarks().into_iter().filter(|_| is_wanted));
                    return Some(spec);
                }
                Err(problem) => problem.or_at(node.span.as_ref()),
            };
            let ours = problem.attribute().and_then(attributes::ours).filter(|_| self.is_lenient);
            let Some(ours) = ours.filter(|ours| (ours.is_declared)(&declared)) else {
                problems.extend(is_wanted.then_some(problem));
                return None;
            };
            ours.clear(&mut declared);
            problems.push(problem.ignored());
        }
    }

    /// What the apps say about each other, and the file about them all.
    fn check(&mut self, top: &Top, apps: &mut [App]) -> MaxParallel {
        if self.options.purpose == Use::Select {
            return MaxParallel::default();
        }
        let mut wrong = dependencies::check(&apps.iter().map(App::depending).collect::<Vec<_>>());
        if self.is_lenient && !wrong.is_empty() {
            for app in apps.iter_mut() {
                app.spec.depends_on = None;
            }
        }
        let (max_parallel, limited) = top.parallel.read(&mut wrong);
        if self.is_lenient {
            wrong = wrong.into_iter().map(Problem::ignored).collect();
        }
        self.problems.extend(wrong);
        self.problems.extend(parallel::strangers(limited, &self.namespaces));
        max_parallel
    }

    fn deployed(&mut self, top: &Top) -> Env {
        if self.options.purpose == Use::Select {
            return Env::default();
        }
        top.deployed(self.options.profile.as_deref(), &mut self.problems)
    }

    fn name_clash(&mut self, name: &str, declared: &Declaration, node: &Node) -> Option<Problem> {
        let place = declared.span("name").or_else(|| declared.span("script")).or_else(|| node.span.clone());
        let namespace = declared.namespace.as_deref().or(self.options.overrides.namespace.as_deref());
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
        let app = AppKey { namespace, name: name.to_owned() };
        if let Some(first) = self.names.get(&app).filter(|_| !self.allows_twins) {
            let message = "this name is used twice: expected one app of each name in a namespace";
            return Some(Problem::error(message).at(place).after(first.clone()));
        }
        self.names.insert(app, place);
        None
    }

    /// Takes over the options that act beside a file.
    fn override_in(&self, declared: &mut Declaration) {
        let keeps = |attribute: &str| match attribute {
            "namespace" => declared.namespace.is_some(),
            "instances" => declared.instances.is_some() || declared.cron_restart.is_some(),
            attribute => !BESIDE_A_FILE.contains(&attribute),
        };
        let given = self.options.overrides.declared();
        let acting: Vec<_> = given.filter(|attribute| !keeps(attribute)).collect();
        declared.override_in(&self.options.overrides, &acting);
    }
}

/// Whether a file for PM2 is read in its place: PM2 ignores attributes of ours, so that nothing that is wrong with them may
/// keep an app from being started.
pub(crate) fn is_lenient(dialect: Dialect, caller: &Caller) -> bool {
    dialect == Dialect::Pm2 && caller.persona != Persona::Rpm
}

/// A problem, which is a warning where PM2 has no such attribute.
fn or_ignored(problem: Problem) -> Problem {
    let is_ours = problem.attribute().and_then(attributes::ours).is_some();
    if is_ours && problem.severity() == Severity::Error { problem.ignored() } else { problem }
}

/// Merges a profile into the environment of an app that has it, above what is deployed under its name.
fn choose(app: &mut App, profile: &str, deployed: &Env) -> Option<Problem> {
    let mut env = deployed.clone();
    env.merge(&app.spec.env);
    let problem = match app.spec.profiles.get(profile) {
        Some(declared) => {
            env.merge(declared);
            app.spec.profile = Some(profile.to_owned());
            None
        }
        None => {
            let message = format!("Environment [{profile}] is not defined in process file");
            Some(Problem::warning(message).of_app(Some(&app.spec.name)))
        }
    };
    app.spec.env = env;
    if app.append_env_to_name {
        app.spec.name = format!("{}-{profile}", app.spec.name);
    }
    problem
}

/// The top level of a file.
#[derive(Default)]
struct Top {
    apps: Vec<Node>,
    root: Option<Node>,
    parallel: parallel::Declared,
    deploy: Option<Node>,
}

/// What there may be at the top level.
pub(crate) const KEYS: [&str; 6] = ["apps", "root", parallel::KEY, "namespaces", "deploy", "static"];

impl Top {
    /// PM2's forms: `apps` or `pm2` with a list of apps or one; a list; or the app itself. A `package.json` says
    /// much else, which is not looked at.
    fn read(tree: Node, is_package: bool, problems: &mut Vec<Problem>) -> Self {
        let entries = match tree.value {
            Value::Array(apps) => return Self { apps, ..Self::default() },
            Value::Table(entries) => entries,
            _ => {
                let message = format!("expected a table with `apps`, found {}", tree.describe());
                problems.push(Problem::error(message).at(tree.span));
                return Self::default();
            }
        };
        let mut top = Self::default();
        let container = container(&entries);
        let mut own = Vec::new();
        let mut servers = None;
        for entry in entries {
            match entry.key.as_str() {
                "root" => top.root = Some(entry.node),
                parallel::KEY => top.parallel.home = Some(entry.node),
                "namespaces" => top.parallel.namespaces = Some(entry.node),
                "deploy" => top.deploy = Some(entry.node),
                "static" => servers = Some(entry.node),
                key if Some(key) == container => top.apps = apps(entry, problems),
                _ => own.push(entry),
            }
        }
        if is_package {
            if container.is_none() && servers.is_none() {
                problems.push(Problem::error("no apps: expected `apps` or `pm2` in this package.json"));
            }
        } else if container.is_some() || (servers.is_some() && !is_app(&own)) {
            problems.extend(own.iter().map(unknown));
        } else if is_app(&own) {
            top.apps = vec![Node { span: None, value: Value::Table(own) }];
        } else {
            problems.push(Problem::error("no apps: expected [[apps]] with a `script`"));
            problems.extend(own.iter().map(unknown));
        }
        top.apps.extend(servers.iter().flat_map(|node| statics::apps(node, problems)));
        top
    }

    /// What PM2 has lowest in the environment of each app: the variables that are deployed with a profile.
    fn deployed(&self, profile: Option<&str>, problems: &mut Vec<Problem>) -> Env {
        let of = |node: &Node, key: &str| match &node.value {
            Value::Table(entries) => {
                entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.node.clone())
            }
            _ => None,
        };
        let env = profile
            .zip(self.deploy.as_ref())
            .and_then(|(profile, deploy)| of(&of(deploy, profile)?, "env"))
            .filter(|env| env.value != Value::Null);
        let Some(env) = env else { return Env::default() };
        values::variables(&env).unwrap_or_else(|mismatch| {
            problems.push(Problem::error(format!("deploy: env: {}", mismatch.message)).at(mismatch.span));
            Env::default()
        })
    }

    /// What makes the specs of the apps. A file for PM2 does not fail by a `root`, which PM2 does not have.
    fn resolver<'a>(
        &self,
        source: &Source,
        caller: &'a Caller,
        is_lenient: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Resolver<'a>> {
        let directory = resolve(&caller.cwd, source.path().parent().unwrap_or(Path::new("")));
        let base = match self.base(&directory, &caller.cwd) {
            Ok(base) => base,
            Err(problem) if is_lenient => {
                problems.push(problem.ignored());
                caller.cwd.clone()
            }
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let resolver = Resolver::new(caller, base).beside(directory);
        Some(if is_lenient { resolver.with_dotenv() } else { resolver })
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

/// The key under which the apps are.
pub(crate) fn container(entries: &[Entry]) -> Option<&'static str> {
    let is_there =
        |key: &&str| entries.iter().any(|entry| entry.key == *key && entry.node.value != Value::Null);
    ["apps", "pm2"].into_iter().find(is_there)
}

/// Whether these are the attributes of an app.
pub(crate) fn is_app(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| matches!(attributes::key(&entry.key), Key::Known(..)))
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
    let hint = values::did_you_mean(nearest(&entry.key, KEYS));
    Problem::notice(format!("unknown key `{}` at the top level is ignored{hint}", entry.key))
        .at(entry.span.clone())
}
