//! `--write`: what was declared on the command line, as a file that declares the same.

use std::path::PathBuf;

use rpm_core::{
    Persona,
    name::{file_stem, plain_stem},
};
use serde_json::{Map, Value, json};

use crate::{context::Context, failure::Failure, files};

/// Writes `<name>-pm2.json` into the working directory, in the form that PM2 gives to it.
pub(crate) fn write(context: &mut Context, name: &str, script: &str, args: &[String]) -> Result<(), Failure> {
    let mut app = declared(&context.options.attributes);
    app.insert("name".to_owned(), json!(name));
    app.insert("script".to_owned(), json!(script));
    app.entry("cwd").or_insert_with(|| json!(context.cwd));
    if !args.is_empty() {
        app.insert("args".to_owned(), json!(args));
    }
    let stem = match context.persona() {
        Persona::Rpm => plain_stem(name),
        _ => file_stem(name),
    };
    let path: PathBuf = context.cwd.join(format!("{stem}-{}.json", context.persona().word()));
    context.out.info(&format!("Writing configuration to {}", path.display()));
    let text = serde_json::to_vec_pretty(&json!({ "apps": [app] }));
    text.map_err(std::io::Error::from)
        .and_then(|text| files::replace(&path, &text, 0o644))
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))
}

/// Options as attributes of a file: switches are switches there, and what is repeated is a list.
fn declared(attributes: &[(&'static str, String)]) -> Map<String, Value> {
    let mut app = Map::new();
    for (name, text) in attributes {
        let value = text.parse::<bool>().map_or_else(|_| json!(text), Value::Bool);
        match app.get_mut(*name) {
            Some(Value::Array(values)) => values.push(value),
            Some(earlier) => *earlier = json!([earlier, value]),
            None => _ = app.insert((*name).to_owned(), value),
        }
    }
    app
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_attributes() {
        let attributes =
            [("instances", "2"), ("autorestart", "false"), ("watch", "a"), ("watch", "b"), ("watch", "c")];
        let attributes = attributes.map(|(name, text)| (name, text.to_owned()));
        let expected = json!({ "instances": "2", "autorestart": false, "watch": ["a", "b", "c"] });
        assert_eq!(Value::Object(declared(&attributes)), expected);
    }
}
