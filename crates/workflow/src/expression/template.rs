//! Text with `${{ }}` in it.

use std::ops::Range;

use super::{Expression, SyntaxError, evaluate::Scope, parser::parse, value::Value};

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A text whose expressions have been read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// With its text, for messages.
    Expression(Expression, String),
}

/// What is wrong with an expression of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TemplateError {
    pub(crate) message: String,
    /// Which of the text's `${{` it is, counted from 0.
    pub(crate) ordinal: usize,
    /// The text between `${{` and `}}`.
    pub(crate) body: String,
    /// The bytes of the body that are wrong.
    pub(crate) span: Range<usize>,
}

impl Template {
    /// Whether a text has expressions.
    pub(crate) fn is_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut ordinal = 0;
        while let Some((before, after)) = rest.split_once(OPEN) {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let wrong = |message: String, body: &str, span| TemplateError {
                message,
                ordinal,
                body: body.to_owned(),
                span,
            };
            let Some(end) = close(after) else {
                return Err(wrong("the expression is not closed: expected }}".to_owned(), after, 0..0));
            };
            let body = &after[..end];
            let expression =
                parse(body).map_err(|SyntaxError { message, span }| wrong(message, body, span))?;
            parts.push(Part::Expression(expression, body.trim().to_owned()));
            rest = &after[end + CLOSE.len()..];
            ordinal += 1;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// A condition: the whole text is an expression, with or without `${{ }}` around it.
    pub(crate) fn condition(text: &str) -> Result<Self, TemplateError> {
        if Self::is_in(text) {
            return Self::parse(text);
        }
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self { parts: Vec::new() });
        }
        match parse(text) {
            Ok(expression) => Ok(Self { parts: vec![Part::Expression(expression, text.to_owned())] }),
            Err(SyntaxError { message, span }) => {
                Err(TemplateError { message, ordinal: 0, body: text.to_owned(), span })
            }
        }
    }

    /// Its expressions.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression, _) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text, if it has no expressions.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether text stands beside an expression.
    pub(crate) fn is_mixed(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether it is the key that merges an object into the one that it stands in.
    pub(crate) fn is_insert(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Expression(Expression::Context(name), _)] if name == "insert")
    }

    /// What it comes to: a text, or whatever its only expression gives.
    pub(crate) fn evaluate(&self, scope: &dyn Scope) -> Result<Value, String> {
        let value = |expression: &Expression, text: &str| {
            expression.evaluate(scope).map_err(|error| format!("${{{{ {text} }}}}: {error}"))
        };
        if let [Part::Expression(expression, text)] = self.parts.as_slice() {
            return value(expression, text);
        }
        let mut whole = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Expression(expression, text) => whole.push_str(&value(expression, text)?.to_text()),
            }
        }
        Ok(whole.into())
    }
}

/// Where the expression at the beginning of `text` is closed. Within quotes nothing is.
fn close(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '\'';
        (!is_quoted && text[at..].starts_with(CLOSE)).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Status, *};

    struct Nothing;

    impl Scope for Nothing {
        fn context(&self, _: &str) -> Value {
            Value::Null
        }

        fn status(&self) -> Status {
            Status::Success
        }

        fn hash_files(&self, _: &[String]) -> Result<String, String> {
            Ok(String::new())
        }
    }

    #[test]
    fn texts_are_cut_at_their_expressions() {
        let of = |text: &str| Template::parse(text).unwrap().evaluate(&Nothing).unwrap();
        assert_eq!(of("a ${{ 1 }}b${{true}} c"), Value::from("a 1btrue c"));
        assert_eq!(of("${{ 1 }}"), Value::Number(1.0));
        assert_eq!(of(" ${{ 1 }}"), Value::from(" 1"));
        assert_eq!(of("${{ '}}' }}!"), Value::from("}}!"));
        assert_eq!(of("${{ 'it''s }}' }}"), Value::from("it's }}"));
        assert_eq!(of("$ {{ 1 }}"), Value::from("$ {{ 1 }}"));
        assert_eq!(of(""), Value::from(""));
    }

    #[test]
    fn errors_know_their_expression() {
        let error = Template::parse("${{ a }} and ${{ a b }}").unwrap_err();
        assert_eq!((error.ordinal, &error.body[error.span.clone()]), (1, "b"));
        assert!(Template::parse("${{ a").unwrap_err().message.contains("not closed"));
        assert_eq!(Template::parse("${{ }}").unwrap_err().message, "expected an expression");
        let error = Template::parse("${{ fromJSON('{') }}").unwrap().evaluate(&Nothing).unwrap_err();
        assert!(error.starts_with("${{ fromJSON('{') }}: fromJSON: not JSON"), "{error}");
    }
}
