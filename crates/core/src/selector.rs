//! What a verb acts on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AppKey, ProcessId};

/// A target as it was typed, with what is needed to resolve it. The table decides what it means (see there for
/// the order in which a word is tried as name, script, namespace and id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The word.
    pub text: String,
    /// Where it was typed: `app.js` there selects the process that runs this file.
    pub cwd: PathBuf,
    /// What is meant, whatever other processes are called; the word is then for messages alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
}

/// A selection that a program makes from what it knows. A typed word may mean several things: a number selects an app of
/// that name before the process with that id, `all` every app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exact {
    /// The process with this id.
    Id(ProcessId),
    /// The processes of the apps with this name: in this namespace, or in any.
    App {
        /// The name, letter by letter.
        name: String,
        /// The namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    },
}

/// The form of a selector's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// What a program selected.
    Exactly(&'a Exact),
    /// `all`: every process.
    All,
    /// `/api-.*/`: names that match.
    Regex(&'a str),
    /// A number: an id, unless something is called that.
    Number(u32),
    /// Anything else: a name, a script, a namespace.
    Word(&'a str),
}

impl Selector {
    /// `text` typed at `cwd`.
    pub fn new(text: impl Into<String>, cwd: impl Into<PathBuf>) -> Self {
        Self { text: text.into(), cwd: cwd.into(), exact: None }
    }

    /// The process with this id.
    pub fn of_id(id: ProcessId) -> Self {
        Self { text: id.to_string(), cwd: PathBuf::new(), exact: Some(Exact::Id(id)) }
    }

    /// The processes of the apps with this name, in any namespace.
    pub fn of_app(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { text: name.clone(), cwd: PathBuf::new(), exact: Some(Exact::App { name, namespace: None }) }
    }

    /// The processes of this app.
    pub fn of_key(app: AppKey) -> Self {
        let AppKey { namespace, name } = app;
        Self {
            text: name.clone(),
            cwd: PathBuf::new(),
            exact: Some(Exact::App { name, namespace: Some(namespace) }),
        }
    }

    /// What kind of word it is.
    pub fn form(&self) -> Form<'_> {
        if let Some(exact) = &self.exact {
            return Form::Exactly(exact);
        }
        let text = self.text.as_str();
        if text == "all" {
            return Form::All;
        }
        if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return Form::Regex(pattern);
        }
        match text.parse() {
            Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Form::Number(number),
            _ => Form::Word(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_form() {
        let form = |text: &str| format!("{:?}", Selector::new(text, "/").form());
        assert_eq!(form("all"), "All");
        assert_eq!(form("/^a/"), "Regex(\"^a\")");
        assert_eq!(form("//"), "Regex(\"\")");
        assert_eq!(form("/"), "Word(\"/\")");
        assert_eq!(form("12"), "Number(12)");
        assert_eq!(form("+1"), "Word(\"+1\")");
        assert_eq!(form("99999999999"), "Word(\"99999999999\")");
        assert_eq!(form("api"), "Word(\"api\")");
    }
}
