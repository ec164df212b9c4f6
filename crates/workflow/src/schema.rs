//! GitHub's own schema of workflow and action files, and checking a tree against it.
//!
//! The schema is data (`data/`). Beside the shape of each value it knows in which fields expressions are evaluated,
//! and what they can see there.

mod definition;
mod expressions;

use std::{collections::HashMap, sync::LazyLock};

use rpm_ecosystem::{Entry, Node, Problem, Source, Span, Value as Yaml};

use self::definition::{Definition, Mapping, Schema};
use crate::{
    expression::{Template, TemplateError},
    suggestion::did_you_mean,
};

static WORKFLOW: LazyLock<Schema> =
    LazyLock::new(|| Schema::read(include_str!("../data/workflow-v1.0.json"), "workflow-root-strict"));

static ACTION: LazyLock<Schema> =
    LazyLock::new(|| Schema::read(include_str!("../data/action-v1.0.json"), "action-root-strict"));

/// All that is wrong with the tree of a workflow file.
pub(crate) fn check_workflow(tree: &Node, source: &Source) -> Vec<Problem> {
    check(&WORKFLOW, tree, source)
}

/// All that is wrong with the tree of an `action.yml`.
pub(crate) fn check_action(tree: &Node, source: &Source) -> Vec<Problem> {
    check(&ACTION, tree, source)
}

fn check(schema: &'static Schema, tree: &Node, source: &Source) -> Vec<Problem> {
    let mut checker = Checker { schema, source, problems: Vec::new() };
    let start = Some(0..0);
    checker.value(tree, schema.root, &[], start.as_ref());
    checker.problems
}

/// The types whose texts are expressions even without `${{ }}` around them.
const CONDITIONS: &[&str] = &["job-if", "step-if", "snapshot-if", "runs-if"];

struct Checker<'a> {
    schema: &'static Schema,
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn wrong(&mut self, message: impl Into<String>, at: Option<&Span>) {
        self.problems.push(Problem::error(message).at(at.cloned()));
    }

    /// A value of some type, within something whose expressions see these. `key` is the place of its key: where
    /// what is missing is told.
    fn value(&mut self, node: &Node, name: &'static str, seen: &[&'static str], key: Option<&Span>) {
        let own = &self.schema.get(name).context;
        let visible: Vec<_> = seen.iter().chain(own).copied().collect();
        let choices = self.schema.choices(name);
        match &node.value {
            Yaml::String(text) if CONDITIONS.contains(&name) => {
                self.templates(node, Template::condition(text), &visible);
            }
            Yaml::String(text) if Template::is_in(text) => {
                self.expressions(node.span.as_ref(), text, &visible);
            }
            Yaml::Array(items) => match choices.iter().find_map(|(_, choice)| choice.sequence.as_ref()) {
                Some(sequence) => {
                    for item in items {
                        self.value(item, sequence.item_type, &visible, item.span.as_ref());
                    }
                }
                None => self.unexpected(node, &choices),
            },
            Yaml::Table(entries) => {
                let mappings: Vec<_> =
                    choices.iter().filter_map(|(_, choice)| choice.mapping.as_ref()).collect();
                if mappings.is_empty() {
                    self.unexpected(node, &choices);
                } else {
                    self.mapping(entries, mappings, &visible, key);
                }
            }
            _ if !choices.iter().any(|(_, choice)| takes(choice, node)) => self.unexpected(node, &choices),
            _ => {}
        }
    }

    fn expressions(&mut self, span: Option<&Span>, text: &str, visible: &[&str]) {
        if visible.is_empty() {
            self.wrong("expressions are not evaluated here", span);
            return;
        }
        let node = Node { span: span.cloned(), value: Yaml::Null };
        self.templates(&node, Template::parse(text), visible);
    }

    fn templates(&mut self, node: &Node, template: Result<Template, TemplateError>, visible: &[&str]) {
        let errors = match template {
            Ok(template) => expressions::check(&template, visible),
            Err(error) => vec![error],
        };
        for error in errors {
            let at = node.span.as_ref().map(|span| place(self.source, span, &error));
            self.wrong(error.message, at.as_ref());
        }
    }

    fn unexpected(&mut self, node: &Node, choices: &[(&str, &Definition)]) {
        let mut expected: Vec<String> = Vec::new();
        for word in choices.iter().flat_map(|(_, choice)| words(choice)) {
            if !expected.contains(&word) {
                expected.push(word);
            }
        }
        let found = match &node.value {
            Yaml::Null => "nothing".to_owned(),
            _ => node.describe(),
        };
        let nearest = match &node.value {
            Yaml::String(text) => {
                did_you_mean(text, choices.iter().flat_map(|(_, choice)| constants(choice)))
            }
            _ => String::new(),
        };
        self.wrong(format!("expected {}, found {found}{nearest}", either(&expected)), node.span.as_ref());
    }

    fn mapping(
        &mut self,
        entries: &[Entry],
        mut mappings: Vec<&'static Mapping>,
        visible: &[&'static str],
        key: Option<&Span>,
    ) {
        let all = mappings.clone();
        let mut first = HashMap::new();
        let mut has_expression = false;
        for entry in entries {
            let at = entry.span.as_ref();
            if Template::is_in(&entry.key) {
                has_expression = true;
                self.key_expression(entry, visible);
                self.value(&entry.node, "any", visible, at);
                continue;
            }
            if let Some(earlier) = first.insert(entry.key.to_uppercase(), at) {
                let message =
                    format!("{:?} is used twice: upper and lower case count as the same", entry.key);
                self.problems.push(Problem::error(message).at(at.cloned()).after(earlier.cloned()));
                continue;
            }
            let known = mappings.iter().find_map(|mapping| mapping.properties.get(entry.key.as_str()));
            if let Some(property) = known {
                mappings.retain(|mapping| mapping.properties.contains_key(entry.key.as_str()));
                self.value(&entry.node, property.name, visible, at);
                continue;
            }
            let loose = all.first().and_then(|mapping| mapping.loose_key_type.zip(mapping.loose_value_type));
            if let Some((key_type, value_type)) = loose {
                let key = Node { span: entry.span.clone(), value: Yaml::String(entry.key.clone()) };
                self.value(&key, key_type, &[], at);
                self.value(&entry.node, value_type, visible, at);
                continue;
            }
            self.unknown(entry, &mappings, &all, entries);
        }
        self.missing(&mappings, entries, has_expression, key);
    }

    fn key_expression(&mut self, entry: &Entry, visible: &[&str]) {
        let is_insert = Template::parse(&entry.key).is_ok_and(|template| template.is_insert());
        if !is_insert || visible.is_empty() {
            self.expressions(entry.span.as_ref(), &entry.key, visible);
        }
    }

    fn unknown(
        &mut self,
        entry: &Entry,
        left: &[&'static Mapping],
        all: &[&'static Mapping],
        entries: &[Entry],
    ) {
        let rival = all
            .iter()
            .filter(|mapping| mapping.properties.contains_key(entry.key.as_str()))
            .find_map(|mapping| {
                entries.iter().find(|other| {
                    !mapping.properties.contains_key(other.key.as_str())
                        && left.iter().any(|mapping| mapping.properties.contains_key(other.key.as_str()))
                })
            });
        if let Some(rival) = rival {
            let message = format!("{:?} cannot stand beside {:?}", entry.key, rival.key);
            let problem = Problem::error(message).at(entry.span.clone()).after(rival.span.clone());
            self.problems.push(problem);
            return;
        }
        let mut known: Vec<_> = left.iter().flat_map(|mapping| mapping.properties.keys().copied()).collect();
        known.sort_unstable();
        known.dedup();
        let nearest = did_you_mean(&entry.key, known.iter().copied());
        let expected = if nearest.is_empty() { format!(": expected {}", known.join(", ")) } else { nearest };
        self.wrong(format!("unknown key {:?}{expected}", entry.key), entry.span.as_ref());
    }

    fn missing(&mut self, left: &[&Mapping], entries: &[Entry], has_expression: bool, key: Option<&Span>) {
        if has_expression {
            return;
        }
        let required = |mapping: &&Mapping| {
            let names = mapping.properties.iter().filter(|(_, property)| property.required);
            names.map(|(name, _)| *name).collect::<Vec<_>>()
        };
        if let [mapping] = left {
            for name in required(mapping) {
                if entries.iter().all(|entry| !entry.key.eq_ignore_ascii_case(name)) {
                    self.wrong(format!("the key {name:?} is missing"), key);
                }
            }
        } else {
            let names: Vec<_> = left.iter().flat_map(required).map(|name| format!("{name:?}")).collect();
            self.wrong(format!("one of the keys {} is missing", either(&names)), key);
        }
    }
}

/// Where in the source the wrong part of an expression stands; the whole value where that cannot be told.
fn place(source: &Source, span: &Span, error: &TemplateError) -> Span {
    let whole = source.text().get(span.clone()).unwrap_or_default();
    let Some((at, open)) = whole.match_indices("${{").nth(error.ordinal) else {
        // A condition without braces.
        return match whole.find(&error.body).filter(|_| !error.body.is_empty()) {
            Some(at) => span.start + at + error.span.start..span.start + at + error.span.end,
            None => span.clone(),
        };
    };
    let body = span.start + at + open.len();
    if error.span.is_empty() && error.body.is_empty() {
        let end = whole[at..].find("}}").map_or(body, |end| span.start + at + end + 2);
        return span.start + at..end;
    }
    // Where the text was folded or has escapes, it is not the same in the source.
    if source.text().get(body..).is_some_and(|text| text.starts_with(&error.body)) {
        return body + error.span.start..body + error.span.end;
    }
    span.start + at..body
}

/// Whether a type takes a value that is neither list nor table.
fn takes(definition: &Definition, node: &Node) -> bool {
    let literal = match &node.value {
        Yaml::Null => definition.null.is_some(),
        Yaml::Bool(_) => definition.boolean.is_some(),
        Yaml::Integer(_) | Yaml::Float(_) => definition.number.is_some(),
        _ => false,
    };
    // What is no text is taken as one where a text is expected.
    let text = match &node.value {
        Yaml::Null => String::new(),
        _ => node.to_text(),
    };
    literal
        || definition.allowed_values.contains(&text.as_str())
        || definition.string.as_ref().is_some_and(|string| match string.constant {
            Some(constant) => constant == text,
            None => !(string.require_non_empty && text.is_empty()),
        })
}

fn constants(definition: &Definition) -> impl Iterator<Item = &'static str> {
    let constant = definition.string.as_ref().and_then(|string| string.constant);
    definition.allowed_values.iter().copied().chain(constant)
}

/// What a type takes, for people.
fn words(definition: &Definition) -> Vec<String> {
    let mut words: Vec<_> = constants(definition).map(|constant| format!("{constant:?}")).collect();
    let kinds = [
        (definition.null.is_some(), "nothing"),
        (definition.boolean.is_some(), "true or false"),
        (definition.number.is_some(), "a number"),
        (definition.string.as_ref().is_some_and(|string| string.constant.is_none()), "text"),
        (definition.sequence.is_some(), "a list"),
        (definition.mapping.is_some(), "a table"),
    ];
    words.extend(kinds.iter().filter(|(takes, _)| *takes).map(|(_, word)| (*word).to_owned()));
    words
}

/// `a, b or c`
fn either(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
