//! From one table of a file, or the options of a command line, to a [`Declaration`].

use rpm_core::{FilterEnv, Watch};

use crate::{
    Declaration, Problem,
    attributes::{self, Attribute, Dialect, Key, Sorted},
    environment,
    extras::Extra,
    node::{Entry, Node, Value},
    values::{self, Mismatch},
    watch,
};

impl Declaration {
    /// Takes what a table declares; what is wrong with it goes to `problems`.
    pub(crate) fn read(entries: &[Entry], dialect: Dialect, problems: &mut Vec<Problem>) -> Self {
        let mut declaration = Self::default();
        let Sorted { chosen, outdone, others } = attributes::sorted(entries, dialect);
        problems.extend(outdone.into_iter().map(|(far, near)| without_effect_beside(far, near)));
        for (key, entry) in others {
            match key {
                Key::Profile(name) => match values::variables(&entry.node) {
                    Ok(env) => _ = declaration.profiles.insert(name.to_owned(), env),
                    Err(mismatch) => {
                        let message = format!("{}: {}", entry.key, mismatch.message);
                        problems.push(Problem::error(message).at(mismatch.span));
                    }
                },
                Key::Extra(extra) => match declaration.keep(extra, &entry.node) {
                    Ok(()) if !extra.is_quiet(&entry.node) => problems.push(without_effect(entry, "")),
                    Ok(()) => {}
                    Err(problem) => problems.push(problem),
                },
                Key::Known(..) | Key::Unknown => problems.push(unknown(entry)),
            }
        }
        for (_, attribute, entry) in chosen.into_values() {
            match (attribute.read)(&mut declaration, &entry.node) {
                Ok(()) => {
                    declaration.spans.extend(entry.node.span.clone().map(|span| (attribute.name, span)));
                    problems.extend(remarks(attribute, entry));
                }
                Err(mismatch) => problems.push(problem(attribute.name, mismatch)),
            }
        }
        if declaration.expand_env == Some(true) {
            problems.extend(environment::unreadable(entries));
        }
        declaration
    }

    /// Sets one attribute from the text of a command-line option, by the rules of a file and these:
    ///
    /// - `true` and `false` are taken for switches, also of `watch`, `log_file` (the default place) and
    ///   `filter_env`;
    /// - `watch_delay` is in seconds where it has no unit;
    /// - `filter_env` is a part of the names that are kept back;
    /// - a second `watch`, `ignore_watch`, `filter_env`, `env_file` or `stop_exit_codes` adds to the first.
    ///
    /// The names are those of a file: the fields of [`Declaration`], and PM2's attributes that change nothing here
    /// (`vizion`, `pmx`, `automation`, `trace`, `disable_trace`, `v8`, `event_loop_inspector`, `deep_monitoring`,
    /// `source_map_support`, `disable_source_map_support`, `kill_retry_time`, `write`, `force` …).
    pub fn set(&mut self, attribute: &str, text: &str) -> Result<(), Problem> {
        match attributes::key(attribute) {
            Key::Known(attribute, _) => {
                let mut given = Self::default();
                let typed = typed(attribute, text);
                or_switch(text, &typed, |node| (attribute.read)(&mut given, node))
                    .map_err(|mismatch| problem(attribute.name, mismatch))?;
                self.add(attribute, given);
                Ok(())
            }
            Key::Extra(extra) => {
                let node = Node::text(text);
                let value = or_switch(text, &node, |node| (extra.read)(node));
                let value = value.map_err(|mismatch| problem(extra.key, mismatch))?;
                self.extras.insert(extra.name.to_owned(), value);
                Ok(())
            }
            _ => Err(Problem::error(format!("unknown attribute `{attribute}`{}", hint(attribute)))),
        }
    }

    fn keep(&mut self, extra: &Extra, node: &Node) -> Result<(), Problem> {
        let value = (extra.read)(node).map_err(|mismatch| problem(extra.key, mismatch))?;
        self.extras.insert(extra.name.to_owned(), value);
        Ok(())
    }

    /// Takes over the one attribute that is given; options that may be repeated add to what is there.
    fn add(&mut self, attribute: &Attribute, mut given: Self) {
        fn before<T: Clone>(list: &mut Vec<T>, earlier: &[T]) {
            list.splice(..0, earlier.iter().cloned());
        }
        if let (Some(Watch::Paths(earlier)), Some(Watch::Paths(paths))) = (&self.watch, &mut given.watch) {
            before(paths, earlier);
        }
        let filters = (&self.filter_env, &mut given.filter_env);
        if let (Some(FilterEnv::Containing(earlier)), Some(FilterEnv::Containing(parts))) = filters {
            before(parts, earlier);
        }
        if let (Some(earlier), Some(globs)) = (&self.ignore_watch, &mut given.ignore_watch) {
            before(globs, earlier);
        }
        if let (Some(earlier), Some(codes)) = (&self.stop_exit_codes, &mut given.stop_exit_codes) {
            before(codes, earlier);
        }
        if let (Some(earlier), Some(files)) = (&self.env_file, &mut given.env_file) {
            before(&mut files.0, &earlier.0);
        }
        (attribute.copy)(&given, self);
    }

    /// The names of the attributes that are declared.
    pub fn declared(&self) -> impl Iterator<Item = &'static str> {
        attributes::ATTRIBUTES
            .iter()
            .filter(|attribute| (attribute.is_declared)(self))
            .map(|attribute| attribute.name)
    }
}

/// The text of an option as a file would have it.
fn typed(attribute: &Attribute, text: &str) -> Node {
    match attribute.name {
        "filter_env" if text.parse::<bool>().is_err() && !text.is_empty() => {
            Node { span: None, value: Value::Array(vec![Node::text(text)]) }
        }
        "watch_delay" => match text.parse::<f64>() {
            Ok(seconds) if seconds >= 0.0 => {
                Node { span: None, value: Value::Float((seconds * 1000.0).round()) }
            }
            _ => Node::text(text),
        },
        _ => Node::text(text),
    }
}

/// Reads `node`, or where that is no value, the switch that its text may be.
fn or_switch<T>(text: &str, node: &Node, mut read: impl FnMut(&Node) -> values::Read<T>) -> values::Read<T> {
    read(node).or_else(|mismatch| match text.parse() {
        Ok(switch) => read(&Node { span: None, value: Value::Bool(switch) }),
        Err(_) => Err(mismatch),
    })
}

/// What is not as it may be thought to be in a value that was read.
fn remarks(attribute: &Attribute, entry: &Entry) -> Vec<Problem> {
    match (attribute.name, &entry.node.value) {
        ("watch_options", _) => watch::without_effect(&entry.node)
            .map(|option| without_effect(option, "watch_options."))
            .collect(),
        ("log_type", Value::String(word)) if !matches!(word.as_str(), "" | "json") => {
            let message = format!("`log_type` {word:?} is not known: lines stay as they are");
            vec![Problem::notice(message).at(entry.node.span.clone())]
        }
        _ => Vec::new(),
    }
}

fn without_effect(entry: &Entry, prefix: &str) -> Problem {
    Problem::notice(format!("`{prefix}{}` has no effect in this version", entry.key)).at(entry.span.clone())
}

fn problem(attribute: &'static str, mismatch: Mismatch) -> Problem {
    Problem::error(mismatch.message).of_attribute(attribute).at(mismatch.span)
}

fn unknown(entry: &Entry) -> Problem {
    Problem::notice(format!("unknown attribute `{}` is ignored{}", entry.key, hint(&entry.key)))
        .at(entry.span.clone())
}

fn hint(word: &str) -> String {
    values::did_you_mean(attributes::suggestion(word))
}

fn without_effect_beside(entry: &Entry, winner: &Entry) -> Problem {
    let message = if entry.key == winner.key {
        format!("`{}` is there twice: the last counts", entry.key)
    } else {
        format!("`{}` has no effect beside `{}`", entry.key, winner.key)
    };
    Problem::notice(message).at(entry.span.clone())
}
