//! Secrets never reach a log, a report or a screen.

use regex_lite::Regex;

/// What stands in their place.
const MASK: &str = "***";

/// Shorter values would blank out ordinary words.
const SHORTEST: usize = 6;

/// Tokens by their form: of GitHub, of Netlify, in URLs of build hooks, after `Bearer`, before the host of a URL.
const FORMS: &str = "\\b(?:gh[pousr]_[A-Za-z0-9]{10,}|github_pat_[A-Za-z0-9_]{10,}|nfp_[A-Za-z0-9]{10,})\
                     |(?P<before>build_hooks/|Bearer )[^/\\s@\"']+\
                     |(?P<user>://[^/\\s:@]+:)[^/\\s@]+(?P<host>@)";

/// Parts of names of environment variables whose values are secret.
const NAMES: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "HOOK"];

/// Knows what is secret.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    /// Longest first: one may be part of another.
    values: Vec<String>,
    forms: Option<Regex>,
}

impl Mask {
    /// With the values of the environment's secrets, and others.
    pub(crate) fn new(
        environment: impl Iterator<Item = (String, String)>,
        others: impl IntoIterator<Item = String>,
    ) -> Self {
        let is_secret = |(name, value): (String, String)| {
            let name = name.to_uppercase();
            NAMES.iter().any(|part| name.contains(part)).then_some(value)
        };
        let mut values: Vec<_> = environment.filter_map(is_secret).chain(others).collect();
        values.retain(|value| value.len() >= SHORTEST);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values, forms: Regex::new(FORMS).ok() }
    }

    /// The text without them.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), MASK);
            }
        }
        match &self.forms {
            Some(forms) => {
                forms.replace_all(&text, format!("${{before}}${{user}}{MASK}${{host}}")).into_owned()
            }
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let env = [("MY_TOKEN", "s3cretvalue"), ("HOME", "/home/me"), ("A_SECRET", "x")];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Mask::new(env, ["s3cretvalue-and-more".to_owned()]).masked(text)
    }

    #[test]
    fn values_of_the_environment_are_masked() {
        assert_eq!(masked("a s3cretvalue b s3cretvalue-and-more c /home/me x"), "a *** b *** c /home/me x");
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
