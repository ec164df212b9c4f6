//! Limits on what an app says about itself.
//!
//! Every client is shown what each app has said. So one app must not be able to make that long for the others.

use rpm_core::process::Told;
use serde_json::{Map, Value};

/// Maximum number of actions, of metrics and of options, each.
const MAX_ENTRIES: usize = 256;

/// Maximum cost of one action, metric or option, see [`cost`].
const MAX_ENTRY: usize = 2 << 10;

/// Longest version of Node, in characters.
const MAX_VERSION: usize = 64;

/// Maximum nesting of what an app sends. A reply wraps it a few times, and its reader stops at 128.
const MAX_DEPTH: usize = 64;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It says something about the app, and was kept.
    Kept,
    /// It says something about the app that is beyond the limits: at least part of it was dropped.
    Dropped,
    /// It means something else.
    Other,
}

impl Outcome {
    fn of(is_kept: bool) -> Self {
        if is_kept { Self::Kept } else { Self::Dropped }
    }
}

/// Keeps what `message` says about its app.
pub(crate) fn record(told: &mut Told, message: &Value) -> Outcome {
    if let Some(version) = message.get("node_version").and_then(Value::as_str) {
        told.node_version = Some(version.chars().take(MAX_VERSION).collect());
        return Outcome::Kept;
    }
    let (Some(kind), Some(data)) = (message.get("type").and_then(Value::as_str), message.get("data")) else {
        return Outcome::Other;
    };
    match kind {
        "axm:action" => Outcome::of(add(&mut told.actions, data)),
        "axm:monitor" => Outcome::of(merge(&mut told.metrics, data)),
        "axm:option:configuration" => Outcome::of(merge(&mut told.options, data)),
        _ => Outcome::Other,
    }
}

fn add(actions: &mut Vec<Value>, action: &Value) -> bool {
    let name = action.get("action_name");
    if actions.iter().any(|known| known.get("action_name") == name) {
        return true;
    }
    let has_room = actions.len() < MAX_ENTRIES && cost(action, MAX_ENTRY).is_some();
    if has_room {
        actions.push(action.clone());
    }
    has_room
}

fn merge(known: &mut Map<String, Value>, data: &Value) -> bool {
    let mut is_whole = true;
    for (name, value) in data.as_object().into_iter().flatten() {
        let has_room = known.len() < MAX_ENTRIES || known.contains_key(name);
        if has_room && name.len() <= MAX_ENTRY && cost(value, MAX_ENTRY - name.len()).is_some() {
            known.insert(name.clone(), value.clone());
        } else {
            // An old value in place of a new one would be wrong.
            known.remove(name);
            is_whole = false;
        }
    }
    is_whole
}

/// Returns about how many bytes of memory `value` takes, or `None` if that is more than `limit` or if `value` is nested
/// too deeply. Costs no more than `limit`.
pub(crate) fn cost(value: &Value, limit: usize) -> Option<usize> {
    let mut left = limit;
    spend(value, &mut left, MAX_DEPTH)?;
    Some(limit - left)
}

fn spend(value: &Value, left: &mut usize, depth: usize) -> Option<()> {
    let own = match value {
        Value::String(text) => text.len(),
        _ => 0,
    };
    *left = left.checked_sub(size_of::<Value>() + own)?;
    match value {
        Value::Array(entries) => {
            let depth = depth.checked_sub(1)?;
            entries.iter().try_for_each(|entry| spend(entry, left, depth))
        }
        Value::Object(entries) => {
            let depth = depth.checked_sub(1)?;
            entries.iter().try_for_each(|(name, entry)| {
                *left = left.checked_sub(size_of::<String>() + name.len())?;
                spend(entry, left, depth)
            })
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(0), |inner, _| json!([inner]))
    }

    #[test]
    fn what_an_app_says_is_kept() {
        let mut told = Told::default();
        let metrics = json!({ "type": "axm:monitor", "data": { "load": { "value": 3 } } });
        assert_eq!(record(&mut told, &metrics), Outcome::Kept);
        assert_eq!(told.metrics["load"]["value"], 3);
        let action = json!({ "type": "axm:action", "data": { "action_name": "dump" } });
        assert_eq!([record(&mut told, &action), record(&mut told, &action)], [Outcome::Kept; 2]);
        assert_eq!(told.actions.len(), 1);
        assert_eq!(record(&mut told, &json!({ "type": "mine", "data": 1 })), Outcome::Other);
    }

    #[test]
    fn whatever_an_app_says_its_description_stays_short() {
        let mut told = Told::default();
        for turn in 0..2_000 {
            for kind in ["axm:monitor", "axm:option:configuration"] {
                let data = json!({ format!("{turn}"): "v".repeat(1_500) });
                record(&mut told, &json!({ "type": kind, "data": data }));
            }
            let data = json!({ "action_name": format!("{turn}"), "comment": "c".repeat(1_500) });
            record(&mut told, &json!({ "type": "axm:action", "data": data }));
        }
        let huge = "x".repeat(16 << 20);
        for data in [json!({ "1": huge }), json!({ huge.clone(): 1 }), json!({ "2": nested(100) })] {
            let message = json!({ "type": "axm:monitor", "data": data });
            assert_eq!(record(&mut told, &message), Outcome::Dropped);
        }
        record(&mut told, &json!({ "node_version": huge }));
        assert_eq!((told.actions.len(), told.options.len()), (256, 256));
        assert!(!told.metrics.contains_key("1"), "a value that was replaced is not shown");
        assert!(serde_json::to_vec(&told).unwrap().len() < 2 << 20);
    }

    #[test]
    fn what_is_nested_too_deeply_has_no_cost() {
        assert!(cost(&nested(MAX_DEPTH), 1 << 20).is_some());
        assert!(cost(&nested(MAX_DEPTH + 1), 1 << 20).is_none());
        assert!(cost(&json!(["x".repeat(100)]), 100).is_none());
    }
}
