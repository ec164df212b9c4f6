//! Names that people give, made safe for paths and terminals.

use std::{borrow::Cow, fmt::Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{AppSpec, Persona};

/// Longest stem that leaves room for a suffix within the 255 bytes of a file name.
const MAX_STEM: usize = 200;

/// Bytes of the hash that tells long names apart.
const HASH_BYTES: usize = 8;

/// How the files of an app are named: its logs and pid files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// As PM2 names them; different apps may share a file. The default, because apps of earlier versions keep their
    /// files.
    #[default]
    Pm2,
    /// By the name, in which letters and digits of any script stand for themselves and other characters are replaced.
    Plain,
    /// By the namespace and the name, with nothing lost: another app has the file of the plain name.
    Exact,
}

impl Naming {
    /// What holds for an app that is new under `persona`: scripts and tools that expect PM2 find its paths.
    pub fn of_new(persona: Persona) -> Self {
        if persona == Persona::Rpm { Self::Plain } else { Self::Pm2 }
    }

    /// Whether apps of earlier versions have it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The part of a file name that stands for `app`.
    pub fn stem(self, app: &AppSpec) -> String {
        match self {
            Self::Pm2 => file_stem(&app.name),
            Self::Plain => plain_stem(&app.name),
            Self::Exact => exact_stem(&app.namespace, &app.name),
        }
    }
}

/// The part of a file name that stands for an app, readable in any script: letters, digits, `.`, `-` and `\` stand for
/// themselves, other characters become `-`.
pub fn plain_stem(name: &str) -> String {
    let mut stem = String::new();
    for c in name.chars() {
        let is_plain = if c.is_ascii() {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '\\')
        } else {
            is_word(c)
        };
        let c = if is_plain { c } else { '-' };
        if stem.len() + c.len_utf8() > MAX_STEM {
            break;
        }
        stem.push(c);
    }
    stem
}

/// The part of a file name that stands for the app `name` in `namespace` and for no other app: `a%20b@default`. Where that
/// is too long, a hash of both takes the place of the end. No plain stem has an `@`.
fn exact_stem(namespace: &str, name: &str) -> String {
    let mut stem = String::new();
    escape(name, &mut stem);
    stem.push('@');
    escape(namespace, &mut stem);
    if stem.len() > MAX_STEM {
        let hash = Sha256::new().chain_update(name).chain_update([0]).chain_update(namespace).finalize();
        let mut end = MAX_STEM - 2 - 2 * HASH_BYTES;
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        stem.truncate(end);
        stem.push_str("~@");
        for byte in hash.iter().take(HASH_BYTES) {
            // Writing to a String cannot fail.
            let _ = write!(stem, "{byte:02x}");
        }
    }
    stem
}

/// Whether a character beyond ASCII stands for itself: all but spaces and what acts on a terminal.
fn is_word(c: char) -> bool {
    !c.is_whitespace() && !is_unprintable(c)
}

fn escape(text: &str, stem: &mut String) {
    let mut bytes = [0; 4];
    for c in text.chars() {
        let is_plain = match c {
            '.' | '-' | '_' => true,
            c if c.is_ascii() => c.is_ascii_alphanumeric(),
            c => is_word(c),
        };
        if is_plain {
            stem.push(c);
        } else {
            stem.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
}

/// The part of a file name that stands for an app in PM2.
///
/// As in PM2 every character outside `[a-zA-Z0-9.\-\\]` becomes `-` (underscores too), so that no name reaches
/// another directory or breaks a shell line.
pub fn file_stem(app: &str) -> String {
    app.chars()
        .take(MAX_STEM)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '\\') { c } else { '-' })
        .collect()
}

/// `text` as it may be shown on a terminal: control characters are written out (`\u{1b}`), because a name is
/// foreign text and an escape sequence in it could rewrite the screen.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// JSON as it may be shown on a terminal, with the same value: characters that [`printable`] writes out are escaped. What
/// serialises JSON does so with the first 32 alone.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if is_hidden(c) {
            // Writing to a String cannot fail. All of them are single units of UTF-16.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Such a character within a text of JSON; line breaks and the like stand between its tokens.
fn is_hidden(c: char) -> bool {
    !c.is_ascii_control() && is_unprintable(c) || c == '\u{7f}'
}

/// Controls, and the marks that reorder the text around them.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_plain_and_short() {
        assert_eq!(file_stem("late_one"), "late-one");
        assert_eq!(file_stem("api v1.2/ü"), "api-v1.2--");
        assert_eq!(file_stem(&"x".repeat(1000)).len(), MAX_STEM);
    }

    #[test]
    fn letters_of_any_script_stay() {
        for (name, stem) in [
            ("日本", "日本"),
            ("ünï", "ünï"),
            ("हिन्दी", "हिन्दी"),
            ("a_b c/d", "a-b-c-d"),
            ("a\u{202e}", "a-"),
        ] {
            assert_eq!(plain_stem(name), stem);
        }
        assert!(plain_stem(&"长".repeat(1000)).len() <= MAX_STEM);
    }

    #[test]
    fn no_two_apps_share_an_exact_stem() {
        let long = "长".repeat(1000);
        for (namespace, name, stem) in [
            ("default", "a b", "a%20b@default"),
            ("default", "a-b", "a-b@default"),
            ("default", "a_b", "a_b@default"),
            ("web", "日本", "日本@web"),
            ("web", "a%20b", "a%2520b@web"),
            ("a/b", "x@y", "x%40y@a%2Fb"),
        ] {
            assert_eq!(exact_stem(namespace, name), stem);
        }
        let stems =
            [exact_stem("default", &long), exact_stem("x", &long), exact_stem("default", &(long + "!"))];
        assert!(stems.iter().all(|stem| stem.len() <= MAX_STEM), "{stems:?}");
        assert!(stems[0] != stems[1] && stems[0] != stems[2] && stems[1] != stems[2], "{stems:?}");
    }

    #[test]
    fn json_keeps_its_value_and_loses_its_escapes() {
        let text = "{\n\"a\":\"\u{9b}2J\u{7f}\u{202e}ü\"}\n";
        let shown = printable_json(text);
        assert_eq!(shown, "{\n\"a\":\"\\u009b2J\\u007f\\u202eü\"}\n");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(text));
    }

    #[test]
    fn escapes_never_reach_the_terminal() {
        assert_eq!(printable("plain ✓"), "plain ✓");
        assert_eq!(printable("a\x1b[2Jb\n\u{202e}"), "a\\u{1b}[2Jb\\u{a}\\u{202e}");
    }
}
