//! Secrets never reach a log, a report or a screen.

use regex_lite::Regex;
use rpm_core::{Redactor, secret};

/// What stands in their place.
const MASK: &str = "***";

/// Shorter values would blank out ordinary words.
const SHORTEST: usize = 6;

/// Tokens by their form: of GitHub, of Netlify, in URLs of build hooks, after `Bearer`, before the host of a URL.
const FORMS: &str = "\\b(?:gh[pousr]_[A-Za-z0-9]{10,}|github_pat_[A-Za-z0-9_]{10,}|nfp_[A-Za-z0-9]{10,})\
                     |(?P<before>build_hooks/|Bearer )[^/\\s@\"']+\
                     |(?P<user>://[^/\\s:@]+:)[^/\\s@]+(?P<host>@)";

/// Knows what is secret.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    values: Redactor,
    forms: Option<Regex>,
}

impl Mask {
    /// With the values of the environment's secrets, and others.
    pub(crate) fn new(
        environment: impl Iterator<Item = (String, String)>,
        others: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut values = Redactor::new(SHORTEST);
        for (name, value) in environment {
            if secret::names_secret(&name) {
                values.add(&value);
            }
            if let Some(password) = secret::url_password(&value) {
                values.add(password);
            }
        }
        others.into_iter().for_each(|other| values.add(&other));
        Self { values, forms: Regex::new(FORMS).ok() }
    }

    /// The text without them.
    pub(crate) fn masked(&self, text: &str) -> String {
        let text = self.values.redact(text);
        match &self.forms {
            Some(forms) => {
                forms.replace_all(&text, format!("${{before}}${{user}}{MASK}${{host}}")).into_owned()
            }
            None => text.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let env = [
            ("MY_TOKEN", "s3cretvalue"),
            ("HOME", "/home/me"),
            ("A_SECRET", "x"),
            ("DB", "pg://me:pa55word@db/"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Mask::new(env, ["s3cretvalue-and-more".to_owned()]).masked(text)
    }

    #[test]
    fn values_of_the_environment_are_masked() {
        assert_eq!(masked("a s3cretvalue b s3cretvalue-and-more c /home/me x"), "a *** b *** c /home/me x");
    }

    #[test]
    fn passwords_of_urls_and_encoded_values_are_masked() {
        assert_eq!(masked("the password pa55word"), "the password ***");
        // `me:s3cretvalue`
        assert_eq!(masked("Authorization: Basic bWU6czNjcmV0dmFsdWU="), "Authorization: Basic bWU6***");
    }

    #[test]
    fn tokens_are_known_by_their_form() {
        assert_eq!(masked("token ghp_0123456789abcdef!"), "token ***!");
        assert_eq!(
            masked("POST https://api.netlify.com/build_hooks/5f00ba answered 404"),
            "POST https://api.netlify.com/build_hooks/*** answered 404"
        );
        assert_eq!(
            masked("https://me:pass@host/x and Bearer abc.def"),
            "https://me:***@host/x and Bearer ***"
        );
        assert_eq!(masked("http://host:80/path is no secret"), "http://host:80/path is no secret");
    }
}
