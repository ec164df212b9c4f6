//! A part of a file whose texts may have expressions, as it stands until it is needed.

use rpm_ecosystem::{Node, Value as Yaml};

use super::{
    evaluate::Scope,
    template::{Template, TemplateError},
    value::{Object, Value},
};

/// A part of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Value(Value),
    Text(Template),
    List(Vec<Tree>),
    Map(Vec<(Template, Tree)>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Value(Value::Null)
    }
}

impl Tree {
    /// Reads a node, whose expressions have been checked.
    pub(crate) fn read(node: &Node) -> Result<Self, TemplateError> {
        Ok(match &node.value {
            Yaml::Null => Self::default(),
            Yaml::Bool(value) => Self::Value((*value).into()),
            Yaml::Integer(value) => Self::Value((*value as f64).into()),
            Yaml::Float(value) => Self::Value((*value).into()),
            Yaml::String(text) if Template::is_in(text) => Self::Text(Template::parse(text)?),
            Yaml::String(text) => Self::Value(text.as_str().into()),
            Yaml::Array(items) => Self::List(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            Yaml::Table(entries) => {
                let entries =
                    entries.iter().map(|entry| Ok((Template::parse(&entry.key)?, Self::read(&entry.node)?)));
                Self::Map(entries.collect::<Result<_, _>>()?)
            }
        })
    }

    /// Whether nothing was said.
    pub(crate) fn is_absent(&self) -> bool {
        *self == Self::Value(Value::Null)
    }

    /// What it comes to.
    pub(crate) fn evaluate(&self, scope: &dyn Scope) -> Result<Value, String> {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Text(template) => template.evaluate(scope)?,
            Self::List(items) => items
                .iter()
                .map(|item| item.evaluate(scope))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .collect(),
            Self::Map(entries) => {
                let mut object = Object::default();
                for (key, tree) in entries {
                    let value = tree.evaluate(scope)?;
                    match value {
                        Value::Object(inner) if key.is_insert() => {
                            inner.iter().for_each(|(name, value)| object.set(name, value.clone()));
                        }
                        value => object.set(key.evaluate(scope)?.to_text(), value),
                    }
                }
                object.into()
            }
        })
    }

    /// Evaluates it as text.
    pub(crate) fn text(&self, scope: &dyn Scope) -> Result<String, String> {
        self.evaluate(scope).map(|value| value.to_text())
    }

    /// Names and texts, for `env` and `with`.
    pub(crate) fn texts(&self, scope: &dyn Scope) -> Result<Vec<(String, String)>, String> {
        match self.evaluate(scope)? {
            Value::Null => Ok(Vec::new()),
            Value::Object(object) => {
                Ok(object.iter().map(|(name, value)| (name.to_owned(), value.to_text())).collect())
            }
            other => Err(format!("expected names and values, found {:?}", other.to_text())),
        }
    }

    /// All expressions within.
    pub(crate) fn templates<'a>(&'a self, visit: &mut dyn FnMut(&'a Template)) {
        match self {
            Self::Value(_) => {}
            Self::Text(template) => visit(template),
            Self::List(items) => items.iter().for_each(|item| item.templates(visit)),
            Self::Map(entries) => {
                for (key, tree) in entries {
                    visit(key);
                    tree.templates(visit);
                }
            }
        }
    }
}
