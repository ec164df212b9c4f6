//! Files of environment variables, as `.env` files are written: `NAME=value`, a line each.
//!
//! Comments, `export`, blanks and quotes are as in a shell: in single quotes and in backquotes everything stands for
//! itself, in double quotes there are escapes, and all may go over several lines. Elsewhere `${NAME}` refers to a variable
//! (see [`crate::expand`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::expand::{Template, is_name_char};

/// A file whose variables an app gets. It is read at each start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct EnvFile {
    /// Absolute, once the app was checked.
    pub path: PathBuf,
    /// Whether the app cannot be started without it.
    pub required: bool,
    /// Whether it is read as npm's `dotenv` reads it ([`crate::dotenv`]): without references, and without what cannot be
    /// read.
    pub dotenv: bool,
}

/// Several of them, in order: a later one wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvFiles(pub Vec<EnvFile>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Path(PathBuf),
    Table {
        path: PathBuf,
        required: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dotenv: bool,
    },
}

impl From<Written> for EnvFile {
    fn from(written: Written) -> Self {
        match written {
            Written::Path(path) => Self { path, required: true, dotenv: false },
            Written::Table { path, required, dotenv } => Self { path, required, dotenv },
        }
    }
}

impl From<EnvFile> for Written {
    fn from(file: EnvFile) -> Self {
        match file {
            EnvFile { path, required: true, dotenv: false } => Self::Path(path),
            EnvFile { path, required, dotenv } => Self::Table { path, required, dotenv },
        }
    }
}

/// One variable of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, which may refer to others.
    pub value: Template,
}

/// What is wrong with a file. It shows no value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct BadEnvFile {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    what: String,
}

/// The variables of a file, in order; a name may be there twice.
pub fn parse(text: &str) -> Result<Vec<Variable>, BadEnvFile> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(wrong(text, at, "expected text without NUL characters"));
    }
    let mut variables = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
        } else if rest.starts_with('#') {
            at += line_length(rest);
        } else {
            let (variable, end) = variable(text, at)?;
            variables.push(variable);
            at = end;
        }
    }
    Ok(variables)
}

/// Bytes up to the end of the line.
fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

fn wrong(text: &str, at: usize, what: impl Into<String>) -> BadEnvFile {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    BadEnvFile {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        what: what.into(),
    }
}

/// The variable that begins at `start`, and where what follows it begins.
fn variable(text: &str, start: usize) -> Result<(Variable, usize), BadEnvFile> {
    let rest = &text[start..];
    let after_export = rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let named = after_export.map_or(rest, |rest| rest.trim_start_matches([' ', '\t']));
    let at = start + (rest.len() - named.len());
    let is_name = |c: char| is_name_char(c) || c == '.' || c == '-';
    let length = named.find(|c| !is_name(c)).unwrap_or(named.len());
    let name = &named[..length];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong(text, at, "expected NAME=value, a comment after #, or nothing"));
    }
    let after = &named[length..];
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    if !after[blanks..].starts_with('=') {
        return Err(wrong(text, at + length, "expected = after the name of a variable"));
    }
    let at = at + length + blanks + 1;
    let value = &text[at..];
    let at = at + (value.len() - value.trim_start_matches([' ', '\t']).len());
    let (value, end) = match text[at..].chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => quoted(text, at, quote, name)?,
        _ => plain(text, at)?,
    };
    Ok((Variable { name: name.to_owned(), value }, end))
}

/// A value without quotes: to the end of the line, or to a comment that comes after a blank.
fn plain(text: &str, at: usize) -> Result<(Template, usize), BadEnvFile> {
    let line = &text[at..at + line_length(&text[at..])];
    let comment =
        line.char_indices().find(|&(i, c)| c == '#' && (i == 0 || line[..i].ends_with([' ', '\t'])));
    let value = comment.map_or(line, |(i, _)| &line[..i]).trim_end();
    let template = Template::parse(value).map_err(|error| wrong(text, at + error.at, error.to_string()))?;
    Ok((template, at + line.len()))
}

/// A value in quotes, of which the first is at `open`.
fn quoted(text: &str, open: usize, quote: char, name: &str) -> Result<(Template, usize), BadEnvFile> {
    // What the template is made of, and for each of its bytes where it stands.
    let mut inner = String::new();
    let mut places = Vec::new();
    let mut chars = text[open + 1..].char_indices();
    let close = loop {
        let Some((i, c)) = chars.next() else {
            return Err(wrong(text, open, format!("the quote that begins the value of {name} does not end")));
        };
        let at = open + 1 + i;
        let mut put = |what: &str| {
            inner.push_str(what);
            places.resize(inner.len(), at);
        };
        match c {
            c if c == quote => break at,
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => put("\n"),
                Some((_, 'r')) => put("\r"),
                Some((_, 't')) => put("\t"),
                // For the template.
                Some((_, '$')) => put("$$"),
                Some((_, c @ ('"' | '\\'))) => put(c.encode_utf8(&mut [0; 4])),
                // As in a shell, it stands for itself.
                Some((_, c)) => put(&format!("\\{c}")),
                None => {}
            },
            // As editors of other systems end lines.
            '\r' if text[at..].starts_with("\r\n") => {}
            c => put(c.encode_utf8(&mut [0; 4])),
        }
    };
    let template = if quote == '"' {
        Template::parse(&inner)
            .map_err(|error| wrong(text, places.get(error.at).copied().unwrap_or(open), error.to_string()))?
    } else {
        Template::literal(inner)
    };
    let after = close + 1;
    let line = &text[after..after + line_length(&text[after..])];
    let rest = line.trim();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(wrong(text, after, format!("expected nothing but a comment after the value of {name}")));
    }
    Ok((template, after + line.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let variables = parse(text).map_err(|error| error.to_string())?;
        let mut value = |name: &str| (name == "A").then(|| "1".to_owned());
        variables
            .into_iter()
            .map(|variable| Ok((variable.name, variable.value.fill(&mut value).map_err(|e| e.to_string())?)))
            .collect()
    }

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        for (line, expected) in [
            ("X=", ""),
            ("X=1", "1"),
            ("  export\tX = a b  ", "a b"),
            ("X=a#b # comment", "a#b"),
            ("X=# comment", ""),
            ("X=${A}/$$/$x/${B:-2}", "1/$/$x/2"),
            ("X='${A} \"it\" # \\n' # comment", "${A} \"it\" # \\n"),
            ("X=\"${A}\\n\\t\\\"\\\\\\$\\${A}\\x\"", "1\n\t\"\\$${A}\\x"),
            ("X=\"two\r\nlines\"\r\n", "two\nlines"),
            ("X='two\nlines'", "two\nlines"),
            ("X=`it's \"${A}\"\nhere` # comment", "it's \"${A}\"\nhere"),
            ("X=a\"b", "a\"b"),
            ("\u{feff}X=1\r\n", "1"),
        ] {
            assert_eq!(read(line).unwrap(), [("X".to_owned(), expected.to_owned())], "{line:?}");
        }
        let all = read("# one\n\nA.B-C=1 #x\n\n  # two\nexport Y=2\nY=3").unwrap();
        let names: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(names, ["A.B-C=1", "Y=2", "Y=3"]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_the_value() {
        for (text, reason) in [
            ("A=1\nhunter2", "2:8: expected = after the name"),
            ("=1", "1:1: expected NAME=value"),
            ("1A=1", "1:1: expected NAME=value"),
            ("\n export =1", "2:9: expected NAME=value"),
            ("A B=1", "1:2: expected = after the name"),
            ("A=\"x", "1:3: the quote that begins the value of A does not end"),
            ("A='x\ny", "1:3: the quote"),
            ("A=\"\\", "1:3: the quote"),
            ("A='x' hunter2", "1:6: expected nothing but a comment after the value of A"),
            ("A=ü${", "1:4: expected the name"),
            ("A=\"1\n\\\\2${B\"", "2:4: expected ${NAME}"),
            ("A=\0", "1:3: expected text without NUL"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_file_is_written_as_a_path_unless_more_is_said() {
        let files = EnvFiles(vec![
            EnvFile { path: "/a".into(), required: true, dotenv: false },
            EnvFile { path: "/b".into(), required: false, dotenv: false },
            EnvFile { path: "/c".into(), required: false, dotenv: true },
        ]);
        let json = serde_json::to_string(&files).unwrap();
        assert_eq!(
            json,
            r#"["/a",{"path":"/b","required":false},{"path":"/c","required":false,"dotenv":true}]"#
        );
        assert_eq!(serde_json::from_str::<EnvFiles>(&json).unwrap(), files);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[A-B =\"'\\\\$\\{\\}#\n\r:\\-ü]{0,40}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.line >= 1 && error.column >= 1);
            }
        }
    }
}
