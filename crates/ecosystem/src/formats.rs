//! The formats of ecosystem files: a line for each.

use std::{ffi::OsStr, path::Path};

use crate::{Problem, node::Node, source::Source, toml};

struct Format {
    name: &'static str,
    is_named: fn(&str) -> bool,
    /// `None`: known, not read by this version.
    parse: Option<Parse>,
}

type Parse = fn(&Source) -> Result<Node, Vec<Problem>>;

/// PM2 takes a file for a declaration when its path has one of these *anywhere*: `.json5` is one through `.json`.
static FORMATS: &[Format] = &[
    Format { name: "TOML", is_named: |path| extension(path) == Some("toml"), parse: Some(toml::parse) },
    Format { name: "JSON5", is_named: |path| path.contains(".json5"), parse: None },
    Format { name: "JSON", is_named: |path| path.contains(".json"), parse: None },
    Format { name: "YAML", is_named: |path| path.contains(".yml") || path.contains(".yaml"), parse: None },
    Format {
        name: "JavaScript",
        is_named: |path| [".config.js", ".config.cjs", ".config.mjs"].iter().any(|mark| path.contains(mark)),
        parse: None,
    },
];

fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension().and_then(OsStr::to_str)
}

/// Whether a word on the command line names a file that declares apps, rather than a script or a process.
pub fn is_ecosystem_file(word: &str) -> bool {
    FORMATS.iter().any(|format| (format.is_named)(word))
}

/// How the file at `path` is read.
pub(crate) fn parser(path: &Path) -> Result<Parse, Problem> {
    let shown = path.to_string_lossy();
    let Some(format) = FORMATS.iter().find(|format| (format.is_named)(&shown)) else {
        return Err(Problem::error(format!(
            "File {shown} is no ecosystem file: expected a name such as ecosystem.toml"
        )));
    };
    format.parse.ok_or_else(|| {
        Problem::error(format!(
            "File {shown} is {}, which this version does not read: expected a .toml file",
            format.name
        ))
    })
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
        ] {
            assert!(is_ecosystem_file(word), "{word}");
        }
        for word in ["eco.js", "app", "tomla", "a.toml.js", "config.js", ""] {
            assert!(!is_ecosystem_file(word), "{word}");
        }
    }

    #[test]
    fn a_format_that_is_not_read_is_named() {
        let told = |path: &str| parser(Path::new(path)).unwrap_err().to_string();
        assert!(told("a.json5").contains("JSON5"));
        assert!(told("process.json").contains("is JSON,"));
        assert!(told("a.config.cjs").contains("JavaScript"));
        assert!(told("app.js").contains("no ecosystem file"));
    }
}
