//! Which variables nobody is to see.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Env;

/// What stands for a value that is not shown.
pub const MASK: &str = "********";

/// Names of variables, in which `*` stands for any characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(pub Vec<Secret>);

/// A name, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(String);

/// A text that is no pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a variable, in which * stands for any characters, found {0:?}")]
pub struct BadSecret(String);

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let is_wrong = |c: char| c == '=' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text.contains(is_wrong) {
            return Err(BadSecret(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Secret {
    type Error = BadSecret;

    fn try_from(text: String) -> Result<Self, BadSecret> {
        text.parse()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl Secret {
    /// Whether it means `name`.
    fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The earliest place leaves the most for those that follow.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl Secrets {
    /// Whether the value of `name` is not to be seen.
    pub fn hide(&self, name: &str) -> bool {
        self.0.iter().any(|secret| secret.matches(name))
    }

    /// Puts [`MASK`] in place of what is not to be seen.
    pub fn mask(&self, env: &mut Env) {
        let names: Vec<String> = env.keys().filter(|name| self.hide(name)).cloned().collect();
        for name in names {
            env.set(name, MASK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, names, others) in [
            ("KEY", &["KEY"][..], &["KEY2", "MYKEY", "key", ""][..]),
            ("*_TOKEN", &["A_TOKEN", "_TOKEN"], &["TOKEN", "A_TOKEN_X"]),
            ("DB_*", &["DB_", "DB_PASS"], &["XDB_PASS"]),
            ("*PASS*", &["PASS", "MY_PASSWORD"], &["PAS"]),
            ("A*B*C", &["ABC", "AxBxBxC"], &["AB", "ACB", "AC"]),
            ("AB*BA", &["ABBA", "ABxBA"], &["ABA"]),
            ("*", &["", "X"], &[]),
        ] {
            let secret: Secret = pattern.parse().unwrap();
            for name in names {
                assert!(secret.matches(name), "{pattern} {name}");
            }
            for other in others {
                assert!(!secret.matches(other), "{pattern} {other}");
            }
        }
        for bad in ["", "A=B", "A B", "A\n"] {
            assert!(bad.parse::<Secret>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_masked_says_nothing_of_its_length() {
        let mut env = Env::default();
        env.set("A_TOKEN", "x");
        env.set("B", "y");
        Secrets(vec!["*_TOKEN".parse().unwrap()]).mask(&mut env);
        assert_eq!((env["A_TOKEN"].as_str(), env["B"].as_str()), (MASK, "y"));
    }
}
