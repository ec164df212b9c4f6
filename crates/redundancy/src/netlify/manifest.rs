//! `functions-manifest.json`: which functions there should be, and what the directory says of that.
//!
//! `functions` of the manifest (or the manifest itself) is a list of names, or of objects with `name` and perhaps
//! `path`, `mainFile` or `file`. What is written has the form that is there; objects keep their other keys.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::trigger::{self, Trigger};
use crate::log::replace;

/// What a function can be written in: <https://docs.netlify.com/build/functions/get-started/>.
const EXTENSIONS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];

/// A function that the manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    /// Its file, absolute; nothing where none is there.
    pub file: Option<PathBuf>,
    /// What starts it, where the manifest says so.
    pub trigger: Option<Trigger>,
}

/// What the manifest names, with the files that there are.
pub(crate) fn read(manifest: &Path, directory: &Path) -> Result<Vec<Entry>, String> {
    let tree = tree(manifest)?;
    let entries = list(&tree).ok_or("expected a list `functions`")?;
    let there = functions(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let entry = |value: &Value| {
        let name = name(value).ok_or_else(|| format!("expected a name, found {value}"))?;
        let named = ["path", "mainFile", "file"].iter().find_map(|key| value.get(key)?.as_str());
        let named = named.map(|path| directory.join(path)).filter(|path| path.is_file());
        let found = there.iter().find(|entry| entry.name == name).and_then(|entry| entry.file.clone());
        Ok(Entry { name: name.to_owned(), file: found.or(named), trigger: trigger::of_manifest(value) })
    };
    entries.iter().map(entry).collect()
}

fn tree(manifest: &Path) -> Result<Value, String> {
    let text = fs::read(manifest).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "the file is not there".to_owned(),
        _ => error.to_string(),
    })?;
    serde_json::from_slice(&text).map_err(|error| format!("not JSON: {error}"))
}

fn list(tree: &Value) -> Option<&Vec<Value>> {
    tree.as_array().or_else(|| tree.get("functions")?.as_array())
}

fn name(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry.get("name")?.as_str()).filter(|name| !name.is_empty())
}

/// The functions of a directory, by name: `name.js`, `name/index.js` or `name/name.js`.
pub(crate) fn functions(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let is_hidden = stem.starts_with('.') || stem == "node_modules";
        if is_hidden || matches!(second_extension(stem), Some("test" | "spec" | "d")) {
            continue;
        }
        let file = if path.is_dir() {
            let names = ["index", stem].into_iter();
            names
                .flat_map(|name| EXTENSIONS.map(|ext| path.join(format!("{name}.{ext}"))))
                .find(|file| file.is_file())
        } else {
            let extension = path.extension().and_then(|extension| extension.to_str());
            extension.filter(|extension| EXTENSIONS.contains(extension)).map(|_| path.clone())
        };
        if file.is_some() {
            found.push(Entry { name: stem.to_owned(), file, trigger: None });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.file.cmp(&b.file)));
    found.dedup_by(|later, first| later.name == first.name);
    Ok(found)
}

/// `test` of `name.test.js`, whose stem is given.
fn second_extension(stem: &str) -> Option<&str> {
    stem.rsplit_once('.').map(|(_, extension)| extension)
}

/// Makes the manifest name what is in the directory. What was changed, in words; a manifest that says it already is
/// not touched.
///
/// A function whose file is lost stays in it: to strike it would make the loss look like a repair. Where the manifest
/// cannot be read, `known_names` are those that it had.
pub(crate) fn regenerate(
    manifest: &Path,
    directory: &Path,
    known_names: &[String],
) -> Result<String, String> {
    let there = functions(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let former = tree(manifest);
    let known = match former.as_ref().ok().and_then(list) {
        Some(list) => list.clone(),
        None => known_names.iter().map(|name| Value::from(name.as_str())).collect(),
    };
    let has_objects = known.first().is_some_and(Value::is_object);
    let entry = |entry: &Entry| {
        let path = entry.file.as_deref().and_then(|file| file.strip_prefix(directory).ok());
        let path = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        match known.iter().find(|known| name(known) == Some(&entry.name)) {
            Some(Value::Object(former)) => {
                let mut object = former.clone();
                for key in ["path", "mainFile", "file"] {
                    if let Some(value) = object.get_mut(key)
                        && !value.as_str().is_some_and(|former| directory.join(former).is_file())
                    {
                        *value = path.clone().into();
                    }
                }
                Value::Object(object)
            }
            Some(other) => other.clone(),
            None if has_objects => json!({ "name": entry.name, "path": path }),
            None => entry.name.clone().into(),
        }
    };
    let is_there = |value: &&Value| {
        let names_file = |key: &str| value.get(key).and_then(Value::as_str);
        let has_file = || {
            let mut files = ["path", "mainFile", "file"].into_iter().filter_map(names_file);
            files.any(|file| directory.join(file).is_file())
        };
        name(value).is_some_and(|name| there.iter().any(|entry| entry.name == name) || has_file())
    };
    let is_listed = |value: &&Value| there.iter().any(|entry| Some(&*entry.name) == name(value));
    let mut functions: Vec<_> = there.iter().map(entry).collect();
    functions.extend(known.iter().filter(|value| name(value).is_some() && !is_listed(value)).cloned());
    functions.sort_by(|a, b| name(a).cmp(&name(b)));
    let lost: Vec<_> = functions.iter().filter(|value| !is_there(value)).filter_map(name).collect();
    let stay = if lost.is_empty() {
        String::new()
    } else {
        format!("; without a file, and kept: {}", lost.join(", "))
    };
    let count = functions.len();
    let mut sorted = known.clone();
    sorted.sort_by(|a, b| name(a).cmp(&name(b)));
    if former.as_ref().ok().and_then(list).is_some() && functions == sorted {
        return Ok(format!("unchanged, {count} functions{stay}"));
    }
    let added =
        functions.iter().filter(|value| !known.iter().any(|known| name(known) == name(value))).count();
    let tree = match former {
        Ok(Value::Array(_)) => Value::Array(functions),
        Ok(Value::Object(mut object)) => {
            object.insert("functions".to_owned(), functions.into());
            Value::Object(object)
        }
        _ => Value::Object(Map::from_iter([("functions".to_owned(), functions.into())])),
    };
    let text = format!("{tree:#}\n");
    replace(manifest, text.as_bytes(), 0o644)
        .map_err(|error| format!("cannot write {}: {error}", manifest.display()))?;
    Ok(format!("made anew, {count} functions ({added} more){stay}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Site(tempfile::TempDir);

    impl Site {
        fn new(files: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for file in files {
                let path = directory.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            Self(directory)
        }

        fn manifest(&self) -> PathBuf {
            self.0.path().join("functions-manifest.json")
        }

        fn says(&self, text: &str) {
            fs::write(self.manifest(), text).unwrap();
        }

        fn read(&self) -> Result<Vec<(String, bool)>, String> {
            let entries = read(&self.manifest(), self.0.path())?;
            Ok(entries.into_iter().map(|entry| (entry.name, entry.file.is_some())).collect())
        }

        fn regenerate(&self) -> String {
            regenerate(&self.manifest(), self.0.path(), &["known".to_owned()]).unwrap()
        }

        fn text(&self) -> String {
            fs::read_to_string(self.manifest()).unwrap()
        }
    }

    #[test]
    fn every_form_of_a_function_is_found() {
        let site = Site::new(&[
            "b.mjs",
            "a.js",
            "dir/index.ts",
            "own/own.js",
            "none/readme.md",
            "_lib.js",
            "a.test.js",
            "x.d.ts",
            "node_modules/y/index.js",
            "data.json",
            "a/index.js",
        ]);
        let names: Vec<_> = functions(site.0.path()).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["_lib", "a", "b", "dir", "own"]);
    }

    #[test]
    fn a_manifest_that_is_wrong_says_how() {
        let site = Site::new(&["a.js"]);
        assert_eq!(site.read().unwrap_err(), "the file is not there");
        site.says("{\"functions\": [");
        assert!(site.read().unwrap_err().starts_with("not JSON: EOF while parsing"));
        site.says("{\"functions\": {}}");
        assert_eq!(site.read().unwrap_err(), "expected a list `functions`");
        site.says("[1]");
        assert_eq!(site.read().unwrap_err(), "expected a name, found 1");
    }

    #[test]
    fn names_without_files_are_seen() {
        let site = Site::new(&["a.js", "sub/main.js"]);
        site.says(r#"{"functions": ["a", {"name": "b"}, {"name": "c", "mainFile": "sub/main.js"}]}"#);
        let expected = [("a", true), ("b", false), ("c", true)];
        assert_eq!(site.read().unwrap(), expected.map(|(name, there)| (name.to_owned(), there)));
    }

    #[test]
    fn the_form_of_the_manifest_stays_and_what_says_it_already_is_not_touched() {
        let site = Site::new(&["b.js", "a.js"]);
        site.says("[]");
        assert_eq!(site.regenerate(), "made anew, 2 functions (2 more)");
        assert_eq!(site.text(), "[\n  \"a\",\n  \"b\"\n]\n");
        let before = fs::metadata(site.manifest()).unwrap();
        assert_eq!(site.regenerate(), "unchanged, 2 functions");
        let after = fs::metadata(site.manifest()).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));

        site.says(r#"{"version": 1, "functions": [{"name": "b", "path": "gone.js", "schedule": "@daily"}]}"#);
        assert_eq!(site.regenerate(), "made anew, 2 functions (1 more)");
        let tree: Value = serde_json::from_str(&site.text()).unwrap();
        let expected = json!({"version": 1, "functions": [
            {"name": "a", "path": "a.js"}, {"name": "b", "path": "b.js", "schedule": "@daily"}]});
        assert_eq!(tree, expected);
        site.says("[\"b\"]");
        site.regenerate();
        assert_eq!(site.text(), "[\n  \"a\",\n  \"b\"\n]\n");
        assert_eq!(fs::read_dir(site.0.path()).unwrap().count(), 3, "nothing is left beside it");
    }

    #[test]
    fn a_function_whose_file_is_lost_stays_in_the_manifest() {
        let site = Site::new(&["a.js", "sub/main.js"]);
        site.says(r#"["lost", "a"]"#);
        assert_eq!(site.regenerate(), "unchanged, 2 functions; without a file, and kept: lost");
        assert_eq!(site.text(), r#"["lost", "a"]"#);
        site.says(r#"[{"name": "lost", "path": "lost.js"}, {"name": "c", "mainFile": "sub/main.js"}]"#);
        assert_eq!(site.regenerate(), "made anew, 3 functions (1 more); without a file, and kept: lost");
        let kept = [("a", true), ("c", true), ("lost", false)];
        assert_eq!(site.read().unwrap(), kept.map(|(name, there)| (name.to_owned(), there)));
        // Nor when the manifest itself is lost with it.
        site.says("rubbish");
        assert_eq!(site.regenerate(), "made anew, 2 functions (1 more); without a file, and kept: known");
        assert_eq!(site.text(), "{\n  \"functions\": [\n    \"a\",\n    \"known\"\n  ]\n}\n");
    }
}
