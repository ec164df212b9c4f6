//! Secrets, and texts without them.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use base64::{Engine, prelude::BASE64_STANDARD};

/// What stands in a secret's place.
const MASK: &str = "***";

/// All that must not be shown.
#[derive(Debug, Default)]
pub(super) struct Masks(RwLock<Vec<String>>);

impl Masks {
    /// Hides a value from now on: as it is, line by line, and in the usual encodings.
    pub(super) fn add(&self, secret: &str) {
        let mut hidden = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let json = serde_json::Value::from(secret).to_string();
        let json = json.trim_matches('"').to_owned();
        let forms = [secret.to_owned(), json, BASE64_STANDARD.encode(secret), uri(secret)];
        let lines = secret.lines().map(|line| line.trim().to_owned());
        for form in forms.into_iter().chain(lines) {
            if !form.trim().is_empty() && !hidden.contains(&form) {
                hidden.push(form);
            }
        }
        // A secret that is part of another comes after it.
        hidden.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// A text without secrets.
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hidden = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in hidden.iter() {
            if text.contains(secret) {
                text = text.replace(secret, MASK).into();
            }
        }
        text
    }

    /// Whether a text holds a secret.
    pub(super) fn holds(&self, text: &str) -> bool {
        matches!(self.hide(text), Cow::Owned(_))
    }
}

fn uri(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_every_form() {
        let masks = Masks::default();
        masks.add("hunter2");
        masks.add("hunter2 and more");
        masks.add("line one\n  line two\n");
        masks.add("  ");
        masks.add("a\"b c");
        for (text, hidden) in [
            ("x hunter2 y hunter2", "x *** y ***"),
            ("hunter2 and more", "***"),
            ("line two", "***"),
            ("aHVudGVyMg==", "***"),
            (r#"{"k": "a\"b c"}"#, r#"{"k": "***"}"#),
            ("q=a%22b%20c", "q=***"),
            ("   nothing", "   nothing"),
        ] {
            assert_eq!(masks.hide(text), hidden);
        }
        assert!(masks.holds("=hunter2=") && !masks.holds("hunter"));
    }
}
