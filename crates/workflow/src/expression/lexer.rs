//! The words of an expression.

use std::ops::Range;

use super::{SyntaxError, number, value::Value};

/// A word, and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// One of `( ) [ ] , . ! != == < <= > >= && || *`.
    Sign(&'static str),
    Literal(Value),
    Name(String),
}

/// Longer ones come first.
const SIGNS: &[&str] =
    &["!=", "==", "<=", ">=", "&&", "||", "(", ")", "[", "]", ",", ".", "!", "<", ">", "*"];

/// The longest expression that GitHub reads, in bytes.
const MAX_LENGTH: usize = 21_000;

/// Cuts an expression into words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    if text.len() > MAX_LENGTH {
        let message = format!("expected at most {MAX_LENGTH} characters");
        return Err(SyntaxError { message, span: 0..text.len() });
    }
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = token(&text[at..], tokens.last().map(|token| &token.kind))
            .map_err(|(message, length)| SyntaxError { message, span: at..at + length })?;
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    Ok(tokens)
}

/// The word at the beginning of `text`, and its length; or what is wrong, and how long that is.
fn token(text: &str, previous: Option<&Kind>) -> Result<(Kind, usize), (String, usize)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return string(quoted).ok_or_else(|| ("the text is not closed: expected '".to_owned(), text.len()));
    }
    // `.5` is a number, but not after what has properties.
    let has_properties = matches!(previous, Some(Kind::Name(_) | Kind::Sign("]" | ")" | "*")));
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
        || (text.starts_with('.') && !has_properties);
    if is_number {
        let end = text.find(|c: char| c != '.' && is_boundary(c)).unwrap_or(text.len());
        return match number::parse(&text[..end]) {
            number if number.is_nan() => Err((format!("{:?} is not a number", &text[..end]), end)),
            number => Ok((Kind::Literal(Value::Number(number)), end)),
        };
    }
    if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        return Ok((Kind::Sign(sign), sign.len()));
    }
    let end = text.find(is_boundary).filter(|end| *end > 0).unwrap_or_else(|| {
        text.chars().next().filter(|c| is_boundary(*c)).map_or(text.len(), char::len_utf8)
    });
    let word = &text[..end];
    if let Some(literal) = keyword(word).filter(|_| previous != Some(&Kind::Sign("."))) {
        return Ok((Kind::Literal(literal), end));
    }
    if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    {
        return Ok((Kind::Name(word.to_owned()), end));
    }
    Err((unexpected(word), end))
}

fn unexpected(word: &str) -> String {
    let hint = match word {
        _ if word.starts_with('"') => ": text stands in single quotes",
        "=" => ": equality is ==",
        "&" => ": and is &&",
        "|" => ": or is ||",
        _ => "",
    };
    format!("unexpected {word:?}{hint}")
}

fn keyword(word: &str) -> Option<Value> {
    Some(match word {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "NaN" => Value::Number(f64::NAN),
        "Infinity" => Value::Number(f64::INFINITY),
        _ => return None,
    })
}

/// What follows the opening quote; two quotes are one in the text.
fn string(quoted: &str) -> Option<(Kind, usize)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        text.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Some((Kind::Literal(Value::from(text)), 1 + quoted.len() - after.len())),
        }
    }
}

fn is_boundary(c: char) -> bool {
    "([)],.!><=&|".contains(c) || c.is_whitespace()
}
