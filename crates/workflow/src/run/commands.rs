//! Workflow commands: lines of output that tell the runner something.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::collections::BTreeMap;

/// `::name key=value,key=value::data`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) data: String,
}

impl Command {
    /// The command that a line is, if it is one.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return None;
        }
        let properties = properties
            .split(',')
            .filter_map(|property| property.split_once('='))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.trim().to_owned(), unescaped(value, PROPERTY)))
            .collect();
        Some(Self { name: name.to_lowercase(), properties, data: unescaped(data, DATA) })
    }
}

const DATA: &[(&str, &str)] = &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
const PROPERTY: &[(&str, &str)] = &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];

fn unescaped(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_properties() {
        let command = Command::read("  ::error file=a.js,line=1,col=%2C2::a%0Ab%25::c").unwrap();
        assert_eq!((command.name.as_str(), command.data.as_str()), ("error", "a\nb%::c"));
        let properties: Vec<_> = command.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(properties, [("col", ",2"), ("file", "a.js"), ("line", "1")]);
        assert_eq!(Command::read("::set-output name=x::y").unwrap().properties["name"], "x");
        for line in ["", "a::b::c", "::no end", ":: x::y", "::::"] {
            assert_eq!(Command::read(line), None, "{line}");
        }
    }
}
