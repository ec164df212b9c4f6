//! What a verb acts on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A target as it was typed, with what is needed to resolve it. The table decides what it means (see there for
/// the order in which a word is tried as name, script, namespace and id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The word.
    pub text: String,
    /// Where it was typed: `app.js` there selects the process that runs this file.
    pub cwd: PathBuf,
}

/// The form of a selector's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form<'a> {
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
        Self { text: text.into(), cwd: cwd.into() }
    }

    /// What kind of word it is.
    pub fn form(&self) -> Form<'_> {
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
