//! `functions-manifest.json`: which functions there should be, and what the directory says of that.
//!
//! `functions` of the manifest (or the manifest itself) is a list of names, or of objects with `name` and perhaps
//! `path`, `mainFile` or `file`. What is written has the form that is there; objects keep their other keys.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::log::replace;

/// What a function can be written in: <https://docs.netlify.com/build/functions/get-started/>.
const EXTENSIONS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];

/// A function that the manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    /// Its file, absolute; nothing where none is there.
    pub file: Option<PathBuf>,
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
        Ok(Entry { name: name.to_owned(), file: found.or(named) })
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
        let is_hidden = stem.starts_with(['_', '.']) || stem == "node_modules";
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
            found.push(Entry { name: stem.to_owned(), file });
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

/// Makes the manifest say what is in the directory. What was changed, in words; a manifest that says it already is
/// not touched.
pub(crate) fn regenerate(manifest: &Path, directory: &Path) -> Result<String, String> {
    let there = functions(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let former = tree(manifest);
    let known = former.as_ref().ok().and_then(list).cloned().unwrap_or_default();
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
    let functions: Vec<_> = there.iter().map(entry).collect();
    let count = functions.len();
    if former.is_ok() && functions == known {
        return Ok(format!("unchanged, {count} functions"));
    }
    let names = |list: &[Value]| list.iter().filter_map(name).map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (names(&known), names(&functions));
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
    let gone = old.iter().filter(|name| !new.contains(name)).count();
    let added = new.iter().filter(|name| !old.contains(name)).count();
    Ok(format!("made anew, {count} functions ({added} more, {gone} gone)"))
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
            regenerate(&self.manifest(), self.0.path()).unwrap()
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
        assert_eq!(names, ["a", "b", "dir", "own"]);
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
        assert_eq!(site.regenerate(), "made anew, 2 functions (2 more, 0 gone)");
        assert_eq!(site.text(), "{\n  \"functions\": [\n    \"a\",\n    \"b\"\n  ]\n}\n");
        let before = fs::metadata(site.manifest()).unwrap();
        assert_eq!(site.regenerate(), "unchanged, 2 functions");
        let after = fs::metadata(site.manifest()).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));

        site.says(r#"{"version": 1, "functions": [{"name": "gone", "path": "gone.js"}, {"name": "b", "path": "b.js", "schedule": "@daily"}]}"#);
        assert_eq!(site.regenerate(), "made anew, 2 functions (1 more, 1 gone)");
        let tree: Value = serde_json::from_str(&site.text()).unwrap();
        let expected = json!({"version": 1, "functions": [
            {"name": "a", "path": "a.js"}, {"name": "b", "path": "b.js", "schedule": "@daily"}]});
        assert_eq!(tree, expected);
        site.says("[\"b\"]");
        site.regenerate();
        assert_eq!(site.text(), "[\n  \"a\",\n  \"b\"\n]\n");
        site.says("rubbish");
        assert_eq!(site.regenerate(), "made anew, 2 functions (2 more, 0 gone)");
        assert_eq!(fs::read_dir(site.0.path()).unwrap().count(), 3, "nothing is left beside it");
    }
}
