//! Templates: `{name}` stands for a value, every other brace for itself.

/// How a text has to be written so that it means itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// In a unit file of systemd.
    Systemd,
    /// In a shell script.
    Shell,
    /// In an XML document.
    Xml,
}

impl Quote {
    /// `text` in this form; `None` if it cannot be said.
    pub(super) fn quote(self, text: &str) -> Option<String> {
        if text.chars().any(char::is_control) {
            return None;
        }
        Some(match self {
            Self::Systemd => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
                // `$` is a variable in a command line, and itself in an assignment.
                let escaped = if text.starts_with('/') { escaped.replace('$', "$$") } else { escaped };
                if escaped.contains([' ', '"', '\'', '\\', ';']) { format!("\"{escaped}\"") } else { escaped }
            }
            Self::Shell => format!("'{}'", text.replace('\'', "'\\''")),
            Self::Xml => {
                text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
            }
        })
    }

    /// A path that stands for itself up to the end of the line.
    pub(super) fn bare(self, text: &str) -> String {
        match self {
            Self::Systemd => text.replace('%', "%%"),
            Self::Shell | Self::Xml => text.to_owned(),
        }
    }
}

/// `template` with its names replaced. What a value holds is not looked at again.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = values.iter().find_map(|(name, value)| {
            let after = rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
            Some((after, value))
        });
        match known {
            Some((after, value)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_once_and_other_braces_stay() {
        assert_eq!(fill("{a} ${b} {c {a}{b}}", &[("a", "{b}"), ("b", "x")]), "{b} $x {c {b}x}");
    }

    #[test]
    fn texts_mean_themselves() {
        assert_eq!(Quote::Shell.quote("it's").unwrap(), "'it'\\''s'");
        assert_eq!(Quote::Systemd.quote("/plain").unwrap(), "/plain");
        assert_eq!(Quote::Systemd.quote("/a b/$x/5%").unwrap(), "\"/a b/$$x/5%%\"");
        assert_eq!(Quote::Systemd.quote("PATH=/a:$b\"").unwrap(), "\"PATH=/a:$b\\\"\"");
        assert_eq!(Quote::Xml.quote("<&>").unwrap(), "&lt;&amp;&gt;");
        assert_eq!(Quote::Shell.quote("a\nb"), None);
    }
}
