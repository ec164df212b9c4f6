//! What tells apps from each other: the namespace and the name.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::AppSpec;

/// The namespace and the name of an app. One name in two namespaces is two apps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl AppKey {
    /// `namespace/name`, which selects this app where its name alone would select others as well.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl AppSpec {
    /// What tells it from other apps.
    pub fn key(&self) -> AppKey {
        AppKey { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Whether both declare the same app.
    pub fn is_same_app(&self, other: &Self) -> bool {
        self.name == other.name && self.namespace == other.namespace
    }

    /// Whether `word` means it: by its name, or as `namespace/name`.
    pub fn is_called(&self, word: &str) -> bool {
        is_called(&self.namespace, &self.name, word)
    }
}

/// Whether `word` means the app `name` of `namespace`: by its name, or as `namespace/name`.
pub fn is_called(namespace: &str, name: &str, word: &str) -> bool {
    let rest = word.strip_suffix(name);
    rest == Some("") || rest.and_then(|rest| rest.strip_suffix('/')) == Some(namespace)
}

/// Apps by their names, to find what an app means by the name of another.
#[derive(Debug)]
pub struct AppIndex<'a, T>(HashMap<&'a str, Vec<(&'a str, T)>>);

impl<'a, T: Copy> AppIndex<'a, T> {
    /// What stands for each app, after its name and its namespace.
    pub fn of(apps: impl IntoIterator<Item = ((&'a str, &'a str), T)>) -> Self {
        let mut by_name: HashMap<&str, Vec<_>> = HashMap::new();
        for ((name, namespace), value) in apps {
            by_name.entry(name).or_default().push((namespace, value));
        }
        Self(by_name)
    }

    /// The apps that `word` means to an app of `namespace`: the app of that name in the same namespace; without it, the
    /// apps of that name in any; else the app with that `namespace/name`.
    pub fn meant(&self, namespace: &str, word: &str) -> Vec<T> {
        let named = self.0.get(word).map(Vec::as_slice).unwrap_or_default();
        let in_namespace = |named: &[(&str, T)], wanted: &str| -> Vec<T> {
            named.iter().filter(|(there, _)| *there == wanted).map(|(_, value)| *value).collect()
        };
        let same = in_namespace(named, namespace);
        if !same.is_empty() {
            return same;
        }
        if !named.is_empty() {
            return named.iter().map(|(_, value)| *value).collect();
        }
        let pairs = word.match_indices('/').map(|(at, _)| (&word[..at], &word[at + 1..]));
        let found = pairs.map(|(namespace, name)| {
            in_namespace(self.0.get(name).map(Vec::as_slice).unwrap_or_default(), namespace)
        });
        found.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interpreter;

    #[test]
    fn a_name_means_the_app_of_the_same_namespace_first() {
        let app = |namespace: &str, name: &str| {
            let mut app = AppSpec::new(name, "/a".into(), Interpreter::None, "/".into());
            namespace.clone_into(&mut app.namespace);
            app
        };
        let apps = [app("web", "db"), app("shop", "db"), app("a/b", "c/d")];
        let index = AppIndex::of(apps.iter().map(|app| (&*app.name, &*app.namespace)).zip(0..));
        assert_eq!(index.meant("shop", "db"), [1]);
        assert_eq!(index.meant("other", "db"), [0, 1]);
        assert_eq!(index.meant("other", "web/db"), [0]);
        assert_eq!(index.meant("other", "a/b/c/d"), [2]);
        assert!(index.meant("other", "web").is_empty());
        assert!(apps[0].is_called("db") && apps[0].is_called("web/db"));
        assert!(!apps[0].is_called("shop/db") && !apps[0].is_called("b") && !apps[0].is_called("web/"));
    }
}
