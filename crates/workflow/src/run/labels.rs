//! `runs-on`: whether this machine can stand in for what is asked for.

use crate::expression::Value;

/// A label of a system that this is not.
pub(super) fn foreign(labels: &Value) -> Option<String> {
    let labels: Vec<String> = match labels {
        Value::Array(labels) => labels.iter().map(Value::to_text).collect(),
        Value::Object(group) => match group.get("labels") {
            Some(Value::Array(labels)) => labels.iter().map(Value::to_text).collect(),
            Some(label) => vec![label.to_text()],
            None => Vec::new(),
        },
        label => vec![label.to_text()],
    };
    let (own, others): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("macos", &["ubuntu", "linux", "windows"])
    } else {
        ("linux", &["windows", "macos"])
    };
    labels.into_iter().find(|label| {
        let label = label.to_lowercase();
        label != own && others.iter().any(|other| label == *other || label.starts_with(&format!("{other}-")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_systems_are_known_by_their_labels() {
        let of = |json: &str| foreign(&Value::from_json(json).unwrap());
        for own in [
            "\"ubuntu-latest\"",
            "[\"self-hosted\", \"linux\", \"x64\"]",
            "\"my-windows\"",
            "{\"group\": \"big\"}",
        ] {
            assert_eq!(of(own), None, "{own}");
        }
        assert_eq!(of("\"windows-2022\"").as_deref(), Some("windows-2022"));
        assert_eq!(of("[\"self-hosted\", \"macOS\"]").as_deref(), Some("macOS"));
        assert_eq!(of("{\"labels\": [\"macos-14\"]}").as_deref(), Some("macos-14"));
    }
}
