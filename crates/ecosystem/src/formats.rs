//! The formats of ecosystem files: a line for each.

use std::{ffi::OsStr, path::Path};

use crate::{
    Caller, EnvChange, Problem, attributes::Dialect, javascript, node::Node, source::Source, toml, yaml,
};

struct Format {
    is_named: fn(&str) -> bool,
    parse: Parse,
}

/// What a file says.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) tree: Node,
    /// What its evaluation changed in the environment.
    pub(crate) env: EnvChange,
}

impl From<Node> for Parsed {
    fn from(tree: Node) -> Self {
        Self { tree, env: EnvChange::default() }
    }
}

/// From a text to what it says; or all that is wrong with it.
pub(crate) type Parse = fn(&Source, &Caller) -> Result<Parsed, Vec<Problem>>;

/// The word that stands for standard input, which says JSON.
pub(crate) const STANDARD_INPUT: &str = "-";

/// PM2 takes a file for a declaration when its path has one of these *anywhere*: `.json5` is one through `.json`.
static FORMATS: &[Format] = &[
    Format {
        is_named: |path| extension(path) == Some("toml"),
        parse: |source, _| toml::parse(source).map(Parsed::from),
    },
    Format {
        is_named: |path| path == STANDARD_INPUT || path.contains(".json"),
        parse: javascript::parse_json,
    },
    Format {
        is_named: |path| path.contains(".yml") || path.contains(".yaml"),
        parse: |source, _| yaml::parse(source).map(Parsed::from),
    },
    Format { is_named: is_javascript, parse: javascript::parse },
];

/// Whether the file at this path is evaluated: what it says depends on more than its text.
pub(crate) fn is_javascript(path: &str) -> bool {
    [".config.js", ".config.cjs", ".config.mjs"].iter().any(|mark| path.contains(mark))
}

/// The dialect of the file at this path.
pub(crate) fn dialect(path: &Path) -> Dialect {
    if extension(&path.to_string_lossy()) == Some("toml") { Dialect::Own } else { Dialect::Pm2 }
}

fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension().and_then(OsStr::to_str)
}

/// Whether a word on the command line names a file that declares apps, rather than a script or a process. `-` is
/// standard input.
pub fn is_ecosystem_file(word: &str) -> bool {
    FORMATS.iter().any(|format| (format.is_named)(word))
}

/// How the file at `path` is read.
pub(crate) fn parser(path: &Path) -> Result<Parse, Problem> {
    let shown = path.to_string_lossy();
    match FORMATS.iter().find(|format| (format.is_named)(&shown)) {
        Some(format) => Ok(format.parse),
        None => Err(Problem::error(format!(
            "File {shown} is no ecosystem file: expected a name such as ecosystem.toml"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for word in [
            "a.toml",
            "/x/process.json",
            "a.json5",
            "a.yml",
            "b.yaml",
            "ecosystem.config.js",
            "e.config.mjs",
            "a.json.bak",
            "-",
        ] {
            assert!(is_ecosystem_file(word), "{word}");
        }
        for word in ["eco.js", "app", "tomla", "a.toml.js", "config.js", ""] {
            assert!(!is_ecosystem_file(word), "{word}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let error = parser(Path::new("app.js")).unwrap_err();
        assert!(error.to_string().contains("no ecosystem file"));
    }
}
