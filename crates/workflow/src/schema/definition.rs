//! The schema as it is written, and its types by their names.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// What a file can say.
pub(super) struct Schema {
    pub(super) root: &'static str,
    definitions: HashMap<&'static str, Definition>,
}

/// A type: one of these is set, beside `context`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", bound(deserialize = "'de: 'static"))]
pub(super) struct Definition {
    /// What expressions can see in values of the type, beside what those can see that it is part of: names of
    /// contexts, and functions such as `hashFiles(1,255)`.
    #[serde(default)]
    pub(super) context: Vec<&'static str>,
    pub(super) null: Option<Empty>,
    pub(super) boolean: Option<Empty>,
    pub(super) number: Option<Empty>,
    pub(super) string: Option<Text>,
    #[serde(default)]
    pub(super) allowed_values: Vec<&'static str>,
    pub(super) sequence: Option<Sequence>,
    pub(super) mapping: Option<Mapping>,
    #[serde(default)]
    one_of: Vec<&'static str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Empty {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Text {
    pub(super) constant: Option<&'static str>,
    #[serde(default)]
    pub(super) require_non_empty: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Sequence {
    pub(super) item_type: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Mapping {
    #[serde(default)]
    pub(super) properties: BTreeMap<&'static str, Property>,
    pub(super) loose_key_type: Option<&'static str>,
    pub(super) loose_value_type: Option<&'static str>,
}

/// The type of a known key.
#[derive(Debug, Deserialize)]
#[serde(from = "Written")]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) required: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Short(&'static str),
    Long {
        r#type: &'static str,
        #[serde(default)]
        required: bool,
    },
}

impl From<Written> for Property {
    fn from(written: Written) -> Self {
        match written {
            Written::Short(name) => Self { name, required: false },
            Written::Long { r#type, required } => Self { name: r#type, required },
        }
    }
}

/// The types that the files take for granted.
const BUILT_IN: &str = r#"{
    "null": {"null": {}}, "boolean": {"boolean": {}}, "number": {"number": {}}, "string": {"string": {}},
    "sequence": {"sequence": {"item-type": "any"}},
    "mapping": {"mapping": {"loose-key-type": "string", "loose-value-type": "any"}},
    "any": {"one-of": ["null", "boolean", "number", "string", "sequence", "mapping"]}
}"#;

/// Steps in the background: in the schema, and switched off for everybody in GitHub's own parser.
const UNRELEASED: &[&str] = &["background", "wait", "wait-all", "cancel", "parallel"];

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
struct File {
    definitions: HashMap<&'static str, Definition>,
}

impl Schema {
    /// A file of `data/`; nothing can be said where it is none, which the tests see.
    pub(super) fn read(text: &'static str, root: &'static str) -> Self {
        let mut definitions: HashMap<_, Definition> = serde_json::from_str(BUILT_IN).unwrap_or_default();
        if let Ok(file) = serde_json::from_str::<File>(text) {
            definitions.extend(file.definitions);
        }
        for mapping in definitions.values_mut().filter_map(|definition| definition.mapping.as_mut()) {
            mapping.properties.retain(|name, _| !UNRELEASED.contains(name));
        }
        // A mapping that has lost all that made it different is no choice any more.
        let is_left =
            |name: &&str| !["wait-step", "wait-all-step", "cancel-step", "parallel-step"].contains(name);
        for definition in definitions.values_mut() {
            definition.one_of.retain(is_left);
        }
        Self { root, definitions }
    }

    /// The type of a name. Names come from the schema itself.
    pub(super) fn get(&self, name: &str) -> &Definition {
        static UNKNOWN: Definition = Definition {
            context: Vec::new(),
            null: None,
            boolean: None,
            number: None,
            string: None,
            allowed_values: Vec::new(),
            sequence: None,
            mapping: None,
            one_of: Vec::new(),
        };
        self.definitions.get(name).unwrap_or(&UNKNOWN)
    }

    /// The type itself, or those of which it is one.
    pub(super) fn choices<'a>(&'a self, name: &'a str) -> Vec<(&'a str, &'a Definition)> {
        let definition = self.get(name);
        if definition.one_of.is_empty() {
            return vec![(name, definition)];
        }
        definition.one_of.iter().flat_map(|choice| self.choices(choice)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        for schema in [&*WORKFLOW, &*ACTION] {
            assert!(schema.definitions.contains_key(schema.root));
            assert!(schema.definitions.len() > 20);
            for (of, definition) in &schema.definitions {
                let mut names = definition.one_of.clone();
                names.extend(definition.sequence.as_ref().map(|sequence| sequence.item_type));
                if let Some(mapping) = &definition.mapping {
                    names.extend(mapping.properties.values().map(|property| property.name));
                    names.extend(mapping.loose_key_type);
                    names.extend(mapping.loose_value_type);
                }
                for name in names {
                    assert!(schema.definitions.contains_key(name), "{of}: {name}");
                }
            }
        }
    }
}
