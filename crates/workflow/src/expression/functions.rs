//! The functions of expressions.

use super::{
    evaluate::{Scope, Status},
    value::{Value, upper},
};

/// A function. Which of them a field may call is in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Format,
    Join,
    ToJson,
    FromJson,
    Case,
    HashFiles,
    Success,
    Failure,
    Cancelled,
    Always,
}

use Function::*;

/// Names, and how many arguments they take.
const FUNCTIONS: &[(&str, Function, std::ops::RangeInclusive<usize>)] = &[
    ("contains", Contains, 2..=2),
    ("startsWith", StartsWith, 2..=2),
    ("endsWith", EndsWith, 2..=2),
    ("format", Format, 1..=255),
    ("join", Join, 1..=2),
    ("toJSON", ToJson, 1..=1),
    ("fromJSON", FromJson, 1..=1),
    ("case", Case, 3..=255),
    ("hashFiles", HashFiles, 1..=255),
    ("success", Success, 0..=255),
    ("failure", Failure, 0..=255),
    ("cancelled", Cancelled, 0..=0),
    ("always", Always, 0..=0),
];

impl Function {
    /// The function of a name, in any case, if it takes so many arguments.
    pub(super) fn of_call(name: &str, arguments: usize) -> Result<Self, String> {
        let Some((name, function, takes)) =
            FUNCTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))
        else {
            let known = FUNCTIONS.iter().map(|(known, ..)| *known);
            let nearest = crate::suggestion::did_you_mean(name, known);
            return Err(format!("unknown function {name:?}{nearest}"));
        };
        let odd = *function != Case || arguments % 2 == 1;
        if takes.contains(&arguments) && odd {
            return Ok(*function);
        }
        let expected = match (takes.start(), takes.end()) {
            _ if *function == Case => "pairs of a condition and a value, and a default".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, 255) => format!("{least} or more arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Err(format!("{name} takes {expected}, found {arguments}"))
    }

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function, _)| *function == self).map_or("", |(name, ..)| name)
    }

    /// Whether it asks how things went until now.
    pub(crate) fn is_status(self) -> bool {
        matches!(self, Success | Failure | Cancelled | Always)
    }

    /// Whether only some fields may call it.
    pub(crate) fn is_restricted(self) -> bool {
        self.is_status() || self == HashFiles
    }

    /// What a call gives.
    pub(super) fn call(self, arguments: &[Value], scope: &dyn Scope) -> Result<Value, String> {
        let argument = |index: usize| arguments.get(index).unwrap_or(&Value::Null);
        Ok(match self {
            Contains => contains(argument(0), argument(1)).into(),
            StartsWith => both(argument(0), argument(1), |text, part| text.starts_with(part)).into(),
            EndsWith => both(argument(0), argument(1), |text, part| text.ends_with(part)).into(),
            Format => format(&argument(0).to_text(), arguments.get(1..).unwrap_or_default())?.into(),
            Join => join(argument(0), arguments.get(1)).into(),
            ToJson => argument(0).to_json().into(),
            FromJson => from_json(&argument(0).to_text())?,
            Case => case(arguments)?,
            HashFiles => {
                let patterns: Vec<_> = arguments.iter().map(Value::to_text).collect();
                scope.hash_files(&patterns)?.into()
            }
            Success => (scope.status() == Status::Success).into(),
            Failure => (scope.status() == Status::Failure).into(),
            Cancelled => (scope.status() == Status::Cancelled).into(),
            Always => true.into(),
        })
    }
}

fn contains(search: &Value, item: &Value) -> bool {
    match search {
        Value::Array(items) => items.iter().any(|known| known.loosely_equals(item)),
        _ => both(search, item, |text, part| text.contains(part)),
    }
}

fn both(text: &Value, part: &Value, test: fn(&str, &str) -> bool) -> bool {
    let is_text = text.is_primitive() && part.is_primitive();
    is_text && test(&upper(&text.to_text()), &upper(&part.to_text()))
}

fn join(items: &Value, separator: Option<&Value>) -> String {
    match items {
        Value::Array(items) => {
            let separator = match separator {
                Some(separator) if separator.is_primitive() => separator.to_text(),
                _ => ",".to_owned(),
            };
            items.iter().map(Value::to_text).collect::<Vec<_>>().join(&separator)
        }
        Value::Object(_) => String::new(),
        _ => items.to_text(),
    }
}

fn from_json(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Err("fromJSON: expected JSON, found nothing".to_owned());
    }
    Value::from_json(text).map_err(|error| format!("fromJSON: not JSON: {error}"))
}

fn case(arguments: &[Value]) -> Result<Value, String> {
    for pair in arguments.chunks(2) {
        match pair {
            [Value::Bool(true), value] => return Ok(value.clone()),
            [Value::Bool(false), _] => {}
            [condition, _] => {
                return Err(format!("case: expected true or false, found {:?}", condition.to_text()));
            }
            _ => {}
        }
    }
    Ok(arguments.last().cloned().unwrap_or_default())
}

/// `{0}` is the first value, `{{` is `{`, `}}` is `}`.
fn format(pattern: &str, values: &[Value]) -> Result<String, String> {
    let invalid = || format!("format: {pattern:?} has a brace that is neither {{N}} nor doubled");
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = brace.strip_prefix("{{") {
            text.push('{');
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            text.push('}');
            rest = after;
        } else {
            let (index, after) =
                brace.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or_else(invalid)?;
            let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            let index: usize = index.parse().ok().filter(|_| is_index).ok_or_else(invalid)?;
            let value = values.get(index).ok_or_else(|| {
                format!("format: {pattern:?} asks for {{{index}}}, found {} values", values.len())
            })?;
            text.push_str(&value.to_text());
            rest = after;
        }
    }
    text.push_str(rest);
    Ok(text)
}
