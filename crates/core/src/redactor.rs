//! Text without secrets.

use std::{borrow::Cow, cmp::Reverse};

use base64::{Engine, prelude::BASE64_STANDARD};

/// Stands in a secret's place.
const MASK: &str = "***";

/// Shorter pieces of Base64 occur by chance.
const SHORTEST_PIECE: usize = 4;

/// Secrets in all the forms in which they may appear in a text.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Longest first: one form may be part of another.
    forms: Vec<String>,
    /// Shorter forms are left alone.
    shortest: usize,
}

impl Redactor {
    /// Ignores secrets, and lines of secrets, shorter than `shortest` bytes: they would blank out ordinary words.
    pub fn new(shortest: usize) -> Self {
        Self { forms: Vec::new(), shortest }
    }

    /// Hides a secret from now on: the whole and each of its lines, as they are, and as JSON, URI and Base64 text. In
    /// Base64 it is found even where other bytes stand before and behind it, as the name does in a Basic auth header.
    pub fn add(&mut self, secret: &str) {
        let parts = [secret, secret.trim()].into_iter().chain(secret.lines().map(str::trim));
        for part in parts.filter(|part| part.len() >= self.shortest) {
            let json = serde_json::Value::from(part).to_string();
            let json = json.trim_matches('"').to_owned();
            let forms = [part.to_owned(), json, uri(part)].into_iter().chain(base64(part.as_bytes()));
            for form in forms.filter(|form| !form.trim().is_empty()) {
                if !self.forms.contains(&form) {
                    self.forms.push(form);
                }
            }
        }
        self.forms.sort_by_key(|form| Reverse(form.len()));
    }

    /// A text without secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for form in &self.forms {
            if text.contains(form) {
                text = text.replace(form, MASK).into();
            }
        }
        text
    }
}

fn uri(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The whole in Base64, and the characters that depend on nothing but the secret when 0, 1 or 2 bytes stand before it
/// in its group of three; in both alphabets.
fn base64(secret: &[u8]) -> impl Iterator<Item = String> {
    let piece = |before: usize| {
        let text = BASE64_STANDARD.encode([vec![0; before], secret.to_vec()].concat());
        let (first, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        text.get(first..end).unwrap_or_default().to_owned()
    };
    let pieces = (0..3).map(piece).filter(|piece| piece.len() >= SHORTEST_PIECE);
    let standard: Vec<_> = [BASE64_STANDARD.encode(secret)].into_iter().chain(pieces).collect();
    standard.into_iter().flat_map(|text| {
        let for_urls = text.replace('+', "-").replace('/', "_");
        [text, for_urls]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_hidden_in_every_form() {
        let mut redactor = Redactor::default();
        for secret in ["hunter2", "hunter2 and more", "line one\n  line two\n", "  ", "a\"b c"] {
            redactor.add(secret);
        }
        for (text, hidden) in [
            ("x hunter2 y hunter2", "x *** y ***"),
            ("hunter2 and more", "***"),
            ("line two", "***"),
            ("aHVudGVyMg==", "***"),
            (r#"{"k": "a\"b c"}"#, r#"{"k": "***"}"#),
            ("q=a%22b%20c", "q=***"),
            ("   nothing", "   nothing"),
        ] {
            assert_eq!(redactor.redact(text), hidden);
        }
    }

    #[test]
    fn a_basic_auth_header_is_hidden_whatever_the_length_of_the_name() {
        let mut redactor = Redactor::default();
        redactor.add("correct horse");
        for name in ["", "a", "ab", "abc", "octocat"] {
            let header = BASE64_STANDARD.encode(format!("{name}:correct horse"));
            let shown = redactor.redact(&header);
            // At each end one character may hold bits of the secret and bits of its neighbour.
            let kept = shown.replace(MASK, "").len();
            let others = BASE64_STANDARD.encode(format!("{name}:")).len();
            assert!(shown.contains(MASK) && kept <= others + 3, "{name}: {header} {shown}");
        }
    }

    #[test]
    fn short_secrets_are_left_alone_where_asked() {
        let mut redactor = Redactor::new(6);
        redactor.add("x");
        redactor.add("{\n  long enough\n}");
        assert_eq!(redactor.redact("{ x } long enough"), "{ x } ***");
    }

    proptest! {
        #[test]
        fn base64_is_found_between_any_bytes(
            before in proptest::collection::vec(any::<u8>(), 0..7),
            secret in "[!-~]{8,20}",
            after in proptest::collection::vec(any::<u8>(), 0..7),
        ) {
            let mut redactor = Redactor::default();
            redactor.add(&secret);
            let bytes = [before, secret.as_bytes().to_vec(), after].concat();
            let text = BASE64_STANDARD.encode(&bytes);
            prop_assert!(redactor.redact(&text).contains(MASK), "{text}");
            let for_urls = text.replace('+', "-").replace('/', "_");
            prop_assert!(redactor.redact(&for_urls).contains(MASK), "{for_urls}");
        }
    }
}
