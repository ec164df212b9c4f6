//! Text with references to variables: `${NAME}`, `${NAME:-otherwise}`, and `$$` for a dollar sign.
//!
//! A dollar sign before anything else stands for itself, so that a password needs no care in most cases.

/// The longest text that references may grow to: the kernel's limit for one variable (`MAX_ARG_STRLEN`).
pub const MAX_LENGTH: usize = 128 << 10;

/// References may be nested so deep in what stands for a variable that is not set.
const MAX_DEPTH: usize = 16;

/// A text that was read. `Debug` keeps it to itself, because it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable {
        name: String,
        /// What stands for one that is not set, or empty.
        otherwise: Option<Template>,
    },
}

/// Why a text cannot be read. It does not show the text, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadTemplate {
    /// The byte at which it is wrong.
    pub at: usize,
    what: &'static str,
}

/// Why references cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfillable {
    /// A variable has no value, and nothing stands for it.
    #[error("${{{0}}} is not set: set it, or write ${{{0}:-}} if it may be empty")]
    Unset(String),
    /// It grows too long.
    #[error("with its references replaced it is longer than {MAX_LENGTH} bytes")]
    TooLong,
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut parser = Parser { text, at: 0 };
        parser.pieces(0)
    }

    /// Text that is taken as it is.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// The names that it refers to, also those that count only if another is not set.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in &self.0 {
            if let Piece::Variable { name, otherwise } = piece {
                names.push(name.as_str());
                names.extend(otherwise.iter().flat_map(Self::names));
            }
        }
        names
    }

    /// The text, with what `value` tells in place of each variable.
    pub fn fill(&self, value: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, Unfillable> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable { name, otherwise } => match (value(name), otherwise) {
                    (None, None) => return Err(Unfillable::Unset(name.clone())),
                    (Some(text), Some(otherwise)) if text.is_empty() => {
                        filled.push_str(&otherwise.fill(value)?);
                    }
                    (Some(text), _) => filled.push_str(&text),
                    (None, Some(otherwise)) => filled.push_str(&otherwise.fill(value)?),
                },
            }
            if filled.len() > MAX_LENGTH {
                return Err(Unfillable::TooLong);
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&self, at: usize, what: &'static str) -> Result<T, BadTemplate> {
        Err(BadTemplate { at: at.min(self.text.len()), what })
    }

    /// Up to the end; inside braces up to the one that closes, which is left.
    fn pieces(&mut self, depth: usize) -> Result<Template, BadTemplate> {
        if depth > MAX_DEPTH {
            return self.wrong(self.at, "references are nested too deep");
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        while let Some(c) = self.rest().chars().next() {
            if depth > 0 && c == '}' {
                break;
            }
            if self.rest().starts_with("$$") {
                plain.push('$');
                self.at += 2;
            } else if self.rest().starts_with("${") {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(self.variable(depth)?);
            } else {
                plain.push(c);
                self.at += c.len_utf8();
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    fn variable(&mut self, depth: usize) -> Result<Piece, BadTemplate> {
        let start = self.at;
        self.at += 2;
        let rest = self.rest();
        let length = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return self.wrong(start, "expected the name of a variable after ${; $$ is a dollar sign");
        }
        self.at += length;
        let otherwise = if self.rest().starts_with(":-") {
            self.at += 2;
            Some(self.pieces(depth + 1)?)
        } else {
            None
        };
        if !self.rest().starts_with('}') {
            return self.wrong(start, "expected ${NAME} or ${NAME:-otherwise}; $$ is a dollar sign");
        }
        self.at += 1;
        Ok(Piece::Variable { name, otherwise })
    }
}

/// What names of variables are made of.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text).map_err(|error| format!("{}: {error}", error.at))?;
        let mut value = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        template.fill(&mut value).map_err(|error| error.to_string())
    }

    #[test]
    fn references_are_replaced() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("x${A}y${A}", "x1y1"),
            ("${EMPTY}", ""),
            ("${EMPTY:-2}${A:-2}${B:-3}", "213"),
            ("${B:-${C:-${A}}}-", "1-"),
            ("${B:-a b:-c}", "a b:-c"),
            ("$$A $${A} $A $ $1 a$", "$A ${A} $A $ $1 a$"),
            ("{}}", "{}}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, reason) in [
            ("ab${", "2: expected the name"),
            ("${}", "0: expected the name"),
            ("${1}", "0: expected the name"),
            ("${A", "0: expected ${NAME}"),
            ("${A:?no}", "0: expected ${NAME}"),
            ("${A:-", "0: expected ${NAME}"),
            ("ü${A-b}", "2: expected ${NAME}"),
            ("${B}", "${B} is not set: set it, or write ${B:-}"),
            (&"${A:-".repeat(40), "nested too deep"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_cannot_grow_without_end() {
        let template = Template::parse("${A}${A}").unwrap();
        let long = "x".repeat(MAX_LENGTH / 2 + 1);
        assert_eq!(template.fill(&mut |_| Some(long.clone())), Err(Unfillable::TooLong));
        assert_eq!(template.names(), ["A", "A"]);
    }
}
