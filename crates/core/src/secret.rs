//! Variables that must not be shown: those that an app declares as secret, and those whose names say it.

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

/// Parts of names that mark a secret wherever they occur.
const PARTS: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "HOOK", "PRIVATE"];

/// Words of names that mark a secret. `KEY` also counts at the end of a word, as in `APIKEY`.
const WORDS: [&str; 13] = [
    "KEY",
    "KEYFILE",
    "PASS",
    "PGPASS",
    "PAT",
    "JWT",
    "BEARER",
    "COOKIE",
    "AUTHORIZATION",
    "DSN",
    "SALT",
    "CREDS",
    "SIGNING",
];

/// Ends of names that mark a secret only behind another word: `PWD` alone is the working directory.
const ENDS: [&str; 4] = ["_PWD", "_AUTH", "_AUTH_CONFIG", "_CONNECTION_STRING"];

/// Settings of git in variables: a header with a password may be among them, and git needs all of them or none.
const GIT_SETTINGS: &str = "GIT_CONFIG_";

/// The one variable of that prefix which names a file.
const GIT_FILES: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Whether the value of a variable with this name is likely to be a secret. This is the only list of such names: masks
/// of logs, checks that run code, and copies of the environment for code that must not have secrets all use it.
pub fn names_secret(name: &str) -> bool {
    let words = words(name);
    let upper = words.join("_");
    if PARTS.iter().any(|part| upper.contains(part)) || ENDS.iter().any(|end| upper.ends_with(end)) {
        return true;
    }
    let is_git_setting = upper.starts_with(GIT_SETTINGS) && !GIT_FILES.contains(&upper.as_str());
    let is_word = |word: &String| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let single = word.strip_suffix('S').unwrap_or(word);
        WORDS.contains(&word) || WORDS.contains(&single) || single.ends_with("KEY")
    };
    is_git_setting || words.iter().any(is_word)
}

/// The words of a name in capital letters: `api_key`, `apiKey` and `API-KEY` have the same ones.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let ends = !c.is_alphanumeric() || (was_lower && c.is_uppercase());
        was_lower = c.is_lowercase();
        match words.last_mut() {
            Some(word) if !ends => word.extend(c.to_uppercase()),
            _ => words.push(c.to_uppercase().filter(|c| c.is_alphanumeric()).collect()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The password of a URL such as `postgres://user:password@host/`.
pub fn url_password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // An `@` in a password is written as it is more often than it is escaped.
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// Whether the value of a variable is likely to be a secret, by the variable's name or by the value itself.
pub fn is_secret(name: &str, value: &str) -> bool {
    names_secret(name) || url_password(value).is_some()
}

/// An environment without what is likely to be secret.
pub fn without_secrets(env: &Env) -> Env {
    let plain = env.iter().filter(|(name, value)| !is_secret(name, value));
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "TOKEN",
            "GITHUB_TOKEN",
            "npm_config__authToken",
            "MY_SECRET",
            "client-secret",
            "KEY",
            "API_KEY",
            "APIKEY",
            "apiKey",
            "AWS_ACCESS_KEY_ID",
            "KEY2",
            "SSH_KEYS",
            "STRIPE_KEY_1",
            "DB_PASSWORD",
            "PGPASSWORD",
            "DB_PASS",
            "MYSQL_PWD",
            "NETLIFY_BUILD_HOOK_URL",
            "SLACK_WEBHOOK",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "SENTRY_DSN",
            "GH_PAT",
            "NPM_AUTH",
            "DOCKER_AUTH_CONFIG",
            "GIT_CONFIG_KEY_0",
            "GIT_CONFIG_VALUE_0",
            "GIT_CONFIG_COUNT",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "PWD",
            "OLDPWD",
            "KEYBOARD",
            "XKB_KEYMAP",
            "SSH_AUTH_SOCK",
            "GIT_ASKPASS",
            "COMPASS",
            "NODE_ENV",
            "GIT_CONFIG_GLOBAL",
            "PATTERN",
            "",
            "_",
            "AUTHOR",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_secret_whatever_its_variable_is_called() {
        for (url, password) in [
            ("postgres://me:p@ss@db:5432/x", Some("p@ss")),
            ("https://:x@host", Some("x")),
            ("https://me@host/a:b@c", None),
            ("http://host:80/x@y", None),
            ("plain", None),
        ] {
            assert_eq!(url_password(url), password, "{url}");
        }
        let env = [("DATABASE_URL", "redis://:x1@h"), ("A_TOKEN", "t"), ("PORT", "80")];
        let env: Env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(without_secrets(&env).keys().collect::<Vec<_>>(), ["PORT"]);
    }

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
