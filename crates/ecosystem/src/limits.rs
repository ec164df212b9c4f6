//! What an app may use.

use rpm_core::{Bytes, Limits, limits::CoreSize};

use crate::{
    node::{Node, Value},
    values::{self, Read, expected},
};

/// The keys, as an error names them.
const KEYS: &str =
    "a table of memory, cpu, open_files, core and nice, such as { memory = \"512M\", nice = 5 }";

/// A table with a limit or several.
pub(crate) fn read(node: &Node) -> Read<Option<Limits>> {
    let Value::Table(entries) = &node.value else { return expected(KEYS, node) };
    let mut limits = Limits::default();
    for entry in entries.iter().filter(|entry| entry.node.value != Value::Null) {
        let node = &entry.node;
        match entry.key.as_str() {
            "memory" => limits.memory = values::bytes(node)?,
            "cpu" => limits.cpu = Some(percent(node)?),
            "open_files" => limits.each.open_files = Some(positive(node)?),
            "core" => limits.each.core = Some(core(node)?),
            "nice" => limits.each.nice = Some(nice(node)?),
            _ => return values::unknown_key(entry, KEYS),
        }
    }
    Ok(Some(limits).filter(|limits| *limits != Limits::default()))
}

/// `150` and `"150%"` are a core and a half.
fn percent(node: &Node) -> Read<u32> {
    let number = match &node.value {
        Value::String(text) => {
            text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse().ok())
        }
        _ => values::whole(node).and_then(|number| u32::try_from(number).ok()),
    };
    let held = number.filter(|percent| (1..=100_000).contains(percent));
    held.map_or_else(|| expected("percent of one core such as 50 or \"150%\", at least 1", node), Ok)
}

fn positive(node: &Node) -> Read<u64> {
    let number = values::whole(node).and_then(|number| u64::try_from(number).ok());
    number.filter(|&number| number > 0).map_or_else(|| expected("a whole number, at least 1", node), Ok)
}

/// Bytes, text with a unit, or `unlimited`. Unlike elsewhere 0 is a limit.
fn core(node: &Node) -> Read<CoreSize> {
    match &node.value {
        Value::String(text) if text == "unlimited" => Ok(CoreSize::Unlimited),
        _ => values::bytes(node).map(|size| CoreSize::AtMost(size.unwrap_or(Bytes(0)))),
    }
}

fn nice(node: &Node) -> Read<i8> {
    let number = values::whole(node).and_then(|number| i8::try_from(number).ok());
    number
        .filter(|number| (-20..=19).contains(number))
        .map_or_else(|| expected("a whole number from -20 (first) to 19 (last)", node), Ok)
}
