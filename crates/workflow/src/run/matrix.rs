//! The combinations of a matrix.

use crate::expression::{Object, Value};

/// GitHub's bound for one workflow.
const MAX_JOBS: usize = 256;

/// The combinations, in GitHub's order: the first key varies slowest, and what `include` adds comes last.
pub(super) fn combinations(matrix: &Value) -> Result<Vec<Object>, String> {
    let Value::Object(matrix) = matrix else {
        return Err(format!("the matrix: expected keys and lists, found {:?}", matrix.to_text()));
    };
    let is_list = |name: &str| name.eq_ignore_ascii_case("include") || name.eq_ignore_ascii_case("exclude");
    let mut combinations = vec![Object::default()];
    let mut keys: Vec<&str> = Vec::new();
    for (name, values) in matrix.iter().filter(|(name, _)| !is_list(name)) {
        let Value::Array(values) = values else {
            return Err(format!("the matrix: expected a list for {name:?}, found {:?}", values.to_text()));
        };
        if values.is_empty() {
            return Err(format!("the matrix has no value for {name:?}"));
        }
        keys.push(name);
        if combinations.len() * values.len() > MAX_JOBS {
            return Err(format!("the matrix: expected at most {MAX_JOBS} combinations"));
        }
        combinations = combinations
            .iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut combination = combination.clone();
                    combination.set(name, value.clone());
                    combination
                })
            })
            .collect();
    }
    if keys.is_empty() {
        combinations.clear();
    }
    let excluded = filters(matrix, "exclude")?;
    combinations.retain(|combination| !excluded.iter().any(|filter| matches(filter, combination)));
    include(&mut combinations, &keys, &filters(matrix, "include")?);
    match combinations.len() {
        0 => Err("the matrix has no combination".to_owned()),
        1..=MAX_JOBS => Ok(combinations),
        _ => Err(format!("the matrix: expected at most {MAX_JOBS} combinations")),
    }
}

fn filters(matrix: &Object, name: &str) -> Result<Vec<Object>, String> {
    match matrix.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::Object(filter) => Ok(filter.as_ref().clone()),
                other => Err(format!("{name}: expected keys and values, found {:?}", other.to_text())),
            })
            .collect(),
        Some(other) => Err(format!("{name}: expected a list, found {:?}", other.to_text())),
    }
}

/// Whether all that a filter says is so; of lists and objects only what it names is compared.
fn matches(filter: &Object, combination: &Object) -> bool {
    filter.iter().all(|(name, value)| combination.get(name).is_some_and(|own| same(value, own)))
}

fn same(wanted: &Value, own: &Value) -> bool {
    match (wanted, own) {
        (Value::Object(wanted), Value::Object(own)) => matches(wanted, own),
        (Value::Array(wanted), Value::Array(own)) => {
            wanted.len() == own.len() && wanted.iter().zip(own.iter()).all(|(wanted, own)| same(wanted, own))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        _ => wanted.to_text() == own.to_text(),
    }
}

/// Each `include` is added to every combination of which it overwrites no original value; where there is none, it
/// is a combination of its own.
fn include(combinations: &mut Vec<Object>, keys: &[&str], included: &[Object]) {
    let original = combinations.clone();
    for extra in included {
        let mut is_used = false;
        for (combination, original) in combinations.iter_mut().zip(&original) {
            let fits = keys.iter().all(|key| match (extra.get(key), original.get(key)) {
                (Some(value), Some(own)) => same(value, own),
                _ => true,
            });
            if fits {
                is_used = true;
                extra.iter().for_each(|(name, value)| combination.set(name, value.clone()));
            }
        }
        if !is_used {
            combinations.push(extra.clone());
        }
    }
}

/// What GitHub writes behind the name of a job: the values, as far as they are texts.
pub(super) fn label(combination: &Object) -> String {
    let mut values = Vec::new();
    combination.iter().for_each(|(_, value)| scalars(value, &mut values));
    values.join(", ")
}

fn scalars(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Object(object) => object.iter().for_each(|(_, value)| scalars(value, found)),
        Value::Null => {}
        _ => found.push(value.to_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Vec<String> {
        match combinations(&Value::from_json(json).unwrap()) {
            Ok(combinations) => combinations
                .into_iter()
                .map(|combination| {
                    let entries =
                        combination.iter().map(|(name, value)| format!("{name}={}", value.to_text()));
                    entries.collect::<Vec<_>>().join(" ")
                })
                .collect(),
            Err(error) => vec![error],
        }
    }

    #[test]
    fn combinations_are_those_of_the_documentation() {
        assert_eq!(
            of(r#"{"version": [10, 12, 14], "os": ["ubuntu", "windows"]}"#),
            [
                "version=10 os=ubuntu",
                "version=10 os=windows",
                "version=12 os=ubuntu",
                "version=12 os=windows",
                "version=14 os=ubuntu",
                "version=14 os=windows",
            ]
        );
        // The example of 'Expanding or adding matrix configurations'.
        assert_eq!(
            of(r#"{"fruit": ["apple", "pear"], "animal": ["cat", "dog"], "include": [
                {"color": "green"}, {"color": "pink", "animal": "cat"}, {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"}, {"fruit": "banana", "animal": "cat"}]}"#),
            [
                "fruit=apple animal=cat color=pink shape=circle",
                "fruit=apple animal=dog color=green shape=circle",
                "fruit=pear animal=cat color=pink",
                "fruit=pear animal=dog color=green",
                "fruit=banana",
                "fruit=banana animal=cat",
            ]
        );
        assert_eq!(of(r#"{"include": [{"site": "a"}, {"site": "b"}]}"#), ["site=a", "site=b"]);
        // The example of 'Excluding matrix configurations'.
        assert_eq!(
            of(
                r#"{"os": ["macos", "windows"], "version": [12, 14], "environment": ["staging", "production"],
                "exclude": [{"os": "macos", "version": 12, "environment": "production"},
                    {"os": "windows", "version": 14}]}"#
            ),
            [
                "os=macos version=12 environment=staging",
                "os=macos version=14 environment=staging",
                "os=macos version=14 environment=production",
                "os=windows version=12 environment=staging",
                "os=windows version=12 environment=production",
            ]
        );
    }

    #[test]
    fn a_matrix_without_combinations_is_told() {
        assert_eq!(of(r#"{"a": []}"#), ["the matrix has no value for \"a\""]);
        assert_eq!(of(r#"{"a": [1], "exclude": [{"a": 1}]}"#), ["the matrix has no combination"]);
        assert_eq!(of(r#"{"a": "x"}"#), ["the matrix: expected a list for \"a\", found \"x\""]);
        assert_eq!(of("\"x\""), ["the matrix: expected keys and lists, found \"x\""]);
        let many: Vec<String> = (0..257).map(|number| number.to_string()).collect();
        let many = of(&format!(r#"{{"a": [{}]}}"#, many.join(",")));
        assert_eq!(many, ["the matrix: expected at most 256 combinations"]);
    }

    #[test]
    fn labels_are_the_values() {
        let combinations =
            combinations(&Value::from_json(r#"{"a": [{"x": 1, "y": ["z", true]}], "b": ["c"]}"#).unwrap());
        assert_eq!(label(&combinations.unwrap()[0]), "1, z, true, c");
    }
}
