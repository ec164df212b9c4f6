//! What a value may be: from a [`Node`] to the type of an attribute, or words on what was expected.

use std::{cell::RefCell, collections::HashMap, str::FromStr};

use rpm_core::{
    Balance, Bytes, CombinedLog, Env, ExecMode, FilterEnv, Instances, Interpreter, Listen, LogTarget,
    LogType, Millis, Overlap, Ready, Reload, Signal,
    cron::{Schedule, Zone},
};

use crate::{
    arguments,
    node::{Entry, Node, Value},
    source::Span,
};

/// Why a value cannot be taken, and the place of the part that is wrong.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
}

pub(crate) type Read<T> = Result<T, Mismatch>;

/// More processes than any machine of today runs of one app: a slip of the pen.
const MAX_INSTANCES: i64 = Instances::MAX as i64;

/// A schedule, or the word that switches one off.
#[derive(Clone, Debug, PartialEq)]
pub enum Cron {
    /// `0`, `'0'` or `false`.
    Off,
    /// At these times.
    At(Schedule),
}

pub(crate) fn expected<T>(what: &str, node: &Node) -> Read<T> {
    mismatch(format!("expected {what}, found {}", node.describe()), node)
}

fn mismatch<T>(message: String, node: &Node) -> Read<T> {
    Err(Mismatch { message, span: node.span.clone() })
}

/// The end of a message about a name that is not known: the one that was probably meant, if there is one.
pub(crate) fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default()
}

/// A key of a table which has only `keys`.
pub(crate) fn unknown_key<T>(entry: &Entry, keys: &str) -> Read<T> {
    let message = format!("unknown key `{}`: expected {keys}", entry.key);
    Err(Mismatch { message, span: entry.span.clone() })
}

/// Text that can become an argument, a path or a variable: without the NUL that ends those in C.
fn string<'a>(what: &str, node: &'a Node) -> Read<&'a str> {
    match &node.value {
        Value::String(text) if text.contains('\0') => expected("text without NUL characters", node),
        Value::String(text) => Ok(text),
        _ => expected(what, node),
    }
}

/// A whole number, also as text or written with a fraction of zero, as JavaScript would take it.
pub(crate) fn whole(node: &Node) -> Option<i64> {
    // Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let from_float = |float: f64| (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64);
    match &node.value {
        Value::Integer(number) => Some(*number),
        Value::Float(float) => from_float(*float),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| from_float(text.parse().ok()?))
        }
        _ => None,
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str, node: &Node) -> Read<T> {
    text.parse().or_else(|error: T::Err| mismatch(error.to_string(), node))
}

/// Text; empty means not declared, as in PM2.
pub(crate) fn text(node: &Node) -> Read<Option<String>> {
    string("text in quotes", node).map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

/// Text that must say something.
pub(crate) fn filled(node: &Node) -> Read<String> {
    match string("text in quotes", node)? {
        text if text.trim().is_empty() => expected("text that is not empty", node),
        text => Ok(text.to_owned()),
    }
}

/// `true` or `false`; PM2 rejects them as text, too.
pub(crate) fn boolean(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" || text == "false" => {
            expected("true or false without quotes", node)
        }
        _ => expected("true or false", node),
    }
}

/// Milliseconds, or text with a unit.
pub(crate) fn millis(node: &Node) -> Read<Millis> {
    let number = whole(node).and_then(|number| u64::try_from(number).ok()).map(Millis::from);
    let with_unit = || match &node.value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.or_else(with_unit).map_or_else(|| expected("milliseconds such as 1600, or \"5s\"", node), Ok)
}

/// [`millis`] that are more than none.
pub(crate) fn some_millis(node: &Node) -> Read<Millis> {
    match millis(node)? {
        Millis(0) => expected("a time above 0", node),
        time => Ok(time),
    }
}

/// Bytes, or text with a unit; 0 is no limit.
pub(crate) fn bytes(node: &Node) -> Read<Option<Bytes>> {
    let number = whole(node).and_then(|number| u64::try_from(number).ok()).map(Bytes);
    let with_unit = || match &node.value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match number.or_else(with_unit) {
        Some(bytes) => Ok(Some(bytes).filter(|bytes| bytes.0 > 0)),
        None => expected("bytes such as 104857600, or \"100M\"", node),
    }
}

/// A port.
pub(crate) fn port(node: &Node) -> Read<u16> {
    let number = whole(node).and_then(|number| u16::try_from(number).ok());
    number.map_or_else(|| expected("a port, from 0 to 65535", node), Ok)
}

/// How often something may happen.
pub(crate) fn count(node: &Node) -> Read<u32> {
    let number = whole(node).and_then(|number| u32::try_from(number).ok());
    number.map_or_else(|| expected("a whole number, at least 0", node), Ok)
}

/// Arguments: a list, or text that is split as PM2 does.
pub(crate) fn words(node: &Node) -> Read<Vec<String>> {
    let Value::Array(items) = &node.value else {
        return string("a list, or text in quotes", node).map(arguments::split);
    };
    let word = |item: &Node| match item.value {
        Value::Null | Value::Array(_) | Value::Table(_) => expected("text in quotes, or a number", item),
        Value::String(_) => string("text in quotes", item).map(str::to_owned),
        _ => Ok(item.to_text()),
    };
    items.iter().map(word).collect()
}

/// On or off, one text, or several.
pub(crate) enum Choice {
    Switch(bool),
    One(String),
    Several(Vec<String>),
}

/// A switch or texts. In text `true` and `false` are switches: a command line knows nothing else.
pub(crate) fn choice(what: &str, node: &Node) -> Read<Choice> {
    match &node.value {
        Value::Bool(value) => Ok(Choice::Switch(*value)),
        Value::Array(items) => {
            let texts = items.iter().map(|item| string("text in quotes", item).map(str::to_owned));
            texts.collect::<Read<_>>().map(Choice::Several)
        }
        _ => Ok(match string(what, node)? {
            "" => Choice::Switch(false),
            text => text.parse().map_or_else(|_| Choice::One(text.to_owned()), Choice::Switch),
        }),
    }
}

/// What is kept back of the starter's environment.
pub(crate) fn filter_env(node: &Node) -> Read<FilterEnv> {
    Ok(match choice("true, false, a variable or a list of parts of names", node)? {
        Choice::Switch(all) => FilterEnv::Everything(all),
        Choice::One(name) => FilterEnv::Exactly(name),
        Choice::Several(parts) => FilterEnv::Containing(parts),
    })
}

/// Where both streams go; the path is as it was written.
pub(crate) fn combined_log(node: &Node) -> Read<CombinedLog> {
    const WHAT: &str = "a path, true or false";
    match choice(WHAT, node)? {
        Choice::Switch(on) => Ok(CombinedLog::Default(on)),
        Choice::One(path) => Ok(CombinedLog::At(LogTarget::File(path.into()))),
        Choice::Several(_) => expected(WHAT, node),
    }
}

/// `json`; PM2 takes every other word for lines as they are.
pub(crate) fn log_type(node: &Node) -> Read<Option<LogType>> {
    string("\"json\"", node).map(|word| (word == "json").then_some(LogType::Json))
}

/// Exit codes: one, a list, or text with several.
pub(crate) fn exit_codes(node: &Node) -> Read<Vec<i32>> {
    const WHAT: &str = "exit codes such as [0, 143]";
    let code = |item: &Node| {
        let code = whole(item).and_then(|number| i32::try_from(number).ok());
        code.map_or_else(|| expected(WHAT, item), Ok)
    };
    match &node.value {
        Value::Array(items) => items.iter().map(code).collect(),
        Value::String(text) => text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(|word| code(&Node::text(word)).or_else(|_| expected(WHAT, node)))
            .collect(),
        _ => code(node).map(|code| vec![code]),
    }
}

/// A number of processes, or `max`.
pub(crate) fn instances(node: &Node) -> Read<Instances> {
    match (&node.value, whole(node)) {
        (_, Some(number)) if (-MAX_INSTANCES..=MAX_INSTANCES).contains(&number) => {
            Ok(Instances::from(number))
        }
        (Value::String(word), _) if word == "max" => Ok(Instances::Cpus { less: 0 }),
        _ => expected(
            &format!("a number up to {MAX_INSTANCES}, -1 (all CPUs but one), 0 or \"max\" (all CPUs)"),
            node,
        ),
    }
}

/// `fork` or `cluster`, with or without `_mode`.
pub(crate) fn exec_mode(node: &Node) -> Read<ExecMode> {
    match &node.value {
        Value::String(word) if word == "fork" || word == "fork_mode" => Ok(ExecMode::Fork),
        Value::String(word) if word == "cluster" || word == "cluster_mode" => Ok(ExecMode::Cluster),
        _ => expected("\"fork\" or \"cluster\"", node),
    }
}

/// How an app shows that it is up.
pub(crate) fn ready(node: &Node) -> Read<Option<Ready>> {
    let text = string("\"ipc\", \"notify\", \"tcp:PORT\", \"http://HOST:PORT/PATH\" or \"log:REGEX\"", node)?;
    if text.is_empty() { Ok(None) } else { parsed(text, node).map(Some) }
}

/// Sockets: one, or a list.
pub(crate) fn listen(node: &Node) -> Read<Vec<Listen>> {
    const WHAT: &str = "sockets such as [\"127.0.0.1:3000\", \"unix:/path\"]";
    match &node.value {
        Value::Array(items) => items.iter().map(|item| parsed(string(WHAT, item)?, item)).collect(),
        Value::Integer(port) => parsed(&port.to_string(), node).map(|socket| vec![socket]),
        _ => match string(WHAT, node)? {
            "" => Ok(Vec::new()),
            text => parsed(text, node).map(|socket| vec![socket]),
        },
    }
}

/// `round_robin` or `shared`.
pub(crate) fn balance(node: &Node) -> Read<Balance> {
    match &node.value {
        Value::String(word) if word == "round_robin" => Ok(Balance::RoundRobin),
        Value::String(word) if word == "shared" => Ok(Balance::Shared),
        _ => expected("\"round_robin\" or \"shared\"", node),
    }
}

/// `restart`, `skip` or `queue`.
pub(crate) fn overlap(node: &Node) -> Read<Overlap> {
    match &node.value {
        Value::String(word) if word == "restart" => Ok(Overlap::Restart),
        Value::String(word) if word == "skip" => Ok(Overlap::Skip),
        Value::String(word) if word == "queue" => Ok(Overlap::Queue),
        _ => expected("\"restart\", \"skip\" or \"queue\"", node),
    }
}

/// `true`, `false`, or `once`, which is `true`.
pub(crate) fn once(node: &Node) -> Read<bool> {
    match &node.value {
        Value::String(word) if word == "once" => Ok(true),
        Value::Bool(value) => Ok(*value),
        _ => expected("true, false or \"once\"", node),
    }
}

/// `overlap` or `restart`.
pub(crate) fn reload(node: &Node) -> Read<Reload> {
    match &node.value {
        Value::String(word) if word == "overlap" => Ok(Reload::Overlap),
        Value::String(word) if word == "restart" => Ok(Reload::Restart),
        _ => expected("\"overlap\" or \"restart\"", node),
    }
}

/// A program, or `none`.
pub(crate) fn interpreter(node: &Node) -> Read<Option<Interpreter>> {
    text(node).map(|word| word.map(Interpreter::from))
}

/// When to run.
pub(crate) fn cron(node: &Node) -> Read<Cron> {
    match &node.value {
        Value::Integer(0) | Value::Bool(false) => Ok(Cron::Off),
        Value::String(text) if text.is_empty() || text == "0" => Ok(Cron::Off),
        Value::String(text) => schedule(text, node).map(Cron::At),
        _ => expected("a cron pattern such as \"*/5 * * * *\", or 0 for none", node),
    }
}

/// A schedule. Hundreds of tasks share a few, and to read one costs as much as all else in a task: each text is
/// read once.
fn schedule(text: &str, node: &Node) -> Read<Schedule> {
    thread_local!(static KNOWN: RefCell<HashMap<String, Schedule>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        if let Some(schedule) = known.get(text) {
            return Ok(schedule.clone());
        }
        let schedule: Schedule = parsed(text, node)?;
        known.insert(text.to_owned(), schedule.clone());
        Ok(schedule)
    })
}

/// A time zone.
pub(crate) fn zone(node: &Node) -> Read<Option<Zone>> {
    let name = string("a time zone such as \"Europe/Berlin\"", node)?;
    if name.is_empty() { Ok(None) } else { parsed(name, node).map(Some) }
}

/// A signal, by name or number.
pub(crate) fn signal(node: &Node) -> Read<Signal> {
    match &node.value {
        Value::String(name) => parsed(name, node),
        Value::Integer(number) => parsed(&number.to_string(), node),
        _ => expected("a signal such as \"SIGTERM\", or its number", node),
    }
}

/// Environment variables; what is not text becomes text as in PM2.
pub(crate) fn variables(node: &Node) -> Read<Env> {
    let Value::Table(entries) = &node.value else {
        return expected("a table of variables such as { NODE_ENV = \"production\" }", node);
    };
    let variable = |(key, span, node): (&String, &Option<Span>, &Node)| {
        if key.is_empty() || key.contains(['=', '\0']) {
            let message = format!("expected the name of a variable, without = and NUL, found {key:?}");
            return Err(Mismatch { message, span: span.clone() });
        }
        let value = node.to_text();
        // The value may be a secret, and is not shown.
        if value.contains('\0') {
            return mismatch(format!("expected {key} without NUL characters"), node);
        }
        Ok((key.clone(), value))
    };
    entries.iter().map(|entry| variable((&entry.key, &entry.span, &entry.node))).collect()
}
